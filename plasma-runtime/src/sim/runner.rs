//! Runs ranges of seeds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::Server;
use super::trace::print_line;
use super::workload::Workload;
use super::{Failure, NoTamper, Rare, Report, Rng, Tamper, Violation, World};
use crate::client::EngineOptions;
use crate::error::{Error, ErrorKind, Result, panic_message};
use crate::store::sqlite::SqliteConnection;

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
    /// Weight: a client goes into offline mode, or out of it.
    pub offline: u32,
    /// Weight: a client is cut off silently, or joined again.
    pub partition: u32,
    /// Weight: a client's process is killed; and the same in the middle of a step.
    pub crash_client: u32,
    /// Weight: the server's process is killed.
    pub crash_server: u32,
    /// Percent of pushes in which the server dies before it is done.
    pub server_dies_in_push: u32,
    /// Percent of pushes after whose commit the server dies without an answer.
    pub server_dies_after_commit: u32,
    /// Weight: the server is backed up; and restored from its last backup.
    pub restore: u32,
    /// Weight: a client's store is copied and both go on.
    pub copy: u32,
    /// Weight: the server's change log is compacted, or a part of it.
    pub compact: u32,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults {
        drop: 0,
        duplicate: 0,
        delay: 0,
        delay_ms: 20,
        offline: 0,
        partition: 0,
        crash_client: 0,
        crash_server: 0,
        server_dies_in_push: 0,
        server_dies_after_commit: 0,
        restore: 0,
        copy: 0,
        compact: 0,
    };

    /// Everything goes wrong.
    pub const ALL: Faults = Faults {
        drop: 12,
        duplicate: 12,
        delay: 20,
        delay_ms: 4_000,
        offline: 4,
        partition: 4,
        crash_client: 3,
        crash_server: 3,
        server_dies_in_push: 4,
        server_dies_after_commit: 6,
        restore: 2,
        copy: 2,
        compact: 3,
    };

    /// Everything but restored servers and copied stores: what a correct operator sees.
    pub const ORDINARY: Faults = Faults { restore: 0, copy: 0, ..Faults::ALL };

    /// A part of these faults, each taken or left by the seed: runs that combine few faults reach other states than
    /// runs with all of them ("swarm testing", Groce and others, ISSTA 2012).
    #[must_use]
    pub fn swarm(self, rng: &mut Rng) -> Self {
        let mut keep = |value: u32| if rng.chance(60) { value } else { 0 };
        Faults {
            drop: keep(self.drop),
            duplicate: keep(self.duplicate),
            delay: keep(self.delay),
            delay_ms: self.delay_ms,
            offline: keep(self.offline),
            partition: keep(self.partition),
            crash_client: keep(self.crash_client),
            crash_server: keep(self.crash_server),
            server_dies_in_push: keep(self.server_dies_in_push),
            server_dies_after_commit: keep(self.server_dies_after_commit),
            restore: keep(self.restore),
            copy: keep(self.copy),
            compact: keep(self.compact),
        }
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
            steps: 40,
            faults: Faults::ALL,
            settle_ms: 600_000,
            replay_checks: 10,
            wire_checks: 40,
        }
    }
}

/// A range of seeds over one workload.
pub struct Sim {
    workload: Arc<dyn Workload>,
    tamper: Arc<dyn Tamper>,
    seeds: Range<u64>,
    settings: Settings,
    twice: u64,
    threads: usize,
    regressions: Option<PathBuf>,
    replay: String,
    stop_at_first: bool,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("seeds", &self.seeds).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What one seed came to.
struct Run {
    violation: Option<Violation>,
    reached: Vec<Rare>,
    hash: u64,
    trace: Vec<String>,
}

impl Sim {
    /// A simulation of this application: seeds 0..100, two clients, all faults.
    pub fn new(workload: impl Into<Arc<dyn Workload>>) -> Self {
        Sim {
            workload: workload.into(),
            tamper: Arc::new(NoTamper),
            seeds: 0..100,
            settings: Settings::default(),
            twice: 10,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            regressions: None,
            replay: "cargo test".to_owned(),
            stop_at_first: false,
        }
    }

    /// The seeds. `PLASMA_SIM_SEED=N` in the environment runs that one alone, with its trace on standard error.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// The number of clients at the start.
    #[must_use]
    pub fn clients(mut self, clients: usize) -> Self {
        self.settings.clients = clients;
        self
    }

    /// The number of random steps before everything heals.
    #[must_use]
    pub fn steps(mut self, steps: u32) -> Self {
        self.settings.steps = steps;
        self
    }

    /// What goes wrong; each seed takes a part of it.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.settings.faults = faults;
        self
    }

    /// All settings of a run.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Runs every nth seed twice and compares the traces; 0 is never. 10.
    #[must_use]
    pub fn twice_every(mut self, nth: u64) -> Self {
        self.twice = nth;
        self
    }

    /// Threads for the whole range; each run has one. All cores by default.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// A file of seeds, one a line (`#` begins a comment), that are run first. A failing seed is added to it.
    #[must_use]
    pub fn regressions(mut self, file: impl Into<PathBuf>) -> Self {
        self.regressions = Some(file.into());
        self
    }

    /// The command that runs this simulation, named by failures after `PLASMA_SIM_SEED=N`.
    #[must_use]
    pub fn replay_with(mut self, command: impl Into<String>) -> Self {
        self.replay = command.into();
        self
    }

    /// Plants a bug.
    #[must_use]
    pub fn tamper(mut self, tamper: impl Tamper + 'static) -> Self {
        self.tamper = Arc::new(tamper);
        self
    }

    /// Stops at the first failure: enough to show that a planted bug is found.
    #[must_use]
    pub fn stop_at_first_failure(mut self) -> Self {
        self.stop_at_first = true;
        self
    }

    /// Runs the seeds.
    ///
    /// # Panics
    /// When `PLASMA_SIM_SEED` is not a number, the regressions file cannot be read, or the workload's definition
    /// cannot be opened: mistakes of the test itself.
    pub fn run(&self) -> Report {
        let single = std::env::var("PLASMA_SIM_SEED")
            .ok()
            .map(|text| text.trim().parse::<u64>().expect("PLASMA_SIM_SEED must be a number"));
        let seeds: Vec<u64> = match single {
            Some(seed) => vec![seed],
            None => {
                let mut seeds = self.recorded().expect("the regressions file must be readable");
                seeds.extend(self.seeds.clone().filter(|seed| !seeds.contains(seed)).collect::<Vec<_>>());
                seeds
            }
        };
        let report = self.run_all(&seeds, single.is_some()).expect("the workload's definition must open");
        if single.is_none()
            && let Err(error) = self.record(&report)
        {
            print_line(&format!("failing seeds could not be recorded: {error}"));
        }
        report
    }

    fn run_all(&self, seeds: &[u64], keep_trace: bool) -> Result<Report> {
        // The template is shared as bytes of one connection per thread: SQLite connections cannot be shared.
        let next = AtomicUsize::new(0);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let threads = self.threads.min(seeds.len()).max(1);
        let results: Vec<Result<Vec<(usize, Run)>>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let template = Server::template(&*self.workload)?;
                        let mut runs = Vec::new();
                        loop {
                            let index = next.fetch_add(1, Ordering::Relaxed);
                            let Some(seed) = seeds.get(index) else { break };
                            if stop.load(Ordering::Relaxed) {
                                break;
                            }
                            let run = self.checked_run(&template, *seed, keep_trace);
                            if self.stop_at_first && run.violation.is_some() {
                                stop.store(true, Ordering::Relaxed);
                            }
                            runs.push((index, run));
                        }
                        Ok(runs)
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|_| Err(Error::internal("a simulator thread panicked"))))
                .collect()
        });
        let mut runs = BTreeMap::new();
        for result in results {
            runs.extend(result?);
        }
        let mut report = Report::default();
        for (index, run) in runs {
            let seed = seeds[index];
            report.seeds += 1;
            report.steps += u64::from(self.settings.steps);
            report.hashes.push(run.hash);
            for rare in run.reached {
                *report.reached.entry(rare).or_default() += 1;
            }
            match run.violation {
                Some(violation) => {
                    let replay = format!("PLASMA_SIM_SEED={seed} {}", self.replay);
                    report.failures.push(Failure { seed, violation, trace: run.trace, replay });
                }
                None => report.trace = run.trace,
            }
        }
        Ok(report)
    }

    /// Runs a seed, some of them twice; a panic of an engine is a failure of the seed.
    fn checked_run(&self, template: &SqliteConnection, seed: u64, keep_trace: bool) -> Run {
        let once = || {
            catch_unwind(AssertUnwindSafe(|| self.run_seed(template, seed, keep_trace))).unwrap_or_else(|panic| {
                let text = panic_message(&*panic).unwrap_or("a panic without a message");
                let violation = Some(Violation::new("application", format!("an engine panicked: {text}")));
                Run { violation, reached: Vec::new(), hash: 0, trace: Vec::new() }
            })
        };
        let mut run = once();
        if self.twice > 0 && seed.is_multiple_of(self.twice) && run.violation.is_none() {
            let again = once();
            if again.hash != run.hash {
                let message = format!("two runs of the seed differ: {:016x} and {:016x}", run.hash, again.hash);
                run.violation = Some(Violation::new("determinism", message));
            }
        }
        run
    }

    fn run_seed(&self, template: &SqliteConnection, seed: u64, keep_trace: bool) -> Run {
        let failed = |violation| Run { violation: Some(violation), reached: Vec::new(), hash: 0, trace: Vec::new() };
        let mut rng = Rng::new(seed ^ 0x5eed);
        let mut settings = self.settings.clone();
        settings.faults = settings.faults.swarm(&mut rng);
        // Mostly all users; in some runs one with several devices.
        settings.users = if rng.chance(75) { settings.users.max(1) } else { 1 };
        let clients = settings.clients.max(1);
        let steps = settings.steps / 2 + rng.below(settings.steps as usize + 1) as u32;
        let users = settings.users;
        let (workload, tamper) = (Arc::clone(&self.workload), Arc::clone(&self.tamper));
        let mut world = match World::over(template, workload, tamper, settings, seed, keep_trace) {
            Ok(world) => world,
            Err(error) => return failed(World::trouble(&error)),
        };
        world.healed = false;
        let mut drive = || -> Result<()> {
            for client in 0..clients {
                let options = options(&mut rng);
                world.add_client(client % users, options)?;
            }
            for _ in 0..steps {
                world.random_step()?;
                if world.violation.is_some() {
                    return Ok(());
                }
            }
            world.settle()
        };
        if let Err(error) = drive() {
            // The random part may kill a store in the middle of a step; every other failure is a defect.
            if error.kind() != ErrorKind::Closed {
                world.fail(World::trouble(&error));
            }
        }
        Run {
            violation: world.violation.take(),
            reached: world.reached.iter().copied().collect(),
            hash: world.trace.hash(),
            trace: world.trace.into_lines(),
        }
    }

    fn recorded(&self) -> std::io::Result<Vec<u64>> {
        let Some(path) = &self.regressions else { return Ok(Vec::new()) };
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(path)?;
        Ok(text.lines().filter_map(|line| line.split('#').next()?.trim().parse().ok()).collect())
    }

    fn record(&self, report: &Report) -> std::io::Result<()> {
        use std::io::Write as _;
        let Some(path) = &self.regressions else { return Ok(()) };
        let known = self.recorded()?;
        let fresh: Vec<_> = report.failures.iter().filter(|failure| !known.contains(&failure.seed)).take(5).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        for failure in fresh {
            writeln!(file, "{} # {}", failure.seed, failure.violation.invariant)?;
        }
        Ok(())
    }
}

/// Settings of a client, by the seed.
fn options(rng: &mut Rng) -> EngineOptions {
    EngineOptions {
        long_poll_ms: if rng.chance(50) { 0 } else { 25_000 },
        page_limit: *rng.pick(&[1, 4, 4, 10, 10, 1_000, 1_000, 1_000]).unwrap_or(&1_000),
        push_limit: *rng.pick(&[1, 3, 200]).unwrap_or(&200),
        always_replay: rng.chance(25),
        ..EngineOptions::default()
    }
}
