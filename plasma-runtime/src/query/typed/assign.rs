//! Orders, and changes of columns.

use std::fmt;
use std::marker::PhantomData;

use super::raw::{Fault, Raw};
use crate::error::Result;
use crate::query::ir;
use crate::schema::ColumnType;
use crate::value::Timestamp;

/// One key of an order, made by `.asc()` and `.desc()`.
pub struct Order<S> {
    pub(crate) raw: Raw,
    pub(crate) descending: bool,
    /// NULL before everything, or after; as it comes when not said.
    nulls_first: Option<bool>,
    types: PhantomData<fn() -> S>,
}

impl<S> Order<S> {
    pub(crate) fn new(raw: Raw, descending: bool) -> Self {
        Order { raw, descending, nulls_first: None, types: PhantomData }
    }

    /// NULL before everything, also in a descending order.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.nulls_first = Some(true);
        self
    }

    /// NULL after everything, also in an ascending order.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.nulls_first = Some(false);
        self
    }

    /// The same order, its tables forgotten.
    pub(crate) fn forget(self) -> Order<()> {
        let Order { raw, descending, nulls_first, .. } = self;
        Order { raw, descending, nulls_first, types: PhantomData }
    }

    /// The keys: whether there is a value comes before the value, where it is not as it comes.
    pub(crate) fn into_keys(self) -> (Vec<ir::Order>, Option<Fault>) {
        let mut keys = Vec::new();
        // NULL is the smallest value: first ascending, last descending.
        if self.nulls_first.is_some_and(|first| first == self.descending) {
            let is_null = ir::Expr::IsNull(Box::new(self.raw.ir.clone()));
            keys.push(ir::Order { expr: is_null, descending: self.descending });
        }
        keys.push(ir::Order { expr: self.raw.ir, descending: self.descending });
        (keys, self.raw.fault)
    }
}

impl<S> Clone for Order<S> {
    fn clone(&self) -> Self {
        Order { raw: self.raw.clone(), descending: self.descending, nulls_first: self.nulls_first, types: PhantomData }
    }
}
impl<S> fmt::Debug for Order<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("expr", &self.raw.ir).field("descending", &self.descending).finish()
    }
}

/// The change of one column of table `T`, made by `.to(..)`.
#[must_use = "a change does nothing until it is given to `.set(..)` or `.with(..)`"]
pub struct Assign<T> {
    column: &'static str,
    value: Raw,
    types: PhantomData<fn() -> T>,
}

impl<T> Assign<T> {
    pub(crate) fn new(column: &'static str, value: Raw) -> Self {
        Assign { column, value, types: PhantomData }
    }
}

impl<T> Clone for Assign<T> {
    fn clone(&self) -> Self {
        Assign::new(self.column, self.value.clone())
    }
}
impl<T> fmt::Debug for Assign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assign").field("column", &self.column).field("value", &self.value.ir).finish()
    }
}

/// Changes, collected: one for each column, the last one given for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeList(Vec<(&'static str, Raw)>);

impl ChangeList {
    fn push(&mut self, column: &'static str, value: Raw) {
        match self.0.iter_mut().find(|(name, _)| *name == column) {
            Some(entry) => entry.1 = value,
            None => self.0.push((column, value)),
        }
    }

    /// Sets a column to a value, if there is one: for the structs of `#[plasma::table(patch)]`.
    #[doc(hidden)]
    pub fn set_some<V: ColumnType>(&mut self, column: &'static str, value: Option<V>) {
        if let Some(value) = value {
            self.push(column, Raw::value(value.into_value()));
        }
    }

    /// The changes as the executor takes them; `now` is the time of the mutation.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a value cannot be stored; the message names the column.
    pub(crate) fn finish(self, now: Timestamp) -> Result<Vec<ir::Change>> {
        let change = |(column, value): (&'static str, Raw)| match value.finish() {
            Ok(mut value) => {
                value.fill_in_now(now);
                Ok(ir::Change { column, value })
            }
            Err(error) => Err(crate::Error::validation(format!("column `{column}`: {}", error.message()))),
        };
        self.0.into_iter().map(change).collect()
    }
}

/// Changes of a row of table `T`: an [`Assign`], a tuple of changes (to 12), an `Option`, a `Vec`, an array.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not change a `{T}` row",
    label = "not a change to `{T}`",
    note = "a change is a column of the table with its new value: `.set(Todo::done.to(true))`"
)]
pub trait Changes<T> {
    /// Adds them to the list. A later change of a column replaces an earlier one.
    fn add_to(self, list: &mut ChangeList);
}

impl<T> Changes<T> for Assign<T> {
    fn add_to(self, list: &mut ChangeList) {
        list.push(self.column, self.value);
    }
}
#[diagnostic::do_not_recommend]
impl<T, C: Changes<T>> Changes<T> for Option<C> {
    fn add_to(self, list: &mut ChangeList) {
        self.into_iter().for_each(|change| change.add_to(list));
    }
}
#[diagnostic::do_not_recommend]
impl<T, C: Changes<T>> Changes<T> for Vec<C> {
    fn add_to(self, list: &mut ChangeList) {
        self.into_iter().for_each(|change| change.add_to(list));
    }
}
#[diagnostic::do_not_recommend]
impl<T, C: Changes<T>, const N: usize> Changes<T> for [C; N] {
    fn add_to(self, list: &mut ChangeList) {
        self.into_iter().for_each(|change| change.add_to(list));
    }
}
impl<T> Changes<T> for () {
    fn add_to(self, _: &mut ChangeList) {}
}

macro_rules! changes {
    ($($a:ident)+) => {
        impl<T, $($a: Changes<T>),+> Changes<T> for ($($a,)+) {
            #[allow(non_snake_case)]
            fn add_to(self, list: &mut ChangeList) {
                let ($($a,)+) = self;
                $($a.add_to(list);)+
            }
        }
    };
}
super::for_tuples!(changes);
