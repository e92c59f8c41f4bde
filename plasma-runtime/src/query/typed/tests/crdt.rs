//! What CRDT columns build, and what it means.

use super::{compare, ir, todo};
use crate::crdt::{CrdtKind, GCounter, Lww, OrSet, PnCounter};
use crate::query::ir::{CompareOp, Expr, Function};
use crate::query::typed::Col;
use crate::schema::Table as _;
use crate::schema::samples::Todo;
use crate::value::Kind;

const VIEWS: Col<Todo, GCounter> = Col::new_unchecked("todos", "views");
const LIKES: Col<Todo, PnCounter> = Col::new_unchecked("todos", "likes");
const RANK: Col<Todo, Lww<i64>> = Col::new_unchecked("todos", "rank");
const TAGS: Col<Todo, OrSet<String>> = Col::new_unchecked("todos", "tags");
const NUMBERS: Col<Todo, OrSet<i64>> = Col::new_unchecked("todos", "numbers");

fn value(kind: CrdtKind, column: &'static str) -> Expr {
    Expr::Function { function: Function::ValueOf(kind), args: vec![todo(column)] }
}

#[test]
fn values_are_expressions_of_their_type() {
    assert_eq!(ir(LIKES.value().gt(5)), compare(CompareOp::Gt, value(CrdtKind::PnCounter, "likes"), 5));
    assert_eq!(ir(VIEWS.value().eq(1)), compare(CompareOp::Eq, value(CrdtKind::GCounter, "views"), 1));
    assert_eq!(ir(RANK.value().ne(7)), compare(CompareOp::Ne, value(CrdtKind::Lww(&Kind::BigInt), "rank"), 7));
    let both = (VIEWS.value() + LIKES.value()).into_raw().finish().unwrap();
    assert!(matches!(both, Expr::Arithmetic { kind: Kind::BigInt, .. }));
    let tags = CrdtKind::OrSet(&Kind::Text);
    assert_eq!(ir(TAGS.is_empty()), compare(CompareOp::Eq, value(tags, "tags"), 0));
    // Through every other door to an expression.
    let _ = Todo::select().group_by(RANK.value()).project(|rank| (rank, LIKES.value().sum(), VIEWS.value().max()));
    let _ = Todo::select().order_by(RANK.value().desc()).order_by(TAGS.len().asc()).project((RANK.value(), LIKES));
}

#[test]
fn elements_are_asked_for_in_their_wire_form() {
    let has = |column, element: &str| Expr::Has { set: Box::new(todo(column)), element: element.to_owned() };
    assert_eq!(ir(TAGS.contains("a\"")), has("tags", r#""a\"""#));
    assert_eq!(ir(TAGS.has("x".to_owned())), has("tags", "\"x\""));
    assert_eq!(ir(NUMBERS.contains(5)), has("numbers", "\"5\""));
    assert_eq!(ir(NUMBERS.contains(&5)), has("numbers", "\"5\""));
    let error = crate::query::typed::Filter::<Todo>::from(TAGS.contains("\0")).into_ir().unwrap_err();
    assert!(error.message().contains("U+0000"), "{error}");
}

/// Elements that are made of what stands around elements are not found where they are not.
#[cfg(feature = "sqlite")]
#[test]
fn an_element_is_not_found_in_another_one() {
    use crate::crdt::Replica;
    use crate::schema::ColumnType as _;
    use crate::store::SqlConnection as _;
    use crate::store::sqlite::SqliteConnection;
    let words = ["", "a", "[", "\"", "\\", ",[", "\",[\"", "[\"a\",[\"", "a\",[\"b", "]],[\"a\",[\"", "\u{e9}", "\n"];
    let mut db = SqliteConnection::in_memory().unwrap();
    // Every subset of a few of them.
    for chosen in 0u32..1 << words.len() {
        if chosen.count_ones() > 3 {
            continue;
        }
        let mut set = OrSet::<String>::default();
        let there = |n: usize| chosen & (1 << n) != 0;
        for n in (0..words.len()).filter(|n| there(*n)) {
            set.add(Replica::of_client("me"), n as u64, words[n]).unwrap();
        }
        let state = set.clone().into_value().unwrap();
        let crate::value::Value::Json(json) = &state else { panic!("a set is JSON") };
        for (n, word) in words.iter().enumerate() {
            assert_eq!(set.contains(*word), there(n));
            let Expr::Has { element, .. } = ir(TAGS.contains(*word)) else { panic!("not a question for an element") };
            let mark = crate::crdt::mark(&element);
            assert_eq!(json.contains(&mark), there(n), "{word:?} in {json}");
            if chosen % 16 == 3 {
                let found = db.query("SELECT instr(?, ?) > 0", &[state.clone(), mark.into()], &[Kind::Bool]).unwrap();
                assert_eq!(found, [[there(n).into()]]);
            }
        }
    }
}
