include!("../../common/notes.rs");

fn main() {
    let _ = move |sealed: Sealed<i32>| Note::body.to(sealed);
}
