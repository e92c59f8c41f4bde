//! Derived tables: a query in the place of a table.

use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use super::column::Col;
use super::raw::Fault;
use super::row::Decoder;
use super::scope::{Alone, Root};
use super::select::Select;
use super::source::Source;
use super::within::{Further, Nowhere, There, Within};
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, RowReader};

/// The name of a derived table that was given none.
const UNNAMED: &str = "derived";

/// A query with rows of type `Out` and scope `Sc` in the place of a table.
pub struct Derived<Out, Sc>(PhantomData<fn() -> (Out, Sc)>);

impl<Out, Sc> fmt::Debug for Derived<Out, Sc> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived")
    }
}

impl<Out: Handles<Sc>, Sc: 'static> Source for Derived<Out, Sc> {
    type Row = Out;
    type Tables = Sc;
    const NAME: &'static str = UNNAMED;
    fn read(reader: &mut RowReader) -> Result<Out> {
        Out::read(reader)
    }
}

#[diagnostic::do_not_recommend]
impl<Out, Sc, S: Further<Self, I>, I> Within<S, There<I>> for Derived<Out, Sc> {}

/// Rows that can be a derived table: of one column, or of a tuple of columns (to 12).
#[diagnostic::on_unimplemented(
    message = "rows of type `{Self}` cannot be a derived table",
    label = "expected rows of single columns",
    note = "project columns and expressions (to 12); a whole row is not a column"
)]
pub trait Handles<Sc>: Sized + 'static {
    /// Columns of the derived table.
    type Cols;
    /// How many there are.
    const WIDTH: usize;
    /// The columns, by these names of the table and of themselves.
    #[doc(hidden)]
    fn columns(table: &'static str, names: &[&'static str]) -> Self::Cols;
    /// Reads a row.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the values are something else.
    #[doc(hidden)]
    fn read(reader: &mut RowReader) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<V: ColumnType, Sc: 'static> Handles<Sc> for V {
    type Cols = Col<Derived<V, Sc>, V>;
    const WIDTH: usize = 1;
    fn columns(table: &'static str, names: &[&'static str]) -> Self::Cols {
        Col::new_unchecked(table, names.first().copied().unwrap_or_default())
    }
    fn read(reader: &mut RowReader) -> Result<V> {
        reader.read()
    }
}

macro_rules! handles {
    ($($a:ident)+) => {
        handles!(@ ($($a,)+), $($a)+);
    };
    (@ $row:ty, $($a:ident)+) => {
        #[diagnostic::do_not_recommend]
        impl<Sc: 'static, $($a: ColumnType),+> Handles<Sc> for $row {
            type Cols = ($(Col<Derived<$row, Sc>, $a>,)+);
            const WIDTH: usize = [$(stringify!($a)),+].len();
            fn columns(table: &'static str, names: &[&'static str]) -> Self::Cols {
                let mut names = names.iter().copied();
                ($(Col::<Derived<$row, Sc>, $a>::new_unchecked(table, names.next().unwrap_or_default()),)+)
            }
            fn read(reader: &mut RowReader) -> Result<Self> {
                Ok(($(reader.read::<$a>()?,)+))
            }
        }
    };
}
super::for_tuples!(handles);

/// The name of a column of a derived table that was given none.
pub(super) fn column_name(index: usize) -> &'static str {
    // SQLite has at most 2000 columns in a result.
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..2000).map(|index| format!("c{index}")).collect());
    NAMES.get(index).map_or("more", String::as_str)
}

/// A query over the rows of another query. The closure receives it, and the columns of the rows, typed:
///
/// ```text
/// let per_owner = Todo::select().group_by(Todo::owner_id).project(|owner| (owner, count()));
/// let busy = from_subquery(per_owner, |q, (owner, n)| q.filter(n.gt(10)).project((owner, n)));
/// ```
///
/// A `limit` in `inner` cuts before anything of the outer query happens. Other tables can be joined to it:
/// `q.inner_join(User::on(User::id.eq(owner)))`.
pub fn from_subquery<Out: Handles<Sc>, Sc: Alone + 'static, R>(
    inner: Select<Out, Sc>,
    query: impl FnOnce(Select<Out, Root<Derived<Out, Sc>>>, Out::Cols) -> R,
) -> R {
    let names: Vec<&'static str> = (0..Out::WIDTH).map(column_name).collect();
    let columns = Out::columns(UNNAMED, &names);
    query(derived(UNNAMED, names, inner), columns)
}

/// A query over the rows of another query, with names: of the derived table and of its columns. [`col_ref`] speaks of
/// them, in code that does not have the typed columns of [`from_subquery`].
pub fn from_subquery_as<Out: Handles<Sc>, Sc: Alone + 'static, const N: usize>(
    name: &'static str,
    columns: [&'static str; N],
    inner: Select<Out, Sc>,
) -> Select<Out, Root<Derived<Out, Sc>>> {
    const { assert!(N == Out::WIDTH, "a derived table needs one name for each column of its rows") };
    derived(name, columns.to_vec(), inner)
}

fn derived<Out: Handles<Sc>, Sc: 'static>(
    name: &'static str,
    columns: Vec<&'static str>,
    inner: Select<Out, Sc>,
) -> Select<Out, Root<Derived<Out, Sc>>> {
    let (ir, mut fault) = inner.into_parts();
    if let Some(twice) = columns.iter().enumerate().find(|(at, column)| columns[..*at].contains(column)) {
        fault = fault.or_else(|| Some(Fault::new(&format!("two columns of `{name}` are named `{}`", twice.1))));
    }
    let source = ir::Source { name, rows: ir::Rows::Query(Box::new(ir), columns) };
    Select::new(ir::Query::of(source), fault, Decoder::Plain(|cells| Out::read(&mut cells.values)))
}

/// The table of a [`col_ref`]: part of every query as far as the types know.
#[derive(Debug)]
pub struct Anywhere;

#[diagnostic::do_not_recommend]
impl<Sc> Within<Sc, Nowhere> for Anywhere {}

/// A column by its names: of a source of the query (a table, an alias, or a derived table named by
/// [`from_subquery_as`]) and of itself. Its type is yours to say. A query that has no such column fails when it is run,
/// and says what there is.
pub const fn col_ref<V: ColumnType>(source: &'static str, column: &'static str) -> Col<Anywhere, V> {
    Col::new_unchecked(source, column)
}
