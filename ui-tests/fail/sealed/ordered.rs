include!("../../common/notes.rs");

fn main() {
    let _ = Note::select().order_by(Note::body.asc());
}
