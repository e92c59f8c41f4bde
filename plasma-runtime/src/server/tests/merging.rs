//! States of CRDT columns that another program writes: what the triggers make of them, against what [`CrdtKind::merge`]
//! says.

use crate::crdt::CrdtKind;
use crate::schema::{ColumnDef, TableDef};
use crate::server::tables::sqlite as tables;
use crate::server::triggers::{merge_sqlite, sqlite as triggers};
use crate::store::SqlConnection;
use crate::store::ddl::{Side, create_table, quote_text as literal};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Value};

pub(super) const KINDS: [(&str, CrdtKind); 4] = [
    ("likes", CrdtKind::GCounter),
    ("votes", CrdtKind::PnCounter),
    ("status", CrdtKind::Lww(&Kind::Text)),
    ("tags", CrdtKind::OrSet(&Kind::Text)),
];
pub(super) static NOTES: TableDef = TableDef::new(
    "notes",
    &[
        ColumnDef::new("id", Kind::Id),
        ColumnDef::new("title", Kind::Text),
        ColumnDef::new(KINDS[0].0, Kind::Crdt(KINDS[0].1)),
        ColumnDef::new(KINDS[1].0, Kind::Crdt(KINDS[1].1)),
        ColumnDef::new(KINDS[2].0, Kind::Crdt(KINDS[2].1)),
        ColumnDef::new(KINDS[3].0, Kind::Crdt(KINDS[3].1)),
    ],
);
pub(super) const ROW: &str = "00000000-0000-4000-8000-000000000001";

/// Numbers that look random, and are the same every time (Knuth's MMIX generator).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn replica(&mut self) -> String {
        // Digits and letters, so that an order of words would be another one.
        ["0000000000000009", "000000000000000a", "00000000000000f0"][self.below(3) as usize].to_owned()
    }

    /// Some of the texts that JSON spells in a way of its own.
    fn text(&mut self) -> String {
        let texts = ["a", "B", "é", "a\"b", "\\", "ab", "", "\u{1F600}", "a\nb", "{", "],["];
        serde_json::json!(texts[self.below(texts.len() as u64) as usize]).to_string()
    }

    fn slots(&mut self) -> String {
        let mut slots = std::collections::BTreeMap::new();
        for _ in 0..self.below(4) {
            slots.insert(self.replica(), [1, 9, 10, 9_007_199_254_740_991_u64][self.below(4) as usize]);
        }
        serde_json::to_string(&slots).expect("JSON")
    }

    /// A state of the kind, in canonical spelling.
    pub(super) fn state(&mut self, kind: CrdtKind) -> String {
        let state = match kind {
            CrdtKind::GCounter => self.slots(),
            CrdtKind::PnCounter => format!(r#"{{"p":{},"n":{}}}"#, self.slots(), self.slots()),
            CrdtKind::Lww(_) => {
                let ts = [0, 9, 10, 9_007_199_254_740_991_u64][self.below(4) as usize];
                format!(r#"{{"value":{},"ts":{ts},"replica":"{}"}}"#, self.text(), self.replica())
            }
            CrdtKind::OrSet(_) => {
                // Few tags, each always of the same element, so that two states share some.
                let (mut adds, mut dels) = (std::collections::BTreeMap::<String, Vec<String>>::new(), Vec::new());
                for number in [1_u64, 2, 9, 10, 11, u64::MAX] {
                    for replica in ["0000000000000009", "000000000000000a"] {
                        let tag = format!("\"{replica}:{number}\"");
                        let element = Numbers(number).text();
                        match self.below(4) {
                            0 => adds.entry(element).or_default().push(tag),
                            1 => dels.push(tag),
                            _ => {}
                        }
                    }
                }
                let adds: Vec<String> = adds.iter().map(|(el, tags)| format!("[{el},[{}]]", tags.join(","))).collect();
                format!(r#"{{"adds":[{}],"dels":[{}]}}"#, adds.join(","), dels.join(","))
            }
            #[allow(unreachable_patterns, reason = "a text is in none of the tables here")]
            other => panic!("{other}"),
        };
        kind.canonical(&state).expect("a state")
    }

    /// One state of each kind.
    pub(super) fn states(&mut self) -> Vec<String> {
        KINDS.iter().map(|(_, kind)| self.state(*kind)).collect()
    }
}

/// What another program writes.
pub(super) fn insert(states: &[String]) -> String {
    let states: Vec<String> = states.iter().map(|state| literal(state)).collect();
    format!("INSERT INTO notes VALUES ('{ROW}', 'before', {})", states.join(", "))
}

pub(super) fn update(title: &str, states: &[String]) -> String {
    let set: Vec<String> =
        KINDS.iter().zip(states).map(|((name, _), state)| format!("{name} = {}", literal(state))).collect();
    format!("UPDATE notes SET title = {}, {}", literal(title), set.join(", "))
}

pub(super) fn merged(old: &[String], new: &[String]) -> Vec<String> {
    let states = KINDS.iter().zip(old.iter().zip(new));
    states.map(|((_, kind), (old, new))| kind.merge(old, new).expect("states")).collect()
}

/// The image of the row in the log.
pub(super) fn image(title: &str, states: &[String]) -> String {
    let members: Vec<String> =
        KINDS.iter().zip(states).map(|((name, _), state)| format!(r#""{name}":{state}"#)).collect();
    format!(r#"{{"id":"{ROW}","title":"{title}",{}}}"#, members.join(","))
}

struct Db(SqliteConnection);

impl Db {
    fn new(states: &[String]) -> Self {
        let mut db = Db(SqliteConnection::in_memory().expect("opens"));
        for sql in [tables::CHANGES, tables::ORIGIN, triggers::REPLACED, merge_sqlite::MERGING] {
            db.run(sql);
        }
        db.run(&create_table(&NOTES, Side::Server));
        for (_, sql) in triggers::create(&NOTES) {
            db.run(&sql);
        }
        db.run(&insert(states));
        db.run("DELETE FROM _plasma_changes");
        db
    }

    #[track_caller]
    fn run(&mut self, sql: &str) {
        self.0.batch(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn row(&mut self) -> Vec<String> {
        let kinds = [Kind::Text; 4];
        let row = self.0.query("SELECT likes, votes, status, tags FROM notes", &[], &kinds).expect("reads").remove(0);
        row.iter().map(|value| value.as_text().expect("text").to_owned()).collect()
    }

    /// Op, prior and value of every entry.
    fn log(&mut self) -> Vec<(String, Option<String>, Option<String>)> {
        let sql = "SELECT op, prior, value FROM _plasma_changes ORDER BY row_version";
        let text = |value: &Value| value.as_text().map(str::to_owned);
        let rows = self.0.query(sql, &[], &[Kind::Text; 3]).expect("reads");
        rows.iter().map(|row| (text(&row[0]).expect("an op"), text(&row[1]), text(&row[2]))).collect()
    }
}

#[test]
fn a_state_that_another_program_writes_is_merged_on_sqlite() {
    for seed in 0..600 {
        let mut numbers = Numbers(seed);
        let (old, new) = (numbers.states(), numbers.states());
        let mut db = Db::new(&old);
        if seed % 2 == 0 {
            db.run("PRAGMA recursive_triggers = 1");
        }
        db.run(&update("after", &new));
        let expected = merged(&old, &new);
        assert_eq!(db.row(), expected, "seed {seed}: {old:?} and {new:?}");
        let put = ("put".to_owned(), Some(image("before", &old)), Some(image("after", &expected)));
        assert_eq!(db.log(), [put], "one entry, seed {seed}");
        assert_eq!(db.0.query("SELECT 1 FROM _plasma_merging", &[], &[Kind::Int]).expect("reads").len(), 0);
    }
}

#[test]
fn what_brings_nothing_new_changes_nothing() {
    let old = Numbers(3).states();
    let mut db = Db::new(&old);
    let nothing = [
        "{}",
        r#"{"p":{},"n":{}}"#,
        r#"{"value":"x","ts":0,"replica":"0000000000000000"}"#,
        r#"{"adds":[],"dels":[]}"#,
    ];
    db.run(&update("before", &nothing.map(str::to_owned)));
    assert_eq!(db.row(), old);
    assert_eq!(db.log(), []);
    // An upsert is an update.
    let upsert =
        insert(&nothing.map(str::to_owned)) + " ON CONFLICT (id) DO UPDATE SET likes = excluded.likes, title = 'up'";
    db.run(&upsert);
    assert_eq!((db.row(), db.log().len()), (old.clone(), 1));
    // What is no state is none to merge, and what is no JSON is refused as ever.
    db.run("UPDATE notes SET likes = '7'");
    assert_eq!(db.row()[0], "7");
    assert!(db.0.batch("UPDATE notes SET likes = 'seven'").is_err());
}

/// The engine has merged already: a removal leaves nothing behind by which it could be told from an older state.
#[test]
fn what_the_engine_writes_is_stored_as_it_is() {
    let mut numbers = Numbers(5);
    let (old, new) = (numbers.states(), numbers.states());
    let mut db = Db::new(&old);
    db.run("UPDATE _plasma_origin SET now = 5, mark = 7 WHERE id = 1");
    db.run(&update("after", &new));
    assert_eq!(db.row(), new);
    assert_eq!(db.log().len(), 1);
}
