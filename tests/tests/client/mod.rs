//! The client as an application holds it, against the real server engine in the same process.

#![allow(unreachable_pub, reason = "written as an application writes it")]

mod constraints;
mod determinism;
mod errors;
mod http;
mod life;
mod local;
mod restore;
mod sync;
mod validation;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plasma::client::event::SendFailure;
use plasma::client::{Client, ClientBuilder, Headers, InProcess, RetryPolicy, SqliteStore};
use plasma::prelude::*;
use plasma::protocol::{Limits, WireRequest, WireResponse};
use plasma::server::Auth;
use plasma::{Error, Result};

use crate::place::{Backup, Data, Place};

/// Who calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    /// The user's name.
    pub user: String,
}

/// A note that everybody sees.
#[plasma::table(name = "notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its id.
    pub id: Id<Note>,
    /// What it says.
    pub text: String,
    /// Who wrote it.
    pub author: String,
}

/// What somebody types; never leaves the device.
#[plasma::table(name = "drafts", local_only)]
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its id.
    pub id: Id<Draft>,
    /// What it says.
    pub text: String,
}

/// A seat that one person has.
#[plasma::table(name = "seats", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// Its id.
    pub id: Id<Seat>,
    /// Where it is.
    #[column(unique)]
    pub label: String,
    /// Who has it.
    pub holder: String,
    /// What is to be said about it.
    pub note_id: Option<Id<Note>>,
}

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, plasma::Rejection)]
pub enum Refused {
    /// we do not say that
    BadWord { word: String, note: Id<Note> },
    #[rejection(code = "full", message = "there are too many notes")]
    Full(i64),
}

/// The schema of these tests.
#[plasma::schema(version = "notes-2", ctx = Ctx, tables(Note, Draft, Seat), mutators(Notes, constraints::Seats))]
#[derive(Debug)]
pub struct App;
/// Its transactions.
pub type Tx<'a> = plasma::Tx<'a, App>;

/// Writes a note.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddNote {
    /// Its id.
    pub id: Id<Note>,
    /// What it says.
    #[arg(len(1..=200))]
    pub text: String,
}

/// Changes a note.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct EditNote {
    /// Which.
    pub id: Id<Note>,
    /// What it says from now on.
    pub text: String,
}

/// Removes a note.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveNote {
    /// Which.
    pub id: Id<Note>,
}

/// Writes a note, once the test lets it.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct SlowNote {
    /// Its id.
    pub id: Id<Note>,
}

/// Writes a note that says how often this was called: what no mutator should look at.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Counted {
    /// Its id.
    pub id: Id<Note>,
}

/// Writes a note with what the envelope gives.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Thrown {
    /// Its id.
    pub id: Id<Note>,
}

/// Copies the text of one note into another.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct CopyNote {
    /// Read.
    pub from: Id<Note>,
    /// Written.
    pub to: Id<Note>,
}

/// Writes a note, and waits for what is not its transaction.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Waits {
    /// Its id.
    pub id: Id<Note>,
    /// `sleep` or `channel`.
    pub how: String,
    /// The client does not wait.
    pub only_on_the_server: bool,
}

/// The mutators.
pub struct Notes;

/// Held by a test to keep [`Notes::slow`] in its transaction.
pub static GATE: Mutex<()> = Mutex::new(());

#[plasma::mutators(App)]
impl Notes {
    /// The server refuses notes that say `bad`.
    pub async fn add(tx: &mut Tx<'_>, ctx: &Ctx, args: AddNote) -> Result<()> {
        if tx.is_server() && args.text == "bad" {
            return Err(Refused::BadWord { word: "bad".into(), note: args.id }.into());
        }
        if tx.is_server() && args.text == "too many" {
            return Err(Refused::Full(7).into());
        }
        tx.insert(NewNote { text: args.text, author: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    /// Changes the text.
    pub async fn edit(tx: &mut Tx<'_>, _: &Ctx, args: EditNote) -> Result<()> {
        tx.update(args.id).set(Note::text.to(args.text)).await
    }

    /// Removes it.
    pub async fn remove(tx: &mut Tx<'_>, _: &Ctx, args: RemoveNote) -> Result<()> {
        tx.delete(args.id).await
    }

    /// Looks at a global variable.
    pub async fn counted(tx: &mut Tx<'_>, ctx: &Ctx, args: Counted) -> Result<()> {
        let call = determinism::COUNTED.fetch_add(1, Ordering::SeqCst);
        tx.insert(NewNote { text: format!("call {call}"), author: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    /// Looks at the time, throws dice, and makes an id.
    pub async fn thrown(tx: &mut Tx<'_>, ctx: &Ctx, args: Thrown) -> Result<()> {
        let text = format!("{:?} {} {}", tx.now(), tx.random_below(6), tx.random::<u64>());
        let id = tx.new_id();
        tx.insert(NewNote { text: text.clone(), author: ctx.user.clone() }.with_id(id)).await?;
        tx.insert(NewNote { text, author: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    /// Reads one row and writes another.
    pub async fn copy(tx: &mut Tx<'_>, _: &Ctx, args: CopyNote) -> Result<()> {
        let from = tx.need(args.from).await?;
        tx.update(args.to).set(Note::text.to(from.text)).await
    }

    /// Waits.
    pub async fn waits(tx: &mut Tx<'_>, ctx: &Ctx, args: Waits) -> Result<()> {
        tx.insert(NewNote { text: "before".into(), author: ctx.user.clone() }.with_id(args.id)).await?;
        if tx.is_server() || !args.only_on_the_server {
            if args.how == "sleep" {
                tokio::time::sleep(Duration::from_millis(1)).await;
            } else {
                let (_sender, mut receiver) = tokio::sync::mpsc::channel::<()>(1);
                receiver.recv().await;
            }
        }
        Ok(())
    }

    /// Waits for the gate inside its transaction.
    pub async fn slow(tx: &mut Tx<'_>, ctx: &Ctx, args: SlowNote) -> Result<()> {
        drop(lock(&GATE));
        tx.insert(NewNote { text: "slow".into(), author: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }
}

pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server in this process, and the network to it.
pub struct Server {
    server: Mutex<plasma::server::Server<App>>,
    /// No request gets through.
    pub down: AtomicBool,
    /// A captive portal answers everything.
    pub portal: AtomicBool,
    /// Tokens that are not taken (any more).
    pub expired: Arc<Mutex<Vec<String>>>,
    /// Requests seen.
    pub requests: AtomicUsize,
    /// Requests that are being answered, and the most there ever were of one kind.
    pub pushes: AtomicUsize,
    data: Mutex<Data>,
}

impl Server {
    /// None where there is no such database.
    pub async fn new(place: Place) -> Option<Arc<Self>> {
        let data = place.data()?;
        let expired = Arc::<Mutex<Vec<String>>>::default();
        Some(Arc::new(Server {
            server: Mutex::new(Self::open(&data, &expired).await),
            down: AtomicBool::new(false),
            portal: AtomicBool::new(false),
            expired,
            requests: AtomicUsize::new(0),
            pushes: AtomicUsize::new(0),
            data: Mutex::new(data),
        }))
    }

    async fn open(data: &Data, expired: &Arc<Mutex<Vec<String>>>) -> plasma::server::Server<App> {
        let known = expired.clone();
        let auth = move |parts: &plasma::http::request::Parts| {
            let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
            let token = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
            let token = token.filter(|token| !lock(&known).contains(token));
            async move {
                let token = token.ok_or_else(|| Error::unauthorized("no token"))?;
                let user = token.split('#').next().unwrap_or(&token).to_owned();
                Ok(Auth::new(user.clone(), Ctx { user }))
            }
        };
        let builder = plasma::server::Server::<App>::builder(data.database()).auth(auth);
        // Pulls are answered at once: these tests look at the loop, which polls quickly.
        builder.limits(Limits { held_pulls: 0, ..Limits::default() }).open().await.expect("opens")
    }

    /// A backup of its database; none where there are no programs for that.
    pub fn backup(&self) -> Option<Backup> {
        lock(&self.data).backup()
    }

    /// The server goes on with another database.
    pub async fn restore(&self, backup: &Backup) {
        let data = backup.restored();
        let server = Self::open(&data, &self.expired).await;
        *lock(&self.server) = server;
        *lock(&self.data) = data;
    }

    async fn answer(&self, request: WireRequest) -> Result<WireResponse, SendFailure> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(SendFailure::new("the cable is cut"));
        }
        if self.portal.load(Ordering::SeqCst) {
            let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
            return Ok(WireResponse { status: 200, headers, body: "<html>Pay for the internet!</html>".into() });
        }
        if request.path.ends_with("/push") {
            self.pushes.fetch_add(1, Ordering::SeqCst);
        }
        let server = lock(&self.server).clone();
        Ok(server.respond(request).await)
    }

    pub fn transport(self: &Arc<Self>) -> InProcess {
        let server = self.clone();
        InProcess::new(move |request| {
            let server = server.clone();
            async move {
                // A network takes a turn of the executor.
                tokio::task::yield_now().await;
                server.answer(request).await
            }
        })
    }
}

/// A client of this server, with a quick loop.
pub fn client_of(server: &Arc<Server>, user: &str, store: SqliteStore) -> ClientBuilder<App> {
    let token = user.to_owned();
    Client::<App>::builder(store)
        .transport(server.transport())
        .auth(move || {
            let token = token.clone();
            async move { Ok(Headers::bearer(token)) }
        })
        .ctx(Ctx { user: user.to_owned() })
        .group(user)
        .poll_interval(Duration::from_millis(10))
        .retry(RetryPolicy { attempts: 5, first_ms: 5, max_ms: 20 })
        .watch_file(Some(Duration::from_millis(10)))
}

pub fn add(client: &Client<App>, text: &str) -> AddNote {
    AddNote { id: client.new_id(), text: text.to_owned() }
}

pub async fn texts(client: &Client<App>) -> Vec<String> {
    client.all(Note::select().order_by(Note::text.asc()).project(Note::text)).await.expect("readable")
}

/// Within a deadline that only a hang misses.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(value) => value,
        Err(_) => panic!("it did not happen in 20 s"),
    }
}

/// Until the condition holds.
pub async fn until(mut condition: impl AsyncFnMut() -> bool) {
    soon(async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
