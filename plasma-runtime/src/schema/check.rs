//! Rules of a table that every row keeps: `#[plasma::table(check = Stock::qty.gte(0))]`.

use serde_json::json;

use super::{ColumnDefault, SchemaDef, TableDef};
use crate::error::{Error, ErrorKind, Result};
use crate::query::eval;
use crate::query::ir::Expr;
use crate::value::{Kind, Row, Value};

/// A rule over the columns of one row. A row for which it is unknown (a comparison with NULL) keeps it, as in SQL.
#[derive(Clone, Copy)]
pub struct CheckDef {
    /// The rule as it is written.
    pub text: &'static str,
    /// The rule over a row of the table (level 0).
    pub condition: fn() -> Result<Expr>,
}

impl std::fmt::Debug for CheckDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CheckDef").field(&self.text).finish()
    }
}

impl CheckDef {
    /// What a writer of a row that breaks the rule is told.
    pub fn broken(&self, table: &TableDef) -> Error {
        Error::rejected("check", format!("a row of `{}` breaks the rule `{}`", table.name, self.text))
            .with_data(json!({ "constraint": "check", "table": table.name, "check": self.text }))
    }
}

impl TableDef {
    /// Refuses a row that breaks one of the table's rules.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) with the code `check`.
    pub(crate) fn keeps_checks(&'static self, row: &Row) -> Result<()> {
        for check in self.checks {
            if eval::matches(&(check.condition)()?, self, row, &mut eval::NoTables)? == Some(false) {
                return Err(check.broken(self));
            }
        }
        Ok(())
    }
}

/// What only running code can tell of a schema: the engines ask when they are opened.
///
/// # Errors
/// [`Config`](ErrorKind::Config) when a rule looks at other rows, or a rule or default holds a value that cannot be
/// stored.
pub(crate) fn validate(schema: &SchemaDef) -> Result<()> {
    let wrong = |message: String| Err(Error::new(ErrorKind::Config, message));
    for table in schema.tables {
        for check in table.checks {
            let condition = match (check.condition)() {
                Ok(condition) => condition,
                Err(error) => return wrong(format!("the check `{}` of `{}`: {error}", check.text, table.name)),
            };
            if condition.mentions_now() {
                return wrong(format!(
                    "the check `{}` of `{}` mentions `now()`: a row that keeps it would break it later",
                    check.text, table.name
                ));
            }
            let mut alone = true;
            condition.queries(&mut |_| alone = false);
            if !alone {
                return wrong(format!(
                    "the check `{}` of `{}` asks about other rows: a check sees the columns of its own row, use the \
                     policy or the mutator",
                    check.text, table.name
                ));
            }
        }
        for column in table.columns {
            let Some(ColumnDefault::Value(default)) = column.default else { continue };
            let fits = match (column.kind, default()) {
                (Kind::Json, Value::Json(json)) => serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok(),
                (_, Value::Text(text)) => !text.contains('\0'),
                (_, Value::Float(x)) => x.is_finite(),
                // What `#[column(other)]` without a field stands for.
                (_, Value::Null) => column.nullable,
                _ => true,
            };
            if !fits {
                return wrong(format!(
                    "the default of `{}.{}` cannot be stored: JSON must be valid, text without U+0000, a float finite, an \
                     enum one of the variants it has a value for",
                    table.name, column.name
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::ir::CompareOp;
    use crate::query::typed::Filter;
    use crate::schema::samples::{App, Org, Todo, User};
    use crate::schema::{ColumnDef, Id, Schema, Table};

    fn schema(table: TableDef) -> SchemaDef {
        let table: &'static TableDef = Box::leak(Box::new(table));
        SchemaDef { tables: Box::leak(Box::new([table])), ..App::DEF }
    }

    #[test]
    fn a_row_of_unknown_truth_keeps_a_rule() {
        const COLUMNS: &[ColumnDef] = &[ColumnDef::of::<Id<User>>("id"), ColumnDef::of::<Option<i32>>("qty")];
        const AT_LEAST_NONE: CheckDef = CheckDef {
            text: "qty >= 0",
            condition: || Ok(Expr::compare(CompareOp::Gte, Expr::column("t", "qty"), Expr::Literal(Value::Int(0)))),
        };
        static T: TableDef = TableDef::new("t", COLUMNS).checks(&[AT_LEAST_NONE]);
        let row = |qty: Value| vec![Value::from("x"), qty];
        T.keeps_checks(&row(Value::Int(0))).unwrap();
        T.keeps_checks(&row(Value::Null)).unwrap();
        let error = T.keeps_checks(&row(Value::Int(-1))).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, "check"));
        assert_eq!(error.message(), "a row of `t` breaks the rule `qty >= 0`");
    }

    #[test]
    fn what_cannot_work_is_said_when_an_engine_opens() {
        validate(&App::DEF).unwrap();
        const NAMED: CheckDef = CheckDef {
            text: "org has a name",
            condition: || Filter::<Todo>::from(Todo::org_id.has(Org::name.ne(""))).into_ir(),
        };
        let other = TableDef::new("t", Todo::DEF.columns).checks(&[NAMED]);
        let message = validate(&schema(other)).unwrap_err().to_string();
        assert!(message.contains("asks about other rows"), "{message}");
        const BAD: &[ColumnDef] = &[
            ColumnDef::of::<Id<User>>("id"),
            ColumnDef::of::<String>("meta").default_value(|| Value::Text("a\0".to_owned())),
        ];
        let message = validate(&schema(TableDef::new("t", BAD))).unwrap_err().to_string();
        assert!(message.starts_with("the default of `t.meta` cannot be stored"), "{message}");
        const OTHER: &[ColumnDef] =
            &[ColumnDef::of::<Id<User>>("id"), ColumnDef::of::<String>("state").default_value(|| Value::Null)];
        let message = validate(&schema(TableDef::new("t", OTHER))).unwrap_err().to_string();
        assert!(message.starts_with("the default of `t.state` cannot be stored"), "{message}");
    }
}
