include!("../../common/notes.rs");

async fn f(tx: &mut Tx<'_>, note: Note) -> plasma::Result<String> {
    let text = tx.open(Note::body, note.id, &note.body)?;
    Ok(text)
}

fn main() {
    let _ = f;
}
