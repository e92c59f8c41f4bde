//! loro: a map with a number for each client, and a map as a set, beside the CRDT columns.

use std::hint::black_box;
use std::time::Instant;

use loro::{ExportMode, LoroDoc};
use plasma_bench_peers::columns::{CLIENTS, COUNTS, ELEMENTS, REMOVED, counted, element, merged, own};

const NAME: &str = "loro";

fn document(peer: u64, from: Option<&[u8]>) -> LoroDoc {
    let document = LoroDoc::new();
    document.set_peer_id(peer).expect("a peer");
    if let Some(bytes) = from {
        document.import(bytes).expect("a document");
    }
    document
}

fn main() {
    let mut updates = Vec::new();
    for peer in 0..CLIENTS {
        let client = document(peer as u64 + 1, None);
        let mut seen = client.oplog_vv();
        for n in 0..COUNTS / CLIENTS / 10 {
            client.get_map("n").insert(&format!("c{peer}"), n as i64 + 1).expect("a count");
            client.commit();
            updates.push(client.export(ExportMode::updates(&seen)).expect("an update"));
            seen = client.oplog_vv();
        }
    }
    counted(NAME, updates.len(), || {
        let all = LoroDoc::new();
        for update in &updates {
            all.import(update).expect("an update");
        }
        assert_eq!(all.get_map("n").len(), CLIENTS);
        all.export(ExportMode::Snapshot).expect("a document").len()
    });

    let shared = document(1, None);
    (0..ELEMENTS / 2).for_each(|n| shared.get_map("s").insert(&element(n), true).expect("an element"));
    shared.commit();
    let shared = shared.export(ExportMode::Snapshot).expect("a document");
    let (mine, theirs) = (document(1, Some(&shared)), document(2, Some(&shared)));
    own(false).for_each(|name| mine.get_map("s").insert(&name, true).expect("an element"));
    own(true).for_each(|name| theirs.get_map("s").insert(&name, true).expect("an element"));
    (0..REMOVED).for_each(|n| theirs.get_map("s").delete(&element(n)).expect("an element"));
    mine.commit();
    theirs.commit();
    let mine = mine.export(ExportMode::Snapshot).expect("a document");
    let stored = theirs.export(ExportMode::all_updates()).expect("a document");
    merged(NAME, || {
        let all = document(9, Some(&mine));
        let start = Instant::now();
        all.import(black_box(&stored)).expect("a document");
        let took = start.elapsed();
        assert_eq!(all.get_map("s").len(), ELEMENTS + ELEMENTS / 2 - REMOVED);
        (took, all.export(ExportMode::Snapshot).expect("a document").len())
    });
}
