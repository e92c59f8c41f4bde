//! Somebody in between who answers in the server's place.

use plasma::sim::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What portals, middleboxes and load balancers say. None of it is of the protocol.
const ANSWERS: [(&str, &str, &str); 7] = [
    ("200 OK", "text/html", "<html><body>Welcome. Please accept the terms.</body></html>"),
    ("200 OK", "application/json", r#"{"ok":true}"#),
    ("200 OK", "application/json", r#"{"ok":true,"lastMutationID":1000000,"results":[]}"#),
    ("200 OK", "application/json", ""),
    ("302 Found\r\nlocation: http://127.0.0.1:1/", "text/html", "<html>Moved</html>"),
    ("403 Forbidden", "text/html", "<html>Your plan does not allow this.</html>"),
    ("511 Network Authentication Required", "text/html", "<html>Sign in.</html>"),
];

/// Reads a request as far as its head goes, answers it, and closes.
pub(super) async fn answer(mut client: TcpStream, rng: &mut Rng) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < 64 << 10 {
        match client.read_buf(&mut head).await {
            Ok(length) if length > 0 => {}
            _ => return,
        }
    }
    let (status, kind, body) = ANSWERS[rng.below(ANSWERS.len())];
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    // The client may have gone; what is left of its request is read so that no reset overtakes the answer.
    let _ = client.write_all(text.as_bytes()).await;
    let _ = client.shutdown().await;
    let mut rest = [0; 4 << 10];
    while matches!(client.read(&mut rest).await, Ok(length) if length > 0) {}
}
