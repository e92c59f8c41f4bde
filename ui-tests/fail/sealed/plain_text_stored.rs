include!("../../common/notes.rs");

fn main() {
    let _ = Note::body.to("text");
}
