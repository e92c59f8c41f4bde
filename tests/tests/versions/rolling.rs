//! A rolling upgrade: servers of two versions over one database, clients of three.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use plasma::client::{Client, OutcomeStatus};

use super::{Fleet, Known, Version, id, list, sync, task, v1, v2, v3};
use crate::place::Place;

/// Small and repeatable: xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// A client of some version over its file.
enum Any {
    One(Client<v1::App>),
    Two(Client<v2::App>),
    Three(Client<v3::App>),
}

struct Device {
    file: PathBuf,
    client: Any,
}

macro_rules! with {
    ($device:expr, |$client:ident| $work:expr) => {
        match &$device.client {
            Any::One($client) => $work,
            Any::Two($client) => $work,
            Any::Three($client) => $work,
        }
    };
}

async fn tasks<S: Version>(client: &Client<S>) -> Vec<Known> {
    S::tasks(client).await
}

async fn settle<S: Version>(client: &Client<S>) {
    // A server of an earlier version refuses some of it; the next one does not.
    let _ = client.push_once().await;
    let _ = client.pull_once().await;
}

async fn applied<S: Version>(client: &Client<S>) {
    let outcomes = client.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    assert_eq!(client.status().get().drift, None);
    assert_eq!(client.outbox().await.expect("readable"), []);
}

impl Device {
    async fn retitle(&self, n: u32, title: &str) {
        let args = serde_json::json!({ "id": id(n), "title": title });
        let ended = match &self.client {
            Any::One(client) => client.mutate_named("tasks.rename", &args).await.map(drop),
            Any::Two(client) => client.mutate_named("tasks.retitle", &args).await.map(drop),
            Any::Three(client) => client.mutate_named("tasks.retitle", &args).await.map(drop),
        };
        // It may not have the task yet.
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == plasma::ErrorKind::NotFound));
    }

    /// The application is updated.
    async fn update(&mut self, fleet: &Arc<Fleet>) {
        with!(self, |client| client.close().await);
        self.client = match self.client {
            Any::One(_) => Any::Two(fleet.open("ann", &self.file).await),
            Any::Two(_) | Any::Three(_) => Any::Three(fleet.open("ann", &self.file).await),
        };
    }

    /// The application is closed and opened again.
    async fn restart(&mut self, fleet: &Arc<Fleet>) {
        with!(self, |client| client.close().await);
        self.client = match self.client {
            Any::One(_) => Any::One(fleet.open("ann", &self.file).await),
            Any::Two(_) => Any::Two(fleet.open("ann", &self.file).await),
            Any::Three(_) => Any::Three(fleet.open("ann", &self.file).await),
        };
    }
}

/// Servers of versions 1 to 3 come one after the other, two at a time; devices work, restart and are updated whenever.
async fn roll(place: Place, seed: u64, steps: usize) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let Some(fleet) = Fleet::new::<v1::App>(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut devices = Vec::new();
    for number in 0..3 {
        let file = folder.path().join(number.to_string());
        devices.push(Device { client: Any::One(fleet.open("ann", &file).await), file });
    }
    with!(devices[0], |client| {
        list(client, 1).await;
        sync(client).await;
    });
    for device in &devices {
        with!(device, |client| sync(client).await);
    }
    let mut made = BTreeSet::new();
    let mut rolled = 1;
    for step in 0..steps {
        // The servers go on at a third and at two thirds of the way; the former one stays up for a while.
        match (step * 6 / steps, rolled) {
            (1, 1) => (fleet.join::<v2::App>().await, rolled = 2).1,
            (2, 2) => (fleet.only::<v2::App>(), rolled = 3).1,
            (3, 3) => (fleet.join::<v3::App>().await, rolled = 4).1,
            (5, 4) => (fleet.only::<v3::App>(), rolled = 5).1,
            _ => {}
        }
        let device = &mut devices[random.below(3) as usize];
        match random.below(12) {
            0..=3 => {
                let n = 1_000 + step as u32;
                with!(device, |client| task(client, n, &format!("t{n}"), i64::from(n % 60)).await);
                made.insert(n);
            }
            4 | 5 => {
                if let Some(n) = made.iter().nth(random.below(made.len().max(1) as u64) as usize) {
                    // Whoever is last has the title; the number in it stays.
                    device.retitle(*n, &format!("t{n}")).await;
                }
            }
            6 => device.restart(&fleet).await,
            7 if rolled > 1 && random.below(4) == 0 => device.update(&fleet).await,
            8 => {
                fleet.answers(Some(random.below(2) as usize));
                with!(device, |client| settle(client).await);
                fleet.answers(None);
            }
            _ => with!(device, |client| settle(client).await),
        }
    }
    fleet.only::<v3::App>();
    for device in &mut devices {
        while !matches!(device.client, Any::Three(_)) {
            device.update(&fleet).await;
        }
        with!(device, |client| sync(client).await);
    }
    // In the order of their titles, as the versions give them.
    let mut all: Vec<Known> = made.iter().map(|n| (format!("t{n}"), i64::from(n % 60))).collect();
    all.sort();
    for device in &devices {
        with!(device, |client| {
            sync(client).await;
            assert_eq!(tasks(client).await, all, "seed {seed}");
            applied(client).await;
        });
    }
    let rows = fleet.data.integers("SELECT count(*) FROM tasks");
    assert_eq!(rows, [all.len() as i64], "nothing twice, seed {seed}");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn nothing_is_lost_in_a_rolling_upgrade(place: Place) {
    for seed in 0..6 {
        roll(place, seed, 150).await;
    }
}

/// Two servers, three clients, all at once.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn two_servers_and_three_clients_over_one_database(place: Place) {
    let Some(fleet) = Fleet::new::<v2::App>(place).await else { return };
    fleet.join::<v3::App>().await;
    let one = fleet.client::<v1::App>("ann").await;
    let two = fleet.client::<v2::App>("ann").await;
    let three = fleet.client::<v3::App>("ann").await;
    list(&one, 1).await;
    sync(&one).await;
    for round in 0..6 {
        let n = 100 + 10 * round;
        sync(&two).await;
        sync(&three).await;
        task(&one, n + 1, &format!("one {round}"), 1).await;
        task(&two, n + 2, &format!("two {round}"), 2).await;
        task(&three, n + 3, &format!("three {round}"), 3).await;
        sync(&one).await;
        sync(&two).await;
        sync(&three).await;
    }
    for _ in 0..2 {
        sync(&one).await;
        sync(&two).await;
        sync(&three).await;
    }
    let mut all: Vec<Known> = Vec::new();
    for round in 0..6 {
        all.extend([(format!("one {round}"), 1), (format!("two {round}"), 2), (format!("three {round}"), 3)]);
    }
    all.sort();
    assert_eq!(tasks(&one).await, all);
    assert_eq!(tasks(&two).await, all);
    assert_eq!(tasks(&three).await, all);
    applied(&one).await;
    applied(&two).await;
    applied(&three).await;
    assert!(!fleet.refusals().is_empty(), "the client of version 3 met the server of version 2");
}
