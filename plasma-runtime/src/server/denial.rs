//! Why a caller may not do something with a row: the parts of the rule that do not hold, in words.

use std::fmt;

use crate::query::ir::Expr;
use crate::query::lower::{self, Dialect};
use crate::schema::TableDef;
use crate::value::Value;

/// What a caller wants to do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Have it on a client.
    Read,
    /// Add it.
    Insert,
    /// Change it.
    Update,
    /// Delete it.
    Delete,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "read",
            Access::Insert => "insert",
            Access::Update => "update",
            Access::Delete => "delete",
        })
    }
}

/// A rule that does not hold for a row, and which of its parts do not. Printed, it is a list of conditions as SQL.
///
/// It holds values of the row and of the context: it is for developers and operators, not for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// SQL name of the table.
    pub table: &'static str,
    /// The row's id.
    pub row: String,
    /// What was asked for.
    pub access: Access,
    /// What does not hold, and would have to.
    pub reasons: Vec<Reason>,
}

/// A part of a rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A condition, as SQL.
    Condition(String),
    /// One of these alternatives would have to hold; each is what does not hold of it.
    NoneOf(Vec<Vec<Reason>>),
    /// The policy allows it to nobody: it has no rule for this access, or one that is never true.
    Nobody,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy of `{}` does not let the caller {} {}:", self.table, self.access, self.row)?;
        show(f, &self.reasons, 1)
    }
}

fn show(f: &mut fmt::Formatter<'_>, reasons: &[Reason], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for reason in reasons {
        match reason {
            Reason::Condition(sql) => write!(f, "\n{indent}does not hold: {sql}")?,
            Reason::Nobody => write!(f, "\n{indent}no rule allows it to anybody")?,
            Reason::NoneOf(alternatives) => {
                write!(f, "\n{indent}none of these {} alternatives holds:", alternatives.len())?;
                for (number, alternative) in (1..).zip(alternatives) {
                    write!(f, "\n{indent}{number}.")?;
                    show(f, alternative, depth + 1)?;
                }
            }
        }
    }
    Ok(())
}

/// A condition as SQL for people, its parameters in their places.
pub(super) fn text(table: &'static TableDef, condition: &Expr) -> String {
    let (sql, params) = lower::condition(Dialect::Sqlite, table, table.name, condition, &str::to_owned);
    let mut params = params.iter();
    let mut text = String::with_capacity(sql.len());
    let mut quoted = None;
    for letter in sql.chars() {
        match (quoted, letter) {
            (None, '?') => match params.next() {
                Some(value) => text.push_str(&literal(value)),
                None => text.push('?'),
            },
            (None, '\'' | '"') => {
                quoted = Some(letter);
                text.push(letter);
            }
            (Some(quote), _) if quote == letter => {
                quoted = None;
                text.push(letter);
            }
            _ => text.push(letter),
        }
    }
    text
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(flag) => flag.to_string().to_uppercase(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) | Value::Json(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => format!("<{} bytes>", bytes.len()),
        Value::Rows(rows) => format!("<{} rows>", rows.len()),
    }
}
