//! Planted bugs that only several servers show: something that one process knows for itself, and trusts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plasma::sim::{Faults, NoTamper, Rare, ServerId, Tamper, Workload};
use plasma_runtime::protocol::{Method, PushRequest, PushResponse, WireRequest, WireResponse};
use plasma_runtime::store::SqlConnection;
use plasma_runtime::value::{Kind, Value};

use super::cards::OnCards;
use super::lists;
use super::planted_compaction::{FAULTS, found, sim};

/// Finds nothing with one server, and the bug with several, by one of these invariants.
fn finds<T: Tamper + Default + 'static>(workload: Arc<dyn Workload>, invariants: &[&str]) {
    sim(Arc::clone(&workload), T::default()).seeds(0..60).servers(1).run().assert_passed();
    found(&sim(workload, T::default()).servers(3).stop_at_first_failure().run(), invariants);
}

/// What each server knows.
struct Known<T>(Mutex<BTreeMap<ServerId, T>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known(Mutex::new(BTreeMap::new()))
    }
}

impl<T> Known<T> {
    fn get(&self) -> MutexGuard<'_, BTreeMap<ServerId, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn nothing_is_found_where_nothing_is_planted() {
    let faults = Faults { lost_poke: 30, crash_server: 8, ..FAULTS };
    let report = sim(lists(), NoTamper).seeds(0..80).faults(faults).run();
    report.assert_passed();
    report.assert_reached(&[Rare::PokedAcross, Rare::PokeLost, Rare::Compacted, Rare::Folded]);
}

/// A server that has taken a client's push knows where the client stands, and does not ask the ledger again.
#[test]
fn ledger_cached() {
    #[derive(Default)]
    struct Cached(Known<BTreeMap<String, u64>>);
    impl Tamper for Cached {
        fn started(&self, server: ServerId) {
            self.0.get().remove(&server);
        }
        fn server(&self, at: ServerId, request: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let Some(push) = push_of(request) else { return Ok(()) };
            let known = self.0.get();
            let Some(last) = known.get(&at).and_then(|clients| clients.get(&push.client_id)) else { return Ok(()) };
            let params = [Value::from(push.client_id.as_str()), Value::Int(*last as i64)];
            db.execute("DELETE FROM _plasma_outcomes WHERE client_id = ?1 AND mutation_id > ?2", &params)?;
            let sql = "UPDATE _plasma_client_mutations SET last_mutation_id = ?2 \
                WHERE client_id = ?1 AND last_mutation_id > ?2";
            db.execute(sql, &params).map(drop)
        }
        fn response(&self, at: ServerId, request: &WireRequest, response: &mut WireResponse) {
            let Some(push) = push_of(request) else { return };
            let mut known = self.0.get();
            let clients = known.entry(at).or_default();
            match serde_json::from_slice::<PushResponse>(&response.body) {
                Ok(answer) if response.status == 200 => drop(clients.insert(push.client_id, answer.last_mutation_id)),
                _ => drop(clients.remove(&push.client_id)),
            }
        }
    }
    finds::<Cached>(lists(), &["I1", "I2", "I3", "I6"]);
}

/// A server knows how far the log is compacted, as it was when it last did so itself.
#[test]
fn horizon_cached() {
    #[derive(Default)]
    struct Cached(Known<(Value, Value)>);
    impl Tamper for Cached {
        fn started(&self, server: ServerId) {
            self.0.get().insert(server, (Value::Null, Value::Null));
        }
        fn server(&self, at: ServerId, request: &WireRequest, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let known = self.0.get();
            let (true, Some((bound, state))) = (request.method == Method::Get, known.get(&at)) else { return Ok(()) };
            for (key, value) in [("compaction_bound", bound), ("compaction_state", state)] {
                db.execute("DELETE FROM _plasma_meta WHERE key = ?1", &[key.into()])?;
                if *value != Value::Null {
                    db.execute("INSERT INTO _plasma_meta VALUES (?1, ?2)", &[key.into(), value.clone()])?;
                }
            }
            Ok(())
        }
        fn compacted(&self, at: ServerId, db: &mut dyn SqlConnection) -> plasma::Result<()> {
            let mut value = |key: &str| -> plasma::Result<Value> {
                let rows = db.query("SELECT value FROM _plasma_meta WHERE key = ?1", &[key.into()], &[Kind::Text])?;
                Ok(rows.first().map_or(Value::Null, |row| row[0].clone()))
            };
            let now = (value("compaction_bound")?, value("compaction_state")?);
            self.0.get().insert(at, now);
            Ok(())
        }
    }
    finds::<Cached>(Arc::new(OnCards), &["I5", "I7", "I9", "I14", "application"]);
}

fn push_of(request: &WireRequest) -> Option<PushRequest> {
    (request.method == Method::Post).then(|| serde_json::from_slice(&request.body).ok()).flatten()
}
