//! Texts that several clients write at once, through real clients and a real server.

mod schema;

use std::sync::{Arc, Mutex, PoisonError};

use plasma::client::{Client, Headers, InProcess, OutcomeStatus, SqliteStore};
use plasma::prelude::*;
use plasma::server::Auth;
use schema::*;

use crate::place::{Data, Place};

type Change = Box<dyn Fn(&mut serde_json::Value) + Send>;

struct Server {
    server: plasma::server::Server<App>,
    /// Changes each mutation on its way.
    change: Mutex<Option<Change>>,
    #[expect(dead_code, reason = "the folder is gone when nobody holds it")]
    data: Data,
}

async fn authenticate(_: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    Ok(Auth::new("everybody", Caller))
}

impl Server {
    /// None where there is no such database.
    async fn new(place: Place) -> Option<Arc<Self>> {
        let data = place.data()?;
        let server = plasma::server::Server::<App>::builder(data.database()).auth(authenticate).open().await;
        Some(Arc::new(Server { server: server.expect("opens"), change: Mutex::default(), data }))
    }

    async fn client(self: &Arc<Self>) -> Client<App> {
        self.client_over(SqliteStore::in_memory()).await
    }

    async fn client_over(self: &Arc<Self>, store: SqliteStore) -> Client<App> {
        let server = Arc::clone(self);
        let transport = InProcess::new(move |mut request| {
            let server = Arc::clone(&server);
            async move {
                if let (Some(change), true) =
                    (&*server.change.lock().unwrap_or_else(PoisonError::into_inner), request.path.ends_with("/push"))
                {
                    let mut body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
                    body["mutations"].as_array_mut().expect("an array").iter_mut().for_each(change);
                    request.body = body.to_string().into();
                }
                Ok(server.server.respond(request).await)
            }
        });
        let builder = Client::<App>::builder(store).transport(transport).auth(|| async { Ok(Headers::bearer("x")) });
        builder.ctx(Caller).group("everybody").open().await.expect("opens")
    }

    /// Clients that hold one note.
    async fn clients<const N: usize>(self: &Arc<Self>, text: &str) -> ([Client<App>; N], Id<Note>) {
        let mut clients = Vec::new();
        for _ in 0..N {
            clients.push(self.client().await);
        }
        let id = clients[0].new_id();
        clients[0].mutate(Begin { id, text: text.to_owned() }).await.expect("applied");
        for client in &clients {
            sync(client).await;
        }
        (clients.try_into().expect("as many"), id)
    }
}

async fn sync(client: &Client<App>) {
    client.flush().await.expect("the server answers");
    client.pull_once().await.expect("the server answers");
}

async fn body(client: &Client<App>, id: Id<Note>) -> Text {
    client.get(id).await.expect("readable").expect("there").body
}

async fn reads(client: &Client<App>, id: Id<Note>) -> String {
    body(client, id).await.value().to_owned()
}

async fn edit(client: &Client<App>, id: Id<Note>, from: usize, to: usize, text: &str) {
    let edit = Edit { id, from: from as u32, to: to as u32, text: text.to_owned() };
    client.mutate(edit).await.expect("applied");
}

/// Nobody lost a mutation, and no run was another than the client's.
async fn all_is_well(client: &Client<App>) {
    let outcomes = client.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    assert_eq!(client.status().get().drift, None);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn edits_of_two_offline_clients_merge_character_by_character(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let ([a, b], id) = server.clients("The cat sat.").await;
    // One types in the middle, key by key; the other replaces a word and types at the end. Emoji are one character.
    for (at, c) in "black \u{1f408}\u{200d}\u{2b1b} ".chars().enumerate() {
        edit(&a, id, 4 + at, 4 + at, &c.to_string()).await;
    }
    edit(&b, id, 8, 11, "slept").await;
    for (at, c) in " (e\u{301}coute)".chars().enumerate() {
        edit(&b, id, 14 + at, 14 + at, &c.to_string()).await;
    }
    assert_eq!(reads(&a, id).await, "The black \u{1f408}\u{200d}\u{2b1b} cat sat.");
    assert_eq!(reads(&b, id).await, "The cat slept. (e\u{301}coute)");
    sync(&b).await;
    sync(&a).await;
    sync(&b).await;
    let merged = "The black \u{1f408}\u{200d}\u{2b1b} cat slept. (e\u{301}coute)";
    assert_eq!(reads(&a, id).await, merged);
    assert_eq!(body(&a, id).await, body(&b, id).await);
    all_is_well(&a).await;
    all_is_well(&b).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn queries_read_the_text(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let ([a, b], _) = server.clients("\u{c9}tude \"in\" C").await;
    for text in ["b 100%", "a\\b", ""] {
        a.mutate(Begin { id: a.new_id(), text: text.to_owned() }).await.expect("applied");
    }
    a.mutate(Sign { text: "end".into() }).await.expect("applied");
    // Run by the client's database first, and then by the server's.
    for (part, pattern) in [("00% e", "-"), ("\"in\"", "\u{c9}%C end"), ("-", "_\\\\b end")] {
        a.mutate(Mark { part: part.into(), pattern: pattern.into() }).await.expect("applied");
    }
    sync(&a).await;
    sync(&b).await;
    for client in [&a, &b] {
        let rows = client.all(Note::select().order_by(Note::body.value().desc())).await.expect("reads");
        let rows: Vec<(String, i64)> = rows.iter().map(|note| (note.body.value().to_owned(), note.marks)).collect();
        let expected = [("\u{c9}tude \"in\" C end", 1), ("b 100% end", 1), ("a\\b end", 1), (" end", 0)]
            .map(|(a, b)| (a.to_owned(), b));
        assert_eq!(rows, expected);
        let found = client.all(Note::select().filter(Note::body.value().length().lt(8))).await.expect("reads");
        assert_eq!(found.len(), 2);
        all_is_well(client).await;
    }
}

#[tokio::test]
async fn a_rejected_edit_leaves_the_others_where_they_were_typed() {
    let server = Server::new(Place::Sqlite).await.expect("SQLite");
    let ([a, b], id) = server.clients("<>").await;
    edit(&a, id, 1, 1, "forbidden ").await;
    edit(&a, id, 11, 11, "one two").await;
    edit(&a, id, 14, 14, " and a half").await;
    edit(&a, id, 11, 14, "ONE").await;
    edit(&b, id, 0, 0, "somebody else: ").await;
    sync(&b).await;
    sync(&a).await;
    sync(&b).await;
    assert_eq!(reads(&a, id).await, "somebody else: <ONE and a half two>");
    assert_eq!(body(&a, id).await, body(&b, id).await);
}

#[tokio::test]
async fn edits_of_a_forked_client_are_issued_again_and_find_their_places() {
    let server = Server::new(Place::Sqlite).await.expect("SQLite");
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("a.db"), folder.path().join("copy.db"));
    let a = server.client_over(SqliteStore::open(&path)).await;
    let id = a.new_id();
    a.mutate(Begin { id, text: "<>".into() }).await.expect("applied");
    sync(&a).await;
    a.close().await;
    std::fs::copy(&path, &copy).expect("copies");
    let a = server.client_over(SqliteStore::open(&path)).await;
    let b = server.client_over(SqliteStore::open(&copy)).await;
    assert_eq!(a.client_id().await.expect("reads"), b.client_id().await.expect("reads"));
    edit(&a, id, 0, 0, "a: ").await;
    sync(&a).await;
    for (at, c) in "abcdef".chars().enumerate() {
        edit(&b, id, 1 + at, 1 + at, &c.to_string()).await;
    }
    edit(&b, id, 3, 5, "-").await;
    assert_eq!(reads(&b, id).await, "<ab-ef>");
    sync(&b).await;
    assert_ne!(a.client_id().await.expect("reads"), b.client_id().await.expect("reads"));
    sync(&a).await;
    sync(&b).await;
    assert_eq!(reads(&b, id).await, "a: <ab-ef>");
    assert_eq!(body(&a, id).await, body(&b, id).await);
}

#[tokio::test]
async fn clearing_a_note_spares_what_its_caller_had_not_seen() {
    let server = Server::new(Place::Sqlite).await.expect("SQLite");
    let ([a, b], id) = server.clients("old news").await;
    a.mutate(Clear { id }).await.expect("applied");
    edit(&b, id, 3, 3, " and new").await;
    sync(&b).await;
    sync(&a).await;
    assert_eq!(reads(&a, id).await, " and new");
}

#[tokio::test]
async fn edits_outside_of_the_text_are_refused_at_once() {
    let server = Server::new(Place::Sqlite).await.expect("SQLite");
    let ([a], id) = server.clients("abc").await;
    use plasma::ErrorKind::{InvalidArgs, Validation};
    // No argument holds U+0000.
    for (from, to, text, kind) in [(4, 4, "x", Validation), (2, 5, "", Validation), (0, 0, "\0", InvalidArgs)] {
        let refused = a.mutate(Edit { id, from, to, text: text.to_owned() }).await.expect_err("refused");
        assert_eq!(refused.kind(), kind, "{refused}");
    }
    assert_eq!(reads(&a, id).await, "abc");
    sync(&a).await;
    all_is_well(&a).await;
}

#[tokio::test]
async fn a_whole_state_is_looked_at_before_it_is_taken() {
    let server = Server::new(Place::Sqlite).await.expect("SQLite");
    let ([a], id) = server.clients("abc").await;
    let state = serde_json::to_string(&body(&a, id).await).expect("JSON");
    a.mutate(Restore { id, body: state.clone() }).await.expect("its own");
    for forged in [state.replace("abc", "abd"), r#"{"text":"","doc":"AA=="}"#.to_owned()] {
        let refused = a.mutate(Restore { id, body: forged }).await.expect_err("refused");
        assert_eq!(refused.kind(), plasma::ErrorKind::Validation, "{refused}");
    }
}

/// What a client says to have seen may place its edit, and no more; nonsense ends that mutation alone.
#[tokio::test]
async fn what_a_client_says_to_have_seen_is_not_believed() {
    let server = Server::new(Place::Sqlite).await.expect("SQLite");
    let ([a, b], id) = server.clients("abcdef").await;
    edit(&b, id, 3, 3, "123").await;
    sync(&b).await;
    let forged = Mutex::new(0);
    *server.change.lock().expect("whole") = Some(Box::new(move |mutation| {
        let seen = mutation.pointer_mut(&format!("/observed/notes/{id}/body/0")).expect("an edit");
        let mut forged = forged.lock().expect("whole");
        *forged += 1;
        match *forged {
            1 => *seen = serde_json::json!({ "text": "mine" }),
            // Everything there is.
            2 => {
                let by = seen["gone"][0][0].clone();
                seen["gone"] = serde_json::json!([[by, [[0, 4_000_000_000_u32]]]]);
            }
            _ => (seen["left"], seen["right"]) = (seen["right"].take(), serde_json::json!([7, 4_000_000_000_u32])),
        }
    }));
    edit(&a, id, 0, 1, "").await;
    edit(&a, id, 1, 3, "").await;
    edit(&a, id, 1, 1, "!").await;
    sync(&a).await;
    let outcomes = a.outcomes().await.expect("readable");
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.status != OutcomeStatus::Applied).collect();
    assert_eq!(failed.len(), 1, "{outcomes:?}");
    let text = reads(&a, id).await;
    assert!(text.contains('!') && text.chars().count() == 9 - 2 + 1, "{text}");
}

/// A random history of three clients; each ends with the same bytes, and no character is there twice or lost.
#[tokio::test]
async fn random_histories_come_to_one_text() {
    for seed in 1..=6u64 {
        let mut state = seed;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let server = Server::new(Place::Sqlite).await.expect("SQLite");
        let (clients, id) = server.clients::<3>("0123456789").await;
        let mut typed = Vec::new();
        for n in 0..80 {
            let client = &clients[below(3)];
            let len = reads(client, id).await.chars().count();
            match below(10) {
                0..6 => {
                    // A character that nobody else types.
                    let c = char::from_u32(0x1_f300 + n).expect("a character");
                    typed.push(c);
                    let at = below(len + 1);
                    edit(client, id, at, at, &c.to_string()).await;
                }
                6 if len > 0 => {
                    let at = below(len);
                    edit(client, id, at, at + 1, "").await;
                }
                7 => client.flush().await.map(drop).expect("answers"),
                8 => client.pull_once().await.map(drop).expect("answers"),
                _ => sync(client).await,
            }
        }
        for client in clients.iter().chain(&clients) {
            sync(client).await;
        }
        let text = body(&clients[0], id).await;
        for client in &clients {
            assert_eq!(body(client, id).await, text, "seed {seed}");
            all_is_well(client).await;
        }
        for c in typed {
            assert!(text.value().matches(c).count() <= 1, "seed {seed}: {c} in {}", text.value());
        }
    }
}
