//! The comparison, case by case. How the message looks is in `ui-tests`.

use plasma_runtime::schema::lock::entry;
use plasma_runtime::schema::{ColumnDef, IndexDef, OnDelete, SchemaDef, TableDef, fingerprint};
use plasma_runtime::value::{Kind, Value};

use super::*;

const ID: ColumnDef = ColumnDef::new("id", Kind::Id);
const A: ColumnDef = ColumnDef::new("a", Kind::Text);
const B: ColumnDef = ColumnDef::new("b", Kind::Int);
const C: ColumnDef = ColumnDef::new("c", Kind::Bool);

fn schema(tables: Vec<TableDef>) -> SchemaDef {
    let tables: Vec<&'static TableDef> = tables.into_iter().map(|table| &*Box::leak(Box::new(table))).collect();
    let tables = &*tables.leak();
    SchemaDef { name: "App", version: "1", fingerprint: fingerprint::schema(tables), tables, locked: &[] }
}

fn table(name: &'static str, columns: Vec<ColumnDef>) -> TableDef {
    TableDef::new(name, [vec![ID], columns].concat().leak())
}

/// The lock of this schema, as the macro hands it on.
fn locked(schema: &SchemaDef) -> LockedVersion {
    let text = entry(schema);
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    LockedVersion { version: "1", fingerprint: schema.fingerprint, shape: (lines.join("\n") + "\n").leak() }
}

/// What is told about `new` when `old` is locked, line by line.
fn told(old: Vec<TableDef>, new: Vec<TableDef>) -> Vec<String> {
    const TYPES: [&str; 2] = ["T", "T"];
    let (old, new) = (schema(old), schema(new));
    let changes = match new.tables.len() {
        1 => changes(&Tables::<1>::new("App", new.tables, TYPES.split_at(1).0), &locked(&old)),
        2 => changes(&Tables::<2>::new("App", new.tables, &TYPES), &locked(&old)),
        _ => unreachable!("a test has one table or two"),
    };
    let lines: Vec<String> = changes.told.text().lines().skip(1).map(|line| line.trim().to_owned()).collect();
    assert_eq!(lines.len(), changes.count);
    lines
}

/// The same for the columns and indexes of one table.
fn told_of(old: Vec<ColumnDef>, new: Vec<ColumnDef>) -> Vec<String> {
    told(vec![table("t", old)], vec![table("t", new)])
}

#[test]
fn every_change_of_a_column_is_told() {
    let to = |table| ColumnDef { references: Some(table), ..ColumnDef::new("a", Kind::Id) };
    let nullable = ColumnDef { nullable: true, ..A };
    let decimal = |scale| ColumnDef::new("a", Kind::Fixed(scale));
    let cases = [
        (A, nullable, "`t.a`: not null -> nullable"),
        (nullable, A, "`t.a`: nullable -> not null"),
        (A, A.unique(), "`t.a`: now `unique`"),
        (A.unique(), A, "`t.a`: no longer `unique`"),
        (A, ColumnDef { kind: Kind::Blob, ..A }, "`t.a`: text -> blob"),
        (decimal(2), decimal(4), "`t.a`: fixed(2) -> fixed(4)"),
        (to("t"), to("u"), "`t.a`: reference to `t` -> to `u`"),
        (to("t"), to("t").unconstrained(), "`t.a`: reference to `t` -> none"),
        (to("t").unconstrained(), to("t"), "`t.a`: no reference -> to `t`"),
        (to("t"), to("t").on_delete(OnDelete::Cascade), "`t.a`: on_delete no_action -> cascade"),
        (to("t"), A, "`t.a`: id -> text"),
        (A, to("t"), "`t.a`: text -> id"),
    ];
    for (old, new, expected) in cases {
        assert_eq!(told_of(vec![B, old], vec![new, B]), [expected]);
    }
}

#[test]
fn columns_that_go_or_come_are_told_when_programs_would_miss_them() {
    let with_default = C.default_value(|| Value::Bool(false));
    assert_eq!(told_of(vec![A, B], vec![B]), ["`t.a`: removed"]);
    assert_eq!(told_of(vec![A], vec![A, C]), ["`t.c`: new, but neither nullable nor with a default"]);
    assert_eq!(
        told_of(vec![A], vec![A, with_default.unique()]),
        ["`t.c`: new and `unique`, with a default that all rows would share"]
    );
    let nothing: [&str; 0] = [];
    assert_eq!(told_of(vec![A], vec![with_default, A]), nothing);
    assert_eq!(told_of(vec![A], vec![A, C.default_now()]), nothing);
    assert_eq!(told_of(vec![A], vec![A, ColumnDef { nullable: true, ..C }.unique()]), nothing);
    assert_eq!(told_of(vec![C], vec![with_default]), nothing);
    assert_eq!(told_of(vec![with_default], vec![C]), nothing);
    // One that went and one that came are two changes, not none.
    assert_eq!(
        told_of(vec![A, B], vec![B, C]),
        ["`t.a`: removed", "`t.c`: new, but neither nullable nor with a default"]
    );
}

#[test]
fn unique_sets_are_compared_as_sets() {
    const AB: &[IndexDef] = &[IndexDef::unique(&["a", "b"]), IndexDef::new(&["c"])];
    const BA: &[IndexDef] = &[IndexDef::new(&["a"]), IndexDef::unique(&["b", "a"])];
    const ABC: &[IndexDef] = &[IndexDef::unique(&["a", "b", "c"])];
    const BOTH: &[IndexDef] = &[IndexDef::unique(&["c", "a"]), IndexDef::unique(&["a", "b"])];
    let with = |indexes| vec![table("t", vec![A, B, C]).indexes(indexes), table("u", vec![])];
    let nothing: [&str; 0] = [];
    assert_eq!(told(with(AB), with(BA)), nothing);
    assert_eq!(told(with(&[]), with(AB)), ["`t`: new unique(a, b)"]);
    assert_eq!(told(with(AB), with(&[])), ["`t`: unique(a, b) removed"]);
    assert_eq!(told(with(AB), with(ABC)), ["`t`: unique(a, b) removed", "`t`: new unique(a, b, c)"]);
    assert_eq!(told(with(BOTH), with(BA)), ["`t`: unique(a, c) removed"]);
    assert_eq!(told(with(BA), with(BOTH)), ["`t`: new unique(c, a)"]);
}

#[test]
fn tables_are_compared_by_name() {
    let nothing: [&str; 0] = [];
    let (t, u) = (|| table("t", vec![A]), || table("u", vec![A, B]));
    assert_eq!(told(vec![t()], vec![u(), t()]), nothing);
    assert_eq!(told(vec![t(), u()], vec![u()]), ["`t`: table removed"]);
    assert_eq!(told(vec![t()], vec![t().local_only()]), ["`t`: now `local_only`"]);
    assert_eq!(told(vec![t().local_only()], vec![t()]), ["`t`: was `local_only`"]);
    // The columns of a table that is gone are not told one by one, and not taken for another's.
    assert_eq!(told(vec![t(), u()], vec![t()]), ["`u`: table removed"]);
}

/// Equal shapes have nothing to tell, and other fingerprints something or additions: the short cut is one.
#[test]
fn a_schema_with_the_fingerprint_of_its_lock_is_equal_to_it() {
    let variants = [
        vec![A, B],
        vec![B, A],
        vec![A.unique(), B],
        vec![A],
        vec![ColumnDef { nullable: true, ..A }, B],
        vec![A, B, ColumnDef { nullable: true, ..C }],
        vec![A, B.default_value(|| Value::Int(0))],
        vec![ColumnDef::new("a", Kind::Fixed(1)), B],
        vec![ColumnDef::new("a", Kind::Fixed(2)), B],
    ];
    for old in &variants {
        for new in &variants {
            let equal =
                schema(vec![table("t", old.clone())]).fingerprint == schema(vec![table("t", new.clone())]).fingerprint;
            if equal {
                assert!(told_of(old.clone(), new.clone()).is_empty(), "{old:?} {new:?}");
            }
        }
    }
}
