//! What is on the wire of the simulated network.

use super::NodeId;
use super::server::ServerId;
use super::workload::Tables;
use crate::client::event::SendFailure;
use crate::protocol::{Method, PullResponse, WireRequest, WireResponse};

/// Which half of a request's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Answer,
}

/// The sender of a request: an answer finds only the process that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) node: NodeId,
    /// Grows with every restart.
    pub(super) incarnation: u64,
    pub(super) request: u64,
}

/// Something that happens at a later moment.
#[derive(Debug)]
pub(super) enum Due {
    AtServer {
        asker: Asker,
        wire: WireRequest,
    },
    /// A push whose transaction is open goes on.
    Commit {
        transaction: u64,
    },
    /// A page gets its acknowledgements.
    Acknowledge {
        asker: Asker,
        response: WireResponse,
        ghost: Option<Ghost>,
    },
    /// A server hears of a commit of another one.
    Poke {
        server: ServerId,
    },
    AtClient {
        asker: Asker,
        outcome: Result<WireResponse, SendFailure>,
        ghost: Option<Ghost>,
    },
    Wake {
        node: NodeId,
        incarnation: u64,
        at: i64,
    },
    /// A held pull's time is over.
    Release {
        held: u64,
    },
}

/// A pull the server holds because it has nothing to say yet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) server: ServerId,
    pub(super) asker: Asker,
    pub(super) wire: WireRequest,
}

/// What only the simulator knows of an answer: what the server showed when it made it.
#[derive(Debug, Clone)]
pub(super) struct Ghost {
    /// The position after the page.
    pub(super) cookie: String,
    /// The page clears what the client has.
    pub(super) clears: bool,
    /// The rows the caller may read, when the page reached the head.
    pub(super) readable: Option<Tables>,
    /// How often the server had been restored.
    pub(super) history: u32,
}

/// The value of a parameter of a query string; values of the protocol need no decoding.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    crate::server::handler::query::parse(query).ok()?.remove(name)
}

pub(super) fn is_pull(wire: &WireRequest) -> bool {
    wire.method == Method::Get
}

/// The page of a successful pull.
pub(super) fn page(response: &WireResponse) -> Option<PullResponse> {
    (response.status == 200).then(|| serde_json::from_slice(&response.body).ok()).flatten()
}

/// Nothing to send: a `wait` holds the request.
pub(super) fn is_empty(page: &PullResponse) -> bool {
    page.patch.is_empty() && page.last_mutation_ids.is_empty() && !page.has_more
}
