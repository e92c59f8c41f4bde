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
use crate::server::{Auth, Server, ServerBuilder, SqliteDatabase, WithAuth};
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

/// A server with images, the folder of its files, and what it answered.
struct World<S> {
    folder: tempfile::TempDir,
    server: Server<S>,
    address: String,
    answers: Arc<Mutex<Vec<(&'static str, u16)>>>,
}

impl<S: Schema> World<S> {
    async fn start(builder: impl FnOnce(SqliteDatabase) -> ServerBuilder<S, WithAuth>, images: ImageOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("images")).unwrap();
        let answers: Arc<Mutex<Vec<_>>> = Arc::default();
        let heard = Arc::clone(&answers);
        let images = ImageOptions { folder: folder.path().join("images"), ..images };
        let server = builder(SqliteDatabase::file(folder.path().join("server.db")))
            .on_metric(move |metric| heard.lock().unwrap().push((metric.endpoint, metric.status)))
            .images(images)
            .open()
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/sync", listener.local_addr().unwrap());
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        World { folder, server, address, answers }
    }

    fn raw(&self, sql: &str) {
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

    fn transport(&self) -> HttpTransport {
        HttpTransport::new(self.address.parse::<Endpoint>().unwrap()).unwrap()
    }
}

/// A server with policies: 1,100 todos Ann may read, and as many she may not.
async fn tracker() -> World<Tracker> {
    let world = World::start(|db| Server::<Tracker>::builder(db).auth(by_number), ImageOptions::default()).await;
    world.raw(&people());
    world.raw(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2200) \
         INSERT INTO todos (id, title, org_id, thumb, weight, note, meta) \
         SELECT printf('%08x-0000-4000-8000-000000000000', n), iif(n % 2, 'todo ' || n, '{SECRET}'), \
         iif(n % 2, '{}', '{}'), iif(n % 3, NULL, randomblob(20)), n * 1.7, iif(n % 5, NULL, 'note'), '[1,2]' FROM n",
        uuid::Uuid::from_u128(11),
        uuid::Uuid::from_u128(12),
    ));
    world
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

#[tokio::test]
async fn a_first_sync_by_image_is_the_one_by_pages_and_what_is_pending_survives() {
    let world = tracker().await;
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
    let world = World::start(|db| Server::<Tracker>::builder(db).auth(by_number), ImageOptions::default()).await;
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

#[tokio::test]
async fn an_image_outlives_a_restart_and_its_loss_costs_pages() {
    for lost in [false, true] {
        let world = tracker().await;
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

fn many_users(name: &str) -> String {
    format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1500) \
         INSERT INTO users (id, name) SELECT printf('%08x-0000-4000-8000-00000000{name}', n), 'user' FROM n"
    )
}

#[tokio::test]
async fn what_everybody_sees_is_one_image_until_the_log_has_gone_on() {
    let images = ImageOptions { rebuild_after: 100, ..ImageOptions::default() };
    let world = World::start(|db| Server::<App>::builder(db).auth(anybody), images).await;
    world.raw(&many_users("0000"));
    let made = || world.left().into_iter().find(|name| name.ends_with(".db")).expect("it is kept ready");
    let sync = async |who: &'static str| {
        let builder = Client::<App>::builder(SqliteStore::open(world.store(who))).server(world.address.clone());
        let builder = builder.auth(move || async move { Ok(Headers::new().with("authorization", who)) });
        let client = builder.group(who).ctx(Ctx { user: None }).open().await.unwrap();
        client.pull_once().await.unwrap();
        let there = world.server.db().trusted().count(crate::schema::samples::User::select()).await.unwrap();
        assert_eq!(client.count(crate::schema::samples::User::select()).await.unwrap(), there);
    };
    sync("one").await;
    let first = made();
    // The end of the set brings what has changed since.
    world.raw("UPDATE users SET name = 'other' WHERE id LIKE '0000000%'");
    sync("two").await;
    assert_eq!(made(), first);
    world.raw(&many_users("1111"));
    sync("three").await;
    assert_ne!(made(), first);
    assert_eq!(world.images_asked(), [200; 3]);
    assert_eq!(world.left().len(), 1);
}
