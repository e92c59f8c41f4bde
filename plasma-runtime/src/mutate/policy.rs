//! Who may read and write which rows.

use std::fmt;
use std::marker::PhantomData;

use super::mutation::downcast_ctx;
use super::{ErasedCtx, PolicyDef, TableRules};
use crate::error::{Error, ErrorKind, Result};
use crate::query::ir::Expr;
use crate::query::typed::{ColumnOf, Filter};
use crate::schema::Table;

/// The four rules of a table for a caller described by `C`. A rule that is not written allows nothing, so a table is
/// read-only until said otherwise.
///
/// Rules are pure functions of the context: no clock, no store. The same condition becomes SQL when rows are pulled and
/// is checked when rows are written.
///
/// A rule may ask another table's rule through `has(..)`; rules that ask each other in a circle never end.
#[diagnostic::on_unimplemented(
    message = "table `{Self}` has no access policy for `{C}`",
    label = "nobody may read or write it",
    note = "write `impl Policy<{C}> for {Self}`, or declare the table `auth = open`"
)]
pub trait Policy<C>: Table {
    /// The rows the caller may read.
    fn read(ctx: &C) -> Filter<Self>;

    /// The rows the caller may insert: must hold for the row as stored, at the end of the mutation.
    fn insert(ctx: &C) -> Filter<Self> {
        let _ = ctx;
        Filter::nothing()
    }

    /// The rows the caller may change: must hold for the row before the statement, and at the end of the mutation.
    fn update(ctx: &C) -> Filter<Self> {
        let _ = ctx;
        Filter::nothing()
    }

    /// The rows the caller may delete: must hold before the statement.
    fn delete(ctx: &C) -> Filter<Self> {
        let _ = ctx;
        Filter::nothing()
    }

    /// Columns that an update never changes: `const FROZEN: Columns<Self> = columns!(Todo::list_id);`.
    const FROZEN: Columns<Self> = Columns::none();
}

/// Some columns of table `T`, made by `columns!`.
pub struct Columns<T> {
    names: &'static [&'static str],
    types: PhantomData<fn() -> T>,
}

impl<T> Columns<T> {
    /// No column.
    pub const fn none() -> Self {
        Columns { names: &[], types: PhantomData }
    }

    /// These columns; the second argument only ties them to the table.
    #[doc(hidden)]
    pub const fn new<const N: usize>(names: &'static [&'static str], _: [ColumnOf<T>; N]) -> Self {
        Columns { names, types: PhantomData }
    }

    /// Their SQL names.
    pub const fn names(&self) -> &'static [&'static str] {
        self.names
    }
}

impl<T> Clone for Columns<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Columns<T> {}
impl<T> fmt::Debug for Columns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Columns").field(&self.names).finish()
    }
}

/// Some columns of one table: `columns!(Todo::list_id, Todo::created_at)`.
#[macro_export]
macro_rules! columns {
    ($($column:expr),+ $(,)?) => {
        $crate::mutate::Columns::new(const { &[$($column.name()),+] }, [$($column.table()),+])
    };
    () => {
        $crate::mutate::Columns::none()
    };
}
#[doc(inline)]
pub use crate::columns;

/// The same rules for several tables; its documentation is at `plasma::policy`, where examples compile.
#[macro_export]
macro_rules! policy {
    ($ctx:ty => $($table:ty),+ $(,)? : $($rules:tt)+) => {
        $crate::policy! { @tables $ctx, { $($rules)+ }, $($table),+ }
    };
    (@tables $ctx:ty, $rules:tt, $($table:ty),+) => {
        $($crate::policy! { @table $ctx, $table, $rules })+
    };
    (@table $ctx:ty, $table:ty, { $($op:ident = $($rule:ident)::+),+ $(,)? }) => {
        impl $crate::mutate::Policy<$ctx> for $table {
            $(fn $op(ctx: &$ctx) -> $crate::query::typed::Filter<$table> {
                $($rule)::+::<$table>(ctx)
            })+
        }
    };
    // One mention of the rule, so that a table it is not for is one error.
    (@table $ctx:ty, $table:ty, { $($rule:ident)::+ $(,)? }) => {
        impl $crate::mutate::Policy<$ctx> for $table {
            fn read(ctx: &$ctx) -> $crate::query::typed::Filter<$table> {
                $($rule)::+::<$table>(ctx)
            }
            fn insert(ctx: &$ctx) -> $crate::query::typed::Filter<$table> {
                <$table as $crate::mutate::Policy<$ctx>>::read(ctx)
            }
            fn update(ctx: &$ctx) -> $crate::query::typed::Filter<$table> {
                <$table as $crate::mutate::Policy<$ctx>>::read(ctx)
            }
            fn delete(ctx: &$ctx) -> $crate::query::typed::Filter<$table> {
                <$table as $crate::mutate::Policy<$ctx>>::read(ctx)
            }
        }
    };
}

impl PolicyDef {
    /// The policy of `T` for callers described by `C`, its types forgotten.
    pub const fn of<T: Policy<C>, C: 'static>() -> Self {
        PolicyDef { table: T::DEF, rules: rules::<T, C> }
    }
}

fn rules<T: Policy<C>, C: 'static>(ctx: &ErasedCtx) -> Result<TableRules> {
    let ctx = downcast_ctx::<C>(ctx)?;
    Ok(TableRules {
        read: rule(T::read(ctx))?,
        insert: rule(T::insert(ctx))?,
        update: rule(T::update(ctx))?,
        delete: rule(T::delete(ctx))?,
        frozen: T::FROZEN.names(),
    })
}

/// A rule holds or not, whenever it is asked: rows do not come and go with the time.
fn rule<T: Table>(filter: Filter<T>) -> Result<Expr> {
    let rule = filter.into_ir()?;
    if rule.mentions_now() {
        return Err(Error::new(
            ErrorKind::Config,
            format!("a policy of `{}` mentions `now()`: a rule depends on the context and the row alone", T::NAME),
        ));
    }
    Ok(rule)
}
