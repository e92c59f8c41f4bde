//! The image lane at the client: a downloaded file instead of the partial pages of a snapshot.
//!
//! An image is staged as a page that empties everything, with the name and the hash of its file. It is applied with the
//! rest of its set, in the set's one transaction: the tables are emptied, the rows are copied by SQL from the attached
//! file, the pages that came after it are put on top, and what is pending runs again. The file is taken for hostile: it is
//! checked when it is staged and again before it is attached, and only expected columns of expected tables are read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::inbox;
use crate::error::Result;
use crate::schema::SchemaDef;
use crate::schema::TableDef;
use crate::store::SqlConnection;
use crate::store::ddl::{create_index, quote};

/// The name of the attached file in SQL.
const ATTACHED: &str = "plasma_image";

/// The file of a staged image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// Its name, without the folder.
    pub(crate) file: String,
    /// Its SHA-256, lower-case hex.
    pub(crate) sha256: String,
}

/// Where a download of this request goes: beside the store, whose path `beside` is.
pub(crate) fn path_for(beside: &Path, request: u64) -> PathBuf {
    let mut name = prefix(beside);
    name.push_str(&format!("{request:x}"));
    beside.with_file_name(name)
}

fn prefix(beside: &Path) -> String {
    let name = beside.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{name}.image-")
}

/// Removes the images that no set waits for. One that another process is downloading is lost to it: it takes pages.
pub(crate) fn sweep(store: &mut dyn SqlConnection, beside: &Path) -> Result<()> {
    let staged = inbox::image(store)?.map(|image| image.file);
    let prefix = prefix(beside);
    let folder = beside.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that cannot be listed keeps them.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && staged.as_deref() != Some(name.as_str()) {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Overwrites and removes all images beside a store, those that a set waits for too: the set begins anew, by pages.
/// What a file system or a disk keeps of overwritten files is out of reach.
pub(crate) fn wipe(beside: &Path) {
    let prefix = prefix(beside);
    let folder = beside.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _overwritten = overwrite(&entry.path());
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}

fn overwrite(path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    let (zeros, mut left) = ([0; 1 << 16], file.metadata()?.len());
    while left > 0 {
        let part = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    file.sync_all()
}

/// Checks the file; gives the cookie the set goes on from.
///
/// # Errors
/// [`Protocol`](crate::ErrorKind::Protocol) when it is not what it must be.
#[cfg(all(feature = "sqlite", not(target_family = "wasm")))]
pub(crate) fn check(path: &Path, sha256: &str, schema: &SchemaDef, group: &str) -> Result<String> {
    crate::store::image::check(path, sha256, schema, group).map(|facts| facts.cookie)
}

/// There are no files here.
#[cfg(not(all(feature = "sqlite", not(target_family = "wasm"))))]
pub(crate) fn check(_: &Path, _: &str, _: &SchemaDef, _: &str) -> Result<String> {
    Err(crate::Error::new(crate::ErrorKind::Config, "this build cannot read images"))
}

/// Makes the rows of a checked file readable by SQL. Outside of a transaction.
pub(crate) fn attach(store: &mut dyn SqlConnection, path: &Path) -> Result<()> {
    store.batch("PRAGMA trusted_schema = OFF")?;
    store.execute(&format!("ATTACH DATABASE ? AS {ATTACHED}"), &[path.to_string_lossy().as_ref().into()])?;
    Ok(())
}

/// The opposite.
pub(crate) fn detach(store: &mut dyn SqlConnection) -> Result<()> {
    store.batch(&format!("DETACH DATABASE {ATTACHED}; PRAGMA trusted_schema = ON"))
}

/// The statements that copy a table from the attached file into the store, whose table is empty. The tables are equal, so
/// that SQLite takes the rows over as they lie in the file (<https://sqlite.org/src/file/src/insert.c>, "xfer"), if the
/// store's table has no index: indexes are made again behind the rows, which is faster than row by row anyway.
pub(crate) fn copy(table: &TableDef) -> Vec<String> {
    let name = quote(table.name);
    let indexes = table.named_indexes();
    let drops = indexes.iter().map(|index| format!("DROP INDEX IF EXISTS {}", quote(&index.name)));
    let copy = format!("INSERT INTO main.{name} SELECT * FROM {ATTACHED}.{name}");
    drops.chain([copy]).chain(indexes.iter().map(|index| create_index(table, index))).collect()
}
