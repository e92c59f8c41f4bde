//! Everything that is in the database of a server, for people to look at: what the server knows.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

/// A table and its rows, each a list of column and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: Vec<Vec<(String, String)>>,
}

/// Reads every table of a SQLite file, the library's own too: the change log holds every version of every row.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> rusqlite::Result<Vec<Table>> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let table = |name: String| {
        let mut all = database.prepare(&format!("SELECT * FROM \"{name}\""))?;
        let columns: Vec<String> = all.column_names().map(str::to_owned).collect();
        let row = |row: &rusqlite::Row<'_>| {
            let cell = |(at, column): (usize, &String)| Ok((column.clone(), text(row.get_ref(at)?)));
            columns.iter().enumerate().map(cell).collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = all.query_map([], row)?.collect::<Result<_, _>>()?;
        Ok(Table { name, rows })
    };
    names.into_iter().map(table).collect()
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The files of a SQLite database that hold any of these words, read as they lie on the disk: free pages and the
/// write-ahead log too.
///
/// # Errors
/// When a file cannot be read.
pub fn files_with(database: &Path, words: &[&str]) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for end in ["", "-wal", "-shm"] {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for word in words {
            if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push(format!("`{word}` in {}", Path::new(&path).display()));
            }
        }
    }
    Ok(found)
}

/// Prints every row of every table.
///
/// # Errors
/// When the file cannot be read or the output written.
pub fn print(
    path: &Path,
    out: &mut (dyn std::io::Write + Send),
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for table in read(path)? {
        writeln!(out, "== {} ({} rows)", table.name, table.rows.len())?;
        for row in table.rows {
            for (column, value) in row {
                writeln!(out, "   {column}: {value}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}
