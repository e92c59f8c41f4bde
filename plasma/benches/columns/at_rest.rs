//! What columns cost that are encrypted in the client's file: rows with a field of 100 bytes, written in one transaction
//! and read whole, clear and encrypted in turns. The baseline is the same table with a `String`.

use std::path::Path;

use crate::util::{Samples, folder, micros, rounds, time};
use plasma::Table as _;
use plasma::crypto::{Dek, KeyId};
use plasma_runtime::client::{Client, SqliteStore};

const ROWS: u32 = 50_000;

macro_rules! application {
    ($name:ident, $text:ty) => {
        mod $name {
            use plasma::prelude::*;

            #[plasma::table(name = "items", local_only)]
            pub struct Item {
                pub id: Id<Item>,
                pub number: i32,
                pub text: $text,
            }

            #[plasma::args]
            pub struct Fill {
                pub rows: u32,
                pub text: String,
            }

            pub struct Items;

            #[plasma::mutators(App)]
            impl Items {
                pub async fn fill(tx: &mut plasma::Tx<'_, App>, _: &(), args: Fill) -> plasma::Result<()> {
                    for number in 0..args.rows as i32 {
                        tx.insert(NewItem { number, text: args.text.clone().into() }).await?;
                    }
                    Ok(())
                }
            }

            #[plasma::schema(version = "1", tables(Item), mutators(Items))]
            pub struct App;
        }
    };
}
application! { clear, String }
application! { kept, AtRest<String> }

/// The time to write the rows, and to read them.
macro_rules! round {
    ($name:ident, $path:expr) => {{
        let path: &Path = $path;
        let client = Client::<$name::App>::builder(SqliteStore::open(path))
            .encryption(Dek::from_bytes([7; 32]), KeyId::new("bench").expect("an id"))
            .open()
            .await
            .expect("a client");
        let fill = $name::Fill { rows: ROWS, text: "a field of 100 bytes ".repeat(5)[..100].to_owned() };
        let start = std::time::Instant::now();
        client.mutate(fill).await.expect("the rows are written");
        let written = start.elapsed();
        let start = std::time::Instant::now();
        let rows = client.all($name::Item::select()).await.expect("the rows are read");
        assert_eq!(rows.len(), ROWS as usize);
        (written, start.elapsed())
    }};
}

pub fn run() {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut samples: [Samples; 4] = Default::default();
    for round in 0..rounds(9) {
        let path = |name: &str| folder.path().join(format!("{name}-{round}.db"));
        let [clear, kept] = runtime.block_on(async { [round!(clear, &path("clear")), round!(kept, &path("kept"))] });
        let per_row = |time: std::time::Duration| micros(time) / f64::from(ROWS);
        for (samples, time) in samples.iter_mut().zip([clear.0, kept.0, clear.1, kept.1]) {
            samples.push(per_row(time));
        }
    }
    let [clear_written, kept_written, clear_read, kept_read] = samples;
    time("write a row with 100 bytes at rest", &kept_written, &clear_written, Some(1.3));
    time("read a row with 100 bytes at rest", &kept_read, &clear_read, Some(1.3));
}
