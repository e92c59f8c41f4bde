//! Runs ranges of seeds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::plan::Plan;
use super::releases::Versions;
use super::server::Servers;
use super::settings::client_options;
use super::shrink;
use super::trace::{Keep, print_line};
use super::workload::Workload;
use super::{Failure, Faults, NoTamper, Rare, Report, Rng, Settings, Tamper, Violation, World};
use crate::error::{Error, ErrorKind, Result, panic_message};
use crate::store::sqlite::SqliteConnection;

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
    shrinks: u32,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("seeds", &self.seeds).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What one seed came to.
#[derive(Default)]
pub(super) struct Run {
    pub(super) violation: Option<Violation>,
    pub(super) reached: Vec<Rare>,
    pub(super) hash: u64,
    pub(super) trace: Vec<String>,
    /// Random steps that were taken.
    pub(super) steps: u32,
    pub(super) virtual_ms: u64,
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
            shrinks: 300,
        }
    }

    /// The seeds. `PLASMA_SIM_SEED=N` in the environment runs that one alone, with its trace on standard error;
    /// `PLASMA_SIM_STEPS=3,7-9` takes only those of its random steps, and `PLASMA_SIM_WITHOUT=drop,copy` leaves out those
    /// faults. Failures name the values that are enough to see them.
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

    /// The number of servers over the one database, at most: a half of the seeds have one.
    #[must_use]
    pub fn servers(mut self, servers: usize) -> Self {
        self.settings.servers = servers;
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

    /// Runs at most this often to find a shorter schedule that breaks the same invariant as the first failing seed; 0 is
    /// never. 300.
    #[must_use]
    pub fn shrink_runs(mut self, runs: u32) -> Self {
        self.shrinks = runs;
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
        let plan = if single.is_some() { Plan::from_env().expect("the plan of a run") } else { Plan::default() };
        let seeds: Vec<u64> = match single {
            Some(seed) => vec![seed],
            None => {
                let mut seeds = self.recorded().expect("the regressions file must be readable");
                seeds.extend(self.seeds.clone().filter(|seed| !seeds.contains(seed)).collect::<Vec<_>>());
                seeds
            }
        };
        let report = self.run_all(&seeds, &plan, single.is_some()).expect("the workload's definition must open");
        if single.is_none()
            && let Err(error) = self.record(&report)
        {
            print_line(&format!("failing seeds could not be recorded: {error}"));
        }
        report
    }

    fn run_all(&self, seeds: &[u64], plan: &Plan, single: bool) -> Result<Report> {
        // The template is shared as bytes of one connection per thread: SQLite connections cannot be shared.
        let next = AtomicUsize::new(0);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let threads = self.threads.min(seeds.len()).max(1);
        let results: Vec<Result<Vec<(usize, Run)>>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let template = Servers::template(&*self.workload)?;
                        let mut runs = Vec::new();
                        loop {
                            let index = next.fetch_add(1, Ordering::Relaxed);
                            let Some(seed) = seeds.get(index) else { break };
                            if stop.load(Ordering::Relaxed) {
                                break;
                            }
                            let run = self.checked_run(&template, *seed, plan, single);
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
            report.steps += u64::from(run.steps);
            report.virtual_ms += run.virtual_ms;
            report.hashes.push(run.hash);
            for rare in run.reached {
                *report.reached.entry(rare).or_default() += 1;
            }
            match run.violation {
                Some(violation) => {
                    let replay = format!("PLASMA_SIM_SEED={seed} {}", self.replay);
                    let shrunk = if report.failures.is_empty() && !single && self.shrinks > 0 {
                        self.shrink(seed, run.steps, &violation)?
                    } else {
                        None
                    };
                    report.failures.push(Failure { seed, violation, trace: run.trace, replay, shrunk });
                }
                None => report.trace = run.trace,
            }
        }
        Ok(report)
    }

    /// A shorter schedule that breaks the same invariant.
    fn shrink(&self, seed: u64, steps: u32, violation: &Violation) -> Result<Option<shrink::Shrunk>> {
        let template = Servers::template(&*self.workload)?;
        let fails = |plan: &Plan| {
            let run = self.caught_run(&template, seed, plan, Keep::Nothing);
            run.violation.is_some_and(|found| found.invariant == violation.invariant)
        };
        let Some(plan) = shrink::shrink(steps, self.shrinks, fails) else { return Ok(None) };
        let run = self.caught_run(&template, seed, &plan, Keep::Lines);
        Ok(run.violation.map(|violation| shrink::Shrunk {
            steps: plan.steps.as_ref().map_or(run.steps, |steps| steps.len() as u32),
            replay: format!("PLASMA_SIM_SEED={seed} {plan} {}", self.replay),
            violation,
            trace: run.trace,
        }))
    }

    /// Runs a seed, some of them twice.
    fn checked_run(&self, template: &SqliteConnection, seed: u64, plan: &Plan, single: bool) -> Run {
        let keep = if single { Keep::Print } else { Keep::Nothing };
        let mut run = self.caught_run(template, seed, plan, keep);
        if self.twice > 0 && seed.is_multiple_of(self.twice) && run.violation.is_none() {
            let again = self.caught_run(template, seed, plan, keep);
            if again.hash != run.hash {
                let message = format!("two runs of the seed differ: {:016x} and {:016x}", run.hash, again.hash);
                run.violation = Some(Violation::new("determinism", message));
            }
        }
        run
    }

    /// Runs a seed; a panic of an engine is a failure of the seed.
    fn caught_run(&self, template: &SqliteConnection, seed: u64, plan: &Plan, keep: Keep) -> Run {
        catch_unwind(AssertUnwindSafe(|| self.run_seed(template, seed, plan, keep))).unwrap_or_else(|panic| {
            let text = panic_message(&*panic).unwrap_or("a panic without a message");
            let violation = Some(Violation::new("application", format!("an engine panicked: {text}")));
            Run { violation, steps: self.settings.steps * 3 / 2 + 1, ..Run::default() }
        })
    }

    fn run_seed(&self, template: &SqliteConnection, seed: u64, plan: &Plan, keep: Keep) -> Run {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let mut settings = self.settings.clone().of_seed(&mut rng);
        plan.leave_out(&mut settings.faults);
        let Settings { clients, steps, users, .. } = settings;
        let (versions, tamper) = (Versions::of(&self.workload), Arc::clone(&self.tamper));
        let mut world = match World::over(template, versions, tamper, settings, seed, keep) {
            Ok(world) => world,
            Err(error) => return Run { violation: Some(World::trouble(&error)), ..Run::default() },
        };
        world.healed = false;
        let mut taken = 0;
        let mut drive = || -> Result<()> {
            for client in 0..clients {
                let options = client_options(&mut rng);
                world.add_client(client % users, options)?;
            }
            for step in 0..steps {
                if !plan.takes(step) {
                    continue;
                }
                taken = step + 1;
                // A source of its own for each step: what one draws is the same when another is left out.
                world.rng = Rng::of_part(seed, u64::from(step));
                world.random_step()?;
                if world.violation.is_some() {
                    return Ok(());
                }
            }
            world.rng = Rng::of_part(seed, u64::MAX);
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
            steps: taken,
            virtual_ms: u64::try_from(world.now - super::world::EPOCH).unwrap_or_default(),
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
