include!("../../common/notes.rs");

fn f(note: Note, user: Id<User>, keyring: &dyn plasma::crypto::Keyring) {
    let _ = note.body.open(keyring, Note::body, user);
}

fn main() {
    let _ = f;
}
