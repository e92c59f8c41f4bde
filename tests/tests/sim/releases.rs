//! Versions of one application that follow each other while everybody works: servers migrate the database, clients go on
//! as they are, or are updated with what they hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plasma::Schema;
use plasma::Table;
use plasma::server::Step;
use plasma::sim::{
    AuditTable, Call, Faults, NoTamper, Principal, Rare, Release, Rng, Rows, ServerId, Settings, Sim, Tamper, Workload,
};
use plasma_runtime::protocol::cookie::Position;
use plasma_runtime::protocol::{Method, WireRequest};
use plasma_runtime::schema::{Definition, TableDef};
use plasma_runtime::store::SqlConnection;
use plasma_runtime::value::Row;
use serde_json::json;

use crate::versions::{Caller, v1, v2, v3, v4};

/// The application of `crate::versions` at version 1 to 4.
#[derive(Debug, Clone, Copy)]
struct Tasks(u8);

impl Tasks {
    fn lists(self) -> &'static TableDef {
        match self.0 {
            1 => v1::List::DEF,
            2 => v2::List::DEF,
            3 => v3::List::DEF,
            _ => v4::List::DEF,
        }
    }

    fn tasks(self) -> &'static TableDef {
        match self.0 {
            1 => v1::Task::DEF,
            2 => v2::Task::DEF,
            3 => v3::Task::DEF,
            _ => v4::Task::DEF,
        }
    }

    /// The minutes of a row; none when the client has carried it over and does not know them yet.
    fn minutes(self, row: &Row) -> Option<i64> {
        let value = |name: &str| self.tasks().column_index(name).and_then(|at| row[at].as_int()).unwrap_or_default();
        match self.0 {
            4 => Some(value("seconds") / 60).filter(|minutes| *minutes != 0),
            _ => Some(value("minutes")),
        }
    }

    fn title(self, row: &Row) -> String {
        let at = self.tasks().column_index("title");
        at.and_then(|at| row[at].as_text()).unwrap_or_default().to_owned()
    }
}

fn user_name(user: usize) -> String {
    format!("user{user}")
}

fn fixed_id(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// The minutes of the task with this number.
fn minutes_of(number: u64) -> u64 {
    1 + number % 59
}

/// The number that a title tells. Titles that were merged tell it several times.
fn number_of(title: &str) -> Result<u64, String> {
    let mut numbers = title.split(" & ").map(|part| part.strip_prefix('t').and_then(|part| part.parse().ok()));
    let first = numbers.next().flatten().ok_or_else(|| format!("`{title}` has no number"))?;
    if numbers.all(|number| number == Some(first)) { Ok(first) } else { Err(format!("`{title}` has two numbers")) }
}

impl Workload for Tasks {
    fn definition(&self) -> Definition {
        match self.0 {
            1 => v1::App::definition(),
            2 => v2::App::definition(),
            3 => v3::App::definition(),
            _ => v4::App::definition(),
        }
    }

    fn principal(&self, user: usize) -> Principal {
        Principal { group: user_name(user), ctx: Arc::new(Caller { user: user_name(user) }) }
    }

    /// A task is its own proof: its user reads it, and none is ever deleted.
    fn audit(&self) -> Option<AuditTable> {
        Some(AuditTable { table: v1::Task::DEF })
    }

    fn seed(&self) -> Vec<String> {
        let list = |user| {
            let (id, owner) = (fixed_id(user), user_name(user));
            format!("INSERT INTO lists (id, name, owner) VALUES ('{id}', 'list', '{owner}')")
        };
        (0..2).map(list).collect()
    }

    fn next(&self, user: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let me = user_name(user);
        let owner = |row: &Row| self.lists().column_index("owner").and_then(|at| row[at].as_text().map(str::to_owned));
        let lists = rows.all(self.lists())?;
        let lists: Vec<_> = lists.iter().filter(|row| owner(row) == Some(me.clone())).collect();
        let tasks = rows.all(self.tasks())?;
        let (list, task) = (rng.pick(&lists), rng.pick(&tasks));
        let nonce = rng.uuid();
        let number = rng.below(1_000_000) as u64;
        let mut audit = None;
        let (name, args) = match (rng.below(100), list, task) {
            (0..=44, Some(list), _) => {
                audit = Some(nonce);
                let mut args = json!({
                    "id": nonce.to_string(), "list_id": self.lists().row_id(list), "title": format!("t{number}"),
                });
                match self.0 {
                    1 | 2 => args["minutes"] = json!(minutes_of(number)),
                    _ => args["seconds"] = json!(minutes_of(number) * 60),
                }
                if self.0 > 1 && rng.chance(50) {
                    args["note"] = json!(format!("n{number}"));
                }
                ("tasks.add_task", args)
            }
            (45..=69, _, Some(task)) => {
                // The number stays, or it would be another task.
                let Ok(number) = number_of(&self.title(task)) else { return Ok(None) };
                let args = json!({ "id": self.tasks().row_id(task), "title": format!("t{number}") });
                (if self.0 == 1 { "tasks.rename" } else { "tasks.retitle" }, args)
            }
            (70..=79, _, Some(task)) if self.0 > 2 => {
                ("tasks.set_priority", json!({ "id": self.tasks().row_id(task), "priority": rng.below(9) }))
            }
            (80..=84, _, Some(task)) if self.0 > 2 => (
                "tasks.add_comment",
                json!({ "id": nonce.to_string(), "task_id": self.tasks().row_id(task), "text": "well" }),
            ),
            (85..=89, ..) if self.0 > 1 => ("tasks.add_tag", json!({ "id": nonce.to_string(), "label": "red" })),
            _ => ("tasks.add_list", json!({ "id": nonce.to_string(), "name": "another" })),
        };
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit }))
    }

    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        for task in rows.all(self.tasks()).map_err(|error| format!("cannot be read: {error}"))? {
            let number = number_of(&self.title(&task))?;
            let expected = minutes_of(number) as i64;
            if self.minutes(&task).is_some_and(|minutes| minutes != expected) {
                return Err(format!("the task {number} takes {:?} minutes, not {expected}", self.minutes(&task)));
            }
        }
        Ok(())
    }

    fn holds_between(&self, before: &mut Rows<'_>, after: &mut Rows<'_>) -> Result<(), String> {
        let ids = |rows: &mut Rows<'_>| -> Result<BTreeSet<String>, String> {
            let rows = rows.all(self.tasks()).map_err(|error| format!("cannot be read: {error}"))?;
            Ok(rows.iter().map(|row| self.tasks().row_id(row).to_owned()).collect())
        };
        let (before, after) = (ids(before)?, ids(after)?);
        before.difference(&after).next().map_or(Ok(()), |gone| Err(format!("the task {gone} is gone")))
    }

    fn successor(&self) -> Option<Release> {
        let step = |name: &str, step: Step| (name.to_owned(), step);
        let steps = match self.0 {
            1 => Vec::new(),
            2 => vec![step("notes", Step::backfill("tasks").set("note", "'none'").only("note IS NULL").batch(2))],
            3 => vec![
                step("minutes are seconds", Step::rename_column("tasks", "minutes", "seconds")),
                step("sixty of them", Step::change_type("tasks", "seconds", "seconds * 60")),
                step("drafts have a body", Step::rename_column("drafts", "text", "body")),
            ],
            _ => return None,
        };
        Some(Release { workload: Arc::new(Tasks(self.0 + 1)), steps })
    }
}

const FAULTS: Faults = Faults { release: 25, compact: 4, crash_server: 4, offline: 6, ..Faults::NONE };

fn sim(tamper: impl Tamper + 'static) -> Sim {
    Sim::new(Arc::new(Tasks(1)) as Arc<dyn Workload>)
        .seeds(0..400)
        .settings(Settings { settle_ms: 300_000, clients: 3, steps: 80, ..Settings::default() })
        .faults(FAULTS)
        .tamper(tamper)
        .twice_every(0)
        .replay_with("cargo test -p plasma-tests --test all sim::releases::nothing -- --nocapture")
}

fn finds(tamper: impl Tamper + 'static, invariants: &[&str]) {
    // One thread: some of the sabotage remembers what it saw of one run.
    let report = sim(tamper).threads(1).stop_at_first_failure().run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert!(invariants.contains(&failure.violation.invariant), "found by another invariant: {}", failure.violation);
}

/// Servers of several versions migrate the database under the feet of others, and of clients of all versions.
#[test]
fn nothing_is_lost_between_versions() {
    let first = super::number("PLASMA_SIM_FIRST", 0);
    let count = super::number("PLASMA_SIM_COUNT", if std::env::var_os("PLASMA_DEEP").is_some() { 20_000 } else { 200 });
    let report =
        sim(NoTamper).seeds(first..first + count).faults(Faults { release: 25, ..Faults::ALL }).twice_every(10).run();
    eprintln!("{} seeds; reached {:?}", report.seeds, report.reached);
    report.assert_passed();
    if report.seeds >= 200 {
        report.assert_reached(&[
            Rare::Migrated,
            Rare::CrashInMigration,
            Rare::ServersOfTwoVersions,
            Rare::RollingUpgrade,
            Rare::ServerTooOld,
            Rare::ClientUpdated,
            Rare::ServedThroughLens,
            Rare::ClientCrashInStep,
            Rare::LostHistory,
            Rare::PartialSet,
        ]);
    }
}

/// The same harness without a bug finds nothing.
#[test]
fn nothing_is_found_where_nothing_is_planted() {
    sim(NoTamper).seeds(0..60).run().assert_passed();
}

/// A later server makes nothing of an argument that clients of earlier versions send.
#[test]
fn an_argument_dropped_on_the_way_to_a_later_version() {
    #[derive(Default)]
    struct Dropped(AtomicBool);
    impl Tamper for Dropped {
        fn started(&self, server: ServerId) {
            if server == 0 {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        fn migrated(&self, _: &mut dyn SqlConnection) -> plasma::Result<()> {
            self.0.store(true, Ordering::Relaxed);
            Ok(())
        }
        fn request(&self, request: &mut WireRequest) {
            if request.method == Method::Post
                && self.0.load(Ordering::Relaxed)
                && let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&request.body)
            {
                for mutation in body["mutations"].as_array_mut().into_iter().flatten() {
                    if mutation["args"]["minutes"].is_number() {
                        mutation["args"]["minutes"] = json!(0);
                    }
                }
                request.body = body.to_string().into();
            }
        }
    }
    finds(Dropped::default(), &["I2", "I7", "I23"]);
}

/// A server takes an updated client for one that knew before what it knows now.
#[test]
fn an_updated_client_is_not_told_what_is_new_to_it() {
    struct Known;
    impl Tamper for Known {
        fn request(&self, request: &mut WireRequest) {
            let parameter = |name: &str| {
                let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
                pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
            };
            let (Some(cookie), Some(own)) = (parameter("cookie"), parameter("fingerprint")) else { return };
            if let Ok(mut position) = Position::decode(&cookie.replace("%3A", ":"))
                && let Ok(own) = u64::from_str_radix(&own, 16)
            {
                position.schema = Some(own);
                let told = position.encode().expect("a cookie").replace(':', "%3A");
                request.query = request.query.replace(&cookie, &told);
            }
        }
    }
    finds(Known, &["I5", "I9"]);
}

/// What a step of a migration writes is not in the log.
#[test]
fn a_step_whose_rows_reach_nobody() {
    struct Silent;
    impl Tamper for Silent {
        fn migrated(&self, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let sql = "DELETE FROM _plasma_changes WHERE table_name = 'tasks' AND op = 'put' AND client_id IS NULL \
                AND prior IS NOT NULL";
            db.execute(sql, &[]).map(drop)
        }
    }
    finds(Silent, &["I5", "I9"]);
}
