//! What no server on loopback can be faster than: one writer, a relay of one thread, 50 subscribers, frames of 200 bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use plasma_bench_peers::{record, record_times};
use rustix::event::{PollFd, PollFlags, poll};

const NAME: &str = "raw TCP";
const CLIENTS: usize = 50;
const PACED: usize = 2_000;
const PIPELINED: usize = 20_000;
const FRAME: usize = 200;

/// Passes whole frames on to every subscriber until the writer is gone.
fn relay(listener: &TcpListener) {
    let accept = || {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream
    };
    let mut writer = accept();
    let mut subscribers: Vec<TcpStream> = (0..CLIENTS).map(|_| accept()).collect();
    let mut buffer = vec![0u8; 1 << 16];
    let mut have = 0;
    while let Ok(count @ 1..) = writer.read(&mut buffer[have..]) {
        have += count;
        let whole = have / FRAME * FRAME;
        for subscriber in &mut subscribers {
            subscriber.write_all(&buffer[..whole]).expect("a subscriber");
        }
        buffer.copy_within(whole..have, 0);
        have -= whole;
    }
}

struct Subscribers {
    streams: Vec<TcpStream>,
    got: Vec<usize>,
    buffer: Vec<u8>,
}

impl Subscribers {
    /// Waits until all have so many bytes; calls `reached` when one has.
    fn wait(&mut self, target: usize, mut reached: impl FnMut()) {
        let mut left = self.got.iter().filter(|got| **got < target).count();
        while left > 0 {
            let ready: Vec<bool> = {
                let mut all: Vec<_> = self.streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
                poll(&mut all, None).expect("poll");
                all.iter().map(|one| one.revents().contains(PollFlags::IN)).collect()
            };
            for at in (0..CLIENTS).filter(|at| ready[*at]) {
                let count = match self.streams[at].read(&mut self.buffer) {
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    Err(error) => panic!("a subscriber cannot read: {error}"),
                };
                let before = self.got[at];
                self.got[at] += count;
                if before < target && self.got[at] >= target {
                    left -= 1;
                    reached();
                }
            }
        }
    }
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || relay(&listener));
    let mut writer = TcpStream::connect(address).expect("the relay");
    writer.set_nodelay(true).expect("an option");
    let streams = (0..CLIENTS).map(|_| {
        let stream = TcpStream::connect(address).expect("the relay");
        stream.set_nonblocking(true).expect("an option");
        stream
    });
    let mut subscribers = Subscribers { streams: streams.collect(), got: vec![0; CLIENTS], buffer: vec![0; 1 << 16] };
    let (mut each, mut last) = (Vec::new(), Vec::new());
    for k in 1..=PACED {
        let start = Instant::now();
        writer.write_all(&[7; FRAME]).expect("the relay");
        subscribers.wait(k * FRAME, || each.push(start.elapsed().as_nanos() as u64));
        last.push(start.elapsed().as_nanos() as u64);
    }
    record_times("fanout_50", "clients=50", NAME, each);
    record_times("fanout_50", "clients=50, the last", NAME, last);
    let start = Instant::now();
    let sending = std::thread::spawn(move || {
        for _ in 0..PIPELINED {
            writer.write_all(&[7; FRAME]).expect("the relay");
        }
        writer
    });
    subscribers.wait((PACED + PIPELINED) * FRAME, || {});
    let rate = PIPELINED as f64 / start.elapsed().as_secs_f64();
    record("fanout_50", "clients=50, pipelined", NAME, "rate", rate, "writes/s");
    drop(sending.join().expect("the writer"));
}
