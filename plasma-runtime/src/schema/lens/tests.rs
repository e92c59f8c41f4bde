use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{ColumnDef, IndexDef, OnDelete, fingerprint};
use crate::value::Kind;

const fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name, Kind::Text)
}

const fn nullable(mut column: ColumnDef) -> ColumnDef {
    column.nullable = true;
    column
}

static LISTS: TableDef = TableDef::new("lists", &[ColumnDef::new("id", Kind::Id), text("name").unique()]);
static TODOS: TableDef = TableDef::new(
    "todos",
    &[
        ColumnDef::new("id", Kind::Id),
        ColumnDef { references: Some("lists"), ..ColumnDef::new("list_id", Kind::Id) }.on_delete(OnDelete::Cascade),
        text("title"),
        nullable(text("note")),
        ColumnDef::new("points", Kind::Int).default_value(|| crate::value::Value::Int(0)),
        nullable(text("slug")),
    ],
)
.indexes(&[IndexDef::unique(&["list_id", "slug"])]);
static DRAFTS: TableDef = TableDef::new("drafts", &[ColumnDef::new("id", Kind::Id)]).local_only();
static TABLES: [&TableDef; 3] = [&LISTS, &TODOS, &DRAFTS];

fn schema(locked: &'static [LockedVersion]) -> SchemaDef {
    SchemaDef { name: "App", version: "3", fingerprint: fingerprint::schema(&TABLES), tables: &TABLES, locked }
}

/// The lens of a version with this shape, one line after the other, separated by `;`.
fn lens(shape: &str) -> std::result::Result<Lens, Vec<String>> {
    let shape: String = shape.split(';').map(|line| line.trim().to_owned() + "\n").collect();
    Lens::of_shape(&schema(&[]), "1", 7, Lines::of(&shape)).map_err(|incompatible| incompatible.reasons)
}

#[test]
fn what_was_added_is_left_out() {
    let lens = lens("table todos; id: id; list_id: id -> lists on_delete cascade; title: text").expect("an ancestor");
    assert_eq!((lens.version.as_str(), lens.fingerprint), ("1", 7));
    assert_eq!(lens.view("lists"), None, "a table that is new");
    let view = lens.view("todos").expect("known");
    assert!(view.is_narrow());
    let row = r#"{"id":"a","points":3,"title":"x, \"y\" {","note":null,"list_id":"b","slug":{"title":1}}"#;
    assert_eq!(view.project(row).expect("a row"), r#"{"id":"a","list_id":"b","title":"x, \"y\" {"}"#);
    assert_eq!(view.project("{}").expect("a row"), "{}");
    assert_eq!(view.project("[]").expect_err("no row").kind(), ErrorKind::Storage);
    let whole = Lens::whole(&schema(&[]));
    assert_eq!(whole.view("todos").expect("known").project(row).expect("a row"), row);
    assert_eq!(whole.view("drafts"), None, "never sent");
    assert_eq!(whole.differs(&lens), ["lists", "todos"]);
    assert_eq!(lens.differs(&lens), [""; 0]);
}

/// What a client of an earlier version can live with, and what it cannot.
#[test]
fn every_change_is_safe_or_a_reason() {
    let todos = "table todos; id: id; list_id: id -> lists on_delete cascade; title: text; note: text null; points: int \
                 default; slug: text null; unique(list_id, slug)";
    let lists = "table lists; id: id; name: text unique";
    let safe = [
        ("as it is", format!("{lists}; {todos}")),
        ("a table that never synced", format!("{todos}; table drafts local_only; id: id; gone: int")),
        ("it never synced, and is gone", format!("{todos}; table scratch local_only; id: id")),
        ("it never synced, and does now", format!("{todos}; table lists local_only; id: id; name: int")),
        ("was nullable, is not", todos.replace("title: text", "title: text null")),
        (
            "had a default, or has one now",
            todos.replace("title: text", "title: text default").replace("int default", "int"),
        ),
        ("unique is new", lists.replace(" unique", "")),
        ("the set is new", todos.replace("; unique(list_id, slug)", "")),
        ("another action", todos.replace(" on_delete cascade", "")),
        ("a reference that is new", todos.replace(" -> lists on_delete cascade", "")),
        ("a part of the set is unique", format!("{}; unique(id, name)", lists.replace(" unique", ""))),
        (
            "nullable and defaulted columns are new",
            todos.replace("; note: text null; points: int default; slug: text null; unique(list_id, slug)", ""),
        ),
    ];
    for (what, shape) in safe {
        assert_eq!(lens(&shape).map(|lens| lens.version), Ok("1".to_owned()), "{what}");
    }
    let unsafe_ = [
        (format!("{todos}; table tags; id: id"), "`tags`: table removed"),
        (format!("{todos}; table drafts; id: id"), "`drafts`: now `local_only`"),
        (format!("{todos}; table lists; id: id; name: text unique; color: text"), "`lists.color`: removed"),
        (todos.replace("points: int", "points: text"), "`todos.points`: text -> int"),
        (todos.replace("note: text null", "note: text"), "`todos.note`: not null -> nullable"),
        (todos.replace("-> lists", "-> users"), "`todos.list_id`: reference to `users` -> to `lists`"),
        (todos.replace("title: text", "title: text unique"), "`todos.title`: no longer `unique`"),
        (format!("{todos}; unique(list_id, title)"), "`todos`: unique(list_id, title) removed"),
        (
            "table todos; id: id; title: text; list_id: id -> lists; unique(title)".to_owned(),
            "`todos`: unique(title) removed",
        ),
        ("table lists; id: id".to_owned(), "`lists.name`: new, neither nullable nor with a default"),
    ];
    for (shape, reason) in unsafe_ {
        assert_eq!(lens(&shape), Err(vec![reason.to_owned()]), "{shape}");
    }
    let all = lens("table tags; id: id; table lists; id: id; name: int").expect_err("two reasons");
    assert_eq!(all, ["`tags`: table removed", "`lists.name`: int -> text"]);
}

#[test]
fn ancestors_are_what_stands_before_in_the_lock() {
    const fn version(version: &'static str, fingerprint: u64, shape: &'static str) -> LockedVersion {
        LockedVersion { version, fingerprint, shape }
    }
    static LOCKED: [LockedVersion; 5] = [
        version("1", 1, "table lists\nid: id\nname: int\n"),
        version("2", 2, "table lists\nid: id\nname: text\n"),
        version("3", 3, "table todos\nid: id\nlist_id: id\ntitle: text\n"),
        version("4", 4, "table lists\nid: id\nname: text\n"),
        version("5", 5, "table lists\nid: id\nname: text\n"),
    ];
    let found: Vec<_> = schema(&LOCKED)
        .ancestors()
        .into_iter()
        .map(|ancestor| match ancestor {
            Ok(lens) => (lens.version, true),
            Err(incompatible) => (incompatible.to_string(), false),
        })
        .collect();
    let refused = "version \"1\" is no compatible ancestor: `lists.name`: int -> text".to_owned();
    assert_eq!(found, [(refused, false), ("2".to_owned(), true), ("3".to_owned(), true)]);
    // A version that is not locked yet follows all of them.
    let next = SchemaDef { version: "6", ..schema(&LOCKED) };
    assert_eq!(next.ancestors().len(), 5);
}

/// A projected row is the row without some members, whatever its values hold.
#[test]
fn projecting_keeps_the_values_as_they_are() {
    let view = View { columns: vec!["b", "a"], narrow: true };
    for value in [json!(null), json!(1.5), json!("\u{1F600}\"\\"), json!({ "a": [1, { "b": 2 }] }), json!([])] {
        let row = json!({ "a": value, "x": value, "b": 1 }).to_string();
        let projected: Json = serde_json::from_str(&view.project(&row).expect("a row")).expect("JSON");
        assert_eq!(projected, json!({ "a": value, "b": 1 }));
    }
}
