//! The invariants that are checked at the end of a run, against the ledger the simulator kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::workload::{Rows, synced_rows};
use super::{Rare, Violation, World};
use crate::client::{Outcome, OutcomeStatus};
use crate::error::Result;

impl World {
    /// I1, I2, I3 once everything is quiet (I9 and I10 are what made it quiet).
    pub(super) fn check_end(&mut self) -> Result<()> {
        let newest = &self.versions[self.servers.migrated()];
        let (definition, workload) = (Arc::clone(&newest.definition), Arc::clone(&newest.workload));
        let server = synced_rows(&definition, self.servers.store.inner())?;
        if let Err(rule) = workload.holds(&mut Rows::copy(&server)) {
            self.fail(Violation::new("I2", format!("the server's rows cannot be: {rule}")));
        }
        let audit: Option<BTreeSet<String>> = workload
            .audit()
            .map(|audit| server.get(audit.table.name).map(|rows| rows.keys().cloned().collect()).unwrap_or_default());
        if let Some(audit) = &audit {
            let attempted: BTreeSet<_> = self.attempted.iter().map(uuid::Uuid::to_string).collect();
            if let Some(stranger) = audit.difference(&attempted).next() {
                self.fail(Violation::new("I2", format!("the audit row {stranger} was written by nobody")));
            }
        }
        for id in 0..self.nodes.len() {
            self.check_outcomes(id, audit.as_ref())?;
        }
        for client in self.servers.broken_ledgers()? {
            self.fail(Violation::new("I3", format!("the ids of client {client} have gaps or doubles")));
        }
        self.check_order()?;
        self.check_history()
    }

    /// I8: what each client saw of the audit table, and when it wrote. A restored server is time going back.
    fn check_history(&mut self) -> Result<()> {
        let Some(audit) = self.versions[0].workload.audit() else { return Ok(()) };
        if self.servers.history > 0 {
            return Ok(());
        }
        let order = self.servers.order(audit.table.name)?;
        if let Some(anomaly) = self.history.anomaly(&order) {
            self.fail(Violation::new("I8", anomaly));
        }
        Ok(())
    }

    /// I1: everything issued has an end that is reported, and the report is true.
    fn check_outcomes(&mut self, id: usize, audit: Option<&BTreeSet<String>>) -> Result<()> {
        let restored = self.servers.history > 0;
        let node = &mut self.nodes[id];
        let Some(engine) = &node.engine else { return Ok(()) };
        let mut violations = Vec::new();
        for issued in &node.issued {
            let outcome = engine.outcome(node.store.inner(), issued.key)?;
            let applied = issued.audit.and_then(|nonce| Some(audit?.contains(&nonce.to_string())));
            let Some(Outcome { status, .. }) = outcome else {
                violations.push(format!("{} ({}) is neither queued nor reported", issued.name, issued.key));
                continue;
            };
            match (status, applied) {
                // Two copies of a store under one client id, and a server that lost one's mutation and then took the
                // other's under the same id: the ids agree, so that the loss cannot be seen.
                (OutcomeStatus::Applied, Some(false)) if !(restored && node.shared) => {
                    violations
                        .push(format!("{} ({}) is reported as applied and is not there", issued.name, issued.key));
                }
                // A restored server may run anew what it had refused before.
                (OutcomeStatus::Rejected | OutcomeStatus::Discarded | OutcomeStatus::TooLarge, Some(true))
                    if !restored =>
                {
                    violations.push(format!("{} ({}) is reported as {status:?} and is there", issued.name, issued.key));
                }
                (OutcomeStatus::LostByServer, _) => {
                    self.reached.insert(Rare::LostHistory);
                }
                _ => {}
            }
        }
        for message in violations {
            self.fail(Violation::new("I1", format!("on client {id} {message}")));
        }
        Ok(())
    }

    /// I3: the effects of one client's mutations are in the order it issued them.
    fn check_order(&mut self) -> Result<()> {
        let Some(audit) = self.versions[0].workload.audit() else { return Ok(()) };
        let order = self.servers.order(audit.table.name)?;
        let mut lost = BTreeSet::new();
        for node in &mut self.nodes {
            let Some(engine) = &node.engine else { continue };
            for outcome in engine.outcomes(node.store.inner())? {
                // A loss is reported to be safe: a late copy of the push may still bring the mutation back, later.
                if matches!(outcome.status, OutcomeStatus::LostByServer | OutcomeStatus::Unknown) {
                    lost.insert(outcome.key);
                }
            }
        }
        let mut wrong = None;
        let restored = self.servers.history > 0;
        for (id, node) in self.nodes.iter().enumerate() {
            // Two copies of a store under one client id, and a server that lost what one of them had acknowledged and took
            // the other's under the same id: the one goes on behind it, and sends what was lost after that.
            if restored && node.shared {
                continue;
            }
            let mut last = None;
            for issued in node.issued.iter().filter(|issued| !lost.contains(&issued.key)) {
                let Some(nonce) = issued.audit.map(|nonce| nonce.to_string()) else { continue };
                let Some(at) = order.iter().position(|row| *row == nonce) else { continue };
                if last > Some(at) {
                    wrong = Some(format!("{} of client {id} took effect before an earlier mutation", issued.name));
                }
                last = Some(at);
            }
        }
        if let Some(wrong) = wrong {
            self.fail(Violation::new("I3", wrong));
        }
        Ok(())
    }
}
