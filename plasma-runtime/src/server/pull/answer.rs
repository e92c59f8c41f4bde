//! The page as it is sent.

use std::collections::BTreeMap;

use super::context::{Context, Cut};
use super::page::Page;
use super::set::{Set, Stop};
use super::{Pulled, ledger};
use crate::error::{Error, Result};
use crate::protocol::cookie::{Position, Seen, Walk};
use crate::protocol::{PullRequest, PullResponse};
use crate::store::SqlExecutor;

impl Context<'_> {
    /// The answer for a page of `set`. None: its cookie would be too long.
    #[expect(clippy::too_many_arguments, reason = "the parts of one answer, put together in one place")]
    pub(super) async fn answer(
        &self,
        db: &mut dyn SqlExecutor,
        set: &Set,
        cut: Cut,
        seen: Seen,
        digests: BTreeMap<String, String>,
        page: Page,
        stop: Option<Stop>,
    ) -> Result<Option<Pulled>> {
        let partial = stop.is_some();
        let has_more = partial || cut.at < self.head.version || digests != self.policies.digests;
        if partial {
            // The log must stay as it is from the set's start on, until the reader has pulled the rest.
            let lease = self.engine.options().compaction.as_ref().map_or(0, |options| options.lease_ms);
            self.engine.leases.hold(set.from.map_or(cut.at, |from| from.at), self.now_ms.saturating_add(lease));
        }
        let walk = stop.map(|stop| Walk {
            from: set.from,
            restated: set.restated.clone(),
            table: stop.table,
            after: stop.after,
        });
        let schema = Some(self.lens.fingerprint);
        let position = Position { at: cut.at, mark: cut.mark, seen, schema, policies: digests, walk };
        let cookie = match position.encode() {
            Ok(cookie) => cookie,
            // Without the list of tables stated anew it is shorter: state all of them.
            Err(_) if set.from.is_some() => return Ok(None),
            Err(e) => return Err(Error::internal("a cookie cannot be written").with_source(e)),
        };
        let mut response = PullResponse {
            cookie,
            has_more,
            partial,
            patch: page.patch,
            last_mutation_ids: BTreeMap::new(),
            last_key: None,
            results: Vec::new(),
            image: None,
        };
        if !partial {
            let after = set.from.map(|from| from.at);
            let PullRequest { client_id, settled, .. } = self.request;
            let group = &self.caller.group;
            ledger::fill(db, group, client_id, settled.unwrap_or(0), after, cut.at, &mut response).await?;
        }
        let empty = response.patch.is_empty() && response.last_mutation_ids.is_empty() && !response.has_more;
        Ok(Some(Pulled { response, empty }))
    }
}
