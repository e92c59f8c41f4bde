//! Merging a row that two sides changed: `#[plasma::table(resolve_conflict = merge_todo)]`.

use std::fmt;

use crate::error::Result;
use crate::schema::{RowReader, RowWriter, Table};
use crate::value::Row;

/// A row that was changed on the server while a client was changing it too.
///
/// ```
/// use plasma_runtime::mutate::Conflict;
/// # #[derive(Clone)] struct Note { title: String, words: i64 }
///
/// /// The client's title wins; the words of both count.
/// fn merge_note(conflict: Conflict<'_, Note>) -> Note {
///     let before = conflict.base.map_or(0, |base| base.words);
///     let words = conflict.remote.words + (conflict.local.words - before);
///     Note { title: conflict.local.title.clone(), words }
/// }
/// # let _ = merge_note;
/// ```
///
/// The merge must be a function of its input: no clock, no randomness, no store.
pub struct Conflict<'a, T> {
    /// The row as the client knew it when it made its change; none when the client did not have it.
    pub base: Option<&'a T>,
    /// The row as the client's change makes it.
    pub local: &'a T,
    /// The row as the server has it.
    pub remote: &'a T,
}

impl<T> Clone for Conflict<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Conflict<'_, T> {}
impl<T: fmt::Debug> fmt::Debug for Conflict<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict { base, local, remote } = self;
        f.debug_struct("Conflict").field("base", base).field("local", local).field("remote", remote).finish()
    }
}

/// A merge, as it is written.
pub type ConflictFn<T> = fn(Conflict<'_, T>) -> T;

/// A merge, its types forgotten: rows in, row out.
///
/// # Errors
/// What an image that is not a row of the table gives, or a merged value that cannot be stored.
pub type ResolveFn = fn(ConflictRows) -> Result<Row>;

/// The images of a conflict, untyped.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictRows {
    /// The row as the client knew it.
    pub base: Option<Row>,
    /// The row as the client's change makes it.
    pub local: Row,
    /// The row as the server has it.
    pub remote: Row,
}

impl ConflictRows {
    /// Merges by a function over the table's struct. The row keeps its id, whatever the function does with it.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when an image is not a row of the table,
    /// [`Validation`](crate::ErrorKind::Validation) when the merged row holds what cannot be stored.
    pub fn resolve<T: Table>(self, merge: ConflictFn<T>) -> Result<Row> {
        let id = self.remote.get(T::DEF.id).cloned();
        let read = |row: Row| (T::CODEC.decode)(&mut RowReader::new(row));
        let base = self.base.map(read).transpose()?;
        let (local, remote) = (read(self.local)?, read(self.remote)?);
        let merged = merge(Conflict { base: base.as_ref(), local: &local, remote: &remote });
        let mut writer = RowWriter::default();
        (T::CODEC.encode)(merged, &mut writer);
        let mut row = writer.finish()?;
        if let Some(id) = id {
            row[T::DEF.id] = id;
        }
        Ok(row)
    }
}
