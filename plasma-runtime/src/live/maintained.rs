//! A query and its newest result: kept by stages where there are some, else run again.
//!
//! Nothing here waits or knows whose store it is: a step that cannot be answered from what is held says so
//! ([`Stepped::Read`]), and [`read`](Maintained::read) runs on the connection it is given, of the client or of the server.

use super::change::RowChange;
use super::delta::Delta;
use super::ivm::{self, Interest, Loads, Pipeline, Ready, Refusal, SharedRow};
use super::raw::RawRows;
use super::statement::{Statement, distinct, key_text};
use crate::error::{Error, ErrorKind, Result};
use crate::query::lower;
use crate::store::SqlExecutor;

/// How many rows a query may hold in all its stages. One that needs more is run again at every change instead.
const MOST_ROWS: usize = 1_000_000;

/// A query that is kept up to date.
#[derive(Debug)]
pub(crate) struct Maintained {
    pub(crate) statement: Statement,
    interests: Vec<Interest>,
    /// Stages without rows, for the first run: whether there are some, and what they must be told of, says only the
    /// attempt to make them.
    empty: Option<Box<Pipeline>>,
    /// Why there are no stages, if there are none for good.
    refused: Option<Refusal>,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// It was not run yet, or failed.
    Nothing,
    Stages(Box<Pipeline>),
    /// The rows behind the window have to be read.
    Waiting(Box<Pipeline>),
    Rows(RawRows),
}

/// What a step brought.
#[derive(Debug)]
pub(crate) enum Stepped {
    Delta(Delta<SharedRow>),
    /// The store must be read first.
    Read,
    /// The stages are at odds with themselves, and the result before is not known any more: everything is to be read anew.
    Lost,
}

impl Maintained {
    pub(crate) fn new(statement: Statement) -> Self {
        let (interests, empty, refused) = match ivm::compile(&statement.query) {
            Ok(pipeline) => (pipeline.interests(), Some(Box::new(pipeline)), None),
            Err(refused) => (statement.tables.iter().map(|table| Interest::all(table)).collect(), None, Some(refused)),
        };
        Maintained { statement, interests, empty, refused, held: Held::Nothing }
    }

    /// Which changes it has to be told of.
    pub(crate) fn interests(&self) -> &[Interest] {
        &self.interests
    }

    /// Takes the changes of a transaction.
    pub(crate) fn step(&mut self, changes: &[&RowChange]) -> Stepped {
        let Held::Stages(pipeline) = &mut self.held else { return Stepped::Read };
        let advanced = pipeline.offer(changes).and_then(|()| pipeline.advance());
        match advanced {
            Ok(Ready::Changes(parts)) => Stepped::Delta(whole(parts)),
            Ok(Ready::Refill) => {
                self.held = match std::mem::replace(&mut self.held, Held::Nothing) {
                    Held::Stages(pipeline) => Held::Waiting(pipeline),
                    other => other,
                };
                Stepped::Read
            }
            // A calculation that failed, most often: the store says whether the query does.
            Err(error) => {
                assert_no_bug(&error);
                if error.kind() != ErrorKind::Internal {
                    return Stepped::Read;
                }
                self.held = Held::Nothing;
                Stepped::Lost
            }
        }
    }

    /// Reads what is missing, or everything, and says what is new. The store must be as the last step left it.
    pub(crate) async fn read<E: SqlExecutor + ?Sized>(&mut self, db: &mut E) -> Result<Delta<SharedRow>> {
        let Held::Waiting(pipeline) = &mut self.held else { return Err(Error::internal("nothing was to be read")) };
        let Some(refill) = pipeline.refill_query() else { return Err(Error::internal("a list is not cut")) };
        let lowered = lower::select(db.dialect(), refill);
        let rows = db.query(&lowered.sql, &lowered.params, &lowered.kinds).await?;
        pipeline.refill(&mut Loads::new(vec![rows]))?;
        let Ready::Changes(parts) = pipeline.advance()? else {
            let error = Error::internal("a list is short after it was read");
            assert_no_bug(&error);
            return Err(error);
        };
        self.held = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Waiting(pipeline) => Held::Stages(pipeline),
            other => other,
        };
        Ok(whole(parts))
    }

    /// Whether a step waits for rows behind the window.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.held, Held::Waiting(_))
    }

    /// Forgets everything and begins anew. What was known before is the caller's.
    pub(crate) async fn run<E: SqlExecutor + ?Sized>(&mut self, db: &mut E) -> Result<()> {
        self.held = Held::Nothing;
        if self.refused.is_none()
            && let Some(pipeline) = self.staged(db).await?
        {
            self.held = Held::Stages(pipeline);
            return Ok(());
        }
        self.held = Held::Rows(self.statement.run_on(db).await?);
        Ok(())
    }

    /// The stages, with their rows. None when they would hold too many, or a calculation fails on the way.
    async fn staged<E: SqlExecutor + ?Sized>(&mut self, db: &mut E) -> Result<Option<Box<Pipeline>>> {
        let mut pipeline = match self.empty.take().map_or_else(|| ivm::compile(&self.statement.query).map(Box::new), Ok)
        {
            Ok(pipeline) => pipeline,
            Err(refused) => {
                self.refused = Some(refused);
                return Ok(None);
            }
        };
        let mut loads = Vec::new();
        pipeline.loads(&mut loads);
        let (mut answers, mut rows) = (Vec::with_capacity(loads.len()), 0);
        for load in &loads {
            let lowered = lower::select(db.dialect(), load);
            // The query itself may not calculate what this one does: it decides.
            let Ok(answer) = db.query(&lowered.sql, &lowered.params, &lowered.kinds).await else { return Ok(None) };
            rows += answer.len();
            if rows > MOST_ROWS {
                self.refused = Some(Refusal(format!("it would hold more than {MOST_ROWS} rows")));
                return Ok(None);
            }
            answers.push(answer);
        }
        let filled = pipeline.fill(&mut Loads::new(answers)).and_then(|()| pipeline.advance());
        filled.as_ref().err().into_iter().for_each(assert_no_bug);
        Ok(matches!(filled, Ok(Ready::Changes(_))).then_some(pipeline))
    }

    /// The result now; none when it is not known.
    pub(crate) fn result(&self) -> Option<RawRows> {
        match &self.held {
            Held::Nothing => None,
            Held::Rows(rows) => Some(RawRows { keys: rows.keys.clone(), values: rows.values.clone() }),
            // What waits has not changed its result yet.
            Held::Stages(pipeline) | Held::Waiting(pipeline) => {
                let (identities, values): (Vec<_>, Vec<_>) = pipeline.result().into_iter().unzip();
                let keys = identities.iter().map(|identity| key_text(identity)).collect();
                Some(RawRows { keys: distinct(keys), values })
            }
        }
    }

    /// Why it has no stages.
    #[cfg(feature = "client")]
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refused.as_ref().map(|refused| refused.0.as_str())
    }

    /// For each table, how many rows are looked at for a change of one of its rows, on average.
    #[cfg(feature = "client")]
    pub(super) fn rows_per_change(&self) -> Vec<(&'static str, f64)> {
        match &self.held {
            Held::Stages(pipeline) | Held::Waiting(pipeline) => pipeline.rows_per_change(),
            Held::Nothing | Held::Rows(_) => Vec::new(),
        }
    }

    /// How many rows, groups and values are held.
    #[cfg(feature = "client")]
    pub(crate) fn held(&self) -> usize {
        match &self.held {
            Held::Nothing => 0,
            Held::Rows(rows) => rows.values.len(),
            Held::Stages(pipeline) | Held::Waiting(pipeline) => pipeline.held(),
        }
    }
}

/// In tests, stages that are at odds with themselves are not passed over by reading everything anew.
fn assert_no_bug(error: &Error) {
    assert!(!cfg!(test) || error.kind() != ErrorKind::Internal, "stages are at odds with themselves: {error}");
}

/// The change of a query that has one part.
fn whole(parts: Vec<(ivm::Key, Delta<SharedRow>)>) -> Delta<SharedRow> {
    parts.into_iter().map(|(_, delta)| delta).next().unwrap_or_default()
}
