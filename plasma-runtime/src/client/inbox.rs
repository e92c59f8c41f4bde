//! Pages of a set without inner cuts, staged until the set is whole.
//!
//! A page is kept as the server sent it, in the same transaction as its cookie, so that a crash resumes with the next
//! page. Reading it again when the set is applied holds one page in memory at a time.

use super::identity::{self, Meta, keys};
use super::image::Staged;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{PatchOp, PullResponse};
use crate::store::SqlConnection;
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
        store.execute("DELETE FROM _plasma_inbox", &[])?;
        meta.inbox_acknowledged = None;
    }
    if meta.inbox_acknowledged.is_none() {
        meta.inbox_acknowledged = Some(acknowledged);
        identity::set(store, keys::INBOX_ACKNOWLEDGED, Some(&acknowledged.to_string()))?;
    }
    store.execute(
        "INSERT INTO _plasma_inbox (clears, body) VALUES (?1, ?2)",
        &[Value::Int(clears(page).into()), body.into()],
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
    let sql = "SELECT body FROM _plasma_inbox WHERE substr(body, 1, ?1) = ?2 ORDER BY seq LIMIT 1";
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
    const SQL: &str = "SELECT count(*), coalesce(max(clears), 0), coalesce(sum(length(body)), 0) FROM _plasma_inbox";
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
    Ok(next_with_image(store, after)?.map(|(seq, page, _)| (seq, page)))
}

/// The same, and whether it is an image.
pub(crate) fn next_with_image(store: &mut dyn SqlConnection, after: i64) -> Result<Option<(i64, PullResponse, bool)>> {
    let sql = "SELECT seq, body FROM _plasma_inbox WHERE seq > ?1 ORDER BY seq LIMIT 1";
    let Some(row) = store.query(sql, &[after.into()], &[Kind::BigInt, Kind::Text])?.pop() else { return Ok(None) };
    match row.as_slice() {
        [Value::Int(seq), Value::Text(body)] => {
            let page = serde_json::from_str(body)
                .map_err(|error| Error::new(ErrorKind::Storage, "a staged page is damaged").with_source(error))?;
            Ok(Some((*seq, page, body.starts_with(IMAGE))))
        }
        _ => Err(Error::new(ErrorKind::Storage, "a staged page is damaged")),
    }
}

/// Forgets the staged pages.
pub(crate) fn clear(store: &mut dyn SqlConnection, meta: &mut Meta) -> Result<()> {
    if meta.inbox_cookie.take().is_some() {
        store.execute("DELETE FROM _plasma_inbox", &[])?;
        identity::set(store, keys::INBOX_COOKIE, None)?;
        meta.inbox_acknowledged = None;
        identity::set(store, keys::INBOX_ACKNOWLEDGED, None)?;
    }
    Ok(())
}
