include!("../../common/notes.rs");

fn main() {
    let _ = Note::select().filter(Note::body.is_in(["text"]));
}
