//! Decoders under bytes from anybody: what a fuzzer calls, and what must hold whatever it gives.
//!
//! `fuzz/` (a crate outside the workspace) gives them to libFuzzer; the tests here replay its corpora, and mutate them from
//! a seed, so that every run of the tests is a short run of the fuzzer on any compiler.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use crate::client::event::{Action, Event};
use crate::client::{Engine, EngineOptions};
use crate::crdt::CrdtKind;
use crate::inputs::Inputs;
use crate::protocol::cookie::{AnyCookie, Cookie, Position};
use crate::protocol::{Limits, WireResponse};
use crate::schema::{ColumnDef, Definition, SchemaDef, TableDef, fingerprint};
use crate::server::handler::check;
use crate::server::{Caller, Lenses};
use crate::sim::Rng;
use crate::store::SqlConnection as _;
use crate::store::ddl::quote;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Envelope, EnvelopeLimits, Kind, json};

/// A decoder: it panics when something does not hold.
pub type Target = fn(&[u8]);

/// All of them by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("cookie", cookie),
    ("push", push),
    ("pull", pull),
    ("answer", answer),
    ("row", row),
    ("envelope", envelope),
    ("crdt", crdt),
    ("identifier", identifier),
];

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef::new(name, kind)
}

const fn nullable(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..column(name, kind) }
}

/// A column of every kind.
static EVERYTHING: TableDef = TableDef::new(
    "everything",
    &[
        column("id", Kind::Id),
        column("text", Kind::Text),
        nullable("int", Kind::Int),
        nullable("big", Kind::BigInt),
        nullable("float", Kind::Float),
        nullable("bool", Kind::Bool),
        nullable("blob", Kind::Blob),
        nullable("json", Kind::Json),
        nullable("date", Kind::Date),
        nullable("fixed", Kind::Fixed(2)),
        nullable("at", Kind::Timestamp),
        nullable("sealed", Kind::Sealed),
        column("likes", Kind::Crdt(CrdtKind::GCounter)),
        column("tags", Kind::Crdt(CrdtKind::OrSet(&Kind::Text))),
    ],
);

fn schema() -> SchemaDef {
    static TABLES: [&TableDef; 1] = [&EVERYTHING];
    SchemaDef {
        name: "Fuzz",
        version: "fuzz-1",
        fingerprint: fingerprint::schema(&TABLES),
        tables: &TABLES,
        locked: &[],
    }
}

fn caller() -> Caller {
    Caller { group: "alice".to_owned(), ctx: Arc::new(()) }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// What is read as a cookie is what is written for it, byte for byte.
pub fn cookie(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(position) = Position::decode(text) {
        assert_eq!(position.encode().expect("what was read can be written"), text);
    }
    if let Ok(cookie) = Cookie::decode(text) {
        assert_eq!(cookie.encode().expect("what was read can be written"), text);
    }
    // Either is none or one of the two.
    let _ = AnyCookie::decode(text);
}

/// The body of a push is taken or refused with a status of its own.
pub fn push(data: &[u8]) {
    let limits = Limits::default();
    match check::push(data, &limits, &Lenses::new(&schema()), &caller()) {
        Ok(push) => assert!(push.mutations.len() <= limits.mutations_per_push),
        Err(refusal) => assert!((400..500).contains(&refusal.status), "{refusal:?}"),
    }
}

/// So is the query of a pull.
pub fn pull(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Err(refusal) = check::pull(text, &Limits::default(), &Lenses::new(&schema()), &caller()) {
        assert!((400..500).contains(&refusal.status), "{refusal:?}");
    }
}

/// Whatever answers a client's pull, its store stays whole and its loop goes on. The first byte chooses the status.
pub fn answer(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let status = [200, 200, 200, 200, 400, 401, 403, 404, 409, 413, 426, 429, 500, 503][usize::from(*first) % 14];
    let definition = Definition { schema: schema(), mutators: Vec::new(), policies: Vec::new() };
    let options = EngineOptions {
        group: Some("alice".to_owned()),
        base_path: Some("/sync".to_owned()),
        ..EngineOptions::default()
    };
    let mut store = SqliteConnection::in_memory().expect("a store");
    let mut entropy = Rng::new(1);
    let mut inputs = Inputs { now: 1_000_000, entropy: &mut entropy };
    let (mut engine, _) = Engine::open(&mut store, Arc::new(definition), options, &mut inputs).expect("it opens");
    let mut event = |engine: &mut Engine, event: Event, now: i64| {
        let mut inputs = Inputs { now, entropy: &mut entropy };
        let actions = engine.handle(&mut store, &(), event, &mut inputs).expect("the engine is not closed");
        let damage = store.query("PRAGMA quick_check", &[], &[Kind::Text]).expect("a check");
        assert_eq!(damage[0][0].as_text(), Some("ok"));
        assert!(!store.in_transaction(), "a transaction is open after a step");
        actions
    };
    let mut now = 1_000_000;
    let mut actions = event(&mut engine, Event::Start, now);
    for _ in 0..2 {
        let Some(request) = actions.iter().find_map(|action| match action {
            Action::Send { request, .. } => Some(*request),
            _ => None,
        }) else {
            return;
        };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let outcome = Ok(WireResponse { status, headers, body: Bytes::copy_from_slice(body) });
        let mut next = event(&mut engine, Event::Response { request, outcome }, now);
        now += 120_000;
        next.extend(event(&mut engine, Event::Tick, now));
        actions = next;
    }
}

/// A row that is read is written as one that is read as the same, and stored and read again by SQLite.
pub fn row(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(row) = json::decode_row(&EVERYTHING, text) else { return };
    let written = json::encode_row(&EVERYTHING, &row);
    let again = json::decode_row(&EVERYTHING, &written).expect("what was written is read");
    assert_eq!(again, row);
    assert_eq!(json::encode_row(&EVERYTHING, &again), written);
}

/// An envelope is read in its canonical spelling only.
pub fn envelope(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(envelope) = Envelope::from_json(text) {
        assert_eq!(envelope.to_json(), text);
    }
    let limits = EnvelopeLimits::default();
    let _ = (limits.validate_json(text), limits.validate_pq_json(text));
}

/// States merge to one state whatever the order, and are written in one way. A line feed stands between two states.
pub fn crdt(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let Some(text) = text(rest) else { return };
    let kinds = [
        CrdtKind::GCounter,
        CrdtKind::PnCounter,
        CrdtKind::Lww(&Kind::Text),
        CrdtKind::Lww(&Kind::Sealed),
        CrdtKind::OrSet(&Kind::Text),
        CrdtKind::OrSet(&Kind::BigInt),
    ];
    let kind = kinds[usize::from(*kind) % kinds.len()];
    let (a, b) = text.split_once('\n').unwrap_or((text, text));
    let (Ok(left), Ok(right)) = (kind.canonical(a), kind.canonical(b)) else { return };
    assert!(kind.is_canonical(&left) && kind.is_canonical(&right));
    // Two states that no history can lead to may be refused together, but not in one order only.
    match (kind.merge(&left, &right), kind.merge(&right, &left)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            assert!(kind.is_canonical(&one));
            assert_eq!(kind.merge(&one, &left).expect("states"), one);
            assert_eq!(kind.merge(&one, &one).expect("a state"), one);
        }
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{one:?} and {other:?}"),
    }
}

/// A quoted name is that name to SQLite, whatever is in it.
pub fn identifier(data: &[u8]) {
    let Some(name) = text(data).filter(|name| !name.is_empty() && !name.contains('\0')) else { return };
    // SQLite keeps these for itself.
    if name.to_ascii_lowercase().starts_with("sqlite_") {
        return;
    }
    let mut store = SqliteConnection::in_memory().expect("a store");
    store.batch(&format!("CREATE TABLE {} ({} TEXT)", quote(name), quote(name))).expect("a table");
    let sql = "SELECT s.name, c.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS c";
    let rows = store.query(sql, &[], &[Kind::Text, Kind::Text]).expect("names");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0][0].as_text(), rows[0][1].as_text()), (Some(name), Some(name)));
}
