//! What carries pokes between the server processes of one database.

use std::fmt;

use crate::error::Result;
use crate::future::BoxFuture;

/// Carries short texts to all server processes of one database. It may lose them: that costs latency and nothing else,
/// because every process looks at the database from time to time all the same.
///
/// An implementation carries text and nothing more: what is in it, when it is sent, and what becomes of it is the server's.
pub trait PokeBus: fmt::Debug + Send + Sync + 'static {
    /// The longest text it carries, bytes. 64 KiB; at least 200.
    fn max_bytes(&self) -> usize {
        64 << 10
    }

    /// Sends a text to everybody who is subscribed; whether the sender hears it too does not matter. One at a time:
    /// what comes while it is under way is put together in the next.
    ///
    /// # Errors
    /// Any: the text counts as lost, the error is told to `on_error`.
    fn publish<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Subscribes, on a connection that is made anew.
    ///
    /// # Errors
    /// Any: it is told to `on_error` and tried again, later and later.
    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Subscription>>>;
}

/// What a subscriber hears.
pub trait Subscription: Send {
    /// Waits for the next text. Dropping the future loses none.
    ///
    /// # Errors
    /// The connection is lost: the subscription is dropped and made anew.
    fn next(&mut self) -> BoxFuture<'_, Result<String>>;
}
