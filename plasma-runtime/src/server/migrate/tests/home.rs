//! Databases that tests connect to, on every kind there is.

use super::*;
use crate::store::sqlite::SqliteOptions;

/// Makes empty databases.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Sqlite,
    /// Each a Postgres schema of one database.
    #[cfg(feature = "postgres")]
    Postgres(plasma_test_postgres::Database),
}

/// An empty database at first, that any number of connections can be made to.
#[derive(Debug)]
pub(super) struct Home {
    /// The path of a file; or URL and name of a Postgres schema.
    pub(super) address: String,
    /// It goes with this.
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// The databases of this machine.
    pub(super) fn all() -> Vec<Place> {
        let places = vec![Place::Sqlite];
        #[cfg(feature = "postgres")]
        let places = [places, Place::postgres().into_iter().collect()].concat();
        places
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres() -> Option<Place> {
        plasma_test_postgres::database().map(Place::Postgres)
    }

    pub(super) fn home(&self) -> Home {
        match self {
            Place::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let address = folder.path().join("app.db").to_str().unwrap().to_owned();
                Home { address, _folder: Some(folder) }
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(database) => {
                static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
                let name = format!("s{}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
                database.connect().batch_execute(&format!("CREATE SCHEMA {name}")).unwrap();
                Home { address: format!("{} {name}", database.url), _folder: None }
            }
        }
    }

    pub(super) fn empty(&self) -> Box<dyn SqlExecutor> {
        match self {
            Place::Sqlite => Box::new(sqlite()),
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => self.home().connect(),
        }
    }

    pub(super) fn fresh(&self, engine: &ServerEngine) -> Box<dyn SqlExecutor> {
        let mut db = self.empty();
        open(engine, &mut *db).unwrap();
        db
    }
}

impl Home {
    pub(super) fn connect(&self) -> Box<dyn SqlExecutor> {
        connect(&self.address)
    }
}

/// A connection to the database at this address.
pub(super) fn connect(address: &str) -> Box<dyn SqlExecutor> {
    match address.split_once(' ') {
        #[cfg(feature = "postgres")]
        Some((url, schema)) => {
            use crate::store::postgres::{PostgresOptions, PostgresPool};
            let options = PostgresOptions { schema: Some(schema.to_owned()), ..PostgresOptions::new(url) };
            Box::new(wait(async { PostgresPool::new(options)?.get_own().await }).unwrap())
        }
        _ => {
            let mut db = SqliteConnection::open(address, SqliteOptions::default()).unwrap();
            // The machine does not fail here.
            batch(&mut db, "PRAGMA synchronous = OFF");
            Box::new(db)
        }
    }
}
