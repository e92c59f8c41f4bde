//! What goes wrong how often, and the other settings of a run.

use super::Rng;
use crate::client::EngineOptions;

/// How often what goes wrong. Percentages of messages; weights of steps (a mutation has 40).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Percent of requests and of answers that are lost.
    pub drop: u32,
    /// Percent of requests and of answers that arrive twice.
    pub duplicate: u32,
    /// Percent of requests and of answers that are late, and so overtaken.
    pub delay: u32,
    /// The longest delay, ms.
    pub delay_ms: u64,
    /// Percent of pokes between servers that are lost.
    pub lost_poke: u32,
    /// Percent of pushes whose transaction stays open for a while, so that others begin later and commit earlier.
    pub overlap: u32,
    /// Weight: a client goes into offline mode, or out of it.
    pub offline: u32,
    /// Weight: a client is cut off silently, or joined again.
    pub partition: u32,
    /// Weight: a client's process is killed; and the same in the middle of a step.
    pub crash_client: u32,
    /// Weight: the process of a server is killed.
    pub crash_server: u32,
    /// Percent of pushes in which the server dies before it is done.
    pub server_dies_in_push: u32,
    /// Percent of pushes after whose commit the server dies without an answer.
    pub server_dies_after_commit: u32,
    /// Weight: the database is backed up; and restored from its last backup.
    pub restore: u32,
    /// Weight: a client's store is copied and both go on.
    pub copy: u32,
    /// Weight: the server's change log is compacted, or a part of it.
    pub compact: u32,
    /// Weight: a server starts with the next version of the application, and migrates the database; and a client is
    /// updated. Nothing happens when the workload has no [`successor`](super::Workload::successor).
    pub release: u32,
    /// Weight: the clock of a client's device jumps, up to a day, in either direction. It stays wrong for ever.
    pub clock: u32,
    /// Weight: the disk of a client's device is full, or has space again.
    pub disk_full: u32,
    /// Weight: a client's process is frozen, as browsers and phones do, or goes on with what came meanwhile.
    pub freeze: u32,
    /// Percent of requests and answers whose answer is not the server's: a captive portal, a proxy that is overloaded,
    /// a body that was cut off.
    pub foreign_answer: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults {
        drop: 0,
        duplicate: 0,
        delay: 0,
        delay_ms: 20,
        lost_poke: 0,
        overlap: 0,
        offline: 0,
        partition: 0,
        crash_client: 0,
        crash_server: 0,
        server_dies_in_push: 0,
        server_dies_after_commit: 0,
        restore: 0,
        copy: 0,
        compact: 0,
        release: 0,
        clock: 0,
        disk_full: 0,
        freeze: 0,
        foreign_answer: 0,
    };

    /// Everything goes wrong.
    pub const ALL: Faults = Faults {
        drop: 12,
        duplicate: 12,
        delay: 20,
        delay_ms: 4_000,
        lost_poke: 20,
        overlap: 30,
        offline: 4,
        partition: 4,
        crash_client: 3,
        crash_server: 3,
        server_dies_in_push: 4,
        server_dies_after_commit: 6,
        restore: 2,
        copy: 2,
        compact: 3,
        release: 4,
        clock: 2,
        disk_full: 2,
        freeze: 2,
        foreign_answer: 4,
    };

    /// Everything but restored servers and copied stores: what a correct operator sees.
    pub const ORDINARY: Faults = Faults { restore: 0, copy: 0, ..Faults::ALL };

    /// A part of these faults, each taken or left by the seed: runs that combine few faults reach other states than
    /// runs with all of them ("swarm testing", Groce and others, ISSTA 2012).
    #[must_use]
    pub fn swarm(mut self, rng: &mut Rng) -> Self {
        for (_, value) in self.each() {
            if !rng.chance(60) {
                *value = 0;
            }
        }
        self
    }

    /// Every fault by its name.
    pub(super) fn each(&mut self) -> [(&'static str, &mut u32); 19] {
        [
            ("drop", &mut self.drop),
            ("duplicate", &mut self.duplicate),
            ("delay", &mut self.delay),
            ("lost_poke", &mut self.lost_poke),
            ("overlap", &mut self.overlap),
            ("offline", &mut self.offline),
            ("partition", &mut self.partition),
            ("crash_client", &mut self.crash_client),
            ("crash_server", &mut self.crash_server),
            ("server_dies_in_push", &mut self.server_dies_in_push),
            ("server_dies_after_commit", &mut self.server_dies_after_commit),
            ("restore", &mut self.restore),
            ("copy", &mut self.copy),
            ("compact", &mut self.compact),
            ("release", &mut self.release),
            ("clock", &mut self.clock),
            ("disk_full", &mut self.disk_full),
            ("freeze", &mut self.freeze),
            ("foreign_answer", &mut self.foreign_answer),
        ]
    }
}

/// The settings of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Clients at the start.
    pub clients: usize,
    /// Users at most: clients beyond that share a user.
    pub users: usize,
    /// Copies of stores at most.
    pub copies: usize,
    /// Servers over the one database, at most: a half of the seeds have one.
    pub servers: usize,
    /// Random steps before everything heals.
    pub steps: u32,
    /// What goes wrong.
    pub faults: Faults,
    /// Virtual time within which everything must be quiet after healing, ms.
    pub settle_ms: i64,
    /// Percent of pages after which the queue is replayed on a copy of the store (I15).
    pub replay_checks: u32,
    /// Percent of answers whose rows are judged by the policies anew (I11).
    pub wire_checks: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            clients: 2,
            users: 2,
            copies: 1,
            servers: 3,
            steps: 40,
            faults: Faults::ALL,
            settle_ms: 600_000,
            replay_checks: 10,
            wire_checks: 40,
        }
    }
}

impl Settings {
    /// These settings as one seed takes them.
    pub(super) fn of_seed(mut self, rng: &mut Rng) -> Self {
        self.faults = self.faults.swarm(rng);
        // Mostly all users; in some runs one with several devices.
        self.users = if rng.chance(75) { self.users.max(1) } else { 1 };
        let most = self.servers.max(1) as u64;
        self.servers = if rng.chance(50) { 1 } else { rng.between(most.min(2), most) as usize };
        self.clients = self.clients.max(1);
        self.steps = self.steps / 2 + rng.below(self.steps as usize + 1) as u32;
        self
    }
}

/// Settings of a client, by the seed.
pub(super) fn client_options(rng: &mut Rng) -> EngineOptions {
    EngineOptions {
        long_poll_ms: if rng.chance(50) { 0 } else { 25_000 },
        page_limit: *rng.pick(&[1, 4, 4, 10, 10, 1_000, 1_000, 1_000]).unwrap_or(&1_000),
        push_limit: *rng.pick(&[1, 3, 200]).unwrap_or(&200),
        always_replay: rng.chance(25),
        ..EngineOptions::default()
    }
}
