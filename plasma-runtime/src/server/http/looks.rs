//! One look at the database for all held pulls that would see the same.
//!
//! A poke wakes every held pull. Those that stand at one position, of one group, under the same rules, are answered with
//! the same page, except for the outcomes of who wrote. So the first that looks after a poke looks for all of them. And who
//! comes back with the cookie of that page before the next poke has nothing to look for: a commit of this process pokes, and
//! those of other programs are looked for from time to time while somebody waits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::protocol::PullRequest;
use crate::server::{Caller, Refusal};

/// Different looks that are kept for one poke; beyond it everybody looks alone.
const KEPT: usize = 4_096;

/// What a page depends on besides the database and the writer's own outcomes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    group: String,
    cookie: String,
    fingerprint: Option<String>,
    limit: Option<u64>,
    /// The digests of the caller's rules.
    rules: Arc<BTreeMap<String, String>>,
}

impl Key {
    /// None without a cookie: everything anew is a page of its own.
    pub(super) fn new(caller: &Caller, request: &PullRequest, rules: Arc<BTreeMap<String, String>>) -> Option<Self> {
        Some(Key {
            group: caller.group.clone(),
            cookie: request.cookie.clone()?,
            fingerprint: request.fingerprint.clone(),
            limit: request.limit,
            rules,
        })
    }
}

/// One look.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// There is nothing to send.
    pub(super) empty: bool,
    pub(super) body: String,
    /// The clients whose mutations it acknowledges: for each of them the page is another.
    pub(super) told: BTreeSet<String>,
    /// The page's cookie, when there is nothing more behind it.
    pub(super) newest: Option<String>,
}

/// The looks after the newest poke.
#[derive(Default)]
pub(super) struct Looks(Mutex<Newest>);

#[derive(Default)]
struct Newest {
    sequence: u64,
    looks: BTreeMap<Key, Arc<OnceCell<Look>>>,
    /// Who asks with one of these is told nothing before the next poke.
    current: BTreeSet<Key>,
}

impl Newest {
    /// False when a newer poke has come.
    fn is_at(&mut self, sequence: u64) -> bool {
        if sequence > self.sequence {
            *self = Newest { sequence, ..Newest::default() };
        }
        sequence == self.sequence
    }
}

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Looks")
    }
}

impl Looks {
    /// The look after the poke with this number for those with this key: `look` makes it, unless somebody did. None when
    /// this client has to look by itself.
    pub(super) async fn together(
        &self,
        sequence: u64,
        key: &Key,
        client: &str,
        look: impl Future<Output = Result<Look, Refusal>>,
    ) -> Option<Result<Look, Refusal>> {
        let shared = self.cell(sequence, key)?;
        let mut own = false;
        let looked = shared
            .get_or_try_init(|| {
                own = true;
                look
            })
            .await;
        match looked {
            // A failure is the caller's own: the next one looks again.
            Err(refusal) => Some(Err(refusal)),
            Ok(found) if own || !found.told.contains(client) => Some(Ok(found.clone())),
            Ok(_) => None,
        }
    }

    /// A look after the poke with this number handed out this cookie, and there was nothing behind it.
    pub(super) fn note(&self, sequence: u64, key: &Key, look: &Look) {
        let Some(cookie) = &look.newest else { return };
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.is_at(sequence) && newest.current.len() < KEPT {
            newest.current.insert(Key { cookie: cookie.clone(), ..key.clone() });
        }
    }

    /// Whether who asks with this cookie has all there was at the poke with this number, the newest.
    pub(super) fn is_current(&self, sequence: u64, key: &Key) -> bool {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.is_at(sequence) && newest.current.contains(key)
    }

    fn cell(&self, sequence: u64, key: &Key) -> Option<Arc<OnceCell<Look>>> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Woken by an older poke: what was looked up after the newer one would do, but is not this one's to make.
        if !newest.is_at(sequence) || (newest.looks.len() >= KEPT && !newest.looks.contains_key(key)) {
            return None;
        }
        Some(Arc::clone(newest.looks.entry(key.clone()).or_default()))
    }
}
