//! Sealed columns: written, read, sealed at the border, opened.

use plasma::client::Client;
use plasma::crypto::{Keyring, OpenError};
use plasma::prelude::*;
use plasma::{BlindIndex, KeyId, Receipt, Reseal, SealArgs};

#[plasma::table(name = "notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub body: Sealed<String>,
    pub remark: Option<Sealed<Vec<String>>>,
    pub email: Option<BlindIndex>,
}

#[plasma::schema(version = "1", tables(Note), mutators(Notes, Reseal<App>))]
pub struct App;
pub type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone, PartialEq)]
pub struct AddNote {
    pub id: Id<Note>,
    #[arg(len(1..=2_000), trim, seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
    /// Of a key that the caller chooses.
    #[arg(len(..=3), seal(column = Note::remark, row = self.id, key = self.key))]
    pub remark: Option<Sealed<Vec<String>>>,
    pub key: KeyId,
}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn add(tx: &mut Tx<'_>, _: &(), args: AddNote) -> plasma::Result<()> {
        tx.insert(NewNote { body: args.body.clone() }.with_id(args.id).with(Note::remark.to(args.remark))).await?;
        tx.update(args.id).set(Note::body.to(args.body)).await
    }
}

async fn use_it(client: &Client<App>, keyring: &dyn Keyring) -> plasma::Result<()> {
    let id = client.new_id();
    let key = KeyId::new("k")?;
    let _: Receipt<AddNote> =
        client.mutate(PlainAddNote { id, body: "text".into(), remark: None, key: key.clone() }).await?;
    let body = client.seal(Note::body, id, "text").await?;
    let _: Receipt<AddNote> = client.mutate(AddNote { id, body, remark: None, key: key.clone() }).await?;
    let note = client.need(id).await?;
    let _: Result<String, OpenError> = note.body.open(keyring, Note::body, note.id);
    let _: String = client.open(Note::body, note.id, &note.body)?;
    let _ = client.all(Note::select().filter(Note::remark.is_null())).await?;
    let progress = client.rotate_keys(&key, &KeyId::new("new")?).await?;
    let _: bool = progress.can_forget();
    client.reseal::<Note>(&key, &KeyId::new("new")?).await?;
    Ok(())
}

fn sealed<A: SealArgs<Sealed = AddNote>>() {}

fn main() {
    let _ = use_it;
    sealed::<PlainAddNote>();
    assert_eq!(App::definition().mutators.len(), 2);
}
