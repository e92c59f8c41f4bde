//! The image lane from end to end: a server and clients over HTTP, honest and not.
#![expect(clippy::disallowed_methods, reason = "sockets need tasks beside the test")]

mod hostile;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use http::request::Parts;
use tokio::net::TcpListener;

use super::ImageOptions;
use crate::client::event::SendFailure;
use crate::client::{Client, Endpoint, Headers, HttpTransport, SqliteStore, Transport};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::protocol::{WireRequest, WireResponse};
use crate::query::typed::Select;
use crate::schema::samples::{App, Ctx, Org, Todo};
use crate::schema::{Schema, Table};
use crate::server::db::tests::{AddTodo, Me, Tracker, id, people};
use crate::server::{Auth, Database, Server, ServerBuilder, SqliteDatabase, WithAuth};
use crate::store::SqlConnection;
use crate::store::sqlite::{SqliteConnection, SqliteOptions};

const SECRET: &str = "nobody of the first organisation sees this";

async fn by_number(parts: &Parts) -> Result<Auth<Me>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let number = header.and_then(|value| value.strip_prefix("Bearer ")).and_then(|number| number.parse().ok());
    let number: u128 = number.ok_or_else(|| Error::unauthorized("no number"))?;
    Ok(Auth::new(format!("user {number}"), Me(id(number))))
}

async fn anybody(parts: &Parts) -> Result<Auth<Ctx>> {
    let group = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("nobody");
    Ok(Auth::new(group, Ctx { user: None }))
}

/// The database of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Runs tests on each database.
macro_rules! on_every_database {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::http::image::tests::Place::Sqlite).await;
            })*
        }
        #[cfg(feature = "postgres")]
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::http::image::tests::Place::Postgres).await;
            })*
        }
    };
}
use on_every_database;

/// A server with images, the folder of its files, and what it answered.
struct World<S> {
    folder: tempfile::TempDir,
    #[cfg(feature = "postgres")]
    postgres: Option<plasma_test_postgres::Database>,
    server: Server<S>,
    address: String,
    answers: Arc<Mutex<Vec<(&'static str, u16)>>>,
}

impl<S: Schema> World<S> {
    /// None on a machine without the database, which was said then.
    async fn start(
        place: Place,
        builder: impl FnOnce(Box<dyn Database>) -> ServerBuilder<S, WithAuth>,
        images: ImageOptions,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        #[cfg(feature = "postgres")]
        let postgres = match place {
            Place::Sqlite => None,
            Place::Postgres => Some(tokio::task::spawn_blocking(plasma_test_postgres::database).await.unwrap()?),
        };
        let database: Box<dyn Database> = match place {
            Place::Sqlite => Box::new(SqliteDatabase::file(folder.path().join("server.db"))),
            #[cfg(feature = "postgres")]
            Place::Postgres => {
                let url = postgres.as_ref().map(|database| database.url.clone()).unwrap_or_default();
                Box::new(crate::server::PostgresDatabase::url(url))
            }
        };
        std::fs::create_dir(folder.path().join("images")).unwrap();
        let answers: Arc<Mutex<Vec<_>>> = Arc::default();
        let heard = Arc::clone(&answers);
        let images = ImageOptions { folder: folder.path().join("images"), ..images };
        let server = builder(database)
            .on_metric(move |metric| heard.lock().unwrap().push((metric.endpoint, metric.status)))
            .images(images)
            .open()
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/sync", listener.local_addr().unwrap());
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        Some(World {
            folder,
            #[cfg(feature = "postgres")]
            postgres,
            server,
            address,
            answers,
        })
    }

    /// Runs SQL as another program would.
    fn raw(&self, sql: &str) {
        #[cfg(feature = "postgres")]
        if let Some(postgres) = &self.postgres {
            let (database, sql) = (postgres.clone(), sql.to_owned());
            // The blocking client has a runtime of its own, which may not start inside another.
            let ran = std::thread::spawn(move || database.connect().batch_execute(&sql).unwrap());
            return ran.join().unwrap();
        }
        let options = SqliteOptions { create: false, ..SqliteOptions::default() };
        let mut db = SqliteConnection::open(self.folder.path().join("server.db"), options).unwrap();
        SqlConnection::batch(&mut db, sql).unwrap();
    }

    fn images_asked(&self) -> Vec<u16> {
        let answers = self.answers.lock().unwrap();
        answers.iter().filter(|(endpoint, _)| *endpoint == "image").map(|(_, status)| *status).collect()
    }

    fn store(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Files of the image lane that are left: the server's, and beside the clients' stores.
    fn left(&self) -> Vec<String> {
        let folders = [self.folder.path().to_owned(), self.folder.path().join("images")];
        let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten());
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("image-")).collect()
    }

    /// The name of the file that is kept ready.
    fn kept_ready(&self) -> String {
        self.left().into_iter().find(|name| name.ends_with(".db")).expect("it is kept ready")
    }

    /// How many users a new client of this one has after its first pull.
    async fn users_after_first_sync(&self, who: &'static str) -> u64 {
        let builder = Client::<App>::builder(SqliteStore::open(self.store(who))).server(self.address.clone());
        let builder = builder.auth(move || async move { Ok(Headers::new().with("authorization", who)) });
        let client = builder.group(who).ctx(Ctx { user: None }).open().await.unwrap();
        client.pull_once().await.unwrap();
        client.count(crate::schema::samples::User::select()).await.unwrap()
    }

    fn transport(&self) -> HttpTransport {
        HttpTransport::new(self.address.parse::<Endpoint>().unwrap()).unwrap()
    }
}

/// A server with policies: 1,100 todos Ann may read, and as many she may not.
async fn tracker(place: Place) -> Option<World<Tracker>> {
    let world =
        World::start(place, |db| Server::<Tracker>::builder(db).auth(by_number), ImageOptions::default()).await?;
    world.raw(&people());
    let blob = match place {
        Place::Sqlite => "randomblob(20)",
        #[cfg(feature = "postgres")]
        Place::Postgres => "decode(md5(CAST(n AS text)), 'hex')",
    };
    world.raw(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2200) \
         INSERT INTO todos (id, title, org_id, thumb, weight, note, meta) \
         SELECT {}, CASE WHEN n % 2 = 1 THEN 'todo ' || n ELSE '{SECRET}' END, \
         CASE WHEN n % 2 = 1 THEN '{}' ELSE '{}' END, CASE WHEN n % 3 = 0 THEN {blob} END, n * 1.7, \
         CASE WHEN n % 5 = 0 THEN 'note' END, '[1,2]' FROM n",
        id_of_n(place, "000000000000"),
        uuid::Uuid::from_u128(11),
        uuid::Uuid::from_u128(12),
    ));
    Some(world)
}

/// SQL for an id that begins with the number `n`.
fn id_of_n(place: Place, end: &str) -> String {
    match place {
        Place::Sqlite => format!("printf('%08x-0000-4000-8000-{end}', n)"),
        #[cfg(feature = "postgres")]
        Place::Postgres => format!("lpad(to_hex(n), 8, '0') || '-0000-4000-8000-{end}'"),
    }
}

/// Ann's client. Its errors are collected.
async fn ann(world: &World<Tracker>, store: &str, transport: impl Transport) -> (Client<Tracker>, Errors) {
    let errors: Errors = Arc::default();
    let heard = Arc::clone(&errors);
    let client = Client::<Tracker>::builder(SqliteStore::open(world.store(store)))
        .transport(transport)
        .auth(|| async { Ok(Headers::bearer("1")) })
        .group("user 1")
        .ctx(Me(id(1)))
        .on_error(move |error| heard.lock().unwrap().push(error.error.message().to_owned()))
        .open()
        .await
        .unwrap();
    (client, errors)
}

type Errors = Arc<Mutex<Vec<String>>>;

fn all() -> Select<Todo> {
    Todo::select().order_by(Todo::id.asc())
}

/// The client holds what its user may read, and nothing else.
async fn assert_same(world: &World<Tracker>, client: &Client<Tracker>) {
    let there = world.server.db().as_ctx(&Me(id(1))).all(all()).await.unwrap();
    assert_eq!(client.all(all()).await.unwrap(), there);
    let orgs = world.server.db().as_ctx(&Me(id(1))).count(Org::select()).await.unwrap();
    assert_eq!(client.count(Org::select()).await.unwrap(), orgs);
}

fn add(title: &str) -> AddTodo {
    AddTodo { org: id(11), title: title.to_owned() }
}

async fn a_first_sync_by_image_is_the_one_by_pages_and_what_is_pending_survives(place: Place) {
    let Some(world) = tracker(place).await else { return };
    let (client, errors) = ann(&world, "ann.db", world.transport()).await;
    // One that the server has decided before the first pull, and one that it has not seen.
    client.mutate(add("decided")).await.unwrap();
    client.push_once().await.unwrap();
    client.mutate(add("pending")).await.unwrap();
    client.pull_once().await.unwrap();
    assert_eq!(world.images_asked(), [200]);
    assert_eq!(*errors.lock().unwrap(), Vec::<String>::new());
    let count = async |title: &'static str| client.count(all().filter(Todo::title.eq(title))).await.unwrap();
    assert_eq!((count("decided").await, count("pending").await, count(SECRET).await), (1, 1, 0));
    let queue = client.outbox().await.unwrap();
    assert_eq!(queue.len(), 1, "the end of the set told what was decided: {queue:?}");
    client.flush().await.unwrap();
    client.pull_once().await.unwrap();
    assert_same(&world, &client).await;
    assert_eq!((count("decided").await, count("pending").await), (1, 1));
    // Ordinary pulls go on from its cookie.
    world.raw("UPDATE todos SET title = 'changed' WHERE title = 'todo 7'");
    client.pull_once().await.unwrap();
    assert_same(&world, &client).await;
    assert_eq!(world.images_asked(), [200]);
    assert_eq!(world.left(), Vec::<String>::new());
    // The same by pages, to compare.
    let other = Client::<Tracker>::builder(SqliteStore::open(world.store("pages.db"))).server(world.address.clone());
    let other = other.images(false).auth(|| async { Ok(Headers::bearer("1")) }).group("user 1").ctx(Me(id(1)));
    let other = other.open().await.unwrap();
    other.pull_once().await.unwrap();
    assert_eq!(other.all(all()).await.unwrap(), client.all(all()).await.unwrap());
    assert_eq!(world.images_asked(), [200]);
}

#[tokio::test]
async fn a_small_set_comes_as_a_page() {
    let builder = |db| Server::<Tracker>::builder(db).auth(by_number);
    let world = World::start(Place::Sqlite, builder, ImageOptions::default()).await.unwrap();
    world.raw(&people());
    let (client, _) = ann(&world, "ann.db", world.transport()).await;
    client.pull_once().await.unwrap();
    assert_same(&world, &client).await;
    assert_eq!(world.images_asked(), Vec::<u16>::new());
}

/// Downloads, then keeps the client from every pull.
struct ThenNothing {
    inner: HttpTransport,
    came: Arc<Mutex<Option<PathBuf>>>,
}

impl Transport for ThenNothing {
    fn send<'a>(&'a self, request: WireRequest, headers: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        if self.came.lock().unwrap().is_some() {
            return crate::future::ready(Err(SendFailure::new("the network is gone")));
        }
        self.inner.send(request, headers)
    }
    fn downloads(&self) -> bool {
        true
    }
    fn download<'a>(
        &'a self,
        request: WireRequest,
        headers: Headers,
        to: &'a Path,
    ) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        *self.came.lock().unwrap() = Some(to.to_owned());
        self.inner.download(request, headers, to)
    }
}

async fn an_image_outlives_a_restart_and_its_loss_costs_pages(place: Place) {
    for lost in [false, true] {
        let Some(world) = tracker(place).await else { return };
        let came = Arc::default();
        let transport = ThenNothing { inner: world.transport(), came: Arc::clone(&came) };
        let (client, _) = ann(&world, "ann.db", transport).await;
        client.pull_once().await.unwrap_err();
        assert_eq!(client.count(all()).await.unwrap(), 0, "nothing is half applied");
        client.close().await;
        drop(client);
        let file = came.lock().unwrap().clone().expect("an image came");
        assert!(file.exists());
        if lost {
            std::fs::remove_file(&file).unwrap();
        }
        let (client, errors) = ann(&world, "ann.db", world.transport()).await;
        // A set that is lost is told once, and begins anew.
        let first = client.pull_once().await;
        assert_eq!(first.is_err(), lost, "{first:?}");
        client.pull_once().await.unwrap();
        assert_same(&world, &client).await;
        assert_eq!(errors.lock().unwrap().is_empty(), !lost);
        assert_eq!(world.left(), Vec::<String>::new());
        assert_eq!(world.images_asked(), if lost { vec![200, 200] } else { vec![200] });
    }
}

/// 1,500 users, each written in a transaction of its own where a transaction is a position.
fn many_users(place: Place, name: &str) -> String {
    let id = id_of_n(place, &format!("00000000{name}"));
    match place {
        Place::Sqlite => format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1500) \
             INSERT INTO users (id, name) SELECT {id}, 'user' FROM n"
        ),
        #[cfg(feature = "postgres")]
        Place::Postgres => format!(
            "DO $$ BEGIN FOR n IN 1..1500 LOOP INSERT INTO users (id, name) VALUES ({id}, 'user'); COMMIT; END LOOP; END $$"
        ),
    }
}

async fn what_everybody_sees_is_one_image_until_the_log_has_gone_on(place: Place) {
    let images = ImageOptions { rebuild_after: 100, ..ImageOptions::default() };
    let started = World::start(place, |db| Server::<App>::builder(db).auth(anybody), images).await;
    let Some(world) = started else { return };
    world.raw(&many_users(place, "0000"));
    let sync = async |who: &'static str| {
        let there = world.server.db().trusted().count(crate::schema::samples::User::select()).await.unwrap();
        assert_eq!(world.users_after_first_sync(who).await, there);
    };
    sync("one").await;
    let first = world.kept_ready();
    // The end of the set brings what has changed since.
    world.raw("UPDATE users SET name = 'other' WHERE id LIKE '0000000%'");
    sync("two").await;
    assert_eq!(world.kept_ready(), first);
    world.raw(&many_users(place, "1111"));
    sync("three").await;
    assert_ne!(world.kept_ready(), first);
    assert_eq!(world.images_asked(), [200; 3]);
    assert_eq!(world.left().len(), 1);
}

/// The database was replaced by an older backup, under a server that goes on: the image is of a history that is gone.
async fn an_image_of_another_history_is_not_given_out(place: Place) {
    let started = World::start(place, |db| Server::<App>::builder(db).auth(anybody), ImageOptions::default()).await;
    let Some(world) = started else { return };
    world.raw(&many_users(place, "0000"));
    assert_eq!(world.users_after_first_sync("one").await, 1_500);
    let first = world.kept_ready();
    let positions = if place == Place::Sqlite { "_plasma_changes" } else { "_plasma_commits" };
    world.raw(&format!("UPDATE {positions} SET mark = mark / 3 + 1"));
    assert_eq!(world.users_after_first_sync("two").await, 1_500);
    assert_ne!(world.kept_ready(), first);
}

/// Whoever asked for it leaves before it is written: the next one finds it.
#[tokio::test]
async fn an_image_for_everybody_is_finished_without_the_one_who_asked() {
    let builder = |db| Server::<App>::builder(db).auth(anybody);
    let world = World::start(Place::Sqlite, builder, ImageOptions::default()).await.unwrap();
    world.raw(&many_users(Place::Sqlite, "0000"));
    let fingerprint = App::DEF.fingerprint_hex();
    let query = format!("protocolVersion=1&schemaVersion=1&fingerprint={fingerprint}&clientGroupID=one&clientID=c");
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.headers.insert("authorization", "one".parse().unwrap());
    let mut asking = Box::pin(super::answer(&world.server.inner, &parts, &query));
    assert!(still_waits(&mut asking).await, "it takes longer than that");
    drop(asking);
    let image = || world.server.inner.images.as_ref().unwrap();
    // The lock is held while it is written.
    let written = loop {
        if let Some(image) = image().shared.lock().await.clone() {
            break image;
        }
        tokio::task::yield_now().await;
    };
    let answer = super::answer(&world.server.inner, &parts, &query).await;
    assert_eq!(answer.status(), 200);
    let shared = image().shared.lock().await.clone().unwrap();
    assert!(Arc::ptr_eq(&written, &shared));
}

/// Polls it once; whether it waits for others.
async fn still_waits<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

on_every_database!(
    a_first_sync_by_image_is_the_one_by_pages_and_what_is_pending_survives,
    an_image_outlives_a_restart_and_its_loss_costs_pages,
    what_everybody_sees_is_one_image_until_the_log_has_gone_on,
    an_image_of_another_history_is_not_given_out,
);
