//! Values that differ from row to row, as a choice by the row's id.

use super::{CompareOp, Expr};
use crate::schema::TableDef;
use crate::value::Value;

impl Expr {
    /// A value for each row, by the row's id: NULL for others. One value for all of them is just that.
    pub(crate) fn by_id(table: &'static TableDef, rows: Vec<(String, Value)>) -> Self {
        let mut values = rows.iter().map(|(_, value)| value);
        if let Some(first) = values.next()
            && values.all(|value| value == first)
        {
            return Expr::Literal(first.clone());
        }
        let id = Expr::column(table.name, table.columns[table.id].name);
        let when = rows
            .into_iter()
            .map(|(row, value)| (Expr::eq(id.clone(), Expr::Literal(Value::Text(row))), Expr::Literal(value)));
        Expr::Case { when: when.collect(), otherwise: Box::new(Expr::Literal(Value::Null)) }
    }

    /// The value for a row of the table where it is a choice [by the row's id](Self::by_id). What every row has a value of
    /// its own for need not be looked through for every row by the store.
    pub(crate) fn of_row(&self, table: &TableDef, row: &str) -> Option<&Value> {
        let Expr::Case { when, .. } = self else { return None };
        for (condition, value) in when {
            let Expr::Compare { op: CompareOp::Eq, left, right } = condition else { return None };
            let (Expr::Column(column), Expr::Literal(Value::Text(id)), Expr::Literal(value)) =
                (&**left, &**right, value)
            else {
                return None;
            };
            if (column.level, column.table, column.column) != (0, table.name, table.columns[table.id].name) {
                return None;
            }
            if id == row {
                return Some(value);
            }
        }
        None
    }
}
