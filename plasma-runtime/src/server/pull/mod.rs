//! Consistent pulls: what a reader is sent so that it holds what it may see, page by page.
//!
//! One pull is one read transaction. It reads the log after the cookie's position once ([`log`]), judges the rows that
//! may have to be sent ([`candidates`], [`judge`]) with the tables as of the positions that matter ([`source`]), and ends
//! at the boundary of a unit. A reader that starts anew, and a table whose policy changed, is served by walking whole
//! tables ([`walk`]).

mod candidates;
mod judge;
mod ledger;
pub(super) mod log;
mod page;
mod policy;
mod set;
mod source;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

mod walk;

use std::collections::BTreeMap;

use self::log::{Head, Log};
use self::page::Page;
use self::policy::{Policies, TablePolicy};
use self::set::{Set, Sets, Stop};
use super::compaction::Horizon;
use super::{Caller, Refusal, ServerEngine, ServerError, ServerErrorKind};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::cookie::{AnyCookie, Mark, Position, Resume, Seen, Walk};
use crate::protocol::{PullRequest, PullResponse};
use crate::query::lower::Dialect;
use crate::schema::Lens;
use crate::store::SqlExecutor;
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

/// Log entries a difference may span. Beyond it stating everything anew is cheaper.
const DIFFERENCE_ENTRIES: usize = 50_000;

/// Log entries since the start of a snapshot that is being walked. Beyond it the walk begins anew: every page of it
/// reads them.
const WALK_ENTRIES: usize = 250_000;

/// A page, and whether it says anything.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The page.
    pub response: PullResponse,
    /// There is no operation and no entry of `lastMutationIDs`: a long poll may go on waiting. What the reader holds is
    /// the same at the page's cookie as at the one it asked with, so the wait may go on from either.
    pub empty: bool,
}

/// Why a pull has no page.
#[derive(Debug)]
pub(crate) enum PullFailure {
    /// The request is refused.
    Refused(Refusal),
    /// The server failed: no detail on the wire, all of it to the error hook.
    Failed(Error),
}

impl From<Error> for PullFailure {
    fn from(error: Error) -> Self {
        PullFailure::Failed(error)
    }
}

/// Ends a transaction that has only read. Nothing was written, so both ends do; and a failed end must not hide why the
/// read failed.
pub(in crate::server) async fn end_reading<T>(db: &mut dyn SqlExecutor, read: Result<T>) -> Result<T> {
    let end = db.execute(if read.is_ok() { "COMMIT" } else { "ROLLBACK" }, &[]).await;
    let read = read?;
    end?;
    Ok(read)
}

impl ServerEngine {
    /// Answers a pull with one page, in one read transaction of its own.
    ///
    /// The request's members other than the cookie are taken as checked. The time says only until when the start of a
    /// set of pages is held against compaction: positions are versions, never times.
    ///
    /// # Errors
    /// 400 `invalid-cookie`; 503 `unavailable` when the database fails, 500 `internal` when a policy does (the cause goes
    /// to `on_error`).
    pub async fn pull(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
    ) -> Result<Pulled, Refusal> {
        self.pull_page(db, now_ms, caller, request).await.map_err(|failure| match failure {
            PullFailure::Refused(refusal) => refusal,
            PullFailure::Failed(error) => {
                let refusal = match error.kind() {
                    // Of another schema since: a server that fits, or this one started again, answers.
                    ErrorKind::Storage | ErrorKind::Fault | ErrorKind::SchemaMismatch => Refusal::unavailable(),
                    _ => Refusal::internal(),
                };
                let mut report = ServerError::new(ServerErrorKind::Internal, error);
                (report.group, report.client_id) = (Some(caller.group.clone()), Some(request.client_id.clone()));
                self.options().hooks.report(&report);
                refusal
            }
        })
    }

    /// [`pull`](Self::pull), with the cause of a failure.
    pub(crate) async fn pull_page(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
    ) -> Result<Pulled, PullFailure> {
        let cookie = request.cookie.as_deref().map(AnyCookie::decode).transpose();
        let cookie = cookie.map_err(|e| PullFailure::Refused(Refusal::invalid_cookie(e.to_string())))?;
        self.sequence(db).await?;
        self.begin_reading(db).await?;
        let page = self.page(db, now_ms, caller, request, cookie).await;
        Ok(end_reading(db, page).await?)
    }

    /// Whether a pull with this cookie could say anything to this caller: a cheap test for long polls, wrong only on the
    /// safe side. Outside of a transaction.
    ///
    /// # Errors
    /// Those of the database; a cookie that cannot be read could always say something.
    pub async fn may_have_changes(
        &self,
        db: &mut dyn SqlExecutor,
        caller: &Caller,
        cookie: Option<&str>,
    ) -> Result<bool> {
        let Some(Ok(AnyCookie::Position(position))) = cookie.map(AnyCookie::decode) else { return Ok(true) };
        self.sequence(db).await?;
        let head = log::head(db).await?;
        let own = position.schema == Some(self.definition.schema.fingerprint);
        let caught_up = own && position.walk.is_none() && position.seen.first == position.at;
        if !caught_up || head.version < position.at {
            return Ok(true);
        }
        if head.version == position.at {
            return Ok(head.mark != position.mark);
        }
        // Entries after it may be gone.
        if position.at < Horizon::load(db).await?.bound {
            return Ok(true);
        }
        // Acknowledgements of other groups move the log and nothing else.
        let sql = match db.dialect() {
            Dialect::Sqlite => {
                "SELECT 1 FROM _plasma_changes \
                 WHERE row_version > ?1 AND (table_name <> '' OR client_group_id = ?2) LIMIT 1"
            }
            Dialect::Postgres => {
                "SELECT 1 FROM _plasma_commits c WHERE c.row_version > ?1 AND (c.client_group_id = ?2 \
                 OR EXISTS (SELECT FROM _plasma_changes e WHERE e.unit = c.unit)) LIMIT 1"
            }
        };
        let params = [log::to_value(position.at), Value::from(caller.group.as_str())];
        Ok(!db.query(sql, &params, &[Kind::Int]).await?.is_empty())
    }

    /// Begins the transaction of a pull: one snapshot for all it reads.
    pub(in crate::server) async fn begin_reading(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        let dialect = db.dialect();
        if dialect == Dialect::Sqlite {
            return db.execute(dialect.begin_reading(), &[]).await.map(drop);
        }
        // To a snapshot taken before it commits, a `TRUNCATE` or a rewrite of a table has emptied it already. So the
        // tables are taken before the snapshot is: such a statement has been, or waits. `_plasma_meta` comes first, as a
        // migration takes it first, too: it would wait for tables we have, and we for what it has.
        let tables = self.definition.schema.tables.iter().map(|table| quote(table.name));
        let tables: Vec<String> = std::iter::once("_plasma_meta".to_owned()).chain(tables).collect();
        let lock = format!("; LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "));
        // The walk has the database write rows as JSON: floats in full.
        db.batch(&format!("{}; SET LOCAL extra_float_digits = 1{lock}", dialect.begin_reading())).await
    }

    async fn page(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        caller: &Caller,
        request: &PullRequest,
        cookie: Option<AnyCookie>,
    ) -> Result<Pulled> {
        let head = log::head(db).await?;
        let Meta { horizon, key, epoch } = meta(db).await?;
        self.fits_at(db, epoch).await?;
        let lens = self.lenses().of(request.fingerprint.as_deref());
        let policies = Policies::bind(self, &*caller.ctx, key.as_bytes(), lens)?;
        let position = match cookie {
            Some(AnyCookie::Position(position)) if is_ours(db, &position, &horizon).await? => Some(position),
            _ => None,
        };
        // What the reader was served as; a version we do not know may have been served anything.
        let served = position.as_ref().and_then(|position| self.lenses().get(position.schema?));
        let unseen = served.map(|served| lens.differs(served));
        let position = match &unseen {
            None => None,
            // The pages before this one went to a reader that knew less.
            Some(unseen) if !unseen.is_empty() => position.filter(|position| position.walk.is_none()),
            Some(_) => position,
        };
        let unseen = unseen.unwrap_or_default();
        let (policies, horizon) = (&policies, &horizon);
        let context = Context { engine: self, caller, request, head, policies, lens, unseen, horizon, now_ms };
        let page = match position {
            Some(Position { walk: Some(walk), at, mark, seen, policies, .. }) => {
                context.go_on(db, walk, Cut { at, mark }, seen, policies).await?
            }
            Some(position) => context.next(db, position).await?,
            None => None,
        };
        match page {
            Some(page) => Ok(page),
            None => context.reset(db).await,
        }
    }
}

/// The end of a set: a position and the mark of its entry.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: u64,
    mark: Mark,
}

/// What is the same for every way to answer.
struct Context<'a> {
    engine: &'a ServerEngine,
    caller: &'a Caller,
    request: &'a PullRequest,
    head: Head,
    policies: &'a Policies,
    /// What the reader's version of the schema knows.
    lens: &'a Lens,
    /// The tables of which it knows more than when its cookie was made.
    unseen: Vec<String>,
    /// What is left of the log's past.
    horizon: &'a Horizon,
    now_ms: i64,
}

impl Context<'_> {
    fn empty_page(&self) -> Page {
        let limits = &self.engine.limits;
        let asked = self.request.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let operations = asked.unwrap_or(limits.page_operations).min(limits.max_page_operations);
        // Room for the members besides the patch.
        Page::new(operations, limits.page_bytes - limits.page_bytes / 64)
    }

    fn head_cut(&self) -> Cut {
        Cut { at: self.head.version, mark: self.head.mark }
    }

    fn seen(&self) -> Seen {
        Seen { first: self.head.version, last: self.head.version, mark: self.head.mark }
    }

    /// Everything anew: `clear`, then all tables as of the head.
    async fn reset(&self, db: &mut dyn SqlExecutor) -> Result<Pulled> {
        let log = Log::at_head(db, &self.engine.definition.schema, self.head).await?;
        let set = Set { from: None, to: self.head.version, restated: Vec::new(), start: None };
        let mut page = self.empty_page();
        let stop = Sets::new(&log, self.policies).run(db, &set, &mut page).await?;
        let digests = self.policies.digests.clone();
        let answer = self.answer(db, &set, self.head_cut(), self.seen(), digests, page, stop).await?;
        answer.ok_or_else(|| Error::internal("the cookie of a snapshot is longer than a cookie may be"))
    }

    /// The next page of an unfinished set. None: the set cannot go on.
    async fn go_on(
        &self,
        db: &mut dyn SqlExecutor,
        walk: Walk,
        cut: Cut,
        seen: Seen,
        digests: BTreeMap<String, String>,
    ) -> Result<Option<Pulled>> {
        let after = walk.from.map_or(cut.at, |from| from.at);
        // Compaction passed the start of the set, and a table that was not stated anew lost entries.
        if walk.from.is_some() && self.lacking(after).any(|table| !walk.restated.iter().any(|known| known == table)) {
            return Ok(None);
        }
        let limit = if walk.from.is_some() { DIFFERENCE_ENTRIES } else { WALK_ENTRIES };
        let Some(log) =
            Log::load(db, &self.engine.definition.schema, after, self.horizon.bound, self.head, limit).await?
        else {
            return Ok(None);
        };
        let start = Some(Stop { table: walk.table, after: walk.after });
        let set = Set { from: walk.from, to: cut.at, restated: walk.restated, start };
        let mut page = self.empty_page();
        let stop = Sets::new(&log, self.policies).run(db, &set, &mut page).await?;
        let digests = self.policies.void_changed(digests);
        let seen = seen.and(self.head.version, self.head.mark);
        self.answer(db, &set, cut, seen, digests, page, stop).await
    }

    /// The page after a finished one. None: a snapshot is cheaper.
    async fn next(&self, db: &mut dyn SqlExecutor, position: Position) -> Result<Option<Pulled>> {
        let schema = &self.engine.definition.schema;
        let Some(log) = Log::load(db, schema, position.at, self.horizon.bound, self.head, DIFFERENCE_ENTRIES).await?
        else {
            return Ok(None);
        };
        // Folded entries have no cuts between them: a difference that begins among them is one set, to the head.
        let folded = position.at < self.horizon.bound;
        let from = Resume { at: position.at, mark: position.mark, seen: position.seen };
        let mut restated = self.policies.changed(&position.policies);
        restated.extend(self.unseen.iter().cloned());
        restated.extend(self.lacking(position.at).map(str::to_owned));
        restated.sort_unstable();
        restated.dedup();
        let mut sets = Sets::new(&log, self.policies);
        let mut set = Set { from: Some(from), to: self.head.version, restated, start: None };
        let mut page = self.empty_page();
        let mut stop = sets.run(db, &set, &mut page).await?;
        let mut cut = self.head_cut();
        if stop.is_some() && set.restated.is_empty() && !folded {
            // It does not fit: end at the boundary of an earlier unit.
            (cut, page, stop) = self.earlier(db, &log, &mut sets, &mut set).await?;
        }
        let digests = self.policies.digests.clone();
        self.answer(db, &set, cut, self.seen(), digests, page, stop).await
    }

    /// The tables with a rule whose difference from this position cannot be told any more: entries of theirs went, or of
    /// tables their rules read.
    fn lacking(&self, after: u64) -> impl Iterator<Item = &'static str> {
        let lacks = move |table: &str| self.horizon.lacks(table, after);
        let lacking = move |policy: &&TablePolicy| {
            let rule = policy.rule.as_ref();
            rule.is_some_and(|rule| lacks(policy.table.name) || rule.analysis.deps.iter().any(|dep| lacks(dep)))
        };
        self.policies.tables.iter().filter(lacking).map(|policy| policy.table.name)
    }

    /// The largest part of the difference that fits, or nearly; the first unit as a partial set if even that does not.
    async fn earlier(
        &self,
        db: &mut dyn SqlExecutor,
        log: &Log,
        sets: &mut Sets<'_>,
        set: &mut Set,
    ) -> Result<(Cut, Page, Option<Stop>)> {
        // `fits` units are known to fit (with their page), `too_many` are known not to.
        let mut fits: Option<(usize, Page)> = None;
        let mut too_many = log.boundaries.len();
        // Most entries are an operation or none, so begin with as many entries as operations are allowed.
        let room = self.empty_page().room() as u64;
        let entries_until = |units: usize| log.entries_until(log.boundaries[units - 1]) as u64;
        let mut units = (1..too_many).rev().find(|units| entries_until(*units) <= room).unwrap_or(1);
        loop {
            let mut page = self.empty_page();
            set.to = log.boundaries[units - 1];
            let stop = sets.run(db, set, &mut page).await?;
            match (stop, units) {
                (None, _) => {
                    let good_enough = page.room() * 2 <= self.empty_page().room();
                    fits = Some((units, page));
                    if good_enough {
                        break;
                    }
                }
                (Some(stop), 1) => return Ok((log.cut(set.to), page, Some(stop))),
                (Some(_), _) => too_many = units,
            }
            let known = fits.as_ref().map_or(0, |(units, _)| *units);
            if known + 1 >= too_many {
                // Neighbours: the one fits, the other does not.
                break;
            }
            // Twice as far while nothing is known to be too much, then half way.
            units = (known * 2).max(1).min(known + (too_many - known).div_ceil(2)).max(known + 1).min(too_many - 1);
        }
        match fits {
            // Nothing to send until the unit that does not fit: begin with that one, and save the reader a page.
            Some((_, page)) if page.patch.is_empty() => {
                let mut page = self.empty_page();
                set.to = log.boundaries[too_many - 1];
                let stop = sets.run(db, set, &mut page).await?;
                Ok((log.cut(set.to), page, stop))
            }
            Some((units, page)) => {
                set.to = log.boundaries[units - 1];
                Ok((log.cut(set.to), page, None))
            }
            // One unit, and it did not fit: it was answered above.
            None => Err(Error::internal("a difference has neither a first unit nor an end")),
        }
    }

    /// The answer for a page of `set`. None: its cookie would be too long.
    #[expect(clippy::too_many_arguments, reason = "the parts of one answer, put together in one place")]
    async fn answer(
        &self,
        db: &mut dyn SqlExecutor,
        set: &Set,
        cut: Cut,
        seen: Seen,
        digests: BTreeMap<String, String>,
        page: Page,
        stop: Option<Stop>,
    ) -> Result<Option<Pulled>> {
        let partial = stop.is_some();
        let has_more = partial || cut.at < self.head.version || digests != self.policies.digests;
        if partial {
            // The log must stay as it is from the set's start on, until the reader has pulled the rest.
            let lease = self.engine.options().compaction.as_ref().map_or(0, |options| options.lease_ms);
            self.engine.leases.hold(set.from.map_or(cut.at, |from| from.at), self.now_ms.saturating_add(lease));
        }
        let walk = stop.map(|stop| Walk {
            from: set.from,
            restated: set.restated.clone(),
            table: stop.table,
            after: stop.after,
        });
        let schema = Some(self.lens.fingerprint);
        let position = Position { at: cut.at, mark: cut.mark, seen, schema, policies: digests, walk };
        let cookie = match position.encode() {
            Ok(cookie) => cookie,
            // Without the list of tables stated anew it is shorter: state all of them.
            Err(_) if set.from.is_some() => return Ok(None),
            Err(e) => return Err(Error::internal("a cookie cannot be written").with_source(e)),
        };
        let mut response = PullResponse {
            cookie,
            has_more,
            partial,
            patch: page.patch,
            last_mutation_ids: BTreeMap::new(),
            last_key: None,
            results: Vec::new(),
            image: None,
        };
        if !partial {
            let after = set.from.map(|from| from.at);
            let PullRequest { client_id, settled, .. } = self.request;
            let group = &self.caller.group;
            ledger::fill(db, group, client_id, settled.unwrap_or(0), after, cut.at, &mut response).await?;
        }
        let empty = response.patch.is_empty() && response.last_mutation_ids.is_empty() && !response.has_more;
        Ok(Some(Pulled { response, empty }))
    }
}

/// Entries at or below it may be gone.
#[cfg(feature = "http-server")]
pub(super) async fn compaction_bound(db: &mut dyn SqlExecutor) -> Result<u64> {
    Ok(Horizon::load(db).await?.bound)
}

/// The version of the log's head.
pub(super) async fn head(db: &mut dyn SqlExecutor) -> Result<u64> {
    Ok(log::head(db).await?.version)
}

struct Meta {
    /// What is left of the log's past.
    horizon: Horizon,
    /// The key of policy digests.
    key: String,
    /// How often the tables have been changed.
    epoch: i64,
}

async fn meta(db: &mut dyn SqlExecutor) -> Result<Meta> {
    const SQL: &str = "SELECT key, value FROM _plasma_meta \
        WHERE key IN ('compaction_bound', 'compaction_state', 'digest_key', 'schema_epoch')";
    let mut horizon = Horizon::default();
    let (mut digest_key, mut epoch) = (None, 0);
    for row in db.query(SQL, &[], &[Kind::Text, Kind::Text]).await? {
        match (row[0].as_text(), row[1].as_text()) {
            (Some("digest_key"), Some(text)) => digest_key = Some(text.to_owned()),
            (Some("schema_epoch"), Some(text)) => epoch = text.parse().unwrap_or_default(),
            (Some(key), Some(text)) => horizon.read(key, text)?,
            _ => {}
        }
    }
    let key = digest_key.ok_or_else(|| Error::internal("there is no digest key: was `ensure_schema` run?"))?;
    Ok(Meta { horizon, key, epoch })
}

/// Whether the position lies in this history and a reader there can be told what is new.
async fn is_ours(db: &mut dyn SqlExecutor, position: &Position, horizon: &Horizon) -> Result<bool> {
    let here = (position.at, position.mark);
    let from = position.walk.as_ref().and_then(|walk| walk.from);
    let first = from.map_or(here, |from| (from.at, from.mark));
    // The pages of a set show rows as of its end: from there on the log must be whole.
    if first.0 < horizon.floor || (position.walk.is_some() && position.at < horizon.bound) {
        return Ok(false);
    }
    let seen = (position.seen.last, position.seen.mark);
    let first_seen = from.map_or(seen, |from| (from.seen.last, from.seen.mark));
    let places = [here, seen, first, first_seen];
    let marks = log::marks(db, places.map(|(version, _)| version)).await?;
    Ok(places.iter().all(|(version, mark)| marks.get(version) == Some(mark)))
}
