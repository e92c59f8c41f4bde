//! One run: a site under load and faults, healed, and what has to be true then.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::schedule::{Kind, Step, schedule};
use super::site::Site;
use super::view::View;
use crate::place::{Data, Place};

/// Within this after healing every queue has to be empty, and all have to hold the same.
pub(super) const HEALS_WITHIN: Duration = Duration::from_secs(10);
/// The same where two cores are shared with all other tests.
pub(super) const HEALS_WITHIN_CROWDED: Duration = Duration::from_secs(45);
/// What is not well after this never will be.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);

const DEVICES: usize = 6;
/// How long faults come, ms.
const LENGTH_MS: u64 = 4_000;
/// Between two transactions of a device, ms, on average: some 20 transactions a second in all.
const PACE_MS: u64 = 300;

/// What makes a run, but for the operating system's part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) seed: u64,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place == Place::Sqlite { "sqlite" } else { "postgres" };
        write!(f, "{place}-{}-{}", self.kind, self.seed)
    }
}

impl std::str::FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('-').collect();
        let [place, kind, seed] = parts[..] else { return Err(format!("`{text}` is not place-kind-seed")) };
        let place = match place {
            "sqlite" => Place::Sqlite,
            "postgres" => Place::Postgres,
            other => return Err(format!("`{other}` is no place")),
        };
        Ok(Plan { place, kind: kind.parse()?, seed: seed.parse().map_err(|_| format!("`{seed}` is no seed"))? })
    }
}

impl Plan {
    /// Between two transactions of a device, ms. What each reads makes each two conflict: on Postgres they run at once, and
    /// again and again, which takes processor time.
    fn pace_ms(self) -> u64 {
        if self.place == Place::Postgres { 2 * PACE_MS } else { PACE_MS }
    }

    fn servers(self) -> usize {
        // Only Postgres is shared by several.
        if self.place == Place::Postgres { 2 } else { 1 }
    }

    pub(super) fn steps(self) -> Vec<Step> {
        schedule(self.kind, self.seed, DEVICES, self.servers(), LENGTH_MS)
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrong {
    /// A queue was not empty, or a device not silent, in time.
    Stuck,
    /// Queues were empty, and rows differed.
    Diverged,
    /// A transaction that had returned has no effect.
    Lost,
    /// One has more than one, or those of a device are out of order, or a view broke a promise.
    Broken,
}

/// A run that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) wrong: Wrong,
    pub(super) text: String,
}

/// A run that did not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Success {
    pub(super) transactions: i64,
    /// From healing until all was equal.
    pub(super) healed: Duration,
    pub(super) harm: u64,
    /// Failures the devices noticed.
    pub(super) notes: u64,
}

/// Runs it; none where there is no such database.
pub(super) fn run(plan: Plan, heals_within: Duration) -> Option<Result<Success, Failure>> {
    let data = plan.place.data()?;
    let folder = tempfile::Builder::new().prefix(&format!("plasma-network-{plan}-")).tempdir().expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let result = runtime.block_on(watch(plan, heals_within, data, folder.path().to_owned()));
    Some(result.map_err(|(wrong, why)| {
        let logs = folder.keep();
        let steps: Vec<String> = plan.steps().iter().map(|step| format!("  {:>5} ms {:?}", step.at, step.deed)).collect();
        let text = format!(
            "{plan}: {wrong:?}: {why}\nschedule:\n{}\nlogs: {}\nagain: PLASMA_NETWORK_RUN={plan} cargo test -p plasma-tests \
             --test all blackbox::network::again -- --exact --ignored --nocapture",
            steps.join("\n"),
            logs.display()
        );
        Failure { wrong, text }
    }))
}

async fn watch(plan: Plan, heals_within: Duration, data: Data, logs: PathBuf) -> Result<Success, (Wrong, String)> {
    let mut site = Site::start(data, &logs, plan.seed, plan.servers(), DEVICES, plan.pace_ms()).await;
    let begun = tokio::time::Instant::now();
    for step in plan.steps() {
        // The schedule is made of times: this is what a run repeats.
        tokio::time::sleep_until(begun + Duration::from_millis(step.at)).await;
        tokio::task::block_in_place(|| site.perform(step.deed, true));
    }
    tokio::time::sleep_until(begun + Duration::from_millis(LENGTH_MS)).await;
    tokio::task::block_in_place(|| site.heal());
    let healing = Instant::now();
    let mut late = None;
    let server = loop {
        let why = match settled(&mut site).await {
            Ok(server) => break server,
            Err(why) => why,
        };
        if healing.elapsed() > heals_within && late.is_none() {
            late = Some(why);
        } else if healing.elapsed() > GIVEN_UP_AFTER {
            let (wrong, why) = late.expect("it was late first");
            return Err((wrong, format!("{why}\nand it stayed so for a minute")));
        }
    };
    let healed = healing.elapsed();
    let said = site.said();
    if let Some((device, broken)) = said.iter().enumerate().find_map(|(n, said)| Some((n, said.broken.first()?))) {
        return Err((Wrong::Broken, format!("device {device}: {broken}")));
    }
    in_order(site.data()).map_err(|why| (Wrong::Broken, why))?;
    if let Some((wrong, why)) = late {
        return Err((wrong, format!("{why}\nit was well {healed:?} after healing")));
    }
    let notes = said.iter().map(|said| said.notes).sum();
    Ok(Success { transactions: server.entries.len() as i64, healed, harm: site.harm(), notes })
}

/// What the server holds, if all is as it has to be in the end.
async fn settled(site: &mut Site) -> Result<View, (Wrong, String)> {
    let devices = site.said().len();
    let before: Vec<u64> = (0..devices).map(|device| site.answers(device)).collect();
    (0..devices).for_each(|device| site.ask(device));
    let answered = tokio::time::timeout(Duration::from_secs(1), async {
        while (0..devices).any(|device| site.answers(device) == before[device]) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    if answered.await.is_err() {
        let silent: Vec<usize> = (0..devices).filter(|device| site.answers(*device) == before[*device]).collect();
        return Err((Wrong::Stuck, format!("the devices {silent:?} say nothing")));
    }
    let said = site.said();
    let mut states = Vec::new();
    for (device, said) in said.iter().enumerate() {
        match &said.state {
            Some(state) => states.push(state),
            None => return Err((Wrong::Stuck, format!("device {device} does not come to an end"))),
        }
    }
    for (device, state) in states.iter().enumerate() {
        if let Some(failed) = state.failed.first() {
            return Err((Wrong::Lost, format!("device {device}: {failed}")));
        }
        if state.pending > 0 || state.unobserved > 0 {
            return Err((Wrong::Stuck, format!("device {device}: {}", state.status)));
        }
    }
    let server = tokio::task::block_in_place(|| View::of_server(site.data()));
    for (device, said) in said.iter().enumerate() {
        let there = server.made_by(device as i64);
        if there < said.returned {
            return Err((Wrong::Lost, format!("of device {device} {} returned, {there} are there", said.returned)));
        }
        if there > said.asked {
            return Err((Wrong::Broken, format!("of device {device} {there} are there, it asked for {}", said.asked)));
        }
    }
    server.promises(None, 0, 0).map_err(|why| (Wrong::Broken, format!("the server: {why}")))?;
    for (device, state) in states.iter().enumerate() {
        if state.view != server {
            let counts = (state.view.entries.len(), server.entries.len());
            return Err((Wrong::Diverged, format!("device {device} and the server differ: {counts:?} entries")));
        }
    }
    Ok(server)
}

/// Whether the log has the transactions of each device in the order of their making.
fn in_order(data: &Data) -> Result<(), String> {
    let sql = match data {
        Data::Sqlite(_) => "SELECT c.row_id FROM _plasma_changes c WHERE table_name = 'entries' ORDER BY row_version",
        Data::Postgres(_) => {
            "SELECT c.row_id FROM _plasma_changes c JOIN _plasma_commits u USING (unit) WHERE table_name = 'entries' \
             ORDER BY u.row_version NULLS LAST, u.last_seq, c.seq"
        }
    };
    let entries: BTreeMap<String, (i64, i64)> =
        View::of_server(data).entries.into_iter().map(|(id, device, n, _)| (id, (device, n))).collect();
    let mut last = BTreeMap::new();
    let logged = data.texts(sql);
    if logged.len() != entries.len() {
        return Err(format!("{} entries are logged, {} are there", logged.len(), entries.len()));
    }
    for id in logged {
        let (device, n) = *entries.get(&id).ok_or_else(|| format!("{id} is logged and not there"))?;
        let before = last.insert(device, n).unwrap_or(0);
        if n != before + 1 {
            return Err(format!("device {device}: {n} was committed after {before}"));
        }
    }
    Ok(())
}
