//! The power fails while the tables of a store or of a server's database get another shape.

use std::path::Path;

use plasma::client::{Client, Durability, Headers, OutcomeStatus, SqliteStore};
use plasma::server::{Auth, Server, SqliteDatabase, Step, migrations};
use plasma::{Error, Schema};
use serde_json::json;

use super::parts::Run;
use super::recording::{Recorder, files, put, temporary};
use super::replay::{Effort, Loss, replay};
use super::world::{integers, raw, runtime, texts, uuid};
use crate::versions::{Caller, v1, v3, v4};

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| Error::unauthorized("no token"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

async fn serve<S: Schema<Ctx = Caller>>(file: &Path) -> plasma::Result<Server<S>> {
    Server::<S>::builder(SqliteDatabase::file(file)).auth(authenticate).compaction(None).open().await
}

async fn client<S: Schema<Ctx = Caller>>(store: SqliteStore, server: Option<&Server<S>>) -> plasma::Result<Client<S>> {
    let builder = Client::<S>::builder(store).ctx(Caller { user: "ann".to_owned() }).group("ann");
    let builder = builder.durability(Durability::Full);
    match server {
        Some(server) => {
            builder.transport(server.transport()).auth(|| async { Ok(Headers::bearer("ann")) }).open().await
        }
        None => builder.open().await,
    }
}

/// A list and five tasks; task n takes n minutes.
async fn old_work(client: &Client<v1::App>) {
    client.mutate_named("tasks.add_list", &json!({ "id": uuid(1), "name": "a list" })).await.expect("applied");
    for n in 11..=15 {
        let args = json!({ "id": uuid(n), "list_id": uuid(1), "title": format!("task {n}"), "minutes": n });
        client.mutate_named("tasks.add_task", &args).await.expect("applied");
    }
}

fn new_task(n: u64) -> serde_json::Value {
    json!({ "id": uuid(n), "list_id": uuid(1), "title": format!("task {n}"), "seconds": n * 60 })
}

/// The queue of a store: key and arguments.
fn queue(store: &Path) -> Vec<String> {
    texts(&mut raw(store), "SELECT key || args FROM _plasma_outbox ORDER BY id")
}

/// A store of version 1 is carried over to version 3, and written to.
#[test]
#[ignore = "a part for a process of its own"]
fn carry_over() {
    let Some(run) = Run::of("migrations::carry_over") else { return };
    runtime().block_on(async {
        let client = client::<v3::App>(SqliteStore::open(run.folder.join("store.db")), None).await.expect("opens");
        run.mark("carried 1");
        client.mutate_named("tasks.add_task", &new_task(16)).await.expect("applied");
        run.mark("returned 16");
        std::process::exit(0);
    });
}

#[test]
fn a_store_that_is_carried_over_comes_with_all_of_its_work() {
    let Some(recorder) = Recorder::new() else { return };
    let (folder, keep, found) = (temporary(), temporary(), temporary());
    let store = folder.path().join("store.db");
    runtime().block_on(async {
        let one = client::<v1::App>(SqliteStore::open(&store), None).await.expect("opens");
        old_work(&one).await;
        one.mutate_named("tasks.set_draft", &json!({ "id": uuid(51), "text": "remember" })).await.expect("applied");
        one.close().await;
    });
    let (first, before) = (files(folder.path()), queue(&store));
    let events = recorder.record("migrations::carry_over", folder.path(), keep.path(), "full");
    let mut synced = 0;
    let check = |loss: &Loss<'_>, sync: bool| -> Result<(), String> {
        put(loss.image, found.path());
        let store = found.path().join("store.db");
        let last = if loss.said("returned ").is_some() { 16 } else { 15 };
        let elsewhere = temporary();
        let file = elsewhere.path().join("server.db");
        runtime().block_on(async {
            let server =
                if sync { Some(serve::<v3::App>(&file).await.map_err(|error| error.to_string())?) } else { None };
            let three = client(SqliteStore::open(&store), server.as_ref()).await;
            let three = three.map_err(|error| format!("it does not open: {error}"))?;
            // The queue runs again over the new tables with the first thing that happens.
            three.poke().await.map_err(|error| error.to_string())?;
            let now = queue(&store);
            if now[..before.len().min(now.len())] != before {
                return Err(format!("the queue is another: {now:?}"));
            }
            let mut db = raw(&store);
            let tasks = integers(&mut db, "SELECT minutes FROM tasks ORDER BY minutes");
            let all: Vec<i64> = (11..=15.max(tasks.len() as i64 + 10)).collect();
            if tasks != all || (tasks.len() as u64 + 10) < last {
                return Err(format!("the tasks take {tasks:?} minutes"));
            }
            if texts(&mut db, "SELECT text FROM drafts") != ["remember"]
                || texts(&mut db, "PRAGMA quick_check") != ["ok"]
            {
                return Err("the draft is gone, or the store is damaged".to_owned());
            }
            if let Some(server) = server {
                three.flush().await.map_err(|error| error.to_string())?;
                three.pull_once().await.map_err(|error| error.to_string())?;
                let outcomes = three.outcomes().await.map_err(|error| error.to_string())?;
                if outcomes.len() != now.len()
                    || outcomes.iter().any(|outcome| outcome.status != OutcomeStatus::Applied)
                {
                    return Err(format!("not all was applied: {outcomes:?}"));
                }
                server.close();
            }
            Ok(())
        })?;
        Ok(())
    };
    let tally = replay(first, &events, Effort::sampled(1, 10, 1), 21, |loss| {
        synced += 1;
        check(loss, synced % 10 == 1).unwrap_or_else(|why| panic!("{why}\n{}", loss.place()));
    });
    eprintln!("carried over: {tally:?}");
    assert!(tally.images > 20, "{tally:?}");
}

/// The migration of [`a_migration_that_lost_power_is_gone_on_with`].
async fn migrate(file: &Path) -> plasma::Result<()> {
    let mut migration = migrations::<v4::App>(SqliteDatabase::file(file))
        .step("minutes are seconds", Step::rename_column("tasks", "minutes", "seconds"))
        .step("sixty of them", Step::change_type("tasks", "seconds", "seconds * 60"))
        .step("drafts have a body", Step::rename_column("drafts", "text", "body"))
        // What is done twice shows, and what is left out.
        .step("loud titles", Step::backfill("tasks").set("title", "title || '!'").batch(2));
    migration.run().await.map(drop)
}

#[test]
#[ignore = "a part for a process of its own"]
fn migrating() {
    let Some(run) = Run::of("migrations::migrating") else { return };
    runtime().block_on(async {
        let file = run.folder.join("server.db");
        migrate(&file).await.expect("migrates");
        run.mark("migrated 1");
        let server = serve::<v4::App>(&file).await.expect("serves");
        let four = client(SqliteStore::in_memory(), Some(&server)).await.expect("opens");
        four.pull_once().await.expect("pulled");
        four.mutate_named("tasks.add_task", &new_task(16)).await.expect("applied");
        four.flush().await.expect("pushed");
        run.mark("answered 16");
        std::process::exit(0);
    });
}

#[test]
fn a_migration_that_lost_power_is_gone_on_with() {
    let Some(recorder) = Recorder::new() else { return };
    let (folder, keep, found) = (temporary(), temporary(), temporary());
    let file = folder.path().join("server.db");
    runtime().block_on(async {
        let server = serve::<v1::App>(&file).await.expect("serves");
        let one = client(SqliteStore::in_memory(), Some(&server)).await.expect("opens");
        old_work(&one).await;
        one.flush().await.expect("pushed");
        server.close();
    });
    let first = files(folder.path());
    let events = recorder.record("migrations::migrating", folder.path(), keep.path(), "full");
    let tally = replay(first, &events, Effort::sampled(1, 16, 0), 22, |loss| {
        let fail = |why: String| -> ! { panic!("{why}\n{}", loss.place()) };
        put(loss.image, found.path());
        let file = found.path().join("server.db");
        let done = "SELECT count(*) FROM _plasma_migrations";
        if loss.said("migrated ").is_some() && integers(&mut raw(&file), done) != [4] {
            fail("a migration that has returned is not whole".to_owned());
        }
        runtime().block_on(async {
            migrate(&file).await.unwrap_or_else(|error| fail(format!("it is not gone on with: {error}")));
            let server =
                serve::<v4::App>(&file).await.unwrap_or_else(|error| fail(format!("it does not serve: {error}")));
            let mut db = raw(&file);
            let seconds = integers(&mut db, "SELECT seconds FROM tasks ORDER BY seconds");
            let count = if loss.said("answered ").is_some() { 6 } else { seconds.len().clamp(5, 6) as i64 };
            if seconds != (11..11 + count).map(|n| n * 60).collect::<Vec<_>>() {
                fail(format!("the tasks take {seconds:?} seconds"));
            }
            if integers(
                &mut db,
                "SELECT count(*) FROM tasks WHERE seconds < 960 AND title <> 'task ' || (seconds / 60) || '!'",
            ) != [0]
                || texts(&mut db, "PRAGMA quick_check") != ["ok"]
            {
                fail("a backfill is half done, or done twice, or the database is damaged".to_owned());
            }
            let fresh = client(SqliteStore::in_memory(), Some(&server)).await.expect("opens");
            fresh.pull_once().await.unwrap_or_else(|error| fail(error.to_string()));
            use plasma::prelude::*;
            let shown = fresh.all(v4::Task::select()).await.expect("readable");
            if shown.len() as i64 != count || shown.iter().any(|task| task.seconds % 60 != 0 || task.seconds < 660) {
                fail(format!("a client is shown {shown:?}"));
            }
        });
    });
    eprintln!("migration: {tally:?}");
    assert!(tally.images > 20, "{tally:?}");
}
