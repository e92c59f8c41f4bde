//! The requests in a stream of HTTP/1.1, to send them a second time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A request that is longer is not looked for.
const LONGEST: usize = 4 << 20;

/// What has passed of the request that is on its way, and the copies under way.
pub(super) struct Requests {
    server: SocketAddr,
    /// None once the stream was lost track of.
    passed: Option<Vec<u8>>,
    copies: JoinSet<()>,
}

impl Requests {
    pub(super) fn to(server: SocketAddr) -> Self {
        Requests { server, passed: Some(Vec::new()), copies: JoinSet::new() }
    }

    /// Notes a piece that passes. Each request that is whole now is sent again after `again`; says how many were.
    pub(super) fn pass(&mut self, piece: &[u8], again: Option<Duration>) -> u64 {
        while self.copies.try_join_next().is_some() {}
        let Some(passed) = &mut self.passed else { return 0 };
        passed.extend_from_slice(piece);
        let mut count = 0;
        while let Some(length) = length_of(passed) {
            let request: Vec<u8> = passed.drain(..length).collect();
            if let Some(after) = again {
                self.copies.spawn(send(self.server, request, after));
                count += 1;
            }
        }
        if passed.len() > LONGEST {
            self.passed = None;
        }
        count
    }
}

/// Where the first request ends, if it is whole. The client of the library always says how long a body is.
pub(super) fn length_of(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = end + body.unwrap_or(0);
    (bytes.len() >= length).then_some(length)
}

/// Sends it, and reads the answer to its end as a proxy that repeats itself would.
async fn send(server: SocketAddr, request: Vec<u8>, after: Duration) {
    tokio::time::sleep(after).await;
    let Ok(mut stream) = TcpStream::connect(server).await else { return };
    if stream.write_all(&request).await.is_ok() {
        let mut answer = [0; 4 << 10];
        // The server closes what stays idle.
        while matches!(stream.read(&mut answer).await, Ok(length) if length > 0) {}
    }
}
