//! States have one spelling; what is none is refused.

use proptest::prelude::*;

use super::model::{any_state, wire};
use crate::crdt::{CrdtKind, GCounter, Lww, OrSet, PnCounter, Replica};
use crate::schema::ColumnType;
use crate::value::{Date, Fixed, Kind, Timestamp, Value};

const A: &str = "0000000000000001";
const B: &str = "00000000000000ff";

fn refused(kind: CrdtKind, json: &str) {
    assert!(kind.canonical(json).is_err(), "{kind} takes {json}");
    assert!(!kind.is_canonical(json), "{kind} takes {json}");
}

#[test]
fn states_have_one_spelling() {
    for (kind, spelled, canonical) in [
        (CrdtKind::GCounter, format!(r#"{{ "{B}": 2, "{A}": 1 }}"#), format!(r#"{{"{A}":1,"{B}":2}}"#)),
        (CrdtKind::PnCounter, format!(r#"{{"n":{{}},"p":{{"{A}":1}}}}"#), format!(r#"{{"p":{{"{A}":1}},"n":{{}}}}"#)),
        (
            CrdtKind::OrSet(&Kind::Text),
            format!(r#"{{"adds":[["b",["{B}:1","{A}:9"]],["\u0061",["{A}:1"]]],"dels":["{B}:3","{B}:2"]}}"#),
            format!(r#"{{"adds":[["a",["{A}:1"]],["b",["{A}:9","{B}:1"]]],"dels":["{B}:2","{B}:3"]}}"#),
        ),
        (
            CrdtKind::Lww(&Kind::Float),
            format!(r#"{{"replica":"{A}","ts":7,"value":1e1}}"#),
            format!(r#"{{"value":10.0,"ts":7,"replica":"{A}"}}"#),
        ),
        (
            CrdtKind::Lww(&Kind::Json),
            format!(r#"{{"value":{{"b": [1, 2]}},"ts":7,"replica":"{A}"}}"#),
            format!(r#"{{"value":{{"b":[1,2]}},"ts":7,"replica":"{A}"}}"#),
        ),
        (
            CrdtKind::Lww(&Kind::Text),
            format!(r#"{{"value":"\/\u000a","ts":7,"replica":"{A}"}}"#),
            format!(r#"{{"value":"/\n","ts":7,"replica":"{A}"}}"#),
        ),
    ] {
        assert_eq!(kind.canonical(&spelled).unwrap(), canonical);
        assert_eq!(kind.canonical(&canonical).unwrap(), canonical);
        assert!(kind.is_canonical(&canonical) && !kind.is_canonical(&spelled), "{canonical}");
    }
}

#[test]
fn what_is_no_state_is_refused() {
    let counters = [
        "",
        "null",
        "[]",
        "{",
        "{}x",
        r#"{"a":1}"#,
        r#"{"0000000000000001":0}"#,
        r#"{"0000000000000001":-1}"#,
        r#"{"0000000000000001":01}"#,
        r#"{"0000000000000001":1.5}"#,
        r#"{"0000000000000001":"1"}"#,
        r#"{"0000000000000001":9007199254740992}"#,
        r#"{"000000000000000A":1}"#,
        r#"{"0000000000000001":1,}"#,
        r#"{"0000000000000001":1,"0000000000000001":2}"#,
        r#"{"00000000000000001":1}"#,
    ];
    for json in counters {
        refused(CrdtKind::GCounter, json);
        refused(CrdtKind::PnCounter, &format!(r#"{{"p":{json},"n":{{}}}}"#));
    }
    for json in ["{}", r#"{"p":{}}"#, r#"{"p":{},"n":{},"n":{}}"#, r#"{"p":{},"n":{},"x":1}"#] {
        refused(CrdtKind::PnCounter, json);
    }
    for value in ["\"x\"", "1.5", "2147483648", "null", "01", "-0", "[1]", "\"1\""] {
        refused(CrdtKind::Lww(&Kind::Int), &format!(r#"{{"value":{value},"ts":1,"replica":"{A}"}}"#));
        refused(CrdtKind::OrSet(&Kind::Int), &format!(r#"{{"adds":[[{value},["{A}:1"]]],"dels":[]}}"#));
    }
    for (kind, value) in [
        (&Kind::BigInt, "5"),
        (&Kind::BigInt, "\"05\""),
        (&Kind::BigInt, "\"9223372036854775808\""),
        (&Kind::Text, "5"),
        (&Kind::Text, r#""\u0000""#),
        (&Kind::Id, "\"0190A1B2-0000-7000-8000-00000000000a\""),
        (&Kind::Date, "\"2023-02-29\""),
        (&Kind::Bool, "1"),
        (&Kind::Fixed(2), "1.5"),
    ] {
        refused(CrdtKind::Lww(kind), &format!(r#"{{"value":{value},"ts":1,"replica":"{A}"}}"#));
        refused(CrdtKind::OrSet(kind), &format!(r#"{{"adds":[[{value},["{A}:1"]]],"dels":[]}}"#));
    }
    for rest in [
        r#""ts":-1,"replica":"0000000000000001""#,
        r#""ts":9007199254740992,"replica":"0000000000000001""#,
        r#""ts":1,"replica":"1""#,
        r#""ts":1"#,
        r#""ts":1,"replica":"0000000000000001","more":1"#,
    ] {
        refused(CrdtKind::Lww(&Kind::Int), &format!(r#"{{"value":1,{rest}}}"#));
    }
    for (adds, dels) in [
        (r#"["a",[]]"#, ""),
        (r#"["a",["0000000000000001:1","0000000000000001:1"]]"#, ""),
        (r#"["a",["0000000000000001:1"]],["a",["0000000000000001:2"]]"#, ""),
        (r#"["a",["0000000000000001:1"]]"#, r#""0000000000000001:1""#),
        (r#"["a",["0000000000000001:01"]]"#, ""),
        (r#"["a",["0000000000000001:+1"]]"#, ""),
        (r#"["a",["0000000000000001:18446744073709551616"]]"#, ""),
        (r#"["a",["1"]]"#, ""),
        (r#"["a"]"#, ""),
        ("", r#""0000000000000001:1","0000000000000001:1""#),
    ] {
        refused(CrdtKind::OrSet(&Kind::Text), &format!(r#"{{"adds":[{adds}],"dels":[{dels}]}}"#));
    }
}

/// What stands in the state is what would stand in a column of the value's own kind.
#[test]
fn inner_values_have_the_wire_form_of_their_kind() {
    for (text, wire) in [
        (wire("é\"\n".to_owned()), r#""é\"\n""#),
        (wire(7i32), "7"),
        (wire(i64::MIN), "\"-9223372036854775808\""),
        (wire(true), "true"),
        (wire(Timestamp::from_micros(5)), "\"5\""),
        (wire(Date::constant(2024, 2, 29)), "\"2024-02-29\""),
        (wire(Fixed::<2>::from_minor(150)), "\"150\""),
        (wire(vec![0u8, 255]), "\"AP8=\""),
        (wire(1.0f64), "1.0"),
    ] {
        assert_eq!(text, wire);
    }
    let register = Lww::new(7i64).into_value().unwrap();
    assert_eq!(register, Value::Json(r#"{"value":"7","ts":0,"replica":"0000000000000000"}"#.to_owned()));
    assert_eq!(Lww::<i64>::literal(7), register);
    let mut set = OrSet::<i64>::default();
    set.add(Replica::from_bytes([0, 0, 0, 0, 0, 0, 0, 1]), 3, 7).unwrap();
    assert_eq!(set.into_value().unwrap(), Value::Json(format!(r#"{{"adds":[["7",["{A}:3"]]],"dels":[]}}"#)));
}

/// The fixed form of states: a change of it is a change of the protocol.
#[test]
fn golden_states() {
    let (phone, laptop) = (Replica::of_client("phone"), Replica::of_client("laptop"));
    assert_eq!([phone.to_string(), laptop.to_string()], ["45569da57f4b7bf4", "5eec0dc419aa8337"].map(str::to_owned));
    let mut likes = GCounter::default();
    likes.increment(phone, 2).unwrap();
    let mut votes = PnCounter::default();
    votes.increment(laptop, 1).unwrap();
    votes.decrement(phone, 3).unwrap();
    assert_eq!(likes.into_value().unwrap(), Value::Json(format!(r#"{{"{phone}":2}}"#)));
    assert_eq!(votes.into_value().unwrap(), Value::Json(format!(r#"{{"p":{{"{laptop}":1}},"n":{{"{phone}":3}}}}"#)));
}

fn any_kind() -> impl Strategy<Value = CrdtKind> {
    prop::sample::select(CrdtKind::all().collect::<Vec<_>>())
}

proptest! {
    /// Every kind of state is read as it was written.
    #[test]
    fn states_come_back((kind, json) in any_kind().prop_flat_map(|kind| (Just(kind), any_state(kind)))) {
        prop_assert!(kind.is_canonical(&json), "{}", json);
        prop_assert_eq!(kind.canonical(&json).unwrap(), json.clone());
        prop_assert_eq!(kind.merge(&json, &json).unwrap(), json.clone());
        // White space and other orders are read, and are not the one spelling.
        let other = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&json).unwrap()).unwrap();
        // But for what is kept as it was written.
        let kept = |of: &Kind| matches!(of, Kind::File | Kind::Sealed | Kind::Json);
        if !matches!(kind, CrdtKind::Lww(of) | CrdtKind::OrSet(of) if kept(of)) {
            prop_assert_eq!(kind.canonical(&other).unwrap(), json);
        }
    }

    /// A byte more, less or other is refused or is a state again in its one spelling, and nothing panics.
    #[test]
    fn damage_is_seen(
        (kind, json) in any_kind().prop_flat_map(|kind| (Just(kind), any_state(kind))),
        at in any::<prop::sample::Index>(),
        byte in "[ -~]?",
    ) {
        let place = at.index(json.len());
        prop_assume!(json.is_char_boundary(place) && json.is_char_boundary(place + 1));
        let damaged = format!("{}{byte}{}", &json[..place], &json[place + 1..]);
        match kind.canonical(&damaged) {
            Ok(canonical) => {
                prop_assert!(kind.is_canonical(&canonical));
                prop_assert_eq!(kind.is_canonical(&damaged), canonical == damaged);
            }
            Err(_) => prop_assert!(!kind.is_canonical(&damaged), "{}", damaged),
        }
    }
}
