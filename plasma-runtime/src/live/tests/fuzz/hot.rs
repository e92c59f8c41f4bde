//! Where changes are likely to show.

use crate::query::eval::tests::generate::TABLES;
use crate::query::ir::{Expr, Part, Query};
use crate::schema::TableDef;

/// What queries look at: a change of it is likely to show.
pub(super) struct Hot {
    pub tables: Vec<&'static TableDef>,
    /// Columns by the names of their tables.
    pub columns: Vec<(&'static str, usize)>,
}

pub(super) fn hot<'q>(queries: impl Iterator<Item = &'q Query>) -> Hot {
    let mut names: Vec<&'static str> = vec!["ref"];
    let mut tables = Vec::new();
    for query in queries {
        tables.extend(query.tables());
        query.queries(&mut |query| {
            query.parts(&mut |part| {
                if let Part::Expr(expr) = part {
                    named(expr, &mut names);
                }
            });
        });
    }
    let all = TABLES.iter().flat_map(|table| table.columns.iter().enumerate().map(move |column| (table, column)));
    let named = all.filter(|(table, (at, column))| *at != table.id && names.contains(&column.name));
    Hot { columns: named.map(|(table, (at, _))| (table.name, at)).collect(), tables }
}

fn named(expr: &Expr, names: &mut Vec<&'static str>) {
    if let Expr::Column(column) = expr {
        names.push(column.column);
    }
    expr.parts(&mut |part| {
        if let Part::Expr(expr) = part {
            named(expr, names);
        }
    });
}
