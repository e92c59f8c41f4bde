//! The image lane: a whole first sync as one file.
//!
//! An image is the partial pages of a snapshot in another form: the rows a reader is sent, and a cookie from which an
//! ordinary pull fetches the end of the set (the acknowledgements of its group, and what has changed since). So it says
//! nothing that pages would not say, and a reader that cannot use it asks for pages.

mod build;
#[cfg(all(test, feature = "http-client"))]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Response, header};
use tokio::sync::{Mutex, Semaphore};

use super::body::{AnswerBody, Readable};
use super::{Inner, service};
use crate::error::Error;
use crate::protocol::cookie::Mark;
use crate::protocol::{IMAGE_FORMAT, IMAGE_HASH_HEADER, PatchOp, PullRequest, PullResponse};
use crate::server::handler::check;
use crate::server::{Caller, Refusal};

/// How a server offers images.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageOptions {
    /// Where they are written. They are removed as soon as nobody is being sent them; what a killed process left may be
    /// removed by hand (`plasma-image-*.db`). The system's folder for temporary files.
    pub folder: PathBuf,
    /// Bytes of an image at most: a larger one is refused, and its reader takes pages. 4 GiB.
    pub max_bytes: u64,
    /// Images that are written at once; who comes later takes pages. 2.
    pub builds: usize,
    /// When every row is everybody's (all synced tables are `auth = open`, or nothing has a policy) one image serves all
    /// readers, until the log has gone on by so many positions. 10,000.
    pub rebuild_after: u64,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions { folder: std::env::temp_dir(), max_bytes: 4 << 30, builds: 2, rebuild_after: 10_000 }
    }
}

/// The image lane of a server.
pub(in crate::server) struct Images {
    options: ImageOptions,
    builds: Semaphore,
    /// The one that serves everybody. The lock is held while it is written: readers that come together wait for one.
    shared: Mutex<Option<Arc<Image>>>,
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A finished image. Its file goes with it.
#[derive(Debug)]
pub(super) struct Image {
    file: Temporary,
    bytes: u64,
    sha256: String,
    /// The position it leads to, and its mark.
    at: (u64, Mark),
}

/// A file that is removed with this value.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    #[expect(clippy::disallowed_methods, reason = "the name of a file of this adapter must be nobody's yet")]
    fn in_folder(folder: &Path) -> Self {
        Temporary(folder.join(format!("plasma-image-{}.db", uuid::Uuid::new_v4().simple())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may never have been made.
        let _gone = std::fs::remove_file(&self.0);
    }
}

impl Readable for Image {
    fn path(&self) -> &Path {
        &self.file.0
    }
}

impl Images {
    pub(super) fn new(options: ImageOptions) -> Self {
        Images { builds: Semaphore::new(options.builds.max(1)), options, shared: Mutex::default() }
    }
}

impl Inner {
    /// Offers an image where a snapshot begins that takes more than a page.
    pub(super) fn offer_image(&self, request: &PullRequest, response: &mut PullResponse) {
        let begins = matches!(response.patch.first(), Some(PatchOp::Clear { table: None }));
        if self.images.is_some() && response.partial && begins && self.is_current(request) {
            response.image = Some(IMAGE_FORMAT.to_owned());
        }
    }

    /// Whether the reader has the server's own schema. Others are served by pages.
    fn is_current(&self, request: &PullRequest) -> bool {
        request.fingerprint.as_deref() == Some(self.engine.definition().schema.fingerprint_hex().as_str())
    }

    /// Whether every reader sees every row.
    fn is_open(&self) -> bool {
        let definition = self.engine.definition();
        definition.schema.synced().all(|table| table.open || definition.policy(table.name).is_none())
    }

    async fn image(self: &Arc<Self>, parts: &Parts, query: &str) -> Result<Arc<Image>, Refusal> {
        let caller = service::authenticate(self, parts).await?;
        let Some(images) = &self.images else { return Err(Refusal::not_found()) };
        let refused = |refusal: Refusal| {
            self.engine.report_refusal(Some(&caller), &refusal);
            refusal
        };
        let request = check::pull(query, self.engine.limits(), self.engine.lenses(), &caller).map_err(refused)?;
        if !self.is_current(&request) {
            return Err(Refusal::not_found());
        }
        if !self.is_open() {
            return self.build(images, &caller, request, Some(caller.group.clone())).await.map(Arc::new);
        }
        let (inner, asking) = (Arc::clone(self), caller.clone());
        // Whoever asked may leave before it is written: it is for the others as well.
        let shared = go_on(async move { inner.shared_image(&asking, request).await }).await;
        shared.unwrap_or_else(|e| {
            let error = Error::internal("writing an image panicked").with_source(e);
            Err(self.failed(&caller, error))
        })
    }

    /// The image that serves everybody, written anew when it no longer does.
    async fn shared_image(&self, caller: &Caller, request: PullRequest) -> Result<Arc<Image>, Refusal> {
        let Some(images) = &self.images else { return Err(Refusal::not_found()) };
        let mut shared = images.shared.lock().await;
        if let Some(image) = &*shared
            && self.is_fresh(caller, images, image).await?
        {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(self.build(images, caller, request, None).await?);
        *shared = Some(Arc::clone(&image));
        Ok(image)
    }
}

/// Runs it to its end, also when nobody waits for it.
#[expect(clippy::disallowed_methods, reason = "this is the adapter that spawns")]
fn go_on<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

/// Answers `GET {base}/image`.
pub(super) async fn answer(inner: &Arc<Inner>, parts: &Parts, query: &str) -> Response<AnswerBody> {
    match inner.image(parts, query).await {
        Ok(image) => {
            let mut response = Response::new(());
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3"));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(image.bytes));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if let Ok(hash) = HeaderValue::try_from(image.sha256.as_str()) {
                headers.insert(IMAGE_HASH_HEADER, hash);
            }
            let bytes = image.bytes;
            response.map(|()| AnswerBody::file(image, bytes))
        }
        Err(refusal) => service::into_http(crate::server::handler::respond(None, Err(refusal))),
    }
}
