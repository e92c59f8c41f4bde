//! Writing an image: the pages of a snapshot, row by row into a file.

use std::sync::Arc;

use super::{Image, Images, Temporary};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::cookie::{Mark, Position, Walk};
use crate::protocol::{PatchOp, PullRequest, PullResponse};
use crate::schema::SchemaDef;
use crate::server::http::Inner;
use crate::server::pull::{compaction_bound, log};
use crate::server::{Caller, Refusal, ServerError, ServerErrorKind};
use crate::store::image::{Facts, ImageWriter, sha256};
use crate::value::json;

/// The greatest id: a walk that stands there has seen all rows of the table.
const LAST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

impl Inner {
    /// Writes what this caller sees. `group` is put down in the image when nobody else may take it.
    pub(super) async fn build(
        &self,
        images: &Images,
        caller: &Caller,
        request: PullRequest,
        group: Option<String>,
    ) -> Result<Image, Refusal> {
        let _place = images.builds.try_acquire().map_err(|_| Refusal::overloaded())?;
        let schema = self.engine.definition().schema;
        let file = Temporary::in_folder(&images.options.folder);
        let (path, most) = (file.0.clone(), images.options.max_bytes);
        let mut writer = self.off_thread(caller, move || ImageWriter::create(&path, &schema, most)).await?;
        let mut request = PullRequest { cookie: None, limit: Some(u64::MAX), wait: None, ..request };
        let mut pages = 0u64;
        let last = loop {
            let page = self.page(caller, &request).await?;
            request.cookie = Some(page.cookie.clone());
            let (first, partial) = (pages == 0, page.partial);
            pages += 1;
            writer = self
                .off_thread(caller, move || {
                    write(&mut writer, &schema, &page, first)?;
                    Ok(writer)
                })
                .await?;
            if !partial {
                break request.cookie.take().unwrap_or_default();
            }
        };
        let (cookie, at) = before_the_end(&last, &schema).map_err(|error| self.failed(caller, error))?;
        let facts = Facts { fingerprint: schema.fingerprint_hex(), group, cookie };
        let finish = move || {
            let bytes = writer.finish(&facts)?;
            let sha256 = sha256(&file.0)?;
            Ok(Image { file, bytes, sha256, at })
        };
        self.off_thread(caller, finish).await
    }

    /// Whether an image that serves everybody still does: the log is the one it was made of, reaches back to it, and has not
    /// gone on too far.
    pub(super) async fn is_fresh(&self, caller: &Caller, images: &Images, image: &Image) -> Result<bool, Refusal> {
        let ((at, mark), most) = (image.at, images.options.rebuild_after);
        let looked = self.backend.read(move |db| {
            Box::pin(async move {
                let bound = compaction_bound(db).await?;
                let head = log::head(db).await?.version;
                let ours = log::marks(db, [at; 4]).await?.get(&at) == Some(&mark);
                Ok::<_, Error>(ours && bound <= at && at <= head && head - at <= most)
            })
        });
        looked.await.and_then(|looked| looked).map_err(|error| self.failed(caller, error))
    }

    async fn page(&self, caller: &Caller, request: &PullRequest) -> Result<PullResponse, Refusal> {
        let (engine, to, request) = (Arc::clone(&self.engine), caller.clone(), request.clone());
        let now = (self.clock)();
        let pulled = self.backend.read(move |db| {
            Box::pin(async move { engine.pull_for(db, now, &to, &request).await.map(|pulled| pulled.response) })
        });
        pulled.await.unwrap_or_else(|error| Err(self.failed(caller, error)))
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|e| Err(Error::internal("writing an image panicked").with_source(e)))
            .map_err(|error| self.failed(caller, error))
    }

    pub(super) fn failed(&self, caller: &Caller, error: Error) -> Refusal {
        let refusal = match error.kind() {
            ErrorKind::TooLarge => {
                let limit = self.images.as_ref().map_or(0, |images| images.options.max_bytes);
                return Refusal::payload_too_large(usize::try_from(limit).unwrap_or(usize::MAX));
            }
            ErrorKind::Fault => return Refusal::overloaded(),
            ErrorKind::Storage | ErrorKind::Closed => Refusal::unavailable(),
            _ => Refusal::internal(),
        };
        let mut report = ServerError::new(ServerErrorKind::Internal, error);
        report.group = Some(caller.group.clone());
        self.engine.options().hooks.report(&report);
        refusal
    }
}

fn write(writer: &mut ImageWriter, schema: &SchemaDef, page: &PullResponse, first: bool) -> Result<()> {
    for (at, op) in page.patch.iter().enumerate() {
        match op {
            PatchOp::Clear { table: None } if first && at == 0 => {}
            PatchOp::Put { table, value, .. } => {
                let table = schema.table(table).ok_or_else(|| Error::internal("a page has a table of no schema"))?;
                writer.put(table, &json::decode_row(table, value.get())?)?;
            }
            // The walk began anew: the log has gone on too far, or was compacted. Pages may fare better.
            PatchOp::Clear { .. } | PatchOp::Del { .. } => {
                return Err(Error::new(ErrorKind::Fault, "the snapshot of an image did not hold"));
            }
        }
    }
    Ok(())
}

/// The cookie of the same set, where all rows were sent and its end was not; and the position it leads to.
fn before_the_end(cookie: &str, schema: &SchemaDef) -> Result<(String, (u64, Mark))> {
    let bad = |e| Error::internal("the cookie of an image cannot be made").with_source(e);
    let mut position = Position::decode(cookie).map_err(bad)?;
    let last = schema.synced().map(|table| table.name).max().unwrap_or_default();
    let walk = Walk { from: None, restated: Vec::new(), table: last.to_owned(), after: Some(LAST_ID.to_owned()) };
    position.walk = Some(walk);
    Ok((position.encode().map_err(bad)?, (position.at, position.mark)))
}
