//! Several statements in one journey: all are sent before the first answer is awaited.
//!
//! Postgres takes the messages of a connection in order, and after a statement of a transaction that failed refuses
//! every other one until its end; so none runs after one that failed. Source: PostgreSQL documentation, 55.2.4
//! "Pipelining" (message flow); tokio-postgres sends a request when its future is polled first.

use std::future::poll_fn;
use std::task::Poll;

use tokio_postgres::Statement;

use super::bind::Param;
use super::error::from_postgres;
use super::text::{self, Control};
use super::{PostgresConnection, Transaction, erased, read};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::store::SqlStep;
use crate::value::Row;

/// A step that can be sent at once.
enum Ready<'s> {
    Batch(&'s str),
    Prepared(Statement, Vec<Param<'s>>),
}

impl PostgresConnection {
    pub(super) async fn send_all(&mut self, steps: &[SqlStep<'_>]) -> Result<Vec<Vec<Row>>> {
        self.begin()?;
        let answers = self.answers(steps).await;
        let answers = match answers {
            Ok(answers) => answers,
            // Nothing was sent.
            Err(error) => return self.end(Err(error)),
        };
        let mut failed = None;
        let mut all = Vec::with_capacity(steps.len());
        for (step, answer) in steps.iter().zip(answers) {
            let controls = match step {
                SqlStep::Batch(sql) => text::statements(sql).into_iter().filter_map(text::control).collect(),
                _ => Vec::new(),
            };
            for control in controls {
                self.follow(control, answer.is_ok());
            }
            match answer {
                Ok(rows) => all.push(rows),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.end(failed.map_or(Ok(all), Err))
    }

    /// Notes what a statement did to the transaction, or would have done had nothing failed.
    fn follow(&mut self, control: Control, done: bool) {
        self.transaction = match control {
            // It may have begun and failed later in the same text. An end that was not needed does no harm.
            Control::Begin { read_only } if self.transaction == Transaction::None => Transaction::Open { read_only },
            // After a failure the server takes a commit for a rollback.
            Control::Commit | Control::Rollback => Transaction::None,
            Control::RollbackTo if done => match self.transaction {
                Transaction::Failed { read_only } => Transaction::Open { read_only },
                other => other,
            },
            _ => self.transaction,
        };
    }

    async fn answers(&self, steps: &[SqlStep<'_>]) -> Result<Vec<Result<Vec<Row>>>> {
        let mut ready = Vec::with_capacity(steps.len());
        for step in steps {
            ready.push(match *step {
                SqlStep::Batch(sql) => Ready::Batch(sql),
                SqlStep::Execute(sql, params) => {
                    Ready::Prepared(self.prepare(sql, params.len()).await?, params.iter().map(Param).collect())
                }
                SqlStep::Query(sql, params, kinds) => {
                    let statement = self.prepare(sql, params.len()).await?;
                    super::check_columns(&statement, kinds, sql)?;
                    Ready::Prepared(statement, params.iter().map(Param).collect())
                }
            });
        }
        let client = self.wrapper()?;
        let sent = ready.iter().zip(steps).map(|(ready, step)| -> BoxFuture<'_, Result<Vec<Row>>> {
            match (ready, step) {
                (Ready::Batch(sql), _) => {
                    Box::pin(async move { client.batch_execute(sql).await.map(|()| Vec::new()).map_err(from_postgres) })
                }
                (Ready::Prepared(statement, params), SqlStep::Query(_, _, kinds)) => Box::pin(async move {
                    let rows = client.query(statement, &erased(params)).await.map_err(from_postgres)?;
                    rows.iter().map(|row| read::row(row, kinds)).collect()
                }),
                (Ready::Prepared(statement, params), _) => Box::pin(async move {
                    client.execute(statement, &erased(params)).await.map(|_| Vec::new()).map_err(from_postgres)
                }),
            }
        });
        Ok(all_of(sent.collect()).await)
    }
}

/// Polls all from the start, in order; ready when all are. What fails when it is polled first may not have been sent (a
/// value that does not fit its parameter): then nothing after it is, and its error is the last of the answer.
async fn all_of<T: Unpin>(mut futures: Vec<BoxFuture<'_, Result<T>>>) -> Vec<Result<T>> {
    let mut done: Vec<Option<Result<T>>> = futures.iter().map(|_| None).collect();
    let (mut begun, mut first) = (false, 0);
    poll_fn(|context| {
        let mut at = first;
        while at < futures.len() {
            match done[at].is_none().then(|| futures[at].as_mut().poll(context)) {
                Some(Poll::Ready(result)) => {
                    let unsent = !begun && result.is_err();
                    done[at] = Some(result);
                    if unsent {
                        futures.truncate(at + 1);
                        done.truncate(at + 1);
                    }
                }
                // Once all are sent, answers come in order: those behind it have none either.
                Some(Poll::Pending) if begun => break,
                _ => {}
            }
            at += 1;
        }
        begun = true;
        first += done[first..].iter().take_while(|done| done.is_some()).count();
        if first == done.len() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
