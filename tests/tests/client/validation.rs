//! Rules on arguments, of each kind, in each of the three places where they are checked: before the optimistic run, on
//! the server, and at a replay.

use std::collections::BTreeSet;
use std::sync::Arc;

use plasma::ErrorKind;
use plasma::client::event::{Action, ClientErrorKind};
use plasma::client::{Engine, EngineOptions, OsEntropy};
use plasma::future::poll_once;
use plasma::inputs::Inputs;
use plasma::prelude::*;
use plasma::protocol::{Method, PushResponse, WireRequest};
use plasma::server::{Caller, ServerEngine, ServerOptions};
use plasma::store::SqlConnection;
use plasma::store::sqlite::SqliteConnection;
use serde_json::{Value as Json, json};
use validator::Validate as _;

/// Anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct Guest;

/// A booking.
#[plasma::table(name = "bookings", auth = open)]
pub struct Booking {
    /// Its id.
    pub id: Id<Booking>,
    /// For whom.
    pub name: String,
}

#[plasma::schema(version = "1", ctx = Guest, tables(Booking), mutators(Bookings))]
pub struct Hotel;
type Tx<'a> = plasma::Tx<'a, Hotel>;

/// Rules of the fields.
#[plasma::args]
pub struct ByRules {
    #[arg(len(1..=5), trim)]
    pub name: String,
    #[arg(email)]
    pub mail: Option<String>,
    pub nights: Vec<Night>,
}

/// Rules of the application's own.
#[plasma::args(validate)]
pub struct ByHand {
    pub name: String,
    pub mail: Option<String>,
    pub nights: Vec<Night>,
}

impl Validate for ByHand {
    fn validate(&self, checks: &mut Checks) {
        checks.len("name", &self.name, 1..=5);
        if let Some(mail) = &self.mail {
            checks.email("mail", mail);
        }
        for (index, night) in self.nights.iter().enumerate() {
            checks.range(&format!("nights[{index}].guests"), &night.guests, 1..=4);
        }
    }
}

/// Rules of `garde`.
#[plasma::args(garde)]
#[derive(garde::Validate)]
pub struct ByGarde {
    #[garde(length(chars, min = 1, max = 5))]
    pub name: String,
    #[garde(contains("@"))]
    pub mail: Option<String>,
    #[garde(dive)]
    pub nights: Vec<Night>,
}

/// Rules of `validator`.
#[plasma::args(validator)]
#[derive(validator::Validate)]
pub struct ByValidator {
    #[validate(length(min = 1, max = 5))]
    pub name: String,
    #[validate(email)]
    pub mail: Option<String>,
    #[validate(nested)]
    pub nights: Vec<Night>,
}

/// A part of the arguments.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, garde::Validate, validator::Validate)]
pub struct Night {
    #[garde(range(min = 1, max = 4))]
    #[validate(range(min = 1, max = 4))]
    pub guests: i32,
}

pub struct Bookings;

async fn book(tx: &mut Tx<'_>, name: String) -> plasma::Result<()> {
    tx.insert(NewBooking { name }).await?;
    Ok(())
}

#[plasma::mutators(Hotel)]
impl Bookings {
    pub async fn by_rules(tx: &mut Tx<'_>, _: &Guest, args: ByRules) -> plasma::Result<()> {
        book(tx, args.name).await
    }
    pub async fn by_hand(tx: &mut Tx<'_>, _: &Guest, args: ByHand) -> plasma::Result<()> {
        book(tx, args.name).await
    }
    pub async fn by_garde(tx: &mut Tx<'_>, _: &Guest, args: ByGarde) -> plasma::Result<()> {
        book(tx, args.name).await
    }
    pub async fn by_validator(tx: &mut Tx<'_>, _: &Guest, args: ByValidator) -> plasma::Result<()> {
        book(tx, args.name).await
    }
}

const NAMES: [&str; 4] = ["bookings.by_rules", "bookings.by_hand", "bookings.by_garde", "bookings.by_validator"];
const NOW: i64 = 1_700_000_000_000;

fn good() -> Json {
    json!({ "name": "Ann", "mail": "ann@example.org", "nights": [{ "guests": 2 }] })
}

fn bad() -> Json {
    json!({ "name": "Maximilian", "mail": "nobody", "nights": [{ "guests": 2 }, { "guests": 9 }] })
}

/// The broken rules, as `(field, code)`: the same fields whoever checks.
fn assert_told(name: &str, data: Option<&Json>) {
    let fields = data.expect("the fields are told")["fields"].as_array().expect("a list").clone();
    let told: BTreeSet<_> = fields.iter().map(|f| f["field"].as_str().expect("a path").to_owned()).collect();
    let mut expected = BTreeSet::from(["name", "mail", "nights[1].guests"].map(str::to_owned));
    if name == "bookings.by_rules" {
        // `#[arg(..)]` looks at fields of the arguments themselves.
        expected.remove("nights[1].guests");
    }
    assert_eq!(told, expected, "{name}: {fields:?}");
    assert!(fields.iter().all(|f| !f["message"].as_str().unwrap_or_default().is_empty()), "{fields:?}");
}

/// A client without a network.
struct Device {
    engine: Engine,
    store: SqliteConnection,
}

impl Device {
    fn new() -> Self {
        let mut store = SqliteConnection::in_memory().expect("memory");
        let mut inputs = Inputs { now: NOW, entropy: &mut OsEntropy };
        let definition = Arc::new(Hotel::definition());
        let (engine, _) = Engine::open(&mut store, definition, EngineOptions::default(), &mut inputs).expect("opened");
        Device { engine, store }
    }

    fn mutate(&mut self, name: &str, args: &Json) -> plasma::Result<uuid::Uuid> {
        let mut inputs = Inputs { now: NOW, entropy: &mut OsEntropy };
        let (mutated, _) = self.engine.mutate(&mut self.store, &Guest, name, &args.to_string(), &mut inputs)?;
        Ok(mutated.key)
    }
}

#[test]
fn before_the_optimistic_run() {
    for name in NAMES {
        let mut device = Device::new();
        let error = device.mutate(name, &bad()).expect_err("three rules are broken");
        assert_eq!(error.kind(), ErrorKind::Validation, "{name}: {error}");
        assert_told(name, error.data());
        assert!(device.engine.outbox(&mut device.store).expect("readable").is_empty(), "{name}: nothing is queued");
        device.mutate(name, &good()).expect("no rule is broken");
    }
}

#[test]
fn on_the_server() {
    let engine = ServerEngine::new(Hotel::definition(), ServerOptions::default()).expect("a good definition");
    let mut db = SqliteConnection::in_memory().expect("memory");
    poll_once(Box::pin(engine.ensure_schema(&mut db, NOW, &mut OsEntropy))).expect("at once").expect("the tables");
    let mutations: Vec<Json> = (1..)
        .zip(NAMES.iter().flat_map(|name| [(name, bad()), (name, good())]))
        .map(|(id, (name, args))| {
            let key = uuid::Uuid::from_u128(id).to_string();
            json!({ "id": id as u64, "key": key, "name": name, "args": args, "timestamp": NOW })
        })
        .collect();
    let body = json!({
        "protocolVersion": 1, "schemaVersion": "1", "fingerprint": Hotel::DEF.fingerprint_hex(),
        "clientGroupID": "g", "clientID": "c", "mutations": mutations
    });
    let request = WireRequest {
        method: Method::Post,
        path: "/sync/push".into(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into(),
    };
    let caller = Caller { group: "g".into(), ctx: Arc::new(Guest) };
    let answer = poll_once(Box::pin(engine.handle(&mut db, NOW, &mut OsEntropy, Some(&caller), &request)));
    let answer = answer.expect("at once");
    let answer: PushResponse = serde_json::from_slice(&answer.body).expect("an answer to the push");
    for (name, results) in NAMES.iter().zip(answer.results.chunks(2)) {
        let error = results[0].error.as_ref().expect("three rules are broken");
        assert_eq!(error.code, "validation", "{name}");
        assert_told(name, error.data.as_ref());
        assert_eq!(results[1].error, None, "{name}");
    }
}

/// What was queued by an earlier version of the program may break a rule of this one.
#[test]
fn at_a_replay() {
    for name in NAMES {
        let mut device = Device::new();
        let kept = device.mutate(name, &good()).expect("no rule is broken");
        let other = device.mutate(name, &good()).expect("no rule is broken");
        let params = [bad().to_string().into(), kept.to_string().into()];
        device.store.execute("UPDATE _plasma_outbox SET args = ?1 WHERE key = ?2", &params).expect("tampered with");
        // To take one back is to run the others again.
        let mut inputs = Inputs { now: NOW, entropy: &mut OsEntropy };
        let actions = device.engine.discard(&mut device.store, &Guest, other, &mut inputs).expect("taken back");
        let told = actions.iter().find_map(|action| match action {
            Action::Report(report) if report.kind == ClientErrorKind::RebaseReplay => Some(&report.error),
            _ => None,
        });
        let error = told.expect("the replay fails");
        assert_eq!(error.kind(), ErrorKind::Validation, "{name}: {error}");
        assert_told(name, error.data());
        let rows = plasma::query::lower::select(
            plasma::query::lower::Dialect::Sqlite,
            &plasma::query::ir::Query::all(Booking::DEF),
        );
        let left = device.store.query(&rows.sql, &rows.params, &rows.kinds).expect("readable");
        assert!(left.is_empty(), "{name}: what fails has no effect");
    }
}
