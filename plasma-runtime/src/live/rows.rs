//! Results, as the application holds them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::Error;
use crate::future::{MaybeSend, MaybeSync};

/// What the rows of a live query must be able to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the row of a live query",
    label = "not `Clone + PartialEq + Send + Sync + 'static`",
    note = "add `#[derive(Clone, PartialEq)]` to the row type"
)]
pub trait Output: Clone + PartialEq + MaybeSend + MaybeSync + 'static {}
#[diagnostic::do_not_recommend]
impl<R: Clone + PartialEq + MaybeSend + MaybeSync + 'static> Output for R {}

/// The rows of a result: a slice that is cheap to clone. It never changes; a later result is another `Rows`.
pub struct Rows<R>(pub(crate) Arc<Vec<R>>);

impl<R> Rows<R> {
    /// Whether both are the very same result: true means equal, at no cost; false means nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<R> Clone for Rows<R> {
    fn clone(&self) -> Self {
        Rows(self.0.clone())
    }
}
impl<R> Default for Rows<R> {
    fn default() -> Self {
        Rows(Arc::new(Vec::new()))
    }
}
impl<R> Deref for Rows<R> {
    type Target = [R];
    fn deref(&self) -> &[R] {
        &self.0
    }
}
impl<R> AsRef<[R]> for Rows<R> {
    fn as_ref(&self) -> &[R] {
        &self.0
    }
}
impl<'r, R> IntoIterator for &'r Rows<R> {
    type Item = &'r R;
    type IntoIter = std::slice::Iter<'r, R>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
impl<R: PartialEq> PartialEq for Rows<R> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}
impl<R: PartialEq> PartialEq<[R]> for Rows<R> {
    fn eq(&self, other: &[R]) -> bool {
        **self == *other
    }
}
impl<R: PartialEq, const N: usize> PartialEq<[R; N]> for Rows<R> {
    fn eq(&self, other: &[R; N]) -> bool {
        **self == *other
    }
}
impl<R: Eq> Eq for Rows<R> {}
impl<R: fmt::Debug> fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a live query knows.
#[derive(Debug)]
pub enum LiveState<R> {
    /// The query was not run yet.
    Loading,
    /// The result.
    Ready(Rows<R>),
    /// The query could not be run, or a row of its result could not be read. It is tried again at the next change.
    Failed(Arc<Error>),
}

impl<R> LiveState<R> {
    /// The rows, when there are any to show.
    pub fn rows(&self) -> Option<&Rows<R>> {
        match self {
            LiveState::Ready(rows) => Some(rows),
            LiveState::Loading | LiveState::Failed(_) => None,
        }
    }
}

impl<R> Clone for LiveState<R> {
    fn clone(&self) -> Self {
        match self {
            LiveState::Loading => LiveState::Loading,
            LiveState::Ready(rows) => LiveState::Ready(rows.clone()),
            LiveState::Failed(error) => LiveState::Failed(error.clone()),
        }
    }
}
