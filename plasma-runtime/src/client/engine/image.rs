//! Taking an image instead of the pages of a snapshot. Whatever fails with it, pages are asked for.

use super::Engine;
use super::response::{Which, not_the_protocol, sort, wire_error};
use crate::client::event::{Action, ClientErrorKind, Inputs, SendFailure};
use crate::client::identity::Meta;
use crate::client::image::{self, Staged};
use crate::client::inbox;
use crate::client::rows::transaction;
use crate::client::schedule::{InFlight, SentPull};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{IMAGE_FORMAT, IMAGE_HASH_HEADER, PatchOp, PullResponse, WireResponse};
use crate::store::SqlConnection;

/// Where the engine is with images. One is tried in the life of an engine: a server whose images lead nowhere must not
/// keep its readers from the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ImageLane {
    Untried,
    /// The next request is for one.
    Wanted,
    Done,
}

impl Engine {
    /// Whether the page offers an image and it is taken: the page is dropped then, and the next request asks for the image.
    pub(super) fn takes_image(&mut self, page: &PullResponse) -> bool {
        let offered = page.partial && page.image.as_deref() == Some(IMAGE_FORMAT);
        let takes = offered && self.image == ImageLane::Untried && self.options.image.is_some();
        if takes {
            self.image = ImageLane::Wanted;
        }
        takes
    }

    /// An image came, or did not.
    pub(super) fn image_answered(
        &mut self,
        store: &mut dyn SqlConnection,
        sent: &InFlight<SentPull>,
        outcome: Result<WireResponse, SendFailure>,
        inputs: &mut Inputs<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<()> {
        (self.image, self.image_files) = (ImageLane::Done, true);
        match self.stage_image(store, sent, outcome) {
            Ok(()) => self.pull.succeeded(),
            Err(error) => self.report(ClientErrorKind::PullHttp, error, inputs.now, actions),
        }
        if let Some(beside) = &self.options.image {
            image::sweep(store, beside)?;
        }
        self.retry_at_once(Which::Pull, inputs.now);
        Ok(())
    }

    fn stage_image(
        &mut self,
        store: &mut dyn SqlConnection,
        sent: &InFlight<SentPull>,
        outcome: Result<WireResponse, SendFailure>,
    ) -> Result<()> {
        let response = sort(outcome).map_err(|failed| match failed {
            Ok(refused) => wire_error(&refused.error),
            Err(error) => error,
        })?;
        let (Some(beside), Some(group)) = (&self.options.image, &self.group) else {
            return Err(Error::internal("an image came that nobody asked for"));
        };
        let sha256 = response.header(IMAGE_HASH_HEADER).ok_or_else(|| not_the_protocol("an image without its hash"))?;
        let path = image::path_for(beside, sent.request);
        let cookie = image::check(&path, sha256, &self.definition.schema, group)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let staged = Staged { file, sha256: sha256.to_owned() };
        transaction(store, |store| {
            let mut meta = Meta::load(store)?;
            if meta.client_id != sent.client_id || meta.position() != sent.what.cookie.as_ref() {
                return Err(Error::new(ErrorKind::Fault, "the store has moved on while the image was under way"));
            }
            let page = PullResponse {
                cookie,
                has_more: true,
                partial: true,
                patch: vec![PatchOp::Clear { table: None }],
                last_mutation_ids: Default::default(),
                last_key: None,
                results: Vec::new(),
                image: None,
            };
            inbox::stage_image(store, &mut meta, &page, &staged, sent.what.acknowledged)
        })?;
        self.checked_image = Some(sha256.to_owned());
        Ok(())
    }

    /// A set was applied, whatever became of the image.
    pub(super) fn forget_image(&mut self, store: &mut dyn SqlConnection) -> Result<()> {
        match &self.options.image {
            Some(beside) if std::mem::take(&mut self.image_files) => image::sweep(store, beside),
            _ => Ok(()),
        }
    }

    /// Before a set is applied: makes the rows of its image readable. False when it has none.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the file is not the one that was staged: the set begins anew, by pages.
    pub(super) fn attach_image(&mut self, store: &mut dyn SqlConnection) -> Result<bool> {
        let Some(staged) = inbox::image(store)? else { return Ok(false) };
        let (Some(beside), Some(group)) = (&self.options.image, &self.group) else {
            return Err(Error::new(ErrorKind::Protocol, "the store has an image staged, and this client takes none"));
        };
        let path = beside.with_file_name(&staged.file);
        // What this engine has checked itself a moment ago it need not read twice.
        let checked = match self.checked_image.take() == Some(staged.sha256.clone()) {
            true => Ok(()),
            false => image::check(&path, &staged.sha256, &self.definition.schema, group).map(drop),
        };
        checked
            .and_then(|()| image::attach(store, &path))
            .map_err(|error| Error::new(ErrorKind::Protocol, "the staged image cannot be used").with_source(error))?;
        Ok(true)
    }
}
