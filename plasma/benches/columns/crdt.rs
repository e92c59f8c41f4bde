//! CRDT columns: a counter of 1,000 clients, and two sets of 10,000 elements of which they share half and one has removed
//! 1,000.
//!
//! The floor is written by hand for exactly this: a map from client to number, a map from element to its additions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hint::black_box;

use plasma::crdt::{Crdt as _, GCounter, OrSet, Replica};
use plasma::schema::ColumnType as _;
use plasma::value::{Kind, Value};

use crate::util::{self, Samples, micros, rounds, timed};

const CLIENTS: usize = 1_000;
const COUNTS: usize = 100_000;
const ELEMENTS: usize = 10_000;
const REMOVED: usize = 1_000;

fn replica(n: usize) -> Replica {
    Replica::of_client(&format!("client {n}"))
}

/// Counting and taking in what others counted.
pub fn counters() {
    let replicas: Vec<Replica> = (0..CLIENTS).map(replica).collect();
    let (mut counted, mut counted_raw) = (Samples::default(), Samples::default());
    let (mut whole, mut whole_raw) = (Samples::default(), Samples::default());
    let mut all_clients = GCounter::default();
    for _ in 0..rounds(5) {
        // Every client changes its own counter, which somebody who knows all clients takes in.
        let mut own: Vec<GCounter> = vec![GCounter::default(); CLIENTS];
        let mut all = GCounter::default();
        let (took, ()) = timed(|| {
            for n in 0..COUNTS {
                let client = n * 7 % CLIENTS;
                own[client].increment(replicas[client], 1).expect("a count");
                all.merge(&own[client]);
            }
        });
        assert_eq!(all.value(), COUNTS as i64);
        counted.push(COUNTS as f64 / took.as_secs_f64());

        let mut own_raw: Vec<u64> = vec![0; CLIENTS];
        let mut all_raw: HashMap<Replica, u64> = HashMap::new();
        let (took, ()) = timed(|| {
            for n in 0..COUNTS {
                let client = n * 7 % CLIENTS;
                own_raw[client] += 1;
                let slot = all_raw.entry(replicas[client]).or_default();
                *slot = (*slot).max(own_raw[client]);
            }
        });
        assert_eq!(all_raw.values().sum::<u64>(), COUNTS as u64);
        counted_raw.push(COUNTS as f64 / took.as_secs_f64());

        all_clients = all.clone();

        // Two that know all clients.
        let mut other = all.clone();
        other.increment(replicas[0], 1).expect("a count");
        for _ in 0..100 {
            let mut mine = all.clone();
            let (took, ()) = timed(|| mine.merge(black_box(&other)));
            assert_eq!(mine.value(), COUNTS as i64 + 1);
            whole.push(micros(took));
            let mut mine = all_raw.clone();
            let (took, ()) = timed(|| {
                for (client, count) in black_box(&all_raw) {
                    let slot = mine.entry(*client).or_default();
                    *slot = (*slot).max(*count);
                }
            });
            black_box(mine);
            whole_raw.push(micros(took));
        }
    }
    let Ok(Value::Json(stored)) = all_clients.into_value() else { panic!("a counter is stored as JSON") };
    println!("  bytes: {}", stored.len());
    util::out::record(util::SCENARIO, "counter", "plasma", "size", stored.len() as f64, "bytes");
    util::rate(format!("counter of {CLIENTS} clients: change and merge"), "1/s", &counted, &counted_raw, None);
    util::time(format!("counter of {CLIENTS} clients: merge of all slots"), &whole, &whole_raw, None);
}

/// Two sets and their merge.
pub fn sets() {
    let (phone, laptop) = (replica(1), replica(2));
    let name = |n: usize| format!("element {n:05}");
    let (mut merged, mut merged_raw) = (Samples::default(), Samples::default());
    let (mut stored, mut bytes) = (Samples::default(), 0);
    // Both know the first half; then each adds its own, and one removes.
    let mut shared = OrSet::<String>::default();
    (0..ELEMENTS / 2).for_each(|n| shared.add(phone, n as u64, name(n)).expect("an element"));
    let (mut mine, mut theirs) = (shared.clone(), shared);
    for n in ELEMENTS / 2..ELEMENTS {
        mine.add(phone, n as u64, name(n)).expect("an element");
        theirs.add(laptop, n as u64, name(n + ELEMENTS)).expect("an element");
    }
    (0..REMOVED).for_each(|n| assert!(theirs.remove(name(n))));
    let (left, right) = (raw(&mine, phone), raw(&theirs, laptop));
    let Kind::Crdt(kind) = OrSet::<String>::KIND else { unreachable!("a set is a CRDT") };
    let json = |set: &OrSet<String>| match set.clone().into_value() {
        Ok(Value::Json(json)) => json,
        other => panic!("{other:?}"),
    };
    let (mine_json, theirs_json) = (json(&mine), json(&theirs));
    for _ in 0..rounds(5) * 4 {
        let mut all = mine.clone();
        let (took, ()) = timed(|| all.merge(black_box(&theirs)));
        merged.push(micros(took));
        let mut all_raw = left.clone();
        let (took, ()) = timed(|| all_raw.merge(black_box(&right)));
        merged_raw.push(micros(took));
        assert_eq!(all.len(), all_raw.adds.len());
        assert_eq!(all.len(), ELEMENTS + ELEMENTS / 2 - REMOVED);
        let (took, text) = timed(|| kind.merge(&mine_json, &theirs_json).expect("states"));
        stored.push(micros(took));
        bytes = text.len();
    }
    util::time(format!("sets of {ELEMENTS} elements: merge"), &merged, &merged_raw, None);
    util::time(format!("sets of {ELEMENTS} elements: merge of stored states"), &stored, &merged_raw, None);
    println!("  bytes: {} and {}, merged {bytes}", mine_json.len(), theirs_json.len());
    util::out::record(util::SCENARIO, "merged set", "plasma", "size", bytes as f64, "bytes");
}

/// A set by hand.
#[derive(Clone)]
struct Raw {
    adds: BTreeMap<String, BTreeSet<(u8, u64)>>,
    dels: BTreeSet<(u8, u64)>,
}

impl Raw {
    fn merge(&mut self, other: &Self) {
        self.dels.extend(&other.dels);
        for (element, tags) in &other.adds {
            match self.adds.get_mut(element) {
                Some(mine) => mine.extend(tags),
                None => drop(self.adds.insert(element.clone(), tags.clone())),
            }
        }
        let dels = &self.dels;
        self.adds.retain(|_, tags| {
            tags.retain(|tag| !dels.contains(tag));
            !tags.is_empty()
        });
    }
}

/// The same set by hand, from its stored form.
fn raw(set: &OrSet<String>, own: Replica) -> Raw {
    let json: serde_json::Value = serde_json::to_value(set).expect("JSON");
    let tag = |tag: &serde_json::Value| {
        let (replica, seq) = tag.as_str().expect("a tag").split_once(':').expect("a tag");
        (u8::from(replica == own.to_string()), seq.parse().expect("a number"))
    };
    // Which of the two it is must be the same number on both sides.
    let swap = own == replica(2);
    let tag = |value: &serde_json::Value| {
        let (mine, seq) = tag(value);
        (mine ^ u8::from(swap), seq)
    };
    let tags = |list: &serde_json::Value| list.as_array().expect("tags").iter().map(tag).collect();
    let adds = json["adds"].as_array().expect("elements").iter();
    let adds = adds.map(|add| (add[0].as_str().expect("text").to_owned(), tags(&add[1]))).collect();
    Raw { adds, dels: tags(&json["dels"]) }
}
