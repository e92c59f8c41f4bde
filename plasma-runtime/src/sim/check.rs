//! The invariants that are checked while a run goes on: at every answer, and at every page a client takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::message::{Ghost, is_pull, page, parameter};
use super::node::{NodeId, base_rows, difference};
use super::server::ServerId;
use super::workload::{Rows, Tables, synced_rows};
use super::{Rare, Rng, Violation, World};
use crate::client::{Engine, OutcomeStatus};
use crate::error::Result;
use crate::inputs::Inputs;
use crate::protocol::cookie::Position;
use crate::protocol::{MutationStatus, PatchOp, PullResponse, PushResponse, WireError, WireRequest, WireResponse};
use crate::store::sqlite::SqliteConnection;

impl World {
    /// Looks at an answer as it leaves the server.
    pub(super) fn observe_answer(
        &mut self,
        server: ServerId,
        id: NodeId,
        wire: &WireRequest,
        response: &WireResponse,
        head: u64,
    ) -> Result<()> {
        if !is_pull(wire) {
            self.observe_push(id, response);
            return Ok(());
        }
        let Some(page) = page(response) else {
            if let Ok(error) = serde_json::from_slice::<WireError>(&response.body) {
                self.note(format_args!("pull of client {id} is refused: {}", error.error));
            }
            return Ok(());
        };
        let ops: Vec<_> = page
            .patch
            .iter()
            .map(|op| match op {
                PatchOp::Clear { table } => format!("clear {}", table.as_deref().unwrap_or("all")),
                PatchOp::Put { table, id, .. } => format!("put {table} {}", tail(id)),
                PatchOp::Del { table, id } => format!("del {table} {}", tail(id)),
            })
            .collect();
        let position = |cookie: &str| Position::decode(cookie).map_or(0, |position| position.at);
        let asked_at = parameter(&wire.query, "cookie").as_deref().map(position);
        self.note(format_args!(
            "pull of client {id} from {asked_at:?} is answered to {}{}{} {:?} {ops:?}",
            position(&page.cookie),
            if page.partial { " partial" } else { "" },
            if page.has_more { " more" } else { "" },
            page.last_mutation_ids.iter().map(|(client, last)| (tail(client), last)).collect::<Vec<_>>(),
        ));
        if page.partial {
            self.reached.insert(Rare::PartialSet);
        }
        // I4: a position the server has not reached yet belongs to another history.
        let asked = parameter(&wire.query, "cookie").and_then(|cookie| Position::decode(&cookie).ok());
        let clears = page.patch.iter().any(|op| matches!(op, PatchOp::Clear { .. }));
        if let Some(asked) = asked
            && asked.at > head
            && asked.walk.is_none()
            && !clears
        {
            let message = format!("a cookie at {} was taken as valid although the log ends at {head}", asked.at);
            self.fail(Violation::new("I4", message));
        }
        self.check_compaction(id, &wire.query, &page, head)?;
        // I11: nothing is sent that may not be read now. A row that is gone by now has no rules to be judged by.
        let principal = self.nodes[id].principal.clone();
        let writes = page.patch.iter().any(|op| !matches!(op, PatchOp::Clear { .. }));
        if writes && self.rng.chance(self.settings.wire_checks) {
            let readable = self.servers.readable(server, &principal)?;
            let definition = Arc::clone(self.servers.definition(server));
            let all = synced_rows(&definition, self.servers.store.inner())?;
            for op in &page.patch {
                if let PatchOp::Put { table, id: row, .. } = op
                    && all.get(table.as_str()).is_some_and(|rows| rows.contains_key(row))
                    && readable.get(table.as_str()).is_none_or(|rows| !rows.contains_key(row))
                {
                    let message = format!("client {id} is sent `{table}` {row}, which it may not read");
                    self.fail(Violation::new("I11", message));
                }
                if let PatchOp::Del { table, id: row } = op
                    && all.get(table.as_str()).is_some_and(|rows| rows.contains_key(row))
                {
                    self.reached.insert(Rare::Revoked);
                }
            }
        }
        Ok(())
    }

    /// I14: a client that stands at or above the floor, in this history, is told what is new.
    fn check_compaction(&mut self, id: NodeId, query: &str, page: &PullResponse, head: u64) -> Result<()> {
        let history = self.servers.history;
        self.cookies.insert(page.cookie.clone(), history);
        let Some(cookie) = parameter(query, "cookie").filter(|cookie| self.cookies.get(cookie) == Some(&history))
        else {
            return Ok(());
        };
        let Ok(asked) = Position::decode(&cookie) else { return Ok(()) };
        let (bound, floor) = self.servers.horizon()?;
        let reset = matches!(page.patch.first(), Some(PatchOp::Clear { table: None }));
        if asked.walk.is_none() && (floor..=head).contains(&asked.at) && reset {
            let message =
                format!("client {id} stands at {}, above the floor {floor}, and is sent everything", asked.at);
            self.fail(Violation::new("I14", message));
        }
        if asked.at < bound && !reset {
            self.reached.insert(Rare::Folded);
        }
        Ok(())
    }

    fn observe_push(&mut self, id: NodeId, response: &WireResponse) {
        if response.status == 200 {
            let Ok(answer) = serde_json::from_slice::<PushResponse>(&response.body) else { return };
            for result in &answer.results {
                match result.status {
                    MutationStatus::Rejected => self.reached.insert(Rare::Rejected),
                    MutationStatus::Duplicate if result.was.is_some() => self.reached.insert(Rare::DuplicateWithWas),
                    _ => false,
                };
            }
            let results: Vec<_> =
                answer.results.iter().map(|r| (r.id, r.status, r.error.as_ref().map(|e| &e.code))).collect();
            self.trace.note(self.now, format_args!("push of client {id} is answered {results:?}"));
        } else if let Ok(error) = serde_json::from_slice::<WireError>(&response.body) {
            match error.error.as_str() {
                "mutation-gap" => self.reached.insert(Rare::Gap),
                "client-forked" => self.reached.insert(Rare::Fork),
                _ => false,
            };
            self.note(format_args!("push of client {id} is refused: {} {}", error.error, error.message));
        }
    }

    /// A client has just taken a page (or the last of a set): its base is at the page's position.
    pub(super) fn page_applied(&mut self, id: NodeId, before: Option<&str>, ghost: &Ghost) -> Result<()> {
        let definition = self.definition_of(id);
        self.check_cookie(id, before, ghost);
        let base = self.nodes[id].base(&definition)?;
        if let Some(readable) = &ghost.readable
            && let Some(what) = difference(&definition, &base, readable)
        {
            let message = format!("client {id} pulled up to the head, but its base is not what was shown: {what}");
            self.fail(Violation::new("I5", message));
        }
        if let Some(audit) = self.versions[0].workload.audit() {
            self.history.read(id, &base, audit.table.name);
        }
        self.check_acknowledged(id, ghost, &base)?;
        let workload = self.workload_of(id);
        if let Err(rule) = workload.holds(&mut Rows::copy(&base)) {
            self.fail(Violation::new("I7", format!("the base of client {id} cannot be: {rule}")));
        }
        if let Some((earlier, history)) = &self.nodes[id].last_base
            && *history == 0
            && ghost.history == 0
            && let Err(rule) = workload.holds_between(&mut Rows::copy(earlier), &mut Rows::copy(&base))
        {
            self.fail(Violation::new("I8", format!("client {id} went back in time: {rule}")));
        }
        self.nodes[id].last_base = Some((base, ghost.history));
        if self.rng.chance(self.settings.replay_checks) {
            self.check_replay(id)?;
        }
        Ok(())
    }

    /// I4: a later cookie never covers less, but across a reset.
    fn check_cookie(&mut self, id: NodeId, before: Option<&str>, ghost: &Ghost) {
        let reset = std::mem::take(&mut self.nodes[id].resetting);
        let at = |cookie: &str| Position::decode(cookie).ok().map(|position| position.at);
        if let Some(before) = before.and_then(at)
            && let Some(after) = at(&ghost.cookie)
            && after < before
            && !reset
        {
            let message = format!("the cookie of client {id} went from {before} back to {after} without a reset");
            self.fail(Violation::new("I4", message));
        }
    }

    /// I6: what is acknowledged is in the base with its effect, what is not is not.
    fn check_acknowledged(&mut self, id: NodeId, ghost: &Ghost, base: &Tables) -> Result<()> {
        let Some(audit) = self.versions[0].workload.audit() else { return Ok(()) };
        let Some(rows) = base.get(audit.table.name) else { return Ok(()) };
        let node = &mut self.nodes[id];
        let Some(engine) = &node.engine else { return Ok(()) };
        let waiting: BTreeSet<_> = engine.outbox(node.store.inner())?.into_iter().map(|entry| entry.key).collect();
        // After a fork or a loss the outbox is issued again, and its keys may be known already.
        let same_client = engine.client_id(node.store.inner())? == node.first_client_id && !node.shared;
        // A copied store and a restored server together can fool the comparison of ids: the other copy may have issued
        // another mutation under a lost one's id. The protocol cannot tell the two apart.
        let mut wrong = None;
        for issued in &node.issued {
            let Some(nonce) = issued.audit else { continue };
            let there = rows.contains_key(&nonce.to_string());
            if waiting.contains(&issued.key) {
                if there && same_client && ghost.history == 0 {
                    wrong = Some(format!("the effect of {} is in the base, its acknowledgement is not", issued.name));
                }
            } else if !there
                && (!node.shared || ghost.history == 0)
                && engine.outcome(node.store.inner(), issued.key)?.map(|outcome| outcome.status)
                    == Some(OutcomeStatus::Applied)
            {
                wrong = Some(format!("{} left the queue as applied, its effect is not in the base", issued.name));
            }
        }
        if let Some(wrong) = wrong {
            self.fail(Violation::new("I6", format!("on client {id} {wrong}")));
        }
        Ok(())
    }

    /// I15: the visible rows are the base with the queue replayed over it. Checked on a copy.
    pub(super) fn check_replay(&mut self, id: NodeId) -> Result<()> {
        let now = self.now;
        let seed = self.rng.next_u64();
        let definition = self.definition_of(id);
        let node = &mut self.nodes[id];
        let Some(engine) = &node.engine else { return Ok(()) };
        if engine.outbox(node.store.inner())?.is_empty() {
            return Ok(());
        }
        let visible = node.visible(&definition)?;
        let base = node.base(&definition)?;
        let mut copy = SqliteConnection::in_memory()?;
        node.store.inner().backup_to(&mut copy)?;
        let mut rng = Rng::new(seed);
        let mut inputs = Inputs { now, entropy: &mut rng };
        let (mut engine, _) = Engine::open(&mut copy, Arc::clone(&definition), node.options.clone(), &mut inputs)?;
        engine.set_ctx(&mut copy, &*node.principal.ctx, &mut inputs)?;
        let replayed = synced_rows(&definition, &mut copy)?;
        if let Some(what) = difference(&definition, &visible, &replayed) {
            let message = format!("what client {id} shows is not its base with the queue replayed: {what}");
            self.fail(Violation::new("I15", message));
        }
        if let Some(what) = difference(&definition, &base_rows(&definition, &mut copy)?, &base) {
            self.fail(Violation::new("I15", format!("a replay on client {id} changed the base: {what}")));
        }
        Ok(())
    }
}

/// The end of an id: enough to tell rows apart in a trace.
fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(6)..).unwrap_or(id)
}
