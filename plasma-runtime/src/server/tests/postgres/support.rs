//! A database with logged tables, writers on connections of their own, and a reader that checks what it is told.

use std::collections::BTreeMap;

use plasma_test_postgres::postgres::Client;
use plasma_test_postgres::{Database, database};

use crate::schema::{ColumnDef, OnDelete, TableDef};
use crate::server::ddl::postgres::{log_of, own};
use crate::server::ledger::unit::{BEGIN_POSTGRES, FINISH_POSTGRES};
use crate::value::Kind;

pub(super) static ROWS: TableDef = TableDef::new(
    "rows",
    &[ColumnDef::new("id", Kind::Id), ColumnDef { nullable: true, ..ColumnDef::new("n", Kind::BigInt) }],
);
pub(super) static PARTS: TableDef = TableDef::new(
    "parts",
    &[
        ColumnDef::new("id", Kind::Id),
        ColumnDef { references: Some("rows"), on_delete: OnDelete::Cascade, ..ColumnDef::new("row", Kind::Id) },
    ],
);

/// A database and its URL.
pub(super) struct Base {
    pub(super) database: Database,
}

impl Base {
    /// None when this machine has no Postgres.
    pub(super) fn new() -> Option<Self> {
        Some(Self::of(database()?))
    }

    pub(super) fn of(database: Database) -> Self {
        let mut db = database.connect();
        Self::prepare(&mut db, "public");
        Base { database }
    }

    /// Makes tables and log in a Postgres schema.
    pub(super) fn prepare(db: &mut Client, schema: &str) {
        let tables = "CREATE TABLE rows (id text COLLATE \"C\" PRIMARY KEY, n bigint);\
            CREATE TABLE parts (id text COLLATE \"C\" PRIMARY KEY, \"row\" text COLLATE \"C\" NOT NULL \
            REFERENCES rows ON DELETE CASCADE)";
        db.batch_execute(tables).unwrap();
        db.batch_execute(&own(schema)).unwrap();
        for table in [&ROWS, &PARTS] {
            db.batch_execute(&log_of(table, schema)).unwrap();
        }
        db.batch_execute(
            "INSERT INTO _plasma_commits (unit, last_seq, row_version, mark, created_at) VALUES (0, 0, 1, 7, 0)",
        )
        .unwrap();
    }

    pub(super) fn connect(&self) -> Client {
        self.database.connect()
    }
}

/// What a writer does.
pub(super) trait Writes {
    fn run(&mut self, sql: &str);
    /// From now on writes are those of a mutation.
    fn begin_mutation(&mut self);
    /// It ends, with its outcome and its entry in the ledger.
    fn finish_mutation(&mut self, client: &str, id: i64);
    fn int(&mut self, sql: &str) -> i64;
    fn texts(&mut self, sql: &str) -> Vec<String>;
    fn sequence(&mut self) -> i64;
}

impl Writes for Client {
    #[track_caller]
    fn run(&mut self, sql: &str) {
        self.batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    fn begin_mutation(&mut self) {
        self.run(BEGIN_POSTGRES);
    }

    fn finish_mutation(&mut self, client: &str, id: i64) {
        let sql = FINISH_POSTGRES.replace('?', "$");
        let none: Option<&str> = None;
        let key = format!("{client}-{id}");
        let unit: i64 = self
            .query_one(&sql, &[&5i64, &"group", &client, &id, &key, &false, &"applied", &none, &none, &none, &none])
            .unwrap()
            .get(0);
        let ledger = "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, unit, seen_at) \
            VALUES ($1, 'group', $2, $3, 5) ON CONFLICT (client_id) DO UPDATE SET last_mutation_id = $2, unit = $3";
        self.execute(ledger, &[&client, &id, &unit]).unwrap();
    }

    #[track_caller]
    fn int(&mut self, sql: &str) -> i64 {
        self.query_one(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}")).get(0)
    }

    #[track_caller]
    fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".to_owned())).collect()
    }

    fn sequence(&mut self) -> i64 {
        self.int("SELECT _plasma_sequence()")
    }
}

/// `op row` of every entry, in the order of their numbers.
pub(super) fn entries(db: &mut Client) -> Vec<String> {
    db.texts("SELECT op || ' ' || row_id FROM _plasma_changes ORDER BY seq")
}

/// How the log is put in order and followed: the one that is right, and those that are known to lose or tear changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The product's.
    Sequenced,
    /// A cursor on the numbers of the sequence.
    Numbers,
    /// By transaction, then number, of what is older than all that is open.
    Transactions,
    /// Positions after the commit, in the order of the first number each unit drew.
    FirstDraws,
}

const POSITIONS: &str = "SELECT c.row_version, e.seq, e.row_id, e.prior, e.value FROM _plasma_commits c \
    JOIN _plasma_changes e USING (unit) WHERE e.table_name = 'rows' AND c.row_version > $1 AND $2::bigint IS NOT NULL \
    ORDER BY 1, 2";

/// Applies entries in order, and notes everything that cannot be.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    order: Order,
    cursor: (i64, i64),
    pub(super) rows: BTreeMap<String, String>,
    pub(super) wrong: Vec<String>,
}

impl Reader {
    pub(super) fn new(order: Order) -> Self {
        // The first position is that of the beginning.
        let cursor = if matches!(order, Order::Sequenced | Order::FirstDraws) { (1, 0) } else { (0, 0) };
        Reader { order, cursor, rows: BTreeMap::new(), wrong: Vec::new() }
    }

    pub(super) fn is(&self, order: Order) -> bool {
        self.order == order
    }

    /// Reads what has been sequenced already.
    pub(super) fn read(&mut self, db: &mut Client) {
        self.run(db, POSITIONS);
    }

    /// Reads what is new, each run in one snapshot.
    pub(super) fn pull(&mut self, db: &mut Client) {
        const FIRST_DRAWS: &str = "WITH pending AS (SELECT unit, row_number() OVER (ORDER BY unit) AS at \
            FROM _plasma_commits WHERE row_version IS NULL) \
            UPDATE _plasma_commits c SET row_version = (SELECT max(row_version) FROM _plasma_commits) + p.at, mark = 1 \
            FROM pending p WHERE c.unit = p.unit";
        let sql = match self.order {
            Order::Sequenced => {
                db.sequence();
                POSITIONS
            }
            Order::FirstDraws => {
                db.run(FIRST_DRAWS);
                POSITIONS
            }
            Order::Numbers => {
                "SELECT e.seq, 0::bigint, e.row_id, e.prior, e.value FROM _plasma_changes e WHERE e.table_name = 'rows' \
                 AND e.seq > $1 AND $2::bigint IS NOT NULL ORDER BY 1"
            }
            Order::Transactions => {
                "SELECT c.xid::text::bigint, e.seq, e.row_id, e.prior, e.value FROM _plasma_commits c \
                 JOIN _plasma_changes e USING (unit) WHERE e.table_name = 'rows' AND (c.xid::text::bigint, e.seq) > ($1, $2) \
                 AND c.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY 1, 2"
            }
        };
        self.run(db, sql);
    }

    fn run(&mut self, db: &mut Client, sql: &str) {
        for row in db.query(sql, &[&self.cursor.0, &self.cursor.1]).unwrap() {
            let text = |at: usize| row.get::<_, Option<String>>(at);
            let id: String = row.get(2);
            let (prior, value) = (text(3), text(4));
            let held = self.rows.get(&id);
            if held != prior.as_ref() {
                self.wrong.push(format!("{id} is {held:?}, the entry found {prior:?}"));
            }
            self.cursor = (row.get(0), row.get(1));
            match value {
                Some(value) => drop(self.rows.insert(id, value)),
                None => drop(self.rows.remove(&id)),
            }
        }
    }

    /// What it holds is what is in the table, and nothing on the way was impossible.
    pub(super) fn verdict(&mut self, db: &mut Client) -> Result<(), String> {
        self.pull(db);
        let rows = db.query("SELECT id, json_build_object('id', id, 'n', n::text)::text FROM rows", &[]).unwrap();
        let there: BTreeMap<String, String> = rows
            .iter()
            .map(|row| (row.get(0), row.get::<_, String>(1).replace(" : ", ":").replace(", ", ",")))
            .collect();
        match self.wrong.first() {
            Some(wrong) => Err(format!("{} impossible entries, the first: {wrong}", self.wrong.len())),
            None if self.rows != there => Err(format!("{:?} is held, {there:?} is there", self.rows)),
            None => Ok(()),
        }
    }
}
