//! Pages of a set without inner cuts, staged until the set is whole.
//!
//! A page is kept as the server sent it, in the same transaction as its cookie, so that a crash resumes with the next
//! page. Reading it again when the set is applied holds one page in memory at a time.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::identity::{self, Meta, keys};
use super::image::Staged;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{PatchOp, PullResponse};
use crate::store::SqlConnection;
use crate::store::cells::sealed;
use crate::value::{Kind, Value};

/// Whether a page empties tables.
pub(crate) fn clears(page: &PullResponse) -> bool {
    page.patch.iter().any(|op| matches!(op, PatchOp::Clear { .. }))
}

/// Stages a partial page. A page that begins with a `clear` of everything begins the set anew: what was staged before
/// it has no say any more. `acknowledged` is the last id acknowledged when the page was asked for: a set shows the server
/// as it was then, however long its later pages take.
pub(crate) fn stage(
    store: &mut dyn SqlConnection,
    meta: &mut Meta,
    page: &PullResponse,
    body: &str,
    acknowledged: u64,
) -> Result<()> {
    if matches!(page.patch.first(), Some(PatchOp::Clear { table: None })) {
        store.execute("DELETE FROM main._plasma_inbox", &[])?;
        meta.inbox_acknowledged = None;
    }
    if meta.inbox_acknowledged.is_none() {
        meta.inbox_acknowledged = Some(acknowledged);
        identity::set(store, keys::INBOX_ACKNOWLEDGED, Some(&acknowledged.to_string()))?;
    }
    let seq = store.query("SELECT coalesce(max(seq), 0) + 1 FROM _plasma_inbox", &[], &[Kind::BigInt])?;
    let seq = seq.first().and_then(|row| row.first()?.as_int()).unwrap_or(1);
    let body = sealed(store, "_plasma_inbox", "body", &seq.to_string(), body.into())?;
    store.execute(
        "INSERT INTO main._plasma_inbox (seq, clears, body) VALUES (?1, ?2, ?3)",
        &[seq.into(), Value::Int(clears(page).into()), body],
    )?;
    meta.inbox_cookie = Some(page.cookie.clone());
    identity::set(store, keys::INBOX_COOKIE, Some(&page.cookie))
}

/// The first member of the body of a staged image. The rest is a page.
const IMAGE: &str = "{\"stagedImage\":";

/// Stages an image: as a page that empties everything, with its file.
pub(crate) fn stage_image(
    store: &mut dyn SqlConnection,
    meta: &mut Meta,
    page: &PullResponse,
    image: &Staged,
    acknowledged: u64,
) -> Result<()> {
    let unwritable = |e| Error::internal("a page cannot be written as JSON").with_source(e);
    let file = serde_json::to_string(image).map_err(unwritable)?;
    let page_text = serde_json::to_string(page).map_err(unwritable)?;
    let body = format!("{IMAGE}{file},{}", page_text.trim_start_matches('{'));
    stage(store, meta, page, &body, acknowledged)
}

/// The file of the staged image, when there is one.
pub(crate) fn image(store: &mut dyn SqlConnection) -> Result<Option<Staged>> {
    // It begins its set: no page stands before it. The others are large, and not worth a look.
    let sql =
        "SELECT body FROM _plasma_inbox WHERE seq = (SELECT min(seq) FROM _plasma_inbox) AND substr(body, 1, ?1) = ?2";
    let length = i64::try_from(IMAGE.len()).unwrap_or(i64::MAX);
    match store.query(sql, &[length.into(), IMAGE.into()], &[Kind::Text])?.pop().as_deref() {
        Some([Value::Text(body)]) => image_of(body),
        _ => Ok(None),
    }
}

fn image_of(body: &str) -> Result<Option<Staged>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Image {
        staged_image: Staged,
    }
    if !body.starts_with(IMAGE) {
        return Ok(None);
    }
    let image = serde_json::from_str::<Image>(body)
        .map_err(|error| Error::new(ErrorKind::Storage, "a staged image is damaged").with_source(error))?;
    Ok(Some(image.staged_image))
}

/// What is staged.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pages {
    /// There are pages.
    pub(crate) any: bool,
    /// One of them empties tables.
    pub(crate) clears: bool,
    /// Bytes of all of them.
    pub(crate) bytes: i64,
}

/// What is staged.
pub(crate) fn state(store: &mut dyn SqlConnection) -> Result<Pages> {
    const SQL: &str =
        "SELECT count(*), coalesce(max(clears), 0), coalesce(sum(octet_length(body)), 0) FROM main._plasma_inbox";
    let row = store.query(SQL, &[], &[Kind::BigInt; 3])?;
    Ok(match row.first().map(Vec::as_slice) {
        Some([Value::Int(pages), Value::Int(clears), Value::Int(bytes)]) => {
            Pages { any: *pages > 0, clears: *clears > 0, bytes: *bytes }
        }
        _ => Pages::default(),
    })
}

/// The staged page after position `after` (0 is the first), with its position.
pub(crate) fn next(store: &mut dyn SqlConnection, after: i64) -> Result<Option<(i64, PullResponse)>> {
    let Some((seq, body)) = next_body(store, after)? else { return Ok(None) };
    let page = serde_json::from_str(&body).map_err(|error| damaged().with_source(error))?;
    Ok(Some((seq, page)))
}

/// The text of the staged page after position `after`, with its position.
pub(crate) fn next_body(store: &mut dyn SqlConnection, after: i64) -> Result<Option<(i64, String)>> {
    let sql = "SELECT seq, body FROM _plasma_inbox WHERE seq > ?1 ORDER BY seq LIMIT 1";
    let Some(row) = store.query(sql, &[after.into()], &[Kind::BigInt, Kind::Text])?.pop() else { return Ok(None) };
    match <[Value; 2]>::try_from(row) {
        Ok([Value::Int(seq), Value::Text(body)]) => Ok(Some((seq, body))),
        _ => Err(damaged()),
    }
}

/// Whether a staged page is an image.
pub(crate) fn is_image(body: &str) -> bool {
    body.starts_with(IMAGE)
}

fn damaged() -> Error {
    Error::new(ErrorKind::Storage, "a staged page is damaged")
}

/// The operations of a staged page, read in place: a large set is many rows, and each would be copied once more.
#[derive(Deserialize)]
pub(crate) struct StagedPatch<'p> {
    #[serde(borrow)]
    patch: Vec<StagedOp<'p>>,
}

#[derive(Deserialize)]
struct StagedOp<'p> {
    #[serde(borrow)]
    op: Cow<'p, str>,
    #[serde(borrow)]
    table: Option<Text<'p>>,
    #[serde(borrow)]
    id: Option<Text<'p>>,
    #[serde(borrow)]
    value: Option<&'p RawValue>,
}

#[derive(Deserialize)]
struct Text<'p>(#[serde(borrow)] Cow<'p, str>);

/// An operation of a patch, wherever it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op<'p> {
    Clear { table: Option<&'p str> },
    Put { table: &'p str, id: &'p str, value: &'p str },
    Del { table: &'p str, id: &'p str },
}

impl<'p> From<&'p PatchOp> for Op<'p> {
    fn from(op: &'p PatchOp) -> Self {
        match op {
            PatchOp::Clear { table } => Op::Clear { table: table.as_deref() },
            PatchOp::Put { table, id, value } => Op::Put { table, id, value: value.get() },
            PatchOp::Del { table, id } => Op::Del { table, id },
        }
    }
}

impl<'p> StagedPatch<'p> {
    /// Reads the text of a staged page.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when it is not what was staged.
    pub(crate) fn read(body: &'p str) -> Result<Self> {
        serde_json::from_str(body).map_err(|error| damaged().with_source(error))
    }

    /// Its operations.
    pub(crate) fn ops(&self) -> impl Iterator<Item = Result<Op<'_>>> {
        self.patch.iter().map(|op| {
            let table = op.table.as_ref().map(|table| &*table.0);
            match (&*op.op, table, &op.id, op.value) {
                ("clear", table, _, _) => Ok(Op::Clear { table }),
                ("put", Some(table), Some(id), Some(value)) => Ok(Op::Put { table, id: &id.0, value: value.get() }),
                ("del", Some(table), Some(id), _) => Ok(Op::Del { table, id: &id.0 }),
                _ => Err(damaged()),
            }
        })
    }
}

/// Forgets the staged pages.
pub(crate) fn clear(store: &mut dyn SqlConnection, meta: &mut Meta) -> Result<()> {
    if meta.inbox_cookie.take().is_some() {
        store.execute("DELETE FROM main._plasma_inbox", &[])?;
        identity::set(store, keys::INBOX_COOKIE, None)?;
        meta.inbox_acknowledged = None;
        identity::set(store, keys::INBOX_ACKNOWLEDGED, None)?;
    }
    Ok(())
}
