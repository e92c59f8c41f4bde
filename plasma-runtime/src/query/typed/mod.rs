//! Typed queries: thin shells over [`ir`](super::ir).
//!
//! `Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.desc()).limit(20)` builds an
//! [`ir::Query`](super::ir::Query); the types only make sure that it is over columns that are there, compares what can
//! be compared, and says what its rows are.

mod arithmetic;
mod assign;
mod column;
mod condition;
mod dates;
mod expr;
mod expression;
mod null;
mod numeric;
mod operand;
mod project;
mod raw;
pub mod read;
mod scope;
mod select;
mod subquery;
#[cfg(test)]
mod tests;
mod text;

pub use arithmetic::{Minus, Over, Plus, Times, arithmetic, numeric_operators};
pub use assign::{Assign, ChangeList, Changes, Order};
pub use column::{Col, ColumnOf, IdCol, Ordered};
pub use condition::{Condition, Conditions, Filter, Predicate, Uses, UsesAll, all_of, any_of};
pub use dates::Moment;
pub use expr::{Expr, not};
pub use expression::Expression;
pub use null::{Cases, NextWhen, When, when};
pub use numeric::numeric_newtype;
pub use operand::{CompareWith, Operand, SameAs, StoreFrom, ValueFrom, column_operands, text_operands};
pub use project::{Projectable, Projection, WholeRow, row};
pub(crate) use raw::Fault;
pub use raw::Raw;
pub use scope::{Correlation, Here, NotNull, Nowhere, Nullability, Only, Outer, Root, ScopeIn, There, Within};
pub use select::{AnyQuery, Query, ReadsIn, Select};
pub use subquery::{SameKey, exists};
pub use text::{Derived, Textual};

/// Calls a macro with `A`, `A B`, .. up to twelve names: one impl for each length of tuple.
macro_rules! for_tuples {
    ($m:ident) => {
        $m!(A);
        $m!(A B);
        $m!(A B C);
        $m!(A B C D);
        $m!(A B C D E);
        $m!(A B C D E F);
        $m!(A B C D E F G);
        $m!(A B C D E F G H);
        $m!(A B C D E F G H J);
        $m!(A B C D E F G H J K);
        $m!(A B C D E F G H J K L);
        $m!(A B C D E F G H J K L M);
    };
}
use for_tuples;
