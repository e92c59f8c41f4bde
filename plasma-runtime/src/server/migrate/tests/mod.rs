//! Two versions of a schema and databases between them.

mod cut;
mod ensure;
mod home;
mod matrix;
#[cfg(feature = "postgres")]
mod online;
mod pulls;
mod resume;

use self::home::Place;
use super::inspect::inspect;
use super::notes::{Notes, records};
use super::run::{Migrated, Run};
use super::shape::Shape;
use super::step::{Named, Step};
use super::{Class, SchemaDiff};
use crate::error::Result;
use crate::future::ready;
use crate::inputs::Entropy;
use crate::query::lower::Dialect;
use crate::schema::lock::entry;
use crate::schema::{ColumnDef, Definition, IndexDef, LockedVersion, OnDelete, SchemaDef, TableDef, fingerprint};
use crate::server::{ServerEngine, ServerOptions};
use crate::store::SqlExecutor;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Row, Value};

pub(super) const fn id(table: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new("id", Kind::Id);
    column.references = Some(table);
    column
}

pub(super) const fn null(name: &'static str, kind: Kind) -> ColumnDef {
    let mut column = ColumnDef::new(name, kind);
    column.nullable = true;
    column
}

pub(super) const fn reference(name: &'static str, table: &'static str, on_delete: OnDelete) -> ColumnDef {
    let mut column = null(name, Kind::Id);
    (column.references, column.on_delete) = (Some(table), on_delete);
    column
}

pub(super) fn table(name: &'static str, columns: &[ColumnDef]) -> TableDef {
    TableDef::new(name, Box::leak(columns.to_vec().into_boxed_slice())).open()
}

pub(super) fn index(table: TableDef, columns: &'static [&'static str]) -> TableDef {
    table.indexes(Box::leak(Box::new([IndexDef::new(columns)])))
}

pub(super) fn unique(table: TableDef, columns: &'static [&'static str]) -> TableDef {
    table.indexes(Box::leak(Box::new([IndexDef::unique(columns)])))
}

pub(super) fn engine(version: &'static str, tables: &[TableDef]) -> ServerEngine {
    engine_with(version, tables, ServerOptions::default())
}

pub(super) fn engine_with(version: &'static str, tables: &[TableDef], options: ServerOptions) -> ServerEngine {
    engine_after(version, tables, options, &[])
}

/// The version as `plasma.lock` has it.
pub(super) fn locked(engine: &ServerEngine) -> LockedVersion {
    let schema = &engine.definition.schema;
    let text = entry(schema);
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    let shape = Box::leak(lines.join("\n").into_boxed_str());
    LockedVersion { version: schema.version, fingerprint: schema.fingerprint, shape }
}

pub(super) fn engine_after(
    version: &'static str,
    tables: &[TableDef],
    options: ServerOptions,
    locked: &[LockedVersion],
) -> ServerEngine {
    let locked: &'static [LockedVersion] = Box::leak(locked.to_vec().into_boxed_slice());
    let tables: Vec<&'static TableDef> = tables.iter().map(|table| &*Box::leak(Box::new(*table))).collect();
    let tables: &'static [&'static TableDef] = Box::leak(tables.into_boxed_slice());
    let schema = SchemaDef { name: "App", version, fingerprint: fingerprint::schema(tables), tables, locked };
    let definition = Definition { schema, mutators: Vec::new(), policies: Vec::new() };
    ServerEngine::new(definition, options).unwrap()
}

/// Counts up.
#[derive(Debug, Default)]
pub(super) struct Counter(pub(super) u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 += 1;
            chunk.copy_from_slice(&self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..chunk.len()]);
        }
    }
}

pub(super) fn steps(steps: &[(&str, Step)]) -> Vec<Named> {
    steps.iter().map(|(name, step)| Named { name: (*name).to_owned(), step: step.clone() }).collect()
}

/// Runs a future to its end; one runtime for all connections of a test.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

pub(super) fn open(engine: &ServerEngine, db: &mut dyn SqlExecutor) -> Result<()> {
    wait(engine.ensure_schema(db, 1_000, &mut Counter::default()))
}

fn with_run<T>(
    engine: &ServerEngine,
    db: &mut dyn SqlExecutor,
    steps: &[Named],
    act: impl AsyncFnOnce(&mut Run<'_>) -> Result<T>,
) -> Result<T> {
    let mut run = Run {
        engine,
        db,
        steps,
        keeps_left_over: false,
        rehearsal: false,
        now_ms: 2_000,
        entropy: &mut Counter(1_000),
        pause: &mut || ready(()),
    };
    wait(act(&mut run))
}

pub(super) fn plan(engine: &ServerEngine, db: &mut dyn SqlExecutor, steps: &[Named]) -> Result<SchemaDiff> {
    with_run(engine, db, steps, async |run| run.plan().await)
}

pub(super) fn run(engine: &ServerEngine, db: &mut dyn SqlExecutor, steps: &[Named]) -> Result<Migrated> {
    with_run(engine, db, steps, async |run| run.run().await)
}

pub(super) fn rehearse(engine: &ServerEngine, db: &mut dyn SqlExecutor, steps: &[Named]) -> Result<Migrated> {
    with_run(engine, db, steps, async |run| {
        run.rehearsal = true;
        run.run().await
    })
}

pub(super) fn batch(db: &mut dyn SqlExecutor, sql: &str) {
    wait(db.batch(sql)).unwrap();
}

pub(super) fn rows(db: &mut dyn SqlExecutor, sql: &str, columns: usize) -> Vec<Row> {
    wait(db.query(sql, &[], &vec![Kind::Text; columns])).unwrap()
}

/// Text of a query of one column, a line for each row.
pub(super) fn texts(db: &mut dyn SqlExecutor, sql: &str) -> Vec<String> {
    rows(db, sql, 1).iter().map(|row| row[0].as_text().unwrap_or("NULL").to_owned()).collect()
}

/// What the database has, by what the database says: tables, indexes, triggers.
pub(super) fn anatomy(engine: &ServerEngine, db: &mut dyn SqlExecutor) -> (Shape, Vec<Row>) {
    let declared = Shape::declared(&engine.definition.schema, db.dialect());
    let mut shape = wait(inspect(db, &Shape::default(), &declared)).unwrap();
    shape.tables.values_mut().for_each(|table| table.checks.clear());
    #[cfg(feature = "postgres")]
    if db.dialect() == Dialect::Postgres {
        return (shape, anatomy_postgres(db));
    }
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema \
               WHERE type <> 'table' OR name LIKE '\\_plasma\\_%' ESCAPE '\\' ORDER BY 1, 2, 3";
    let mut rest = rows(db, sql, 4);
    rest.retain(|row| row[1] != Value::from("_plasma_migrations") && row[2] != Value::from("_plasma_migrations"));
    (shape, rest)
}

/// What Postgres has besides.
#[cfg(feature = "postgres")]
fn anatomy_postgres(db: &mut dyn SqlExecutor) -> Vec<Row> {
    const SQL: &str = "SELECT 'check', CAST(t.relname AS text), CAST(c.conname AS text), pg_get_constraintdef(c.oid) \
        FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid \
        WHERE c.connamespace = CAST(current_schema() AS regnamespace) AND c.contype IN ('c', 'f') \
        AND NOT starts_with(t.relname, '_plasma_') UNION ALL \
        SELECT 'index', CAST(tablename AS text), CAST(indexname AS text), replace(indexdef, current_schema() || '.', '') \
        FROM pg_indexes WHERE schemaname = current_schema() AND starts_with(indexname, '_plasma_') \
        AND NOT starts_with(tablename, '_plasma_') UNION ALL \
        SELECT 'trigger', CAST(t.relname AS text), CAST(g.tgname AS text), replace(pg_get_triggerdef(g.oid), current_schema() || '.', '') \
        FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid \
        WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND NOT g.tgisinternal UNION ALL \
        SELECT 'function', '', CAST(p.proname AS text), regexp_replace(replace(p.prosrc, quote_ident(current_schema()), ''), \
        'unit_[0-9a-f]+', 'unit', 'g') FROM pg_proc p WHERE p.pronamespace = CAST(current_schema() AS regnamespace) \
        AND (starts_with(p.proname, '_plasma_log_') OR starts_with(p.proname, '_plasma_truncate_')) \
        ORDER BY 1, 2, 3";
    rows(db, SQL, 4)
}

pub(super) fn sqlite() -> SqliteConnection {
    SqliteConnection::in_memory().unwrap()
}

pub(super) fn notes(db: &mut dyn SqlExecutor) -> Notes {
    wait(Notes::read(db)).unwrap()
}

/// Name and state of every step that is noted.
pub(super) fn states(db: &mut dyn SqlExecutor) -> Vec<(String, String)> {
    let known = wait(records(db)).unwrap();
    known.into_iter().map(|(name, record)| (name, record.state)).collect()
}

/// The same database as a file or memory would be after the engine made it.
pub(super) fn fresh(engine: &ServerEngine) -> SqliteConnection {
    let mut db = sqlite();
    open(engine, &mut db).unwrap();
    db
}

pub(super) fn classes(diff: &SchemaDiff) -> Vec<Class> {
    diff.changes.iter().map(|change| change.class).collect()
}

pub(super) fn uuid(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// Lists with todos: what most tests begin with.
pub(super) fn first() -> Vec<TableDef> {
    vec![
        table("lists", &[id("lists"), ColumnDef::new("name", Kind::Text), null("slug", Kind::Text).unique()]),
        table(
            "todos",
            &[
                id("todos"),
                reference("list_id", "lists", OnDelete::Cascade),
                ColumnDef::new("title", Kind::Text),
                ColumnDef::new("n", Kind::Int).default_value(|| Value::Int(7)),
                null("note", Kind::Text),
                ColumnDef::new("done", Kind::Bool).default_value(|| Value::Bool(false)),
            ],
        ),
    ]
}

/// A database of [`first`] with three lists and six todos.
pub(super) fn filled(db: &mut dyn SqlExecutor) {
    open(&engine("1", &first()), db).unwrap();
    for n in 1..=3 {
        batch(db, &format!("INSERT INTO lists (id, name, slug) VALUES ('{}', 'list {n}', 's{n}')", uuid(n)));
    }
    for n in 1..=6 {
        let note = if n % 2 == 0 { "NULL".to_owned() } else { format!("'note {n}'") };
        let (id, list) = (uuid(100 + n), uuid(n.div_ceil(2)));
        let values = format!("VALUES ('{id}', '{list}', 'Todo {n}', {n}, {note})");
        batch(db, &format!("INSERT INTO todos (id, list_id, title, n, note) {values}"));
    }
}
