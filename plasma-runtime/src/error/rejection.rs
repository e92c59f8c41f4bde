//! Rejections of the application as types.

use super::{Error, ErrorKind};

/// The ways in which an application refuses a mutation, as a type: `#[derive(plasma::Rejection)]` on an enum.
///
/// A value becomes an [`Error`] in the mutator (`Err(PosError::Closed.into())`, or `?`), travels as code and data, and is
/// read back with [`Error::parse`] or [`Outcome::parse`](crate::client::Outcome::parse).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a rejection",
    label = "has no codes to read an error by",
    note = "derive it for an enum: `#[derive(plasma::Rejection)]`"
)]
pub trait Rejection: Into<Error> {
    /// The rejection that an error of the kind [`Rejected`](ErrorKind::Rejected) carries; None when its code is not one of
    /// these, or its data does not fit. Call [`Error::parse`], which looks at the kind.
    fn parse(error: &Error) -> Option<Self>;
}

impl Error {
    /// The rejection of type `R` that this error carries, in an optimistic run as well as from the server. None when the
    /// code is not one of `R`'s, or when the data does not fit it: another program may know other rejections. Members of
    /// the data that `R` does not have are passed over.
    ///
    /// ```
    /// # use plasma_runtime::{Error, error::Rejection};
    /// # struct Closed;
    /// # impl From<Closed> for Error { fn from(_: Closed) -> Error { Error::rejected("closed", "the shop is closed") } }
    /// # impl Rejection for Closed {
    /// #     fn parse(error: &Error) -> Option<Self> { (error.code() == "closed").then_some(Closed) }
    /// # }
    /// let error: Error = Closed.into();
    /// assert!(error.parse::<Closed>().is_some());
    /// assert!(Error::rejected("sold", "gone").parse::<Closed>().is_none());
    /// ```
    pub fn parse<R: Rejection>(&self) -> Option<R> {
        if self.kind() == ErrorKind::Rejected { R::parse(self) } else { None }
    }
}
