//! Queries and conditions as SQL. sea-query renders; everything else is decided here.
//!
//! Every query in a statement has an alias by its depth, so that a column at level *n* is found *n* aliases up, whatever
//! the tables are called. All constants are parameters: equal queries are equal texts, and the connection's statement
//! cache knows them.

mod expr;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use sea_query::{Expr as Sql, Order as SqlOrder, SelectStatement, SqliteQueryBuilder};

use self::expr::{Scope, column, expression};
use super::ir::{Expr, Query, Select};
use crate::schema::TableDef;
use crate::value::{Kind, Value};

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite, from 3.38 on.
    Sqlite,
}

/// A statement with its parameters, and the kinds of its result's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowered {
    /// The statement; parameters are `?`.
    pub sql: String,
    /// The parameters, in order.
    pub params: Vec<Value>,
    /// How to read each result column.
    pub kinds: Vec<Kind>,
}

/// A query as a statement. Rows come in the query's order, ties by `id`.
///
/// A column that its table does not have, or a level above the outermost query, is an error of the database when the
/// statement is prepared; the typed builders cannot express either.
pub fn select(dialect: Dialect, query: &Query) -> Lowered {
    select_renamed(dialect, query, &|table| table.to_owned())
}

/// The same, with every table (also those of sub-queries) under another name.
pub fn select_renamed(dialect: Dialect, query: &Query, rename: &dyn Fn(&str) -> String) -> Lowered {
    let mut scope = Scope::new(rename);
    let statement = statement(&mut scope, query, Place::Outermost);
    scope.enter(query.base());
    let kinds = match &query.select {
        Select::Row => query.base().columns.iter().map(|column| column.kind).collect(),
        Select::Exprs(exprs) => exprs.iter().map(|expr| scope.kind(expr)).collect(),
        Select::Count => vec![Kind::BigInt],
    };
    let (sql, params) = render(dialect, &statement);
    Lowered { sql, params, kinds }
}

/// A condition over the rows of `relation` (a table, an alias, a common table expression) that has the columns of
/// `table`, to be put into a larger statement. `rename` maps the tables of sub-queries.
pub fn condition(
    dialect: Dialect,
    table: &'static TableDef,
    relation: &str,
    expr: &Expr,
    rename: &dyn Fn(&str) -> String,
) -> (String, Vec<Value>) {
    let mut scope = Scope::new(rename);
    scope.enter_as(table, relation.to_owned());
    let condition = expression(&mut scope, expr);
    // sea-query renders statements only; what stands after this prefix is the condition.
    let (sql, params) = render(dialect, SelectStatement::new().expr(condition));
    (sql.strip_prefix("SELECT ").unwrap_or(&sql).to_owned(), params)
}

/// Where a query stands: decides what of it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its rows are the result.
    Outermost,
    /// Only its values matter.
    In,
    /// Only whether there is a row matters.
    Exists,
}

fn statement(scope: &mut Scope<'_>, query: &Query, place: Place) -> SelectStatement {
    let cut = query.limit.is_some() || query.offset.is_some();
    let alias = scope.enter(query.base());
    let mut statement = SelectStatement::new();
    statement.from_as(scope.table_name(query.base()), alias.clone());
    match &query.select {
        // How many rows there are after the cut: counted around it.
        Select::Count if cut => {
            statement.expr(Sql::cust("1"));
        }
        Select::Count => {
            statement.expr(Sql::cust("count(*)"));
        }
        _ if place == Place::Exists => {
            statement.expr(Sql::cust("1"));
        }
        Select::Row => {
            for def in query.base().columns {
                statement.expr(column(&alias, def.name));
            }
        }
        Select::Exprs(exprs) => {
            for expr in exprs {
                let selected = expression(scope, expr);
                statement.expr(selected);
            }
        }
    }
    if let Some(filter) = &query.filter {
        let filter = expression(scope, filter);
        statement.and_where(filter);
    }
    // The order matters for the rows that come back, and for those a cut leaves.
    let counted = query.select == Select::Count;
    if !counted && (place == Place::Outermost || cut) {
        for order in &query.order {
            let direction = if order.descending { SqlOrder::Desc } else { SqlOrder::Asc };
            let key = expression(scope, &order.expr);
            statement.order_by_expr(key, direction);
        }
        statement.order_by_expr(column(&alias, "id"), SqlOrder::Asc);
    }
    if cut {
        // An offset needs a limit in SQLite; a number above i64 is all rows there are.
        statement.limit(query.limit.unwrap_or(u64::MAX).min(i64::MAX as u64));
        if let Some(offset) = query.offset {
            statement.offset(offset.min(i64::MAX as u64));
        }
    }
    scope.leave();
    if counted && cut {
        return SelectStatement::new().expr(Sql::cust("count(*)")).from_subquery(statement, alias).take();
    }
    statement
}

fn render(dialect: Dialect, statement: &SelectStatement) -> (String, Vec<Value>) {
    let (sql, values) = match dialect {
        Dialect::Sqlite => statement.build(SqliteQueryBuilder),
    };
    (sql, values.into_iter().map(from_sea).collect())
}

/// sea-query's values back as ours; only those that [`expr::to_sea`] and the limits make can come.
fn from_sea(value: sea_query::Value) -> Value {
    use sea_query::Value as Sea;
    match value {
        Sea::Bool(Some(b)) => Value::Bool(b),
        Sea::BigInt(Some(n)) => Value::Int(n),
        // Limits and offsets, cut to i64 above.
        Sea::BigUnsigned(Some(n)) => Value::Int(n as i64),
        Sea::Int(Some(n)) => Value::Int(n.into()),
        Sea::Double(Some(x)) => Value::Float(x),
        Sea::String(Some(text)) => Value::Text(text),
        Sea::Bytes(Some(bytes)) => Value::Blob(bytes),
        _ => Value::Null,
    }
}
