//! The processes under test: this test binary, started again with a part to play. They are killed, so they must be
//! processes of their own.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use plasma::client::{Engine, EngineOptions};
use plasma::inputs::Inputs;
use plasma::server::{Auth, CompactionOptions, Database, PostgresDatabase, Server, SqliteDatabase};
use plasma::sim::Rng;
use plasma::store::sqlite::{SqliteConnection, SqliteOptions};
use plasma::{Error, Schema};

use crate::place::Data;
use crate::sim::schema::{App, Caller};

const PART: &str = "PLASMA_TEST_PART";
const STORE: &str = "PLASMA_TEST_STORE";
const COUNT: &str = "PLASMA_TEST_COUNT";

/// A command that plays `part` over `store`: one of this module, or of another when its path says so.
pub(super) fn command(part: &str, store: impl AsRef<OsStr>, count: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    let module = if part.contains("::") { "blackbox" } else { "blackbox::child" };
    command.args([&format!("{module}::{part}"), "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(STORE, store.as_ref()).env(COUNT, count.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) fn playing(part: &str) -> Option<PathBuf> {
    (std::env::var(PART).ok()? == part).then(|| std::env::var_os(STORE).map(PathBuf::from))?
}

pub(super) fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("the parent reads");
}

pub(super) async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    match header.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(user) if !user.is_empty() => Ok(Auth::new(user, Caller { user: user.to_owned() })),
        _ => Err(Error::unauthorized("no token")),
    }
}

/// The server over a file, until it is killed.
#[test]
#[ignore = "a part for a process of its own"]
fn serve() {
    let Some(store) = playing("serve") else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = Server::<App>::builder(database(store)).auth(authenticate).open().await.expect("opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        say(format_args!("listening on {}", listener.local_addr().expect("an address")));
        server.serve(listener, std::future::pending()).await.expect("serves");
    });
}

pub(super) fn database(store: PathBuf) -> Box<dyn Database> {
    match store.to_str().filter(|store| store.starts_with("postgres://")) {
        Some(url) => Box::new(PostgresDatabase::url(url)),
        None => Box::new(SqliteDatabase::file(store)),
    }
}

/// What [`compact`] keeps.
pub(super) fn keeps() -> CompactionOptions {
    let never = i64::MAX / 2;
    CompactionOptions::default().keep_ms(never).keep_entries(200).keep_deletes_ms(never).keep_folded(300).lease_ms(0)
}

/// A server that compacts its log at once, and again when that failed, until it is killed.
#[test]
#[ignore = "a part for a process of its own"]
fn compact() {
    let Some(store) = playing("compact") else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let builder = Server::<App>::builder(database(store)).auth(authenticate).compaction(None);
        let server = builder.open().await.expect("opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        say(format_args!("listening on {}", listener.local_addr().expect("an address")));
        let compacting = server.clone();
        tokio::spawn(async move { while compacting.compact_change_log(keeps()).await.is_err() {} });
        server.serve(listener, std::future::pending()).await.expect("serves");
    });
}

/// A client that mutates without a server, and says so each time `mutate` has returned.
#[test]
#[ignore = "a part for a process of its own"]
fn mutate() {
    let Some(path) = playing("mutate") else { return };
    let count: usize = std::env::var(COUNT).ok().and_then(|count| count.parse().ok()).unwrap_or(1);
    let mut store = SqliteConnection::open(&path, SqliteOptions::default()).expect("opens");
    // The ids must differ from run to run: the process may be started again over the same store.
    let mut rng = Rng::new(u64::from(std::process::id()));
    let options = EngineOptions { group: Some("user0".to_owned()), ..EngineOptions::default() };
    let definition = std::sync::Arc::new(App::definition());
    let mut inputs = Inputs { now: 1_735_689_600_000, entropy: &mut rng };
    let (mut engine, _) = Engine::open(&mut store, definition, options, &mut inputs).expect("opens");
    let ctx = Caller { user: "user0".to_owned() };
    for _ in 0..count {
        let id = {
            let mut bytes = [0; 16];
            plasma::inputs::Entropy::fill(inputs.entropy, &mut bytes);
            plasma_runtime::schema::Id::<()>::from_uuid(uuid_of(bytes)).to_string()
        };
        let args = serde_json::json!({ "step": { "id": id }, "id": id, "name": "a list" }).to_string();
        engine.mutate(&mut store, &ctx, "lists.create", &args, &mut inputs).expect("mutates");
        say(format_args!("returned {id}"));
    }
}

fn uuid_of(bytes: [u8; 16]) -> uuid::Uuid {
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The `todo` binary next to this test's own, built anew when it is missing or cargo thinks it is old.
pub(super) fn todo_program() -> PathBuf {
    static PROGRAM: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let build = || {
        let test = std::env::current_exe().expect("the test binary has a path");
        // target/<profile>/deps/all-<hash>
        let profile = test.ancestors().nth(2).expect("the test lies in a target folder");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "todo", "--bin", "todo", "--manifest-path", manifest, "--target-dir"])
            .arg(profile.parent().expect("target"))
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "`todo` does not build: {}", String::from_utf8_lossy(&built.stderr));
        profile.parent().expect("target").join("debug").join("todo")
    };
    PROGRAM.get_or_init(build).clone()
}

/// `todo serve` over this data.
pub(super) fn todo_serve(data: &Data) -> Command {
    let mut command = Command::new(todo_program());
    let place = match data {
        Data::Sqlite(_) => "--db",
        Data::Postgres(_) => "--postgres",
    };
    command.args(["serve", "--listen", "127.0.0.1:0", place]).arg(data.address());
    command
}

/// A server process, killed when dropped.
pub(super) struct Serving {
    child: Child,
    pub(super) address: std::net::SocketAddr,
}

impl Serving {
    pub(super) fn start(data: &Data) -> Self {
        Self::of(command("serve", data.address(), 0)).expect("a server without faults starts")
    }

    /// The to-do example's own `todo serve`, built when it is not there.
    pub(super) fn todo(data: &Data) -> Self {
        let mut command = todo_serve(data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self::of(command).expect("`todo serve` starts")
    }

    /// None when it died before it listened.
    pub(super) fn of(mut command: Command) -> Option<Self> {
        use std::io::BufRead as _;
        let mut child = command.spawn().expect("the test binary starts again");
        let out = child.stdout.take().expect("piped");
        let mut lines = std::io::BufReader::new(out).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let address = line.strip_prefix("listening on ")?;
            address.strip_prefix("http://").unwrap_or(address).parse().ok()
        });
        match address {
            Some(address) => Some(Serving { child, address }),
            None => {
                child.wait().expect("it has ended");
                None
            }
        }
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
