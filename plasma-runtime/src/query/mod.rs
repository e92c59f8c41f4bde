//! Queries: a small intermediate representation ([`ir`]), the typed builders over it, its lowering to SQL and its
//! evaluation in memory.

pub mod eval;
pub mod ir;
pub mod like;
pub mod lower;
pub mod numeric;
pub mod sql;
pub mod typed;

pub use typed::{
    Agg, AnyQuery, Assign, Col, Derived, Distinct, Expr, Filter, Folded, Grouped, IdCol, Inner, Key, Left, Order,
    Outer, Projected, Related, Root, Select,
};
