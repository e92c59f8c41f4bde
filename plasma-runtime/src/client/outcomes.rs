//! How mutations ended: kept in the store until the application dismisses them.

use uuid::Uuid;

use super::identity::Meta;
use super::outbox::{QueuedMutation, id_from, id_value};
use crate::error::{Error, ErrorKind, Rejection, Result};
use crate::protocol::MutationError;
use crate::store::SqlConnection;
use crate::store::cells::sealed;
use crate::value::{Kind, Row, Value};

/// How one mutation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The mutation's key.
    pub key: Uuid,
    /// Its id when it ended.
    pub id: u64,
    /// Wire name of the mutator.
    pub name: String,
    /// The arguments as JSON, to try again with; kept unless the mutation was applied.
    pub args: Option<String>,
    /// When it was made, unix ms by the client's clock.
    pub timestamp_ms: i64,
    /// How it ended.
    pub status: OutcomeStatus,
    /// Why, when it was rejected.
    pub error: Option<MutationError>,
    /// When the client learned it, unix ms.
    pub at_ms: i64,
}

/// The ends of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutcomeStatus {
    /// It ran on the server and its writes are committed.
    Applied,
    /// It failed by its own word and wrote nothing.
    Rejected,
    /// It was discarded before it was sent, and never ran.
    Discarded,
    /// It was larger than the server takes, and never ran.
    TooLarge,
    /// It was sent, but so long ago that the server no longer knows its key: it may have run or not.
    Unknown,
    /// The server had acknowledged it and lost it (it was restored from a backup, or failed over).
    LostByServer,
}

impl OutcomeStatus {
    fn code(self) -> &'static str {
        match self {
            OutcomeStatus::Applied => "applied",
            OutcomeStatus::Rejected => "rejected",
            OutcomeStatus::Discarded => "discarded",
            OutcomeStatus::TooLarge => "too-large",
            OutcomeStatus::Unknown => "unknown",
            OutcomeStatus::LostByServer => "lost-by-server",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        use OutcomeStatus::*;
        [Applied, Rejected, Discarded, TooLarge, Unknown, LostByServer].into_iter().find(|s| s.code() == code)
    }
}

impl Outcome {
    /// What awaiting the mutation's acknowledgement returns: nothing for an applied one, the reason for all others.
    ///
    /// # Errors
    /// The rejection, under the server's code; `discarded`, `payload-too-large`, `unknown` or `lost-by-server`.
    pub fn result(&self) -> Result<()> {
        let (kind, message) = match self.status {
            OutcomeStatus::Applied => return Ok(()),
            OutcomeStatus::Rejected => {
                return Err(match &self.error {
                    Some(error) => rejection(error),
                    None => Error::rejected("rejected", "the server rejected the mutation"),
                });
            }
            OutcomeStatus::Discarded => ("discarded", "the mutation was discarded before it was sent"),
            OutcomeStatus::TooLarge => {
                return Err(Error::new(ErrorKind::TooLarge, "the mutation is larger than the server takes"));
            }
            OutcomeStatus::Unknown => (
                "unknown",
                "the mutation was sent so long ago that the server no longer knows it: it may have run or not",
            ),
            OutcomeStatus::LostByServer => {
                ("lost-by-server", "the server acknowledged the mutation and lost it when it was restored")
            }
        };
        Err(Error::rejected(kind, message))
    }

    /// The rejection of type `R` with which it ended: [`Error::parse`] of [`result`](Self::result).
    pub fn parse<R: Rejection>(&self) -> Option<R> {
        self.result().err()?.parse()
    }
}

/// A rejection as the library's error.
pub(crate) fn rejection(error: &MutationError) -> Error {
    let kinds = [
        ErrorKind::Unauthorized,
        ErrorKind::Validation,
        ErrorKind::Conflict,
        ErrorKind::NotFound,
        ErrorKind::UnknownMutator,
        ErrorKind::InvalidArgs,
        ErrorKind::Panic,
        ErrorKind::ForeignAwait,
        ErrorKind::Internal,
    ];
    let message = error.message.clone();
    let built = match kinds.into_iter().find(|kind| kind.code() == error.code) {
        Some(kind) => Error::new(kind, message),
        None => Error::rejected(error.code.clone(), message),
    };
    match &error.data {
        Some(data) => built.with_data(data.clone()),
        None => built,
    }
}

const COLUMNS: &str = "key, id, name, args, ts, status, code, message, data, at";
const KINDS: [Kind; 10] = [
    Kind::Text,
    Kind::BigInt,
    Kind::Text,
    Kind::Text,
    Kind::BigInt,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::Text,
    Kind::BigInt,
];

fn decode(row: Row) -> Result<Outcome> {
    let damaged = || Error::new(ErrorKind::Storage, "a row of the outcomes is damaged");
    let [key, id, name, args, ts, status, code, message, data, at] =
        <[Value; 10]>::try_from(row).map_err(|_| damaged())?;
    let text = |value: &Value| value.as_text().map(str::to_owned);
    Ok(Outcome {
        key: key.as_text().and_then(|key| Uuid::parse_str(key).ok()).ok_or_else(damaged)?,
        id: id_from(&id),
        name: text(&name).ok_or_else(damaged)?,
        args: text(&args),
        timestamp_ms: ts.as_int().ok_or_else(damaged)?,
        status: status.as_text().and_then(OutcomeStatus::from_code).ok_or_else(damaged)?,
        error: text(&code).map(|code| MutationError {
            code,
            message: text(&message).unwrap_or_default(),
            data: data.as_text().and_then(|data| serde_json::from_str(data).ok()),
        }),
        at_ms: at.as_int().ok_or_else(damaged)?,
    })
}

/// All of them, oldest first.
pub(crate) fn list(store: &mut dyn SqlConnection) -> Result<Vec<Outcome>> {
    let rows = store.query(&format!("SELECT {COLUMNS} FROM _plasma_outcomes ORDER BY seq"), &[], &KINDS)?;
    rows.into_iter().map(decode).collect()
}

/// One of them.
pub(crate) fn get(store: &mut dyn SqlConnection, key: Uuid) -> Result<Option<Outcome>> {
    let sql = format!("SELECT {COLUMNS} FROM _plasma_outcomes WHERE key = ?1");
    store.query(&sql, &[key.to_string().into()], &KINDS)?.pop().map(decode).transpose()
}

/// Forgets one; false when there was none.
pub(crate) fn dismiss(store: &mut dyn SqlConnection, key: Uuid) -> Result<bool> {
    Ok(store.execute("DELETE FROM main._plasma_outcomes WHERE key = ?1", &[key.to_string().into()])? > 0)
}

/// Keeps how a mutation ended. A later word on the same mutation replaces the first.
pub(crate) fn record(
    store: &mut dyn SqlConnection,
    meta: &Meta,
    entry: &QueuedMutation,
    status: OutcomeStatus,
    error: Option<&MutationError>,
    now: i64,
) -> Result<Outcome> {
    let args = (status != OutcomeStatus::Applied).then(|| entry.args.clone());
    let key = entry.key.to_string();
    let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    let kept = |column, value| sealed(store, "_plasma_outcomes", column, &key, text(value));
    let kept_args = kept("args", args.clone())?;
    let message = kept("message", error.map(|error| error.message.clone()))?;
    let data = kept("data", error.and_then(|error| error.data.as_ref()).map(ToString::to_string))?;
    store.execute(
        "INSERT OR REPLACE INTO main._plasma_outcomes
           (key, id, client_id, name, args, ts, status, code, message, data, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        &[
            key.into(),
            id_value(entry.id),
            meta.client_id.as_str().into(),
            entry.name.as_str().into(),
            kept_args,
            entry.timestamp_ms.into(),
            status.code().into(),
            text(error.map(|error| error.code.clone())),
            message,
            data,
            now.into(),
        ],
    )?;
    Ok(Outcome {
        key: entry.key,
        id: entry.id,
        name: entry.name.clone(),
        args,
        timestamp_ms: entry.timestamp_ms,
        status,
        error: error.cloned(),
        at_ms: now,
    })
}

/// Turns what is known of the acknowledged ids `first..=last` of this client id, none of them in the outbox any more,
/// into `lost-by-server`; ids nothing is known of get a row of their own. Returns the keys.
pub(crate) fn mark_lost(
    store: &mut dyn SqlConnection,
    meta: &Meta,
    first: u64,
    last: u64,
    fresh_key: &mut dyn FnMut() -> Uuid,
    now: i64,
) -> Result<Vec<Uuid>> {
    let mut keys = Vec::new();
    for id in first..=last {
        let known = store.query(
            "SELECT key, status FROM _plasma_outcomes WHERE client_id = ?1 AND id = ?2",
            &[meta.client_id.as_str().into(), id_value(id)],
            &[Kind::Text, Kind::Text],
        )?;
        let text = |index: usize| known.first().and_then(|row| row.get(index)).and_then(Value::as_text);
        let key = match text(0).map(Uuid::parse_str) {
            // What wrote nothing cannot have been lost.
            Some(Ok(_)) if text(1) != Some("applied") => continue,
            Some(Ok(key)) => {
                store.execute(
                    "UPDATE main._plasma_outcomes SET status = 'lost-by-server', at = ?2 WHERE key = ?1",
                    &[key.to_string().into(), now.into()],
                )?;
                key
            }
            // Its outcome was dismissed or has aged out: the id is all there is left to report.
            _ => {
                let key = fresh_key();
                store.execute(
                    "INSERT INTO main._plasma_outcomes (key, id, client_id, name, ts, status, at)
                     VALUES (?1, ?2, ?3, '', ?4, 'lost-by-server', ?4)",
                    &[key.to_string().into(), id_value(id), meta.client_id.as_str().into(), now.into()],
                )?;
                key
            }
        };
        keys.push(key);
    }
    Ok(keys)
}

/// Forgets the oldest outcomes of applied mutations beyond `keep`.
pub(crate) fn trim(store: &mut dyn SqlConnection, keep: u64) -> Result<()> {
    store.execute(
        "DELETE FROM main._plasma_outcomes WHERE status = 'applied' AND seq <= (
           SELECT seq FROM _plasma_outcomes WHERE status = 'applied' ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
        &[id_value(keep)],
    )?;
    Ok(())
}
