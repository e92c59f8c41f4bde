//! A client engine over a file, without a network: pulls are answered with pages made by hand.

use std::path::Path;
use std::sync::Arc;

use plasma::Schema as _;
use plasma::schema::Table as _;
use plasma::value::{Row, Value, json};
use plasma_runtime::client::event::{Action, Event};
use plasma_runtime::client::{Engine, EngineOptions, Stats};
use plasma_runtime::inputs::Inputs;
use plasma_runtime::protocol::WireResponse;
use plasma_runtime::store::sqlite::{SqliteConnection, SqliteOptions};

use super::Numbers;
use super::schema::{Bench, Ctx, List, Todo};

/// Unix ms of every step.
pub const NOW: i64 = 1_790_000_000_000;

/// The n-th id.
pub fn id(n: usize) -> String {
    format!("0190a1b2-0000-7000-8000-{n:012x}")
}

/// The n-th todo; ten thousand lists' worth of ids are kept free for lists.
pub fn todo(n: usize) -> Row {
    vec![
        Value::Text(id(n)),
        Value::Text(list_id(n)),
        Value::Text(format!("Buy milk and bread, number {n}")),
        Value::Bool(false),
        Value::Null,
        Value::Int(NOW * 1_000 + n as i64),
    ]
}

/// A hundred neighbouring todos share a list.
pub fn list_id(n: usize) -> String {
    format!("0190a1b2-1111-7000-8000-{:012x}", n / 100)
}

/// The `put` of a todo.
pub fn put(row: &[Value]) -> String {
    let id = Todo::DEF.row_id(row);
    format!(r#"{{"op":"put","table":"todos","id":"{id}","value":{}}}"#, json::encode_row(Todo::DEF, row))
}

/// The `put` of the list of the n-th todo.
pub fn put_list(n: usize) -> String {
    let id = list_id(n);
    let row = [Value::Text(id.clone()), Value::Text("a list".to_owned()), Value::Text("alice".to_owned())];
    format!(r#"{{"op":"put","table":"lists","id":"{id}","value":{}}}"#, json::encode_row(List::DEF, &row))
}

/// A client and its store.
pub struct Local {
    pub engine: Engine,
    pub store: SqliteConnection,
    ctx: Ctx,
    entropy: Numbers,
    now: i64,
    /// The pull under way.
    asked: Option<u64>,
    pub client_id: String,
    pages: u64,
}

impl Local {
    /// Opens the store and starts the loop.
    pub fn open(path: &Path, seed: u64) -> Local {
        // As `SqliteStore` opens it.
        let options = SqliteOptions {
            foreign_keys: false,
            cache_kib: Some(16 << 10),
            checkpoint_pages: Some(4_000),
            ..SqliteOptions::default()
        };
        let mut store = SqliteConnection::open(path, options).expect("a store");
        let mut entropy = Numbers(seed);
        let options = EngineOptions {
            group: Some("alice".to_owned()),
            base_path: Some("/sync".to_owned()),
            ..EngineOptions::default()
        };
        let mut inputs = Inputs { now: NOW, entropy: &mut entropy };
        let (engine, _) =
            Engine::open(&mut store, Arc::new(Bench::definition()), options, &mut inputs).expect("an engine");
        let ctx = Ctx { user: "alice".to_owned() };
        let mut local =
            Local { engine, store, ctx, entropy, now: NOW, asked: None, client_id: String::new(), pages: seed };
        local.step(Event::Start);
        local
    }

    /// One step of the engine.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut inputs = Inputs { now: self.now, entropy: &mut self.entropy };
        let actions = self.engine.handle(&mut self.store, &self.ctx, event, &mut inputs).expect("a step");
        for action in &actions {
            match action {
                Action::Send { request, wire, .. } if wire.path.ends_with("/pull") => {
                    self.asked = Some(*request);
                    let client = wire.query.split('&').find_map(|pair| pair.strip_prefix("clientID="));
                    self.client_id = client.expect("a client id").to_owned();
                }
                Action::Report(error) => panic!("{error:?}"),
                _ => {}
            }
        }
        actions
    }

    /// A mutation, applied locally and queued. Its actions are dropped: nothing is sent.
    pub fn mutate(&mut self, name: &str, args: &str) -> plasma_runtime::client::Mutated {
        let mut inputs = Inputs { now: self.now, entropy: &mut self.entropy };
        self.engine.mutate(&mut self.store, &self.ctx, name, args, &mut inputs).expect("a mutation").0
    }

    /// Asks for a pull; the next [`answer`](Self::answer) answers it.
    pub fn ask(&mut self) {
        if self.asked.is_none() {
            self.now += 1;
            self.step(Event::PullNow);
        }
        assert!(self.asked.is_some(), "the engine pulls");
    }

    /// A page as the server's answer. `acknowledged` is the last mutation it covers, with its key.
    pub fn page(&mut self, patch: &[String], acknowledged: Option<(u64, String)>) -> WireResponse {
        self.pages += 1;
        let (ids, key) = match acknowledged {
            Some((id, key)) => (format!(r#"{{"{}":{id}}}"#, self.client_id), format!(r#","lastKey":"{key}""#)),
            None => ("{}".to_owned(), String::new()),
        };
        let body = format!(
            r#"{{"cookie":"c2:{}","hasMore":false,"partial":false,"patch":[{}],"lastMutationIDs":{ids}{key},"results":[]}}"#,
            self.pages,
            patch.join(","),
        );
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        WireResponse { status: 200, headers, body: body.into() }
    }

    /// Answers the pull under way.
    pub fn answer(&mut self, page: WireResponse) -> Vec<Action> {
        let request = self.asked.take().expect("a pull is under way");
        self.step(Event::Response { request, outcome: Ok(page) })
    }

    /// How pulls were applied so far.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }
}

/// Fills a store with so many todos and their lists, by one pull.
pub fn filled(path: &Path, todos: usize) -> Local {
    let mut local = Local::open(path, 1);
    let lists = (0..todos).step_by(100).map(put_list);
    let patch: Vec<String> = lists.chain((0..todos).map(|n| put(&todo(n)))).collect();
    local.ask();
    let page = local.page(&patch, None);
    local.answer(page);
    let rows: i64 =
        local.store.connection().query_row("SELECT count(*) FROM todos", [], |row| row.get(0)).expect("a count");
    assert_eq!(rows as usize, todos);
    local
}
