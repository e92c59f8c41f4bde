//! A TCP proxy that misbehaves on purpose: between one client and its servers, by a seed, changed at run time.
//!
//! Each direction of each connection is a task that reads, asks what is in force *now*, and writes. Bytes that are lost
//! take their stream with them: what follows would not be the protocol any more, so that direction stays silent for ever,
//! its end included, while the socket stays open. That is a half-open connection, and only the peers' own time limits end it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plasma::sim::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::portal;
use super::requests::Requests;

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Pass,
    /// Each piece waits up to so many milliseconds, in order.
    Delay(u64),
    /// Kept back until it is healed: a partition that the transport's own repetition outlives.
    Hold,
    /// Thrown away, without a reset. Connections from before are as lost, even if they carried nothing meanwhile: who
    /// knew of them (a NAT, a balancer, a server) has forgotten them.
    Lose,
    /// A byte every so many milliseconds.
    Trickle(u64),
    /// After up to so many bytes the connection ends, by a reset or (as often) in order.
    Cut(u64),
}

/// What happens to connections and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Reset at once; those that are open too.
    Refuse,
    /// Somebody else answers every request.
    Portal,
    /// Every request goes to a server a second time, on a connection of its own, up to so many milliseconds later.
    Duplicate(u64),
}

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// From the client to the server.
    pub(super) up: Flow,
    pub(super) down: Flow,
    pub(super) gate: Gate,
}

impl Rules {
    pub(super) const HEALED: Rules = Rules { up: Flow::Pass, down: Flow::Pass, gate: Gate::Open };
}

/// The servers, by turns drawn from the seed; changed when one starts anew.
pub(super) type Upstreams = Arc<Mutex<Vec<SocketAddr>>>;

/// A running proxy. It ends when dropped, with all its connections.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    rules: watch::Sender<Rules>,
    /// Bytes thrown away, and what else was done to somebody: a run without any has tested nothing.
    harm: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts one on a free port.
    pub(super) async fn start(seed: u64, upstreams: Upstreams) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (rules, seen) = watch::channel(Rules::HEALED);
        let harm = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Rng::new(seed), upstreams, seen, Arc::clone(&harm)));
        Proxy { address, rules, harm, _tasks: tasks }
    }

    /// From now on.
    pub(super) fn set(&self, rules: Rules) {
        self.rules.send_replace(rules);
    }

    /// What was lost stays lost; what was held goes on its way.
    pub(super) fn heal(&self) {
        self.set(Rules::HEALED);
    }

    /// How often it did what a good network does not do.
    pub(super) fn harm(&self) -> u64 {
        self.harm.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    mut rng: Rng,
    upstreams: Upstreams,
    rules: watch::Receiver<Rules>,
    harm: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let upstream = {
            let upstreams = upstreams.lock().unwrap_or_else(PoisonError::into_inner);
            upstreams[rng.below(upstreams.len())]
        };
        let mut connection = Connection { rng: rng.fork(), upstream, rules: rules.clone(), harm: Arc::clone(&harm) };
        connections.spawn(async move { connection.run(client).await });
        while connections.try_join_next().is_some() {}
    }
}

/// One connection of the client.
struct Connection {
    rng: Rng,
    upstream: SocketAddr,
    rules: watch::Receiver<Rules>,
    harm: Arc<AtomicU64>,
}

/// How a direction ended.
enum Ended {
    /// The sender has nothing more to say.
    Quietly,
    /// Both sides are to see a reset.
    Reset,
}

impl Connection {
    async fn run(&mut self, client: TcpStream) {
        let now = *self.rules.borrow_and_update();
        match now.gate {
            Gate::Refuse => {
                self.harm.fetch_add(1, Ordering::Relaxed);
                reset(&client);
                return;
            }
            Gate::Portal => {
                self.harm.fetch_add(1, Ordering::Relaxed);
                return portal::answer(client, &mut self.rng).await;
            }
            Gate::Open | Gate::Duplicate(_) => {}
        }
        let Ok(server) = TcpStream::connect(self.upstream).await else { return reset(&client) };
        // Small pieces are to go at once.
        let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
        let (client_in, client_out) = client.into_split();
        let (server_in, server_out) = server.into_split();
        let pump = |up, from, to, rng| Pump {
            up,
            from,
            to,
            rng,
            rules: self.rules.clone(),
            harm: Arc::clone(&self.harm),
            requests: up.then(|| Requests::to(self.upstream)),
            budget: None,
        };
        let mut up = pump(true, client_in, server_out, self.rng.fork());
        let mut down = pump(false, server_in, client_out, self.rng.fork());
        let ended = {
            let (mut up, mut down) = (std::pin::pin!(up.run()), std::pin::pin!(down.run()));
            let (first, up_first) = tokio::select! {
                ended = &mut up => (ended, true),
                ended = &mut down => (ended, false),
            };
            match (first, up_first) {
                (Ended::Reset, _) => Ended::Reset,
                (Ended::Quietly, true) => down.await,
                (Ended::Quietly, false) => up.await,
            }
        };
        if matches!(ended, Ended::Reset) {
            for Pump { from, to, .. } in [up, down] {
                reset(from.as_ref());
                // Dropped, it would end its direction in order first.
                to.forget();
            }
        }
    }
}

fn reset(stream: &TcpStream) {
    // A peer that is gone already needs none.
    let _ = stream.set_zero_linger();
}

/// One direction of a connection.
struct Pump {
    up: bool,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    rng: Rng,
    rules: watch::Receiver<Rules>,
    harm: Arc<AtomicU64>,
    /// What passes upwards, cut into requests.
    requests: Option<Requests>,
    /// Bytes until the cut.
    budget: Option<u64>,
}

impl Pump {
    fn flow(&self) -> Flow {
        let rules = *self.rules.borrow();
        if self.up { rules.up } else { rules.down }
    }

    fn harmed(&self, times: u64) {
        self.harm.fetch_add(times, Ordering::Relaxed);
    }

    async fn run(&mut self) -> Ended {
        let mut piece = vec![0; 16 << 10];
        loop {
            let read = tokio::select! {
                // The proxy may have gone: then this task goes with it.
                changed = self.rules.changed() => {
                    if changed.is_err() || self.rules.borrow().gate == Gate::Refuse {
                        return Ended::Reset;
                    }
                    if self.flow() == Flow::Lose {
                        return self.silence().await;
                    }
                    continue;
                }
                read = self.from.read(&mut piece) => read,
            };
            let gate = self.rules.borrow().gate;
            match read {
                Err(_) => return Ended::Reset,
                Ok(0) if self.flow() == Flow::Lose => return self.silence().await,
                Ok(0) => {
                    // The other side may have gone before.
                    let _ = self.to.shutdown().await;
                    return Ended::Quietly;
                }
                // A portal is met anew.
                Ok(_) if self.up && gate == Gate::Portal => return Ended::Reset,
                Ok(length) => {
                    let again = match gate {
                        Gate::Duplicate(within) => Some(Duration::from_millis(self.rng.between(0, within))),
                        _ => None,
                    };
                    let copies = self.requests.as_mut().map_or(0, |requests| requests.pass(&piece[..length], again));
                    self.harmed(copies);
                    if let Some(ended) = self.write(&piece[..length]).await {
                        return ended;
                    }
                }
            }
        }
    }

    /// Passes a piece on as the flow has it, also while that changes.
    async fn write(&mut self, piece: &[u8]) -> Option<Ended> {
        let mut rest = piece;
        while !rest.is_empty() {
            let flow = self.flow();
            if !matches!(flow, Flow::Cut(_)) {
                self.budget = None;
            }
            if flow != Flow::Pass {
                self.harmed(1);
            }
            let (now, pause) = match flow {
                Flow::Pass => (rest.len(), None),
                Flow::Delay(most) => (rest.len(), Some(self.rng.between(0, most))),
                Flow::Hold => (0, Some(u64::MAX)),
                Flow::Trickle(each) => (1, Some(each)),
                Flow::Lose => return Some(self.silence().await),
                Flow::Cut(within) => {
                    let budget = *self.budget.get_or_insert_with(|| self.rng.between(0, within));
                    if budget < rest.len() as u64 {
                        let _ = self.to.write_all(&rest[..budget as usize]).await;
                        let in_order = self.rng.chance(50) && self.to.shutdown().await.is_ok();
                        return Some(if in_order { self.silence().await } else { Ended::Reset });
                    }
                    self.budget = Some(budget - rest.len() as u64);
                    (rest.len(), None)
                }
            };
            if let Some(ms) = pause {
                let changed =
                    tokio::time::timeout(Duration::from_millis(ms.min(3_600_000)), self.rules.changed()).await;
                match changed {
                    // Another rule may say otherwise.
                    Ok(Ok(())) if self.rules.borrow().gate == Gate::Refuse => return Some(Ended::Reset),
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) => return Some(Ended::Reset),
                    Err(_) => {}
                }
            }
            if self.to.write_all(&rest[..now]).await.is_err() {
                return Some(Ended::Reset);
            }
            rest = &rest[now..];
        }
        None
    }

    /// Swallows all that comes, and the end of it. Only a reset of everything, or the end of the proxy, ends it.
    async fn silence(&mut self) -> Ended {
        let mut piece = [0; 4 << 10];
        let mut open = true;
        loop {
            tokio::select! {
                changed = self.rules.changed() => {
                    if changed.is_err() || self.rules.borrow().gate == Gate::Refuse {
                        return Ended::Reset;
                    }
                }
                read = self.from.read(&mut piece), if open => {
                    open = matches!(read, Ok(length) if length > 0);
                    self.harmed(1);
                }
            }
        }
    }
}
