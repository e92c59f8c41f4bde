//! Indexes come and go with the schema, over databases that are there already.

use plasma::client::{Client, SqliteStore};
use plasma::prelude::*;
use plasma::store::sqlite::SqliteConnection;

use super::{Server, indexes};

mod before {
    use plasma::prelude::*;

    #[plasma::table(name = "items", auth = open, index(rank))]
    pub struct Item {
        pub id: Id<Item>,
        pub parent_id: Option<Id<Item>>,
        pub rank: i64,
        pub state: String,
    }
    #[plasma::schema(version = "1", ctx = (), tables(Item))]
    pub struct App;
}

mod after {
    use plasma::prelude::*;

    #[plasma::table(name = "items", auth = open, index(parent_id, rank))]
    pub struct Item {
        pub id: Id<Item>,
        pub parent_id: Option<Id<Item>>,
        pub rank: i64,
        #[column(index)]
        pub state: String,
    }
    #[plasma::schema(version = "1", ctx = (), tables(Item))]
    pub struct App;
}

const BEFORE: [&str; 2] = ["_plasma_fk:items:parent_id", "_plasma_idx:items:rank"];
const AFTER: [&str; 2] = ["_plasma_idx:items:parent_id:rank", "_plasma_idx:items:state"];

#[test]
fn indexes_are_not_part_of_the_fingerprint() {
    assert_eq!(before::App::DEF.fingerprint, after::App::DEF.fingerprint);
}

#[test]
fn a_server_opened_again_has_the_indexes_of_its_schema() {
    let server = Server::new::<before::App>();
    server.sql("INSERT INTO items VALUES ('00000000-0000-4000-8000-000000000001', NULL, 1, 'open')");
    let mut db = server.into_db();
    assert_eq!(indexes(&mut db, "items"), BEFORE);
    let server = Server::over::<after::App>(db).expect("the fingerprint is the same");
    let plan = "EXPLAIN QUERY PLAN SELECT id FROM items WHERE state = 'open'";
    let plan = server.rows(
        plan,
        &[plasma::value::Kind::Int, plasma::value::Kind::Int, plasma::value::Kind::Int, plasma::value::Kind::Text],
    );
    assert!(plan[0][3].as_text().expect("text").contains("_plasma_idx:items:state"), "{plan:?}");
    let mut db = server.into_db();
    assert_eq!(indexes(&mut db, "items"), AFTER);
}

#[tokio::test]
async fn a_client_opened_again_has_the_indexes_of_its_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.db");
    async fn open<S: Schema<Ctx = ()>>(file: &std::path::Path) {
        drop(Client::<S>::builder(SqliteStore::open(file)).ctx(()).open().await.expect("opened"));
    }
    let look = || indexes(&mut SqliteConnection::open(&file, Default::default()).expect("opened"), "items");
    open::<before::App>(&file).await;
    assert_eq!(look(), BEFORE);
    open::<after::App>(&file).await;
    assert_eq!(look(), AFTER);
    open::<before::App>(&file).await;
    assert_eq!(look(), BEFORE);
}
