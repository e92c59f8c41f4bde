//! Indexes come and go with the schema, over databases that are there already.

use plasma::client::{Client, SqliteStore};
use plasma::prelude::*;
use plasma::store::sqlite::SqliteConnection;

use super::{Server, indexes};
use crate::place::{Data, Place};

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

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_server_opened_again_has_the_indexes_of_its_schema(place: Place) {
    let Some(data) = place.data() else { return };
    let names = |data: &Data| match data {
        Data::Sqlite(_) => indexes(&mut data.sqlite(), "items"),
        Data::Postgres(database) => {
            let database = database.clone();
            let sql = "SELECT indexname FROM pg_indexes WHERE tablename = 'items' AND indexname LIKE '\\_plasma\\_%' \
                 ORDER BY indexname COLLATE \"C\"";
            let ran = std::thread::spawn(move || database.connect().query(sql, &[]).expect("readable"));
            ran.join().expect("readable").iter().map(|row| row.get(0)).collect()
        }
    };
    let server = Server::<before::App>::over(data).await;
    server.sql("INSERT INTO items VALUES ('00000000-0000-4000-8000-000000000001', NULL, 1, 'open')");
    let Server { server, data } = server;
    drop(server);
    assert_eq!(names(&data), BEFORE);
    // The fingerprint is the same.
    let Server { server, data } = Server::<after::App>::over(data).await;
    assert_eq!(server.db().trusted().count(after::Item::select()).await.expect("readable"), 1);
    assert_eq!(names(&data), AFTER);
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
