//! A schema written by hand, mutators over it, a client without a network, and pages of a server that is not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::client::engine::{Engine, EngineOptions, Mutated};
use crate::client::event::{Action, Batch, Entropy, Event, Inputs, Progress, SendFailure};
use crate::client::rebase::Stats;
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::mutate::{Access, ErasedCtx, Executor, MutatorDef, TxMeta};
use crate::protocol::{WireRequest, WireResponse};
use crate::query::ir::{Change, Expr, Query, Select, Write};
use crate::schema::{ColumnDef, Definition, OnDelete, SchemaDef, TableDef, fingerprint};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Row, Value, json};

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef::new(name, kind)
}

const fn reference(name: &'static str, table: &'static str, on_delete: OnDelete) -> ColumnDef {
    ColumnDef { references: Some(table), on_delete, ..column(name, Kind::Id) }
}

pub(super) static LISTS: TableDef = TableDef::new("lists", &[column("id", Kind::Id), column("name", Kind::Text)]);
pub(super) static TODOS: TableDef = TableDef::new(
    "todos",
    &[
        column("id", Kind::Id),
        reference("list_id", "lists", OnDelete::Cascade),
        column("title", Kind::Text),
        ColumnDef { nullable: true, unique: true, ..column("slug", Kind::Text) },
        column("done", Kind::Bool),
    ],
);
pub(super) static DRAFTS: TableDef =
    TableDef { local_only: true, ..TableDef::new("drafts", &[column("id", Kind::Id), column("body", Kind::Text)]) };

pub(super) fn schema() -> SchemaDef {
    static TABLES: [&TableDef; 3] = [&LISTS, &TODOS, &DRAFTS];
    SchemaDef {
        name: "Test",
        version: "test-1",
        fingerprint: fingerprint::schema(&TABLES),
        tables: &TABLES,
        locked: &[],
    }
}

/// The same, with everything encrypted in the client's file that may be. The mutators need not know.
#[cfg(feature = "encryption")]
pub(super) fn sealed_schema() -> SchemaDef {
    static SEALED_LISTS: TableDef = TableDef::new("lists", &[column("id", Kind::Id), sealed("name", Kind::Text)]);
    static SEALED_TODOS: TableDef = TableDef::new(
        "todos",
        &[
            column("id", Kind::Id),
            reference("list_id", "lists", OnDelete::Cascade),
            sealed("title", Kind::Text),
            ColumnDef { nullable: true, unique: true, ..column("slug", Kind::Text) },
            sealed("done", Kind::Bool),
        ],
    );
    static SEALED_DRAFTS: TableDef =
        TableDef { local_only: true, ..TableDef::new("drafts", &[column("id", Kind::Id), sealed("body", Kind::Text)]) };
    const fn sealed(name: &'static str, kind: Kind) -> ColumnDef {
        ColumnDef { at_rest: true, ..column(name, kind) }
    }
    static TABLES: [&TableDef; 3] = [&SEALED_LISTS, &SEALED_TODOS, &SEALED_DRAFTS];
    SchemaDef { tables: &TABLES, ..schema() }
}

/// The settings of a client whose file is encrypted with this key.
#[cfg(feature = "encryption")]
pub(super) fn sealed_options(key: u8) -> EngineOptions {
    use crate::client::AtRestCipher;
    use crate::crypto::{Dek, KeyId};
    let cipher = AtRestCipher::new(Dek::from_bytes([key; 32]), KeyId::new(&format!("key {key}")).unwrap(), Seeded(7));
    EngineOptions { encryption: Some(Arc::new(cipher)), ..plain_options() }
}

/// The schema that goes with these settings.
pub(super) fn schema_for(options: &EngineOptions) -> SchemaDef {
    #[cfg(feature = "encryption")]
    if options.encryption.is_some() {
        return sealed_schema();
    }
    let _ = options;
    schema()
}

/// A UUID from a small number.
pub(super) fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

fn text(args: &Json, member: &str) -> Result<String> {
    args[member].as_str().map(str::to_owned).ok_or_else(|| Error::new(crate::ErrorKind::InvalidArgs, member.to_owned()))
}

fn by_id(table: &'static TableDef, id: &str) -> Query {
    Query::all(table).filter(equals(table, "id", id))
}

pub(super) fn equals(table: &'static TableDef, column: &'static str, value: &str) -> Expr {
    Expr::eq(Expr::column(table.name, column), Expr::Literal(value.into()))
}

fn set(column: &'static str, value: impl Into<Value>) -> Vec<Change> {
    vec![Change { column, value: Expr::Literal(value.into()) }]
}

type Step<'t> = BoxFuture<'t, Result<()>>;

async fn write(tx: &mut dyn Executor, write: Write) -> Result<u64> {
    tx.write(write, Access::Checked).await
}

macro_rules! mutator {
    ($name:ident, |$tx:ident, $meta:ident, $args:ident| $body:expr) => {
        fn $name<'t>($tx: &'t mut dyn Executor, $meta: &'t TxMeta, _: &'t ErasedCtx, args: &'t str) -> Step<'t> {
            Box::pin(async move {
                let $args: Json =
                    serde_json::from_str(args).map_err(|e| Error::new(crate::ErrorKind::InvalidArgs, e.to_string()))?;
                let _ = (&$args, &$meta);
                $body
            })
        }
    };
}

mutator!(list_add, |tx, meta, args| {
    write(tx, Write::Insert { table: &LISTS, row: vec![text(&args, "id")?.into(), text(&args, "name")?.into()] })
        .await?;
    Ok(())
});
mutator!(list_remove, |tx, meta, args| {
    write(tx, Write::Delete { table: &LISTS, id: text(&args, "id")? }).await?;
    Ok(())
});
mutator!(todo_add, |tx, meta, args| {
    let row = vec![
        text(&args, "id")?.into(),
        text(&args, "list")?.into(),
        text(&args, "title")?.into(),
        args["slug"].as_str().map_or(Value::Null, Value::from),
        false.into(),
    ];
    write(tx, Write::Insert { table: &TODOS, row }).await?;
    Ok(())
});
mutator!(todo_title, |tx, meta, args| {
    write(tx, Write::Update { table: &TODOS, id: text(&args, "id")?, changes: set("title", text(&args, "title")?) })
        .await?;
    Ok(())
});
mutator!(todo_slug, |tx, meta, args| {
    write(tx, Write::Update { table: &TODOS, id: text(&args, "id")?, changes: set("slug", text(&args, "slug")?) })
        .await?;
    Ok(())
});
mutator!(todo_remove, |tx, meta, args| {
    write(tx, Write::Delete { table: &TODOS, id: text(&args, "id")? }).await?;
    Ok(())
});
mutator!(todo_done_all, |tx, meta, args| {
    let filter = equals(&TODOS, "list_id", &text(&args, "list")?);
    write(tx, Write::UpdateWhere { table: &TODOS, filter, changes: set("done", true) }).await?;
    Ok(())
});
mutator!(todo_clear, |tx, meta, args| {
    let filter = equals(&TODOS, "list_id", &text(&args, "list")?)
        .and(Expr::eq(Expr::column("todos", "done"), Expr::Literal(true.into())));
    write(tx, Write::DeleteWhere { table: &TODOS, filter }).await?;
    Ok(())
});
// Writes the title of one todo into another: reads a row it does not write.
mutator!(todo_copy, |tx, meta, args| {
    let rows = tx.query(&by_id(&TODOS, &text(&args, "from")?)).await?;
    let title = rows.first().map_or("nothing".into(), |row| row[2].clone());
    let changes = vec![Change { column: "title", value: Expr::Literal(title) }];
    write(tx, Write::Update { table: &TODOS, id: text(&args, "to")?, changes }).await?;
    Ok(())
});
// Writes how many todos a list has into its name: reads by a condition.
mutator!(list_count, |tx, meta, args| {
    let list = text(&args, "list")?;
    let query = Query { select: Select::Count, ..Query::all(&TODOS).filter(equals(&TODOS, "list_id", &list)) };
    let count = tx.query(&query).await?[0][0].as_int().unwrap_or(-1);
    let filter = equals(&LISTS, "id", &list);
    write(tx, Write::UpdateWhere { table: &LISTS, filter, changes: set("name", format!("{count} todos")) }).await?;
    Ok(())
});
mutator!(draft_set, |tx, meta, args| {
    write(tx, Write::Insert { table: &DRAFTS, row: vec![text(&args, "id")?.into(), text(&args, "body")?.into()] })
        .await?;
    Ok(())
});
mutator!(mixed, |tx, meta, args| {
    let id = text(&args, "id")?;
    write(tx, Write::Insert { table: &DRAFTS, row: vec![id.clone().into(), "draft".into()] }).await?;
    write(tx, Write::Insert { table: &LISTS, row: vec![id.into(), "mixed".into()] }).await?;
    Ok(())
});
mutator!(nothing, |tx, meta, args| {
    let _ = tx;
    Ok(())
});
// Writes, then fails, when the list has that name.
mutator!(list_unless, |tx, meta, args| {
    let id = text(&args, "id")?;
    let rows = tx.query(&by_id(&LISTS, &id)).await?;
    write(tx, Write::UpdateWhere { table: &LISTS, filter: equals(&LISTS, "id", &id), changes: set("name", "touched") })
        .await?;
    if rows.first().is_some_and(|row| row[1].as_text() == args["name"].as_str()) {
        return Err(Error::rejected("named-so", "the list has that name"));
    }
    Ok(())
});
mutator!(panics, |tx, meta, args| {
    write(tx, Write::Insert { table: &LISTS, row: vec![id(999).into(), "x".into()] }).await?;
    panic!("mutator bug {}", args["n"])
});
mutator!(awaits, |tx, meta, args| {
    let _ = tx;
    std::future::pending::<()>().await;
    Ok(())
});
mutator!(new_list, |tx, meta, args| {
    let id = meta.next_id("lists", false).to_string();
    let name = format!("{} {:?}", meta.now().millis(), args["name"].as_str());
    write(tx, Write::Insert { table: &LISTS, row: vec![id.into(), name.into()] }).await?;
    Ok(())
});

pub(super) fn definition_of(schema: SchemaDef) -> Definition {
    let mutators = [
        ("list.add", list_add as crate::mutate::RunFn),
        ("list.remove", list_remove),
        ("list.count", list_count),
        ("list.unless", list_unless),
        ("list.new", new_list),
        ("todo.add", todo_add),
        ("todo.title", todo_title),
        ("todo.slug", todo_slug),
        ("todo.remove", todo_remove),
        ("todo.done_all", todo_done_all),
        ("todo.clear", todo_clear),
        ("todo.copy", todo_copy),
        ("draft.set", draft_set),
        ("mixed", mixed),
        ("nothing", nothing),
        ("panics", panics),
        ("awaits", awaits),
    ];
    let mut mutators: Vec<MutatorDef> = mutators
        .into_iter()
        .chain(super::upsert::MUTATORS)
        .map(|(name, run)| MutatorDef { name, aliases: &[], server_only: false, upgrade: None, run })
        .collect();
    mutators.push(MutatorDef { name: "audit", aliases: &[], server_only: true, upgrade: None, run: panics });
    Definition { schema, mutators, policies: Vec::new() }
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug, Clone)]
pub(super) struct Seeded(pub(super) u64);

impl Seeded {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// A request that went out.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) wire: WireRequest,
    pub(super) refresh_auth: bool,
}

impl Sent {
    pub(super) fn is_push(&self) -> bool {
        self.wire.path.ends_with("/push")
    }

    pub(super) fn body(&self) -> Json {
        serde_json::from_slice(&self.wire.body).unwrap()
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.body()["mutations"].as_array().unwrap().iter().map(|m| m["id"].as_u64().unwrap()).collect()
    }

    pub(super) fn param(&self, name: &str) -> Option<String> {
        let pair = self.wire.query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
        Some(pair.to_owned())
    }
}

/// A client with its store, a clock and everything it said.
pub(super) struct Client {
    pub(super) store: SqliteConnection,
    pub(super) engine: Engine,
    pub(super) now: i64,
    pub(super) entropy: Seeded,
    pub(super) sent: Vec<Sent>,
    pub(super) batches: Vec<Batch>,
    pub(super) reports: Vec<(String, String)>,
    pub(super) progress: Vec<(uuid::Uuid, String)>,
    pub(super) wake_at: Option<i64>,
    cookie: u64,
}

/// With `PLASMA_TEST_AT_REST` set, everything that may be is encrypted in the stores of all of these tests.
pub(super) fn options() -> EngineOptions {
    #[cfg(feature = "encryption")]
    if std::env::var_os("PLASMA_TEST_AT_REST").is_some() {
        return sealed_options(9);
    }
    plain_options()
}

pub(super) fn plain_options() -> EngineOptions {
    EngineOptions { group: Some("alice".into()), base_path: Some("/sync".into()), ..EngineOptions::default() }
}

impl Client {
    pub(super) fn new() -> Self {
        Self::with(options())
    }

    pub(super) fn with(options: EngineOptions) -> Self {
        Self::over(SqliteConnection::in_memory().unwrap(), options).unwrap()
    }

    pub(super) fn over(store: SqliteConnection, options: EngineOptions) -> Result<Self> {
        let schema = schema_for(&options);
        Self::over_schema(store, options, schema, 1)
    }

    pub(super) fn over_schema(
        mut store: SqliteConnection,
        options: EngineOptions,
        schema: SchemaDef,
        seed: u64,
    ) -> Result<Self> {
        let mut entropy = Seeded(seed);
        let now = 1_000_000;
        let definition = Arc::new(definition_of(schema));
        let (engine, actions) =
            Engine::open(&mut store, definition, options, &mut Inputs { now, entropy: &mut entropy })?;
        let mut client = Client {
            store,
            engine,
            now,
            entropy,
            sent: Vec::new(),
            batches: Vec::new(),
            reports: Vec::new(),
            progress: Vec::new(),
            wake_at: None,
            cookie: 0,
        };
        client.take(actions);
        Ok(client)
    }

    /// The process dies and starts again over the same store.
    pub(super) fn restart(self) -> Self {
        let seed = self.entropy.0 ^ 0xdead;
        let options = self.engine.options().clone();
        let schema = schema_for(&options);
        let mut client = Self::over_schema(self.store, options, schema, seed).unwrap();
        client.now = self.now;
        client.cookie = self.cookie;
        client
    }

    pub(super) fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Download { .. } => panic!("nobody takes images here"),
                Action::Send { request, wire, refresh_auth } => {
                    self.sent.push(Sent { number: request, wire, refresh_auth });
                }
                Action::WakeAt(at) => self.wake_at = Some(at),
                Action::Changed(batch) => self.batches.push(batch),
                Action::Progress { key, progress } => {
                    let text = match progress {
                        Progress::Durable => "durable".to_owned(),
                        Progress::Observed => "observed".to_owned(),
                        Progress::Acknowledged(Ok(())) => "ok".to_owned(),
                        Progress::Acknowledged(Err(error)) => error.code().to_owned(),
                    };
                    self.progress.push((key, text));
                }
                Action::Report(report) => {
                    self.reports.push((format!("{:?}", report.kind), report.error.code().to_owned()));
                }
                Action::StatusChanged | Action::OutcomesChanged => {}
            }
        }
    }

    pub(super) fn try_mutate(&mut self, name: &str, args: Json) -> Result<Mutated> {
        let mut inputs = Inputs { now: self.now, entropy: &mut self.entropy };
        let (mutated, actions) = self.engine.mutate(&mut self.store, &(), name, &args.to_string(), &mut inputs)?;
        self.take(actions);
        Ok(mutated)
    }

    pub(super) fn mutate(&mut self, name: &str, args: Json) -> Mutated {
        self.try_mutate(name, args).unwrap()
    }

    pub(super) fn event(&mut self, event: Event) {
        let mut inputs = Inputs { now: self.now, entropy: &mut self.entropy };
        let actions = self.engine.handle(&mut self.store, &(), event, &mut inputs).unwrap();
        self.take(actions);
    }

    pub(super) fn discard(&mut self, key: uuid::Uuid) -> Result<()> {
        let mut inputs = Inputs { now: self.now, entropy: &mut self.entropy };
        let actions = self.engine.discard(&mut self.store, &(), key, &mut inputs)?;
        self.take(actions);
        Ok(())
    }

    /// Lets time pass to the moment the engine asked for.
    pub(super) fn wait(&mut self) {
        self.now = self.wake_at.take().expect("the engine asked to be woken").max(self.now);
        self.event(Event::Tick);
    }

    pub(super) fn advance(&mut self, ms: i64) {
        self.now += ms;
        self.event(Event::Tick);
    }

    pub(super) fn answer(&mut self, request: &Sent, status: u16, body: Json) {
        self.answer_with(request, status, &[], body.to_string());
    }

    pub(super) fn answer_with(&mut self, request: &Sent, status: u16, headers: &[(&str, &str)], body: String) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let outcome = Ok(WireResponse { status, headers, body: Bytes::from(body) });
        self.event(Event::Response { request: request.number, outcome });
    }

    pub(super) fn fail(&mut self, request: &Sent) {
        let outcome = Err(SendFailure { message: "connection refused".into() });
        self.event(Event::Response { request: request.number, outcome });
    }

    /// The push that went out last and was not looked at yet.
    pub(super) fn take_push(&mut self) -> Sent {
        let at = self.sent.iter().rposition(Sent::is_push).expect("a push was sent");
        self.sent.remove(at)
    }

    pub(super) fn take_pull(&mut self) -> Sent {
        let at = self.sent.iter().rposition(|sent| !sent.is_push()).expect("a pull was sent");
        self.sent.remove(at)
    }

    /// Asks for a pull and answers it with one page.
    pub(super) fn pull(&mut self, patch: Vec<Json>, acknowledged: Option<u64>) {
        self.pull_with(patch, acknowledged, Vec::new());
    }

    pub(super) fn pull_with(&mut self, patch: Vec<Json>, acknowledged: Option<u64>, results: Vec<Json>) {
        let page = self.page(patch, acknowledged, results);
        let request = self.request_pull();
        self.answer(&request, 200, page);
    }

    pub(super) fn request_pull(&mut self) -> Sent {
        if !self.sent.iter().any(|sent| !sent.is_push()) {
            self.event(Event::PullNow);
        }
        self.take_pull()
    }

    pub(super) fn page(&mut self, patch: Vec<Json>, acknowledged: Option<u64>, results: Vec<Json>) -> Json {
        self.cookie += 1;
        let client = self.engine.client_id(&mut self.store).unwrap();
        let ids = acknowledged.map_or(json!({}), |last| json!({ client: last }));
        json!({
            "cookie": format!("c2:{}", self.cookie), "hasMore": false, "partial": false,
            "patch": patch, "lastMutationIDs": ids, "results": results,
        })
    }

    /// Pulls an empty base, so that later pages are differences.
    pub(super) fn begin(&mut self) {
        self.pull(vec![json!({ "op": "clear" })], None);
        self.batches.clear();
    }

    pub(super) fn stats(&self) -> Stats {
        self.engine.stats()
    }

    pub(super) fn rows(&mut self, table: &'static TableDef) -> Vec<Row> {
        let query = Query::all(table);
        crate::store::query::run(&mut self.store, &query).unwrap()
    }

    /// One column of a table, in order of id.
    pub(super) fn texts(&mut self, table: &'static TableDef, column: &str) -> Vec<String> {
        let index = table.column_index(column).unwrap();
        self.rows(table).into_iter().map(|row| row[index].as_text().unwrap_or("NULL").to_owned()).collect()
    }

    /// Everything visible, as one value.
    pub(super) fn visible(&mut self) -> BTreeMap<&'static str, Vec<Row>> {
        [&LISTS, &TODOS].into_iter().map(|table| (table.name, self.rows(table))).collect()
    }
}

pub(super) fn put(table: &'static TableDef, row: Row) -> Json {
    let value: Json = serde_json::from_str(&json::encode_row(table, &row)).unwrap();
    json!({ "op": "put", "table": table.name, "id": table.row_id(&row), "value": value })
}

pub(super) fn put_list(n: u32, name: &str) -> Json {
    put(&LISTS, vec![id(n).into(), name.into()])
}

pub(super) fn put_todo(n: u32, list: u32, title: &str, slug: Option<&str>) -> Json {
    let slug = slug.map_or(Value::Null, Value::from);
    put(&TODOS, vec![id(n).into(), id(list).into(), title.into(), slug, false.into()])
}

pub(super) fn del(table: &'static TableDef, n: u32) -> Json {
    json!({ "op": "del", "table": table.name, "id": id(n) })
}

/// The answer to a push in which everything was applied.
pub(super) fn applied(push: &Sent) -> Json {
    let ids = push.ids();
    let results: Vec<Json> = ids.iter().map(|id| json!({ "id": id, "status": "applied" })).collect();
    json!({ "ok": true, "lastMutationID": ids.last(), "results": results })
}
