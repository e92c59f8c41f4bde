use proptest::prelude::*;

use super::*;

fn c1(json: &str) -> String {
    format!("c1:{}", URL_SAFE_NO_PAD.encode(json))
}

fn c2(json: &str) -> String {
    format!("c2:{}", URL_SAFE_NO_PAD.encode(json))
}

#[test]
fn the_one_text_of_a_cookie() {
    let cookie = Cookie::single(42).unwrap();
    assert_eq!(cookie.encode().unwrap(), "c1:eyIwIjoiNDIifQ");
    assert_eq!(URL_SAFE_NO_PAD.decode("eyIwIjoiNDIifQ").unwrap(), br#"{"0":"42"}"#);
    let two = Cookie::new().with("us", 7).unwrap().with("eu", i64::MAX as u64).unwrap();
    assert_eq!(two.encode().unwrap(), c1(r#"{"eu":"9223372036854775807","us":"7"}"#));
    assert_eq!(Cookie::decode(&two.encode().unwrap()).unwrap(), two);
    assert_eq!(two.to_string(), "eu@9223372036854775807 us@7");
}

#[test]
fn everything_else_is_refused() {
    let many = |n: usize| {
        let members: Vec<_> = (0..n).map(|i| format!("\"{i:03}\":\"1\"")).collect();
        c1(&format!("{{{}}}", members.join(",")))
    };
    assert!(Cookie::decode(&many(64)).is_ok(), "64 regions are allowed");
    let long_name = |n: usize| c1(&format!("{{\"{}\":\"1\"}}", "r".repeat(n)));
    assert!(Cookie::decode(&long_name(3000)).is_ok(), "4 KiB are allowed");
    let cases = [
        ("empty text", String::new()),
        ("no prefix", URL_SAFE_NO_PAD.encode(r#"{"0":"1"}"#)),
        ("unknown prefix", c1(r#"{"0":"1"}"#).replace("c1:", "c3:")),
        ("upper-case prefix", c1(r#"{"0":"1"}"#).replace("c1:", "C1:")),
        ("empty payload", "c1:".to_owned()),
        ("empty object", c1("{}")),
        ("array", c1(r#"["1"]"#)),
        ("null", c1("null")),
        ("number instead of string", c1(r#"{"0":1}"#)),
        ("leading zero", c1(r#"{"0":"01"}"#)),
        ("plus", c1(r#"{"0":"+1"}"#)),
        ("minus", c1(r#"{"0":"-1"}"#)),
        ("minus zero", c1(r#"{"0":"-0"}"#)),
        ("white space in a version", c1(r#"{"0":" 1"}"#)),
        ("hexadecimal", c1(r#"{"0":"0x1"}"#)),
        ("other digits", c1("{\"0\":\"\u{0661}\"}")),
        ("no digits", c1(r#"{"0":""}"#)),
        ("above i64", c1(r#"{"0":"9223372036854775808"}"#)),
        ("huge", c1(&format!("{{\"0\":\"{}\"}}", "9".repeat(500)))),
        ("duplicate members", c1(r#"{"0":"1","0":"1"}"#)),
        ("unordered members", c1(r#"{"b":"1","a":"1"}"#)),
        ("white space", c1(r#"{ "0":"1"}"#)),
        ("escape", c1(r#"{"\u0030":"1"}"#)),
        ("trailing data", c1(r#"{"0":"1"}x"#)),
        ("nameless region", c1(r#"{"":"1"}"#)),
        ("65 regions", many(65)),
        ("longer than 4 KiB", long_name(3100)),
        ("10 MB", format!("c1:{}", "A".repeat(10 << 20))),
        ("padding", format!("{}==", c1(r#"{"0":"42"}"#))),
        ("standard alphabet", "c1:eyIwIjoi+/8".to_owned()),
        ("loose last bits", "c1:eyIwIjoiNDIifR".to_owned()),
        ("line break", "c1:eyIwIjoi\nNDIifQ".to_owned()),
        ("not UTF-8", format!("c1:{}", URL_SAFE_NO_PAD.encode(b"{\"\xff\":\"1\"}"))),
        ("deep", c1(&"[".repeat(2000))),
    ];
    for (name, text) in cases {
        assert!(AnyCookie::decode(&text).is_err(), "{name} was accepted: {text:.60}");
        assert!(Cookie::decode(&text).is_err(), "{name} was accepted: {text:.60}");
    }
}

fn position() -> Position {
    Position {
        at: 12,
        mark: Mark(0xfeed),
        seen: Seen { first: 14, last: 15, mark: Mark(u64::MAX) },
        schema: Some(0x5fd1_a0b3_c4d5_e6f7),
        policies: BTreeMap::from([("lists".to_owned(), "00ff00ff00ff00ff".to_owned())]),
        walk: Some(Walk {
            from: Some(Resume { at: 9, mark: Mark(1), seen: Seen { first: 9, last: 10, mark: Mark(2) } }),
            restated: vec!["lists".to_owned(), "todos".to_owned()],
            table: "todos".to_owned(),
            after: Some("b".to_owned()),
        }),
    }
}

#[test]
fn golden_positions() {
    let plain = Position { walk: None, schema: None, policies: BTreeMap::new(), ..position() };
    let json = r#"{"regions":{"0":"12"},"mark":"000000000000feed","seen":["14","15","ffffffffffffffff"]}"#;
    assert_eq!(plain.encode().unwrap(), c2(json));
    let full = concat!(
        r#"{"regions":{"0":"12"},"mark":"000000000000feed","seen":["14","15","ffffffffffffffff"],"#,
        r#""schema":"5fd1a0b3c4d5e6f7","policies":{"lists":"00ff00ff00ff00ff"},"walk":{"from":{"at":"9","mark":"0000000000000001","#,
        r#""seen":["9","10","0000000000000002"]},"restated":["lists","todos"],"table":"todos","after":"b"}}"#
    );
    assert_eq!(position().encode().unwrap(), c2(full));
    assert_eq!(position().regions(), Cookie::single(12).unwrap());
}

#[test]
fn forged_positions_are_refused() {
    let good = r#"{"regions":{"0":"12"},"mark":"000000000000feed","seen":["14","15","ffffffffffffffff"]}"#;
    assert!(Position::decode(&c2(good)).is_ok());
    let changes = [
        ("upper-case mark", "000000000000feed", "000000000000FEED"),
        ("short mark", "000000000000feed", "feed"),
        ("signed mark", "000000000000feed", "+00000000000feed"),
        ("heads out of order", r#"["14","15""#, r#"["15","14""#),
        ("position after its head", r#"{"0":"12"}"#, r#"{"0":"15"}"#),
        ("two regions", r#"{"0":"12"}"#, r#"{"0":"12","1":"3"}"#),
        ("another region", r#"{"0":"12"}"#, r#"{"1":"12"}"#),
        ("number", r#""14""#, "14"),
        ("unknown member", r#""mark""#, r#""more":1,"mark""#),
        ("default written out", "]}", r#"],"policies":{}}"#),
        ("null written out", "]}", r#"],"walk":null}"#),
        ("bad fingerprint", "]}", r#"],"schema":"xyz"}"#),
        ("bad digest", "]}", r#"],"policies":{"a":"xyz"}}"#),
        (
            "walk from the future",
            "]}",
            r#"],"walk":{"from":{"at":"13","mark":"0000000000000001","seen":["13","13","0000000000000001"]},"table":"a"}}"#,
        ),
        ("tables out of order", "]}", r#"],"walk":{"restated":["b","a"],"table":"a"}}"#),
    ];
    for (name, old, new) in changes {
        assert!(good.contains(old), "{name}");
        assert!(Position::decode(&c2(&good.replace(old, new))).is_err(), "{name} was accepted");
    }
    let mut long = position();
    long.policies = (0..200).map(|i| (format!("table_{i}"), "0123456789abcdef".to_owned())).collect();
    assert!(long.encode().is_err(), "longer than 4 KiB");
}

#[test]
fn a_predicate_per_region_and_never_a_maximum() {
    let cookie = Cookie::new().with("eu", 90).unwrap().with("us", 7).unwrap();
    let (sql, params) = cookie.pull_predicate("region", "row_version");
    assert_eq!(sql, "((region = ? AND row_version > ?) OR (region = ? AND row_version > ?) OR region NOT IN (?, ?))");
    let texts: Vec<Value> = vec!["eu".into(), 90.into(), "us".into(), 7.into(), "eu".into(), "us".into()];
    assert_eq!(params, texts);
    assert_eq!(Cookie::new().pull_predicate("r", "v"), ("TRUE".to_owned(), vec![]));
}

fn any_cookie() -> impl Strategy<Value = Cookie> {
    prop::collection::btree_map("[a-z0-9\"\\\\é]{1,5}", 0..=i64::MAX as u64, 1..8)
        .prop_map(|regions| Cookie { regions })
}

fn any_seen(at: u64) -> impl Strategy<Value = Seen> {
    (at..=at + 50, 0..50u64, any::<u64>()).prop_map(|(first, more, mark)| Seen {
        first,
        last: first + more,
        mark: Mark(mark),
    })
}

fn any_position() -> impl Strategy<Value = Position> {
    (0..1u64 << 60, any::<u64>())
        .prop_flat_map(|(at, mark)| {
            let policies = prop::collection::btree_map("[a-z_]{1,8}", "([0-9a-f]{16})?", 0..5);
            let from = (0..=at, any::<u64>())
                .prop_flat_map(|(at, mark)| any_seen(at).prop_map(move |seen| Resume { at, mark: Mark(mark), seen }));
            let walk = (
                prop::option::of(from),
                prop::collection::btree_set("[a-z_]{1,8}", 0..4),
                "[a-z]{1,6}",
                prop::option::of(".{0,9}"),
            )
                .prop_map(|(from, restated, table, after)| Walk {
                    from,
                    restated: restated.into_iter().collect(),
                    table,
                    after,
                });
            (Just(at), Just(Mark(mark)), any_seen(at), any::<Option<u64>>(), policies, prop::option::of(walk))
        })
        .prop_map(|(at, mark, seen, schema, policies, walk)| Position { at, mark, seen, schema, policies, walk })
}

proptest! {
    #[test]
    fn decode_undoes_encode(cookie in any_cookie()) {
        prop_assert_eq!(Cookie::decode(&cookie.encode().unwrap()).unwrap(), cookie);
    }

    #[test]
    fn decode_undoes_encode_for_positions(position in any_position()) {
        let text = position.encode().unwrap();
        prop_assert_eq!(AnyCookie::decode(&text).unwrap(), AnyCookie::Position(position));
    }

    #[test]
    fn another_text_is_another_cookie_or_none(
        position in any_position(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let text = position.encode().unwrap();
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap_or_default();
        if let Ok(read) = Position::decode(&changed) {
            prop_assert_eq!(read == position, changed == text);
            prop_assert_eq!(read.encode().unwrap(), changed);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}", json in "[\\{\\}\\[\\]:,\"0-9a-z]{0,40}") {
        let _ = AnyCookie::decode(&text);
        if let Ok(cookie) = AnyCookie::decode(&c1(&json)) {
            let AnyCookie::Regions(cookie) = cookie else { panic!("c1 is a cookie of regions") };
            prop_assert_eq!(cookie.encode().unwrap(), c1(&json));
        }
    }

    #[test]
    fn merge_is_the_least_cookie_that_covers_both(a in any_cookie(), b in any_cookie(), c in any_cookie()) {
        let merged = a.merge(&b).unwrap();
        prop_assert!(merged.covers(&a) && merged.covers(&b));
        prop_assert_eq!(&merged, &b.merge(&a).unwrap());
        prop_assert_eq!(&merged.merge(&merged).unwrap(), &merged);
        if c.covers(&a) && c.covers(&b) {
            prop_assert!(c.covers(&merged));
        }
        prop_assert_eq!(a.merge(&b).unwrap().merge(&c).unwrap(), a.merge(&b.merge(&c).unwrap()).unwrap());
    }

    /// What the predicate selects is what the cookie does not cover, row by row.
    #[test]
    fn the_predicate_selects_what_is_not_covered(
        versions in prop::collection::btree_map("[abc]", 0..20u64, 0..3), region in "[abcd]", version in 1..25u64,
    ) {
        let cookie = Cookie { regions: versions };
        let listed = cookie.pull_predicates().into_iter().find(|predicate| predicate.region == region);
        let selected = listed.is_none_or(|predicate| version > predicate.after);
        let row = Cookie::new().with(&region, version).unwrap();
        prop_assert_eq!(selected, !cookie.covers(&row));
        let mut advanced = cookie.clone();
        advanced.advance_from_changes([(region.as_str(), version)]).unwrap();
        prop_assert!(advanced.covers(&row) && advanced.covers(&cookie));
    }
}
