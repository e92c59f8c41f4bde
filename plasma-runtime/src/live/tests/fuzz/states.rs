//! Random conditions of the states of CRDTs.

use super::shapes::compared;
use crate::crdt::CrdtKind;
use crate::query::eval::tests::generate::Choices;
use crate::query::eval::tests::generate::scope::Column;
use crate::query::ir::{Expr, Function};
use crate::value::Kind;

/// A condition of a CRDT's state; none where there is no such column.
pub(super) fn condition(choices: &mut Choices<'_>, columns: &[Column]) -> Option<Expr> {
    let states: Vec<(Column, CrdtKind)> = columns
        .iter()
        .filter_map(|column| match column.kind {
            Kind::Crdt(kind) => Some((*column, kind)),
            _ => None,
        })
        .collect();
    if states.is_empty() {
        return None;
    }
    let (column, kind) = choices.pick(&states);
    let value = |kind| Expr::Function { function: Function::ValueOf(kind), args: vec![column.expr(0)] };
    Some(match kind {
        CrdtKind::OrSet(of) if choices.once_in(2) => {
            let element = if *of == Kind::Int { ["1", "0"] } else { ["\"a\"", "\"b\""] };
            Expr::Has { set: Box::new(column.expr(0)), element: choices.pick(&element).to_owned() }
        }
        CrdtKind::Lww(of) => compared(choices, value(kind), *of),
        #[cfg(feature = "text")]
        CrdtKind::Text => compared(choices, value(kind), Kind::Text),
        _ => compared(choices, value(kind), Kind::BigInt),
    })
}
