//! Sabotage: a simulator that cannot find a planted bug proves nothing.

use crate::error::Result;
use crate::protocol::{WireRequest, WireResponse};
use crate::store::SqlConnection;

/// Changes what passes, to plant a bug. Every method does nothing by default.
pub trait Tamper: Send + Sync {
    /// A request on its way to the server.
    fn request(&self, request: &mut WireRequest) {
        let _ = request;
    }

    /// An answer on its way to a client.
    fn response(&self, request: &WireRequest, response: &mut WireResponse) {
        let _ = (request, response);
    }

    /// The server's database before it handles a request.
    ///
    /// # Errors
    /// Those of the database.
    fn server(&self, request: &WireRequest, db: &mut dyn SqlConnection) -> Result<()> {
        let _ = (request, db);
        Ok(())
    }

    /// The server's database after its log was compacted.
    ///
    /// # Errors
    /// Those of the database.
    fn compacted(&self, db: &mut dyn SqlConnection) -> Result<()> {
        let _ = db;
        Ok(())
    }

    /// A client's store after it took an answer.
    ///
    /// # Errors
    /// Those of the store.
    fn client(&self, store: &mut dyn SqlConnection) -> Result<()> {
        let _ = store;
        Ok(())
    }
}

/// Nothing is changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTamper;

impl Tamper for NoTamper {}
