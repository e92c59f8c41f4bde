//! A value that can be looked at and waited for.

use std::fmt;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// The newest value of something that changes. Cheap to clone; a slow reader misses what was in between.
pub struct Watch<T>(watch::Receiver<T>);

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        Watch(self.0.clone())
    }
}

impl<T: Clone> Watch<T> {
    pub(crate) fn new(receiver: watch::Receiver<T>) -> Self {
        Watch(receiver)
    }

    /// The value now.
    pub fn get(&self) -> T {
        self.0.borrow().clone()
    }

    /// Waits until the value is another than the one last seen here by `changed` or `wait_until`, and returns it.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when the value will not change any more.
    pub async fn changed(&mut self) -> Result<T> {
        self.0.changed().await.map_err(|_| closed())?;
        Ok(self.0.borrow_and_update().clone())
    }

    /// Waits until the value satisfies `condition`, which it may do already, and returns it.
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when it does not and will not change any more.
    pub async fn wait_until(&mut self, condition: impl FnMut(&T) -> bool) -> Result<T> {
        self.0.wait_for(condition).await.map(|value| value.clone()).map_err(|_| closed())
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed")
}

impl<T: fmt::Debug> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&*self.0.borrow()).finish()
    }
}
