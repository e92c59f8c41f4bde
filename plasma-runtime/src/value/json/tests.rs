use proptest::prelude::*;

use super::*;
use crate::schema::ColumnDef;

const fn column(name: &'static str, kind: Kind, nullable: bool) -> ColumnDef {
    ColumnDef { nullable, ..ColumnDef::new(name, kind) }
}

const ID: &str = "0190a1b2-0000-7000-8000-00000000000a";

static ALL: TableDef = TableDef::new(
    "all",
    &[
        column("id", Kind::Id, false),
        column("text", Kind::Text, true),
        column("int", Kind::Int, true),
        column("bigint", Kind::BigInt, true),
        column("float", Kind::Float, true),
        column("bool", Kind::Bool, true),
        column("blob", Kind::Blob, true),
        column("json", Kind::Json, true),
        column("time", Kind::Timestamp, true),
        column("date", Kind::Date, true),
        column("fixed", Kind::Fixed(2), true),
        column("file", Kind::File, true),
    ],
);

const FILE: &str =
    r#"{"hash":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","size":3,"mime":"text/plain"}"#;

static PLAIN: TableDef = TableDef::new(
    "plain",
    &[
        column("id", Kind::Id, false),
        column("done", Kind::Bool, false).default_value(|| Value::Bool(true)),
        column("title", Kind::Text, false),
        column("note", Kind::Text, true),
    ],
);

pub(crate) fn any_value(kind: Kind) -> BoxedStrategy<Value> {
    let text = "[^\\x00]{0,12}";
    match kind {
        Kind::Id => any::<[u8; 16]>().prop_map(|b| Value::Text(uuid::Uuid::from_bytes(b).to_string())).boxed(),
        Kind::Text => text.prop_map(Value::Text).boxed(),
        Kind::Int => any::<i32>().prop_map(|n| Value::Int(n.into())).boxed(),
        Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => any::<i64>().prop_map(Value::Int).boxed(),
        Kind::Float => (proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO)
            .prop_map(|x| Value::Float(if x == 0.0 { 0.0 } else { x }))
            .boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Blob => any::<Vec<u8>>().prop_map(Value::Blob).boxed(),
        Kind::Json => {
            text.prop_map(|text| Value::Json(serde_json::json!({ "a": [text, 1, null] }).to_string())).boxed()
        }
        Kind::Date => (1i32..=9999, 1u8..=12, 1u8..=28)
            .prop_map(|(year, month, day)| Value::Text(format!("{year:04}-{month:02}-{day:02}")))
            .boxed(),
        Kind::Crdt(kind) => crate::crdt::tests::any_state(kind).prop_map(Value::Json).boxed(),
        Kind::Sealed => any::<([u8; 12], [u8; 20])>()
            .prop_map(|(nonce, ciphertext)| {
                let key_id = crate::value::KeyId::new("k").unwrap();
                Value::Json(crate::value::Envelope { key_id, nonce, ciphertext: ciphertext.into() }.to_json())
            })
            .boxed(),
        Kind::File => any::<Vec<u8>>()
            .prop_map(|bytes| Value::Json(crate::value::FileRef::of(&bytes, "image/png").unwrap().to_json()))
            .boxed(),
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    ALL.columns
        .iter()
        .map(|column| {
            let value = any_value(column.kind);
            if column.nullable { prop_oneof![1 => Just(Value::Null), 4 => value].boxed() } else { value }
        })
        .collect::<Vec<_>>()
}

proptest! {
    #[test]
    fn rows_come_back_bit_by_bit(row in any_row()) {
        let json = encode_row(&ALL, &row);
        let again = decode_row(&ALL, &json).unwrap();
        prop_assert_eq!(&again, &row);
        for (a, b) in again.iter().zip(&row) {
            if let (Value::Float(a), Value::Float(b)) = (a, b) {
                prop_assert_eq!(a.to_bits(), b.to_bits());
            }
        }
        // serde_json, the other reader, agrees that it is JSON with these members.
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(value.as_object().unwrap().len(), ALL.columns.len());
        if let Value::Text(text) = &row[1] {
            prop_assert_eq!(value["text"].as_str(), Some(text.as_str()));
        }
        prop_assert_eq!(encode_row(&ALL, &again), json);
    }

    #[test]
    fn no_text_makes_the_reader_panic(json in ".{0,60}") {
        let _ = decode_row(&ALL, &json);
        let _ = decode_log_row(&ALL, &json);
    }
}

#[test]
fn the_wire_form_is_the_protocols() {
    let row = vec![
        Value::from(ID),
        Value::from("\u{1f600} \"\\/\n\u{1}"),
        Value::Int(-5),
        Value::Int(i64::MIN),
        Value::Float(-0.0),
        Value::Bool(false),
        Value::Blob(vec![0xfb, 0xff]),
        Value::Json("{\"k\":[1,2.50]}".into()),
        Value::Int(1_730_100_000_000_000),
        Value::from("2024-02-29"),
        Value::Int(-1_234),
        Value::Json(FILE.into()),
    ];
    let expected = format!(
        r#"{{"id":"{ID}","text":"😀 \"\\/\n\u0001","int":-5,"bigint":"-9223372036854775808","float":0.0,"bool":false,"blob":"+/8=","json":{{"k":[1,2.50]}},"time":"1730100000000000","date":"2024-02-29","fixed":"-1234","file":{FILE}}}"#
    );
    assert_eq!(encode_row(&ALL, &row), expected);
    assert_eq!(decode_row(&ALL, &expected).unwrap(), row);
}

/// Each is valid JSON in another spelling than the one accepted.
#[test]
fn second_spellings_and_values_out_of_range_are_refused() {
    for (name, value) in [
        ("id", "null"),
        ("id", "\"0190A1B2-0000-7000-8000-00000000000A\""),
        ("id", "\"0190a1b2000070008000000000000000000a\""),
        ("id", "\"{0190a1b2-0000-7000-8000-00000000000a}\""),
        ("text", "\"a\\u0000b\""),
        ("text", "\"\\ud800\""),
        ("text", "7"),
        ("int", "2147483648"),
        ("int", "-2147483649"),
        ("int", "1.0"),
        ("int", "1e2"),
        ("int", "\"1\""),
        ("int", "true"),
        ("bigint", "1"),
        ("bigint", "\"\""),
        ("bigint", "\"-\""),
        ("bigint", "\"+1\""),
        ("bigint", "\"01\""),
        ("bigint", "\"-0\""),
        ("bigint", "\" 1\""),
        ("bigint", "\"1.0\""),
        ("bigint", "\"9223372036854775808\""),
        ("bigint", "\"-9223372036854775809\""),
        ("time", "\"00\""),
        ("float", "1e400"),
        ("float", "\"1\""),
        ("float", "NaN"),
        ("bool", "0"),
        ("bool", "\"true\""),
        ("blob", "\"AAA\""),
        ("blob", "\"AA=\""),
        ("blob", "\"AB==\""),
        ("blob", "\"AA-_\""),
        ("blob", "\"AA\\nAA\""),
        ("blob", "[]"),
        ("json", "{\"a\":}"),
        ("text", "{}"),
        ("date", "\"2023-02-29\""),
        ("date", "\"2024-2-29\""),
        ("date", "\"0000-01-01\""),
        ("date", "\"+2024-01-01\""),
        ("date", "\"2024-01-01T00:00:00\""),
        ("date", "20240101"),
        ("fixed", "1"),
        ("fixed", "12.34"),
        ("fixed", "\"12.34\""),
        ("fixed", "\"007\""),
        ("file", "\"abc\""),
        ("file", "{}"),
        ("file", "[]"),
    ] {
        let mut members = format!("\"{name}\":{value}");
        if name != "id" {
            members.push_str(&format!(",\"id\":\"{ID}\""));
        }
        let error = decode_row(&ALL, &format!("{{{members}}}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{name} = {value}");
        assert!(error.message().contains("`all`"), "{error}");
    }
}

#[test]
fn other_spellings_of_json_itself_are_read() {
    let row = decode_row(
        &ALL,
        &format!(" {{ \"\\u0069d\" : \"{ID}\" , \"float\" : 3 , \"int\": 7, \"json\": [ \"a \\\" b\" , {{ }} ] }} "),
    )
    .unwrap();
    assert_eq!(row[2], Value::Int(7));
    assert_eq!(row[4], Value::Float(3.0));
    assert_eq!(row[7], Value::Json("[\"a \\\" b\",{}]".into()));
    let float = |text: &str| decode_row(&ALL, &format!("{{\"id\":\"{ID}\",\"float\":{text}}}")).unwrap()[4].clone();
    assert_eq!(float("0.10000000000000001"), Value::Float(0.1));
    assert_eq!(float("1.7976931348623157e+308"), Value::Float(f64::MAX));
    let Value::Float(zero) = float("-0.0") else { panic!() };
    assert!(zero.is_sign_positive());
}

#[test]
fn members_may_be_missing_unknown_or_in_any_order_but_not_twice() {
    let json = format!("{{\"later\":{{\"x\":[1]}},\"title\":\"t\",\"id\":\"{ID}\"}}");
    let row = decode_row(&PLAIN, &json).unwrap();
    assert_eq!(row, [Value::from(ID), Value::Bool(true), Value::from("t"), Value::Null]);
    for (json, names) in [
        (format!("{{\"id\":\"{ID}\"}}"), "title"),
        (format!("{{\"id\":\"{ID}\",\"title\":\"a\",\"title\":\"b\"}}"), "title"),
        (format!("{{\"id\":\"{ID}\",\"title\":null}}"), "title"),
        (format!("{{\"id\":\"{ID}\",\"title\":\"a\"}} x"), "trailing"),
        ("[]".to_owned(), "plain"),
        (String::new(), "plain"),
    ] {
        let error = decode_row(&PLAIN, &json).unwrap_err();
        assert!(error.message().contains(names), "{error}");
    }
}

#[test]
fn deep_json_is_an_error_and_not_a_crash() {
    let nested = |depth: usize| format!("{{\"id\":\"{ID}\",\"json\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let error = decode_row(&ALL, &nested(100_000)).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    decode_row(&ALL, &nested(128)).map(|_| ()).unwrap_err();
    let Value::Json(deepest) = &decode_row(&ALL, &nested(127)).unwrap()[7] else { panic!() };
    serde_json::from_str::<serde_json::Value>(deepest).unwrap();
    // A member nobody knows is skipped without recursion.
    let unknown = nested(100_000).replace("\"json\"", "\"later\"");
    assert_eq!(decode_row(&ALL, &unknown).unwrap()[0], Value::from(ID));
}

#[test]
fn a_message_quotes_only_the_beginning_of_a_long_value() {
    let json = format!("{{\"id\":\"{}\"}}", "\u{e9}".repeat(100_000));
    assert!(decode_row(&ALL, &json).unwrap_err().message().len() < 300);
}

#[test]
fn the_log_form_differs_in_blobs_only() {
    let log = format!("{{\"id\":\"{ID}\",\"blob\":\"FBff\",\"float\":0.10000000000000001}}");
    let row = decode_log_row(&ALL, &log).unwrap();
    assert_eq!(row[6], Value::Blob(vec![0xfb, 0xff]));
    let wire = log_to_wire(&ALL, &log).unwrap();
    assert_eq!(decode_row(&ALL, &wire).unwrap(), row);
    for bad in ["F", "FG", "+/8="] {
        let error = decode_log_row(&ALL, &format!("{{\"id\":\"{ID}\",\"blob\":\"{bad}\"}}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
    }
    // Without a blob column nothing is touched, not even what could be written shorter.
    let plain = "{ \"id\" : 1 }";
    assert!(matches!(log_to_wire(&PLAIN, plain).unwrap(), Cow::Borrowed(text) if text == plain));
}

/// `cargo test -p plasma-runtime --release --lib value::json -- --ignored --nocapture` prints nanoseconds a row.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]
fn speed() {
    static SIX: TableDef = TableDef::new(
        "six",
        &[
            column("id", Kind::Id, false),
            column("list_id", Kind::Id, false),
            column("title", Kind::Text, false),
            column("done", Kind::Bool, false),
            column("note", Kind::Text, true),
            column("created_at", Kind::Timestamp, false),
        ],
    );
    let row = vec![
        Value::from(ID),
        Value::from(ID),
        Value::from("Buy milk and bread, the good one"),
        Value::Bool(true),
        Value::Null,
        Value::Int(1_730_100_000_000_000),
    ];
    let json = encode_row(&SIX, &row);
    let rounds = 1_000_000u32;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(encode_row(&SIX, std::hint::black_box(&row)));
    }
    println!("encode {:?} a row of {} bytes", start.elapsed() / rounds, json.len());
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(decode_row(&SIX, std::hint::black_box(&json)).unwrap());
    }
    println!("decode {:?} a row", start.elapsed() / rounds);
}
