//! Merging a row that two sides changed: `#[plasma::table(resolve_conflict = merge_todo)]`.

use std::fmt;

use super::tx::defect;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{RowReader, RowWriter, Table};
use crate::value::Row;

/// A row that changed on the server between the moment a user saw it and the moment that user's mutation arrived.
///
/// ```
/// use plasma_runtime::mutate::Conflict;
/// # #[derive(Clone)] struct Note { title: String, tags: Vec<String> }
///
/// /// The title of who comes last, as without a merge; of the tags what either side added, without what either took away.
/// fn merge_note(conflict: Conflict<'_, Note>) -> Note {
///     let Conflict { base, local, remote } = conflict;
///     let before = base.map_or(&[][..], |base| &base.tags);
///     let mut tags: Vec<String> = remote.tags.iter().chain(&local.tags).cloned().collect();
///     tags.retain(|tag| !before.contains(tag) || (local.tags.contains(tag) && remote.tags.contains(tag)));
///     tags.sort();
///     tags.dedup();
///     Note { tags, ..local.clone() }
/// }
/// # let note = |tags: &[&str]| Note { title: String::new(), tags: tags.iter().map(|tag| (*tag).to_owned()).collect() };
/// # let (base, local, remote) = (note(&["a", "b"]), note(&["a", "c"]), note(&["b", "d"]));
/// # let merged = merge_note(Conflict { base: Some(&base), local: &local, remote: &remote });
/// # assert_eq!(merged.tags, ["c", "d"]);
/// ```
///
/// The server calls the merge once for a row, when the mutator has ended, and stores what it returns. `local` is what is
/// stored without a merge, so a column that the mutation left alone has the server's newest value there: begin with
/// `..local.clone()`. What a mutator computes from the row, in itself or by `Note::words + 1`, has taken the newer row
/// into account and needs no merge; and a merge must bear that `local` already holds what `remote` does. A CRDT column has
/// merged by itself: what the merge returns for it is not stored.
///
/// The merge must be a function of its input: no clock, no randomness, no store. A panic rejects the mutation.
pub struct Conflict<'a, T> {
    /// The row as the user saw it when the mutation was made, with that client's earlier mutations in it; none when the
    /// client looked for the row and did not have it. It is the client's word, and nothing to decide rights by.
    pub base: Option<&'a T>,
    /// The row as the mutation leaves it on the server.
    pub local: &'a T,
    /// The row as it was on the server before the mutation.
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
    /// The row as the user saw it.
    pub base: Option<Row>,
    /// The row as the mutation leaves it.
    pub local: Row,
    /// The row as it was before.
    pub remote: Row,
}

impl ConflictRows {
    /// Merges by a function over the table's struct. The row keeps its id, whatever the function does with it.
    ///
    /// # Errors
    /// [`InvalidArgs`](ErrorKind::InvalidArgs) when the base is not a row of the table, [`Internal`](ErrorKind::Internal)
    /// when one of the server's is none, [`Validation`](ErrorKind::Validation) when the merged row holds what cannot be
    /// stored.
    pub fn resolve<T: Table>(self, merge: ConflictFn<T>) -> Result<Row> {
        let id = self.remote.get(T::DEF.id).cloned();
        let read = |row: Row| (T::CODEC.decode)(&mut RowReader::new(row));
        let base = self.base.map(read).transpose().map_err(|error| {
            let message = format!("the base of a row of `{}` is none of its rows: {}", T::NAME, error.message());
            Error::new(ErrorKind::InvalidArgs, message)
        })?;
        let (local, remote) = (read(self.local).map_err(defect)?, read(self.remote).map_err(defect)?);
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
