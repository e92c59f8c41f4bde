//! A server database that plain SQL writes to, and readers that pull from it and are checked page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::database::Database;
use super::model::{History, State};
use super::schema::{self, Ctx};
use crate::inputs::Entropy;
use crate::protocol::cookie::Position;
use crate::protocol::{PatchOp, PullRequest, PullResponse};
use crate::query::lower::Dialect;
use crate::server::{Caller, Pulled, Refusal, ServerEngine, ServerOptions};
use crate::value::{Kind, json};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
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

    pub(super) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.next() as u8);
    }
}

/// The id of a row named by a letter and a number.
pub(super) fn id(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0>8}-0000-4000-8000-000000000000")
}

pub(super) struct World {
    pub(super) engine: ServerEngine,
    pub(super) db: Database,
    pub(super) history: History,
    pub(super) random: Random,
    /// Of the last compaction.
    pub(super) bound: u64,
    pub(super) floor: u64,
}

/// Who writes a unit: a mutation of a client of a group, or another program.
pub(super) type Writer<'a> = Option<(&'a str, &'a str)>;

impl World {
    pub(super) fn new() -> Self {
        Self::with(ServerOptions::default(), 1)
    }

    pub(super) fn with(options: ServerOptions, seed: u64) -> Self {
        let engine = ServerEngine::new(schema::definition(), options).unwrap();
        let mut random = Random(seed);
        let db = Database::new(&engine, &mut random);
        let mut world = World { engine, db, history: History::default(), random, bound: 0, floor: 0 };
        let (head, state) = (world.head(), world.read());
        let unit = world.history.open_unit(true);
        world.history.note(head, unit, state);
        world
    }

    pub(super) fn head(&mut self) -> u64 {
        let sql = match self.db.dialect() {
            Dialect::Sqlite => "SELECT max(row_version) FROM _plasma_changes",
            Dialect::Postgres => "SELECT max(row_version) FROM _plasma_commits",
        };
        let rows = self.db.query(sql, &[Kind::BigInt]);
        rows[0][0].as_int().unwrap() as u64
    }

    /// The tables, as they are.
    pub(super) fn read(&mut self) -> State {
        let mut state = State::default();
        for table in self.engine.definition().schema.tables {
            let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
            let sql = format!("SELECT {} FROM {}", columns.join(", "), table.name);
            for row in self.db.query(&sql, &kinds) {
                let wire = serde_json::from_str(&json::encode_row(table, &row)).unwrap();
                state.0.entry(table.name).or_default().insert(table.row_id(&row).to_owned(), wire);
            }
        }
        state
    }

    /// What everybody may see of them: the open table.
    pub(super) fn read_sent(&mut self) -> State {
        let mut state = self.read();
        state.0.retain(|table, _| *table == "notes");
        state
    }

    /// One unit of its own: a mutation of a client nobody reads as.
    pub(super) fn unit(&mut self, statements: &[&str]) {
        let statements: Vec<String> = statements.iter().map(|sql| expand(sql)).collect();
        let steps = self.history.boundaries().len();
        self.write(Some(("writers", "writer")), &statements);
        assert!(self.history.boundaries().len() > steps);
    }

    pub(super) fn pull(&mut self, ctx: &Ctx, client: &str, cookie: Option<&str>, limit: u64) -> Pulled {
        let caller = Caller { group: ctx.user.clone(), ctx: Arc::new(ctx.clone()) };
        let request = request(&ctx.user, client, cookie, limit);
        self.ask(&caller, &request).unwrap()
    }

    pub(super) fn ask(&mut self, caller: &Caller, request: &PullRequest) -> Result<Pulled, Refusal> {
        let pulled = self.db.run(|db| Box::pin(self.engine.pull(db, 0, caller, request)));
        assert!(!self.db.in_transaction());
        pulled
    }
}

/// `{L}` in a statement stands for the id of the row named `L`.
fn expand(sql: &str) -> String {
    let mut parts = sql.split('{');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a closing brace");
        expanded.push_str(&format!("'{}'{rest}", id(name)));
    }
    expanded
}

pub(super) fn key(client: &str, mutation: u64) -> String {
    format!("key-{client}-{mutation}")
}

pub(super) fn request(group: &str, client: &str, cookie: Option<&str>, limit: u64) -> PullRequest {
    PullRequest {
        protocol_version: 1,
        schema_version: "1".to_owned(),
        fingerprint: None,
        client_group_id: group.to_owned(),
        client_id: client.to_owned(),
        cookie: cookie.map(str::to_owned),
        limit: Some(limit),
        settled: None,
        wait: None,
    }
}

pub(super) fn user(name: &str) -> Ctx {
    Ctx { user: name.to_owned(), admin: false, token: 0 }
}

/// A client: what it holds, and what it staged.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) ctx: Ctx,
    pub(super) client: String,
    pub(super) cookie: Option<String>,
    pub(super) held: State,
    staged: Vec<PatchOp>,
    /// The cookie of the last finished set.
    pub(super) base: Option<String>,
    pub(super) last_ids: BTreeMap<String, u64>,
    /// Ids that were ever put to it.
    known: BTreeSet<(String, String)>,
}

impl Reader {
    pub(super) fn new(ctx: Ctx) -> Self {
        Reader {
            client: format!("client-{}", ctx.user),
            ctx,
            cookie: None,
            held: State::default(),
            staged: Vec::new(),
            base: None,
            last_ids: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// Pulls one page and checks it.
    pub(super) fn pull(&mut self, world: &mut World, limit: u64) -> PullResponse {
        let pulled = world.pull(&self.ctx, &self.client, self.cookie.as_deref(), limit);
        self.check_page(world, &pulled, limit);
        self.take(pulled.response.clone());
        if !pulled.response.partial {
            let position = Position::decode(&pulled.response.cookie).unwrap();
            // Pages made under different policies are replaced by the very next ones.
            if position.policies.values().all(|digest| !digest.is_empty()) {
                world.history.check_held(&self.ctx, &position, &self.held);
            }
            self.check_ids(world, &position);
        }
        pulled.response
    }

    /// Applies a page, as a client does.
    pub(super) fn take(&mut self, page: PullResponse) {
        self.cookie = Some(page.cookie.clone());
        for op in &page.patch {
            if let PatchOp::Put { table, id, .. } = op {
                self.known.insert((table.clone(), id.clone()));
            }
        }
        self.staged.extend(page.patch);
        if page.partial {
            return;
        }
        for op in std::mem::take(&mut self.staged) {
            let name = |table: &str| *super::model::SENT.iter().find(|name| **name == table).expect("a sent table");
            match op {
                PatchOp::Clear { table: None } => self.held.0.clear(),
                PatchOp::Clear { table: Some(table) } => {
                    self.held.0.remove(table.as_str());
                }
                PatchOp::Put { table, id, value } => {
                    let row: Json = serde_json::from_str(value.get()).unwrap();
                    assert_eq!(row["id"], *id);
                    self.held.0.entry(name(&table)).or_default().insert(id, row);
                }
                PatchOp::Del { table, id } => {
                    if let Some(rows) = self.held.0.get_mut(table.as_str()) {
                        rows.remove(&id);
                    }
                }
            }
        }
        self.held.0.retain(|_, rows| !rows.is_empty());
        self.base = self.cookie.clone();
        self.last_ids.extend(page.last_mutation_ids);
    }

    /// Pulls until there is no more, without anybody writing.
    pub(super) fn catch_up(&mut self, world: &mut World, limit: u64) -> Vec<PullResponse> {
        let mut pages = Vec::new();
        loop {
            let page = self.pull(world, limit);
            let more = page.has_more;
            pages.push(page);
            assert!(pages.len() < 10_000, "it never ends");
            if !more {
                break;
            }
        }
        let head = world.head();
        assert_eq!(self.held, world.history.held(&self.ctx, head, head));
        pages
    }

    /// What must hold for every page, also a partial one.
    fn check_page(&self, world: &mut World, pulled: &Pulled, limit: u64) {
        let page = &pulled.response;
        let head = world.head();
        let position = Position::decode(&page.cookie).unwrap();
        assert_eq!(position.walk.is_some(), page.partial);
        assert!(page.patch.len() as u64 <= limit.max(1), "more operations than asked for");
        assert!(!page.partial || (page.has_more && page.last_mutation_ids.is_empty() && page.results.is_empty()));
        assert!(!page.partial || !page.patch.is_empty(), "a page without progress");
        assert_eq!(position.seen.last, head);
        assert!(page.has_more || position.at == head);
        let boundaries = world.history.boundaries();
        assert!(
            boundaries.contains(&position.at) || self.heads_seen(&position),
            "the page ends at {} inside of a unit {boundaries:?}: {:?} after {:?}",
            position.at,
            position,
            self.cookie.as_deref().map(Position::decode)
        );
        let before = self.cookie.as_deref().map(|cookie| Position::decode(cookie).unwrap());
        if let Some(before) = &before {
            assert!(position.at >= before.at, "the cookie went back");
        }
        let base = self.base.as_deref().map(|cookie| Position::decode(cookie).unwrap());
        let reset = self.staged.iter().chain(&page.patch).any(|op| matches!(op, PatchOp::Clear { table: None }));
        for op in &page.patch {
            match op {
                PatchOp::Put { table, id, value } => {
                    let table = *super::model::SENT.iter().find(|name| *name == table).expect("a table that is sent");
                    let state = world.history.state(position.at);
                    let row: Json = serde_json::from_str(value.get()).unwrap();
                    assert_eq!(state.get(table, id), Some(&row), "{table} {id} is not as of {}", position.at);
                    assert!(state.shows(&self.ctx, table, &row), "{table} {id} was not visible as of {}", position.at);
                    assert!(
                        world.history.readable(&self.ctx, table, id, head),
                        "{table} {id} is not readable by {:?} at {head}, {position:?}",
                        self.ctx
                    );
                    let exact = base.as_ref().is_some_and(|base| base.seen.first == base.seen.last);
                    let restated = self
                        .staged
                        .iter()
                        .chain(&page.patch)
                        .any(|op| matches!(op, PatchOp::Clear { table: Some(cleared) } if cleared == table));
                    // A policy changed in the middle of the set: it is stated anew right after.
                    let void = position.policies.values().any(String::is_empty);
                    let folded = table == "notes" && base.as_ref().is_some_and(|base| base.at < world.bound);
                    if exact && !reset && !restated && !void && !folded {
                        assert_ne!(self.held.get(table, id), Some(&row), "{table} {id} was held already");
                    }
                }
                PatchOp::Del { table, id } => {
                    let base = base.as_ref().expect("something was held");
                    let known = self.known.contains(&(table.clone(), id.clone()));
                    // What an open table had before it was folded nobody knows.
                    if table == "notes" && base.at < world.bound {
                        continue;
                    }
                    let exact = base.seen.first == base.seen.last;
                    let was_visible = || {
                        let state = world.history.state(base.at);
                        state.get(table, id).is_some_and(|row| state.shows(&self.ctx, table, row))
                    };
                    assert!(known || (!exact && was_visible()), "the id of {table} {id} leaks");
                    if exact && position.policies.values().all(|digest| !digest.is_empty()) {
                        assert!(self.held.get(table, id).is_some(), "{table} {id} was not held");
                    }
                }
                PatchOp::Clear { .. } => {}
            }
        }
    }

    /// A raw unit may have grown since a page ended where it ended then.
    fn heads_seen(&self, position: &Position) -> bool {
        let ends_at = |cookie: &Option<String>| {
            cookie.as_deref().is_some_and(|cookie| Position::decode(cookie).unwrap().at == position.at)
        };
        ends_at(&self.cookie) || ends_at(&self.base)
    }

    /// The acknowledgements it knows are those of the cut.
    fn check_ids(&self, world: &World, position: &Position) {
        let mut expected = BTreeMap::new();
        for (client, acks) in &world.history.acks {
            let last = acks.iter().rev().find(|(_, version)| *version <= position.at);
            if let Some((id, _)) = last.filter(|_| world.history.groups[client] == self.ctx.user) {
                expected.insert(client.clone(), *id);
            }
        }
        assert_eq!(self.last_ids, expected, "at {position:?}");
    }
}
