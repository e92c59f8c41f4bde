//! The rules of `#[arg(..)]`.

use std::fmt::Display;
use std::ops::Bound;

use plasma_runtime::mutate::Checks;
use serde::{Deserialize, Deserializer};

/// What `len` can measure.
#[diagnostic::on_unimplemented(
    message = "`len` needs text or a list, found `{Self}`",
    label = "has no length to check",
    note = "`len` counts the characters of a `String` and the items of a `Vec<_>`; an `Option` of them is checked when it has a value"
)]
pub trait Length {
    /// Checks the length, of trimmed text if asked to.
    fn check(&self, checks: &mut Checks, field: &str, trim: bool, limits: (Bound<usize>, Bound<usize>));
}

impl Length for String {
    fn check(&self, checks: &mut Checks, field: &str, trim: bool, limits: (Bound<usize>, Bound<usize>)) {
        checks.len(field, if trim { str::trim(self) } else { self }, limits);
    }
}

impl<T> Length for Vec<T> {
    fn check(&self, checks: &mut Checks, field: &str, _: bool, limits: (Bound<usize>, Bound<usize>)) {
        let (from, to) = limits;
        let message = match (from, to) {
            (Bound::Included(from), Bound::Included(to)) => {
                format!("must have {from} to {to} items, not {}", self.len())
            }
            (Bound::Included(from), _) => format!("must have at least {from} items, not {}", self.len()),
            (_, Bound::Included(to)) => format!("must have at most {to} items, not {}", self.len()),
            _ => String::new(),
        };
        checks.check(field, std::ops::RangeBounds::contains(&limits, &self.len()), "len", message);
    }
}

#[diagnostic::do_not_recommend]
impl<T: Length> Length for Option<T> {
    fn check(&self, checks: &mut Checks, field: &str, trim: bool, limits: (Bound<usize>, Bound<usize>)) {
        if let Some(value) = self {
            value.check(checks, field, trim, limits);
        }
    }
}

/// `#[arg(len(from..=to))]`: characters of text, items of a list.
pub fn len<T: Length>(checks: &mut Checks, field: &str, value: &T, trim: bool, from: Option<usize>, to: Option<usize>) {
    value.check(checks, field, trim, (bound(from), bound(to)));
}

/// What `range` can compare.
#[diagnostic::on_unimplemented(
    message = "`range` needs a number, found `{Self}`",
    label = "not a number",
    note = "an `Option` of a number is checked when it has a value"
)]
pub trait Ranged<N> {
    /// The number, if there is one.
    fn number(&self) -> Option<&N>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Ranged<$number> for $number {
            fn number(&self) -> Option<&$number> {
                Some(self)
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);

#[diagnostic::do_not_recommend]
impl<N, T: Ranged<N>> Ranged<N> for Option<T> {
    fn number(&self) -> Option<&N> {
        self.as_ref().and_then(T::number)
    }
}

/// `#[arg(range(from..=to))]`.
pub fn range<T: Ranged<N>, N: PartialOrd + Display>(
    checks: &mut Checks,
    field: &str,
    value: &T,
    from: Option<N>,
    to: Option<N>,
) {
    if let Some(number) = value.number() {
        checks.range(field, number, (bound(from), bound(to)));
    }
}

fn bound<N>(limit: Option<N>) -> Bound<N> {
    limit.map_or(Bound::Unbounded, Bound::Included)
}

/// What `email` can look at.
#[diagnostic::on_unimplemented(
    message = "`email` needs a `String` or an `Option<String>`, found `{Self}`",
    label = "not text"
)]
pub trait Text {
    /// The text, if there is one.
    fn text(&self) -> Option<&str>;
}

impl Text for String {
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Text> Text for Option<T> {
    fn text(&self) -> Option<&str> {
        self.as_ref().and_then(T::text)
    }
}

/// `#[arg(email)]`.
pub fn email<T: Text>(checks: &mut Checks, field: &str, value: &T, trim: bool) {
    if let Some(text) = value.text() {
        checks.email(field, if trim { str::trim(text) } else { text });
    }
}

/// What `trim` can trim.
#[diagnostic::on_unimplemented(
    message = "`trim` needs a `String` or an `Option<String>`, found `{Self}`",
    label = "not text"
)]
pub trait Trim {
    /// Without white space at either end.
    fn trim(self) -> Self;
}

impl Trim for String {
    fn trim(self) -> Self {
        let trimmed = str::trim(&self);
        if trimmed.len() == self.len() { self } else { trimmed.to_owned() }
    }
}

#[diagnostic::do_not_recommend]
impl<T: Trim> Trim for Option<T> {
    fn trim(self) -> Self {
        self.map(T::trim)
    }
}

/// `#[arg(trim)]`: reads text without the white space around it. Both sides read the arguments, so both agree.
///
/// # Errors
/// Those of the deserializer.
pub fn trimmed<'de, D: Deserializer<'de>, T: Trim + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer).map(T::trim)
}
