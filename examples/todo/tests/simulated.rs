//! The application in the simulator: its own mutators and policies, several devices, a bad network, crashes, copied stores,
//! restored backups; and its own rules, which must hold of the rows of every moment.
//!
//! `PLASMA_SIM_SEED=N cargo test -p todo --test simulated` runs one seed and prints what happened.
#![allow(unreachable_pub, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use plasma::prelude::*;
use plasma::schema::Definition;
use plasma::sim::{Call, Principal, Rng, Rows, Sim, Workload};
use plasma::value::Row;
use serde_json::json;
use todo::app::{App, Caller, List, Share, Todo};

fn text<T: Table>(row: &Row, column: &str) -> String {
    let index = T::DEF.column_index(column).expect("a column of the table");
    row[index].as_text().unwrap_or_default().to_owned()
}

fn all<T: Table>(rows: &mut Rows<'_>) -> plasma::Result<Vec<Row>> {
    rows.all(T::DEF)
}

fn principal(user: usize) -> Principal {
    let user = format!("user{user}");
    Principal { group: user.clone(), ctx: Arc::new(Caller { user }) }
}

/// Two people who make lists, share them and work on them.
struct People;

impl Workload for People {
    fn definition(&self) -> Definition {
        App::definition()
    }

    fn principal(&self, user: usize) -> Principal {
        principal(user)
    }

    fn next(&self, user: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let ids = |rows: plasma::Result<Vec<Row>>, def: &plasma::schema::TableDef| -> plasma::Result<Vec<String>> {
            Ok(rows?.iter().map(|row| def.row_id(row).to_owned()).collect())
        };
        let (lists, todos) = (ids(all::<List>(rows), List::DEF)?, ids(all::<Todo>(rows), Todo::DEF)?);
        let (list, todo) = (rng.pick(&lists).cloned(), rng.pick(&todos).cloned());
        let other = format!("user{}", 1 - user.min(1));
        let (name, args) = match (rng.below(10), list, todo) {
            (0..=1, Some(list), _) => {
                ("lists.share", json!({ "id": rng.uuid().to_string(), "list_id": list, "user": other }))
            }
            (2, Some(list), _) => ("lists.unshare", json!({ "list_id": list, "user": other })),
            (3, Some(list), _) => ("lists.rename", json!({ "id": list, "name": format!("list {}", rng.below(100)) })),
            (4..=5, Some(list), _) => {
                ("todos.add", json!({ "id": rng.uuid().to_string(), "list_id": list, "title": "water" }))
            }
            (6, _, Some(todo)) => ("todos.set_done", json!({ "id": todo, "done": rng.chance(50) })),
            (7, _, Some(todo)) => ("todos.remove", json!({ "id": todo })),
            (8, Some(list), _) if rng.chance(20) => ("lists.remove", json!({ "id": list })),
            _ => ("lists.create", json!({ "id": rng.uuid().to_string(), "name": "garden" })),
        };
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit: None }))
    }

    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        let read = |rows: plasma::Result<Vec<Row>>| rows.map_err(|error| error.to_string());
        let mut shared = BTreeSet::new();
        for share in read(all::<Share>(rows))? {
            let (list, user) = (text::<Share>(&share, "list_id"), text::<Share>(&share, "user_name"));
            if !shared.insert((list.clone(), user.clone())) {
                return Err(format!("the list {list} is shared with {user} twice"));
            }
        }
        let lists: BTreeSet<String> =
            read(all::<List>(rows))?.iter().map(|list| List::DEF.row_id(list).to_owned()).collect();
        for todo in read(all::<Todo>(rows))? {
            let list = text::<Todo>(&todo, "list_id");
            if !lists.contains(&list) {
                return Err(format!("a to-do stands in the list {list}, which is not there"));
            }
        }
        Ok(())
    }
}

#[test]
fn the_rules_of_the_application_hold() {
    let report = Sim::new(Arc::new(People) as Arc<dyn Workload>)
        .seeds(0..50)
        .replay_with("cargo test -p todo --test simulated")
        .run();
    report.assert_passed();
}

/// Another application, with a mistake that a review may overlook: lists whose to-dos have ranks.
mod ranked {
    use plasma::prelude::*;
    use todo::app::Caller;

    #[plasma::table(name = "ranked", auth = open)]
    #[derive(Debug, Clone, PartialEq)]
    pub struct Ranked {
        pub id: Id<Ranked>,
        pub rank: i64,
    }

    #[plasma::schema(version = "ranked-1", lock = false, ctx = Caller, tables(Ranked), mutators(Ranks))]
    pub struct RankedApp;
    type Tx<'a> = plasma::Tx<'a, RankedApp>;

    #[plasma::args]
    pub struct Append {
        pub id: Id<Ranked>,
    }

    #[plasma::args]
    pub struct AppendAt {
        pub id: Id<Ranked>,
        pub rank: i64,
    }

    pub struct Ranks;

    #[plasma::mutators(RankedApp)]
    impl Ranks {
        /// Right: the last rank is asked for where the mutator runs, so again on the server.
        pub async fn append(tx: &mut Tx<'_>, _: &Caller, args: Append) -> plasma::Result<()> {
            let last = tx.first(Ranked::select().order_by(Ranked::rank.desc())).await?;
            let rank = last.map_or(0, |last| last.rank + 1);
            tx.insert(NewRanked { rank }.with_id(args.id)).await?;
            Ok(())
        }

        /// Wrong: the rank was read on the device, before the mutation, and others did the same.
        pub async fn append_at(tx: &mut Tx<'_>, _: &Caller, args: AppendAt) -> plasma::Result<()> {
            tx.insert(NewRanked { rank: args.rank }.with_id(args.id)).await?;
            Ok(())
        }
    }
}

struct Appending {
    careless: bool,
}

impl Workload for Appending {
    fn definition(&self) -> Definition {
        ranked::RankedApp::definition()
    }

    fn principal(&self, user: usize) -> Principal {
        principal(user)
    }

    fn next(&self, _: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let rank = ranked::Ranked::DEF.column_index("rank").expect("a column");
        let last = all::<ranked::Ranked>(rows)?.iter().filter_map(|row| row[rank].as_int()).max();
        let id = rng.uuid().to_string();
        let (name, args) = if self.careless {
            ("ranks.append_at", json!({ "id": id, "rank": last.map_or(0, |last| last + 1) }))
        } else {
            ("ranks.append", json!({ "id": id }))
        };
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit: None }))
    }

    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        let rank = ranked::Ranked::DEF.column_index("rank").expect("a column");
        let mut seen = BTreeSet::new();
        for row in all::<ranked::Ranked>(rows).map_err(|error| error.to_string())? {
            if !seen.insert(row[rank].as_int()) {
                return Err(format!("two to-dos have the rank {:?}", row[rank].as_int()));
            }
        }
        Ok(())
    }
}

fn appending(careless: bool) -> Sim {
    Sim::new(Arc::new(Appending { careless }) as Arc<dyn Workload>)
        .seeds(0..30)
        .replay_with("cargo test -p todo --test simulated")
}

#[test]
fn no_two_todos_have_the_same_rank() {
    appending(false).run().assert_passed();
}

/// What it looks like when a mutator is wrong: a rule that is broken, a seed that shows it again, and the few steps that
/// are enough.
#[test]
fn a_careless_mutator_is_found_and_replayed() {
    let report = appending(true).stop_at_first_failure().run();
    let failure = report.failures.first().expect("it is found");
    assert!(failure.violation.message.contains("two to-dos have the rank"), "{}", failure.violation);
    assert!(failure.replay.starts_with(&format!("PLASMA_SIM_SEED={} ", failure.seed)), "{}", failure.replay);
    let shrunk = failure.shrunk.as_ref().expect("it is made shorter");
    assert!(shrunk.steps <= 40 && shrunk.replay.contains("PLASMA_SIM_STEPS="), "{shrunk}");
    assert!(!shrunk.trace.is_empty(), "it says what happened");
    // The same seed fails again, by the same rule.
    let again = appending(true).seeds(failure.seed..failure.seed + 1).run();
    assert_eq!(again.failures[0].violation, failure.violation);
}
