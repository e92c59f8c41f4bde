//! What befalls the device a client runs on: a clock that jumps, a full disk, a frozen process, a network that answers for
//! the server.

use bytes::Bytes;

use super::node::NodeId;
use super::{Rare, World};
use crate::error::Result;
use crate::protocol::WireResponse;
use crate::store::SqlConnection as _;
use crate::value::Kind;

const DAY_MS: u64 = 24 * 3_600 * 1_000;

impl World {
    /// The clock of a device jumps by up to a day, forward or back.
    pub(super) fn clock_jump(&mut self, id: NodeId) {
        let most = *self.rng.pick(&[2_000, 120_000, DAY_MS]).unwrap_or(&DAY_MS);
        let by = self.rng.between(1, most) as i64;
        let by = if self.rng.chance(50) { by } else { -by };
        self.set_clock(id, self.nodes[id].skew + by);
    }

    /// Sets how far the clock of a client's device is off, ms.
    pub fn set_clock(&mut self, id: NodeId, skew: i64) {
        self.note(format_args!("the clock of client {id} is off by {skew} ms"));
        if skew < self.nodes[id].skew - 600_000 {
            self.reached.insert(Rare::ClockWentBack);
        }
        self.nodes[id].skew = skew;
    }

    /// Takes all space from a client's store, or gives it back. SQLite itself refuses to grow the file.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn set_disk_full(&mut self, id: NodeId, full: bool) -> Result<()> {
        let node = &mut self.nodes[id];
        if node.disk_full == full {
            return Ok(());
        }
        node.disk_full = full;
        let store = node.store.inner();
        // Below the present size SQLite takes the present size.
        let pages = if full { 1 } else { 1_073_741_823 };
        store.query(&format!("PRAGMA max_page_count = {pages}"), &[], &[Kind::Int])?;
        self.note(format_args!("the disk of client {id} is full: {full}"));
        Ok(())
    }

    /// Freezes a client's process, or lets it go on: what came meanwhile comes at once.
    pub fn set_frozen(&mut self, id: NodeId, frozen: bool) {
        let node = &mut self.nodes[id];
        match (&mut node.frozen, frozen) {
            (None, true) if node.engine.is_some() => {
                node.frozen = Some(Vec::new());
                self.note(format_args!("client {id} is frozen"));
            }
            (Some(waiting), false) => {
                let waiting = std::mem::take(waiting);
                node.frozen = None;
                if !waiting.is_empty() {
                    self.reached.insert(Rare::Thawed);
                }
                self.note(format_args!("client {id} goes on with {} things that waited", waiting.len()));
                for due in waiting {
                    self.later(self.now + 1, due);
                }
            }
            _ => {}
        }
    }

    /// The answer of somebody who is not the server, in place of `real`, or of a request that then never reaches it.
    pub(super) fn foreign_answer(&mut self, id: NodeId, real: Option<&WireResponse>) -> Option<WireResponse> {
        if self.healed || self.nodes[id].partitioned || !self.rng.chance(self.settings.faults.foreign_answer) {
            return None;
        }
        let html = ("content-type".to_owned(), "text/html".to_owned());
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let page = Bytes::from_static(b"<!doctype html><title>Welcome to the guest network</title>");
        let half = real.map(|real| real.body.slice(..real.body.len() / 2));
        let (status, headers, body) = match self.rng.below(10) {
            0 | 1 => (200, vec![html], page),
            2 => (302, vec![html, ("location".to_owned(), "http://portal.example/".to_owned())], Bytes::new()),
            3 => (403, vec![html], page),
            4 => (404, vec![html], page),
            5 => (429, vec![("retry-after".to_owned(), "7".to_owned())], Bytes::new()),
            6 => (502, vec![html], page),
            7 => (503, vec![("retry-after".to_owned(), "2".to_owned())], Bytes::new()),
            8 => (200, vec![json], Bytes::from_static(b"{}")),
            _ => (200, vec![json], half.unwrap_or_else(|| Bytes::from_static(b"[]"))),
        };
        self.reached.insert(Rare::ForeignAnswer);
        self.note(format_args!("somebody else answers client {id} with {status} and {} bytes", body.len()));
        Some(WireResponse { status, headers, body })
    }
}
