//! Sealing and opening with the client's keyring.
//!
//! The keyring is held by the handle. The engine, its transactions and the mutators in them never see it.

use std::borrow::Borrow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientBuilder};
use crate::crypto::{Keyring, OpenError, Sealer};
use crate::error::Result;
use crate::mutate::{NoKeys, Place, Seal, seal_value};
use crate::query::typed::Col;
use crate::schema::{Id, InSchema, Schema, Sealed, SealedColumn};

use crate::client::nonces::StoreLedger;
use crate::client::runtime::Core;

impl<S: Schema> ClientBuilder<S> {
    /// The keys of this user, for sealed columns: what [`seal`](Client::seal), `mutate` with plain arguments and
    /// [`rotate_keys`](Client::rotate_keys) seal with, and [`open`](Client::open) opens with.
    pub fn keyring(mut self, keyring: Arc<impl Keyring + 'static>) -> Self {
        self.keyring = Some(keyring);
        self
    }
}

impl<S: Schema> Client<S> {
    /// Seals a value for a column of a row, with the key that the keyring says is current there. The envelope can then go
    /// into the arguments of any mutation, and opens nowhere else.
    ///
    /// ```no_run
    /// # use plasma_runtime::{client::Client, query::typed::Col, schema::{Id, InSchema, Schema, Sealed, Table}, Result};
    /// # async fn f<S: Schema, Note: InSchema<S>>(client: Client<S>, body: Col<Note, Sealed<String>>, id: Id<Note>) -> Result<()> {
    /// let sealed: Sealed<String> = client.seal(body, id, "nobody else reads this").await?;
    /// assert_eq!(client.open(body, id, &sealed)?, "nobody else reads this");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the client has no keyring; [`Encryption`](crate::ErrorKind::Encryption)
    /// when no key is current or it has sealed as many values as it may; [`Storage`](crate::ErrorKind::Storage) when that
    /// cannot be counted; [`Closed`](crate::ErrorKind::Closed).
    pub async fn seal<R, V, B>(&self, column: Col<R, V>, row: Id<R>, value: &B) -> Result<Sealed<V::Value>>
    where
        R: InSchema<S>,
        V: SealedColumn<Value: Borrow<B>>,
        B: Serialize + ?Sized,
    {
        let place = Place::of(column, row);
        self.sealing(|seal| seal_value(seal, &place, None, value)).await.map(Sealed::from_envelope)
    }

    /// Opens what was sealed for a column of a row: `client.open(Note::body, note.id, &note.body)`.
    ///
    /// # Errors
    /// Those of [`Sealed::open`]; without a keyring, [`NoKey`](OpenError::NoKey).
    pub fn open<R, V>(&self, column: Col<R, V>, row: Id<R>, sealed: &Sealed<V::Value>) -> Result<V::Value, OpenError>
    where
        R: InSchema<S>,
        V: SealedColumn<Value: DeserializeOwned>,
    {
        match &self.inner.keyring {
            Some(keyring) => sealed.open(&**keyring, column, row),
            None => Err(OpenError::NoKey(sealed.key_id().clone())),
        }
    }

    /// Works with what seals here, in a turn of the writer, which counts the nonces.
    pub(super) async fn sealing<R>(&self, work: impl FnOnce(&mut dyn Seal) -> Result<R>) -> Result<R> {
        let Some(keyring) = &self.inner.keyring else { return work(&mut NoKeys) };
        let turn = |core: &mut Core| {
            let Core { store, nonces, entropy, .. } = core;
            let mut ledger = StoreLedger(&mut **store);
            work(&mut Sealer { keyring: &**keyring, nonces, ledger: &mut ledger, entropy: &mut **entropy })
        };
        self.inner.shared.turn(turn).await
    }
}
