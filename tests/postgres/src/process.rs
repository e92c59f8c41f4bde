//! One server process on a folder of its own.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing but the end of a connection: fast.
    None,
    /// The end of the server process and of the machine: `fsync` and `synchronous_commit` are on.
    Full,
}

/// A server and its folder; both end with this value, or with this process.
#[derive(Debug)]
pub struct Process {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    durability: Durability,
    settings: Vec<(String, String)>,
    holder: Option<Child>,
}

/// Runs the server with the arguments it is given, and ends it at a word on its standard input or at the end of that:
/// `fast`, `immediate` (as `kill -9` would, without leaving shared memory), else fast.
const HOLDER: &str = r#"
"$@" >>"$LOG" 2>&1 </dev/null &
pid=$!
echo started
read -r how || how=end
case "$how" in immediate) kill -QUIT $pid;; *) kill -INT $pid;; esac
wait $pid
[ "$how" != end ] || rm -rf "$DIR"
"#;

impl Process {
    /// Makes a cluster and starts a server on it.
    pub(crate) fn start(bin: &Path, durability: Durability) -> Process {
        let dir = fresh_dir();
        let mut process =
            Process { bin: bin.to_owned(), dir, port: free_port(), durability, settings: Vec::new(), holder: None };
        let data = process.dir.join("data");
        let made = process
            .command("initdb")
            .arg("-D")
            .arg(&data)
            .args(["-U", "plasma", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"])
            .output()
            .expect("initdb can be run");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        process.start_again();
        process
    }

    /// `postgres://plasma@127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("postgres://plasma@127.0.0.1:{}", self.port)
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the cluster.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Sets a server setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// A program of the server's folder, as the user the server runs as.
    pub fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        if !is_root() {
            return Command::new(program);
        }
        // Postgres refuses to run as root.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
        command.current_dir("/");
        command
    }

    /// Ends the server and its connections; nothing committed is lost.
    pub fn stop(&mut self) {
        self.end("fast");
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.end("immediate");
    }

    fn end(&mut self, how: &str) {
        let Some(mut holder) = self.holder.take() else { return };
        if let Some(mut pipe) = holder.stdin.take() {
            // A holder that is gone has ended its server.
            let _ = writeln!(pipe, "{how}");
        }
        holder.wait().expect("the server ends");
    }

    /// Starts the server, at the port it had.
    ///
    /// # Panics
    /// When it does not answer within 30 s.
    #[expect(clippy::disallowed_methods, reason = "a server that starts is asked until it answers")]
    pub fn start_again(&mut self) {
        assert!(self.holder.is_none(), "the server runs");
        let log = self.dir.join("log");
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k"]).arg(&self.dir);
        let mut settings = String::new();
        for (name, value) in
            [("listen_addresses", "127.0.0.1"), ("max_connections", "200"), ("max_prepared_transactions", "10")]
        {
            let _ = writeln!(settings, "{name}={value}");
        }
        if self.durability == Durability::None {
            settings.push_str("fsync=off\nsynchronous_commit=off\nfull_page_writes=off\n");
        }
        for (name, value) in &self.settings {
            let _ = writeln!(settings, "{name}={value}");
        }
        for setting in settings.lines() {
            server.args(["-c", setting]);
        }
        let mut holder = Command::new("sh");
        holder.args(["-c", HOLDER, "holder"]).arg(server.get_program()).args(server.get_args());
        holder.env("LOG", &log).env("DIR", &self.dir).current_dir("/");
        let mut holder = holder
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let mut first = String::new();
        let output = holder.stdout.take().expect("the output is piped");
        let _ = BufReader::new(output).read_line(&mut first);
        self.holder = Some(holder);
        let started = Instant::now();
        let url = format!("{}/postgres", self.url());
        while let Err(error) = crate::aside(|| postgres::Client::connect(&url, postgres::NoTls).map(drop)) {
            if started.elapsed() > Duration::from_secs(30) {
                let log = fs::read_to_string(&log).unwrap_or_default();
                panic!("the test server does not answer: {error}\n{log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of the pipe is the word that ends server and folder.
        if let Some(mut holder) = self.holder.take() {
            drop(holder.stdin.take());
            // It ends by itself; waiting only keeps the machine tidy.
            let _ = holder.wait();
        }
        // A stopped server has left its folder.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn is_root() -> bool {
    static ROOT: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ROOT.get_or_init(|| {
        let id = Command::new("id").arg("-u").output();
        id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
    })
}

/// A folder that the server's user may write to.
fn fresh_dir() -> PathBuf {
    let mut bits = [0u8; 8];
    fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bits)).expect("random bits");
    let dir = std::env::temp_dir().join(format!("plasma-postgres-{:016x}", u64::from_ne_bytes(bits)));
    fs::create_dir(&dir).expect("a folder for the server");
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(&dir).status();
        assert!(owned.is_ok_and(|status| status.success()), "the server's folder cannot be given to its user");
    }
    dir
}

/// A port nobody listens on just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("a bound port").port()
}
