//! Files with their limits.

use plasma::FileRef;
use plasma::prelude::*;

#[plasma::table(name = "notes", auth = open, blobs = "attachments")]
pub struct Note {
    pub id: Id<Note>,
    #[column(file(max_size = "5 MiB", mime("image/*", "application/pdf"), immutable, upload = eager))]
    pub scan: Option<FileRef>,
    #[column(file(upload = lazy))]
    pub sound: FileRef,
    pub other: Option<FileRef>,
}

fn main() {
    let _ = Note::select().filter(Note::scan.is_null().or(Note::other.is_not_null()));
}
