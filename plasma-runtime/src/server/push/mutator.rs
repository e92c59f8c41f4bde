//! From a pushed mutation to a mutator that runs: reading what the envelope carries, and polling under guard.

use std::borrow::Cow;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result, panic_message};
use crate::future::BoxFuture;
use crate::mutate::{MutatorDef, Observed};
use crate::protocol::{MutationError, PushedMutation};
use crate::schema::Definition;
use crate::server::executor::Bases;

/// What a mutation asks for.
pub(super) enum Asked<'m> {
    /// To be run.
    Run { mutator: &'m MutatorDef, key: Uuid, timestamp: i64, args: Cow<'m, str>, bases: Bases, observed: Observed },
    /// Never to be run.
    Skip,
}

/// Reads what is read late, so that one malformed mutation is rejected alone. Looks at no row. `pushed_by` is the
/// version of the schema that the push names: that of the mutation, unless it names another.
///
/// # Errors
/// `invalid-args` or `unknown-mutator`.
pub(super) fn asked<'m>(
    definition: &'m Definition,
    mutation: &'m PushedMutation,
    pushed_by: &str,
) -> Result<Asked<'m>> {
    if let Some(skip) = &mutation.skip {
        return match serde_json::from_str::<String>(skip.get()).as_deref() {
            Ok("discarded" | "too-large") => Ok(Asked::Skip),
            _ => Err(invalid("`skip` is neither `discarded` nor `too-large`")),
        };
    }
    let name: String = member(mutation.name.as_deref(), "`name` is not a string")?;
    let timestamp: i64 = member(mutation.timestamp.as_deref(), "`timestamp` is not an integer of milliseconds")?;
    if timestamp.unsigned_abs() > MAX_SAFE_INTEGER {
        return Err(invalid("`timestamp` is out of range"));
    }
    let args = mutation.args.as_deref().ok_or_else(|| invalid("`args` is missing"))?.get();
    if has_nul(args) {
        return Err(invalid("`args` holds the character U+0000"));
    }
    let key = Uuid::try_parse(&mutation.key).map_err(|_| invalid("`key` is not a UUID"))?;
    let mutator = definition
        .mutator(&name)
        .ok_or_else(|| Error::new(ErrorKind::UnknownMutator, format!("no mutator has the name `{name}`")))?;
    let named = mutation.schema_version.as_deref();
    let named: Option<String> = named.map(|raw| member(Some(raw), "`schemaVersion` is not a string")).transpose()?;
    let made_by = named.as_deref().unwrap_or(pushed_by);
    let args = mutator.upgraded(definition.schema.version, Some(made_by), args)?;
    let bases = match &mutation.bases {
        Some(bases) => Bases::from_json(&definition.schema, made_by, bases.get())?,
        None => Bases::default(),
    };
    let observed = match &mutation.observed {
        Some(observed) => Observed::from_json(observed.get())?,
        None => Observed::default(),
    };
    Ok(Asked::Run { mutator, key, timestamp, args, bases, observed })
}

/// The greatest integer every JSON reader keeps, 2^53 - 1.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgs, message)
}

fn member<T: serde::de::DeserializeOwned>(raw: Option<&RawValue>, message: &'static str) -> Result<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).ok_or_else(|| invalid(message))
}

/// What the client says its run was told; none when it does not say.
pub(super) fn claimed_reads(mutation: &PushedMutation) -> Option<String> {
    mutation.reads.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The name a mutation carries, for reports; empty when it is not one.
pub(super) fn wire_name(mutation: &PushedMutation) -> String {
    mutation.name.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Whether valid JSON text holds the escape of U+0000; the bare character is not valid in JSON.
pub(in crate::server) fn has_nul(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + found;
        if bytes[escape + 1..].starts_with(b"u0000") {
            return true;
        }
        // Whatever is escaped, a backslash included, begins no other escape.
        at = (escape + 2).min(bytes.len());
    }
    false
}

/// Runs a mutator to its end, whatever it does: a panic is an error. The future is gone when this one ends.
pub(super) async fn guarded(mut running: BoxFuture<'_, Result<()>>) -> Result<()> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => {
            let words = panic_message(&*panic).unwrap_or("the panic carries no message").to_owned();
            Poll::Ready(Err(Error::new(ErrorKind::Panic, "the mutator panicked").with_source(words)))
        }
    })
    .await
}

/// The error of a rejection as the client sees it. An internal error keeps its detail for `on_error`.
pub(super) fn wire_error(error: &Error) -> MutationError {
    let message = match error.kind() {
        ErrorKind::Internal => "the mutator failed with an internal error",
        _ => error.message(),
    };
    let data = if error.kind() == ErrorKind::Internal { None } else { error.data().cloned() };
    MutationError { code: error.code().to_owned(), message: cut(message), data }
}

/// The longest message of a stored rejection, characters.
const LONGEST_MESSAGE: usize = 1_000;

/// A message says what it was about, and may repeat a name or an argument of a megabyte: it is stored, and sent with
/// every answer until it is settled, so it has a bound.
fn cut(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// Whether a rejection is a defect that the application's people should hear of.
pub(super) fn is_defect(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Panic | ErrorKind::ForeignAwait | ErrorKind::Internal)
        || error.code() == "internal"
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_MESSAGE, has_nul, wire_error};
    use crate::error::{Error, ErrorKind};

    #[test]
    fn a_message_that_repeats_what_came_is_cut() {
        let long = Error::new(ErrorKind::UnknownMutator, "é".repeat(1_000_000));
        let wire = wire_error(&long);
        assert_eq!(wire.message.chars().count(), LONGEST_MESSAGE + 1);
        assert!(wire.message.ends_with("é…"));
        let fits = Error::rejected("mine", "é".repeat(LONGEST_MESSAGE));
        assert_eq!(wire_error(&fits).message, fits.message());
    }

    #[test]
    fn the_escape_of_nul_is_found_and_only_it() {
        assert!(has_nul(r#"{"a":["\u0000"]}"#));
        assert!(has_nul(r#""\\\u0000""#));
        for fine in [r#""""#, r#""\\u0000""#, r#""\u0001 u0000""#, r#""a\\""#, "1", r#""\u0010""#] {
            assert!(!has_nul(fine), "{fine}");
        }
    }
}
