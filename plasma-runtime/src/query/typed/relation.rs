//! Related rows: the foreign key is the relation. Each relation is one query more, run once for all rows.

use std::fmt;
use std::marker::PhantomData;

use super::column::Col;
use super::raw::{Fault, Raw};
use super::row::{Cells, Decoder, Push};
use super::scope::{Inner, Left, Projected, Related, Root};
use super::select::Select;
use super::within::{MaybeNull, NotNull, Nullability, Path, Within};
use crate::error::Result;
use crate::query::ir::{self, ColumnRef};
use crate::schema::{Id, Table};

/// A scope whose rows can have related rows, and can be related rows.
#[diagnostic::on_unimplemented(
    message = "a grouped, distinct or correlated query has no related rows, and cannot be related rows",
    label = "`with_one`, `with_many` and the like are about single rows of tables"
)]
pub trait Relatable {
    /// The scope with related rows.
    type Scope;
}
impl<T> Relatable for Root<T> {
    type Scope = Related<Self>;
}
impl<S: Relatable, T> Relatable for Inner<S, T> {
    type Scope = Related<Self>;
}
impl<S: Relatable, T> Relatable for Left<S, T> {
    type Scope = Related<Self>;
}
impl<S: Relatable> Relatable for Projected<S> {
    type Scope = Related<Self>;
}
impl<S> Relatable for Related<S> {
    type Scope = Self;
}

/// A relation, untyped but for its rows.
#[doc(hidden)]
pub struct Link<R> {
    /// The column of the row that has relations.
    parent: ColumnRef,
    /// The column of the related rows that equals it.
    column: &'static str,
    query: ir::Query,
    fault: Option<Fault>,
    decoder: Decoder<R>,
}

impl<R> Clone for Link<R> {
    fn clone(&self) -> Self {
        Link {
            parent: self.parent,
            column: self.column,
            query: self.query.clone(),
            fault: self.fault.clone(),
            decoder: self.decoder.clone(),
        }
    }
}
impl<R> fmt::Debug for Link<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("parent", &self.parent).field("query", &self.query).finish_non_exhaustive()
    }
}

impl<R> Link<R> {
    fn new<Sc>(from: &'static str, parent: ColumnRef, column: &'static str, query: Select<R, Sc>) -> Self {
        let fault = query.fault.or_else(|| {
            let other = query.ir.from.name != from;
            other.then(|| Fault::new(&format!("the related rows must be those of the given query over `{from}`")))
        });
        Link { parent, column, query: query.ir, fault, decoder: query.decoder }
    }

    /// The related rows as a sub-query of the row that has them, for a condition or a count.
    fn correlated(&self) -> ir::Query {
        let link = ir::Expr::eq(
            ir::Expr::column(self.query.from.name, self.column),
            ir::Expr::Column(ColumnRef { level: 1, ..self.parent }),
        );
        let mut query = self.query.clone();
        query.filter = Some(query.filter.take().into_iter().fold(link, ir::Expr::and));
        query.select = ir::Select::Row;
        query.order.clear();
        query.nested.clear();
        query
    }

    fn row(&self) -> impl Fn(crate::value::Row) -> Result<R> + Send + Sync + 'static
    where
        R: 'static,
    {
        let (decoder, related) = (self.decoder.clone(), self.query.nested.len());
        move |row| decoder.decode(&mut Cells::new(row, related)?)
    }

    fn nested(self) -> ir::Nested {
        ir::Nested { parent: self.parent, column: self.column, query: self.query }
    }
}

/// What `.with_one(..)` and `.with_opt(..)` take: a foreign-key column, or `column.parent(|parent| ..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not refer to a row",
    label = "expected a foreign-key column, or `.parent(..)` of one"
)]
pub trait One {
    /// The table or alias that has the foreign key.
    type Table;
    /// The Rust type of the row referred to.
    type Row: 'static;
    /// Whether the foreign key may be NULL.
    type Null: Nullability;
    #[doc(hidden)]
    fn link(self) -> Link<Self::Row>;
}

/// What `.with_many(..)` and `.with_count(..)` take: a foreign-key column of the related rows, or `column.rel(|rows| ..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` refers to no row of the query",
    label = "expected a foreign-key column of another table, or `.rel(..)` of one"
)]
pub trait Many {
    /// The table referred to.
    type Parent;
    /// The Rust type of a related row.
    type Row: 'static;
    #[doc(hidden)]
    fn link(self) -> Link<Self::Row>;
}

/// The row a foreign key of `T` refers to, made by [`Col::parent`].
pub struct Parent<T, N, R> {
    link: Link<R>,
    types: PhantomData<fn() -> (T, N)>,
}

/// The rows that refer to a row of `P`, made by [`Col::rel`].
pub struct Rel<P, R> {
    link: Link<R>,
    types: PhantomData<fn() -> P>,
}

impl<T, N, R> fmt::Debug for Parent<T, N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}
impl<P, R> fmt::Debug for Rel<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.fmt(f)
    }
}
impl<T, N, R> Clone for Parent<T, N, R> {
    fn clone(&self) -> Self {
        Parent { link: self.link.clone(), types: PhantomData }
    }
}
impl<P, R> Clone for Rel<P, R> {
    fn clone(&self) -> Self {
        Rel { link: self.link.clone(), types: PhantomData }
    }
}

impl<T, N: Nullability, R: 'static> One for Parent<T, N, R> {
    type Table = T;
    type Row = R;
    type Null = N;
    fn link(self) -> Link<R> {
        self.link
    }
}
impl<P, R: 'static> Many for Rel<P, R> {
    type Parent = P;
    type Row = R;
    fn link(self) -> Link<R> {
        self.link
    }
}

/// Reads a column that may be one of any level as one of the query it stands in.
fn column_of(raw: Raw) -> ColumnRef {
    match raw.ir {
        ir::Expr::Column(column) => column,
        other => unreachable!("a typed column is a column, not {other:?}"),
    }
}

fn id_of<P: Table>() -> ColumnRef {
    ColumnRef { level: 0, table: P::NAME, column: P::DEF.columns[P::DEF.id].name }
}

macro_rules! foreign_key {
    ($v:ty, $null:ty) => {
        impl<T, P: Table> One for Col<T, $v> {
            type Table = T;
            type Row = P;
            type Null = $null;
            fn link(self) -> Link<P> {
                self.parent(|parent| parent).link
            }
        }
        impl<C: Table, P: Table> Many for Col<C, $v> {
            type Parent = P;
            type Row = C;
            fn link(self) -> Link<C> {
                self.rel(|rows| rows).link
            }
        }
        impl<T, P: Table> Col<T, $v> {
            /// The row this column refers to, for `.with_one(..)` and `.with_opt(..)`, with more said of it: conditions,
            /// a projection, its own related rows.
            pub fn parent<R, Sc: Relatable>(
                self,
                query: impl FnOnce(Select<P>) -> Select<R, Sc>,
            ) -> Parent<T, $null, R> {
                let link = Link::new(P::NAME, column_of(self.raw()), id_of::<P>().column, query(P::select()));
                Parent { link, types: PhantomData }
            }

            /// The rows that refer by this column, for `.with_many(..)` and `.with_count(..)`, with more said of them:
            /// conditions, order, a limit for each row referred to, joins, their own related rows.
            pub fn rel<R, Sc: Relatable>(self, query: impl FnOnce(Select<T>) -> Select<R, Sc>) -> Rel<P, R>
            where
                T: Table,
            {
                let link = Link::new(T::NAME, id_of::<P>(), self.name(), query(T::select()));
                Rel { link, types: PhantomData }
            }
        }
    };
}
foreign_key!(Id<P>, NotNull);
foreign_key!(Option<Id<P>>, MaybeNull);

/// Whether the row of relation `W` may be missing in a query where its table is at `I`.
type NullOf<W, I> = <<I as Path>::Null as Nullability>::Or<<W as One>::Null>;
/// The Rust type of that row.
type OneRow<W, I> = <NullOf<W, I> as Nullability>::Wrap<<W as One>::Row>;

impl<Out: 'static, Sc> Select<Out, Sc> {
    /// Appends the row a foreign key refers to.
    ///
    /// Of a key that is not null a row comes only when the row referred to is there: it may be hidden by a policy, or
    /// not be on this client ([`with_opt`](Select::with_opt) keeps such rows). Of an `Option` key, and of a key of a
    /// left-joined table, it is an `Option`.
    pub fn with_one<W: One, I: Path, Row, To>(mut self, with: W) -> Select<Row, To>
    where
        Sc: Relatable<Scope = To>,
        W::Table: Within<To, I>,
        Out: Push<OneRow<W, I>, Out = Row>,
    {
        let link = with.link();
        if !<NullOf<W, I> as Nullability>::MAYBE {
            self.add_condition(Raw::of_query(link.correlated(), link.fault.clone(), ir::Expr::Exists));
        }
        let row = link.row();
        self.relate(link, move |rows| NullOf::<W, I>::wrap(rows.into_iter().next().map(&row).transpose()?))
    }

    /// Appends the row a foreign key refers to as an `Option`: none when the key is NULL, and when the row referred to
    /// is not there.
    pub fn with_opt<W: One, I, Row, To>(self, with: W) -> Select<Row, To>
    where
        Sc: Relatable<Scope = To>,
        W::Table: Within<To, I>,
        Out: Push<Option<W::Row>, Out = Row>,
    {
        let link = with.link();
        let row = link.row();
        self.relate(link, move |rows| rows.into_iter().next().map(&row).transpose())
    }

    /// Appends the rows that refer to a row of the query by a foreign key, as a `Vec`:
    /// `List::select().with_many(Todo::list_id.rel(|todo| todo.order_by(Todo::rank.asc()).limit(3)))`.
    pub fn with_many<M: Many, I, Row, To>(self, with: M) -> Select<Row, To>
    where
        Sc: Relatable<Scope = To>,
        M::Parent: Within<To, I>,
        Out: Push<Vec<M::Row>, Out = Row>,
    {
        let link = with.link();
        let row = link.row();
        self.relate(link, move |rows| rows.into_iter().map(&row).collect())
    }

    /// Appends how many rows refer to a row of the query by a foreign key.
    pub fn with_count<M: Many, I, Row, To>(self, with: M) -> Select<Row, To>
    where
        Sc: Relatable<Scope = To>,
        M::Parent: Within<To, I>,
        Out: Push<i64, Out = Row>,
    {
        let link = with.link();
        let mut count = link.correlated();
        let cut = (count.limit.is_some() || count.offset.is_some())
            .then(|| Fault::new("`with_count` counts all related rows: it takes no `limit` and no `offset`"));
        let all = ir::Expr::Aggregate { function: ir::Aggregate::Count, expr: None };
        count.group = Some(ir::Group { keys: Vec::new(), having: None });
        count.select = ir::Select::Exprs(vec![all]);
        let mut ir = self.ir;
        let mut exprs = match std::mem::replace(&mut ir.select, ir::Select::Row) {
            ir::Select::Exprs(exprs) => exprs,
            ir::Select::Row | ir::Select::Count => ir.columns(),
        };
        exprs.push(ir::Expr::Scalar(Box::new(count)));
        ir.select = ir::Select::Exprs(exprs);
        let (head, fault) = (self.decoder, self.fault.or(link.fault).or(cut));
        let decoder = Decoder::mapped(move |cells| {
            let row = head.decode(cells)?;
            Ok(row.push(cells.values.read::<i64>()?))
        });
        Select::new(ir, fault, decoder)
    }

    fn relate<R, B: 'static>(
        self,
        link: Link<R>,
        read: impl Fn(Vec<crate::value::Row>) -> Result<B> + Send + Sync + 'static,
    ) -> Select<Out::Out, Sc::Scope>
    where
        Sc: Relatable,
        Out: Push<B>,
    {
        let (head, fault) = (self.decoder, self.fault.or_else(|| link.fault.clone()));
        let mut ir = self.ir;
        ir.nested.push(link.nested());
        let decoder = Decoder::mapped(move |cells| {
            let row = head.decode(cells)?;
            let related = cells.related()?;
            Ok(row.push(read(related)?))
        });
        Select::new(ir, fault, decoder)
    }
}
