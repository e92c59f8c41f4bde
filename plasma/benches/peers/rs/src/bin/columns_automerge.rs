//! automerge: a counter, and a map as a set, beside the CRDT columns.

use std::hint::black_box;
use std::time::Instant;

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ObjType, ROOT, ReadDoc as _, ScalarValue};
use plasma_bench_peers::columns::{COUNTS, ELEMENTS, REMOVED, counted, element, merged, own};

const NAME: &str = "automerge";
/// It takes a change at a time, and 1,000 clients of 100 changes would take minutes to prepare.
const CLIENTS: usize = 16;

fn main() {
    let mut base = AutoCommit::new();
    base.put(ROOT, "n", ScalarValue::counter(0)).expect("a counter");
    base.commit();
    let each = COUNTS / 100 / CLIENTS;
    let mut changes = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = base.fork();
        for _ in 0..each {
            client.increment(ROOT, "n", 1).expect("a count");
            client.commit();
            changes.push(client.save_incremental());
        }
    }
    let count = changes.len();
    counted(NAME, count, || {
        let mut all = base.fork();
        for change in &changes {
            all.load_incremental(change).expect("a change");
        }
        let (value, _) = all.get(ROOT, "n").expect("a document").expect("a counter");
        assert_eq!(value.as_i64(), Some(count as i64));
        all.save().len()
    });

    let mut shared = AutoCommit::new();
    let set = shared.put_object(ROOT, "s", ObjType::Map).expect("a map");
    for n in 0..ELEMENTS / 2 {
        shared.put(&set, element(n), true).expect("an element");
    }
    shared.commit();
    let (mut mine, mut theirs) = (shared.fork(), shared.fork());
    own(false).for_each(|name| mine.put(&set, name, true).expect("an element"));
    own(true).for_each(|name| theirs.put(&set, name, true).expect("an element"));
    (0..REMOVED).for_each(|n| theirs.delete(&set, element(n)).expect("an element"));
    mine.commit();
    theirs.commit();
    let stored = theirs.save();
    merged(NAME, || {
        let mut all = mine.clone();
        let start = Instant::now();
        all.load_incremental(black_box(&stored)).expect("a document");
        let took = start.elapsed();
        assert_eq!(all.length(&set), ELEMENTS + ELEMENTS / 2 - REMOVED);
        (took, all.save().len())
    });
}
