//! The client's own tables, beside the application's. Their names begin with `_plasma_`.
//!
//! The application's tables hold the *visible* rows: the base (what the server sent) with the effects of the pending
//! mutations on top. There is no copy of the base. The base image of a row is the `before` of its earliest effect, or
//! the visible row when it has none.

/// Version of this layout, in `_plasma_meta`. A store of a newer version is refused.
pub(crate) const LAYOUT_VERSION: i64 = 5;

/// Everything that is one value: see [`Meta`](super::identity::Meta) for the keys.
const META: &str = "CREATE TABLE IF NOT EXISTS _plasma_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/// The mutations the base does not cover yet, in order.
///
/// - `id`: 1, 2, 3 .. under the current client id. `key`: lower-case UUID, kept through every renumbering.
/// - `args`: JSON. `ts`: when it was made, unix ms.
/// - `state`: `queued`, or `acknowledged` once the server has decided (its effect stays until a pull covers it).
/// - `skip`: `discarded` or `too-large` for a mutation that never runs; NULL for all others.
/// - `sent_at`: when it was first handed to the network, unix ms, committed before it is; NULL when it never was.
/// - `failing`: why its last replay failed; NULL when it did not.
/// - `reads`: what it read ([`Footprint`](super::footprint::Footprint) as JSON): the proof that a replay can be left
///   out stands on it.
/// - `read_digest`, `write_digest`: [`Effects`](crate::mutate::Effects) of its last run; NULL when it has not run, or
///   failed.
/// - `bases`: the rows it changed, as they were before its *first* run ([`bases`](super::bases)); NULL when there are none.
/// - `made_by`: the version of the schema under which it was made; NULL when it is not known.
/// - `observed`: what its operations on CRDT columns had seen in its *first* run, as JSON
///   ([`TxMeta::observe`](crate::mutate::TxMeta::observe)); NULL when there is nothing.
const OUTBOX: &str = "CREATE TABLE IF NOT EXISTS _plasma_outbox (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  args TEXT NOT NULL,
  ts INTEGER NOT NULL,
  state TEXT NOT NULL,
  skip TEXT,
  sent_at INTEGER,
  failing TEXT,
  reads TEXT NOT NULL,
  read_digest TEXT,
  write_digest TEXT,
  bases TEXT,
  made_by TEXT,
  observed TEXT
);";

/// What a store of an older layout lacks, by the layout that brought it.
pub(crate) const STEPS: [(i64, &str); 4] = [
    (
        2,
        "ALTER TABLE main._plasma_outbox ADD COLUMN read_digest TEXT; ALTER TABLE main._plasma_outbox ADD COLUMN write_digest TEXT;",
    ),
    (3, "ALTER TABLE main._plasma_outbox ADD COLUMN bases TEXT;"),
    (4, "ALTER TABLE main._plasma_outbox ADD COLUMN made_by TEXT;"),
    (5, "ALTER TABLE main._plasma_outbox ADD COLUMN observed TEXT;"),
];

/// What pending mutations changed: one row per mutation and row, net. `before` and `after` are the row as JSON in the
/// wire form, NULL for none. Rows of `local_only` tables are not in it: writing them is final.
const EFFECTS: &str = "CREATE TABLE IF NOT EXISTS _plasma_effects (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  mid INTEGER NOT NULL,
  before TEXT,
  after TEXT,
  PRIMARY KEY (table_name, row_id, mid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS _plasma_effects_mid ON _plasma_effects (mid);";

/// Staged pages of a set without inner cuts, as the server sent them. `clears` is 1 when a page holds a `clear`.
const INBOX: &str = "CREATE TABLE IF NOT EXISTS _plasma_inbox (
  seq INTEGER PRIMARY KEY,
  clears INTEGER NOT NULL,
  body TEXT NOT NULL
);";

/// How mutations ended. `status` is `applied`, `rejected`, `discarded`, `too-large`, `unknown` or `lost-by-server`.
/// `args` is kept unless the mutation was applied, so that it can be tried again by hand.
const OUTCOMES: &str = "CREATE TABLE IF NOT EXISTS _plasma_outcomes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  id INTEGER NOT NULL,
  client_id TEXT NOT NULL,
  name TEXT NOT NULL,
  args TEXT,
  ts INTEGER NOT NULL,
  status TEXT NOT NULL,
  code TEXT,
  message TEXT,
  data TEXT,
  at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS _plasma_outcomes_applied ON _plasma_outcomes (seq) WHERE status = 'applied';";

/// The DDL of all of them.
pub(crate) const ALL: [&str; 5] = [META, OUTBOX, EFFECTS, INBOX, OUTCOMES];

/// Their names.
pub(crate) const NAMES: [&str; 5] =
    ["_plasma_meta", "_plasma_outbox", "_plasma_effects", "_plasma_inbox", "_plasma_outcomes"];
