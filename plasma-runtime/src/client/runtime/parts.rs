//! What a client is put together from.

use std::sync::Arc;

use super::clock::Clock;
use crate::client::engine::Engine;
use crate::client::event::{Action, ClientError};
use crate::client::outcomes::Outcome;
use crate::client::transport::{AuthProvider, Transport};
use crate::future::{MaybeSend, MaybeSync};
use crate::inputs::Entropy;
use crate::mutate::ErasedCtx;
use crate::store::SqlConnection;

/// What one turn of the writer works on.
pub(crate) struct Core {
    pub engine: Engine,
    pub store: Box<dyn SqlConnection>,
    pub entropy: Box<dyn Entropy>,
    /// What is drawn of nonces, for sealed columns.
    #[cfg(feature = "encryption")]
    pub nonces: crate::crypto::Nonces,
    /// SQLite's mark of changes by other connections, when the store is a file that others may open.
    pub(super) data_version: Option<i64>,
}

/// How the server is reached.
pub(crate) struct Network {
    pub transport: Arc<dyn Transport>,
    pub auth: Option<Arc<dyn AuthProvider>>,
    /// The longest a request may take beyond the `wait` it asks for, ms.
    pub timeout_ms: u64,
}

/// The application's functions.
#[derive(Default)]
pub(crate) struct Hooks {
    pub on_error: Option<Box<dyn ErrorCall>>,
    pub on_schema_mismatch: Option<Box<dyn ErrorCall>>,
}

/// A function that hears of errors.
pub(crate) trait ErrorCall: MaybeSend + MaybeSync {
    fn call(&self, error: &ClientError);
}

impl<F: Fn(&ClientError) + MaybeSend + MaybeSync> ErrorCall for F {
    fn call(&self, error: &ClientError) {
        self(error);
    }
}

/// A function that hears of outcomes.
pub(crate) trait OutcomesCall: MaybeSend {
    fn call(&mut self, outcomes: &[Outcome]);
}

impl<F: FnMut(&[Outcome]) + MaybeSend> OutcomesCall for F {
    fn call(&mut self, outcomes: &[Outcome]) {
        self(outcomes);
    }
}

/// What a client is put together from.
pub(crate) struct Parts {
    pub engine: Engine,
    pub actions: Vec<Action>,
    pub writer: Box<dyn SqlConnection>,
    pub reader: Option<Box<dyn SqlConnection>>,
    /// Other processes may open the store: look for their changes this often, ms.
    pub watch_file_ms: Option<u64>,
    pub ctx: Arc<ErasedCtx>,
    pub network: Option<Network>,
    pub hooks: Hooks,
    pub clock: Arc<dyn Clock>,
    pub entropy: Box<dyn Entropy>,
}
