//! Typed queries: thin shells over [`ir`](super::ir).
//!
//! `Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.desc()).limit(20)` builds an
//! [`ir::Query`](super::ir::Query); the types only make sure that it is over columns that are there, compares what can
//! be compared, and says what its rows are.

mod aggregate;
mod any;
mod arithmetic;
mod assign;
mod at_rest;
mod column;
mod condition;
mod crdt;
mod dates;
mod derived;
mod expr;
mod expression;
mod group;
mod join;
mod names;
mod null;
mod numeric;
mod operand;
mod operations;
mod page;
mod project;
mod raw;
pub mod read;
mod relation;
mod row;
mod scope;
mod sealed;
mod select;
mod shape;
mod source;
mod subquery;
#[cfg(test)]
mod tests;
mod text;
mod within;

pub use aggregate::{Agg, GroupOrder, Numeric, count};
pub use any::AnyQuery;
pub use arithmetic::{Minus, Over, Plus, Times, arithmetic, numeric_operators};
pub(crate) use assign::Finished;
pub use assign::{Assign, ChangeList, Changes, Order};
pub use column::{Assignable, Col, ColumnOf, IdCol, Ordered};
pub use condition::{Condition, Conditions, Filter, Predicate, Uses, UsesAll, all_of, any_of};
pub use crdt::Contains;
pub use dates::{Moment, now};
pub use derived::{Anywhere, Derived, Handles, col_ref, from_subquery, from_subquery_as};
pub use expr::{Expr, not};
pub use expression::Expression;
pub use group::{AggValue, Grouped, GroupedOut, GroupedProjection, Key, KeyHandles, Keys, OrdersGroups};
pub use join::{InnerJoin, JoinWith, LeftJoin, On};
pub use null::{Cases, NextWhen, When, when};
pub use numeric::numeric_newtype;
pub use operand::{CompareWith, Operand, SameAs, StoreFrom, ValueFrom, column_operands, text_operands};
pub use page::{Cursor, Page};
pub use project::{Computed, Projectable, Projection, WholeRow, row};
pub(crate) use raw::Fault;
pub use raw::Raw;
pub use relation::{Many, One, Parent, Rel, Relatable};
pub use row::Push;
pub use scope::{
    Alone, Correlation, Distinct, Folded, Inner, Left, Listed, Names, Only, Outer, OuterSources, Projected, Related,
    Root, RowScope, ScopeIn,
};
pub use select::{Query, ReadsIn, Select};
pub use shape::{FieldSource, FillFrom, Fills, Shape, field_source};
pub use source::{Alias, ColumnLike, Source, TableSource, alias_column, alias_on, alias_select, is_missing};
pub use subquery::{SameKey, Single, exists, scalar};
pub use text::{Dependent, Textual};
pub use within::{
    Further, Here, MaybeHere, MaybeNull, NotNull, Nowhere, Nullability, Path, Present, Settled, There, Within,
};

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

/// Calls a macro with `A Ai`, `A Ai, B Bi`, .. up to twelve: one impl for each length of tuple, with the way to the
/// tables of each element.
macro_rules! for_tuples_with_paths {
    ($m:ident) => {
        $m!(A Ai);
        $m!(A Ai, B Bi);
        $m!(A Ai, B Bi, C Ci);
        $m!(A Ai, B Bi, C Ci, D Di);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji, K Ki);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji, K Ki, L Li);
        $m!(A Ai, B Bi, C Ci, D Di, E Ei, F Fi, G Gi, H Hi, J Ji, K Ki, L Li, M Mi);
    };
}
use for_tuples_with_paths;
