//! The server engine: canonical runs, the change log, consistent pulls.
//!
//! Sans-I/O: every step is an async fn over a passed-in [`SqlExecutor`](crate::store::SqlExecutor), with the time and
//! the randomness passed in. The HTTP service and the writer thread are adapters around it.

mod advisory;
mod compaction;
#[cfg(feature = "http-server")]
mod db;
mod ddl;
#[cfg(feature = "http-server")]
mod denial;
mod edges;
mod engine;
mod executor;
mod expiry;
pub mod handler;
mod hooks;
#[cfg(feature = "http-server")]
mod http;
#[cfg(feature = "http-server")]
mod invoke;
mod ledger;
mod lenses;
#[cfg(feature = "http-server")]
mod live;
mod migrate;
mod poke;
mod pull;
mod push;
mod refusal;
mod sequence;
pub mod tables;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod triggers;
mod upkeep;
mod writer;

pub use compaction::{Compaction, CompactionOptions, CompactionResult};
#[cfg(feature = "http-server")]
pub use db::{AsOf, Moment, Now, Scoped, ServerDb, Snapshot};
#[cfg(feature = "http-server")]
pub use denial::{Access, Denial, Reason};
pub(crate) use engine::JOBS;
pub use engine::{Caller, PushJob, ServerEngine, ServerOptions};
pub use hooks::{
    Hooks, Metric, OnError, OnMaintained, OnMetric, OnPushed, Pushed, ServerError, ServerErrorKind, WaitUntil,
};
#[cfg(all(feature = "http-server", feature = "postgres"))]
pub use http::PostgresDatabase;
#[cfg(feature = "http-server")]
pub use http::{
    AnswerBody, Auth, Authenticate, BlockingDatabase, ConnectionPool, Connections, Database, PlasmaService,
    ServeOptions, Server, ServerBuilder, WithAuth, serve,
};
#[cfg(all(feature = "http-server", feature = "sqlite"))]
pub use http::{ImageOptions, SqliteDatabase};
#[cfg(feature = "http-server")]
pub use invoke::Invocation;
pub use lenses::Lenses;
#[cfg(feature = "http-server")]
pub use live::{LiveSelect, LiveStep};
pub use migrate::{Change, Class, Migrated, SchemaDiff, Sql, Step, What};
#[cfg(feature = "http-server")]
pub use migrate::{Migrations, migrations};
#[cfg(feature = "nats")]
pub use poke::NatsPokes;
#[cfg(feature = "postgres")]
pub use poke::PostgresPokes;
#[cfg(feature = "redis")]
pub use poke::RedisPokes;
pub use poke::{Announcement, Poke, PokeBus, Subscription};
pub use pull::Pulled;
pub use push::{AtOnce, Concurrency, Isolation, Retry, Task, TaskFn};
pub use refusal::Refusal;
pub use upkeep::{Maintained, Pace, Upkeep};
pub use writer::{ClockFn, Writer};
