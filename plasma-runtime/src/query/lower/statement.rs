//! Whole queries as SQL.

use sea_query::{Alias, CaseStatement, Expr as Sql, ExprTrait as _, JoinType, Order as SqlOrder, OverStatement as _};
use sea_query::{Func, NullOrdering, OrderedStatement, SelectStatement, WindowStatement};

use super::Dialect;
use super::expr::{expression, is_one_of};
use super::scope::{Scope, column};
use crate::query::ir::{Aggregate, Expr, Part, Query, Rows, Select};
use crate::value::{Kind, Value};

/// Where a query stands: decides what of it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'q> {
    /// Its rows are the result.
    Outermost,
    /// Its rows are those of a table with these columns.
    Table(&'q [&'static str]),
    /// Only its values matter, to be compared with one of this kind.
    In(Option<Kind>),
    /// Only its first value matters.
    Scalar,
    /// Only whether there is a row matters.
    Exists,
}

pub(super) fn statement(scope: &mut Scope<'_>, query: &Query, place: Place<'_>) -> SelectStatement {
    let cut = query.limit.is_some() || query.offset.is_some();
    let counted = query.select == Select::Count;
    // How many rows there are after the cut, or how many groups: counted around it.
    let around = counted && (cut || query.group.is_some());
    // SQLite drops the DISTINCT of an EXISTS, which an offset counts on: it must stand one query further in.
    let skipped = place == Place::Exists && query.distinct && query.offset.is_some();
    let exists = place == Place::Exists && !skipped;
    scope.enter(query, matches!(place, Place::Table(_)));
    let mut statement = body(scope, query);
    let mut selected = match &query.select {
        Select::Count if !around => vec![rows_counted(scope)],
        _ if around || exists => vec![something(scope, query)],
        Select::Row | Select::Count => query.columns().iter().map(|expr| expression(scope, expr)).collect(),
        Select::Exprs(exprs) => exprs.iter().map(|expr| expression(scope, expr)).collect(),
    };
    if let (Place::In(kind), Select::Exprs(exprs), [value]) = (place, &query.select, selected.as_mut_slice())
        && !around
        && exprs.first().is_some_and(|expr| scope.is_always_null(expr))
    {
        *value = scope.dialect.null_of(kind);
    }
    if !around && !counted && !exists {
        fold(scope, query, &mut selected);
    }
    match place {
        Place::Table(names) if !around => name(&mut statement, selected, names),
        _ => {
            statement.exprs(selected);
        }
    }
    if query.distinct && !counted && !exists {
        statement.distinct();
    }
    // The order matters for the rows that come back, and for those a cut leaves.
    let ordered = match place {
        Place::Outermost | Place::Scalar => true,
        Place::In(_) | Place::Table(_) => cut,
        Place::Exists => false,
    };
    if ordered && !counted {
        sort(&mut statement, order(scope, query));
    }
    let one = place == Place::Scalar && !counted && query.group.as_ref().is_none_or(|group| !group.keys.is_empty());
    if cut || one {
        // An offset needs a limit in SQLite.
        let most = if one { 1 } else { i64::MAX };
        statement.limit(bound(query.limit.unwrap_or(u64::MAX), most));
        if let Some(offset) = query.offset {
            statement.offset(bound(offset, i64::MAX));
        }
    }
    let alias = scope.alias(0);
    scope.leave();
    if skipped {
        return SelectStatement::new().expr(Sql::cust("1")).from_subquery(statement, alias).take();
    }
    if !around {
        return statement;
    }
    let mut counting = SelectStatement::new();
    match place {
        Place::Table(names) => name(&mut counting, vec![rows_counted(scope)], names),
        _ => {
            counting.expr(rows_counted(scope));
        }
    }
    counting.from_subquery(statement, alias).take()
}

/// The rows of a query whose column is one of the keys, cut for each key. The query selects its key, too.
pub(super) fn of_each(scope: &mut Scope<'_>, query: &Query, key: &'static str, keys: &[Value]) -> SelectStatement {
    scope.enter(query, false);
    let mut statement = body(scope, query);
    let key = column(&scope.alias(0), key);
    statement.and_where(is_one_of(scope.dialect, key.clone(), keys, 0));
    let selected: Vec<Sql> = match &query.select {
        Select::Exprs(exprs) => exprs.iter().map(|expr| expression(scope, expr)).collect(),
        Select::Row | Select::Count => query.columns().iter().map(|expr| expression(scope, expr)).collect(),
    };
    let order = order(scope, query);
    let alias = scope.alias(0);
    scope.leave();
    if query.limit.is_none() && query.offset.is_none() {
        statement.exprs(selected);
        sort(&mut statement, order);
        return statement;
    }
    let mut window = WindowStatement::new();
    window.add_partition_by(key);
    sort(&mut window, order);
    let mut cut = SelectStatement::new();
    for (index, expr) in selected.into_iter().enumerate() {
        let name = Alias::new(format!("c{index}"));
        cut.column((alias.clone(), name.clone()));
        statement.expr_as(expr, name);
    }
    let number = Alias::new("n");
    statement.expr_window_as(Func::cust("row_number"), window, number.clone());
    let number = Sql::col((alias.clone(), number));
    let bound = |n: u64| Sql::val(bound(n, i64::MAX) as i64);
    let offset = query.offset.unwrap_or(0);
    cut.from_subquery(statement, alias).and_where(number.clone().gt(bound(offset)));
    if let Some(limit) = query.limit {
        cut.and_where(number.clone().lte(bound(offset.saturating_add(limit))));
    }
    cut.order_by_expr(number, SqlOrder::Asc).take()
}

/// A number above i64 is all rows there are.
fn bound(n: u64, most: i64) -> u64 {
    Ord::min(n, most as u64)
}

/// No rows.
fn nothing() -> SelectStatement {
    SelectStatement::new().expr(Sql::cust("NULL")).and_where(Sql::cust("1 = 0")).to_owned()
}

/// Sources, condition and groups of the query that was entered.
fn body(scope: &mut Scope<'_>, query: &Query) -> SelectStatement {
    let mut statement = SelectStatement::new();
    let alias = scope.alias(0);
    match &query.from.rows {
        Rows::Table(table) => statement.from_as(scope.table_name(table), alias),
        Rows::Query(query, names) => statement.from_subquery(self::statement(scope, query, Place::Table(names)), alias),
        Rows::Nothing => statement.from_subquery(nothing(), alias),
    };
    for (index, join) in query.joins.iter().enumerate() {
        let kind = if join.left { JoinType::LeftJoin } else { JoinType::InnerJoin };
        let alias = scope.alias(index + 1);
        let on = expression(scope, &join.on);
        match &join.source.rows {
            Rows::Table(table) => statement.join_as(kind, scope.table_name(table), alias, on),
            Rows::Query(query, names) => {
                statement.join_subquery(kind, self::statement(scope, query, Place::Table(names)), alias, on)
            }
            Rows::Nothing => statement.join_subquery(kind, nothing(), alias, on),
        };
    }
    if let Some(filter) = &query.filter {
        statement.and_where(expression(scope, filter));
    }
    if let Some(group) = &query.group {
        statement.add_group_by(group.keys.iter().map(|key| sort_key(scope, key)).collect::<Vec<_>>());
        if let Some(having) = &group.having {
            statement.and_having(expression(scope, having));
        }
    }
    statement
}

/// A key of an order.
struct Key {
    sql: Sql,
    direction: SqlOrder,
    /// Where NULL goes, when the database would put it elsewhere.
    nulls: Option<NullOrdering>,
}

fn sort(statement: &mut impl OrderedStatement, keys: Vec<Key>) {
    for Key { sql, direction, nulls } in keys {
        match nulls {
            Some(nulls) => statement.order_by_expr_with_nulls(sql, direction, nulls),
            None => statement.order_by_expr(sql, direction),
        };
    }
}

/// The keys of the order, then what decides ties.
fn order(scope: &mut Scope<'_>, query: &Query) -> Vec<Key> {
    let given = query.order.iter().map(|order| (order.expr.clone(), order.descending));
    let keys: Vec<_> = given.chain(query.identity().into_iter().map(|expr| (expr, false))).collect();
    let selected = match &query.select {
        _ if !query.distinct => Vec::new(),
        Select::Exprs(exprs) => exprs.clone(),
        Select::Row | Select::Count => query.columns(),
    };
    keys.into_iter()
        .map(|(expr, descending)| {
            // Of distinct rows only what is selected is known: it is named by its position.
            let sql = match selected.iter().position(|selected| *selected == expr) {
                Some(position) => Sql::cust((position + 1).to_string()),
                None => sort_key(scope, &expr),
            };
            let direction = if descending { SqlOrder::Desc } else { SqlOrder::Asc };
            // NULL is the smallest value; to Postgres it is the greatest.
            let nulls = (scope.dialect == Dialect::Postgres && scope.is_nullable(&expr)).then_some(if descending {
                NullOrdering::Last
            } else {
                NullOrdering::First
            });
            Key { sql, direction, nulls }
        })
        .collect()
}

/// An expression to sort or to group by, where Postgres takes a constant for the position of a column.
fn sort_key(scope: &mut Scope<'_>, expr: &Expr) -> Sql {
    match expression(scope, expr) {
        Sql::Custom(word) if word == "NULL" => scope.dialect.null_of(None),
        key => key,
    }
}

/// All rows are one group also when nothing that is selected folds them. The database must see an aggregate among it;
/// Postgres does not see those that are always NULL.
fn fold(scope: &Scope<'_>, query: &Query, selected: &mut [Sql]) {
    let (Some(group), Select::Exprs(exprs)) = (&query.group, &query.select) else { return };
    if group.keys.is_empty()
        && (scope.dialect == Dialect::Postgres || !exprs.iter().any(folds))
        && let Some(first) = selected.first_mut()
    {
        let counted = rows_counted(scope).is_null();
        *first = CaseStatement::new().case(counted, Sql::cust("NULL")).finally(first.clone()).into();
    }
}

/// Whether there is an aggregate in the SQL of the expression: what is asked of an empty list is left out.
fn folds(expr: &Expr) -> bool {
    let mut found = matches!(expr, Expr::Aggregate { .. });
    if !matches!(expr, Expr::In { list, .. } if list.is_empty()) {
        expr.parts(&mut |part| found |= matches!(part, Part::Expr(expr) if folds(expr)));
    }
    found
}

/// One value for each row, or for each group.
fn something(scope: &Scope<'_>, query: &Query) -> Sql {
    if query.group.is_some() { rows_counted(scope) } else { Sql::cust("1") }
}

fn rows_counted(scope: &Scope<'_>) -> Sql {
    scope.dialect.aggregate(Aggregate::Count, None, None, None)
}

fn name(statement: &mut SelectStatement, selected: Vec<Sql>, names: &[&'static str]) {
    for (index, expr) in selected.into_iter().enumerate() {
        match names.get(index) {
            Some(name) => statement.expr_as(expr, Alias::new(*name)),
            None => statement.expr(expr),
        };
    }
}
