//! A new client id for the same store: after a fork, an expiry, or when the server lost its history.
//!
//! The whole outbox is issued again under the new id with the keys it has, in one transaction: the server knows the
//! keys, so nothing runs twice. What was sent longer ago than the server keeps keys cannot be sent again without that
//! risk; it ends as `unknown`, reported.

use super::effects;
use super::event::Entropy;
use super::identity::{self, Meta, keys, random_uuid};
use super::inbox;
use super::outbox::{self, id_value};
use super::outcomes::{self, Outcome, OutcomeStatus};
use super::rebase::Rebase;
use crate::error::Result;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// Another copy of this store used our client id.
    Forked,
    /// The server retired our client id.
    Expired,
    /// The server no longer has the acknowledged mutations from this id on.
    Lost {
        /// The first id it does not have.
        from: u64,
    },
}

/// Takes a new client id. Returns the outcomes that follow.
pub(crate) fn rotate(
    rebase: &mut Rebase<'_>,
    rotation: Rotation,
    key_retention_ms: i64,
    now: i64,
    entropy: &mut dyn Entropy,
) -> Result<Vec<Outcome>> {
    let store = &mut *rebase.writer.store;
    let mut meta = Meta::load(store)?;
    let mut learned = Vec::new();
    let entries = outbox::list(store)?;
    if let Rotation::Lost { from } = rotation {
        // Entries still in the outbox are issued again and find their end anew.
        let last = entries.first().map_or(meta.acknowledged, |first| meta.acknowledged.min(first.id - 1));
        let lost = outcomes::mark_lost(store, &meta, from.max(1), last, &mut || random_uuid(entropy), now)?;
        for key in lost {
            learned.extend(outcomes::get(store, key)?);
        }
        for entry in entries.iter().filter(|entry| entry.acknowledged) {
            outcomes::dismiss(store, entry.key)?;
        }
        // Our base is of that history too.
        identity::set(store, keys::COOKIE, None)?;
    }
    let forgotten = |sent: Option<i64>| sent.is_some_and(|sent| now.saturating_sub(sent) > key_retention_ms);
    let mut dropped = false;
    for entry in entries {
        if !forgotten(entry.sent_ms) || entry.skip.is_some() {
            continue;
        }
        if !dropped {
            // While the effects of all of them are still there.
            effects::undo_all(&mut rebase.writer)?;
            dropped = true;
        }
        let store = &mut *rebase.writer.store;
        if outcomes::get(store, entry.key)?.is_none() {
            learned.push(outcomes::record(store, &meta, &entry, OutcomeStatus::Unknown, None, now)?);
        }
        store.execute("DELETE FROM main._plasma_outbox WHERE id = ?1", &[id_value(entry.id)])?;
    }
    let store = &mut *rebase.writer.store;
    outbox::renumber(store)?;
    identity::set(store, keys::CLIENT_ID, Some(&random_uuid(entropy).to_string()))?;
    for key in [keys::ISSUED, keys::ACKNOWLEDGED, keys::ACKNOWLEDGED_KEY] {
        identity::set(store, key, None)?;
    }
    inbox::clear(store, &mut meta)?;
    if dropped {
        rebase.replay()?;
    }
    Ok(learned)
}
