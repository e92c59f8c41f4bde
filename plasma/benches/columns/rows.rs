//! Rows a second that a client writes, with a text of 100 bytes in the clear and sealed: each a mutation of its own, from the
//! call to the commit.

use std::sync::Arc;

use plasma::crypto::{Dek, KeyId, Keys};
use plasma::prelude::*;
use plasma_runtime::client::{Client, SqliteStore};
use plasma_runtime::inputs::OsEntropy;

use crate::util::{Numbers, Samples, folder, micros, rounds, time};

#[derive(Debug, Clone)]
pub struct Ctx;

#[plasma::table(name = "clear_notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct ClearNote {
    pub id: Id<ClearNote>,
    pub body: String,
}

#[plasma::table(name = "sealed_notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct SealedNote {
    pub id: Id<SealedNote>,
    pub body: Sealed<String>,
}

#[plasma::schema(version = "columns-1", ctx = Ctx, tables(ClearNote, SealedNote), mutators(Notes))]
pub struct Columns;
pub type Tx<'a> = plasma::Tx<'a, Columns>;

#[plasma::args]
pub struct AddClear {
    pub id: Id<ClearNote>,
    pub body: String,
}

#[plasma::args]
pub struct AddSealed {
    pub id: Id<SealedNote>,
    #[arg(seal(column = SealedNote::body, row = self.id))]
    pub body: Sealed<String>,
}

pub struct Notes;

#[plasma::mutators(Columns)]
impl Notes {
    pub async fn add_clear(tx: &mut Tx<'_>, _: &Ctx, args: AddClear) -> plasma::Result<()> {
        tx.insert(NewClearNote { body: args.body }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn add_sealed(tx: &mut Tx<'_>, _: &Ctx, args: AddSealed) -> plasma::Result<()> {
        tx.insert(NewSealedNote { body: args.body }.with_id(args.id)).await?;
        Ok(())
    }
}

const COUNT: usize = 2_000;

pub fn run() {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut clear, mut sealed) = (Samples::default(), Samples::default());
    for round in 0..rounds(5) {
        for (seals, samples) in [(false, &mut clear), (true, &mut sealed)] {
            let path = folder.path().join(format!("{round}-{seals}.db"));
            runtime.block_on(one(&path, seals, samples));
            std::fs::remove_file(&path).expect("the store");
        }
    }
    time("a row with a text of 100 bytes, sealed / clear", &sealed, &clear, Some(1.3));
}

async fn one(path: &std::path::Path, seals: bool, samples: &mut Samples) {
    let keys = Keys::new(KeyId::new("2026").expect("an id"), Dek::generate(&mut OsEntropy));
    let client = Client::<Columns>::builder(SqliteStore::open(path))
        .group("alice")
        .ctx(Ctx)
        .keyring(Arc::new(keys))
        .open()
        .await
        .expect("a client");
    let mut numbers = Numbers(7);
    for _ in 0..COUNT {
        let (id, body) = (numbers.id(), "a line of text, as long as all others: ".repeat(3)[..98].to_owned());
        let start = std::time::Instant::now();
        if seals {
            client.mutate(PlainAddSealed { id: id.parse().expect("an id"), body }).await.expect("a mutation");
        } else {
            client.mutate(AddClear { id: id.parse().expect("an id"), body }).await.expect("a mutation");
        }
        samples.push(micros(start.elapsed()));
    }
    client.close().await;
}
