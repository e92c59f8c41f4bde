//! Sabotage: a simulator that cannot find a planted bug proves nothing.

use super::{CommitOrder, ServerId};
use crate::error::Result;
use crate::protocol::{WireRequest, WireResponse};
use crate::store::SqlConnection;

/// Changes what passes, to plant a bug. Every method does nothing by default.
pub trait Tamper: Send + Sync {
    /// A request on its way to the server.
    fn request(&self, request: &mut WireRequest) {
        let _ = request;
    }

    /// An answer on its way from a server to a client.
    fn response(&self, server: ServerId, request: &WireRequest, response: &mut WireResponse) {
        let _ = (server, request, response);
    }

    /// The database before a server handles a request.
    ///
    /// # Errors
    /// Those of the database.
    fn server(&self, server: ServerId, request: &WireRequest, db: &mut dyn SqlConnection) -> Result<()> {
        let _ = (server, request, db);
        Ok(())
    }

    /// The process of a server has started.
    fn started(&self, server: ServerId) {
        let _ = server;
    }

    /// The database after a server with a later version of the application has made it fit.
    ///
    /// # Errors
    /// Those of the database.
    fn migrated(&self, db: &mut dyn SqlConnection) -> Result<()> {
        let _ = db;
        Ok(())
    }

    /// In which order commits stand in the log.
    fn order(&self) -> CommitOrder {
        CommitOrder::Sequenced
    }

    /// The database after a server has compacted its log.
    ///
    /// # Errors
    /// Those of the database.
    fn compacted(&self, server: ServerId, db: &mut dyn SqlConnection) -> Result<()> {
        let _ = (server, db);
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
