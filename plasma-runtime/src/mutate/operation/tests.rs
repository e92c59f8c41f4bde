//! Operations by themselves: what a run on the client takes down, and what later runs make of it.

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::mutate::{Location, Observed, Reason};

static LIKES: CrdtKind = CrdtKind::GCounter;
static TABLE: TableDef = TableDef::new(
    "notes",
    &[
        ColumnDef::new("id", Kind::Id),
        ColumnDef::new("likes", Kind::Crdt(LIKES)),
        ColumnDef::new("votes", Kind::Crdt(CrdtKind::PnCounter)),
        ColumnDef::new("status", Kind::Crdt(CrdtKind::Lww(&Kind::Text))),
        ColumnDef::new("tags", Kind::Crdt(CrdtKind::OrSet(&Kind::Text))),
    ],
);
const ROW: &str = "00000000-0000-4000-8000-000000000001";
const NOW: i64 = 1_730_100_000_000;
const EMPTY: &str = r#"{"adds":[],"dels":[]}"#;

fn meta(reason: Reason, client: &str, mutation: u64) -> TxMeta {
    let location = if reason == Reason::Authoritative { Location::Server } else { Location::Client };
    let mut meta = TxMeta::new(location, reason, Uuid::from_u128(mutation.into()), NOW);
    meta.client_id = Some(client.to_owned());
    meta.mutation_id = Some(mutation);
    meta.received_at = (location == Location::Server).then_some(NOW);
    meta
}

fn first(client: &str, mutation: u64) -> TxMeta {
    meta(Reason::Optimistic, client, mutation)
}

/// The run of the same mutation on the server, told what the first one saw.
fn on_server(run: &TxMeta) -> TxMeta {
    let client = run.client_id.as_deref().expect("a client's");
    let mut server = meta(Reason::Authoritative, client, run.mutation_id.expect("a client's"));
    server.timestamp = run.timestamp;
    if let Some(observed) = run.observed() {
        server.saw(Observed::from_json(&observed).expect("its own form"));
    }
    server
}

fn cell<'r>(meta: &'r TxMeta, column: &str) -> Cell<'r> {
    cell_as(meta, column, Access::Checked)
}

fn cell_as<'r>(meta: &'r TxMeta, column: &str, access: Access) -> Cell<'r> {
    Cell::new(meta, access, &TABLE, TABLE.column(column).expect("a column"), ROW).expect("a CRDT")
}

fn write(value: &str) -> Write {
    Write { value: Ok(json!(value).to_string()) }
}
fn add(value: &str) -> Add {
    Add { value: Ok(json!(value).to_string()) }
}
fn remove(value: &str) -> Remove {
    Remove { value: Ok(json!(value).to_string()) }
}

fn register(value: &str, ts: i64, by: &str) -> String {
    format!(r#"{{"value":"{value}","ts":{ts},"replica":"{}"}}"#, Replica::of_client(by))
}

fn given(present: Option<&str>, given: &str, cell: Cell<'_>) -> String {
    let present = present.map(|state| Value::Json(state.to_owned()));
    match cell.after(present.as_ref(), &[Step::Given(Value::Json(given.to_owned()))]).expect("a state") {
        Value::Json(state) => state,
        other => panic!("{other:?}"),
    }
}

/// The values of a set, in order.
fn values(state: &str) -> Vec<String> {
    let state: serde_json::Value = serde_json::from_str(state).expect("JSON");
    let adds = state["adds"].as_array().expect("an array");
    adds.iter().map(|add| add[0].as_str().expect("text").to_owned()).collect()
}

#[test]
fn counters_count_again_over_whatever_is_there() {
    let run = first("phone", 7);
    let [phone, laptop] = ["phone", "laptop"].map(Replica::of_client);
    let up = Count { by: 2, down: false };
    let optimistic = up.apply("{}", &cell(&run, "likes")).expect("counts");
    assert_eq!(optimistic, format!(r#"{{"{phone}":2}}"#));
    let there = format!(r#"{{"{laptop}":5}}"#);
    let canonical = up.apply(&there, &cell(&on_server(&run), "likes")).expect("counts");
    assert_eq!(CrdtKind::GCounter.merge(&optimistic, &there).expect("states"), canonical);
    assert_eq!(run.observed(), None, "nothing to send");
    let down = Count { by: 3, down: true };
    let votes = down.apply(r#"{"p":{},"n":{}}"#, &cell(&run, "votes")).expect("counts");
    assert_eq!(votes, format!(r#"{{"p":{{}},"n":{{"{phone}":3}}}}"#));
    // Typed, and with the column's name.
    let full = Value::Json(format!(r#"{{"{phone}":9007199254740991}}"#));
    let error =
        cell(&run, "likes").after(Some(&full), &[Step::Operation(std::sync::Arc::new(up))]).expect_err("too far");
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert!(error.message().contains("`likes`"), "{error}");
}

#[test]
fn a_removal_takes_what_its_caller_had_seen_and_an_unseen_addition_wins() {
    let adding = first("phone", 1);
    let seen = add("urgent").apply(EMPTY, &cell(&adding, "tags")).expect("adds");
    let removing = first("laptop", 1);
    let gone = remove("urgent").apply(&seen, &cell(&removing, "tags")).expect("removes");
    assert_eq!(gone, EMPTY, "and leaves nothing behind");
    // Meanwhile another one added the same.
    let tablet = first("tablet", 4);
    let both = add("urgent").apply(&seen, &cell(&tablet, "tags")).expect("adds");
    let told = on_server(&removing);
    let left = remove("urgent").apply(&both, &cell(&told, "tags")).expect("removes");
    assert_eq!(values(&left), ["urgent"]);
    assert!(!left.contains(&Replica::of_client("phone").to_string()), "{left}");
    // A client of before sends nothing of the kind: all that is there goes.
    let untold = meta(Reason::Authoritative, "laptop", 1);
    assert_eq!(remove("urgent").apply(&both, &cell(&untold, "tags")).expect("removes"), EMPTY);
    // What one added oneself one has seen, under whatever tag it came to be.
    let own = meta(Reason::Authoritative, "tablet", 5);
    let told_nothing = on_server(&{
        let run = first("tablet", 5);
        remove("urgent").apply(EMPTY, &cell(&run, "tags")).expect("removes");
        run
    });
    for run in [own, told_nothing] {
        let left = remove("urgent").apply(&both, &cell(&run, "tags")).expect("removes");
        assert!(!left.contains(&Replica::of_client("tablet").to_string()), "{left}");
    }
}

/// The number of the first addition of a mutation.
fn seq(meta: &TxMeta) -> u64 {
    cell(meta, "tags").mutation() << ADDITION_BITS
}

#[test]
fn additions_have_tags_of_their_own() {
    let run = first("phone", 3);
    let phone = Replica::of_client("phone");
    let mut state = EMPTY.to_owned();
    for value in ["a", "b", "a"] {
        state = add(value).apply(&state, &cell(&run, "tags")).expect("adds");
    }
    let own = seq(&run);
    assert_eq!(
        state,
        format!(r#"{{"adds":[["a",["{phone}:{}"]],["b",["{phone}:{}"]]],"dels":[]}}"#, own + 2, own + 1),
        "an addition takes the place of one's earlier one"
    );
    // A tag that somebody made up stays that somebody's.
    let made_up = first("phone", 9);
    let taken = format!(r#"{{"adds":[["x",["{phone}:{}"]]],"dels":[]}}"#, seq(&made_up));
    let beside = add("a").apply(&taken, &cell(&made_up, "tags")).expect("adds");
    assert!(beside.contains(&format!(r#"["a",["{phone}:{}"]]"#, seq(&made_up) + 1)), "{beside}");
    // What only the server adds does not shift what the client's run knows.
    let server = on_server(&run);
    let trusted = add("t").apply(EMPTY, &cell_as(&server, "tags", Access::Trusted)).expect("adds");
    assert!(trusted.contains(&format!("{phone}:{}", own + (1 << 19))), "{trusted}");
    let after = add("a").apply(&trusted, &cell(&server, "tags")).expect("adds");
    assert!(after.contains(&format!(r#"["a",["{phone}:{own}"]]"#)), "{after}");
    // Jobs of the server: from their key, the same whenever they run.
    let job = || TxMeta::new(Location::Server, Reason::Authoritative, Uuid::from_u128(u128::MAX / 3), NOW);
    let [once, again] = [job(), job()].map(|job| add("j").apply(EMPTY, &cell(&job, "tags")).expect("adds"));
    assert_eq!(once, again);
}

/// The number of a mutation, computed with Python's `hashlib` from its description.
#[test]
fn a_tag_is_of_its_mutations_key() {
    let run = first("phone", 0x0f6d);
    assert_eq!(cell(&run, "tags").mutation(), MUTATION_0F6D);
}
const MUTATION_0F6D: u64 = 13_592_562_871_006;

/// After a fork the additions of a queue come to be as another client's, and so do the removals behind them.
#[test]
fn a_removal_finds_what_was_issued_again_under_another_client() {
    let adding = first("phone", 1);
    let seen = add("urgent").apply(EMPTY, &cell(&adding, "tags")).expect("adds");
    let removing = first("phone", 2);
    remove("urgent").apply(&seen, &cell(&removing, "tags")).expect("removes");
    let [mut added, mut removed] = [on_server(&adding), on_server(&removing)];
    added.client_id = Some("second".to_owned());
    let there = add("urgent").apply(EMPTY, &cell(&added, "tags")).expect("adds");
    assert_ne!(there, seen, "another client's tag");
    // And the removal as a third one's.
    removed.client_id = Some("third".to_owned());
    assert_eq!(remove("urgent").apply(&there, &cell(&removed, "tags")).expect("removes"), EMPTY);
}

#[test]
fn too_many_additions_are_refused() {
    let run = first("phone", 3);
    let tags = cell(&run, "tags");
    for _ in 0..1 << 19 {
        tags.meta.next_addition(false, TABLE.name, ROW, "tags");
    }
    assert_eq!(tags.next_seq().expect_err("full").kind(), ErrorKind::Validation);
}

#[test]
fn a_write_keeps_the_place_in_time_of_its_call() {
    let (early, late) = (first("phone", 1), {
        let mut late = first("laptop", 1);
        late.timestamp = NOW + 50;
        late
    });
    let nothing = register("new", 0, "nobody");
    for run in [&early, &late] {
        write("x").apply(&nothing, &cell(run, "status")).expect("writes");
    }
    let one = |run: &TxMeta, value: &str, state: &str| write(value).apply(state, &cell(&on_server(run), "status"));
    let in_order = one(&late, "late", &one(&early, "early", &nothing).expect("writes")).expect("writes");
    let reversed = one(&early, "early", &one(&late, "late", &nothing).expect("writes")).expect("writes");
    assert_eq!(in_order, reversed);
    assert_eq!(in_order, register("late", NOW + 50, "laptop"));
    // Who has seen a write comes after it, whatever the clocks say.
    let mut slow = first("tablet", 1);
    slow.timestamp = NOW - 100_000;
    let after = write("seen").apply(&in_order, &cell(&slow, "status")).expect("writes");
    assert_eq!(after, register("seen", NOW + 51, "tablet"));
    assert_eq!(one(&slow, "seen", &in_order).expect("writes"), after);
    // Who has not, does not.
    let unseen = first("tablet", 2);
    write("x").apply(&nothing, &cell(&unseen, "status")).expect("writes");
    assert_eq!(one(&unseen, "unseen", &in_order).expect("writes"), in_order);
}

#[test]
fn a_clock_of_the_future_is_held_to_the_bound() {
    let mut liar = first("liar", 1);
    liar.timestamp = NOW + 1_000_000_000;
    let nothing = register("new", 0, "nobody");
    let optimistic = write("mine").apply(&nothing, &cell(&liar, "status")).expect("writes");
    assert_eq!(optimistic, register("mine", NOW + 1_000_000_000, "liar"));
    let server = on_server(&liar);
    let held = write("mine").apply(&nothing, &cell(&server, "status")).expect("writes");
    assert_eq!(held, register("mine", NOW + 60_000, "liar"));
    // It may say that it has seen the future, too.
    let mut seer = meta(Reason::Authoritative, "liar", 2);
    let future = json!({ "notes": { ROW: { "status": [9_007_199_254_740_991_i64] } } });
    seer.saw(Observed::from_json(&future.to_string()).expect("the form"));
    let said = write("mine").apply(&nothing, &cell(&seer, "status")).expect("writes");
    assert_eq!(said, register("mine", NOW + 60_001, "liar"));
    // An honest one that has seen it comes after it all the same.
    let honest = first("phone", 1);
    write("honest").apply(&held, &cell(&honest, "status")).expect("writes");
    let after = write("honest").apply(&held, &cell(&on_server(&honest), "status")).expect("writes");
    assert_eq!(after, register("honest", NOW + 60_001, "phone"));
    // A whole state, the same.
    let whole = register("mine", NOW + 1_000_000_000, "liar");
    assert_eq!(given(None, &whole, cell(&server, "status")), held);
    assert_eq!(given(Some(&nothing), &whole, cell(&server, "status")), held);
}

#[test]
fn what_a_client_says_to_have_seen_has_a_form() {
    let nothing = register("new", 0, "nobody");
    for (column, seen) in [
        ("status", json!("soon")),
        ("status", json!(-1)),
        ("status", json!(1.5)),
        ("status", json!(9_007_199_254_740_992_i64)),
        ("tags", json!("tags")),
        ("tags", json!([1])),
        ("tags", json!(["phone:1"])),
    ] {
        let mut run = meta(Reason::Authoritative, "liar", 2);
        let observed = json!({ "notes": { ROW: { column: [seen] } } }).to_string();
        run.saw(Observed::from_json(&observed).expect("the form"));
        let ended = match column {
            "status" => write("x").apply(&nothing, &cell(&run, column)),
            _ => remove("x").apply(EMPTY, &cell(&run, column)),
        };
        assert_eq!(ended.expect_err(&observed).kind(), ErrorKind::InvalidArgs, "{observed}");
    }
}

#[cfg(feature = "text")]
#[test]
fn a_whole_text_is_held_to_the_bounds_of_edits() {
    use crate::crdt::{MAX_TEXT, Text};
    static TEXTS: TableDef =
        TableDef::new("texts", &[ColumnDef::new("id", Kind::Id), ColumnDef::new("body", Kind::Crdt(CrdtKind::Text))]);
    let run = first("phone", 1);
    let cell = Cell::new(&run, Access::Checked, &TEXTS, &TEXTS.columns[1], ROW).expect("a CRDT");
    let longest = |client: &str| {
        let mut text = Text::default();
        text.push_str(Replica::of_client(client), &"x".repeat(MAX_TEXT)).expect("fits");
        Value::Json(text.to_json())
    };
    let (one, other) = (longest("phone"), longest("laptop"));
    assert_eq!(cell.after(None, &[Step::Given(one.clone())]).expect("fits"), one);
    assert_eq!(cell.after(Some(&one), &[Step::Given(one.clone())]).expect("is there"), one);
    // Each fits, and both together do not.
    let error = cell.after(Some(&one), &[Step::Given(other)]).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Validation);
}

#[test]
fn whole_states_are_merged_and_bring_nothing_back() {
    let run = first("phone", 3);
    let likes =
        given(Some(r#"{"0000000000000001":5}"#), r#"{"0000000000000001":3,"0000000000000002":1}"#, cell(&run, "likes"));
    assert_eq!(likes, r#"{"0000000000000001":5,"0000000000000002":1}"#);
    let there = r#"{"adds":[["a",["0000000000000001:1"]]],"dels":[]}"#;
    let old = r#"{"adds":[["a",["0000000000000001:1"]],["b",["0000000000000002:1"]]],"dels":["0000000000000003:1"]}"#;
    assert_eq!(given(Some(there), old, cell(&run, "tags")), there, "`b` was removed since");
    let made = format!(
        r#"{{"adds":[["c",["{}:{}"]]],"dels":["0000000000000001:1"]}}"#,
        Replica::of_client("phone"),
        seq(&run)
    );
    assert_eq!(values(&given(Some(there), &made, cell(&run, "tags"))), ["c"]);
    assert_eq!(values(&given(None, old, cell(&run, "tags"))), ["a", "b"], "a new row has seen nothing");
    // Merged with another region later, a removal must still be known.
    let mut region = meta(Reason::Authoritative, "phone", 4);
    region.crdt.keep_removed = true;
    let left = remove("a").apply(there, &cell(&region, "tags")).expect("removes");
    assert_eq!(left, r#"{"adds":[],"dels":["0000000000000001:1"]}"#);
}
