//! Values of sealed columns: typed, and at their place.

use std::borrow::Borrow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{KeyId, Keyring, OpenError, Purpose, SealScope, Sealer, open};
use crate::error::Result;
use crate::mutate::{Place, Seal, seal_value};
use crate::query::Col;
use crate::schema::{Id, Sealed, SealedColumn, Table};
use crate::value::Envelope;

impl<T: DeserializeOwned + 'static> Sealed<T> {
    /// Opens it: `note.body.open(&keyring, Note::body, note.id)`. Where it stands is part of what was sealed, so it opens at
    /// the place it was sealed for and nowhere else: a row or a column of another table does not even compile.
    ///
    /// # Errors
    /// [`NoKey`](OpenError::NoKey) when the keyring does not hold its key, [`Tampered`](OpenError::Tampered) when it is not
    /// what was sealed for this cell, [`Decode`](OpenError::Decode) when what is inside is no `T`.
    pub fn open<R, V>(&self, keyring: &dyn Keyring, column: Col<R, V>, row: Id<R>) -> Result<T, OpenError>
    where
        R: Table,
        V: SealedColumn<Value = T>,
    {
        let row = row.to_string();
        let scope = SealScope { table: R::NAME, column: column.name(), row: &row };
        let plain = Zeroizing::new(open(Purpose::Sealed, keyring, scope, self.envelope())?);
        serde_json::from_slice(&plain).map_err(|_| OpenError::Decode)
    }
}

impl Sealer<'_> {
    /// Seals a value for a column of a row, without a client: `sealer.seal_for(Note::body, id, "text")`.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when it cannot be written as JSON,
    /// [`Encryption`](crate::ErrorKind::Encryption) as [`seal`](Self::seal).
    pub fn seal_for<R, V, B>(&mut self, column: Col<R, V>, row: Id<R>, value: &B) -> Result<Sealed<V::Value>>
    where
        R: Table,
        V: SealedColumn<Value: Borrow<B>>,
        B: Serialize + ?Sized,
    {
        seal_value(self, &Place::of(column, row), None, value).map(Sealed::from_envelope)
    }
}

impl Seal for Sealer<'_> {
    fn seal_bytes(&mut self, place: &Place, key: Option<&KeyId>, plain: &[u8]) -> Result<Envelope> {
        let row = place.row.to_string();
        let scope = SealScope { table: place.table, column: place.column, row: &row };
        let sealed = match key {
            Some(key) => self.seal_with(Purpose::Sealed, key, scope, plain),
            None => self.seal(Purpose::Sealed, scope, plain),
        };
        Ok(sealed?)
    }
}
