//! What a client engine is opened with.

/// The settings of an engine. [`Default`] is a store without a server.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The group (user) the store belongs to. None takes the one the store has; a store without one never syncs.
    pub group: Option<String>,
    /// Where the server's routes are, such as `/sync`; none means that there is no server.
    pub base_path: Option<String>,
    /// Time between two pulls when nothing is held open, ms. 5,000.
    pub poll_interval_ms: u64,
    /// What `poll_interval_ms` rises to while failing, ms. 60,000.
    pub max_poll_interval_ms: u64,
    /// How failed requests are tried again.
    pub retry: RetryPolicy,
    /// How long the server may hold a pull that has nothing to say, ms; 0 switches long polls off. 25,000.
    pub long_poll_ms: u64,
    /// Patch operations of a page at most. 1,000.
    pub page_limit: u64,
    /// Mutations of a push at most. 200.
    pub push_limit: usize,
    /// Bytes of a push at most; a mutation that cannot fit is refused by `mutate`. 1 MiB.
    pub body_bytes: usize,
    /// What to do when the server has another schema.
    pub on_mismatch: OnMismatch,
    /// When `mutate` returns.
    pub durability: Durability,
    /// How long one process may sync before others may take over, ms. 30,000.
    pub lease_ms: u64,
    /// How long the server keeps the keys of mutations, ms: what was sent longer ago is never sent again under
    /// another client id. 90 days.
    pub key_retention_ms: i64,
    /// Outcomes of applied mutations kept, newest first. Others stay until dismissed. 1,000.
    pub applied_outcomes: u64,
    /// The path of the store's file, when the rest of a snapshot may be downloaded as a file beside it; none takes pages
    /// only.
    pub image: Option<std::path::PathBuf>,
    /// What seals the columns that are encrypted in the store's file; a schema that has some does not open without it.
    pub encryption: Option<std::sync::Arc<crate::client::AtRestCipher>>,
    /// Rebases always by undo and replay, never by proof: for tests.
    pub always_replay: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            group: None,
            base_path: None,
            poll_interval_ms: 5_000,
            max_poll_interval_ms: 60_000,
            retry: RetryPolicy::default(),
            long_poll_ms: 25_000,
            page_limit: 1_000,
            push_limit: 200,
            body_bytes: 1 << 20,
            on_mismatch: OnMismatch::Stay,
            durability: Durability::Normal,
            lease_ms: 30_000,
            key_retention_ms: 90 * 24 * 3_600 * 1_000,
            applied_outcomes: 1_000,
            image: None,
            encryption: None,
            always_replay: false,
        }
    }
}

/// How failed requests are tried again: exponential with full jitter
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), then at the poll interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts before the pace falls to the poll interval. 5.
    pub attempts: u32,
    /// The first delay's upper end, ms. 500.
    pub first_ms: u64,
    /// The greatest delay's upper end, ms. 30,000.
    pub max_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { attempts: 5, first_ms: 500, max_ms: 30_000 }
    }
}

/// What to do when the server has another schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMismatch {
    /// Keep the data, keep queueing, keep asking.
    #[default]
    Stay,
    /// Drop the synced rows, keep client id and outbox, pull anew and replay.
    Reset,
}

/// When `mutate` returns. `Full` and `Normal` differ in how the store was opened (`synchronous`); the engine's steps
/// are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After the commit: survives a kill of the process.
    #[default]
    Normal,
    /// After a synced commit: survives power loss.
    Full,
    /// Before the commit, which follows within 20 ms; the receipt says when.
    WriteBehind,
}

/// What signing out does with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// Removes the rows, keeps group, client id, outbox and outcomes: the same group can go on later.
    KeepOutbox,
    /// Removes everything: another group may open the store.
    Wipe,
}
