//! Orders, and changes of columns.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::raw::{Fault, Raw};
use crate::error::{Error, Result};
use crate::mutate::operation::{Operation, Step};
use crate::query::ir;
use crate::schema::{ColumnDef, ColumnType, TableDef};
use crate::value::{Kind, Timestamp};

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

/// The change of one column of table `T`: made by `.to(..)`, or by an operation of a CRDT column such as
/// `.increment(1)`.
#[must_use = "a change does nothing until it is given to `.set(..)` or `.with(..)`"]
pub struct Assign<T> {
    column: &'static str,
    change: Change,
    types: PhantomData<fn() -> T>,
}

/// What becomes of a column.
#[derive(Debug, Clone)]
enum Change {
    Value(Raw),
    Operation(Arc<dyn Operation>),
}

impl<T> Assign<T> {
    pub(crate) fn new(column: &'static str, value: Raw) -> Self {
        Assign { column, change: Change::Value(value), types: PhantomData }
    }

    /// Something done to a CRDT column.
    pub(crate) fn operation(column: &'static str, operation: impl Operation) -> Self {
        Assign { column, change: Change::Operation(Arc::new(operation)), types: PhantomData }
    }
}

impl<T> Clone for Assign<T> {
    fn clone(&self) -> Self {
        Assign { column: self.column, change: self.change.clone(), types: PhantomData }
    }
}
impl<T> fmt::Debug for Assign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Assign");
        f.field("column", &self.column);
        match &self.change {
            Change::Value(value) => f.field("value", &value.ir),
            Change::Operation(operation) => f.field("operation", operation),
        };
        f.finish()
    }
}

/// Changes, collected by column. Of values the last one given for a column counts; what is done to a CRDT column is done
/// in the order in which it was given.
#[derive(Debug, Clone, Default)]
pub struct ChangeList(Vec<(&'static str, Vec<Change>)>);

/// The changes of a statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finished {
    /// New values.
    pub(crate) values: Vec<ir::Change>,
    /// What is done to CRDT columns.
    pub(crate) steps: Vec<(&'static ColumnDef, Vec<Step>)>,
}

impl Finished {
    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.steps.is_empty()
    }
}

impl ChangeList {
    fn push(&mut self, column: &'static str, change: Change) {
        match self.0.iter_mut().find(|(name, _)| *name == column) {
            Some((_, changes)) => changes.push(change),
            None => self.0.push((column, vec![change])),
        }
    }

    /// Sets a column to a value, if there is one: for the structs of `#[plasma::table(patch)]`.
    #[doc(hidden)]
    pub fn set_some<V: ColumnType>(&mut self, column: &'static str, value: Option<V>) {
        if let Some(value) = value {
            self.push(column, Change::Value(Raw::value(value.into_value())));
        }
    }

    /// The changes as a statement on the table takes them; `now` is the time of the mutation.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a value cannot be stored; the message names the column.
    pub(crate) fn finish(self, table: &'static TableDef, now: Timestamp) -> Result<Finished> {
        let mut finished = Finished::default();
        for (name, mut changes) in self.0 {
            match table.column(name) {
                Some(column) if matches!(column.kind, Kind::Crdt(_)) => {
                    let steps = changes.into_iter().map(|change| step(name, change, now));
                    finished.steps.push((column, steps.collect::<Result<_>>()?));
                }
                // That there is no such column is found where it is used.
                _ => match changes.pop() {
                    Some(Change::Value(value)) => {
                        finished.values.push(ir::Change { column: name, value: computed(name, value, now)? });
                    }
                    Some(Change::Operation(_)) => {
                        return Err(Error::internal(format!("`{}.{name}` is no CRDT column", table.name)));
                    }
                    None => {}
                },
            }
        }
        Ok(finished)
    }
}

fn computed(column: &str, value: Raw, now: Timestamp) -> Result<ir::Expr> {
    let mut value =
        value.finish().map_err(|error| Error::validation(format!("column `{column}`: {}", error.message())))?;
    value.fill_in_now(now);
    Ok(value)
}

fn step(column: &str, change: Change, now: Timestamp) -> Result<Step> {
    match change {
        Change::Operation(operation) => Ok(Step::Operation(operation)),
        Change::Value(value) => match computed(column, value, now)? {
            ir::Expr::Literal(state) => Ok(Step::Given(state)),
            _ => Err(Error::validation(format!("column `{column}`: it takes no expression, but operations"))),
        },
    }
}

/// Changes of a row of table `T`: an [`Assign`], a tuple of changes (to 12), an `Option`, a `Vec`, an array.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not change a `{T}` row",
    label = "not a change to `{T}`",
    note = "a change is a column of the table with its new value: `.set(Todo::done.to(true))`"
)]
pub trait Changes<T> {
    /// Adds them to the list. A later value of a column replaces an earlier one; operations of a CRDT column are done one
    /// after the other.
    fn add_to(self, list: &mut ChangeList);
}

impl<T> Changes<T> for Assign<T> {
    fn add_to(self, list: &mut ChangeList) {
        list.push(self.column, self.change);
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
