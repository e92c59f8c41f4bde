//! The database under a world: SQLite, or a Postgres schema of its own.
//!
//! Statements of the tests are SQLite's; the few of its words that are not Postgres' are put in Postgres' words here.

use std::cell::Cell;

use crate::future::{BoxFuture, poll_once};
use crate::inputs::Entropy;
use crate::query::lower::Dialect;
use crate::schema::TableDef;
use crate::server::ServerEngine;
use crate::store::SqlExecutor;
use crate::store::sqlite::{SqliteConnection, SqliteOptions};
use crate::value::{Kind, Row};

thread_local! {
    /// Which database the worlds of this thread are on.
    static ON: Cell<Dialect> = const { Cell::new(Dialect::Sqlite) };
}

/// Runs a test with its worlds on Postgres; does nothing, loudly, on a machine that has none.
#[cfg(feature = "postgres")]
pub(super) fn on_postgres(test: impl FnOnce()) {
    if postgres::base().is_none() {
        return;
    }
    ON.set(Dialect::Postgres);
    test();
    ON.set(Dialect::Sqlite);
}

/// Makes tests of this file run on Postgres too, under the same names in a module.
macro_rules! also_on_postgres {
    ($($test:ident),* $(,)?) => {
        #[cfg(feature = "postgres")]
        mod on_postgres {
            $(#[test]
            fn $test() {
                super::super::database::on_postgres(super::$test);
            })*
        }
    };
}
pub(super) use also_on_postgres;

#[expect(clippy::large_enum_variant, reason = "one a test")]
pub(super) enum Database {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Postgres),
}

impl Database {
    /// A fresh one, made fit for the engine.
    pub(super) fn new(engine: &ServerEngine, entropy: &mut dyn Entropy) -> Self {
        let mut database = match ON.get() {
            Dialect::Sqlite => Self::sqlite(),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Database::Postgres(postgres::Postgres::new()),
            #[cfg(not(feature = "postgres"))]
            Dialect::Postgres => unreachable!("only asked for with the feature"),
        };
        database.run(|db| Box::pin(engine.ensure_schema(db, 0, entropy))).unwrap();
        database
    }

    pub(super) fn sqlite() -> Self {
        let options = SqliteOptions { foreign_keys: true, ..SqliteOptions::default() };
        Database::Sqlite(SqliteConnection::in_memory_with(options).unwrap())
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Database::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Waits for something done with the connection.
    pub(super) fn run<'a, T>(&'a mut self, act: impl FnOnce(&'a mut dyn SqlExecutor) -> BoxFuture<'a, T>) -> T {
        match self {
            Database::Sqlite(connection) => poll_once(act(connection)).expect("SQLite is ready at once"),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.runtime.block_on(act(&mut postgres.connection)),
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        match self {
            Database::Sqlite(connection) => SqlExecutor::in_transaction(connection),
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.connection.in_transaction(),
        }
    }

    pub(super) fn query(&mut self, sql: &str, kinds: &[Kind]) -> Vec<Row> {
        self.run(|db| db.query(sql, &[], kinds)).unwrap()
    }

    pub(super) fn batch(&mut self, sql: &str) {
        self.run(|db| db.batch(sql)).unwrap();
    }

    /// Runs a statement inside of a transaction; false, without a trace, when it violates a constraint.
    pub(super) fn try_statement(&mut self, tables: &[&TableDef], sql: &str) -> bool {
        match self.dialect() {
            Dialect::Sqlite => self.run(|db| db.execute(sql, &[])).is_ok(),
            Dialect::Postgres => {
                let sql = in_words_of_postgres(tables, sql);
                self.batch("SAVEPOINT one");
                let ran = match self.run(|db| db.execute(&sql, &[])) {
                    Ok(_) => true,
                    Err(error) if error.kind() == crate::ErrorKind::Conflict => false,
                    Err(error) => panic!("{sql}: {error:?}"),
                };
                self.batch(if ran { "RELEASE one" } else { "ROLLBACK TO one" });
                ran
            }
        }
    }
}

fn in_words_of_postgres(tables: &[&TableDef], sql: &str) -> String {
    let mut sql = sql
        .replace(", x'", ", '\\x")
        .replace("json_object(", "public.plasma_test_object(")
        .replace("zeroblob(", "public.zeroblob(");
    if let Some(rest) = sql.strip_prefix("INSERT OR REPLACE INTO ") {
        let name = rest.split(' ').next().unwrap_or_default();
        let table = tables.iter().find(|table| table.name == name).expect("a known table");
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("\"{0}\" = excluded.\"{0}\"", column.name)).collect();
        sql = format!("INSERT INTO {rest} ON CONFLICT (id) DO UPDATE SET {}", columns.join(", "));
    }
    sql
}

#[cfg(feature = "postgres")]
pub(super) mod postgres {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use plasma_test_postgres::{Database, database};
    use tokio::runtime::{Builder, Runtime};

    use crate::store::postgres::{PostgresConnection, PostgresOptions, PostgresPool};

    /// A Postgres schema.
    pub(in crate::server::pull::tests) struct Postgres {
        pub(super) connection: PostgresConnection,
        pub(in crate::server::pull::tests) runtime: Runtime,
        /// How others connect to it.
        pub(in crate::server::pull::tests) options: PostgresOptions,
    }

    /// The database of this process.
    pub(super) fn base() -> Option<&'static Database> {
        static BASE: OnceLock<Option<Database>> = OnceLock::new();
        let base = BASE.get_or_init(|| {
            let base = database()?;
            // Booleans may be written as numbers, and a few of SQLite's functions are there.
            let words = "UPDATE pg_cast SET castcontext = 'a' WHERE castsource = 'int4'::regtype AND casttarget = 'bool'::regtype; \
                CREATE FUNCTION zeroblob(n integer) RETURNS bytea LANGUAGE sql AS \
                $$ SELECT decode(repeat('00', n), 'hex') $$; \
                CREATE FUNCTION plasma_test_object(text, text, text, integer, text, text) RETURNS text LANGUAGE sql AS $$ \
                SELECT '{\"hash\":\"' || $2 || '\",\"size\":' || $4 || ',\"mime\":\"' || $6 || '\"}' $$;";
            base.connect().batch_execute(words).unwrap();
            Some(base)
        });
        base.as_ref()
    }

    impl Postgres {
        pub(super) fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let base = base().expect("asked before");
            let schema = format!("w{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            base.connect().batch_execute(&format!("CREATE SCHEMA {schema}")).unwrap();
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let mut options = PostgresOptions::new(base.url.clone());
            options.schema = Some(schema);
            let pool = PostgresPool::new(options.clone()).unwrap();
            let connection = runtime.block_on(pool.get_own()).unwrap();
            Postgres { connection, runtime, options }
        }
    }
}
