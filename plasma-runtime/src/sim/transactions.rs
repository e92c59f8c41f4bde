//! Transactions that are open at the same time: numbers are drawn before a commit, and become visible after it.
//!
//! A small model of a database with many writers, over the one store. A push that overlaps others begins at one moment,
//! draws its numbers, and runs and commits at a later one; what begins and commits in between comes before it. With the
//! rule of the product ([`CommitOrder::Sequenced`]) positions are given in the order of commits. The other orders are
//! those that are known to lose or tear changes; a test plants them.
//!
//! What the model has not: statements of two transactions that take turns, row locks, and commits without a position
//! yet. The model of the server's own tests has these, and runs all interleavings of small programs.

use super::message::{Asker, Due, Ghost, page};
use super::server::ServerId;
use super::{Rare, World};
use crate::client::event::SendFailure;
use crate::error::Result;
use crate::protocol::{WireRequest, WireResponse};
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

/// In which order commits stand in the log, and what is read in one cut: the product's way, and wrong ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CommitOrder {
    /// Positions are given after the commit, in the order of commits.
    #[default]
    Sequenced,
    /// A cursor on the numbers, which are drawn when a transaction begins.
    Numbers,
    /// By transaction, then number, of what is older than all that is open.
    Transactions,
    /// As it should be, but acknowledgements are read after the page, outside of its cut.
    AcknowledgedApart,
}

/// A push whose transaction has begun.
#[derive(Debug)]
struct Open {
    number: u64,
    server: ServerId,
    asker: Asker,
    wire: WireRequest,
    /// What it has drawn.
    block: Block,
}

/// Numbers from one on that nobody else gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block(i64);

/// More than a push has entries.
const BLOCK: i64 = 100_000;

#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: Vec<Open>,
    begun: u64,
    /// The end of the last block.
    drawn: i64,
}

impl Transactions {
    fn draw(&mut self) -> Block {
        self.drawn += BLOCK;
        Block(self.drawn)
    }

    /// Up to where the log may be read.
    fn horizon(&self) -> i64 {
        self.open.iter().map(|open| open.block.0).min().unwrap_or(i64::MAX)
    }
}

impl World {
    /// Whether positions are other than those the engine gives.
    fn renumbers(&self) -> bool {
        matches!(self.tamper.order(), CommitOrder::Numbers | CommitOrder::Transactions)
    }

    /// The transaction of a push begins, and waits.
    pub(super) fn begin_push(&mut self, server: ServerId, asker: Asker, wire: WireRequest) {
        let block = self.transactions.draw();
        self.transactions.begun += 1;
        let number = self.transactions.begun;
        self.note(format_args!("server {server} begins a push of client {}", asker.node));
        if !self.transactions.open.is_empty() {
            self.reached.insert(Rare::OpenTransactions);
        }
        self.transactions.open.push(Open { number, server, asker, wire, block });
        let most = if self.rng.chance(25) { 3_000 } else { 200 };
        let at = self.now + self.rng.between(1, most) as i64;
        self.later(at, Due::Commit { transaction: number });
    }

    /// It runs, and commits.
    pub(super) fn commit_push(&mut self, number: u64) -> Result<()> {
        let open = &mut self.transactions.open;
        // Not there: its server died.
        let Some(index) = open.iter().position(|open| open.number == number) else { return Ok(()) };
        let Open { server, asker, wire, block, .. } = open.remove(index);
        self.serve(server, asker, wire, false, Some(block))?;
        self.publish()
    }

    /// Transactions of a server that is gone are taken back. Their numbers stay drawn.
    pub(super) fn abort_pushes(&mut self, server: ServerId) {
        let open = std::mem::take(&mut self.transactions.open).into_iter();
        let (aborted, open): (Vec<_>, Vec<_>) = open.partition(|open| open.server == server);
        self.transactions.open = open;
        for Open { asker, .. } in aborted {
            self.reached.insert(Rare::OpenTransactionLost);
            let reset = Err(SendFailure { message: "connection reset".to_owned() });
            self.later(self.now + 1, Due::AtClient { asker, outcome: reset, ghost: None });
        }
    }

    /// A push has committed, and stands behind `head` in the log: it gets the numbers it had drawn.
    pub(super) fn number_push(&mut self, head: u64, block: Option<Block>) -> Result<()> {
        if !self.renumbers() {
            return Ok(());
        }
        let Block(first) = block.unwrap_or_else(|| self.transactions.draw());
        // What others hide has a place behind it.
        let params = [Value::Int(head as i64), Value::Int(first), Value::Int(self.servers.head()? as i64)];
        let store = self.servers.store.inner();
        for table in ["_plasma_changes", "_plasma_client_mutations", "_plasma_outcomes"] {
            let sql = format!(
                "UPDATE {table} SET row_version = row_version - ?1 + ?2 WHERE row_version > ?1 AND row_version <= ?3"
            );
            SqlConnection::execute(store, &sql, &params)?;
        }
        if self.tamper.order() == CommitOrder::Transactions && first > self.transactions.horizon() {
            SqlConnection::batch(
                store,
                "CREATE TABLE IF NOT EXISTS _sim_hidden AS SELECT * FROM _plasma_changes WHERE 0",
            )?;
            let own = [Value::Int(first), Value::Int(first + BLOCK)];
            for sql in [
                "INSERT INTO _sim_hidden SELECT * FROM _plasma_changes WHERE row_version > ?1 AND row_version < ?2",
                "DELETE FROM _plasma_changes WHERE row_version > ?1 AND row_version < ?2",
            ] {
                SqlConnection::execute(store, sql, &own)?;
            }
        }
        Ok(())
    }

    /// What is older than all that is open can be read.
    pub(super) fn publish(&mut self) -> Result<()> {
        if self.tamper.order() != CommitOrder::Transactions || !self.hides()? {
            return Ok(());
        }
        let head = self.servers.head()?;
        let horizon = [Value::Int(self.transactions.horizon())];
        let store = self.servers.store.inner();
        for sql in [
            "INSERT INTO _plasma_changes SELECT * FROM _sim_hidden WHERE row_version < ?1",
            "DELETE FROM _sim_hidden WHERE row_version < ?1",
        ] {
            SqlConnection::execute(store, sql, &horizon)?;
        }
        self.committed(head, None)
    }

    /// Whether the tables show commits that the log does not show yet. Pulls wait meanwhile: to serve them all the same
    /// would be another bug.
    pub(super) fn hides(&mut self) -> Result<bool> {
        if self.tamper.order() != CommitOrder::Transactions {
            return Ok(false);
        }
        let store = self.servers.store.inner();
        let there = "SELECT count(*) FROM sqlite_schema WHERE name = '_sim_hidden'";
        let count = |rows: Vec<Vec<Value>>| rows.first().and_then(|row| row[0].as_int()).unwrap_or_default();
        if count(store.query(there, &[], &[Kind::BigInt])?) == 0 {
            return Ok(false);
        }
        Ok(count(store.query("SELECT count(*) FROM _sim_hidden", &[], &[Kind::BigInt])?) > 0)
    }

    /// A page is made; its acknowledgements are read later. False: they were read with it.
    pub(super) fn acknowledges_apart(&mut self, asker: Asker, response: &WireResponse, ghost: Option<&Ghost>) -> bool {
        let whole = page(response).is_some_and(|page| !page.partial);
        if self.tamper.order() != CommitOrder::AcknowledgedApart || !whole {
            return false;
        }
        let at = self.now + self.rng.between(1, 400) as i64;
        self.later(at, Due::Acknowledge { asker, response: response.clone(), ghost: ghost.cloned() });
        true
    }

    /// The acknowledgements of a page as they are by now.
    pub(super) fn acknowledge(&mut self, asker: Asker, mut response: WireResponse, ghost: Option<Ghost>) -> Result<()> {
        let Some(mut page) = page(&response) else { return Ok(()) };
        let group = self.nodes[asker.node].principal.group.clone();
        let kinds = [Kind::Text, Kind::BigInt, Kind::Text];
        let rows = self.servers.store.inner().query(
            "SELECT m.client_id, m.last_mutation_id, o.key FROM _plasma_client_mutations m JOIN _plasma_outcomes o \
             ON o.client_id = m.client_id AND o.mutation_id = m.last_mutation_id WHERE m.client_group_id = ?1",
            &[group.as_str().into()],
            &kinds,
        )?;
        let node = &mut self.nodes[asker.node];
        let own = match &node.engine {
            Some(engine) => engine.client_id(node.store.inner())?,
            None => String::new(),
        };
        for row in rows {
            let (Some(client), Some(last)) = (row[0].as_text(), row[1].as_int()) else { continue };
            page.last_mutation_ids.insert(client.to_owned(), last as u64);
            if client == own {
                page.last_key = row[2].as_text().map(str::to_owned);
            }
        }
        if let Ok(body) = serde_json::to_vec(&page) {
            response.body = body.into();
        }
        self.answer(asker, response, ghost);
        Ok(())
    }
}
