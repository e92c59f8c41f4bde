//! The doctor sees what is in a store, and what is wrong with one.

use std::path::PathBuf;

use serde_json::json;

use super::support::*;
use crate::client::doctor::{Checkup, Waiting, examine};
use crate::client::event::Event;
use crate::error::ErrorKind;
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;

struct Patient {
    client: Client,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Patient {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let store = SqliteConnection::open(&file, Default::default()).unwrap();
        let mut client = Client::over(store, plain_options()).unwrap();
        client.begin();
        Patient { client, file, _folder: folder }
    }

    fn examine(&self) -> Checkup {
        examine(&self.file).unwrap()
    }

    fn spoil(&mut self, sql: &str) -> Checkup {
        SqlConnection::batch(&mut self.client.store, sql).unwrap();
        self.examine()
    }
}

#[test]
fn a_store_that_is_well() {
    let patient = Patient::new();
    let before = std::fs::read(&patient.file).unwrap();
    let checkup = patient.examine();
    assert_eq!((checkup.damage.clone(), checkup.warnings.clone(), checkup.head.clone()), (vec![], vec![], None));
    assert_eq!(checkup.rows["lists"], 0);
    assert!(checkup.identity.contains(&("group", "alice".to_owned())), "{checkup}");
    assert!(checkup.to_string().ends_with("the store is whole"));
    assert_eq!(std::fs::read(&patient.file).unwrap(), before, "it only looks");
}

#[test]
fn the_head_of_the_queue_says_why_it_is_there() {
    let mut patient = Patient::new();
    let why = |patient: &Patient| patient.examine().head.map(|head| (head.id, head.why));
    patient.client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    patient.client.mutate("list.add", json!({ "id": id(2), "name": "two" }));
    assert_eq!(why(&patient), Some((1, Waiting::NeverSent)));
    assert_eq!((patient.examine().queued, patient.examine().rows["lists"]), (2, 2));

    patient.client.event(Event::PushNow);
    let push = patient.client.take_push();
    assert_eq!(why(&patient), Some((1, Waiting::Unanswered(patient.client.now))));

    patient.client.answer(&push, 200, applied(&push));
    assert_eq!(why(&patient), Some((1, Waiting::Unobserved)));
    // The next one stands behind the network, not behind the pull.
    patient.client.mutate("list.add", json!({ "id": id(3), "name": "three" }));
    assert_eq!(why(&patient), Some((3, Waiting::NeverSent)));
    let checkup = patient.examine();
    assert_eq!((checkup.queued, checkup.acknowledged), (1, 2));

    patient.client.pull(vec![put_list(1, "one"), put_list(2, "two")], Some(2));
    let checkup = patient.examine();
    assert_eq!((checkup.queued, checkup.acknowledged, checkup.outcomes["applied"]), (1, 0, 2));
    assert_eq!(checkup.damage, Vec::<String>::new());
}

#[test]
fn a_mutation_that_fails_here_and_one_that_was_rejected() {
    let mut patient = Patient::new();
    patient.client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    // The server's rows take the row's place: the insert cannot be replayed.
    patient.client.pull(vec![put_list(1, "theirs")], None);
    let head = patient.examine().head.unwrap();
    assert!(matches!(head.why, Waiting::FailingLocally(_)), "{:?}", head.why);

    patient.client.event(Event::PushNow);
    let push = patient.client.take_push();
    let mut answer = applied(&push);
    answer["results"][0]["status"] = json!("rejected");
    answer["results"][0]["error"] = json!({ "code": "conflict", "message": "there is one already" });
    patient.client.answer(&push, 200, answer);
    let warnings = patient.examine().warnings;
    assert!(warnings[0].contains("list.add") && warnings[0].contains("there is one already"), "{warnings:?}");
}

#[test]
fn a_mutator_that_is_not_deterministic_is_remembered() {
    let mut patient = Patient::new();
    patient.client.mutate("list.add", json!({ "id": id(1), "name": "one" }));
    patient.client.event(Event::PushNow);
    let push = patient.client.take_push();
    let mut answer = applied(&push);
    answer["results"][0]["effects"] = json!("0000000000000000");
    patient.client.answer(&push, 200, answer);
    let warnings = patient.examine().warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("something else") && warning.contains("list.add")),
        "{warnings:?}"
    );
}

#[test]
fn damage_is_named() {
    let damage = |sql: &str| {
        let mut patient = Patient::new();
        for n in 1..=3 {
            patient.client.mutate("list.add", json!({ "id": id(n), "name": "list" }));
        }
        let checkup = patient.spoil(sql);
        assert!(checkup.to_string().ends_with("the store is damaged"), "{checkup}");
        checkup.damage.join("; ")
    };
    assert!(damage("DELETE FROM _plasma_outbox WHERE id = 2").contains("a gap between 1 and 3"));
    assert!(damage("DELETE FROM _plasma_outbox WHERE id = 3").contains("1 effects belong to no mutation"));
    assert!(damage("DELETE FROM _plasma_outbox WHERE id = 1").contains("begins at 2"));
    assert!(damage("DROP TABLE _plasma_inbox").contains("`_plasma_inbox` is missing"));
    assert!(damage("DELETE FROM _plasma_meta WHERE key = 'client_id'").contains("no client id"));
}

#[test]
fn a_file_with_broken_pages() {
    let mut patient = Patient::new();
    for n in 1..=200 {
        patient.client.mutate("list.add", json!({ "id": id(n), "name": "a name that takes some space ".repeat(8) }));
    }
    SqlConnection::batch(&mut patient.client.store, "PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let file = patient.file.clone();
    let mut bytes = std::fs::read(&file).unwrap();
    let broken = file.with_file_name("broken.db");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xaa);
    std::fs::write(&broken, bytes).unwrap();
    match examine(&broken) {
        Ok(checkup) => assert!(checkup.damage.iter().any(|line| line.starts_with("SQLite:")), "{checkup}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Storage),
    }
}

#[test]
fn what_is_no_store_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let kind = |name: &str| examine(folder.path().join(name)).unwrap_err().kind();
    assert_eq!(kind("nothing.db"), ErrorKind::NotFound);
    std::fs::write(folder.path().join("text.db"), "no database, but long enough to be looked at".repeat(200)).unwrap();
    assert_eq!(kind("text.db"), ErrorKind::Storage);
    SqliteConnection::open(folder.path().join("other.db"), Default::default())
        .and_then(|mut store| SqlConnection::batch(&mut store, "CREATE TABLE mine (id INTEGER)"))
        .unwrap();
    assert_eq!(kind("other.db"), ErrorKind::WrongStore);
}
