//! What has changed since a position of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::live::RowChange;
use crate::protocol::cookie::Mark;
use crate::query::lower::Dialect;
use crate::schema::SchemaDef;
use crate::server::pull::log;
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value, json};

/// How many entries a step takes row by row. Beyond, what they concern is run again.
const MOST_ENTRIES: usize = 20_000;

/// A row by its table and its id.
type RowName = (&'static str, String);

/// The end of the log at a step.
#[derive(Debug, Clone)]
pub(super) struct Place {
    version: u64,
    mark: Mark,
    /// What the step has seen of commits that had no position yet: they will have one behind `version`, and come again.
    ahead: Arc<BTreeMap<RowName, Option<Row>>>,
}

/// What a step has to look at.
#[derive(Debug)]
pub(super) enum Changed {
    /// These rows.
    Rows(Vec<RowChange>),
    /// Something in these tables.
    Tables(BTreeSet<String>),
    /// Everything: nobody knows what happened since.
    All,
}

impl Changed {
    pub(super) fn concerns(&self, tables: &[&'static str]) -> bool {
        match self {
            Changed::All => true,
            Changed::Tables(changed) => tables.iter().any(|table| changed.contains(*table)),
            Changed::Rows(rows) => rows.iter().any(|row| tables.contains(&row.table)),
        }
    }

    /// The rows of these tables; none when the rows are not known.
    pub(super) fn rows_of(&self, tables: &[&'static str]) -> Option<Vec<&RowChange>> {
        match self {
            Changed::Rows(rows) => Some(rows.iter().filter(|row| tables.contains(&row.table)).collect()),
            Changed::Tables(_) | Changed::All => None,
        }
    }
}

/// What has changed since `before`, and where the log ends now. In a transaction.
///
/// All when the log no longer tells: the position was compacted away, or the database was restored from a backup.
pub(super) async fn since(
    db: &mut dyn SqlExecutor,
    schema: &SchemaDef,
    before: Option<&Place>,
) -> Result<(Changed, Place)> {
    let head = log::head(db).await?;
    let mut now = Place { version: head.version, mark: head.mark, ahead: Arc::default() };
    let pending = pending(db, schema).await?;
    if let Some(entries) = &pending {
        let images = entries.iter().map(|entry| ((entry.table, entry.row.clone()), entry.value.clone()));
        now.ahead = Arc::new(images.collect());
    }
    let Some(before) = before else { return Ok((Changed::All, now)) };
    let bound = crate::server::pull::compaction_bound(db).await?;
    let known = log::marks(db, [before.version; 4]).await?.get(&before.version) == Some(&before.mark);
    if !known || before.version < bound || before.version > now.version {
        return Ok((Changed::All, now));
    }
    let numbered = entries(db, schema, before.version, now.version).await?;
    let (Some(numbered), Some(pending)) = (numbered, pending) else {
        let tables = tables(db, before.version, now.version).await?;
        return Ok((Changed::Tables(tables), now));
    };
    Ok((Changed::Rows(folded(numbered.into_iter().chain(pending), &before.ahead)), now))
}

/// One entry of the log.
struct Entry {
    table: &'static str,
    row: String,
    prior: Option<Row>,
    value: Option<Row>,
}

/// The entries in the order of the log, one change for each row: from what the last step saw to what is there now.
fn folded(entries: impl Iterator<Item = Entry>, seen: &BTreeMap<RowName, Option<Row>>) -> Vec<RowChange> {
    let mut net: BTreeMap<RowName, (Option<Row>, Option<Row>)> = BTreeMap::new();
    // What was seen before it had a position, and was changed again or not, leads from what was seen.
    for (row, image) in seen {
        net.insert(row.clone(), (image.clone(), image.clone()));
    }
    for entry in entries {
        let images = net.entry((entry.table, entry.row)).or_insert_with(|| (entry.prior, None));
        images.1 = entry.value;
    }
    let changed = net.into_iter().filter(|(_, (before, after))| before != after);
    changed.map(|((table, id), (before, after))| RowChange { table, id, before, after }).collect()
}

/// The entries behind `after`, up to `until`. None when there are too many, or one cannot be read by this schema.
async fn entries(db: &mut dyn SqlExecutor, schema: &SchemaDef, after: u64, until: u64) -> Result<Option<Vec<Entry>>> {
    if after == until {
        return Ok(Some(Vec::new()));
    }
    let sql = match db.dialect() {
        Dialect::Sqlite => {
            "SELECT table_name, row_id, prior, value FROM _plasma_changes \
             WHERE row_version > ?1 AND row_version <= ?2 ORDER BY row_version LIMIT ?3"
        }
        Dialect::Postgres => {
            "SELECT e.table_name, e.row_id, e.prior, e.value FROM _plasma_commits c \
             JOIN _plasma_changes e ON e.unit = c.unit \
             WHERE c.row_version > ?1 AND c.row_version <= ?2 ORDER BY c.row_version, e.seq LIMIT ?3"
        }
    };
    let params = [log::to_value(after), log::to_value(until), Value::Int(MOST_ENTRIES as i64 + 1)];
    let rows = db.query(sql, &params, &[Kind::Text; 4]).await?;
    read(schema, rows)
}

/// The entries of commits that the snapshot shows and that have no position yet.
async fn pending(db: &mut dyn SqlExecutor, schema: &SchemaDef) -> Result<Option<Vec<Entry>>> {
    if db.dialect() == Dialect::Sqlite {
        return Ok(Some(Vec::new()));
    }
    const SQL: &str = "SELECT e.table_name, e.row_id, e.prior, e.value FROM _plasma_pending() p \
        JOIN _plasma_changes e ON e.unit = p.unit ORDER BY p.last_seq, p.unit, e.seq LIMIT ?1";
    let rows = db.query(SQL, &[Value::Int(MOST_ENTRIES as i64 + 1)], &[Kind::Text; 4]).await?;
    if rows.len() > MOST_ENTRIES {
        // What is not remembered cannot be told apart from what comes again.
        return Err(Error::new(ErrorKind::Fault, "a commit without a position is larger than a live query follows"));
    }
    read(schema, rows)
}

fn read(schema: &SchemaDef, rows: Vec<Row>) -> Result<Option<Vec<Entry>>> {
    if rows.len() > MOST_ENTRIES {
        return Ok(None);
    }
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let [table, row, prior, value] =
            <[Value; 4]>::try_from(row).map_err(|_| Error::internal("an entry of another width"))?;
        let Some(table) = table.as_text().and_then(|name| schema.table(name)) else { continue };
        let Value::Text(row) = row else { return Ok(None) };
        let image = |image: &Value| match image {
            Value::Null => Some(None),
            Value::Text(text) => json::decode_row(table, text).ok().map(Some),
            _ => None,
        };
        // Written under another version of the schema, it is of another shape.
        let (Some(prior), Some(value)) = (image(&prior), image(&value)) else { return Ok(None) };
        entries.push(Entry { table: table.name, row, prior, value });
    }
    Ok(Some(entries))
}

/// The tables with entries behind `after`.
async fn tables(db: &mut dyn SqlExecutor, after: u64, until: u64) -> Result<BTreeSet<String>> {
    // On Postgres the snapshot may show what has no position yet: that is new until it has one.
    let sql = match db.dialect() {
        Dialect::Sqlite => "SELECT DISTINCT table_name FROM _plasma_changes WHERE row_version > ? AND row_version <= ?",
        Dialect::Postgres => {
            "SELECT e.table_name FROM _plasma_commits c JOIN _plasma_changes e ON e.unit = c.unit \
             WHERE c.row_version > ? AND c.row_version <= ? UNION \
             SELECT e.table_name FROM _plasma_pending() p JOIN _plasma_changes e ON e.unit = p.unit"
        }
    };
    let rows = db.query(sql, &[log::to_value(after), log::to_value(until)], &[Kind::Text]).await?;
    let tables = rows.into_iter().flatten().filter_map(|value| match value {
        Value::Text(table) => Some(table),
        _ => None,
    });
    Ok(tables.collect())
}
