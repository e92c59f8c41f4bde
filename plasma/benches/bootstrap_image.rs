//! Scenario `bootstrap_image`: the first pull of a new client from an image that the server has ready, since every reader
//! sees every row: 100,000 todos (`PLASMA_BENCH_ROWS` says another number) in lists of 100, over HTTP on loopback, into a
//! file, until the first live result.
//!
//! The baseline copies the file of such a store to disk and reads its SHA-256.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "util/first_sync.rs"]
mod first_sync;
mod util;

use first_sync::{FIRST, Served, all_rows, copied, run, timed_role};
use plasma::prelude::*;
use plasma_runtime::client::Client;
use util::local::list_id;
use util::schema::Ctx;
use util::{Samples, folder, rate, rounds};

#[plasma::table(name = "lists", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub id: Id<List>,
    pub name: String,
    pub owner: String,
}

#[plasma::table(name = "todos", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_delete = cascade)]
    pub list_id: Id<List>,
    pub title: String,
    #[column(default = false)]
    pub done: bool,
    pub note: Option<String>,
    pub created_at: Timestamp,
}

#[plasma::schema(version = "open-1", ctx = Ctx, tables(List, Todo), mutators())]
pub struct Open;

fn main() {
    run::<Open>(|client| Box::pin(first_rows(client)), measure);
}

/// The newest todos of a list.
async fn first_rows(client: &Client<Open>) -> usize {
    let list: Id<List> = list_id(0).parse().expect("an id");
    let query = Todo::select().filter(Todo::list_id.eq(list)).order_by(Todo::created_at.desc()).limit(FIRST as u64);
    let live = client.live(query);
    live.when_ready().await.expect("the first rows");
    live.rows().len()
}

fn measure() {
    let folder = folder();
    let server = Served::start::<Open>(&folder.path().join("server.db"));
    // The first to ask has it written.
    timed_role("image", &folder.path().join("first.db"), Some(server.address));
    let (mut image, mut pages, mut copy, mut kib) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    for round in 0..rounds(5) {
        let path = folder.path().join(format!("image{round}.db"));
        let (seconds, peak) = timed_role("image", &path, Some(server.address));
        image.push(all_rows() as f64 / seconds);
        kib.push(peak);
        copy.push(all_rows() as f64 / copied(&path));
        let (seconds, _) = timed_role("pages", &folder.path().join(format!("pages{round}.db")), Some(server.address));
        pages.push(all_rows() as f64 / seconds);
    }
    let server_kib = server.stop();
    rate(format!("first sync of {} rows by image", all_rows()), "rows/s", &image, &copy, None);
    println!("  by pages from the same server: {:.0} rows/s", pages.median());
    println!("  peak memory, MiB: server {:.0}, client {:.0}", server_kib / 1024.0, kib.median() / 1024.0);
}
