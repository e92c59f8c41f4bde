//! What most files of an application use: `use plasma::prelude::*;`
//!
//! Names that other crates and applications have too (`Error`, `Result`, `Context`, `Order`, `Assign`, `Key`, `Store`, `Json`)
//! are not in it; take them from [`plasma`](crate) and [`plasma::query`](crate::query).

pub use plasma_runtime::columns;
#[cfg(feature = "text")]
pub use plasma_runtime::crdt::Text;
pub use plasma_runtime::crdt::{GCounter, Lww, OrSet, PnCounter};
pub use plasma_runtime::mutate::{Checks, Columns, Mutation, Policy, Validate};
pub use plasma_runtime::query::typed::{
    Filter, Query, all_of, any_of, count, exists, from_subquery, is_missing, not, row, scalar,
};
pub use plasma_runtime::schema::{AtRest, NewRow, Schema, Sealed, Table};
pub use plasma_runtime::{Id, Timestamp};
