//! What a Postgres schema has.

use std::collections::BTreeMap;

use super::shape::{ColumnShape, Shape, TableShape, kind_of};
use crate::error::Result;
use crate::query::lower::type_of;
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value};

/// As [`inspect`](super::inspect::inspect), on Postgres. The texts of definitions are not kept there: they are empty.
pub(super) async fn inspect(db: &mut dyn SqlExecutor, noted: &Shape, declared: &Shape) -> Result<Shape> {
    let mut shape = Shape::default();
    const COLUMNS: &str = "SELECT CAST(t.relname AS text), CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod), \
        a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '') \
        FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped \
        LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum \
        WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND t.relkind IN ('r', 'p')";
    const COLUMN_KINDS: [Kind; 5] = [Kind::Text, Kind::Text, Kind::Text, Kind::Bool, Kind::Text];
    for row in db.query(COLUMNS, &[], &COLUMN_KINDS).await? {
        let (name, column) = (text(&row, 0).to_owned(), text(&row, 1).to_owned());
        let (noted, declared) = (noted.tables.get(&name), declared.tables.get(&name));
        let Some(known) = noted.or(declared) else { continue };
        let table = shape.tables.entry(name.clone()).or_insert_with(|| TableShape {
            local_only: known.local_only,
            checks: noted.map(|noted| noted.checks.clone()).unwrap_or_default(),
            ..TableShape::default()
        });
        let lookup = |table: Option<&TableShape>| table.and_then(|table| table.columns.get(&column)).cloned();
        let known = [lookup(noted), lookup(declared)];
        if known.iter().all(Option::is_none) {
            table.foreign.insert(column, String::new());
            continue;
        }
        let (found_type, found_default) = (text(&row, 2), text(&row, 4));
        let mut kinds = known.iter().flatten().map(|shape| &shape.kind);
        let kind = kinds.find(|kind| kind_of(kind).is_some_and(|kind| type_of(kind) == found_type));
        // Postgres writes expressions in its own words: what was noted is what there is, when there is any.
        let default = known.iter().flatten().find_map(|shape| shape.default.clone());
        let has_default = !found_default.is_empty();
        let column_shape = ColumnShape {
            kind: kind.cloned().unwrap_or_else(|| found_type.to_owned()),
            nullable: row[3] != Value::Bool(true),
            unique: false,
            default: has_default.then(|| default.unwrap_or_else(|| found_default.to_owned())),
            references: None,
            on_delete: "no_action".to_owned(),
            definition: String::new(),
        };
        table.columns.insert(column, column_shape);
    }
    constraints(db, &mut shape).await?;
    indexes(db, &mut shape).await?;
    Ok(shape)
}

/// Unique constraints and foreign keys of one column.
async fn constraints(db: &mut dyn SqlExecutor, shape: &mut Shape) -> Result<()> {
    const CONSTRAINTS: &str = "SELECT CAST(t.relname AS text), CAST(a.attname AS text), CAST(c.contype AS text), \
        coalesce(CAST(f.relname AS text), ''), CAST(c.confdeltype AS text) FROM pg_constraint c \
        JOIN pg_class t ON t.oid = c.conrelid \
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] LEFT JOIN pg_class f ON f.oid = c.confrelid \
        WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND c.contype IN ('u', 'f') \
        AND array_length(c.conkey, 1) = 1 AND NOT starts_with(c.conname, '_plasma_new_')";
    for row in db.query(CONSTRAINTS, &[], &[Kind::Text; 5]).await? {
        let Some(table) = shape.tables.get_mut(text(&row, 0)) else { continue };
        let Some(column) = table.columns.get_mut(text(&row, 1)) else { continue };
        if text(&row, 2) == "u" {
            column.unique = true;
            continue;
        }
        column.references = Some(text(&row, 3).to_owned());
        column.on_delete = match text(&row, 4) {
            "r" => "restrict",
            "c" => "cascade",
            "n" => "set_null",
            _ => "no_action",
        }
        .to_owned();
    }
    Ok(())
}

/// The library's indexes, those that are whole.
async fn indexes(db: &mut dyn SqlExecutor, shape: &mut Shape) -> Result<()> {
    const INDEXES: &str = "SELECT CAST(t.relname AS text), CAST(c.relname AS text), i.indisunique, CAST(a.attname AS text) \
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey) \
        WHERE t.relnamespace = CAST(current_schema() AS regnamespace) AND starts_with(c.relname, '_plasma_') AND i.indisvalid \
        AND NOT starts_with(c.relname, '_plasma_new_') \
        ORDER BY 1, 2, 4";
    let mut sets: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in db.query(INDEXES, &[], &[Kind::Text, Kind::Text, Kind::Bool, Kind::Text]).await? {
        let Some(table) = shape.tables.get_mut(text(&row, 0)) else { continue };
        table.indexes.insert(text(&row, 1).to_owned());
        if row[2] == Value::Bool(true) {
            let key = (text(&row, 0).to_owned(), text(&row, 1).to_owned());
            sets.entry(key).or_default().push(text(&row, 3).to_owned());
        }
    }
    for ((table, _), columns) in sets {
        if let Some(table) = shape.tables.get_mut(&table) {
            table.unique.insert(columns);
        }
    }
    Ok(())
}

fn text(row: &Row, index: usize) -> &str {
    row.get(index).and_then(Value::as_text).unwrap_or_default()
}
