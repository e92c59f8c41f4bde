//! Bases that lie, that are no rows, that are missing, that are too large; merges that are refused.

use plasma::ErrorKind;
use serde_json::{Value as Json, json};

use super::*;

/// How the last mutation of this client ended: its code, or `applied`.
async fn ended(client: &Client<App>) -> (String, String) {
    let last = client.outcomes().await.expect("readable").into_iter().last().expect("there is one");
    match last.error {
        Some(error) => (error.code, error.message),
        None => ("applied".to_owned(), String::new()),
    }
}

/// b renames over what a wrote meanwhile, and says `bases` about it.
async fn push_with(place: Place, bases: impl Fn(&mut Json, &str) + Send + 'static) -> Option<(Client<App>, Id<Note>)> {
    let server = Server::new(place).await?;
    let (a, b, id) = server.two("draft").await;
    rename(&a, id, "from a").await;
    sync(&a).await;
    rename(&b, id, "from b").await;
    let text = id.to_string();
    server.edit(move |mutation| bases(mutation, &text));
    sync(&b).await;
    // The queue goes on, whatever came of that.
    rename(&b, id, "next").await;
    lock(&server.edit).take();
    sync(&b).await;
    assert_eq!(b.status().get().pending, 0);
    Some((b, id))
}

async fn first_outcome(client: &Client<App>) -> (String, String) {
    let first = client.outcomes().await.expect("readable").into_iter().next().expect("there is one");
    first.error.map_or_else(|| ("applied".to_owned(), String::new()), |error| (error.code, error.message))
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_client_that_says_nothing_is_served_as_before(place: Place) {
    for nothing in
        [None, Some(Json::Null), Some(json!({})), Some(json!({ "notes": {} })), Some(json!({ "nowhere": {} }))]
    {
        let Some((b, id)) = push_with(place, move |mutation, _| match &nothing {
            Some(bases) => mutation["bases"] = bases.clone(),
            None => drop(mutation.as_object_mut().expect("an object").remove("bases")),
        })
        .await
        else {
            return;
        };
        assert_eq!(first_outcome(&b).await.0, "applied");
        assert_eq!(title(&b, id).await, is("next", 0), "the last one wins");
    }
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn what_is_no_row_rejects_the_mutation_and_blocks_nothing(place: Place) {
    let other = "00000000-0000-4000-8000-000000000009";
    let row = |id: &str, state: &str| {
        json!({ "id": id, "title": "t", "rank": "0", "state": state, "owner": "nobody", "slug": null, "tags": [], "merges": "0" })
            .to_string()
    };
    type Garbage = Box<dyn Fn(&str) -> Json + Send>;
    let cases: Vec<(&str, Garbage)> = vec![
        ("a number", Box::new(|_| json!(7))),
        ("an array", Box::new(|_| json!([]))),
        ("a table that is text", Box::new(|_| json!({ "notes": "x" }))),
        ("a row that is no text", Box::new(|id| json!({ "notes": { id: { "id": id } } }))),
        ("text that is no JSON", Box::new(|id| json!({ "notes": { id: "{" } }))),
        ("a row without its columns", Box::new(|id| json!({ "notes": { id: json!({ "id": id }).to_string() } }))),
        ("deep JSON", Box::new(|id| json!({ "notes": { id: "[".repeat(100_000) } }))),
        ("another row", Box::new(move |id| json!({ "notes": { id: row(other, "open") } }))),
        // The wire has text there; only the typed row knows better.
        ("no such variant", Box::new(move |id| json!({ "notes": { id: row(id, "ajar") } }))),
    ];
    for (what, garbage) in cases {
        let Some((b, id)) = push_with(place, move |mutation, id| mutation["bases"] = garbage(id)).await else { return };
        let (code, message) = first_outcome(&b).await;
        assert_eq!(code, "invalid-args", "{what}: {message}");
        assert_eq!(title(&b, id).await.0, "next", "{what}");
    }
}

/// A base that never was changes what the merge makes of the title, and nothing else: the rules hold.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_base_that_is_a_lie_is_only_a_base(place: Place) {
    let Some((b, id)) = push_with(place, |mutation, id| {
        let image = mutation["bases"]["notes"][id].as_str().expect("text").to_owned();
        mutation["bases"]["notes"][id] = json!(image.replace("\"draft\"", "\"from a\"").replace("nobody", "mallory"));
    })
    .await
    else {
        return;
    };
    let note = note(&b, id).await;
    assert_eq!((note.owner.as_str(), note.merges), ("nobody", 1));
    // Naming somebody else's row, or a row that is not touched, does nothing.
    let Some((b, id)) = push_with(place, |mutation, id| {
        let image = mutation["bases"]["notes"][id].as_str().expect("text").to_owned();
        let other = "00000000-0000-4000-8000-000000000009";
        mutation["bases"] = json!({ "notes": { other: image.replace(id, other) } });
    })
    .await
    else {
        return;
    };
    assert_eq!(title(&b, id).await, is("next", 0));
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_merge_is_held_to_every_rule_of_the_table(place: Place) {
    for (local, code) in [
        ("#steal", "unauthorized"),
        ("#thaw", "unauthorized"),
        ("#rank", "check"),
        ("#nul", "validation"),
        ("#panic", "panic"),
    ] {
        let Some(server) = Server::new(place).await else { return };
        let (a, b, id) = server.two("draft").await;
        rename(&a, id, "from a").await;
        sync(&a).await;
        rename(&b, id, local).await;
        sync(&b).await;
        let (found, message) = ended(&b).await;
        assert_eq!(found, code, "{local}: {message}");
        if code == "panic" {
            assert_eq!(message, "`resolve_conflict` of `notes` panicked");
        }
        assert_eq!(title(&b, id).await, is("from a", 0), "nothing of it is left");
    }
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn images_count_as_bytes_of_the_push(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, _) = server.two("draft").await;
    // Six rows of 200 kB: no push of 1 MiB carries their images.
    let ids: Vec<Id<Note>> = (0..6).map(|_| a.new_id()).collect();
    for id in &ids {
        a.mutate(AddNote { id: *id, title: "x".repeat(200_000) }).await.expect("applied");
    }
    sync(&a).await;
    b.pull_once().await.expect("pulled");
    while b.count(Note::select()).await.expect("readable") < 7 {
        b.pull_once().await.expect("pulled");
    }
    let error = b.mutate(RenameAll { title: "all".into() }).await.expect_err("it does not fit");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("for the rows it changes in tables with `resolve_conflict`"), "{error}");
    assert_eq!(b.status().get().pending, 0);
    assert_eq!(note(&b, ids[0]).await.title.len(), 200_000, "nothing of it is left");
    // One by one they fit, in as many pushes as it takes.
    for id in &ids {
        rename(&b, *id, "short").await;
    }
    sync(&b).await;
    assert_eq!(b.count(Note::select().filter(Note::title.eq("short"))).await.expect("readable"), 6);
}
