//! Credentials: headers the application adds to every request.

use std::fmt;
use std::future::Future;

use crate::error::{Error, ErrorKind, Result};
use crate::future::{BoxFuture, MaybeSend, MaybeSync};

/// Headers that go with a request, names in lower case. Their values are secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// `authorization: Bearer <token>`.
    pub fn bearer(token: impl AsRef<str>) -> Self {
        Headers(vec![("authorization".to_owned(), format!("Bearer {}", token.as_ref()))])
    }

    /// Adds a header. An earlier one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        self.0.retain(|(present, _)| *present != name);
        self.0.push((name, value.into()));
        self
    }

    /// The value of the header with this name (any case).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Refuses what cannot be a header, so that a token with a line break never splits a request.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) naming the header; never its value.
    pub fn check(&self) -> Result<()> {
        for (name, value) in self.iter() {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) {
                return Err(Error::new(ErrorKind::Config, format!("`{name}` is not the name of an HTTP header")));
            }
            if value.bytes().any(|b| b != b'\t' && !(0x20..=0x7e).contains(&b)) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the value of the header `{name}` has a character outside visible ASCII"),
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Where the credentials come from. Any `Fn() -> impl Future<Output = Result<Headers>>` is one.
///
/// The run loop asks before every request, and once more when the server answers 401; cache a token that is costly to
/// get and renew it when it is about to end. An error counts as a failed request: it is reported and tried again.
pub trait AuthProvider: MaybeSend + MaybeSync + 'static {
    /// The headers of the next request. `refresh` says that the server refused the last ones.
    fn headers(&self, refresh: bool) -> BoxFuture<'static, Result<Headers>>;
}

impl<F, Fut> AuthProvider for F
where
    F: Fn() -> Fut + MaybeSend + MaybeSync + 'static,
    Fut: Future<Output = Result<Headers>> + MaybeSend + 'static,
{
    fn headers(&self, _refresh: bool) -> BoxFuture<'static, Result<Headers>> {
        Box::pin(self())
    }
}
