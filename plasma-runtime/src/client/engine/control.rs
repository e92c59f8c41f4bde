//! What a user may ask of the store: discard, reset, sign out, another context.

use uuid::Uuid;

use super::{Engine, SignOut};
use crate::client::at_rest;
use crate::client::event::{Action, Inputs};
use crate::client::identity::{self, Meta, keys, random_uuid};
use crate::client::lease;
use crate::client::outbox::{self, QueuedMutation, Skip};
use crate::client::outcomes::{self, Outcome, OutcomeStatus};
use crate::client::rows::transaction;
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::ErasedCtx;
use crate::store::SqlConnection;
use crate::store::cells::Cells as _;
use crate::store::ddl;
use crate::value::{Kind, Value};

/// What a reset loses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Losses {
    /// Mutations the server has not acknowledged.
    pub mutations: Vec<QueuedMutation>,
    /// Outcomes nobody has dismissed, applied ones left out.
    pub outcomes: Vec<Outcome>,
}

impl Engine {
    /// Takes a mutation back that was never sent: its effect is undone, what came after it runs again without it, and
    /// the server is told to skip its id. Doing it twice is no error.
    ///
    /// # Errors
    /// [`AlreadySent`](ErrorKind::AlreadySent) when the server may have it; [`NotFound`](ErrorKind::NotFound) when it
    /// was never queued here; [`Storage`](ErrorKind::Storage); [`Closed`](ErrorKind::Closed).
    pub fn discard(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        key: Uuid,
        inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        self.check_open()?;
        let mut actions = Vec::new();
        self.flush_group(store, &mut actions)?;
        let now = inputs.now;
        let learned = self.rebase(store, ctx, &mut actions, |rebase| {
            let store = &mut *rebase.writer.store;
            let sent = || Error::new(ErrorKind::AlreadySent, "the mutation was sent: the server may have run it");
            let Some(entry) = outbox::by_key(store, key)? else {
                return Err(match outcomes::get(store, key)? {
                    Some(_) => sent(),
                    None => Error::not_found("no such mutation is queued"),
                });
            };
            if entry.skip == Some(Skip::Discarded) {
                return Ok(None);
            }
            if entry.sent_ms.is_some() || entry.acknowledged {
                return Err(sent());
            }
            outbox::mark_skipped(store, entry.id, Skip::Discarded)?;
            let meta = Meta::load(store)?;
            let outcome = outcomes::record(store, &meta, &entry, OutcomeStatus::Discarded, None, now)?;
            rebase.anew()?;
            Ok(Some(outcome))
        })?;
        self.tell_outcomes(learned.into_iter().collect(), &mut actions);
        self.finish(store, inputs, &mut actions);
        Ok(actions)
    }

    /// Runs the pending mutations anew with another context.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage); [`Closed`](ErrorKind::Closed).
    pub fn set_ctx(
        &mut self,
        store: &mut dyn SqlConnection,
        ctx: &ErasedCtx,
        inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        self.check_open()?;
        let mut actions = Vec::new();
        self.flush_group(store, &mut actions)?;
        self.rebase(store, ctx, &mut actions, |rebase| rebase.anew())?;
        self.finish(store, inputs, &mut actions);
        Ok(actions)
    }

    /// Forgets an outcome; false when there was none.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage); [`Closed`](ErrorKind::Closed).
    pub fn dismiss(&mut self, store: &mut dyn SqlConnection, key: Uuid) -> Result<bool> {
        self.check_open()?;
        outcomes::dismiss(store, key)
    }

    /// What [`reset_local_state`](Self::reset_local_state) would lose now.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub fn losses(&self, store: &mut dyn SqlConnection) -> Result<Losses> {
        let mut lost = losses(store)?;
        lost.mutations.extend(self.group_entries());
        Ok(lost)
    }

    /// Drops the synced rows, the outbox and the outcomes, and takes a new client id; the next pull brings everything.
    /// Rows of `local_only` tables stay. Returns what was lost.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage); [`Closed`](ErrorKind::Closed).
    pub fn reset_local_state(
        &mut self,
        store: &mut dyn SqlConnection,
        _ctx: &ErasedCtx,
        inputs: &mut Inputs<'_>,
    ) -> Result<(Losses, Vec<Action>)> {
        self.check_open()?;
        let mut actions = Vec::new();
        self.flush_group(store, &mut actions)?;
        let lost = transaction(store, |store| {
            let lost = losses(store)?;
            self.drop_rows(store, false)?;
            for table in ["_plasma_outbox", "_plasma_outcomes"] {
                store.execute(&format!("DELETE FROM main.{table}"), &[])?;
            }
            for key in [keys::ISSUED, keys::ACKNOWLEDGED, keys::ACKNOWLEDGED_KEY] {
                identity::set(store, key, None)?;
            }
            identity::set(store, keys::CLIENT_ID, Some(&random_uuid(inputs.entropy).to_string()))?;
            Ok(lost)
        })?;
        self.push.in_flight = None;
        self.pull.in_flight = None;
        self.at_head = false;
        self.blocked = None;
        self.push.restart(inputs.now);
        self.pull.restart(inputs.now);
        self.refresh(store)?;
        self.changed_all(&mut actions);
        actions.push(Action::OutcomesChanged);
        self.finish(store, inputs, &mut actions);
        Ok((lost, actions))
    }

    /// Leaves the store. The engine is closed afterwards.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), and the engine stays open; [`Closed`](ErrorKind::Closed).
    pub fn sign_out(
        &mut self,
        store: &mut dyn SqlConnection,
        how: SignOut,
        _inputs: &mut Inputs<'_>,
    ) -> Result<Vec<Action>> {
        self.check_open()?;
        let mut actions = Vec::new();
        self.flush_group(store, &mut actions)?;
        transaction(store, |store| {
            self.drop_rows(store, how == SignOut::Wipe)?;
            lease::release(store, &self.holder)?;
            if how == SignOut::Wipe {
                if let Some(cipher) = &self.cipher {
                    at_rest::drop_views(store)?;
                    // The count goes with the rest.
                    let _dropped = cipher.to_be_counted();
                }
                for table in ["_plasma_outbox", "_plasma_outcomes", "_plasma_meta"] {
                    store.execute(&format!("DELETE FROM main.{table}"), &[])?;
                }
                let kept = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB '_plasma_kept_*'";
                for name in store.query(kept, &[], &[Kind::Text])?.into_iter().flatten() {
                    if let Value::Text(name) = name {
                        store.batch(&ddl::drop_table(&name))?;
                    }
                }
                for texts in self.texts.iter() {
                    store.batch(&ddl::drop_table(texts.table.name))?;
                }
                // Nothing of ours is left: the next to open it makes it anew, whoever that is.
                for table in crate::client::tables::NAMES {
                    store.batch(&ddl::drop_table(table))?;
                }
            } else {
                // The effects are gone with the rows they stood on.
                identity::set(store, keys::REPLAY, Some("1"))?;
            }
            Ok(())
        })?;
        self.closed = true;
        self.started = false;
        self.push.in_flight = None;
        self.pull.in_flight = None;
        self.changed_all(&mut actions);
        actions.push(Action::StatusChanged);
        Ok(actions)
    }

    /// Encrypts what the store has encrypted with another key, in one transaction. Until it is committed the old key is the
    /// store's, afterwards only the new one is. Other processes that have the store open have to open it again.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the store was opened without a key, or this one has the id of the present one;
    /// [`Encryption`](ErrorKind::Encryption) when a value does not open; [`Storage`](ErrorKind::Storage);
    /// [`Closed`](ErrorKind::Closed).
    #[cfg(feature = "encryption")]
    pub fn rotate_at_rest(
        &mut self,
        store: &mut dyn SqlConnection,
        key: crate::crypto::Dek,
        key_id: crate::crypto::KeyId,
    ) -> Result<Vec<Action>> {
        self.check_open()?;
        let mut actions = Vec::new();
        self.flush_group(store, &mut actions)?;
        let cipher = self.options.encryption.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Config, "the store was opened without a key: give one with `.encryption(..)`")
        })?;
        at_rest::rotate(store, cipher, key, key_id)?;
        Ok(actions)
    }

    /// Empties the tables that sync (or all), with effects and staged pages; the base is nothing afterwards.
    fn drop_rows(&self, store: &mut dyn SqlConnection, local_too: bool) -> Result<()> {
        for texts in self.texts.iter().filter(|texts| local_too || !texts.table.local_only) {
            store.execute(&texts.delete_all, &[])?;
        }
        for table in ["_plasma_effects", "_plasma_inbox"] {
            store.execute(&format!("DELETE FROM main.{table}"), &[])?;
        }
        for key in [keys::COOKIE, keys::INBOX_COOKIE, keys::INBOX_ACKNOWLEDGED, keys::LAST_PULL] {
            identity::set(store, key, None)?;
        }
        Ok(())
    }
}

fn losses(store: &mut dyn SqlConnection) -> Result<Losses> {
    Ok(Losses {
        mutations: outbox::list(store)?
            .into_iter()
            .filter(|entry| !entry.acknowledged && entry.skip.is_none())
            .collect(),
        outcomes: outcomes::list(store)?
            .into_iter()
            .filter(|outcome| outcome.status != OutcomeStatus::Applied)
            .collect(),
    })
}
