//! What a transport promises, without and with a socket.

use super::*;
use crate::ErrorKind;
use crate::protocol::Method;

fn request(path: &str, body: &[u8]) -> WireRequest {
    WireRequest {
        method: Method::Post,
        path: path.to_owned(),
        query: String::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: bytes::Bytes::copy_from_slice(body),
    }
}

#[test]
fn addresses_are_read_or_refused_with_the_reason() {
    let good = [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787", "/sync"),
        ("HTTPS://Example.COM/", "https://example.com", "/sync"),
        ("https://example.com/a/b/", "https://example.com", "/a/b"),
        ("http://[::1]:80/sync", "http://[::1]:80", "/sync"),
    ];
    for (text, origin, base_path) in good {
        let endpoint: Endpoint = text.parse().expect(text);
        assert_eq!((endpoint.origin(), endpoint.base_path()), (origin, base_path), "{text}");
    }
    let bad = [
        ("example.com", "no scheme"),
        ("ftp://example.com", "neither `http` nor `https`"),
        ("https://", "no host"),
        ("https://:80/x", "no host"),
        ("https://me:secret@example.com", "credentials"),
        ("https://example.com/a//b", "empty segment"),
        ("https://example.com/../b", "`..`"),
        ("https://example.com/sync?x=1", "query"),
        ("https://exa mple.com/", "percent-encoded"),
    ];
    for (text, why) in bad {
        let error = text.parse::<Endpoint>().expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(error.message().contains(why), "{text}: {error}");
    }
}

#[test]
fn headers_keep_secrets_out_of_debug_and_refuse_line_breaks() {
    let headers = Headers::bearer("s3cret").with("X-Tenant", "a").with("x-tenant", "b");
    assert_eq!(headers.get("Authorization"), Some("Bearer s3cret"));
    assert_eq!(headers.get("x-tenant"), Some("b"));
    assert_eq!(headers.iter().count(), 2);
    assert!(!format!("{headers:?}").contains("s3cret"));
    headers.check().expect("both are fine");
    let split = Headers::bearer("a\r\nx-admin: 1").check().expect_err("a line break splits the request");
    assert!(!split.to_string().contains("x-admin"));
    Headers::new().with("na me", "v").check().expect_err("a name has no space");
}

#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
#[test]
fn compression_round_trips_and_decompression_stops_at_the_limit() {
    let body = vec![b'a'; 100_000];
    assert!(gzip::compress(&body[..10], 1_024).is_none(), "small bodies are sent as they are");
    let packed = gzip::compress(&body, 1_024).expect("it shrinks");
    assert!(packed.len() < 1_000);
    assert_eq!(gzip::decompress(&packed, 100_000).expect("within the limit"), body);
    let error = gzip::decompress(&packed, 99_999).expect_err("one byte too many");
    assert!(error.contains("99999"), "{error}");
    // A bomb is not unpacked to its end: the damage there is not even seen.
    let mut bomb = gzip::compress(&vec![0; 4 << 20], 1).expect("it shrinks").to_vec();
    let end = bomb.len() - 8;
    bomb[end..].fill(0xff);
    assert!(gzip::decompress(&bomb, 5 << 20).expect_err("damaged").contains("not valid gzip"));
    assert!(gzip::decompress(&bomb, 1_000).expect_err("too large").contains("larger than 1000"));
    gzip::decompress(&packed[..packed.len() / 2], 100_000).expect_err("cut in the middle");
    gzip::decompress(b"<html>", 100_000).expect_err("not gzip at all");
}

#[test]
fn in_process_answers_see_the_credentials() {
    let transport = InProcess::new(|request| async move {
        let token = request.header("authorization").unwrap_or_default().to_owned();
        Ok(WireResponse { status: 200, headers: vec![], body: token.into() })
    });
    let answer = crate::future::poll_once(transport.send(request("/sync/push", b"{}"), Headers::bearer("alice")));
    assert_eq!(answer.expect("ready at once").expect("answered").body, "Bearer alice");
}

#[cfg(all(feature = "http-client", not(target_family = "wasm")))]
mod over_http {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// A server for one connection: reads a request, hands it to `check`, answers with `answer`.
    fn serve_once(answer: Vec<u8>) -> (Endpoint, std::sync::mpsc::Receiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, receiver) = std::sync::mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "the test's server is a thread of its own")]
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let request = read_request(&mut stream);
            sender.send(request).expect("the test waits");
            stream.write_all(&answer).expect("written");
        });
        (format!("http://{address}").parse().expect("an address"), receiver)
    }

    fn read_request(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut chunk = [0u8; 4_096];
        loop {
            let read = stream.read(&mut chunk).expect("readable");
            bytes.extend_from_slice(&chunk[..read]);
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.trim().parse::<usize>().expect("a number"));
                if bytes.len() >= end + 4 + length {
                    return bytes;
                }
            }
            if read == 0 {
                return bytes;
            }
        }
    }

    fn run(options: HttpOptions, answer: &[u8], body: &[u8]) -> (Result<WireResponse, SendFailure>, Vec<u8>) {
        let (endpoint, seen) = serve_once(answer.to_vec());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let transport = HttpTransport::with_options(endpoint, options).expect("plain http needs no certificates");
        let answer = runtime.block_on(transport.send(request("/sync/push", body), Headers::bearer("alice")));
        (answer, seen.recv_timeout(Duration::from_secs(10)).expect("the server saw the request"))
    }

    #[test]
    fn small_bodies_go_plain_and_credentials_with_them() {
        let (answer, seen) =
            run(HttpOptions::default(), b"HTTP/1.1 200 OK\r\nX-A: 1\r\ncontent-length: 2\r\n\r\n{}", b"{\"a\":1}");
        let answer = answer.expect("answered");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        assert_eq!(answer.header("x-a"), Some("1"));
        let seen = String::from_utf8(seen).expect("plain text");
        assert!(seen.starts_with("POST /sync/push HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("authorization: Bearer alice\r\n"), "{seen}");
        assert!(seen.contains("accept-encoding: gzip\r\n"), "{seen}");
        assert!(!seen.contains("content-encoding"), "{seen}");
        assert!(seen.ends_with("{\"a\":1}"), "{seen}");
    }

    #[test]
    fn large_bodies_and_answers_are_compressed() {
        let page = vec![b'p'; 50_000];
        let packed = gzip::compress(&page, 1).expect("it shrinks");
        let mut answer =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len())
                .into_bytes();
        answer.extend_from_slice(&packed);
        let body = vec![b'b'; 9_000];
        let (got, seen) = run(HttpOptions::default(), &answer, &body);
        let got = got.expect("answered");
        assert_eq!(got.body, page);
        assert_eq!(got.header("content-encoding"), None);
        assert_eq!(got.header("content-length"), None);
        let end = seen.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
        assert!(String::from_utf8_lossy(&seen[..end]).contains("content-encoding: gzip"));
        assert_eq!(gzip::decompress(&seen[end + 4..], 1 << 20).expect("gzip"), body);
    }

    #[test]
    fn a_redirect_is_passed_up_and_not_followed() {
        let (answer, _) = run(
            HttpOptions::default(),
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/portal\r\ncontent-length: 0\r\n\r\n",
            b"{}",
        );
        assert_eq!(answer.expect("an answer like any other").status, 302);
    }

    #[test]
    fn an_answer_above_the_limit_or_cut_short_is_a_failure() {
        let options = HttpOptions { max_answer: 10, ..HttpOptions::default() };
        let (answer, _) = run(options.clone(), b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n01234567890", b"{}");
        assert!(answer.expect_err("too large").message.contains("larger than 10 bytes"));
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n678901\r\n0\r\n\r\n";
        let (answer, _) = run(options, chunked, b"{}");
        assert!(answer.expect_err("too large").message.contains("larger than 10 bytes"));
        let (answer, _) = run(HttpOptions::default(), b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", b"{}");
        answer.expect_err("half an answer is none");
    }

    fn transport(listener: &TcpListener, read_timeout: Duration) -> HttpTransport {
        let address = listener.local_addr().expect("bound");
        let options = HttpOptions { read_timeout, ..HttpOptions::default() };
        let endpoint = format!("http://{address}").parse().expect("an address");
        HttpTransport::with_options(endpoint, options).expect("set up")
    }

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").expect("a free port")
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    const SHORT: Duration = Duration::from_millis(100);
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    #[test]
    fn a_silent_server_is_given_up() {
        let listener = listener();
        let transport = transport(&listener, SHORT);
        let answer = runtime().block_on(transport.send(request("/sync/push", b"{}"), Headers::new()));
        answer.expect_err("nobody answers");
    }

    #[test]
    fn an_answer_that_stops_half_way_is_given_up() {
        let listener = listener();
        let transport = transport(&listener, SHORT);
        #[expect(clippy::disallowed_methods, reason = "the test's server is a thread of its own")]
        let held = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            read_request(&mut stream);
            stream.write_all(&ANSWER[..ANSWER.len() - 1]).expect("written");
            stream
        });
        let answer = runtime().block_on(transport.send(request("/sync/push", b"{}"), Headers::new()));
        answer.expect_err("half of it came, then nothing");
        drop(held.join().expect("it ends"));
    }

    /// The order decides, not the clock: the pull is answered only after a push that was sent later was given up.
    #[test]
    fn a_request_that_asks_to_be_held_may_be_silent_for_that_long() {
        let listener = listener();
        let transport = transport(&listener, SHORT);
        let (given_up, go) = std::sync::mpsc::channel();
        #[expect(clippy::disallowed_methods, reason = "the test's server is a thread of its own")]
        let server = std::thread::spawn(move || {
            let (mut held, _) = listener.accept().expect("the pull");
            read_request(&mut held);
            let silent = listener.accept().expect("the push");
            go.recv().expect("the push is given up");
            held.write_all(ANSWER).expect("written");
            drop(silent);
        });
        let mut pull = request("/sync/pull", b"");
        pull.query = "limit=1000&wait=3600000".to_owned();
        runtime().block_on(async {
            let mut pulling = transport.send(pull, Headers::new());
            let mut pushing = transport.send(request("/sync/push", b"{}"), Headers::new());
            let mut pushed = None;
            let answer = std::future::poll_fn(|cx| {
                let pulled = pulling.as_mut().poll(cx);
                if pushed.is_none()
                    && let std::task::Poll::Ready(answer) = pushing.as_mut().poll(cx)
                {
                    pushed = Some(answer);
                    given_up.send(()).expect("the server waits");
                }
                pulled
            });
            assert_eq!(answer.await.expect("it was held, not lost").status, 200);
            pushed.expect("before").expect_err("nobody answered");
        });
        server.join().expect("it ends");
    }

    /// A NAT that forgets forgets all connections. One silence is enough for all of them.
    #[test]
    fn after_a_silence_no_connection_from_before_is_used() {
        let listener = listener();
        let transport = transport(&listener, SHORT);
        #[expect(clippy::disallowed_methods, reason = "the test's server is a thread of its own")]
        let server = std::thread::spawn(move || {
            let mut old: Vec<TcpStream> = (0..2).map(|_| listener.accept().expect("a connection").0).collect();
            for stream in &mut old {
                read_request(stream);
                stream.write_all(ANSWER).expect("written");
            }
            // Both stay open, and nobody is there any more.
            let (mut fresh, _) = listener.accept().expect("a connection");
            read_request(&mut fresh);
            fresh.write_all(ANSWER).expect("written");
            drop(old);
        });
        runtime().block_on(async {
            // What is to be answered may take its time; only the one that is lost is given little.
            let held = || {
                let mut pull = request("/sync/pull", b"");
                pull.query = "wait=20000".to_owned();
                transport.send(pull, Headers::new())
            };
            let (mut first, mut second) = (held(), held());
            let (mut one, mut two) = (None, None);
            std::future::poll_fn(|cx| {
                for (sending, answer) in [(&mut first, &mut one), (&mut second, &mut two)] {
                    if answer.is_none()
                        && let std::task::Poll::Ready(came) = sending.as_mut().poll(cx)
                    {
                        *answer = Some(came.expect("answered").status);
                    }
                }
                if one.is_some() && two.is_some() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            let lost = transport.send(request("/sync/push", b"{}"), Headers::new()).await;
            lost.expect_err("an old connection, and silence");
            assert_eq!(held().await.expect("a new one").status, 200);
        });
        server.join().expect("it ends");
    }
}
