//! The messages, member by member. Unknown members are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The body of `POST /push`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushRequest {
    /// Always [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION).
    pub protocol_version: u64,
    /// The version people see.
    pub schema_version: String,
    /// 16 hex digits; decides when present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The caller's group; the server's `auth` decides whether it is.
    #[serde(rename = "clientGroupID")]
    pub client_group_id: String,
    /// The local store.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Outcomes at or below it may be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<u64>,
    /// The mutations, in ascending id.
    pub mutations: Vec<PushedMutation>,
}

/// One mutation of a push. `name`, `args` and `timestamp` are read late, so that a malformed mutation is rejected
/// alone and never blocks its client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PushedMutation {
    /// 1, 2, 3 .. per client.
    pub id: u64,
    /// Lower-case hyphenated UUID.
    pub key: String,
    /// Why it never runs: `discarded` or `too-large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Box<RawValue>>,
    /// Wire name of the mutator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<RawValue>>,
    /// The arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Box<RawValue>>,
    /// Milliseconds since 1970 by the client's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Box<RawValue>>,
    /// The version of the schema that the program had which made the mutation; that of the push when absent.
    #[serde(default, rename = "schemaVersion", skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<Box<RawValue>>,
    /// Digest of what the client's run was told, as text; anything else counts as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Box<RawValue>>,
    /// By table and id, the rows that the client's first run changed in tables that merge, as they were before it: the
    /// row in wire form as text, or null for a row it did not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bases: Option<Box<RawValue>>,
    /// By table, row and column, what the operations of the client's first run on CRDT columns had seen, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Box<RawValue>>,
}

/// The answer of a push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushResponse {
    /// Always true.
    pub ok: bool,
    /// The last id the ledger knows of this client.
    #[serde(rename = "lastMutationID")]
    pub last_mutation_id: u64,
    /// One entry per mutation run or recognised, in ascending id.
    pub results: Vec<MutationResult>,
}

/// How a mutation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MutationResult {
    /// The mutation.
    pub id: u64,
    /// How it ended.
    pub status: MutationStatus,
    /// For a duplicate: how it ended the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<MutationStatus>,
    /// For a rejection (also a duplicate of one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<MutationError>,
    /// Digest of the canonical writes, when the canonical run was told what the client said it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<String>,
}

/// The statuses of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MutationStatus {
    /// It ran and its writes are committed.
    Applied,
    /// It failed by its own word and wrote nothing.
    Rejected,
    /// It will never run.
    Skipped,
    /// It was handled before; `was` says how.
    Duplicate,
}

/// Why a mutation was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MutationError {
    /// A code of the protocol or of the application.
    pub code: String,
    /// For people.
    pub message: String,
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// The answer of a pull: one page.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullResponse {
    /// The position after this page; opaque to the client.
    pub cookie: String,
    /// False when the page reached the head of the pull's own snapshot.
    pub has_more: bool,
    /// True on every page but the last of a set without inner cuts: stage it.
    #[serde(default)]
    pub partial: bool,
    /// What to do, in order.
    pub patch: Vec<PatchOp>,
    /// Members of the caller's group that advanced since the cookie; all on a reset.
    #[serde(rename = "lastMutationIDs")]
    pub last_mutation_ids: BTreeMap<String, u64>,
    /// The key stored for the caller's entry of `lastMutationIDs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key: Option<String>,
    /// Outcomes of the caller's mutations.
    #[serde(default)]
    pub results: Vec<MutationResult>,
    /// On the first page of a snapshot: the rest may be had as a file of this format instead (`GET {base}/image`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// One operation of a patch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", try_from = "FlatPatchOp")]
pub enum PatchOp {
    /// Removes the base rows of one table, or of all.
    Clear {
        /// The table; all synced tables without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<String>,
    },
    /// Stores a row.
    Put {
        /// SQL name of the table.
        table: String,
        /// The row's id.
        id: String,
        /// The row, column by name.
        value: Box<RawValue>,
    },
    /// Removes a row.
    Del {
        /// SQL name of the table.
        table: String,
        /// The row's id.
        id: String,
    },
}

/// A patch operation with every member optional: serde buffers internally tagged enums, and a raw value cannot be
/// buffered.
#[derive(Deserialize)]
struct FlatPatchOp {
    op: String,
    table: Option<String>,
    id: Option<String>,
    value: Option<Box<RawValue>>,
}

impl TryFrom<FlatPatchOp> for PatchOp {
    type Error = String;

    fn try_from(flat: FlatPatchOp) -> Result<Self, String> {
        match (flat.op.as_str(), flat.table, flat.id, flat.value) {
            ("clear", table, _, _) => Ok(PatchOp::Clear { table }),
            ("put", Some(table), Some(id), Some(value)) => Ok(PatchOp::Put { table, id, value }),
            ("del", Some(table), Some(id), _) => Ok(PatchOp::Del { table, id }),
            (op, ..) => Err(format!("the patch operation `{op}` is unknown or lacks a member")),
        }
    }
}

/// The parameters of `GET /pull`, from its query string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Always [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION).
    pub protocol_version: u64,
    /// The version people see.
    pub schema_version: String,
    /// 16 hex digits; decides when present.
    pub fingerprint: Option<String>,
    /// The caller's group.
    pub client_group_id: String,
    /// The local store.
    pub client_id: String,
    /// Where the client is; none on the first pull.
    pub cookie: Option<String>,
    /// Patch operations at most.
    pub limit: Option<u64>,
    /// Outcomes at or below it are not sent.
    pub settled: Option<u64>,
    /// Milliseconds to hold the request while there is nothing to send.
    pub wait: Option<u64>,
}

/// The body of every error: `error`, `message`, and members by code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireError {
    /// The code, kebab-case.
    pub error: String,
    /// For people.
    pub message: String,
    /// Members that depend on the code, such as `expected`, `limit`, `lastMutationID`, `results`.
    #[serde(flatten)]
    pub members: serde_json::Map<String, serde_json::Value>,
}
