//! SQLite's own words.

use sea_query::extension::sqlite::SqliteBinOper;
use sea_query::{Expr as Sql, ExprTrait as _};

use crate::query::like::glob;

/// `LIKE` that knows lower and upper case.
pub(super) fn like(text: Sql, pattern: &str) -> Sql {
    text.binary(SqliteBinOper::Glob, glob(pattern))
}
