//! The comparison is worth something: bugs are found when there are any.

#[cfg(feature = "postgres")]
use super::backend::Postgres;
use super::backend::{Backend, Sqlite};
use super::differential::{Tally, agree};
use crate::crdt::CrdtKind;
use crate::query::ir::{Aggregate, ArithmeticOp, CompareOp, Expr, Function, Part, PartMut, Query, Select};
use crate::value::{Kind, Value};

/// Cases per bug, of which most need few; the rarest need what a few seeds of the comparison itself have.
const CASES: usize = 8_000;

/// Numbers for one case, out of Knuth's MMIX generator.
fn numbers(state: &mut u64, count: usize) -> Vec<u16> {
    (0..count)
        .map(|_| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 48) as u16
        })
        .collect()
}

/// Looks for a bug. `rewrite` changes what the database is asked, so that it stands for a bug of either side.
fn assert_found_by(backend: &mut dyn Backend, name: &str, rewrite: &dyn Fn(&mut Query)) {
    let mut state = 1;
    let mut refused = None;
    let found = (0..CASES).any(|_| {
        let (rows, queries) = (numbers(&mut state, 500), numbers(&mut state, 1_000));
        // A difference in rows, not a statement that the database refuses.
        match agree(backend, &rows, &queries, rewrite, &mut Tally::default()) {
            Ok(()) => false,
            Err(difference) if difference.starts_with("rows differ") => true,
            Err(other) => {
                refused.get_or_insert(other);
                false
            }
        }
    });
    assert!(found, "{}: the planted bug `{name}` was not found; the first refusal: {refused:?}", backend.name());
}

/// A bug's name, and what it does to a query.
type Bug<'b> = (&'b str, &'b dyn Fn(&mut Query));

/// Looks for bugs that are planted in the query, in all databases there are.
fn assert_all_found(bugs: &[Bug<'_>]) {
    let mut sqlite = Sqlite::new();
    for (name, rewrite) in bugs {
        assert_found_by(&mut sqlite, name, rewrite);
    }
    #[cfg(feature = "postgres")]
    if let Some(mut postgres) = Postgres::new() {
        for (name, rewrite) in bugs {
            assert_found_by(&mut postgres, name, rewrite);
        }
    }
}

/// Calls `change` for a query and all queries in it.
pub(crate) fn queries(query: &mut Query, change: &dyn Fn(&mut Query)) {
    change(query);
    query.parts_mut(&mut |part| match part {
        PartMut::Expr(expr) => in_expr(expr, change),
        PartMut::Query { query, .. } => queries(query, change),
    });
}

fn in_expr(expr: &mut Expr, change: &dyn Fn(&mut Query)) {
    expr.parts_mut(&mut |part| match part {
        PartMut::Expr(expr) => in_expr(expr, change),
        PartMut::Query { query, .. } => queries(query, change),
    });
}

/// Calls `change` for every expression of a query and of all queries in it, the inner ones first.
pub(crate) fn exprs(query: &mut Query, change: &dyn Fn(&mut Expr)) {
    fn visit(expr: &mut Expr, change: &dyn Fn(&mut Expr)) {
        expr.parts_mut(&mut |part| match part {
            PartMut::Expr(expr) => visit(expr, change),
            PartMut::Query { query, .. } => exprs(query, change),
        });
        change(expr);
    }
    query.parts_mut(&mut |part| match part {
        PartMut::Expr(expr) => visit(expr, change),
        PartMut::Query { query, .. } => exprs(query, change),
    });
}

fn aggregate(function: Aggregate, expr: Option<Expr>) -> Expr {
    Expr::Aggregate { function, expr: expr.map(Box::new) }
}

fn arithmetic(op: ArithmeticOp, kind: Kind, left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic { op, kind, left: Box::new(left), right: Box::new(right) }
}

/// Bugs of a database or of its SQL.
#[test]
fn bugs_in_the_sql_are_found() {
    type Spoil = (&'static str, fn(String) -> String);
    let bugs: [Spoil; 8] = [
        ("NULL last", |sql| sql.replace(" ASC, ", " ASC NULLS LAST, ")),
        ("case-insensitive LIKE", |sql| {
            sql.replace("\" GLOB ?", "\" COLLATE NOCASE GLOB ?").replace(" GLOB ?", " LIKE replace(?, '*', '%')")
        }),
        ("case-insensitive text", |sql| sql.replace("\" = ", "\" COLLATE NOCASE = ")),
        ("IS as equality", |sql| sql.replace(" IS \"", " = \"")),
        ("ties in any order", |sql| sql.replace("\"id\" ASC", "\"id\" DESC")),
        ("unknown is false", |sql| sql.replace("NOT ", "NOT TRUE IS ")),
        ("no offset", |sql| sql.replace(" OFFSET ?", " OFFSET 0 * ?")),
        ("descending is ascending", |sql| sql.replace(" DESC", " ASC")),
    ];
    let mut sqlite = Sqlite::new();
    for (name, spoil) in bugs {
        sqlite.spoil = spoil;
        assert_found_by(&mut sqlite, name, &|_| {});
    }
}

/// The same of Postgres.
#[cfg(feature = "postgres")]
#[test]
fn bugs_in_the_sql_of_postgres_are_found() {
    type Spoil = (&'static str, fn(String) -> String);
    let bugs: [Spoil; 10] = [
        ("NULL last", |sql| sql.replace("NULLS FIRST", "NULLS LAST")),
        ("case-insensitive LIKE", |sql| sql.replace(" LIKE ", " ILIKE ")),
        ("text in the order of a language", |sql| sql.replace("COLLATE \"C\"", "COLLATE \"und-x-icu\"")),
        ("IS as equality", |sql| sql.replace("IS NOT DISTINCT FROM", "=")),
        ("ties in any order", |sql| sql.replace("\"id\" ASC", "\"id\" DESC")),
        ("no offset", |sql| sql.replace(" OFFSET ?", " OFFSET 0 * ?").replace(" OFFSET '", " OFFSET 0 * '")),
        ("descending is ascending", |sql| sql.replace(" DESC", " ASC")),
        // The server's own cast keeps 15 digits. By its bare name it would be a type, and no function.
        ("sums of rounded floats", |sql| sql.replace("plasma_exact(", "pg_catalog.numeric(")),
        ("trim of nothing", |sql| sql.replace("btrim(", "lower(")),
        ("the other day", |sql| sql.replace("plasma_date(", "plasma_date(86400000000 + ")),
    ];
    let Some(mut postgres) = Postgres::new() else { return };
    for (name, spoil) in bugs {
        postgres.spoil = spoil;
        assert_found_by(&mut postgres, name, &|_| {});
    }
}

/// Parts of a query that are passed over.
#[test]
fn what_a_query_says_and_is_not_done_is_found() {
    type Change = (&'static str, fn(&mut Query));
    let bugs: [Change; 14] = [
        ("left join drops rows without a match", |query| query.joins.iter_mut().for_each(|join| join.left = false)),
        ("inner join keeps rows without a match", |query| query.joins.iter_mut().for_each(|join| join.left = true)),
        ("the condition of a join is part of the filter", |query| {
            if let Some(join) = query.joins.iter_mut().find(|join| join.left) {
                let on = join.on.clone();
                *query = query.clone().filter(on);
            }
        }),
        ("each NULL is a group of its own", |query| {
            let id = query.from.as_table().map(|table| Expr::column(query.from.name, table.columns[table.id].name));
            if let (Some(group), Some(id)) = (&mut query.group, id)
                && let Some(key) = group.keys.first().cloned()
            {
                let own = Expr::Case {
                    when: vec![(Expr::IsNull(Box::new(key)), id)],
                    otherwise: Box::new(Expr::Literal(Value::Null)),
                };
                group.keys.push(own);
            }
        }),
        ("nothing has no group", |query| {
            if let Some(group) = &mut query.group
                && group.keys.is_empty()
            {
                let some =
                    Expr::compare(CompareOp::Gt, aggregate(Aggregate::Count, None), Expr::Literal(Value::Int(0)));
                group.having = Some(group.having.take().map_or(some.clone(), |having| having.and(some)));
            }
        }),
        ("having is ignored", |query| query.group.iter_mut().for_each(|group| group.having = None)),
        ("the last key is ignored", |query| {
            if let Some(group) = &mut query.group
                && group.keys.len() > 1
            {
                group.keys.pop();
            }
        }),
        ("distinct is ignored", |query| query.distinct = false),
        ("related rows are not cut", |query| {
            for nested in &mut query.nested {
                (nested.query.limit, nested.query.offset) = (None, None);
            }
        }),
        ("related rows are in the order of ids", |query| {
            query.nested.iter_mut().for_each(|nested| nested.query.order.clear());
        }),
        ("related rows are not filtered", |query| {
            query.nested.iter_mut().for_each(|nested| nested.query.filter = None);
        }),
        ("a count is not cut", |query| {
            if query.select == Select::Count {
                (query.limit, query.offset) = (None, None);
            }
        }),
        ("the limit of a derived table is ignored", |query| {
            query.parts_mut(&mut |part| {
                if let PartMut::Query { query, correlated: false } = part {
                    query.limit = None;
                }
            });
        }),
        ("columns of the nearest query of that name", |query| {
            query.parts_mut(&mut |part| {
                if let PartMut::Expr(expr) = part {
                    shadowed(expr);
                }
            });
        }),
    ];
    let everywhere = bugs.map(|(name, change)| (name, move |query: &mut Query| queries(query, &change)));
    assert_all_found(&everywhere.each_ref().map(|(name, rewrite)| (*name, rewrite as &dyn Fn(&mut Query))));
}

/// In sub-queries, the first outer column whose source is there too becomes one of that source.
fn shadowed(expr: &mut Expr) {
    expr.parts_mut(&mut |part| match part {
        PartMut::Expr(expr) => shadowed(expr),
        PartMut::Query { query, .. } => {
            let names: Vec<_> = query.sources().map(|source| source.name).collect();
            query.parts_mut(&mut |part| {
                if let PartMut::Expr(expr) = part {
                    exprs_here(expr, &|expr| {
                        if let Expr::Column(column) = expr
                            && column.level == 1
                            && names.contains(&column.table)
                        {
                            column.level = 0;
                        }
                    });
                }
            });
        }
    });
}

fn exprs_here(expr: &mut Expr, change: &dyn Fn(&mut Expr)) {
    change(expr);
    expr.parts_mut(&mut |part| {
        if let PartMut::Expr(expr) = part {
            exprs_here(expr, change);
        }
    });
}

/// Values that are calculated in another way.
#[test]
fn wrong_values_are_found() {
    type Change = (&'static str, fn(&mut Expr));
    let bugs: [Change; 15] = [
        ("count(expr) counts NULLs", |expr| {
            if let Expr::Aggregate { function: Aggregate::Count, expr } = expr {
                *expr = None;
            }
        }),
        ("count distinct counts repetitions", |expr| {
            if let Expr::Aggregate { function: function @ Aggregate::CountDistinct, .. } = expr {
                *function = Aggregate::Count;
            }
        }),
        ("the mean of integers is an integer", |expr| {
            if let Expr::Aggregate { function: Aggregate::Avg, expr: Some(of) } = expr
                && is_integer(of)
            {
                let count = aggregate(Aggregate::Count, Some((**of).clone()));
                let when = Expr::compare(CompareOp::Gt, count.clone(), Expr::Literal(Value::Int(0)));
                let mean =
                    arithmetic(ArithmeticOp::Div, Kind::BigInt, aggregate(Aggregate::Sum, Some((**of).clone())), count);
                let otherwise = Box::new(Expr::Literal(Value::Null));
                *expr = Expr::Case { when: vec![(when, mean)], otherwise };
            }
        }),
        ("the sum of nothing is 0", |expr| {
            if let Expr::Aggregate { function: Aggregate::Sum, .. } = expr {
                let zero = Expr::Literal(Value::Int(0));
                *expr = Expr::Function { function: Function::Coalesce, args: vec![expr.clone(), zero] };
            }
        }),
        ("the least is the greatest", |expr| {
            if let Expr::Aggregate { function: function @ Aggregate::Min, .. } = expr {
                *function = Aggregate::Max;
            }
        }),
        ("a rest is a quotient", |expr| {
            if let Expr::Arithmetic { op: op @ ArithmeticOp::Rem, .. } = expr {
                *op = ArithmeticOp::Div;
            }
        }),
        ("integers leave their range unnoticed", |expr| {
            if let Expr::Arithmetic { op: ArithmeticOp::Mul, kind, .. } = expr
                && *kind == Kind::BigInt
            {
                *kind = Kind::Float;
            }
        }),
        ("NULL in a concatenation is empty", |expr| {
            if let Expr::Function { function: Function::Concat, args } = expr {
                for arg in args {
                    let empty = Expr::Literal("".into());
                    *arg = Expr::Function { function: Function::Coalesce, args: vec![arg.clone(), empty] };
                }
            }
        }),
        ("upper is lower", |expr| {
            if let Expr::Function { function: function @ Function::Upper, .. } = expr {
                *function = Function::Lower;
            }
        }),
        ("spaces count", |expr| {
            if let Expr::Function { function: function @ Function::Trim, .. } = expr {
                *function = Function::Coalesce;
            }
        }),
        ("dates are those of UTC", |expr| {
            if let Expr::Function { function: Function::Date, args } = expr {
                args[1] = Expr::Literal(Value::Int(0));
            }
        }),
        ("ups are downs", |expr| {
            if let Expr::Function { function: Function::ValueOf(CrdtKind::PnCounter), .. } = expr {
                *expr = Expr::Function { function: Function::Negate, args: vec![expr.clone()] };
            }
        }),
        ("a set has what begins like an element", |expr| {
            if let Expr::Has { element, .. } = expr {
                element.clear();
            }
        }),
        ("the second choice of a case is ignored", |expr| {
            if let Expr::Case { when, .. } = expr {
                when.truncate(1);
            }
        }),
        ("an empty sub-query is not NULL", |expr| {
            if let Expr::IsNull(of) = expr
                && matches!(**of, Expr::Scalar(_))
            {
                *expr = Expr::Or(Vec::new());
            }
        }),
    ];
    let everywhere = bugs.map(|(name, change)| (name, move |query: &mut Query| exprs(query, &change)));
    assert_all_found(&everywhere.each_ref().map(|(name, rewrite)| (*name, rewrite as &dyn Fn(&mut Query))));
}

/// Whether the expression surely is an integer.
fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => matches!(column.column, "int" | "bigint"),
        Expr::Arithmetic { kind, .. } => *kind != Kind::Float,
        Expr::Literal(value) => matches!(value, Value::Int(_)),
        other => {
            let mut all = false;
            other.parts(&mut |part| all = matches!(part, Part::Expr(expr) if is_integer(expr)));
            all && matches!(other, Expr::Function { .. })
        }
    }
}
