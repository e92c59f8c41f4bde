//! CRDTs as columns and in Rust.

use crate::crdt::{Crdt as _, GCounter, Lww, OrSet, PnCounter, Replica};
use crate::schema::{ColumnDef, ColumnDefault, ColumnType};
use crate::value::json::{decode_row, encode_row};
use crate::value::{Kind, Value};

fn me() -> Replica {
    Replica::of_client("me")
}

#[test]
fn columns_begin_empty() {
    for (column, empty) in [
        (ColumnDef::of::<GCounter>("c"), "{}"),
        (ColumnDef::of::<PnCounter>("c"), r#"{"p":{},"n":{}}"#),
        (ColumnDef::of::<OrSet<String>>("c"), r#"{"adds":[],"dels":[]}"#),
    ] {
        let Some(ColumnDefault::Value(default)) = column.default else { panic!("no default") };
        assert_eq!(default(), Value::Json(empty.to_owned()));
        let Kind::Crdt(kind) = column.kind else { panic!("no CRDT") };
        assert!(kind.is_canonical(empty));
    }
    assert!(ColumnDef::of::<Lww<String>>("c").default.is_none());
}

#[test]
fn rows_hold_states() {
    let columns = [
        ColumnDef::new("id", Kind::Id),
        ColumnDef::of::<GCounter>("views"),
        ColumnDef::of::<Lww<i64>>("rank"),
        ColumnDef::of::<OrSet<String>>("tags"),
    ];
    let table = crate::schema::TableDef::new("t", Box::leak(Box::new(columns)));
    let mut tags = OrSet::<String>::default();
    tags.add(me(), 1, "a").unwrap();
    let id = "0190a1b2-0000-7000-8000-00000000000a";
    let row = vec![
        Value::from(id),
        GCounter::default().into_value().unwrap(),
        Lww::new(5i64).into_value().unwrap(),
        tags.clone().into_value().unwrap(),
    ];
    let json = encode_row(&table, &row);
    assert_eq!(decode_row(&table, &json).unwrap(), row);
    assert_eq!(OrSet::<String>::from_value(row[3].clone()).unwrap(), tags);
    // A row of before the columns came has what begins empty.
    let old = format!(r#"{{"id":"{id}","rank":{{"value":"5","ts":0,"replica":"0000000000000000"}}}}"#);
    assert_eq!(decode_row(&table, &old).unwrap()[3], OrSet::<String>::default().into_value().unwrap());
    // A value of another kind is refused, with the column's name.
    let error = decode_row(&table, &json.replace("\"value\":\"5\"", "\"value\":\"five\"")).unwrap_err();
    assert!(error.message().contains("`rank` must be the state of a register"), "{error}");
    assert!(OrSet::<i32>::from_value(row[3].clone()).is_err());
}

/// A column that comes to a table with rows, and rows of programs that do not name it.
#[cfg(feature = "sqlite")]
#[test]
fn tables_fill_in_what_begins_empty() {
    use crate::query::ir::{Expr, Function, Query};
    use crate::store::SqlConnection as _;
    use crate::store::ddl::{Side, create_table};
    let columns = [
        ColumnDef::new("id", Kind::Id),
        ColumnDef::of::<GCounter>("views"),
        ColumnDef::of::<PnCounter>("votes"),
        ColumnDef::of::<OrSet<String>>("tags"),
        ColumnDef::of::<Lww<String>>("name").default_value(|| Lww::<String>::literal("none")),
    ];
    let table: &'static _ = Box::leak(Box::new(crate::schema::TableDef::new("t", Box::leak(Box::new(columns)))));
    let mut db = crate::store::sqlite::SqliteConnection::in_memory().unwrap();
    db.batch(&create_table(table, Side::Server)).unwrap();
    db.execute("INSERT INTO t (id) VALUES ('0190a1b2-0000-7000-8000-00000000000a')", &[]).unwrap();
    let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
    let row = db.query("SELECT * FROM t", &[], &kinds).unwrap().remove(0);
    let json = |text: &str| Value::Json(text.to_owned());
    let name = json(r#"{"value":"none","ts":0,"replica":"0000000000000000"}"#);
    let empty = [json("{}"), json(r#"{"p":{},"n":{}}"#), json(r#"{"adds":[],"dels":[]}"#), name];
    assert_eq!(row[1..], empty);
    let value = |column: &ColumnDef| {
        let Kind::Crdt(kind) = column.kind else { panic!("no CRDT") };
        Expr::Function { function: Function::ValueOf(kind), args: vec![Expr::column("t", column.name)] }
    };
    let values = table.columns[1..].iter().map(value).collect();
    let query = Query { select: crate::query::ir::Select::Exprs(values), ..Query::all(table) };
    let values = crate::store::query::run(&mut db, &query).unwrap();
    assert_eq!(values, [vec![Value::Int(0), Value::Int(0), Value::Int(0), Value::from("none")]]);
}

#[test]
fn counters_count() {
    let mut votes = PnCounter::default();
    votes.increment(me(), 5).unwrap();
    votes.decrement(me(), 7).unwrap();
    assert_eq!(votes.value(), -2);
    let mut likes = GCounter::default();
    likes.increment(me(), 0).unwrap();
    assert_eq!(likes, GCounter::default());
    // As far as every JSON reader counts, and no further.
    let full = r#"{"0000000000000001":9007199254740991}"#.to_owned();
    let mut likes = GCounter::from_value(Value::Json(full)).unwrap();
    let one = Replica::from_bytes([0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(likes.increment(one, 1).is_err());
    assert_eq!((likes.value(), likes.of(one), likes.of(me())), (9_007_199_254_740_991, 9_007_199_254_740_991, 0));
}

#[test]
fn sets_know_their_elements() {
    let mut tags = OrSet::<String>::default();
    tags.add(me(), 1, "b").unwrap();
    tags.add(me(), 2, "a".to_owned()).unwrap();
    tags.add(me(), 3, &"a".to_owned()).unwrap();
    assert_eq!(tags.values(), ["a", "b"]);
    assert_eq!((tags.len(), tags.is_empty()), (2, false));
    assert!(tags.contains("a") && tags.contains(&"b".to_owned()) && !tags.contains("c"));
    assert!(tags.remove("a") && !tags.remove("a") && !tags.contains("a"));
    assert!(tags.add(me(), 4, "\0").is_err() && !tags.contains("\0") && !tags.remove("\0"));
    assert_eq!(format!("{tags:?}"), r#"{"b"}"#);
    // A tag that was removed does not come back.
    tags.add(me(), 2, "a").unwrap();
    assert!(!tags.contains("a"));
    let mut numbers = OrSet::<i64>::default();
    numbers.add(me(), 1, 10).unwrap();
    assert!(numbers.contains(10) && numbers.contains(&10) && !numbers.contains(1));
}

#[test]
fn serde_writes_the_values_as_serde_does() {
    let mut numbers = OrSet::<i64>::default();
    numbers.add(me(), 1, 10).unwrap();
    numbers.add(me(), 2, 9).unwrap();
    numbers.remove(9);
    let json = serde_json::to_string(&numbers).unwrap();
    assert_eq!(json, format!(r#"{{"adds":[[10,["{0}:1"]]],"dels":["{0}:2"]}}"#, me()));
    assert_eq!(serde_json::from_str::<OrSet<i64>>(&json).unwrap(), numbers);
    assert!(serde_json::from_str::<OrSet<String>>(&json).is_err());
    let register = Lww::new(5i64);
    let json = serde_json::to_string(&register).unwrap();
    assert_eq!(json, r#"{"value":5,"ts":0,"replica":"0000000000000000"}"#);
    assert_eq!(serde_json::from_str::<Lww<i64>>(&json).unwrap(), register);
}

/// Two writes that a hand made of one time and replica: every order has the same result.
#[test]
fn a_tie_is_decided() {
    let state = |value: &str| format!(r#"{{"value":"{value}","ts":3,"replica":"{}"}}"#, me());
    let of = |value: &str| Lww::<String>::from_value(Value::Json(state(value))).unwrap();
    for (mut a, b) in [(of("x"), of("y")), (of("y"), of("x"))] {
        a.merge(&b);
        assert_eq!(a.value(), "y");
    }
    let kind = crate::crdt::CrdtKind::Lww(&Kind::Text);
    assert_eq!(kind.merge(&state("x"), &state("y")).unwrap(), kind.merge(&state("y"), &state("x")).unwrap());
}
