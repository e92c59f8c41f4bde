//! Which operators have met: an expression under another or in a clause, a clause beside another in one query.

use std::collections::BTreeSet;
use std::fmt;

use crate::query::ir::{Aggregate, ArithmeticOp, CompareOp, Expr, Function, Part, Query, Rows, Select};
use crate::value::Value;

/// The pairs that were evaluated with the same answer.
#[derive(Debug, Default)]
pub(super) struct Coverage(BTreeSet<(&'static str, &'static str)>);

// Classes of values: what an operator gives, and what it can stand over.
const BOOL: u8 = 1;
const INT: u8 = 2;
const BIGINT: u8 = 4;
const FLOAT: u8 = 8;
const TEXT: u8 = 16;
const DATE: u8 = 32;
const TIME: u8 = 64;
const REST: u8 = 128;
const ANY: u8 = 255;

/// Name, what it gives, what it stands over.
const OPERATORS: [(&str, u8, u8); 46] = [
    ("column", ANY, 0),
    ("outer column", ANY, 0),
    ("literal", ANY, 0),
    ("null", ANY, 0),
    ("=", BOOL, ANY),
    ("<>", BOOL, ANY),
    ("<", BOOL, ANY),
    ("<=", BOOL, ANY),
    (">", BOOL, ANY),
    (">=", BOOL, ANY),
    ("is", BOOL, ANY),
    ("and", BOOL, BOOL),
    ("or", BOOL, BOOL),
    ("not", BOOL, BOOL),
    ("is null", BOOL, ANY),
    ("in", BOOL, ANY),
    ("like", BOOL, TEXT | DATE | REST),
    ("has", BOOL, REST),
    ("exists", BOOL, 0),
    ("in query", BOOL, ANY),
    ("scalar", ANY, 0),
    ("+", INT | BIGINT | FLOAT, INT | BIGINT | FLOAT),
    ("-", INT | BIGINT | FLOAT, INT | BIGINT | FLOAT),
    ("*", INT | BIGINT | FLOAT, INT | BIGINT | FLOAT),
    ("/", INT | BIGINT | FLOAT, INT | BIGINT | FLOAT),
    ("%", INT | BIGINT, INT | BIGINT),
    ("negate", BIGINT | FLOAT, BIGINT | FLOAT),
    ("length", BIGINT, TEXT),
    ("lower", TEXT, TEXT),
    ("upper", TEXT, TEXT),
    ("trim", TEXT, TEXT),
    ("concat", TEXT, TEXT),
    ("coalesce", ANY, ANY),
    ("date", DATE, INT | TIME),
    ("value", ANY, REST),
    ("case", ANY, ANY),
    ("count rows", BIGINT, 0),
    ("count", BIGINT, ANY),
    ("count distinct", BIGINT, ANY),
    ("sum", BIGINT | FLOAT | REST, INT | BIGINT | FLOAT | REST),
    ("avg", FLOAT, INT | BIGINT | FLOAT),
    ("min", ANY, ANY),
    ("max", ANY, ANY),
    // Clauses.
    ("filter", 0, BOOL),
    ("on", 0, BOOL),
    ("having", 0, BOOL),
];

/// Clauses over any value.
const CLAUSES: [&str; 3] = ["key", "select", "order"];
/// Where a query stands.
const PLACES: [&str; 6] = ["outermost", "nested query", "derived table", "exists", "in query", "scalar"];
/// What a query has.
const PARTS: [&str; 16] = [
    "inner join",
    "left join",
    "rows of a query",
    "same table twice",
    "filter",
    "group",
    "one group",
    "having",
    "whole rows",
    "expressions",
    "count of rows",
    "distinct",
    "order",
    "limit",
    "offset",
    "related rows",
];

fn is_aggregate(name: &str) -> bool {
    matches!(name, "count rows" | "count" | "count distinct" | "sum" | "avg" | "min" | "max")
}

/// Every pair that a query can have.
fn possible() -> BTreeSet<(&'static str, &'static str)> {
    let mut pairs = BTreeSet::new();
    let over: Vec<_> =
        OPERATORS.into_iter().map(|(name, _, takes)| (name, takes)).chain(CLAUSES.map(|name| (name, ANY))).collect();
    for (parent, takes) in over {
        for (child, gives, _) in OPERATORS {
            let no_group = is_aggregate(parent) || matches!(parent, "filter" | "on" | "key");
            if takes & gives != 0 && !(no_group && is_aggregate(child)) {
                pairs.insert((parent, child));
            }
        }
    }
    let never = |a, b| {
        let without =
            |part: &str, others: &[&str]| (a == part && others.contains(&b)) || (b == part && others.contains(&a));
        without("whole rows", &["expressions", "count of rows", "group", "one group", "having"])
            || without("expressions", &["count of rows"])
            || without("group", &["one group"])
            || without("distinct", &["count of rows", "related rows"])
            || without("related rows", &["group", "one group", "having", "count of rows"])
            || without("nested query", &["group", "one group", "having", "distinct", "count of rows"])
            || (matches!(a, "in query" | "scalar") && b == "whole rows")
            || (matches!(a, "derived table" | "exists" | "in query" | "scalar") && b == "related rows")
    };
    for (index, part) in PARTS.into_iter().enumerate() {
        pairs.extend(PARTS[index + 1..].iter().map(|other| (part, *other)).filter(|(a, b)| !never(a, b)));
        pairs.extend(PLACES.into_iter().map(|place| (place, part)).filter(|(a, b)| !never(a, b)));
    }
    pairs
}

impl Coverage {
    /// Counts what is in the query.
    pub(super) fn add(&mut self, query: &Query) {
        self.query("outermost", query);
    }

    fn query(&mut self, place: &'static str, query: &Query) {
        let parts = parts(query);
        for (index, part) in parts.iter().enumerate() {
            self.0.insert((place, part));
            self.0.extend(parts[index + 1..].iter().map(|other| (*part, *other)));
        }
        for source in query.sources() {
            if let Rows::Query(derived, _) = &source.rows {
                self.query("derived table", derived);
            }
        }
        query.joins.iter().for_each(|join| self.expr("on", &join.on));
        query.filter.iter().for_each(|filter| self.expr("filter", filter));
        if let Some(group) = &query.group {
            group.keys.iter().for_each(|key| self.expr("key", key));
            group.having.iter().for_each(|having| self.expr("having", having));
        }
        if let Select::Exprs(exprs) = &query.select {
            exprs.iter().for_each(|expr| self.expr("select", expr));
        }
        query.order.iter().for_each(|order| self.expr("order", &order.expr));
        query.nested.iter().for_each(|nested| self.query("nested query", &nested.query));
    }

    pub(super) fn expr(&mut self, parent: &'static str, expr: &Expr) {
        let own = name(expr);
        self.0.insert((parent, own));
        expr.parts(&mut |part| match part {
            Part::Expr(expr) => self.expr(own, expr),
            Part::Query { query, .. } => self.query(own, query),
        });
    }

    /// How many of the possible pairs there were, and how many are possible.
    pub(super) fn counts(&self) -> (usize, usize) {
        let possible = possible();
        (possible.intersection(&self.0).count(), possible.len())
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (covered, possible_count) = self.counts();
        write!(f, "covered {covered} of {possible_count} pairs")?;
        let possible = possible();
        let missing: Vec<_> = possible.difference(&self.0).map(|(a, b)| format!("{a} > {b}")).collect();
        if !missing.is_empty() {
            write!(f, "; not: {}", missing.join(", "))?;
        }
        let more: Vec<_> = self.0.difference(&possible).map(|(a, b)| format!("{a} > {b}")).collect();
        if !more.is_empty() {
            write!(f, "; thought impossible: {}", more.join(", "))?;
        }
        Ok(())
    }
}

fn parts(query: &Query) -> Vec<&'static str> {
    let tables: Vec<_> = query.sources().filter_map(|source| source.as_table()).collect();
    let twice = tables.iter().enumerate().any(|(index, table)| tables[..index].contains(table));
    let keys = query.group.as_ref().map(|group| group.keys.len());
    let has = [
        query.joins.iter().any(|join| !join.left),
        query.joins.iter().any(|join| join.left),
        query.sources().any(|source| source.as_table().is_none()),
        twice,
        query.filter.is_some(),
        keys.is_some_and(|keys| keys > 0),
        keys == Some(0),
        query.group.as_ref().is_some_and(|group| group.having.is_some()),
        query.select == Select::Row,
        matches!(query.select, Select::Exprs(_)),
        query.select == Select::Count,
        query.distinct,
        !query.order.is_empty(),
        query.limit.is_some(),
        query.offset.is_some(),
        !query.nested.is_empty(),
    ];
    PARTS.into_iter().zip(has).filter_map(|(part, has)| has.then_some(part)).collect()
}

fn name(expr: &Expr) -> &'static str {
    match expr {
        Expr::Column(column) if column.level > 0 => "outer column",
        Expr::Column(_) => "column",
        Expr::Literal(Value::Null) => "null",
        Expr::Literal(_) => "literal",
        Expr::Compare { op, .. } => match op {
            CompareOp::Eq => "=",
            CompareOp::Ne => "<>",
            CompareOp::Lt => "<",
            CompareOp::Lte => "<=",
            CompareOp::Gt => ">",
            CompareOp::Gte => ">=",
            CompareOp::Is => "is",
        },
        Expr::And(_) => "and",
        Expr::Or(_) => "or",
        Expr::Not(_) => "not",
        Expr::IsNull(_) => "is null",
        Expr::In { .. } => "in",
        Expr::Like { .. } => "like",
        Expr::Has { .. } => "has",
        Expr::Exists(_) => "exists",
        Expr::InQuery { .. } => "in query",
        Expr::Scalar(_) => "scalar",
        Expr::Arithmetic { op, .. } => match op {
            ArithmeticOp::Add => "+",
            ArithmeticOp::Sub => "-",
            ArithmeticOp::Mul => "*",
            ArithmeticOp::Div => "/",
            ArithmeticOp::Rem => "%",
        },
        Expr::Function { function, .. } => match function {
            Function::Lower => "lower",
            Function::Upper => "upper",
            Function::Length => "length",
            Function::Trim => "trim",
            Function::Concat => "concat",
            Function::Coalesce => "coalesce",
            Function::Date => "date",
            Function::ValueOf(_) => "value",
            Function::Negate => "negate",
            Function::Now => "now",
        },
        Expr::Case { .. } => "case",
        Expr::Aggregate { function, expr } => match function {
            Aggregate::Count if expr.is_none() => "count rows",
            Aggregate::Count => "count",
            Aggregate::CountDistinct => "count distinct",
            Aggregate::Sum => "sum",
            Aggregate::Avg => "avg",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
        },
    }
}
