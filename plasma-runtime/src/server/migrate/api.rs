//! Migrations as a program runs them.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::diff::SchemaDiff;
use super::run::{Migrated, Run};
use super::step::{Named, Step};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::inputs::OsEntropy;
use crate::schema::Schema;
use crate::server::http::builder::system_clock;
use crate::server::http::{Connections, Database};
use crate::server::{ServerEngine, ServerOptions};
use crate::store::SqlExecutor;

/// Between two transactions of a migration: others come to write.
const PAUSE: Duration = Duration::from_millis(10);

/// The migration of a database to schema `S`: what there is to do, a rehearsal, and doing it.
///
/// Additive and breaking changes are made. Changes that lose data, or cannot be made without being told how, are refused
/// with [`MigrationRefused`](crate::ErrorKind::MigrationRefused), all of them at once, unless a written [`Step`] covers
/// them. A run that was cut off, by whatever, is gone on with by the next one. Several may run at once.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # async fn example<App: plasma_runtime::schema::Schema>() -> plasma_runtime::Result<()> {
/// use plasma_runtime::server::{SqliteDatabase, Step, migrations};
///
/// let mut migration = migrations::<App>(SqliteDatabase::file("app.db"))
///     .step("todos have names", Step::rename_column("todos", "title", "name"))
///     .step("slugs", Step::backfill("todos").set("slug", "lower(name)").only("slug IS NULL").batch(500));
/// println!("{}", migration.plan().await?);
/// let done = migration.run().await?;
/// println!("{} steps ran", done.steps.len());
/// # Ok(()) }
/// ```
pub fn migrations<S: Schema>(database: impl Database) -> Migrations<S> {
    Migrations {
        connections: Box::new(database).connections(),
        kept: None,
        steps: Vec::new(),
        keeps_left_over: false,
        schema: PhantomData,
    }
}

/// The migration of a database: see [`migrations`].
pub struct Migrations<S> {
    connections: Result<Connections>,
    /// The one connection of a database that gives no second one.
    kept: Option<Box<dyn SqlExecutor>>,
    steps: Vec<Named>,
    keeps_left_over: bool,
    schema: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for Migrations<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// What is asked of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Plan,
    Rehearse,
    Run,
}

enum Answer {
    Diff(SchemaDiff),
    Done(Migrated),
}

impl<S: Schema> Migrations<S> {
    /// One more written step. Its name is noted in the database when it has run, and it never runs there again: a step
    /// that is another one under a name that has run is refused.
    #[must_use]
    pub fn step(mut self, name: impl Into<String>, step: Step) -> Self {
        self.steps.push(Named { name: name.into(), step });
        self
    }

    /// Tables that the schema no longer has, and columns that inserts may leave out, stay in the database: programs of the
    /// former version still run on it. A later migration drops them.
    #[must_use]
    pub fn keep_left_over(mut self) -> Self {
        self.keeps_left_over = true;
        self
    }

    /// What there is to do. Changes nothing.
    ///
    /// # Errors
    /// [`MigrationRefused`](crate::ErrorKind::MigrationRefused) when the steps contradict themselves, each other or what
    /// ran before; [`Storage`](crate::ErrorKind::Storage) when the database fails.
    pub async fn plan(&mut self) -> Result<SchemaDiff> {
        match self.ask(Ask::Plan).await? {
            Answer::Diff(diff) => Ok(diff),
            Answer::Done(done) => Ok(done.diff),
        }
    }

    /// Does all of it in one transaction and takes it back: what conversions and constraints say to the rows that are
    /// there. Writers wait meanwhile.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub async fn dry_run(&mut self) -> Result<Migrated> {
        match self.ask(Ask::Rehearse).await? {
            Answer::Done(done) => Ok(done),
            Answer::Diff(_) => Err(Error::internal("a rehearsal gave a plan")),
        }
    }

    /// Does it. An empty database is made as the schema declares it; the steps are noted and do not run.
    ///
    /// # Errors
    /// [`MigrationRefused`](crate::ErrorKind::MigrationRefused) when a change needs a step that is not there, or rows do not
    /// fit what they are to become: nothing of what was about to be changed is. What a step fails with.
    /// [`Storage`](crate::ErrorKind::Storage) when the database fails. After every error the next run goes on.
    pub async fn run(&mut self) -> Result<Migrated> {
        match self.ask(Ask::Run).await? {
            Answer::Done(done) => Ok(done),
            Answer::Diff(_) => Err(Error::internal("a run gave a plan")),
        }
    }

    async fn ask(&mut self, ask: Ask) -> Result<Answer> {
        let engine = ServerEngine::new(S::definition(), ServerOptions::default())?;
        let (steps, keeps) = (self.steps.clone(), self.keeps_left_over);
        match self.connections.as_ref().map_err(Error::duplicate)? {
            Connections::Blocking(database) => {
                let db = self.kept.take().map_or_else(|| database.writer(), Ok)?;
                let runtime = tokio::runtime::Handle::current();
                let work = move || {
                    let mut db = db;
                    let answer = runtime.block_on(answer(&engine, &mut *db, &steps, keeps, ask));
                    (db, answer)
                };
                let (db, answer) = tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|e| Error::internal("the migration panicked").with_source(e))?;
                // After a fault it may be inside a transaction, or no longer enforce foreign keys.
                if answer.is_ok() {
                    self.kept = Some(db);
                }
                answer
            }
            Connections::Pooled(pool) => {
                let mut db = pool.get().await?;
                answer(&engine, &mut *db, &steps, keeps, ask).await
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the adapter that waits between two tries")]
async fn answer(
    engine: &ServerEngine,
    db: &mut dyn SqlExecutor,
    steps: &[Named],
    keeps_left_over: bool,
    ask: Ask,
) -> Result<Answer> {
    let mut pause = || -> BoxFuture<'static, ()> { Box::pin(tokio::time::sleep(PAUSE)) };
    let rehearsal = ask == Ask::Rehearse;
    let (now_ms, entropy) = (system_clock(), &mut OsEntropy);
    let mut run = Run { engine, db, steps, keeps_left_over, rehearsal, now_ms, entropy, pause: &mut pause };
    match ask {
        Ask::Plan => run.plan().await.map(Answer::Diff),
        Ask::Rehearse | Ask::Run => run.run().await.map(Answer::Done),
    }
}
