//! Groups: `.group_by(keys)` and what may be said of a group.

use std::fmt;
use std::marker::PhantomData;

use super::aggregate::{Agg, GroupOrder};
use super::column::{Col, IdCol, Ordered};
use super::expr::Expr;
use super::project::Computed;
use super::raw::{Fault, Raw};
use super::row::{Cells, Decoder};
use super::scope::{Folded, RowScope};
use super::select::{Select, take_faults};
use super::within::{Nullability, Path, Within};
use crate::crdt::CrdtKind;
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, Id, RowReader, Table};
use crate::value::Kind;

/// A key of a group with values of type `V`, handed to the closures of a [`Grouped`] query with scope `Sc`.
pub struct Key<V, Sc> {
    raw: Raw,
    types: PhantomData<fn() -> (V, Sc)>,
}

impl<V, Sc> Key<V, Sc> {
    fn new(raw: Raw) -> Self {
        Key { raw, types: PhantomData }
    }
}
impl<V: Ordered, Sc> Key<V, Sc> {
    /// Groups by this key, smallest first; NULL before everything.
    pub fn asc(self) -> GroupOrder<()> {
        GroupOrder::new(self.raw, false)
    }

    /// Groups by this key, greatest first; NULL after everything.
    pub fn desc(self) -> GroupOrder<()> {
        GroupOrder::new(self.raw, true)
    }
}
impl<V, Sc> Clone for Key<V, Sc> {
    fn clone(&self) -> Self {
        Key::new(self.raw.clone())
    }
}
impl<V, Sc> fmt::Debug for Key<V, Sc> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.raw.ir).finish()
    }
}

/// The handles of group keys, whatever query they stand in. Apart from [`Keys`], so that one mistake is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a group key",
    label = "expected a column, an expression, or a tuple of them (to 12)"
)]
pub trait KeyHandles<Sc, I> {
    /// A [`Key`], or a tuple of them.
    type Handles;
    /// The handles.
    #[doc(hidden)]
    fn handles(&self) -> Self::Handles;
}

/// What `.group_by(..)` takes in a query with scope `Sc`: a column, an expression, or a tuple of them (to 12).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a group key",
    label = "expected a column, an expression, or a tuple of them (to 12)"
)]
pub trait Keys<Sc, I>: KeyHandles<Sc, I> {
    /// Adds the expressions, in order.
    #[doc(hidden)]
    fn push(self, into: &mut Vec<Raw>);
}

/// Ends the build for columns whose equal values are not stored as equal.
const fn groups(kind: Kind) {
    assert!(
        !matches!(kind, Kind::Sealed | Kind::Crdt(CrdtKind::Lww(Kind::Sealed))),
        "a sealed column cannot be a group key: equal values have different envelopes; keep a `BlindIndex` column beside \
         it and group by that one",
    );
}

/// Ends the build for columns that the client keeps encrypted.
const fn groups_on_clients(at_rest: bool) {
    assert!(
        !at_rest,
        "a column that is encrypted in the client's file cannot be a group key: the client would decrypt every row of the table",
    );
}

macro_rules! key {
    ([$($g:tt)*] $key:ty, $tables:ty, [$($path:tt)*], $v:ty, $groups:expr, $self:ident => $raw:expr) => {
        impl<Sc, I $($path)*, $($g)*> KeyHandles<Sc, I> for $key {
            type Handles = Key<$v, Sc>;
            fn handles(&self) -> Self::Handles {
                const { $groups }
                let $self = self.clone();
                Key::new($raw)
            }
        }
        impl<Sc, I $($path)*, $($g)*> Keys<Sc, I> for $key
        where
            $tables: Within<Sc, I>,
        {
            fn push(self, into: &mut Vec<Raw>) {
                let $self = self;
                into.push($raw);
            }
        }
    };
}
key! { [T, V: ColumnType] Col<T, V>, T, [: Path], <I::Null as Nullability>::Apply<V>, { groups(V::KIND); groups_on_clients(V::AT_REST) }, column => column.raw() }
key! { [T: Table] IdCol<T>, T, [: Path], <I::Null as Nullability>::Apply<Id<T>>, (), column => column.raw() }
key! { [S] Expr<bool, S>, S, [], bool, (), condition => condition.into_raw().or_false() }
key! { [V: Computed, S] Expr<V, S>, S, [: Path], <I::Null as Nullability>::Apply<V>, groups(V::KIND), expr => expr.into_raw() }

/// The Rust type of a value of a group, whatever query it stands in. Columns have one too, so that a column that is no
/// key is one error and not two.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a group key nor an aggregate",
    label = "not allowed in a grouped query",
    note = "project keys and aggregates, or a tuple of them (to 12)"
)]
pub trait GroupedOut {
    /// The Rust type of the values.
    type Out: 'static;
}

/// What `.project(..)` of a grouped query with scope `Sc` takes: a key, an aggregate, or a tuple of them (to 12).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a group key nor an aggregate",
    label = "not allowed in a grouped query",
    note = "add the column to `.group_by(..)` and use the key handed to the closure, or aggregate it: `.sum()`, `.max()`, `count()`"
)]
pub trait GroupedProjection<Sc, I>: GroupedOut {
    /// Adds the expressions, in order.
    #[doc(hidden)]
    fn push(self, into: &mut Vec<Raw>);
    /// Reads the values of the expressions, in order.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the row holds something else.
    #[doc(hidden)]
    fn read(reader: &mut RowReader) -> Result<Self::Out>;
}

impl<T, V: 'static> GroupedOut for Col<T, V> {
    type Out = V;
}
impl<T: 'static> GroupedOut for IdCol<T> {
    type Out = Id<T>;
}
impl<V: 'static, S> GroupedOut for Expr<V, S> {
    type Out = V;
}
impl<V: 'static, S> GroupedOut for Agg<V, S> {
    type Out = V;
}
impl<V: 'static, Sc> GroupedOut for Key<V, Sc> {
    type Out = V;
}

impl<Sc, V: ColumnType> GroupedProjection<Sc, ()> for Key<V, Sc> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(self.raw);
    }
    fn read(reader: &mut RowReader) -> Result<V> {
        reader.read()
    }
}
impl<Sc, I, V: AggValue, S: Within<Sc, I>> GroupedProjection<Sc, I> for Agg<V, S> {
    fn push(self, into: &mut Vec<Raw>) {
        into.push(V::selected(self.into_raw()));
    }
    fn read(reader: &mut RowReader) -> Result<V> {
        reader.read()
    }
}

/// Types of projected aggregates. A condition is never NULL: unknown is `false`.
#[doc(hidden)]
pub trait AggValue: ColumnType {
    fn selected(raw: Raw) -> Raw {
        raw
    }
}
impl<V: Computed> AggValue for V {}
impl AggValue for bool {
    fn selected(raw: Raw) -> Raw {
        raw.or_false()
    }
}

/// What a grouped query is ordered by: an aggregate, or a key handed to the closure of `order_by_key`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an order of groups",
    label = "expected an order by an aggregate, such as `count().desc()`",
    note = "by a group key: `.order_by_key(|(owner, ..)| owner.asc())`"
)]
pub trait OrdersGroups<Sc, I> {
    /// The order, its tables forgotten.
    #[doc(hidden)]
    fn order(self) -> GroupOrder<()>;
}
impl<Sc, I, S: Within<Sc, I>> OrdersGroups<Sc, I> for GroupOrder<S> {
    fn order(self) -> GroupOrder<()> {
        self.forget()
    }
}

/// A grouped query, made by `.group_by(keys)`. `project` says what of a group comes back and makes it a query.
#[must_use = "a grouped query does nothing until it is projected and run"]
pub struct Grouped<Handles, Sc> {
    ir: ir::Query,
    having: Option<Raw>,
    fault: Option<Fault>,
    handles: Handles,
    scope: PhantomData<fn() -> Sc>,
}

impl<Handles: Clone, Sc> Clone for Grouped<Handles, Sc> {
    fn clone(&self) -> Self {
        Grouped {
            ir: self.ir.clone(),
            having: self.having.clone(),
            fault: self.fault.clone(),
            handles: self.handles.clone(),
            scope: PhantomData,
        }
    }
}
impl<Handles, Sc> fmt::Debug for Grouped<Handles, Sc> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grouped").field(&self.ir).finish()
    }
}

impl<Handles, Sc> Grouped<Handles, Sc> {
    /// Keeps the groups that satisfy the condition. Several must all hold.
    pub fn having<S: Within<Sc, I>, I>(mut self, condition: Agg<bool, S>) -> Self {
        let condition = condition.into_raw();
        self.having = Some(match self.having.take() {
            None => condition,
            Some(first) => first.and(condition),
        });
        self
    }

    /// Orders the groups by an aggregate. A second call, or `order_by_key`, orders the groups that are equal by the
    /// first; groups that are equal by all of them come by their keys.
    pub fn order_by<O: OrdersGroups<Sc, I>, I>(mut self, order: O) -> Self {
        let (keys, fault) = order.order().into_keys();
        self.fault = self.fault.or(fault);
        self.ir.order.extend(keys);
        self
    }

    /// Orders the groups by a key: `.order_by_key(|(owner, done)| done.desc())`.
    pub fn order_by_key(self, key: impl FnOnce(Handles) -> GroupOrder<()>) -> Self
    where
        Handles: Clone,
    {
        let order = key(self.handles.clone());
        self.order_by(order)
    }

    /// At most this many groups.
    pub fn limit(mut self, groups: u64) -> Self {
        self.ir.limit = Some(groups);
        self
    }

    /// Without the first so many groups.
    pub fn offset(mut self, groups: u64) -> Self {
        self.ir.offset = Some(groups);
        self
    }

    /// What comes back of each group: keys, which the closure receives, and aggregates.
    pub fn project<P: GroupedProjection<Sc, I>, I>(
        self,
        projection: impl FnOnce(Handles) -> P,
    ) -> Select<P::Out, Folded<Sc>> {
        let mut raws = Vec::new();
        projection(self.handles).push(&mut raws);
        let (mut ir, mut fault) = (self.ir, self.fault);
        if let (Some(having), Some(group)) = (self.having, &mut ir.group) {
            fault = fault.or(having.fault);
            group.having = Some(having.ir);
        }
        let (exprs, fault) = take_faults(raws, fault);
        ir.select = ir::Select::Exprs(exprs);
        Select::new(ir, fault, Decoder::Plain(decode_group::<P, Sc, I>))
    }
}

fn decode_group<P: GroupedProjection<Sc, I>, Sc, I>(cells: &mut Cells) -> Result<P::Out> {
    P::read(&mut cells.values)
}

impl<Out, Sc> Select<Out, Sc> {
    /// Folds the rows that agree in the keys (NULL with NULL) into groups.
    pub fn group_by<K: Keys<Sc, I>, I>(self, keys: K) -> Grouped<K::Handles, Sc>
    where
        Sc: RowScope,
    {
        let handles = keys.handles();
        let mut raws = Vec::new();
        keys.push(&mut raws);
        let (ir, keys, fault) = self.folding(raws, "group_by");
        let ir = ir::Query { group: Some(ir::Group { keys, having: None }), ..ir };
        Grouped { ir, having: None, fault, handles, scope: PhantomData }
    }

    /// Folds all rows into one: an aggregate, or a tuple of them (to 12). One row comes back, also of no rows.
    pub fn aggregate<P: GroupedProjection<Sc, I>, I>(self, aggregates: P) -> Select<P::Out, Folded<Sc>>
    where
        Sc: RowScope,
    {
        let (ir, keys, fault) = self.folding(Vec::new(), "aggregate");
        let ir = ir::Query { group: Some(ir::Group { keys, having: None }), ..ir };
        Grouped { ir, having: None, fault, handles: (), scope: PhantomData }.project(|()| aggregates)
    }

    fn folding(self, keys: Vec<Raw>, method: &str) -> (ir::Query, Vec<ir::Expr>, Option<Fault>) {
        let (keys, mut fault) = take_faults(keys, self.fault);
        if !self.ir.order.is_empty() || self.ir.limit.is_some() || self.ir.offset.is_some() {
            fault = fault.or_else(|| {
                Some(Fault::new(&format!(
                    "`order_by`, `limit` and `offset` before `{method}` would be about single rows: order and cut the \
                     groups, or fold the cut rows with `from_subquery(..)`"
                )))
            });
        }
        (self.ir, keys, fault)
    }
}

macro_rules! tuples {
    ($($a:ident $i:ident),+) => {
        impl<Sc, $($a: KeyHandles<Sc, $i>, $i),+> KeyHandles<Sc, ($($i,)+)> for ($($a,)+) {
            type Handles = ($($a::Handles,)+);
            #[allow(non_snake_case)]
            fn handles(&self) -> Self::Handles {
                let ($($a,)+) = self;
                ($($a.handles(),)+)
            }
        }
        impl<Sc, $($a: Keys<Sc, $i>, $i),+> Keys<Sc, ($($i,)+)> for ($($a,)+) {
            #[allow(non_snake_case)]
            fn push(self, into: &mut Vec<Raw>) {
                let ($($a,)+) = self;
                $($a.push(into);)+
            }
        }
        impl<$($a: GroupedOut),+> GroupedOut for ($($a,)+) {
            type Out = ($($a::Out,)+);
        }
        impl<Sc, $($a: GroupedProjection<Sc, $i>, $i),+> GroupedProjection<Sc, ($($i,)+)> for ($($a,)+) {
            #[allow(non_snake_case)]
            fn push(self, into: &mut Vec<Raw>) {
                let ($($a,)+) = self;
                $($a.push(into);)+
            }
            fn read(reader: &mut RowReader) -> Result<Self::Out> {
                Ok(($($a::read(reader)?,)+))
            }
        }
    };
}
super::for_tuples_with_paths!(tuples);
