//! Where the server of a test keeps its data: the same tests run over SQLite and over Postgres.

use plasma::server::{Database, PostgresDatabase, SqliteDatabase};
use plasma::store::SqlConnection as _;
use plasma::store::sqlite::SqliteConnection;
use plasma::value::{Kind, Value};

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Sqlite,
    Postgres,
}

/// A fresh database of one test, gone with it.
#[derive(Debug)]
pub enum Data {
    Sqlite(tempfile::TempDir),
    Postgres(plasma_test_postgres::Database),
}

/// What an operator has put away.
#[derive(Debug)]
pub enum Backup {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Backup {
    /// A fresh database with it.
    pub fn restored(&self) -> Data {
        match self {
            Backup::Sqlite(kept) => {
                let folder = tempfile::tempdir().expect("a folder");
                let copied = std::fs::copy(kept.path().join("server.db"), folder.path().join("server.db"));
                copied.expect("the backup is copied");
                Data::Sqlite(folder)
            }
            Backup::Postgres(dump) => {
                let server = plasma_test_postgres::Server::shared().expect("it made the dump");
                Data::Postgres(server.restored(dump))
            }
        }
    }
}

impl Place {
    /// A fresh database; none when this machine has no Postgres, which was said then.
    pub fn data(self) -> Option<Data> {
        match self {
            Place::Sqlite => Some(Data::Sqlite(tempfile::tempdir().expect("a folder"))),
            Place::Postgres => plasma_test_postgres::database().map(Data::Postgres),
        }
    }
}

impl Data {
    /// What a server is opened with. Several may be opened at once.
    pub fn database(&self) -> Box<dyn Database> {
        match self {
            Data::Sqlite(folder) => Box::new(SqliteDatabase::file(folder.path().join("server.db"))),
            Data::Postgres(database) => Box::new(PostgresDatabase::url(&database.url)),
        }
    }

    /// A backup, made while the server runs; none where the programs for it are missing, which was said then.
    pub fn backup(&self) -> Option<Backup> {
        match self {
            Data::Sqlite(_) => {
                let folder = tempfile::tempdir().expect("a folder");
                self.sql(&format!("VACUUM INTO '{}'", folder.path().join("server.db").display()));
                Some(Backup::Sqlite(folder))
            }
            Data::Postgres(database) => database.dump().map(Backup::Postgres),
        }
    }

    /// Runs statements as another program would.
    ///
    /// # Panics
    /// When they fail.
    pub fn sql(&self, sql: &str) {
        match self {
            Data::Sqlite(_) => self.sqlite().batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}")),
            Data::Postgres(database) => {
                let (url, sql) = (database.clone(), sql.to_owned());
                // The blocking client has a runtime of its own, which may not start inside another.
                let ran = std::thread::spawn(move || {
                    url.connect().batch_execute(&sql).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
                });
                ran.join().expect("the statements run");
            }
        }
    }

    /// The integers of a query of one column, as another program reads them.
    ///
    /// # Panics
    /// When it fails, or has another shape.
    pub fn integers(&self, sql: &str) -> Vec<i64> {
        self.column(
            sql,
            Kind::BigInt,
            |value| value.as_int().expect("an integer"),
            |row| row.try_get(0).or_else(|_| row.try_get::<_, i32>(0).map(i64::from)).expect("an integer"),
        )
    }

    /// The texts of a query of one column.
    ///
    /// # Panics
    /// When it fails, or has another shape.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        self.column(sql, Kind::Text, |value| value.as_text().expect("a text").to_owned(), |row| row.get(0))
    }

    fn column<T: Send + 'static>(
        &self,
        sql: &str,
        kind: Kind,
        of_sqlite: fn(&Value) -> T,
        of_postgres: fn(&postgres::Row) -> T,
    ) -> Vec<T> {
        match self {
            Data::Sqlite(_) => {
                let rows = self.sqlite().query(sql, &[], &[kind]).unwrap_or_else(|error| panic!("{error}: {sql}"));
                rows.iter().map(|row| of_sqlite(&row[0])).collect()
            }
            Data::Postgres(database) => {
                let (database, sql) = (database.clone(), sql.to_owned());
                let ran = std::thread::spawn(move || {
                    let rows = database.connect().query(&sql, &[]).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
                    rows.iter().map(of_postgres).collect()
                });
                ran.join().expect("the query runs")
            }
        }
    }

    /// Where it is, for a process of its own: a file or a URL.
    pub fn address(&self) -> std::ffi::OsString {
        match self {
            Data::Sqlite(folder) => folder.path().join("server.db").into(),
            Data::Postgres(database) => database.url.clone().into(),
        }
    }

    /// The file of SQLite.
    ///
    /// # Panics
    /// When it is none.
    pub fn sqlite(&self) -> SqliteConnection {
        let Data::Sqlite(folder) = self else { panic!("this is no file of SQLite") };
        SqliteConnection::open(folder.path().join("server.db"), Default::default()).expect("the file opens")
    }
}
