//! The key of the client's file.

use std::sync::Arc;

use super::{Client, ClientBuilder};
use crate::client::AtRestCipher;
use crate::crypto::{Dek, KeyId};
use crate::error::Result;
use crate::inputs::OsEntropy;
use crate::schema::Schema;

impl<S: Schema> ClientBuilder<S> {
    /// The key for the columns that are encrypted in the client's file ([`AtRest`](crate::schema::AtRest)), and its id,
    /// which is stored with them in clear. A schema that has such columns needs it; for one that has none it does nothing.
    /// Keep the key outside of the file, in the operating system's key store for example: without it the store cannot be
    /// opened, and what was not synced is lost.
    ///
    /// What the client's queries sort and join is kept in memory then, never in temporary files, deleted content is
    /// overwritten with zeros, and a first sync comes by pages: an image would lie beside the store in clear.
    ///
    /// ```no_run
    /// # #[cfg(all(feature = "client", feature = "sqlite"))] {
    /// use plasma_runtime::client::{Client, SqliteStore};
    /// use plasma_runtime::crypto::{Dek, KeyId};
    /// # use plasma_runtime::schema::Schema;
    /// # async fn open<App: Schema<Ctx = ()>>(bytes: [u8; 32]) -> plasma_runtime::Result<()> {
    /// let client = Client::<App>::builder(SqliteStore::open("app.db"))
    ///     .encryption(Dek::from_bytes(bytes), KeyId::new("device-1")?)
    ///     .open()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// # }
    /// ```
    pub fn encryption(mut self, key: Dek, key_id: KeyId) -> Self {
        // Never from `entropy`: a seeded source would give the same nonces twice.
        self.options.encryption = Some(Arc::new(AtRestCipher::new(key, key_id, OsEntropy)));
        self
    }
}

impl<S: Schema> Client<S> {
    /// Encrypts what the client's file has encrypted ([`AtRest`](crate::schema::AtRest)) with another key, in one
    /// transaction: after a crash it is all under the old key or all under the new one, and `ErrorKind::Config` at the
    /// next open says which. So keep the old key until this has returned. What the old key had encrypted is overwritten.
    ///
    /// It takes as long as to write every row with such a column; reads go on meanwhile. Other processes that have the
    /// store open have to open it again, with the new key.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the client was opened without a key, or the id is that of the present one;
    /// [`Encryption`](crate::ErrorKind::Encryption) when a value in the file is not what was encrypted there;
    /// [`Storage`](crate::ErrorKind::Storage), [`Closed`](crate::ErrorKind::Closed). The old key stays then.
    pub async fn rotate_at_rest(&self, key: Dek, key_id: KeyId) -> Result<()> {
        let shared = &self.inner.shared;
        let work = |core: &mut crate::client::runtime::Core| {
            shared.step(core, |engine, store, _, _| Ok(((), engine.rotate_at_rest(store, key, key_id)?)))
        };
        shared.turn(work).await
    }
}
