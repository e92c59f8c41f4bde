//! Rules on the arguments of a mutation.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Rules on a value that its type cannot say. `#[plasma::args(validate)]` runs them before the optimistic run, on the
/// server, and at every replay.
///
/// ```
/// use plasma_runtime::mutate::{Checks, Validate};
/// struct Rename { title: String }
/// impl Validate for Rename {
///     fn validate(&self, checks: &mut Checks) {
///         checks.len("title", &self.title, 1..=200);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no validation",
    label = "`#[plasma::args(validate)]` needs `Validate`",
    note = "write `impl Validate for {Self} {{ fn validate(&self, checks: &mut Checks) {{ .. }} }}`"
)]
pub trait Validate {
    /// Reports what is wrong to `checks`; nothing reported is valid.
    fn validate(&self, checks: &mut Checks);
}

/// Collects what is wrong with the arguments of a mutation.
#[derive(Debug, Default)]
pub struct Checks {
    errors: Vec<FieldError>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The member of the arguments, such as `title`.
    pub field: String,
    /// The rule: `len`, `range`, `email`, or the application's own.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
}

impl Checks {
    /// No rule is broken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text has a number of characters (Unicode scalar values) in `range`. Code `len`.
    pub fn len(&mut self, field: &str, text: &str, range: impl RangeBounds<usize>) -> &mut Self {
        let count = text.chars().count();
        if !range.contains(&count) {
            self.error(field, "len", format!("must be {} characters long, not {count}", describe(&range)));
        }
        self
    }

    /// The value is in `range`. Code `range`.
    pub fn range<N: PartialOrd + Display>(&mut self, field: &str, value: &N, range: impl RangeBounds<N>) -> &mut Self {
        if !range.contains(value) {
            self.error(field, "range", format!("must be {}, not {value}", describe(&range)));
        }
        self
    }

    /// The text is an e-mail address, as the HTML standard defines it for a form ("valid e-mail address"), of at most
    /// 254 bytes. Whether anybody reads the mail only a mail can tell. Code `email`.
    pub fn email(&mut self, field: &str, text: &str) -> &mut Self {
        if !is_email(text) {
            self.error(field, "email", "must be an e-mail address");
        }
        self
    }

    /// The condition holds, otherwise the rule `code` is broken, with `message` for people.
    pub fn check(&mut self, field: &str, holds: bool, code: &str, message: impl Into<String>) -> &mut Self {
        if !holds {
            self.error(field, code, message);
        }
        self
    }

    /// Reports a broken rule.
    pub fn error(&mut self, field: &str, code: &str, message: impl Into<String>) -> &mut Self {
        self.errors.push(FieldError { field: field.to_owned(), code: code.to_owned(), message: message.into() });
        self
    }

    /// What is wrong so far.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Ends the checks.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a rule is broken. The message names every field; `data` is
    /// `{"fields": [{"field", "code", "message"}, ..]}`.
    pub fn finish(self) -> Result<()> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let message = self.errors.iter().map(|e| format!("`{}` {}", e.field, e.message)).collect::<Vec<_>>().join("; ");
        let fields: Vec<Value> =
            self.errors.iter().map(|e| json!({ "field": e.field, "code": e.code, "message": e.message })).collect();
        Err(Error::validation(message).with_data(json!({ "fields": fields })))
    }
}

/// <https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address>
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let in_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254 && !local.is_empty() && local.bytes().all(in_local) && domain.split('.').all(is_label)
}

/// A range in words: `1 to 200`, `at least 1`, `less than 5`.
fn describe<N: Display>(range: &impl RangeBounds<N>) -> String {
    let low = match range.start_bound() {
        Bound::Included(low) => Some(format!("at least {low}")),
        Bound::Excluded(low) => Some(format!("more than {low}")),
        Bound::Unbounded => None,
    };
    match (range.start_bound(), range.end_bound()) {
        (Bound::Included(low), Bound::Included(high)) => format!("{low} to {high}"),
        (_, Bound::Included(high)) => join(low, format!("at most {high}")),
        (_, Bound::Excluded(high)) => join(low, format!("less than {high}")),
        (_, Bound::Unbounded) => low.unwrap_or_else(|| "anything".to_owned()),
    }
}

fn join(low: Option<String>, high: String) -> String {
    low.map_or(high.clone(), |low| format!("{low} and {high}"))
}
