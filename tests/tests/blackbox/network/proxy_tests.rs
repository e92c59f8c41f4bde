//! The proxy itself, before a server that says back what it hears.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::proxy::{Flow, Gate, Proxy, Rules, Upstreams};
use super::requests::length_of;

/// Longer than anything here takes: what is waited for this long does not come.
const LONG: Duration = Duration::from_secs(20);
/// What must not come is waited for this long; it may be too short to notice, never too short to pass.
const SHORT: Duration = Duration::from_millis(50);

/// Everything all connections have heard.
type Heard = Arc<Mutex<Vec<u8>>>;

async fn echo() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let heard = Heard::default();
    let all = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let mut piece = [0; 1 << 10];
                while let Ok(length @ 1..) = stream.read(&mut piece).await {
                    all.lock().expect("whole").extend_from_slice(&piece[..length]);
                    if stream.write_all(&piece[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

struct Line {
    proxy: Proxy,
    heard: Heard,
}

impl Line {
    async fn new(seed: u64) -> Self {
        let (address, heard) = echo().await;
        let upstreams: Upstreams = Arc::new(Mutex::new(vec![address]));
        Line { proxy: Proxy::start(seed, upstreams).await, heard }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address).await.expect("the proxy listens")
    }

    /// Waits until the server has heard so many bytes.
    async fn hears(&self, bytes: usize) {
        let heard = async {
            while self.heard.lock().expect("whole").len() < bytes {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, heard).await.expect("the server hears it");
    }
}

/// Reads exactly this.
async fn says(stream: &mut TcpStream, text: &[u8]) {
    let mut read = vec![0; text.len()];
    tokio::time::timeout(LONG, stream.read_exact(&mut read)).await.expect("in time").expect("it comes");
    assert_eq!(read, text);
}

/// Nothing comes, and the connection stays.
async fn is_silent(stream: &mut TcpStream) {
    let read = tokio::time::timeout(SHORT, stream.read(&mut [0; 16])).await;
    assert!(read.is_err(), "something came, or the end: {read:?}");
}

/// The connection is reset.
async fn is_reset(stream: &mut TcpStream) {
    let read = tokio::time::timeout(LONG, stream.read(&mut [0; 16])).await.expect("in time");
    let error = read.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

const UP: fn(Flow) -> Rules = |up| Rules { up, ..Rules::HEALED };
const DOWN: fn(Flow) -> Rules = |down| Rules { down, ..Rules::HEALED };
const GATE: fn(Gate) -> Rules = |gate| Rules { gate, ..Rules::HEALED };

#[tokio::test]
async fn a_healthy_line_passes_everything_both_ways_and_the_end() {
    let line = Line::new(1).await;
    let mut stream = line.connect().await;
    let long = vec![7; 200_000];
    let (mut reading, mut writing) = stream.split();
    let mut back = vec![0; long.len()];
    let (written, read) = tokio::join!(writing.write_all(&long), reading.read_exact(&mut back));
    written.and(read.map(drop)).expect("both ways");
    assert_eq!(back, long);
    stream.shutdown().await.expect("shut");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("the end"), 0);
    assert_eq!(line.proxy.harm(), 0);
}

#[tokio::test]
async fn what_is_lost_stays_lost_and_the_socket_stays_open() {
    for rules in [UP(Flow::Lose), DOWN(Flow::Lose)] {
        let line = Line::new(2).await;
        let mut stream = line.connect().await;
        stream.write_all(b"one").await.expect("sent");
        says(&mut stream, b"one").await;
        line.proxy.set(rules);
        stream.write_all(b"two").await.expect("sent: nobody resets it");
        if rules.up == Flow::Pass {
            line.hears(6).await;
        }
        is_silent(&mut stream).await;
        line.proxy.heal();
        stream.write_all(b"three").await.expect("sent");
        is_silent(&mut stream).await;
        assert!(line.proxy.harm() > 0);
        let heard = line.heard.lock().expect("whole").clone();
        assert!(heard == if rules.up == Flow::Lose { &b"one"[..] } else { b"onetwothree" } || heard == b"onetwo");
        // A new connection works.
        let mut fresh = line.connect().await;
        fresh.write_all(b"four").await.expect("sent");
        says(&mut fresh, b"four").await;
    }
}

#[tokio::test]
async fn what_is_held_comes_after_healing() {
    for rules in [UP(Flow::Hold), DOWN(Flow::Hold)] {
        let line = Line::new(3).await;
        let mut stream = line.connect().await;
        line.proxy.set(rules);
        stream.write_all(b"one").await.expect("sent");
        is_silent(&mut stream).await;
        line.proxy.heal();
        says(&mut stream, b"one").await;
    }
}

#[tokio::test]
async fn bytes_trickle_and_wait_in_order() {
    for flow in [Flow::Trickle(1), Flow::Delay(20)] {
        let line = Line::new(4).await;
        line.proxy.set(Rules { up: flow, down: flow, ..Rules::HEALED });
        let mut stream = line.connect().await;
        for piece in [&b"one"[..], b"two", b"three"] {
            stream.write_all(piece).await.expect("sent");
        }
        says(&mut stream, b"onetwothree").await;
        assert!(line.proxy.harm() > 1);
    }
}

#[tokio::test]
async fn a_cut_comes_within_its_bytes_by_reset_or_in_order() {
    let (mut resets, mut orderly, mut places) = (0, 0, std::collections::BTreeSet::new());
    for seed in 0..24 {
        let line = Line::new(seed).await;
        line.proxy.set(DOWN(Flow::Cut(10)));
        let mut stream = line.connect().await;
        stream.write_all(&[5; 100]).await.expect("sent");
        let mut got = Vec::new();
        match tokio::time::timeout(LONG, stream.read_to_end(&mut got)).await.expect("it ends") {
            Ok(_) => orderly += 1,
            Err(_) => resets += 1,
        }
        assert!(got.len() <= 10, "{}", got.len());
        places.insert(got.len());
    }
    assert!(resets > 0 && orderly > 0 && places.len() > 2, "{resets} resets, {orderly} ends, at {places:?}");
}

#[tokio::test]
async fn refusing_resets_what_is_open_and_what_comes() {
    let line = Line::new(5).await;
    let mut stream = line.connect().await;
    stream.write_all(b"one").await.expect("sent");
    says(&mut stream, b"one").await;
    line.proxy.set(GATE(Gate::Refuse));
    is_reset(&mut stream).await;
    // The reset may be there before the connection is.
    if let Ok(mut stream) = TcpStream::connect(line.proxy.address).await {
        is_reset(&mut stream).await;
    }
    line.proxy.heal();
    let mut fresh = line.connect().await;
    fresh.write_all(b"two").await.expect("sent");
    says(&mut fresh, b"two").await;
}

#[tokio::test]
async fn a_portal_answers_in_the_servers_place_in_several_ways() {
    let mut answers = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let line = Line::new(seed).await;
        line.proxy.set(GATE(Gate::Portal));
        let mut stream = line.connect().await;
        stream.write_all(b"POST /sync/push HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}").await.expect("sent");
        let mut answer = String::new();
        tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        assert!(line.heard.lock().expect("whole").is_empty());
        answers.insert(answer);
    }
    assert!(answers.len() > 4, "{answers:?}");
}

#[tokio::test]
async fn a_whole_request_is_repeated_on_a_connection_of_its_own() {
    let line = Line::new(6).await;
    line.proxy.set(GATE(Gate::Duplicate(5)));
    let mut stream = line.connect().await;
    let request = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody";
    // In pieces: half a request is none.
    stream.write_all(&request[..20]).await.expect("sent");
    line.hears(20).await;
    stream.write_all(&request[20..]).await.expect("sent");
    says(&mut stream, request).await;
    line.hears(2 * request.len()).await;
    is_silent(&mut stream).await;
    assert_eq!(line.proxy.harm(), 1);
    assert_eq!(length_of(&request[..request.len() - 1]), None);
    assert_eq!(length_of(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET"), Some(27));
}

#[tokio::test]
async fn equal_seeds_cut_at_equal_places() {
    let mut places = Vec::new();
    for _ in 0..2 {
        let line = Line::new(9).await;
        line.proxy.set(UP(Flow::Cut(1_000)));
        let mut stream = line.connect().await;
        stream.write_all(&[1; 2_000]).await.expect("sent");
        let mut rest = Vec::new();
        // By a reset or in order.
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut rest)).await;
        places.push(line.heard.lock().expect("whole").len());
    }
    assert_eq!(places[0], places[1]);
}
