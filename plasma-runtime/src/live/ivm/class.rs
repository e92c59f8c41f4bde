//! What can be kept up to date without running it again.

use std::fmt;

use super::compile;
use crate::error::Result;
use crate::query::ir;
use crate::query::typed::Query;

/// How a live query is kept up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// From change to change: a query for rows.
    Select,
    /// From change to change: a query for groups, or a count.
    Aggregate,
    /// It is run again after every transaction that changes one of its tables.
    None {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Select => f.write_str("incremental (rows)"),
            Class::Aggregate => f.write_str("incremental (groups)"),
            Class::None { reason } => write!(f, "run again: {reason}"),
        }
    }
}

/// Says how a query would be kept up to date, by its form alone.
///
/// ```
/// use plasma_runtime::live::ivm::{Class, classify};
/// use plasma_runtime::query::typed::Query;
/// # fn f(todos: impl Query) -> plasma_runtime::Result<()> {
/// match classify(&todos)? {
///     Class::None { reason } => println!("run again at every change: {reason}"),
///     class => println!("{class}"),
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Validation`](crate::ErrorKind::Validation) when the query could not be asked at all.
pub fn classify<Q: Query>(query: &Q) -> Result<Class> {
    query.ir().map(class_of)
}

pub(crate) fn class_of(query: &ir::Query) -> Class {
    match compile(query) {
        Err(refusal) => Class::None { reason: refusal.0 },
        Ok(_) if query.group.is_some() || query.select == ir::Select::Count => Class::Aggregate,
        Ok(_) => Class::Select,
    }
}
