//! yrs: a map with a number for each client, and a map as a set, beside the CRDT columns.

use std::hint::black_box;
use std::time::Instant;

use plasma_bench_peers::columns::{CLIENTS, COUNTS, ELEMENTS, REMOVED, counted, element, merged, own};
use yrs::updates::decoder::Decode as _;
use yrs::{Doc, Map as _, MapRef, ReadTxn as _, StateVector, Transact as _, Update};

const NAME: &str = "yrs";

fn apply(document: &Doc, bytes: &[u8]) {
    let update = Update::decode_v1(bytes).expect("an update");
    document.transact_mut().apply_update(update).expect("an update");
}

fn whole(document: &Doc) -> Vec<u8> {
    document.transact().encode_state_as_update_v1(&StateVector::default())
}

fn set(client: u64, from: Option<&[u8]>) -> (Doc, MapRef) {
    let document = Doc::with_client_id(client);
    let map = document.get_or_insert_map("s");
    if let Some(bytes) = from {
        apply(&document, bytes);
    }
    (document, map)
}

fn main() {
    let mut updates = Vec::new();
    for peer in 0..CLIENTS {
        let client = Doc::with_client_id(peer as u64 + 1);
        let map = client.get_or_insert_map("n");
        let mut seen = StateVector::default();
        for n in 0..COUNTS / CLIENTS / 10 {
            map.insert(&mut client.transact_mut(), format!("c{peer}"), n as i64 + 1);
            let now = client.transact();
            updates.push(now.encode_diff_v1(&seen));
            seen = now.state_vector();
        }
    }
    counted(NAME, updates.len(), || {
        let all = Doc::with_client_id(u64::from(u32::MAX));
        let map = all.get_or_insert_map("n");
        updates.iter().for_each(|update| apply(&all, update));
        assert_eq!(map.len(&all.transact()) as usize, CLIENTS);
        whole(&all).len()
    });

    let (shared, map) = set(1, None);
    {
        let mut now = shared.transact_mut();
        for n in 0..ELEMENTS / 2 {
            map.insert(&mut now, element(n), true);
        }
    }
    let shared = whole(&shared);
    let ((mine, my_map), (theirs, their_map)) = (set(3, Some(&shared)), set(2, Some(&shared)));
    {
        let mut now = mine.transact_mut();
        own(false).for_each(|name| drop(my_map.insert(&mut now, name, true)));
        let mut now = theirs.transact_mut();
        own(true).for_each(|name| drop(their_map.insert(&mut now, name, true)));
        (0..REMOVED).for_each(|n| drop(their_map.remove(&mut now, &element(n))));
    }
    let (mine, stored) = (whole(&mine), whole(&theirs));
    merged(NAME, || {
        let (all, map) = set(9, Some(&mine));
        let start = Instant::now();
        apply(&all, black_box(&stored));
        let took = start.elapsed();
        assert_eq!(map.len(&all.transact()) as usize, ELEMENTS + ELEMENTS / 2 - REMOVED);
        (took, whole(&all).len())
    });
}
