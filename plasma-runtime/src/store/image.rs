//! The file of the image lane: what one reader sees of a server, as a SQLite database.
//!
//! It has one table for each synced table of the schema, with its columns in order, and one of facts. Nothing else: no
//! index, no trigger, no view. The tables are those of the reader's store, word for word, but for `UNIQUE`: between equal
//! tables SQLite copies rows as they lie in the file, without taking them apart. The file is written once, in order of the
//! ids, into nothing, so it holds no page that was ever another's. A reader takes it for hostile: [`check`] compares every
//! word of its schema with what the reader would have written, and looks at every value, in the order in which the rows
//! are copied.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[cfg(feature = "client")]
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use sha2::{Digest, Sha256};

use super::ddl::{Side, column_sql, quote};
use super::sqlite::error::from_rusqlite;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnDef, SchemaDef, TableDef};
use crate::value::Row;

/// Bytes of a page of the file.
const PAGE_BYTES: u64 = 4_096;

const FACTS: &str = "_plasma_image";
const CREATE_FACTS: &str =
    "CREATE TABLE \"_plasma_image\" (\"key\" TEXT PRIMARY KEY, \"value\" TEXT NOT NULL) STRICT, WITHOUT ROWID";

/// What is to be known of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The fingerprint of the schema, in hex.
    pub(crate) fingerprint: String,
    /// Whose view it is; none when everybody sees the same.
    pub(crate) group: Option<String>,
    /// Where the pull that fetches the rest begins.
    pub(crate) cookie: String,
}

/// The names and statements of the tables of an image, by name.
fn tables(schema: &SchemaDef) -> BTreeMap<&'static str, String> {
    let tables = schema.synced().map(|table| (table.name, create(table)));
    tables.chain([(FACTS, CREATE_FACTS.to_owned())]).collect()
}

fn create(table: &TableDef) -> String {
    let columns = table.columns.iter().enumerate().map(|(at, column)| {
        // An index would have to be believed: SQLite copies it as it lies there, too.
        column_sql(&ColumnDef { unique: false, ..*column }, at == table.id, Side::Client)
    });
    let columns: Vec<String> = columns.collect();
    format!("CREATE TABLE {} ({}) STRICT, WITHOUT ROWID", quote(table.name), columns.join(", "))
}

/// The columns of a table, for a statement that names them.
pub(crate) fn columns(table: &TableDef) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
    columns.join(", ")
}

/// An image that is being written.
pub(crate) struct ImageWriter {
    db: Connection,
    path: PathBuf,
    max_bytes: u64,
}

impl fmt::Debug for ImageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ImageWriter {
    /// Begins an image in a file that must not be there yet. It will have at most so many bytes.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when it cannot be made.
    pub(crate) fn create(path: &Path, schema: &SchemaDef, max_bytes: u64) -> Result<Self> {
        private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let db = Connection::open_with_flags(path, flags).map_err(from_rusqlite)?;
        let pages = (max_bytes / PAGE_BYTES).max(1);
        // Whoever loses it half-way begins a new one: nothing is to be durable, or taken back.
        let mut sql = format!(
            "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA max_page_count = {pages}; \
             PRAGMA ignore_check_constraints = ON; BEGIN;"
        );
        for create in tables(schema).values() {
            sql.push_str(create);
            sql.push(';');
        }
        db.execute_batch(&sql).map_err(from_rusqlite)?;
        db.set_prepared_statement_cache_capacity(schema.tables.len() + 8);
        Ok(ImageWriter { db, path: path.to_owned(), max_bytes })
    }

    /// Adds a row. Rows of a table come in order of their ids.
    ///
    /// # Errors
    /// [`TooLarge`](ErrorKind::TooLarge) when the image has more bytes than it may have,
    /// [`Storage`](ErrorKind::Storage) when it cannot be written.
    pub(crate) fn put(&mut self, table: &TableDef, row: &Row) -> Result<()> {
        let marks = vec!["?"; table.columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", quote(table.name), columns(table));
        let insert = self.db.prepare_cached(&sql).and_then(|mut insert| insert.execute(params_from_iter(row)));
        insert.map(drop).map_err(|error| self.failed(error))
    }

    /// Ends the image; returns its size in bytes.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(crate) fn finish(self, facts: &Facts) -> Result<u64> {
        let all = [
            ("cookie", Some(&facts.cookie)),
            ("fingerprint", Some(&facts.fingerprint)),
            ("group", facts.group.as_ref()),
        ];
        for (key, value) in all {
            let Some(value) = value else { continue };
            let insert = "INSERT INTO \"_plasma_image\" (\"key\", \"value\") VALUES (?, ?)";
            self.db.execute(insert, [key, value.as_str()]).map_err(|error| self.failed(error))?;
        }
        self.db.execute_batch("COMMIT").map_err(|error| self.failed(error))?;
        self.db.close().map_err(|(_, error)| from_rusqlite(error))?;
        let size = std::fs::metadata(&self.path).map_err(|e| unreadable(&self.path, e))?.len();
        if size > self.max_bytes { Err(too_large(self.max_bytes)) } else { Ok(size) }
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            // The file system may be full as well; both mean pages instead.
            Some(ErrorCode::DiskFull) => too_large(self.max_bytes),
            _ => from_rusqlite(error),
        }
    }
}

/// Makes the file, for its owner only: it holds what one reader may see.
fn private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|e| unreadable(path, e))
}

/// The SHA-256 of a file, as lower-case hex.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage) when it cannot be read.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut chunk).map_err(|e| unreadable(path, e))? {
            0 => break,
            read => hash.update(&chunk[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether the file is an image of this schema for this group, and nothing else; says what it knows.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) when it is not: another hash, a damaged database, a table, index, trigger or view that
/// does not belong there, a word of its schema that is another. [`Storage`](ErrorKind::Storage) when it cannot be read.
#[cfg(feature = "client")]
pub(crate) fn check(path: &Path, hash: &str, schema: &SchemaDef, group: &str) -> Result<Facts> {
    if sha256(path)? != hash {
        return Err(refused("its bytes are not those of its hash"));
    }
    let mut header = [0; 20];
    let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
    // Bytes 18 and 19: a file in WAL mode would have other files beside it made and read.
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") || header[18..] != [1, 1] {
        return Err(refused("it is no SQLite database of the kind expected"));
    }
    drop(file);
    let damaged = |error| refused("it cannot be read").with_source(from_rusqlite(error));
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(path, flags).map_err(damaged)?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        db.set_db_config(config, on).map_err(damaged)?;
    }
    db.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON").map_err(damaged)?;
    let expected = tables(schema);
    let mut left = expected.len();
    let mut statement = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").map_err(damaged)?;
    let mut found = statement.query([]).map_err(damaged)?;
    while let Some(row) = found.next().map_err(damaged)? {
        let column = |at| row.get::<_, String>(at).map_err(damaged);
        let (kind, name, of, sql) = (column(0)?, column(1)?, column(2)?, column(3)?);
        if kind != "table" || of != name || expected.get(name.as_str()) != Some(&sql) {
            return Err(refused("its schema has something that does not belong there"));
        }
        left = left.checked_sub(1).ok_or_else(|| refused("its schema has a table twice"))?;
    }
    if left > 0 {
        return Err(refused("a table is missing in it"));
    }
    drop(found);
    drop(statement);
    for table in schema.synced() {
        check_rows(&db, table)?;
    }
    let fact = |key: &str| -> Result<Option<String>> {
        let sql = "SELECT \"value\" FROM \"_plasma_image\" WHERE \"key\" = ?";
        match db.query_row(sql, [key], |row| row.get(0)) {
            Ok(value) => Ok(Some(value)),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(damaged(error)),
        }
    };
    let missing = || refused("a fact is missing in it");
    let (fingerprint, cookie) = (fact("fingerprint")?.ok_or_else(missing)?, fact("cookie")?.ok_or_else(missing)?);
    let facts = Facts { fingerprint, group: fact("group")?, cookie };
    if facts.fingerprint != schema.fingerprint_hex() {
        return Err(refused("it is of another schema"));
    }
    if facts.group.as_deref().is_some_and(|of| of != group) {
        return Err(refused("it is another group's"));
    }
    Ok(facts)
}

/// Looks at every row: at the values, as the codec of the wire does, and at the order, since a copy puts the rows down as
/// they come. Reading all of them in order is also what finds damaged pages: no other page is ever read.
#[cfg(feature = "client")]
fn check_rows(db: &Connection, table: &TableDef) -> Result<()> {
    let damaged = |error| refused("it cannot be read").with_source(from_rusqlite(error));
    let sql = format!("SELECT {} FROM {}", columns(table), quote(table.name));
    let mut statement = db.prepare(&sql).map_err(damaged)?;
    let mut rows = statement.query([]).map_err(damaged)?;
    let mut last: Vec<u8> = Vec::with_capacity(36);
    while let Some(row) = rows.next().map_err(damaged)? {
        for (at, column) in table.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(damaged)?;
            if !super::checks::is_stored(column, at == table.id, value) {
                return Err(refused("a value in it is not of its column"));
            }
        }
        let id = row.get_ref(table.id).map_err(damaged)?.as_bytes().unwrap_or_default();
        if id <= last.as_slice() {
            return Err(refused("its rows are not in order"));
        }
        last.clear();
        last.extend_from_slice(id);
    }
    Ok(())
}

#[cfg(feature = "client")]
fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the image cannot be taken: {why}"))
}

fn too_large(limit: u64) -> Error {
    let message = format!("the image is larger than {limit} bytes, or the disk is full");
    Error::new(ErrorKind::TooLarge, message).with_data(serde_json::json!({ "limit": limit }))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("the file `{}` cannot be used", path.display())).with_source(error)
}
