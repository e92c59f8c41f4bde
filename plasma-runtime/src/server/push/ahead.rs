//! Statements that are sent before anybody waits for their answers.
//!
//! Most statements of a mutation have one answer that matters: that they did not fail. Waiting for it costs a journey to the
//! database each, which is more than what most of them do. So they wait here, and go with the next statement whose answer
//! is needed, at the latest with the commit: the database takes them in order, and does none after one that failed. What a
//! mutator is told meanwhile ("it is written") is a guess. Where one fails, nobody knows any more what the mutator would
//! have done about it: the transaction is lost, and runs again with an answer for each statement.

use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::lower::Dialect;
use crate::server::ledger::unit::RESUME_POSTGRES;
use crate::store::{SqlExecutor, SqlStep};
use crate::value::{Kind, Row, Value};

/// So many statements go together at most.
const TOGETHER: usize = 256;

/// A statement that has not been sent.
#[derive(Debug)]
struct Waiting {
    what: What,
    /// The mutation it belongs to.
    of: u64,
}

#[derive(Debug)]
enum What {
    Batch(&'static str),
    Resume([Value; 1]),
    Execute(String, Vec<Value>),
    /// Calls what raises an error when there is a row.
    Refuse(String, Vec<Value>),
}

const REFUSE: &[Kind] = &[Kind::Bool];

/// What had been sent together when an answer was an error.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    /// The mutation, where it was one only.
    pub(super) only: Option<u64>,
}

/// The connection of a transaction.
pub(super) struct Ahead<'d> {
    db: &'d mut dyn SqlExecutor,
    /// Every statement is answered before the next.
    eager: bool,
    waiting: Vec<Waiting>,
    of: u64,
    /// The first that waits of the current mutation.
    start: usize,
    /// Others of it were sent.
    sent: bool,
    lost: Option<InFlight>,
}

impl<'d> Ahead<'d> {
    pub(super) fn new(db: &'d mut dyn SqlExecutor, eager: bool) -> Self {
        let eager = eager || db.dialect() == Dialect::Sqlite;
        Ahead { db, eager, waiting: Vec::new(), of: 0, start: 0, sent: false, lost: None }
    }

    /// The transaction is rolled back: what waits is never sent.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// From now on every statement is answered: those of an application that would notice a second run.
    pub(super) fn be_eager(&mut self) {
        self.eager = true;
    }

    pub(super) fn is_eager(&self) -> bool {
        self.eager
    }

    /// What was in flight when a guess was wrong: the transaction is lost, whatever the mutator made of it.
    pub(super) fn lost(&self) -> Option<InFlight> {
        self.lost
    }

    /// What comes now is this mutation's.
    pub(super) fn names(&mut self, mutation: u64) {
        self.of = mutation;
    }

    /// The current mutation begins to write here.
    pub(super) fn mark(&mut self) {
        (self.start, self.sent) = (self.waiting.len(), false);
    }

    /// Whether a write of the current mutation was sent without waiting for it alone.
    pub(super) fn has_sent(&self) -> bool {
        self.sent
    }

    /// Whether something that the current mutation was told is not known yet. If it failed, that may be why: the
    /// transaction is given up.
    pub(super) fn gives_up_guesses(&mut self) -> bool {
        let guessed = self.waiting.len() > self.start;
        if guessed {
            self.lost = Some(InFlight { only: None });
        }
        guessed
    }

    /// A statement without an answer that matters.
    pub(super) async fn write(&mut self, sql: &str, params: &[Value]) -> Result<()> {
        if self.eager {
            return self.db.execute(sql, params).await.map(drop);
        }
        self.wait(What::Execute(sql.to_owned(), params.to_vec())).await
    }

    /// Begins or ends something without an answer that matters.
    pub(super) async fn control(&mut self, sql: &'static str) -> Result<()> {
        if self.eager {
            return self.db.execute(sql, &[]).await.map(drop);
        }
        self.wait(What::Batch(sql)).await
    }

    /// The triggers are to take what comes for this unit's.
    pub(super) async fn resume(&mut self, unit: i64) -> Result<()> {
        let params = [Value::Int(unit)];
        if self.eager {
            return self.db.query(RESUME_POSTGRES, &params, &[Kind::BigInt]).await.map(drop);
        }
        self.wait(What::Resume(params)).await
    }

    /// The transaction is lost if the query has a row.
    pub(super) async fn refuse(&mut self, sql: &str, params: &[Value]) -> Result<()> {
        let sql = format!("SELECT _plasma_refuse() FROM ({sql}) AS found");
        self.wait(What::Refuse(sql, params.to_vec())).await
    }

    async fn wait(&mut self, what: What) -> Result<()> {
        self.waiting.push(Waiting { what, of: self.of });
        if self.waiting.len() < TOGETHER { Ok(()) } else { self.send(&[]).await.map(drop) }
    }

    /// Sends what waits and these with it; returns what these are answered.
    pub(super) async fn send(&mut self, own: &[SqlStep<'_>]) -> Result<Vec<Vec<Row>>> {
        if self.waiting.is_empty() {
            return if own.is_empty() { Ok(Vec::new()) } else { self.db.run_all(own).await };
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.sent |= self.start < waiting.len();
        self.start = 0;
        let steps = waiting.iter().map(|waiting| match &waiting.what {
            What::Batch(sql) => SqlStep::Batch(sql),
            What::Resume(params) => SqlStep::Query(RESUME_POSTGRES, params, &[Kind::BigInt]),
            What::Execute(sql, params) => SqlStep::Execute(sql, params),
            What::Refuse(sql, params) => SqlStep::Query(sql, params, REFUSE),
        });
        let steps: Vec<SqlStep<'_>> = steps.chain(own.iter().copied()).collect();
        let of = waiting[0].of;
        let alone = waiting.iter().all(|waiting| waiting.of == of) && (own.is_empty() || of == self.of);
        // Said before the wait: who gives up waiting has lost it as well.
        self.lost = Some(InFlight { only: Some(of).filter(|of| alone && *of > 0) });
        let mut answers = self.db.run_all(&steps).await?;
        self.lost = None;
        Ok(answers.split_off(waiting.len()))
    }
}

impl SqlExecutor for Ahead<'_> {
    fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            self.send(&[]).await?;
            self.db.execute(sql, params).await
        })
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            if self.waiting.is_empty() {
                return self.db.query(sql, params, kinds).await;
            }
            let answers = self.send(&[SqlStep::Query(sql, params, kinds)]).await?;
            Ok(answers.into_iter().next().unwrap_or_default())
        })
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.send(&[]).await?;
            self.db.batch(sql).await
        })
    }

    fn run_all<'a>(&'a mut self, steps: &'a [SqlStep<'a>]) -> BoxFuture<'a, Result<Vec<Vec<Row>>>> {
        Box::pin(self.send(steps))
    }

    fn check_reads<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.send(&[]).await?;
            self.db.check_reads(sql).await
        })
    }

    fn read<'a>(&'a mut self, sql: &'a str, params: &'a [Value], kinds: &'a [Kind]) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            self.send(&[]).await?;
            self.db.read(sql, params, kinds).await
        })
    }

    fn in_transaction(&self) -> bool {
        self.db.in_transaction()
    }
}
