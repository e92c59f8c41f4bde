//! Boards that everybody writes on, by mutations that set the whole board to what their user sees: whatever the network
//! does, `resolve_conflict` keeps each mark that was made, and brings none back that was wiped off.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plasma::prelude::*;
use plasma::sim::{AuditTable, Call, Faults, Principal, Rng, Rows, Sim, Tamper, Workload};
use plasma::{Conflict, Json};
use plasma_runtime::protocol::{Method, WireRequest};
use plasma_runtime::schema::Definition;
use plasma_runtime::store::SqlConnection;
use plasma_runtime::value::{Row, Value};
use serde_json::json;

#[derive(Debug, Clone, PartialEq)]
pub struct Caller;

#[plasma::table(name = "boards", auth = open, resolve_conflict = merge)]
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    pub id: Id<Board>,
    pub marks: Json<Vec<String>>,
    pub title: String,
}

/// One row per mutation that took effect.
#[plasma::table(name = "steps", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub id: Id<Step>,
    pub board: Option<String>,
    pub marked: Option<String>,
    pub wiped: Option<String>,
}

/// Merges so far, to see that there are any. The merge does not look at it.
static MERGES: AtomicU64 = AtomicU64::new(0);

fn merge(conflict: Conflict<'_, Board>) -> Board {
    MERGES.fetch_add(1, Ordering::Relaxed);
    let Conflict { base, local, remote } = conflict;
    let before = base.map_or(&[][..], |base| &base.marks.0);
    let all: BTreeSet<&String> = remote.marks.0.iter().chain(&local.marks.0).collect();
    let stays =
        |mark: &&String| !before.contains(mark) || (local.marks.0.contains(mark) && remote.marks.0.contains(mark));
    Board { marks: Json(all.into_iter().filter(stays).cloned().collect()), ..local.clone() }
}

#[plasma::schema(version = "boards-1", ctx = Caller, tables(Board, Step), mutators(Boards))]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

/// The board as its user wants it.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Save {
    pub step: Id<Step>,
    pub id: Id<Board>,
    pub marks: Vec<String>,
    pub marked: Option<String>,
    pub wiped: Option<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetTitle {
    pub step: Id<Step>,
    pub id: Id<Board>,
    pub title: String,
}

#[derive(Debug)]
pub struct Boards;

#[plasma::mutators(App)]
impl Boards {
    pub async fn save(tx: &mut Tx<'_>, _: &Caller, args: Save) -> plasma::Result<()> {
        let board = Some(args.id.to_string());
        let changes = (Step::board.to(board), Step::marked.to(args.marked), Step::wiped.to(args.wiped));
        tx.insert(NewStep {}.with(changes).with_id(args.step)).await?;
        tx.update(args.id).set(Board::marks.to(Json(args.marks))).await
    }

    pub async fn title(tx: &mut Tx<'_>, _: &Caller, args: SetTitle) -> plasma::Result<()> {
        tx.insert(NewStep {}.with_id(args.step)).await?;
        tx.update_where(Board::id.eq(args.id)).set(Board::title.to(args.title)).await?;
        Ok(())
    }
}

struct OnBoards;

const BOARDS: usize = 2;

fn text<T: Table>(row: &Row, name: &str) -> Option<String> {
    row[T::DEF.column_index(name).expect("a column")].as_text().map(str::to_owned)
}

fn marks(board: &Row) -> Vec<String> {
    match &board[Board::DEF.column_index("marks").expect("a column")] {
        Value::Json(json) => serde_json::from_str(json).expect("a list of texts"),
        other => panic!("marks are {other:?}"),
    }
}

impl Workload for OnBoards {
    fn definition(&self) -> Definition {
        App::definition()
    }

    fn principal(&self, user: usize) -> Principal {
        Principal { group: format!("user{user}"), ctx: Arc::new(Caller) }
    }

    fn audit(&self) -> Option<AuditTable> {
        Some(AuditTable { table: Step::DEF })
    }

    fn seed(&self) -> Vec<String> {
        let board = |n| format!("INSERT INTO boards VALUES ('00000000-0000-4000-8000-00000000000{n}', '[]', 'board')");
        (0..BOARDS).map(board).collect()
    }

    fn next(&self, _: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let boards = rows.all(Board::DEF)?;
        let Some(board) = rng.pick(&boards) else { return Ok(None) };
        let nonce = rng.uuid();
        let (step, id) = (nonce.to_string(), Board::DEF.row_id(board));
        let mut marks = marks(board);
        let wiped = if rng.chance(25) { rng.pick(&marks).cloned() } else { None };
        let (name, args) = if rng.chance(15) {
            ("boards.title", json!({ "step": step, "id": id, "title": format!("t{}", rng.below(5)) }))
        } else if let Some(wiped) = wiped {
            marks.retain(|mark| *mark != wiped);
            ("boards.save", json!({ "step": step, "id": id, "marks": marks, "wiped": wiped }))
        } else {
            marks.push(step.clone());
            ("boards.save", json!({ "step": step, "id": id, "marks": marks, "marked": step }))
        };
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit: Some(nonce) }))
    }

    /// Of bases, which are the server's rows: what a client shows is not merged yet.
    fn holds_between(&self, _: &mut Rows<'_>, after: &mut Rows<'_>) -> Result<(), String> {
        let read = |rows: plasma::Result<Vec<Row>>| rows.map_err(|error| format!("cannot be read: {error}"));
        let steps = read(after.all(Step::DEF))?;
        for board in read(after.all(Board::DEF))? {
            let id = Some(Board::DEF.row_id(&board).to_owned());
            let of_board: Vec<&Row> = steps.iter().filter(|step| text::<Step>(step, "board") == id).collect();
            let mut expected: BTreeSet<String> =
                of_board.iter().filter_map(|step| text::<Step>(step, "marked")).collect();
            for wiped in of_board.iter().filter_map(|step| text::<Step>(step, "wiped")) {
                expected.remove(&wiped);
            }
            let found: BTreeSet<String> = marks(&board).into_iter().collect();
            if let Some(lost) = expected.difference(&found).next() {
                return Err(format!("the mark {lost} is lost"));
            }
            if let Some(back) = found.difference(&expected).next() {
                return Err(format!("the mark {back} is back, or was never made"));
            }
        }
        Ok(())
    }
}

fn boards() -> Sim {
    Sim::new(Arc::new(OnBoards) as Arc<dyn Workload>)
}

#[test]
fn no_mark_is_lost_and_none_comes_back() {
    let report = boards().seeds(0..60).clients(3).run();
    report.assert_passed();
    let merges = MERGES.load(Ordering::Relaxed);
    assert!(merges > 200, "{merges} merges in {} seeds", report.seeds);
}

fn finds(tamper: impl Tamper + 'static) {
    let report =
        boards().seeds(0..200).faults(Faults::ORDINARY).tamper(tamper).twice_every(0).stop_at_first_failure().run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert!(failure.violation.message.contains("the mark "), "found by another invariant: {}", failure.violation);
}

/// Nobody says what was on the screen: the last one wins.
#[test]
fn a_push_without_bases() {
    struct Silent;
    impl Tamper for Silent {
        fn request(&self, request: &mut WireRequest) {
            if request.method == Method::Post
                && let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&request.body)
            {
                for mutation in body["mutations"].as_array_mut().into_iter().flatten() {
                    mutation.as_object_mut().expect("an object").remove("bases");
                }
                request.body = body.to_string().into();
            }
        }
    }
    finds(Silent);
}

/// A base that follows the replays: the row is never another than the client's.
#[test]
fn bases_that_are_refreshed_by_a_replay() {
    struct Refreshed;
    impl Tamper for Refreshed {
        fn client(&self, store: &mut dyn SqlConnection) -> plasma::Result<()> {
            store.batch(
                "UPDATE _plasma_outbox SET bases = coalesce(
                   (SELECT json_object('boards', json_object(row_id, before)) FROM _plasma_effects
                    WHERE mid = _plasma_outbox.id AND table_name = 'boards'), bases)",
            )
        }
    }
    finds(Refreshed);
}
