include!("../../common/notes.rs");

fn main() {
    let _ = Note::select().filter(Note::body.eq("text"));
}
