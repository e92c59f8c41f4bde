use super::*;

#[test]
fn states_have_one_spelling() {
    for (kind, spelled, canonical) in [
        (
            CrdtKind::GCounter,
            r#"{ "00000000000000ff": 2, "0000000000000001": 1 }"#,
            r#"{"0000000000000001":1,"00000000000000ff":2}"#,
        ),
        (CrdtKind::PnCounter, r#"{"n":{},"p":{"0000000000000001":1}}"#, r#"{"p":{"0000000000000001":1},"n":{}}"#),
        (
            CrdtKind::OrSet(&crate::value::Kind::Text),
            r#"{"adds":[["b",["0000000000000002:1","0000000000000001:9"]],["a",["0000000000000001:1"]]],"dels":[]}"#,
            r#"{"adds":[["a",["0000000000000001:1"]],["b",["0000000000000001:9","0000000000000002:1"]]],"dels":[]}"#,
        ),
    ] {
        assert_eq!(kind.canonical(spelled).unwrap(), canonical);
    }
}
