include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

async fn f(client: plasma::Client<App>, plain: PlainEdit) {
    let _ = client.mutate(plain).await;
}

fn main() {
    let _ = f;
}
