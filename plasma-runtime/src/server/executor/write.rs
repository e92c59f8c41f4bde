//! The writes, as SQL by primary key.

use serde_json::json;

use super::check::refused;
use super::plan::{Rule, TablePlan};
use super::{Pending, ServerExecutor};
use crate::error::{Error, Result};
use crate::mutate::Access;
use crate::query::ir::{Change, Expr};
use crate::query::lower::{self, Dialect};
use crate::schema::TableDef;
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value};

/// What a statement does to the rows it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Update,
    Delete,
}

/// Which rows a statement selects.
#[derive(Clone, Copy)]
pub(super) enum Target<'w> {
    Id(&'w str),
    Where(&'w Expr),
}

/// A row a statement selected, with what the rules say of it.
struct Found {
    id: String,
    readable: bool,
    allowed: bool,
    frozen: bool,
}

impl ServerExecutor<'_> {
    pub(super) async fn insert(&mut self, table: &'static TableDef, row: Row, access: Access) -> Result<Vec<String>> {
        let plan = self.plan(table, access)?;
        if row.len() != table.columns.len() {
            return Err(Error::internal(format!("a row of `{}` has {} values", table.name, row.len())));
        }
        if plan.rules.as_ref().is_some_and(|rules| rules.insert.fixed == Some(false)) {
            return Err(refused("insert", table));
        }
        table.keeps_checks(&row)?;
        self.keeps_envelope_limits(table, &row)?;
        let id = table.row_id(&row).to_owned();
        if let Err(error) = self.run(&plan.insert, &row).await {
            return Err(self.explain_conflict(&plan, table, error, &|column| Some(row[column].clone())).await);
        }
        self.merges.own(table, &id);
        if plan.rules.is_some() {
            // A row that this mutation deleted before and inserts again is checked as an insert.
            self.pending.insert((table.name, id.clone()), (table, Pending::Insert));
        }
        Ok(vec![id])
    }

    /// The rows a statement is about, in order of id, with what the rules say of them.
    async fn select(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        target: Target<'_>,
        purpose: Purpose,
        changes: &[Change],
    ) -> Result<Vec<Found>> {
        let name = quote(table.name);
        let dialect = self.db.dialect();
        let mut params = Vec::new();
        let condition = |rule: Option<&Rule>, params: &mut Vec<Value>| match rule {
            Some(Rule { fixed: Some(fixed), .. }) => String::from(if *fixed { "TRUE" } else { "FALSE" }),
            Some(Rule { sql, params: own, .. }) => {
                params.extend(own.iter().cloned());
                format!("coalesce(({sql}), FALSE)")
            }
            None => "TRUE".to_owned(),
        };
        let rules = plan.rules.as_ref();
        let readable = condition(rules.map(|rules| &rules.read), &mut params);
        let rule = rules.map(|rules| if purpose == Purpose::Update { &rules.update } else { &rules.delete });
        let allowed = condition(rule, &mut params);
        let frozen_columns = rules.map(|rules| rules.frozen).unwrap_or_default();
        let mut frozen = Vec::new();
        for change in changes.iter().filter(|change| frozen_columns.contains(&change.column)) {
            let (value, own) = value_sql(self.db.dialect(), table, &change.value);
            params.extend(own);
            frozen.push(format!("({value}) IS DISTINCT FROM {name}.{}", quote(change.column)));
        }
        let frozen = if frozen.is_empty() { "FALSE".to_owned() } else { frozen.join(" OR ") };
        let filter = match target {
            Target::Id(id) => {
                params.push(Value::from(id));
                format!("{name}.\"id\" = ?")
            }
            Target::Where(expr) => {
                let (sql, own) = lower::condition(dialect, table, table.name, expr, &|table| table.to_owned());
                params.extend(own);
                sql
            }
        };
        let sql = format!(
            "SELECT {name}.\"id\", {readable}, {allowed}, {frozen} FROM {name} WHERE {filter} ORDER BY {name}.\"id\""
        );
        let rows = self.rows(&sql, &params, &[Kind::Id, Kind::Bool, Kind::Bool, Kind::Bool]).await?;
        Ok(rows
            .into_iter()
            .map(|row| Found {
                id: row[0].as_text().unwrap_or_default().to_owned(),
                readable: row[1] == Value::Bool(true),
                allowed: row[2] == Value::Bool(true),
                frozen: row[3] == Value::Bool(true),
            })
            .collect())
    }

    /// The ids a write concerns, once every one of them is permitted.
    async fn targets(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        target: Target<'_>,
        purpose: Purpose,
        changes: &[Change],
    ) -> Result<Vec<String>> {
        let found = self.select(plan, table, target, purpose, changes).await?;
        let mut ids = Vec::with_capacity(found.len());
        for row in found {
            let own =
                self.pending.get(&(table.name, row.id.clone())).is_some_and(|(_, pending)| *pending == Pending::Insert);
            if !own {
                if !row.readable {
                    continue;
                }
                if !row.allowed {
                    return Err(refused(if purpose == Purpose::Update { "update" } else { "delete" }, table));
                }
                if row.frozen {
                    return Err(Error::unauthorized(format!("a column of `{}` may never be changed", table.name)));
                }
            }
            ids.push(row.id);
        }
        match target {
            Target::Id(id) if ids.is_empty() => {
                Err(Error::not_found(format!("there is no row `{id}` in `{}`", table.name)))
            }
            _ => Ok(ids),
        }
    }

    pub(super) async fn update(
        &mut self,
        table: &'static TableDef,
        target: Target<'_>,
        changes: &[Change],
        access: Access,
    ) -> Result<Vec<String>> {
        let plan = self.plan(table, access)?;
        if let Some(change) =
            changes.iter().find(|change| change.column == "id" || table.column(change.column).is_none())
        {
            return Err(Error::internal(format!("`{}.{}` cannot be updated", table.name, change.column)));
        }
        let ids = self.targets(&plan, table, target, Purpose::Update, changes).await?;
        if changes.is_empty() {
            return Ok(ids);
        }
        self.takes_envelopes(table, changes)?;
        self.keeps_row_rules(&plan, table, &ids, changes).await?;
        if access == Access::Checked {
            self.keep_remote(table, &ids).await?;
        }
        // The rows are changed one by one. What a value reads of other rows it must read before the first is.
        let values = if ids.len() > 1 && changes.iter().any(|change| change.value.has_query()) {
            self.values(table, &ids, changes).await?
        } else {
            Vec::new()
        };
        // A choice by the row's id is made here: the database would look through it for every row.
        let by_row = changes.iter().any(|change| matches!(change.value, Expr::Case { .. }));
        let (mut sql, mut shared) = match values.is_empty() {
            true => assigned(self.db.dialect(), table, changes, None),
            false => (vec![ASSIGNED.to_owned(); changes.len()], Vec::new()),
        };
        let update = |set: &[String]| {
            let columns = changes.iter().zip(set).map(|(change, value)| format!("{} = {value}", quote(change.column)));
            format!("UPDATE {} SET {} WHERE \"id\" = ?", quote(table.name), columns.collect::<Vec<_>>().join(", "))
        };
        let mut text = update(&sql);
        for (at, id) in ids.iter().enumerate() {
            if by_row && values.is_empty() {
                (sql, shared) = assigned(self.db.dialect(), table, changes, Some(id));
                text = update(&sql);
            }
            let mut params = values.get(at).unwrap_or(&shared).clone();
            params.push(Value::Text(id.clone()));
            if let Err(error) = self.run(&text, &params).await {
                let literal = |column: usize| {
                    let change = changes.iter().find(|change| change.column == table.columns[column].name);
                    change.and_then(|change| match &change.value {
                        Expr::Literal(value) => Some(value.clone()),
                        _ => None,
                    })
                };
                return Err(self.explain_conflict(&plan, table, error, &literal).await);
            }
            if plan.rules.is_some() {
                self.pending.entry((table.name, id.clone())).or_insert((table, Pending::Update));
            }
        }
        Ok(ids)
    }

    /// The new values of the changed columns, for each row in order of the ids.
    async fn values(&mut self, table: &'static TableDef, ids: &[String], changes: &[Change]) -> Result<Vec<Row>> {
        let (mut selected, mut params, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let Some(column) = table.column(change.column) else { continue };
            let (value, own) = value_sql(self.db.dialect(), table, &change.value);
            selected.push(self.db.dialect().of_kind(column.kind, value));
            params.extend(own);
            kinds.push(column.kind);
        }
        params.push(Value::Text(json!(ids).to_string()));
        let name = quote(table.name);
        let sql = format!(
            "SELECT {} FROM {name} WHERE {} ORDER BY {name}.\"id\"",
            selected.join(", "),
            self.db.dialect().in_texts(&format!("{name}.\"id\""))
        );
        let rows = self.rows(&sql, &params, &kinds).await?;
        if rows.len() == ids.len() { Ok(rows) } else { Err(Error::internal("a row went while it was updated")) }
    }

    /// `deleted` is given the rows as they were.
    pub(super) async fn delete(
        &mut self,
        table: &'static TableDef,
        target: Target<'_>,
        access: Access,
        deleted: Option<&mut Vec<Row>>,
    ) -> Result<Vec<String>> {
        let plan = self.plan(table, access)?;
        let ids = self.targets(&plan, table, target, Purpose::Delete, &[]).await?;
        if let Some(deleted) = deleted {
            *deleted = self.stored(table, &ids).await?;
        }
        for id in &ids {
            if let Some((_, Pending::Update)) = self.pending.get(&(table.name, id.clone())) {
                // An update of this mutation must be permitted for itself: otherwise a row could be changed into one
                // that may be deleted.
                if plan.rules.is_some() && self.is_refused(table, Pending::Update, &[id.as_str()]).await? {
                    return Err(refused("update", table));
                }
            }
            if let Err(error) = self.run(&plan.delete, &[Value::from(id.as_str())]).await {
                // What stands in the way are rows that refer to this one, perhaps some the caller may not read.
                return Err(self.explain_references(&plan, table, id, access, error).await);
            }
            self.pending.remove(&(table.name, id.clone()));
        }
        Ok(ids)
    }

    /// The rows with these ids, in order of the ids.
    pub(super) async fn stored(&mut self, table: &'static TableDef, ids: &[String]) -> Result<Vec<Row>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let columns: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
        let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY \"id\"",
            columns.join(", "),
            quote(table.name),
            self.db.dialect().in_texts("\"id\"")
        );
        self.rows(&sql, &[Value::Text(json!(ids).to_string())], &kinds).await
    }
}

/// A value that is a parameter.
const ASSIGNED: &str = "?";

/// The new values of the columns as SQL, with their parameters: of every row, or of this one.
fn assigned(
    dialect: Dialect,
    table: &'static TableDef,
    changes: &[Change],
    row: Option<&str>,
) -> (Vec<String>, Vec<Value>) {
    let mut params = Vec::new();
    let value = |change: &Change| match row.and_then(|row| change.value.of_row(table, row)) {
        Some(value) => {
            params.push(value.clone());
            ASSIGNED.to_owned()
        }
        None => {
            let (value, own) = value_sql(dialect, table, &change.value);
            params.extend(own);
            value
        }
    };
    let set = changes.iter().map(value).collect();
    (set, params)
}

/// The new value of a column as SQL over the row before the update.
pub(super) fn value_sql(dialect: Dialect, table: &'static TableDef, value: &Expr) -> (String, Vec<Value>) {
    match value {
        Expr::Literal(value) => ("?".to_owned(), vec![value.clone()]),
        expr => lower::condition(dialect, table, table.name, expr, &|table| table.to_owned()),
    }
}
