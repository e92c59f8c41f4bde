//! Throw-away Postgres servers for tests.
//!
//! [`Server::shared`] is one server a test process, [`Server::database`] a fresh database in it. A server ends with the process that
//! started it, whatever way that ends: a shell holds it and waits for the end of a pipe.
//!
//! `PLASMA_TEST_POSTGRES=postgres://..` names a running server to use instead (its user must be allowed to make
//! databases); `PLASMA_POSTGRES_BIN` the folder of the binaries (`initdb`, `postgres`).

mod binaries;
mod dump;
mod process;

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use binaries::bin_dir;
/// The blocking client, for tests that speak to a server themselves.
pub use postgres;
pub use process::{Durability, Process};

/// A server to make databases in.
#[derive(Debug)]
pub struct Server {
    /// Without the name of a database: `postgres://user@host:port`.
    base: String,
    /// None when somebody else runs it.
    process: Option<Process>,
}

/// A fresh, empty database. It stays until its server ends.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its URL.
    pub url: String,
    /// Its name.
    pub name: String,
}

impl Server {
    /// The server of this test process, started when first asked for; fast, not durable. None when there are no
    /// binaries: the caller skips its test with [`skip`].
    ///
    /// # Panics
    /// When there are binaries and the server does not start.
    pub fn shared() -> Option<&'static Server> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED
            .get_or_init(|| match std::env::var("PLASMA_TEST_POSTGRES") {
                Ok(base) => Some(Server { base: base.trim_end_matches('/').to_owned(), process: None }),
                Err(_) => Server::start(Durability::None),
            })
            .as_ref()
    }

    /// A server of one's own, to be stopped, killed and started again.
    ///
    /// # Panics
    /// When there are binaries and the server does not start.
    pub fn start(durability: Durability) -> Option<Server> {
        let process = Process::start(&bin_dir()?, durability);
        Some(Server { base: process.url(), process: Some(process) })
    }

    /// The URL without a database.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The process, when it is this one's.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// A fresh database.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        aside(|| {
            let mut client = postgres::Client::connect(&format!("{}/postgres", self.base), postgres::NoTls)
                .unwrap_or_else(|e| panic!("the test server at {} does not answer: {e}", self.base));
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).expect("an old one goes");
            client.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database is made");
        });
        Database { url: format!("{}/{name}", self.base), name }
    }
}

/// Runs what blocks on a thread of its own: the blocking client has a runtime inside, which cannot start in another.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Database {
    /// A blocking connection to it.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn connect(&self) -> postgres::Client {
        postgres::Client::connect(&self.url, postgres::NoTls).expect("the test server answers")
    }
}

/// A fresh database of the shared server; none (said with one loud line, which the test script counts) when this machine has no
/// Postgres.
///
/// # Panics
/// When `CI=true` and there is none.
pub fn database() -> Option<Database> {
    match Server::shared() {
        Some(server) => Some(server.database()),
        None => {
            skip();
            None
        }
    }
}

/// Says that a test is skipped for want of Postgres.
///
/// # Panics
/// When `CI=true`: there nothing is skipped.
pub fn skip() {
    skip_for("Postgres");
}

fn skip_for(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no {what} was found, and CI=true: a skip is a failure");
    // Not by `eprintln`, which the test harness keeps to itself when the test passes. A closed stderr hides nothing else.
    let _ = writeln!(std::io::stderr(), "!!! SKIPPED: no {what} was found; scripts/test installs it");
}
