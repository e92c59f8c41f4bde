use serde::{Deserialize, Serialize};

use crate::ErrorKind;
use crate::mutate::MutatorArgs;
use crate::mutate::args::decode;

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Order {
    title: String,
    items: Vec<Item>,
    note: Option<String>,
}

impl MutatorArgs for Order {
    fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    count: i32,
}

/// The member and the message of the error of bad arguments.
fn refused(json: &str) -> (String, String) {
    let error = decode::<Order>(json).expect_err("bad arguments");
    assert_eq!(error.kind(), ErrorKind::InvalidArgs, "{json}");
    let path = error.data().map(|data| data["path"].as_str().expect("a path").to_owned());
    if let Some(path) = &path {
        assert!(error.message().contains(&format!("`{path}`")), "{error}");
    }
    (path.unwrap_or_default(), error.message().to_owned())
}

#[test]
fn good_arguments_are_read() {
    let order: Order = decode(r#" {"title":"a","items":[{"name":"x","count":2}],"note":null}"#).unwrap();
    assert_eq!(order.items, [Item { name: "x".into(), count: 2 }]);
    assert_eq!(order.note, None);
    let escaped: Order = decode(r#"{"title":"\\u0000 is text","items":[]}"#).unwrap();
    assert_eq!(escaped.title, "\\u0000 is text");
}

#[test]
fn the_member_is_named() {
    let cases = [
        (r#"{"title":5,"items":[]}"#, "title", "expected a string"),
        (r#"{"items":[],"title":true}"#, "title", "expected a string"),
        (r#"{"items":[],"title":null}"#, "title", "expected a string"),
        (r#"{"title":{},"items":[]}"#, "title", "expected a string"),
        (r#"{"title":["x"],"items":[]}"#, "title", "expected a string"),
        (r#"{"title":"a","items":{}}"#, "items", "expected a sequence"),
        (
            r#"{"title":"a","items":[{"name":"x","count":1},{"name":"y","count":"2"}]}"#,
            "items[1].count",
            "expected i32",
        ),
        (r#"{"title":"a","items":[{"name":"x","count":1.5}]}"#, "items[0].count", "expected i32"),
        (r#"{"title":"a","items":[{"name":"x","count":3000000000}]}"#, "items[0].count", "expected i32"),
        (r#"{"title":"a","items":[{"name":"x","count":1},{"name":"y"}]}"#, "items[1]", "missing field `count`"),
        (
            "{\n  \"title\": \"a\",\n  \"items\": [\n    {\"name\": 7, \"count\": 1}\n  ]\n}",
            "items[0].name",
            "expected a string",
        ),
        (r#"{"title":"{[,:\"","items":[{"name":"]}","count":false}]}"#, "items[0].count", "expected i32"),
        (r#"{"title":"a","items":[],"note":7}"#, "note", "expected a string"),
    ];
    for (json, path, message) in cases {
        let (found, text) = refused(json);
        assert_eq!(found, path, "{json}: {text}");
        assert!(text.contains(message), "{json}: {text}");
        assert!(!text.contains(" line "), "the path says where: {text}");
    }
}

#[test]
fn what_is_about_the_whole_is_not_blamed_on_a_member() {
    let cases = [
        (r#"{"items":[]}"#, "missing field `title`"),
        (r#"{"title":"a","items":[],"extra":1}"#, "unknown field `extra`"),
        (r#"{"title":"a","title":"b","items":[]}"#, "duplicate field `title`"),
        (r#"["a",[],null]"#, "expected an object"),
        ("null", "expected an object"),
        ("7", "expected an object"),
        ("", "expected an object"),
    ];
    for (json, message) in cases {
        let (path, text) = refused(json);
        assert_eq!(path, "", "{json}: {text}");
        assert!(text.contains(message), "{json}: {text}");
    }
    refused(r#"{"title":"a","items":[]} x"#);
    refused(r#"{"title":"a","items":["#);
}

#[test]
fn text_with_u0000_is_refused() {
    let (path, text) = refused(r#"{"title":"a","items":[{"name":"x\u0000","count":1}]}"#);
    assert_eq!(path, "items[0].name");
    assert!(text.contains("U+0000"), "{text}");
    assert!(refused(r#"{"title":"\\\u0000","items":[]}"#).1.contains("U+0000"));
}
