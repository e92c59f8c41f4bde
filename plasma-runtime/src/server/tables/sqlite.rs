//! The server's own tables on SQLite.

/// The change log: one row per write of a synced table, whoever wrote it.
///
/// - `row_version`: ascending; on SQLite commit order.
/// - `op`: `put`, `del`, `ack` (a mutation that wrote nothing to the log still takes a position), `begin` (so that an
///   empty log has a position). `ack` and `begin` rows have empty `table_name` and `row_id`.
/// - `value`, `prior`: the full row as JSON after and before the write ([`crate::value::json`] says how each kind is
///   written by the triggers: blobs as hex, everything else as on the wire); NULL for none.
/// - `created_at`: unix ms.
/// - `client_group_id`, `client_id`, `mutation_id`: who; NULL for raw writes by other programs.
/// - `tx`: NULL on SQLite.
/// - `mark`: random 64 bits; a position with another mark belongs to another history.
///
/// A unit is a run of neighbouring entries with the same `client_id` and `mutation_id`, or of neighbouring raw entries.
pub const CHANGES: &str = "CREATE TABLE IF NOT EXISTS _plasma_changes (
  row_version INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  op TEXT NOT NULL,
  value TEXT,
  prior TEXT,
  created_at INTEGER NOT NULL,
  client_group_id TEXT,
  client_id TEXT,
  mutation_id INTEGER,
  tx TEXT,
  mark INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS _plasma_changes_row ON _plasma_changes (table_name, row_id, row_version);";

/// The ledger: one row per client. `row_version` is the log position of its last acknowledgement: the version of the
/// mutation's last log entry, or of its `ack` entry.
pub const CLIENT_MUTATIONS: &str = "CREATE TABLE IF NOT EXISTS _plasma_client_mutations (
  client_id TEXT PRIMARY KEY,
  client_group_id TEXT NOT NULL,
  last_mutation_id INTEGER NOT NULL,
  row_version INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0,
  seen_at INTEGER NOT NULL,
  expired INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _plasma_client_mutations_group ON _plasma_client_mutations (client_group_id, row_version);";

/// Keys and outcomes, one row per mutation. `status` is `applied`, `rejected` or `skipped`; `code`, `message` and
/// `data` (JSON) describe a rejection; message and data are forgotten when settled, status and code never.
pub const OUTCOMES: &str = "CREATE TABLE IF NOT EXISTS _plasma_outcomes (
  client_id TEXT NOT NULL,
  mutation_id INTEGER NOT NULL,
  client_group_id TEXT NOT NULL,
  key TEXT NOT NULL,
  status TEXT NOT NULL,
  code TEXT,
  message TEXT,
  data TEXT,
  effects TEXT,
  row_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, mutation_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _plasma_outcomes_key ON _plasma_outcomes (client_group_id, key);";

/// `schema_version`, `fingerprint`, `compaction_bound` (a row version; absent is 0), `digest_key` (hex).
pub const META: &str =
    "CREATE TABLE IF NOT EXISTS _plasma_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/// Who writes, on SQLite: one row that the engine fills and empties inside its own write transaction, so that no other
/// connection ever sees it filled. `mark` and `now` are the transaction's random bits and clock; raw writes have
/// neither and use SQLite's.
pub const ORIGIN: &str = "CREATE TABLE IF NOT EXISTS _plasma_origin (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  client_group_id TEXT,
  client_id TEXT,
  mutation_id INTEGER,
  mark INTEGER,
  now INTEGER
);
INSERT OR IGNORE INTO _plasma_origin (id) VALUES (1);";
