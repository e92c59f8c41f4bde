//! Queries and conditions as SQL. sea-query renders; everything else is decided here.
//!
//! Every source in a statement has an alias by the depth of its query and its place there, so that a column is found by
//! its level and the name of its source, whatever the tables are called. All constants are parameters: equal queries are
//! equal texts, and the connection's statement cache knows them.

mod dialect;
mod expr;
mod scope;
mod statement;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use sea_query::SelectStatement;

pub use self::dialect::Dialect;
pub(crate) use self::dialect::type_of;
#[cfg(feature = "sqlite")]
pub(crate) use self::dialect::{DATE, MEAN, NEGATE, SUM, VALUE, arithmetic_name};
use self::expr::expression;
use self::scope::Scope;
use self::statement::{Place, statement};
use super::ir::{Expr, Query};
use crate::schema::TableDef;
use crate::value::{Kind, Value};

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

/// A query as a statement. Rows come in the query's order, ties by [`Query::identity`].
///
/// [`Query::nested`] is not part of it: [`store::query`](crate::store::query) asks for related rows.
///
/// A column that its source does not have, or a level above the outermost query, is an error of the database when the
/// statement is prepared; the typed builders cannot express either.
pub fn select(dialect: Dialect, query: &Query) -> Lowered {
    select_renamed(dialect, query, &|table| table.to_owned())
}

/// The same, with every table (also those of sub-queries) under another name.
pub fn select_renamed(dialect: Dialect, query: &Query, rename: &dyn Fn(&str) -> String) -> Lowered {
    let mut scope = Scope::new(dialect, rename);
    let statement = statement(&mut scope, query, Place::Outermost);
    let kinds = scope.kinds(query, false);
    let (sql, params) = dialect.render(&statement, scope.calculated_groups);
    Lowered { sql, params, kinds }
}

/// The rows of a query whose `column` (of its [`from`](Query::from)) is one of `keys`, as if it were asked for each key:
/// its limit and offset count the rows of one key. The rows of one key come in the query's order; rows of different keys
/// may be mixed.
pub(crate) fn select_of_each(dialect: Dialect, query: &Query, column: &'static str, keys: &[Value]) -> Lowered {
    if let [key] = keys {
        let of_key = Expr::eq(Expr::column(query.from.name, column), Expr::Literal(key.clone()));
        return select(dialect, &query.clone().filter(of_key));
    }
    let mut scope = Scope::new(dialect, &str::to_owned);
    let statement = statement::of_each(&mut scope, query, column, keys);
    let kinds = scope.kinds(query, false);
    let (sql, params) = dialect.render(&statement, scope.calculated_groups);
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
    let mut scope = Scope::new(dialect, rename);
    scope.enter_table(table, relation.to_owned());
    let condition = expression(&mut scope, expr);
    // sea-query renders statements only; what stands after this prefix is the condition.
    let (sql, params) = dialect.render(SelectStatement::new().expr(condition), scope.calculated_groups);
    (sql.strip_prefix("SELECT ").unwrap_or(&sql).to_owned(), params)
}
