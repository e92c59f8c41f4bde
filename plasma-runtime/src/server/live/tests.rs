//! Live queries of the server, over every kind of database.

use std::time::Duration;

use super::{LiveSelect, LiveStep};
use crate::error::ErrorKind;
use crate::future::poll_once;
use crate::live::Output;
use crate::query::typed::Select;
use crate::schema::samples::{Member, NewTodo, Org, Todo, User};
use crate::schema::{Id, Table};
use crate::server::Server;
use crate::server::db::tests::{AddTodo, Me, Tracker, id, worlds};

fn todos() -> Select<Todo> {
    Todo::select().order_by(Todo::title.asc())
}

/// Raw SQL for a new todo.
fn raw_todo(n: u128, org: u128, title: &str) -> String {
    format!(
        "INSERT INTO todos (id, title, org_id, done, points, rank, weight, meta) \
         VALUES ('{}', '{title}', '{}', FALSE, 0, 7, 1.0, '[]')",
        uuid::Uuid::from_u128(n),
        uuid::Uuid::from_u128(org)
    )
}

async fn insert(server: &Server<Tracker>, titles: &'static [&'static str]) -> Vec<Id<Todo>> {
    let db = server.db().trusted();
    let write = db.write(move |tx| {
        Box::pin(async move {
            let mut ids = Vec::new();
            for title in titles {
                ids.push(tx.insert(NewTodo { title: (*title).to_owned(), org_id: id::<Org>(11) }).await?);
            }
            Ok(ids)
        })
    });
    write.await.unwrap()
}

/// The next step; fails when none comes in good time. The delta must lead from the rows before to those after.
async fn next<R: Output + std::fmt::Debug>(live: &mut LiveSelect<R>) -> LiveStep<R> {
    let mut rows = live.rows().to_vec();
    let step = tokio::time::timeout(Duration::from_secs(20), live.next()).await.expect("a step comes in good time");
    let step = step.expect("the server is open").expect("the query can be run");
    step.delta.apply(&mut rows).unwrap();
    assert_eq!(step.rows, rows[..], "the delta leads to the rows");
    assert_eq!(step.rows, *live.rows());
    step
}

/// Waits until a condition holds.
async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the condition holds in good time");
}

fn titles(rows: &[Todo]) -> Vec<&str> {
    rows.iter().map(|todo| todo.title.as_str()).collect()
}

#[tokio::test]
async fn steps_follow_whoever_writes_and_never_show_half_of_a_transaction() {
    for world in worlds().await {
        let server = &world.server;
        let mut live = server.db().trusted().live_select(todos()).await.unwrap();
        assert!(live.rows().is_empty());
        // The application's own transaction, whole.
        let ids = insert(server, &["b", "d"]).await;
        let step = next(&mut live).await;
        let added: Vec<_> = step.delta.added.iter().map(|added| (added.index, added.row.title.as_str())).collect();
        assert_eq!(added, [(0, "b"), (1, "d")]);
        // A job.
        server.invoke(AddTodo { org: id(11), title: "c".to_owned() }).as_ctx(&Me(id(1))).await.unwrap();
        assert_eq!(titles(&next(&mut live).await.rows), ["b", "c", "d"]);
        // Another program, with raw SQL: no poke of ours tells of it.
        world.raw(&format!(
            "BEGIN; {}; UPDATE todos SET title = 'e' WHERE id = '{}'; DELETE FROM todos WHERE id = '{}'; COMMIT",
            raw_todo(41, 11, "a"),
            ids[0],
            ids[1],
        ));
        let step = next(&mut live).await;
        assert_eq!(titles(&step.rows), ["a", "c", "e"], "{}", world.kind);
        let (removed, changed) = (&step.delta.removed, &step.delta.changed);
        assert_eq!((removed.len(), removed[0].row.title.as_str(), removed[0].index), (1, "d", 2));
        assert_eq!((changed.len(), changed[0].old.title.as_str(), changed[0].new.title.as_str()), (1, "b", "e"));
        assert_eq!((changed[0].from, changed[0].to), (0, 2));
    }
}

#[tokio::test]
async fn equal_queries_run_once_and_others_do_not_run_at_all() {
    for world in worlds().await {
        let server = &world.server;
        let (db, hub) = (server.db(), &server.inner.live);
        let mut first = db.trusted().live_select(todos()).await.unwrap();
        let mut second = db.trusted().live_select(todos()).await.unwrap();
        let mut people = db.trusted().live_select(User::select()).await.unwrap();
        assert_eq!(hub.figures(), (2, true));
        // What was committed before has its position by then, so no later step is about it.
        insert(server, &["0"]).await;
        assert_eq!(titles(&next(&mut first).await.rows), ["0"]);
        assert_eq!(titles(&next(&mut second).await.rows), ["0"]);
        let (todos_before, people_before) = (first.runs(), people.runs());
        insert(server, &["a"]).await;
        assert_eq!(titles(&next(&mut first).await.rows), ["0", "a"]);
        assert_eq!(titles(&next(&mut second).await.rows), ["0", "a"]);
        assert_eq!((first.runs() - todos_before, people.runs() - people_before), (1, 0), "{}", world.kind);
        world.raw("UPDATE users SET name = 'Ann' WHERE name = 'ann'");
        assert_eq!(next(&mut people).await.delta.changed.len(), 1);
        assert_eq!((first.runs() - todos_before, people.runs() - people_before), (1, 1));
        // A result that is the same is not told.
        world.raw(
            "BEGIN; UPDATE todos SET title = 'x' WHERE title = 'a'; UPDATE todos SET title = 'a' WHERE title = 'x'; COMMIT",
        );
        insert(server, &["b"]).await;
        let step = next(&mut first).await;
        assert_eq!(step.delta.added.len(), 1, "{:?}", step.delta);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_and_nothing_queues_up_for_it() {
    for world in worlds().await {
        let server = &world.server;
        let mut slow = server.db().trusted().live_select(todos()).await.unwrap();
        let mut quick = server.db().trusted().live_select(todos()).await.unwrap();
        for n in 0..40 {
            world.raw(&raw_todo(1_000 + n, 11, &format!("{n:02}")));
            if n % 16 == 0 {
                next(&mut quick).await;
            }
        }
        while quick.rows().len() < 40 {
            next(&mut quick).await;
        }
        let step = next(&mut slow).await;
        assert_eq!((step.delta.added.len(), step.rows.len()), (40, 40), "one step for all of it");
        assert!(poll_once(Box::pin(slow.next())).is_none(), "and nothing after it");
        assert_eq!(server.inner.live.figures().0, 1);
    }
}

#[tokio::test]
async fn a_caller_follows_the_tables_its_policies_read() {
    for world in worlds().await {
        let server = &world.server;
        world.raw(&format!("{}; {}", raw_todo(51, 11, "one's"), raw_todo(52, 12, "two's")).replace("'s'", "''s'"));
        let ann = server.db().as_ctx(&Me(id(1)));
        let mut live = ann.live_select(todos()).await.unwrap();
        assert_eq!(titles(live.rows()), ["one's"]);
        let mut trusted = server.db().trusted().live_select(todos()).await.unwrap();
        assert_eq!(titles(trusted.rows()), ["one's", "two's"], "equal only when the rights are equal");
        // A member of the second organisation, too: not a row of `todos` was written.
        let [member, org, user] = [61, 12, 1].map(uuid::Uuid::from_u128);
        let values = format!("'{member}', '{org}', '{user}', 'guest'");
        world.raw(&format!("INSERT INTO members (id, org_id, user_id, role) VALUES ({values})"));
        assert_eq!(titles(&next(&mut live).await.rows), ["one's", "two's"]);
        let admin = server.db().trusted();
        admin.write(|tx| Box::pin(async move { tx.delete(id::<Member>(61)).await })).await.unwrap();
        assert_eq!(titles(&next(&mut live).await.rows), ["one's"], "{}", world.kind);
        // What is hidden makes no step.
        world.raw(&format!("UPDATE todos SET title = 'hidden' WHERE id = '{}'", uuid::Uuid::from_u128(52)));
        assert_eq!(titles(&next(&mut trusted).await.rows), ["hidden", "one's"]);
        assert!(poll_once(Box::pin(live.next())).is_none());
    }
}

#[tokio::test]
async fn it_ends_when_it_is_dropped_and_with_the_server() {
    for world in worlds().await {
        let server = world.server.clone();
        let one = server.db().trusted().live_select(todos()).await.unwrap();
        let two = server.db().trusted().live_select(User::select()).await.unwrap();
        drop(one);
        until(|| server.inner.live.figures() == (1, true)).await;
        drop(two);
        until(|| server.inner.live.figures() == (0, false)).await;
        // And begins again.
        let mut again = server.db().trusted().live_select(todos()).await.unwrap();
        insert(&server, &["x"]).await;
        assert_eq!(titles(&next(&mut again).await.rows), ["x"]);
        drop((server, world));
        let end = tokio::time::timeout(Duration::from_secs(20), again.next()).await.expect("it ends");
        assert!(end.is_none());
    }
}

#[tokio::test]
async fn a_query_that_fails_is_told_once_and_the_others_go_on() {
    for world in worlds().await {
        let server = &world.server;
        world.raw(&raw_todo(71, 11, "a"));
        let more = || Todo::select().project(Todo::points + 1);
        let mut sums = server.db().trusted().live_select(more()).await.unwrap();
        let mut rows = server.db().trusted().live_select(todos()).await.unwrap();
        world.raw("UPDATE todos SET points = 2147483647");
        assert_eq!(next(&mut rows).await.rows[0].points, i32::MAX, "{}", world.kind);
        let error = tokio::time::timeout(Duration::from_secs(20), sums.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!((error.kind(), sums.rows().to_vec()), (ErrorKind::Overflow, vec![1]));
        // Whoever asks for it anew is told at once.
        let refused = server.db().trusted().live_select(more()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overflow);
        world.raw("UPDATE todos SET title = 'b'");
        assert_eq!(titles(&next(&mut rows).await.rows), ["b"]);
        assert!(poll_once(Box::pin(sums.next())).is_none(), "told once");
        world.raw("UPDATE todos SET points = 1");
        assert_eq!(next(&mut sums).await.rows.to_vec(), [2]);
    }
}
