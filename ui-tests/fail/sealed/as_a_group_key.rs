include!("../../common/notes.rs");

fn main() {
    let _ = Note::select().group_by(Note::body).project(|body| body);
}
