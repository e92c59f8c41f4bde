//! The server's own tables on Postgres, and the functions that keep them.
//!
//! A sequence hands out numbers before their transactions commit, so a reader that keeps the last number it saw misses
//! what commits later with a lower one. Positions are therefore given *after* the commit. A transaction's writes form
//! **units** (one mutation, or all raw writes of the transaction); each has a row in `_plasma_commits` without a
//! position. The **sequencer** gives every visible unit that has none the next whole numbers, in the order of the last
//! number each drew from the one sequence. Whoever saw what another transaction wrote drew its last number after that
//! one's commit, so it never comes first; and what is visible to nobody yet waits for the next run. One unit is one
//! position.

/// The number source. Without a cache of numbers a session would hold back, as order is what they are for.
pub const SEQUENCE: &str = "CREATE SEQUENCE IF NOT EXISTS _plasma_seq AS bigint CACHE 1";

/// The units.
///
/// - `unit`: its id, a number of the sequence.
/// - `xid`: the transaction that wrote it.
/// - `last_seq`: the last number it drew; NULL for raw writes, whose last entry says it.
/// - `row_version`: its position, ascending without gaps; NULL until it is sequenced.
/// - `mark`: random 64 bits, drawn with the position: a position with another mark belongs to another history.
/// - `seen`: on the last unit of each run of the sequencer, the snapshot the run looked at. All that is visible in it
///   has a position, so the next run looks only at transactions that are not: however long some other transaction
///   keeps the database from forgetting old row versions, the search stays as short as what it is to find.
/// - `created_at`: unix ms. `client_group_id`, `client_id`, `mutation_id`: who; NULL for raw writes.
pub const COMMITS: &str = "CREATE TABLE IF NOT EXISTS _plasma_commits (
  unit bigint PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  last_seq bigint,
  row_version bigint,
  mark bigint,
  seen pg_snapshot,
  created_at bigint NOT NULL,
  client_group_id text COLLATE \"C\",
  client_id text COLLATE \"C\",
  mutation_id bigint
);
CREATE UNIQUE INDEX IF NOT EXISTS _plasma_commits_version ON _plasma_commits (row_version) WHERE row_version IS NOT NULL;
CREATE INDEX IF NOT EXISTS _plasma_commits_xid ON _plasma_commits (xid)";

/// The change log: one row per write of a logged table, whoever wrote it. `op` is `put` or `del`; `value` and `prior`
/// are the full row after and before the write, as on SQLite. A unit that wrote nothing has a position and no entry.
pub const CHANGES: &str = "CREATE TABLE IF NOT EXISTS _plasma_changes (
  seq bigint NOT NULL DEFAULT nextval('_plasma_seq'),
  unit bigint NOT NULL,
  table_name text COLLATE \"C\" NOT NULL,
  row_id text COLLATE \"C\" NOT NULL,
  op text COLLATE \"C\" NOT NULL,
  value text,
  prior text,
  PRIMARY KEY (unit, seq)
)";

/// The newest entry of every row whose entries compaction has folded, by the position it had. `op` and `value` as in the
/// log.
pub const FOLDED: &str = "CREATE TABLE IF NOT EXISTS _plasma_folded (
  table_name text COLLATE \"C\" NOT NULL,
  row_id text COLLATE \"C\" NOT NULL,
  row_version bigint NOT NULL,
  op text COLLATE \"C\" NOT NULL,
  value text,
  PRIMARY KEY (table_name, row_id)
);
CREATE INDEX IF NOT EXISTS _plasma_folded_version ON _plasma_folded (row_version)";

/// The ledger: one row per client. `unit` is that of its last mutation. A row whose `last_mutation_id` is 0 binds
/// nothing: it is there to be locked.
pub const CLIENT_MUTATIONS: &str = "CREATE TABLE IF NOT EXISTS _plasma_client_mutations (
  client_id text COLLATE \"C\" PRIMARY KEY,
  client_group_id text COLLATE \"C\" NOT NULL,
  last_mutation_id bigint NOT NULL,
  unit bigint NOT NULL,
  settled bigint NOT NULL DEFAULT 0,
  seen_at bigint NOT NULL,
  expired boolean NOT NULL DEFAULT FALSE
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS _plasma_client_mutations_group ON _plasma_client_mutations (client_group_id)";

/// Keys and outcomes, one row per mutation. A key may be issued again under another id (`again`), but only one of them
/// ran: the index makes the second of two that run at once wait for the first, and then fail.
pub const OUTCOMES: &str = "CREATE TABLE IF NOT EXISTS _plasma_outcomes (
  client_id text COLLATE \"C\" NOT NULL,
  mutation_id bigint NOT NULL,
  client_group_id text COLLATE \"C\" NOT NULL,
  key text COLLATE \"C\" NOT NULL,
  again boolean NOT NULL DEFAULT FALSE,
  status text COLLATE \"C\" NOT NULL,
  code text COLLATE \"C\",
  message text COLLATE \"C\",
  data text COLLATE \"C\",
  effects text COLLATE \"C\",
  unit bigint NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (client_id, mutation_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS _plasma_outcomes_key ON _plasma_outcomes (client_group_id, key) WHERE NOT again";

/// As on SQLite.
pub const META: &str =
    "CREATE TABLE IF NOT EXISTS _plasma_meta (key text COLLATE \"C\" PRIMARY KEY, value text COLLATE \"C\" NOT NULL)";

/// The functions. `{schema}` stands for the quoted name of the Postgres schema, `{schema_text}` for the same inside a
/// string literal: they are pinned to it, as they also run for programs with another search path. The row triggers that
/// call them run as their owner, for programs that may write the user's tables and nothing else. Nobody else may call
/// them: whoever could make a trigger's function one of his own table could write any entry.
///
/// - `_plasma_begin_unit()` and `_plasma_end_unit()` say which unit is being written, in a transaction-local setting
///   (`{setting}`: every schema has its own) that a rollback to a savepoint takes back as it takes back the writes.
///   `_plasma_draw_units(many)` draws several and begins the first; `_plasma_begin_unit(its)` begins one that was drawn.
///   All of them note that it is the engine that writes (`{setting}_engine`): its states need not be merged.
/// - `_plasma_refuse()` is called for a row that may not be: it fails, with a code of its own.
/// - `_plasma_open_unit()` makes the unit of a transaction's raw writes.
/// - `_plasma_log_late(..)` tells of a write that was made before others that are told already. Row triggers run at the
///   end of their statement, and a trigger that writes (the application's, or a cascade) has its writes told at once. So
///   the write belongs before the entry that found its image, and becomes part of that one.
/// - `_plasma_seen()` is the snapshot that the last run of the sequencer noted; NULL when it says nothing.
/// - `_plasma_pending()` are the visible units without a position, with the numbers that order them.
///   `_plasma_first_pending(.., most)` are the first of them and no more than so many: none that is left has a last
///   number below theirs. `behind` is the first of what is left.
/// - `_plasma_sequence()` gives them their positions and returns how many it gave. One run places at most 100,000, so
///   that no number of units that came together takes longer than a statement may. It has to be alone in its
///   transaction, in READ COMMITTED: the lock must come before the snapshot, and go after the commit. The commit itself
///   is not waited for: what a crash takes back is only that they have positions, and the next run draws other marks.
pub const FUNCTIONS: &str = r"
CREATE OR REPLACE FUNCTION {schema}._plasma_begin_unit() RETURNS bigint LANGUAGE plpgsql AS $plasma$
DECLARE
  made bigint := nextval('{schema_text}._plasma_seq');
BEGIN
  PERFORM set_config('{setting}', made::text, true), set_config('{setting}_engine', '1', true);
  RETURN made;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_begin_unit(its bigint) RETURNS bigint LANGUAGE plpgsql AS $plasma$
BEGIN
  PERFORM set_config('{setting}', its::text, true), set_config('{setting}_engine', '1', true);
  RETURN its;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_draw_units(many bigint) RETURNS SETOF bigint LANGUAGE plpgsql AS $plasma$
DECLARE
  made bigint := nextval('{schema_text}._plasma_seq');
BEGIN
  PERFORM set_config('{setting}', made::text, true), set_config('{setting}_engine', '1', true);
  RETURN NEXT made;
  FOR n IN 2..many LOOP
    RETURN NEXT nextval('{schema_text}._plasma_seq');
  END LOOP;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_refuse() RETURNS boolean LANGUAGE plpgsql AS $plasma$
BEGIN
  RAISE EXCEPTION 'plasma: a row that may not be' USING ERRCODE = 'PL001';
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_end_unit() RETURNS bigint LANGUAGE plpgsql AS $plasma$
DECLARE
  ended bigint := nullif(current_setting('{setting}', true), '')::bigint;
BEGIN
  PERFORM set_config('{setting}', '', true), set_config('{setting}_engine', '1', true);
  RETURN coalesce(ended, nextval('{schema_text}._plasma_seq'));
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_open_unit() RETURNS bigint LANGUAGE plpgsql AS $plasma$
DECLARE
  made bigint := nextval('{schema_text}._plasma_seq');
BEGIN
  PERFORM set_config('{setting}', made::text, true);
  INSERT INTO {schema}._plasma_commits (unit, created_at)
    VALUES (made, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
  RETURN made;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_log_late(its bigint, name text, id text, after text, before text)
RETURNS boolean LANGUAGE plpgsql AS $plasma$
BEGIN
  UPDATE {schema}._plasma_changes c SET prior = before
    FROM (SELECT e.seq FROM
            (SELECT w.seq, w.prior, lag(w.value) OVER chain AS left_by, lag(w.seq) OVER chain AS earlier
               FROM {schema}._plasma_changes w WHERE w.unit = its AND w.table_name = name AND w.row_id = id
             WINDOW chain AS (ORDER BY w.seq)) e
          WHERE e.prior IS NOT DISTINCT FROM after
            AND (e.earlier IS NULL OR e.left_by IS NOT DISTINCT FROM before)
          ORDER BY e.seq DESC LIMIT 1) next
    WHERE c.unit = its AND c.seq = next.seq;
  RETURN FOUND;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_seen() RETURNS pg_snapshot LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $plasma$
DECLARE
  noted pg_snapshot;
BEGIN
  SELECT c.seen INTO noted FROM {schema}._plasma_commits c
    WHERE c.row_version IS NOT NULL ORDER BY c.row_version DESC LIMIT 1;
  -- One of the future: the rows came from another cluster, whose transaction ids say nothing here.
  RETURN CASE WHEN pg_snapshot_xmax(noted) <= pg_snapshot_xmax(pg_current_snapshot()) THEN noted END;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_first_pending(before pg_snapshot, most bigint)
RETURNS TABLE (unit bigint, last_seq bigint, behind bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $plasma$
#variable_conflict use_column
DECLARE
  units bigint[];
  next_unit bigint;
BEGIN
  IF most IS NULL AND before IS NULL THEN
    RETURN QUERY SELECT c.unit, coalesce(c.last_seq, (SELECT max(e.seq) FROM {schema}._plasma_changes e WHERE e.unit = c.unit)), NULL::bigint
      FROM {schema}._plasma_commits c WHERE c.row_version IS NULL;
    RETURN;
  ELSIF most IS NULL THEN
    RETURN QUERY SELECT c.unit, coalesce(c.last_seq, (SELECT max(e.seq) FROM {schema}._plasma_changes e WHERE e.unit = c.unit)), NULL::bigint
      FROM {schema}._plasma_commits c WHERE c.row_version IS NULL
        AND (c.xid >= pg_snapshot_xmax(before) OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(before))));
    RETURN;
  END IF;
  -- `+ 0`: found by their transactions, then sorted; never along the index of all units.
  units := ARRAY(SELECT c.unit FROM {schema}._plasma_commits c WHERE c.row_version IS NULL
      AND (before IS NULL OR c.xid >= pg_snapshot_xmax(before) OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(before))))
    ORDER BY c.unit + 0 LIMIT most + 1);
  IF cardinality(units) > most THEN
    next_unit := units[most + 1];
    units := units[:most];
  END IF;
  RETURN QUERY SELECT p.unit, p.last_seq, next_unit FROM
      (SELECT c.unit, coalesce(c.last_seq, (SELECT max(e.seq) FROM {schema}._plasma_changes e WHERE e.unit = c.unit)) AS last_seq
         FROM {schema}._plasma_commits c WHERE c.unit = ANY (units)) p
    WHERE next_unit IS NULL OR p.last_seq < next_unit;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_pending() RETURNS TABLE (unit bigint, last_seq bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $plasma$
  SELECT p.unit, p.last_seq FROM {schema}._plasma_first_pending({schema}._plasma_seen(), NULL) p
$plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_sequence(most bigint) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $plasma$
DECLARE
  before pg_snapshot := {schema}._plasma_seen();
  head bigint;
  given bigint;
  many bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' OR pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'plasma: _plasma_sequence() must be alone in a READ COMMITTED transaction'
      USING ERRCODE = 'active_sql_transaction';
  END IF;
  IF before IS NOT NULL THEN
    SELECT count(*) INTO many FROM (SELECT FROM {schema}._plasma_commits c WHERE c.row_version IS NULL
      AND (c.xid >= pg_snapshot_xmax(before) OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(before)))) LIMIT most + 1) p;
  ELSE
    SELECT count(*) INTO many FROM (SELECT FROM {schema}._plasma_commits c WHERE c.row_version IS NULL LIMIT most + 1) p;
  END IF;
  IF many = 0 THEN
    IF before IS NULL THEN
      -- Everything was searched, and is not again: from now on only what this statement does not see.
      UPDATE {schema}._plasma_commits c SET seen = pg_current_snapshot()
        WHERE c.row_version = (SELECT max(h.row_version) FROM {schema}._plasma_commits h)
          AND NOT EXISTS (SELECT FROM {schema}._plasma_commits p WHERE p.row_version IS NULL);
    END IF;
    RETURN 0;
  END IF;
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM pg_advisory_xact_lock({sequencer}, '{schema_text}._plasma_commits'::regclass::oid::integer);
  SELECT c.row_version, c.seen INTO head, before FROM {schema}._plasma_commits c
    WHERE c.row_version IS NOT NULL ORDER BY c.row_version DESC LIMIT 1;
  IF pg_snapshot_xmax(before) > pg_snapshot_xmax(pg_current_snapshot()) THEN
    before := NULL;
  END IF;
  -- One statement: what it numbers and the snapshot it notes are of one moment. When it leaves some, what was known
  -- before is still true, and no more.
  UPDATE {schema}._plasma_commits c
    SET row_version = coalesce(head, 0) + n.at, mark = hashtextextended(gen_random_uuid()::text, 0),
        seen = CASE WHEN n.at = n.total THEN CASE WHEN n.behind IS NULL THEN pg_current_snapshot() ELSE before END END
    FROM (SELECT p.unit, p.behind, row_number() OVER (ORDER BY p.last_seq, p.unit) AS at, count(*) OVER () AS total
            FROM {schema}._plasma_first_pending(before, CASE WHEN many > most THEN most END) p) n
    WHERE c.unit = n.unit;
  GET DIAGNOSTICS given = ROW_COUNT;
  RETURN given;
END $plasma$;

CREATE OR REPLACE FUNCTION {schema}._plasma_sequence() RETURNS bigint LANGUAGE sql VOLATILE AS $plasma$
  SELECT {schema}._plasma_sequence({one_run})
$plasma$;

REVOKE ALL ON FUNCTION {schema}._plasma_begin_unit(), {schema}._plasma_begin_unit(bigint),
  {schema}._plasma_draw_units(bigint), {schema}._plasma_refuse(), {schema}._plasma_end_unit(), {schema}._plasma_open_unit(),
  {schema}._plasma_log_late(bigint, text, text, text, text),
  {schema}._plasma_seen(), {schema}._plasma_first_pending(pg_snapshot, bigint), {schema}._plasma_pending(), {schema}._plasma_sequence(bigint),
  {schema}._plasma_sequence() FROM PUBLIC;
";
