//! The buses over real servers: two plasma servers on one database file, each with its own connection to the bus.
#![expect(clippy::disallowed_methods, reason = "real servers need real time")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::super::{Hub, PokeBus, Relay};
use crate::server::tests::fixture::definition;
use crate::server::{ServerEngine, ServerOptions};

/// A bus server of another program. It ends with this value, and with the process that started it: the shell around it
/// waits for the end of its input.
struct Broker {
    shell: Child,
    port: u16,
}

impl Broker {
    /// Starts it and waits until it takes connections. None, said loudly, when it is not installed.
    fn start(program: &str, port: u16, arguments: &[String]) -> Option<Self> {
        let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(std::path::PathBuf::from);
        let own = std::env::var_os("PLASMA_BUS_BIN").map(std::path::PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = own.into_iter().chain(std::env::split_paths(&path)).chain(folders);
        let mut binaries = folders.map(|folder| folder.join(program));
        let Some(binary) = binaries.find(|file| file.exists()) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no {program}, and CI=true: a skip is a failure");
            let _ = writeln!(std::io::stderr(), "!!! SKIPPED: no {program} was found; scripts/test installs it");
            return None;
        };
        let script = "\"$@\" >/dev/null 2>&1 & read -r _; kill $!; wait";
        let shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(binary)
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let broker = Broker { shell, port };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "{program} does not take connections");
            std::thread::yield_now();
        }
        Some(broker)
    }

    fn redis(port: u16) -> Option<Self> {
        let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        Broker::start("redis-server", port, &arguments.map(str::to_owned))
    }

    fn nats(port: u16) -> Option<Self> {
        let arguments = ["-a", "127.0.0.1", "-p", &port.to_string()];
        Broker::start("nats-server", port, &arguments.map(str::to_owned))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ended = self.shell.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn process(bus: impl PokeBus, name: &str) -> (Arc<Hub>, Relay) {
    let engine = Arc::new(ServerEngine::new(definition(), ServerOptions::default()).unwrap());
    let hub = Arc::new(Hub::new(true));
    let relay = Relay::start(engine, Arc::clone(&hub), Arc::new(bus), name.to_owned());
    (hub, relay)
}

/// A commit in one process is heard in the other, before and after the broker was stopped and started again.
async fn passes<B: PokeBus>(bus: impl Fn(u16) -> B, start: impl Fn(u16) -> Option<Broker>) {
    let port = free_port();
    let Some(mut broker) = start(port) else { return };
    let (one, _relay) = process(bus(port), "one");
    let (two, _other) = process(bus(port), "two");
    let mut heard = two.subscribe();
    let mut round = 0;
    for outage in [false, true, true] {
        if outage {
            drop(broker);
            // Nothing waits for a bus that is not there.
            one.committed(BTreeSet::from(["lost".to_owned()]));
            broker = start(port).expect("it is installed");
            assert_eq!(broker.port, port);
        }
        let arrives = async {
            loop {
                round += 1;
                let group = format!("group {round}");
                one.committed(BTreeSet::from([group.clone()]));
                // A poke may be lost while connections are made; one of those after it is not.
                let news = heard.wait_for(|poke| poke.groups.contains(&group));
                if timeout(Duration::from_millis(500), news).await.is_ok() {
                    break;
                }
            }
        };
        timeout(Duration::from_secs(60), arrives).await.expect("a poke passes");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn pokes_pass_redis_and_outlive_its_restarts() {
    let bus = |port| crate::server::RedisPokes::new(&format!("redis://127.0.0.1:{port}")).unwrap().channel("a channel");
    passes(bus, Broker::redis).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn pokes_pass_nats_and_outlive_its_restarts() {
    let bus = |port| crate::server::NatsPokes::new(format!("nats://127.0.0.1:{port}")).subject("some.subject");
    passes(bus, Broker::nats).await;
}

/// A channel is a database's own.
#[cfg(feature = "redis")]
#[tokio::test]
async fn another_channel_hears_nothing() {
    let port = free_port();
    let Some(_broker) = Broker::redis(port) else { return };
    let bus =
        |channel: &str| crate::server::RedisPokes::new(&format!("redis://127.0.0.1:{port}")).unwrap().channel(channel);
    let (same, other, speaker) = (bus("shop"), bus("office"), bus("shop"));
    let (mut same, mut other) = (same.subscribe().await.unwrap(), other.subscribe().await.unwrap());
    speaker.publish("of the shop").await.unwrap();
    assert_eq!(same.next().await.unwrap(), "of the shop");
    bus("office").publish("of the office").await.unwrap();
    assert_eq!(other.next().await.unwrap(), "of the office", "the first it hears");
}

/// An authority and a certificate for `localhost`, made by openssl.
#[cfg(feature = "redis")]
fn certificates(folder: &std::path::Path) {
    let script = "set -e
        for name in ca other; do
          openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $name.key -out $name.pem \
            -addext basicConstraints=critical,CA:TRUE
        done
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("a shell starts");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn pokes_pass_redis_over_tls_when_it_is_who_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let port = free_port();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let arguments = [
        "--port 0 --bind 127.0.0.1 --appendonly no --tls-auth-clients no --tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
    ];
    let words = arguments.iter().flat_map(|words| words.split(' ')).chain(["--save", ""]);
    let arguments: Vec<String> = words.map(str::to_owned).collect();
    let Some(_broker) = Broker::start("redis-server", port, &arguments) else { return };
    let pem = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let bus = |host: &str, authority: &str| {
        let pokes = crate::server::RedisPokes::new(&format!("rediss://{host}:{port}")).unwrap();
        pokes.root_certificates(&pem(authority)).unwrap()
    };
    let mut heard = bus("localhost", "ca.pem").subscribe().await.unwrap();
    bus("localhost", "ca.pem").publish("a poke").await.unwrap();
    assert_eq!(heard.next().await.unwrap(), "a poke");
    // Signed by nobody known, and for another name.
    for (host, authority) in [("localhost", "other.pem"), ("127.0.0.1", "ca.pem")] {
        assert!(bus(host, authority).subscribe().await.is_err(), "{host} {authority}");
        assert!(bus(host, authority).publish("a poke").await.is_err(), "{host} {authority}");
    }
    let without = crate::server::RedisPokes::new(&format!("redis://localhost:{port}")).unwrap();
    assert_eq!(without.root_certificates(&pem("ca.pem")).unwrap_err().kind(), crate::ErrorKind::Config);
    for insecure in
        [format!("rediss://localhost:{port}/#insecure"), format!("rediss://:secret@localhost:{port}/#insecure")]
    {
        let error = crate::server::RedisPokes::new(&insecure).unwrap_err();
        assert!(error.kind() == crate::ErrorKind::Config && !format!("{error:?}").contains("secret"), "{error:?}");
    }
    let trusted = crate::server::RedisPokes::new("rediss://localhost").unwrap().root_certificates(b"no certificate");
    assert_eq!(trusted.unwrap_err().kind(), crate::ErrorKind::Config);
}

#[cfg(feature = "redis")]
#[test]
fn an_address_that_is_none_is_refused_and_no_password_is_shown() {
    let error = crate::server::RedisPokes::new("http://secret@host").unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Config);
    assert!(!format!("{:?}", crate::server::RedisPokes::new("redis://:secret@host").unwrap()).contains("secret"));
    #[cfg(feature = "nats")]
    assert!(!format!("{:?}", crate::server::NatsPokes::new("nats://u:secret@host")).contains("secret"));
}
