//! The one error type of the library.

mod panic;
mod rejection;
mod violation;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

pub(crate) use panic::panic_message;
pub use rejection::Rejection;
pub use violation::{Constraint, Violation};

/// What went wrong, for code that has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller may not do this (code `unauthorized`).
    Unauthorized,
    /// An argument or a value breaks a rule (code `validation`).
    Validation,
    /// A constraint of the schema refuses the write (code `conflict`).
    Conflict,
    /// The row does not exist, or the caller may not see it (code `not-found`).
    NotFound,
    /// No mutator has this name (code `unknown-mutator`).
    UnknownMutator,
    /// The arguments of a mutation cannot be read (code `invalid-args`).
    InvalidArgs,
    /// The mutator panicked (code `panic`).
    Panic,
    /// A mutator awaited something other than its transaction (code `foreign-await`).
    ForeignAwait,
    /// The application refused with a code of its own.
    Rejected,
    /// A calculation left the range of its numbers, or divided by zero (code `overflow`).
    Overflow,
    /// A defect inside the library or the server (code `internal`).
    Internal,
    /// A passing fault: nothing is known to be committed and the work may be tried again.
    Fault,
    /// The local or server database failed.
    Storage,
    /// The network failed, or the answer was not the protocol's.
    Network,
    /// The peer's answer or request breaks the protocol.
    Protocol,
    /// Client and server do not have the same schema.
    SchemaMismatch,
    /// The mutation, page or body is larger than a limit.
    TooLarge,
    /// The store was opened for another group, or by another application.
    WrongStore,
    /// The mutation was sent already and cannot be discarded.
    AlreadySent,
    /// The run of a mutator on the server wrote something else than the run on the client, with nothing to explain it.
    Drift,
    /// The change log no longer reaches back to the position, or it is one of another history.
    PositionGone,
    /// The database is not changed: some of the changes lose data or need a written step. `data` names every one.
    MigrationRefused,
    /// A value could not be sealed or opened: its key is missing or used up, or it is not what was sealed.
    Encryption,
    /// A setting is missing or contradicts another.
    Config,
    /// The client or the server is closed.
    Closed,
}

/// The library's error. Opaque: ask [`kind`](Error::kind), [`code`](Error::code) and [`data`](Error::data).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    data: Option<serde_json::Value>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl ErrorKind {
    /// The code this kind has on the wire.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Unauthorized => "unauthorized",
            ErrorKind::Validation => "validation",
            ErrorKind::Conflict => "conflict",
            ErrorKind::NotFound => "not-found",
            ErrorKind::UnknownMutator => "unknown-mutator",
            ErrorKind::InvalidArgs => "invalid-args",
            ErrorKind::Panic => "panic",
            ErrorKind::ForeignAwait => "foreign-await",
            ErrorKind::Rejected => "rejected",
            ErrorKind::Overflow => "overflow",
            ErrorKind::Internal => "internal",
            ErrorKind::Fault => "fault",
            ErrorKind::Storage => "storage",
            ErrorKind::Network => "network",
            ErrorKind::Protocol => "protocol",
            ErrorKind::SchemaMismatch => "schema-mismatch",
            ErrorKind::TooLarge => "payload-too-large",
            ErrorKind::WrongStore => "wrong-store",
            ErrorKind::AlreadySent => "already-sent",
            ErrorKind::Drift => "drift",
            ErrorKind::PositionGone => "position-gone",
            ErrorKind::MigrationRefused => "migration-refused",
            ErrorKind::Encryption => "encryption",
            ErrorKind::Config => "config",
            ErrorKind::Closed => "closed",
        }
    }
}

impl Error {
    /// An error of `kind` with its usual code.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Inner {
            kind,
            code: Cow::Borrowed(kind.code()),
            message: message.into(),
            data: None,
            source: None,
        }))
    }

    /// The caller may not do this. Final: the mutation is reported as rejected.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unauthorized, message)
    }

    /// An argument or a value breaks a rule. Final.
    pub fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Validation, message)
    }

    /// A constraint refuses the write. Final.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// The row does not exist. Final.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The application refuses with a code of its own, such as `out-of-stock`. Final.
    pub fn rejected(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Rejected, message);
        error.0.code = code.into();
        error
    }

    /// A passing fault (a service is down): the server answers 503 and the mutation is tried again.
    pub fn fault(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let mut error = Self::new(ErrorKind::Fault, source.to_string());
        error.0.source = Some(source);
        error
    }

    /// A defect: something that cannot happen did.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds machine-readable data, sent to the client with a rejection.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.0.data = Some(data);
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error once more, for a second listener: kind, code, message and data. The source stays behind.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Error(Box::new(Inner {
            kind: self.0.kind,
            code: self.0.code.clone(),
            message: self.0.message.clone(),
            data: self.0.data.clone(),
            source: None,
        }))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The code on the wire: the kind's, or the application's own for [`ErrorKind::Rejected`].
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message, without the source's.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Machine-readable data given by whoever raised the error.
    pub fn data(&self) -> Option<&serde_json::Value> {
        self.0.data.as_ref()
    }

    /// Whether a mutation that ends with this error failed by its own word: it is reported as rejected and never
    /// tried again. Everything else is a fault of the machine and is tried again.
    pub fn is_refusal(&self) -> bool {
        use ErrorKind::*;
        matches!(
            self.0.kind,
            Unauthorized
                | Validation
                | Conflict
                | NotFound
                | UnknownMutator
                | InvalidArgs
                | Panic
                | ForeignAwait
                | Rejected
                | Overflow
                | Internal
                | TooLarge
        )
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("code", &self.0.code).field("message", &self.0.message);
        if let Some(data) = &self.0.data {
            debug.field("data", data);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn StdError + 'static))
    }
}
