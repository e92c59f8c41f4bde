//! What is done to whom, when: drawn from a seed before a run begins.

use std::fmt;

use plasma::sim::Rng;

use super::proxy::{Flow, Gate, Rules};

/// The kind of fault a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Packets vanish without a reset, one way or both, and stay lost.
    Partition,
    /// The same, but the packets arrive once it is healed.
    Held,
    /// Connections are reset and refused.
    Disconnect,
    /// Somebody else answers.
    Portal,
    /// Connections end in the middle of requests and answers.
    Cut,
    /// Requests arrive twice, the second time late.
    Duplicate,
    /// Bytes trickle, or wait.
    Slow,
    /// SIGKILL, of devices and servers.
    Kill,
    /// SIGSTOP and SIGCONT, of devices and servers.
    Pause,
    /// All of them.
    Mixed,
}

impl Kind {
    pub(super) const ALL: [Kind; 10] = [
        Kind::Partition,
        Kind::Held,
        Kind::Disconnect,
        Kind::Portal,
        Kind::Cut,
        Kind::Duplicate,
        Kind::Slow,
        Kind::Kill,
        Kind::Pause,
        Kind::Mixed,
    ];

    /// Whether proxies do it, not signals.
    pub(super) fn is_of_network(self) -> bool {
        !matches!(self, Kind::Kill | Kind::Pause | Kind::Mixed)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Kind::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no kind of fault"))
    }
}

/// A process, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Device(usize),
    Server(usize),
}

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// In force between this device and the servers, until the next.
    Rules(usize, Rules),
    Kill(Who),
    Start(Who),
    Pause(Who),
    Continue(Who),
}

/// When it is done, ms from the begin of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: u64,
    pub(super) deed: Deed,
}

/// The steps of a run in the order of time. What is not taken back in them lasts until the end, when all is healed.
pub(super) fn schedule(kind: Kind, seed: u64, devices: usize, servers: usize, length_ms: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let mut steps = Vec::new();
    // Whom it may hit: some of the devices, now and then all of them at the same times.
    let together = rng.chance(25);
    let mut hit: Vec<Vec<Who>> = Vec::new();
    if together {
        hit.push((0..devices).map(Who::Device).collect());
    } else {
        hit.extend((0..devices).filter(|_| rng.chance(70)).map(|device| vec![Who::Device(device)]));
        if hit.is_empty() {
            hit.push(vec![Who::Device(rng.below(devices))]);
        }
    }
    if !kind.is_of_network() {
        hit.extend((0..servers).map(|server| vec![Who::Server(server)]));
    }
    for group in hit {
        let mut rng = rng.fork();
        let mut at = rng.between(100, length_ms / 3);
        while at < length_ms {
            let until = at + rng.between(100, length_ms / 2);
            let kind = match kind {
                Kind::Mixed => loop {
                    let drawn = *rng.pick(&Kind::ALL).expect("some");
                    let fits = drawn != Kind::Mixed && (matches!(group[0], Who::Device(_)) || !drawn.is_of_network());
                    if fits {
                        break drawn;
                    }
                },
                kind => kind,
            };
            let rules = rules(kind, &mut rng);
            for who in &group {
                let (begin, end) = match (kind, *who) {
                    (Kind::Kill, who) => (Deed::Kill(who), Deed::Start(who)),
                    (Kind::Pause, who) => (Deed::Pause(who), Deed::Continue(who)),
                    (_, Who::Device(device)) => (Deed::Rules(device, rules), Deed::Rules(device, Rules::HEALED)),
                    (_, Who::Server(_)) => unreachable!("no proxy stands before one server alone"),
                };
                steps.push(Step { at, deed: begin });
                if until < length_ms {
                    steps.push(Step { at: until, deed: end });
                }
            }
            at = until + rng.between(50, length_ms / 4);
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

/// What the proxy does in an episode of this kind.
fn rules(kind: Kind, rng: &mut Rng) -> Rules {
    let ways = |flow: Flow, rng: &mut Rng| match rng.below(3) {
        0 => Rules { up: flow, ..Rules::HEALED },
        1 => Rules { down: flow, ..Rules::HEALED },
        _ => Rules { up: flow, down: flow, ..Rules::HEALED },
    };
    match kind {
        Kind::Partition => ways(Flow::Lose, rng),
        Kind::Held => ways(Flow::Hold, rng),
        Kind::Disconnect => Rules { gate: Gate::Refuse, ..Rules::HEALED },
        Kind::Portal => Rules { gate: Gate::Portal, ..Rules::HEALED },
        // Heads of requests have some 600 bytes, short answers some 300.
        Kind::Cut => ways(Flow::Cut(rng.between(1, 4_000)), rng),
        Kind::Duplicate => Rules { gate: Gate::Duplicate(rng.between(0, 1_500)), ..Rules::HEALED },
        Kind::Slow if rng.chance(50) => ways(Flow::Delay(rng.between(10, 800)), rng),
        // A byte a second, in the time of a run.
        Kind::Slow => ways(Flow::Trickle(rng.between(20, 250)), rng),
        Kind::Kill | Kind::Pause | Kind::Mixed => Rules::HEALED,
    }
}
