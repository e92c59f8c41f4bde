//! What has rows in a query: tables, aliases of tables, derived tables.

use super::column::{Col, IdCol};
use super::expr::Expr;
use super::join::On;
use super::raw::Raw;
use super::scope::{Listed, Root};
use super::select::Select;
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, Id, RowReader, Table};

/// Something that has rows in a query.
pub trait Source: 'static {
    /// The Rust type of a row.
    type Row: 'static;
    /// The scope whose tables are read.
    type Tables;
    /// The name its columns are called by.
    const NAME: &'static str;
    /// Reads a row.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the values are not those of a row.
    #[doc(hidden)]
    fn read(reader: &mut RowReader) -> Result<Self::Row>;
}

/// A table, or an alias of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    label = "expected a `#[plasma::table]` or a `plasma::alias!`"
)]
pub trait TableSource: Source<Row = Self::Of> {
    /// The table.
    type Of: Table;

    /// The source, untyped.
    #[doc(hidden)]
    fn source() -> ir::Source {
        ir::Source { name: Self::NAME, rows: ir::Rows::Table(Self::Of::DEF) }
    }

    /// Its column `id`, untyped.
    #[doc(hidden)]
    fn id_column() -> ir::Expr {
        ir::Expr::column(Self::NAME, Self::Of::DEF.columns[Self::Of::DEF.id].name)
    }

    /// Reads a row joined from the left: none when its id is NULL.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the values are not those of a row.
    #[doc(hidden)]
    fn read_joined(reader: &mut RowReader) -> Result<Option<Self::Row>> {
        let table = Self::Of::DEF;
        if reader.is_null(table.id) {
            reader.skip(table.columns.len())?;
            return Ok(None);
        }
        Self::read(reader).map(Some)
    }
}

impl<T: Table> Source for T {
    type Row = T;
    type Tables = Listed<T>;
    const NAME: &'static str = T::NAME;
    fn read(reader: &mut RowReader) -> Result<T> {
        (T::CODEC.decode)(reader)
    }
}
impl<T: Table> TableSource for T {
    type Of = T;
}

/// Whether a row has no row of `T`, which is joined from the left.
pub fn is_missing<T: TableSource>() -> Expr<bool, T> {
    Expr::new(Raw::new(ir::Expr::IsNull(Box::new(T::id_column()))))
}

/// A column of table [`Table`](ColumnLike::Table), seen as one of an alias by [`alias!`](crate::alias).
pub trait ColumnLike {
    /// The table.
    type Table;
    /// The Rust type of the values.
    type Value;
    /// SQL name of the column.
    #[doc(hidden)]
    fn sql_name(self) -> &'static str;
}
impl<T, V: ColumnType> ColumnLike for Col<T, V> {
    type Table = T;
    type Value = V;
    fn sql_name(self) -> &'static str {
        self.name()
    }
}
impl<T: Table> ColumnLike for IdCol<T> {
    type Table = T;
    type Value = Id<T>;
    fn sql_name(self) -> &'static str {
        self.name()
    }
}

/// An alias of a table, made by [`alias!`](crate::alias).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an alias",
    label = "not an alias",
    note = "declare one: `plasma::alias!(pub Other = Table);`"
)]
pub trait Alias: TableSource {}

/// A column of the table of an alias, as a column of the alias.
#[doc(hidden)]
pub fn alias_column<A: TableSource, C: ColumnLike<Table = A::Of>>(column: C) -> Col<A, C::Value> {
    Col::new_unchecked(A::NAME, column.sql_name())
}

/// `A` joined on a condition.
#[doc(hidden)]
pub fn alias_on<A: TableSource, P>(condition: P) -> On<A, P> {
    On::new(condition)
}

/// All rows of the table of an alias.
#[doc(hidden)]
pub fn alias_select<A: TableSource>() -> Select<A::Row, Root<A>> {
    Select::whole(ir::Query::of(A::source()), None)
}

/// A second name for a table, to join a table with itself or the same table twice.
///
/// `plasma::alias!(pub Parent = Todo);` declares a type `Parent`. `Parent::col(Todo::title)` is its column,
/// `Parent::on(condition)` and `Todo::parent_id.join_as::<Parent>()` join it, and its rows are `Todo`s.
/// `Parent::select()` is a query for them, which may stand in another query over `Todo` and be
/// [correlated](Select::correlate) with it.
///
/// Its name in SQL is its Rust name: it must not be the SQL name of a table in the same query.
#[macro_export]
macro_rules! alias {
    ($(#[$meta:meta])* $vis:vis $alias:ident = $table:ty $(;)?) => {
        $(#[$meta])*
        #[doc = concat!("A second `", stringify!($table), "` in one query.")]
        #[derive(Debug, Clone, Copy)]
        $vis enum $alias {}
        impl $crate::query::typed::Source for $alias {
            type Row = $table;
            type Tables = $crate::query::typed::Listed<$table>;
            const NAME: &'static str = stringify!($alias);
            fn read(reader: &mut $crate::schema::RowReader) -> $crate::Result<$table> {
                <$table as $crate::query::typed::Source>::read(reader)
            }
        }
        impl $crate::query::typed::TableSource for $alias {
            type Of = $table;
        }
        impl $crate::query::typed::Alias for $alias {}
        #[diagnostic::do_not_recommend]
        impl<__S, __I> $crate::query::typed::Within<__S, $crate::query::typed::There<__I>> for $alias where
            __S: $crate::query::typed::Further<$alias, __I>
        {
        }
        #[allow(dead_code)]
        impl $alias {
            /// A column of the table, as a column of the alias.
            $vis fn col<__C: $crate::query::typed::ColumnLike<Table = $table>>(
                column: __C,
            ) -> $crate::query::typed::Col<$alias, __C::Value> {
                $crate::query::typed::alias_column(column)
            }
            /// All rows of the table, under the name of the alias.
            $vis fn select() -> $crate::query::typed::Select<$table, $crate::query::typed::Root<$alias>> {
                $crate::query::typed::alias_select::<$alias>()
            }
            /// The alias, joined on a condition.
            $vis fn on<__P>(condition: __P) -> $crate::query::typed::On<$alias, __P> {
                $crate::query::typed::alias_on(condition)
            }
        }
    };
}
