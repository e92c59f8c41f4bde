//! Requests as they come over the wire: status, code, and that nothing changes.

use std::io::Write;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::fixture::*;
use crate::protocol::{Method, WireRequest, WireResponse};
use crate::server::{Caller, ServerErrorKind};

fn request(method: Method, path: &str) -> WireRequest {
    WireRequest { method, path: path.to_owned(), query: String::new(), headers: Vec::new(), body: Bytes::new() }
}

fn push(body: impl Into<Vec<u8>>) -> WireRequest {
    WireRequest {
        headers: vec![("content-type".into(), "application/json".into())],
        body: Bytes::from(body.into()),
        ..request(Method::Post, "/sync/push")
    }
}

fn pull(query: &str) -> WireRequest {
    WireRequest { query: query.to_owned(), ..request(Method::Get, "/sync/pull") }
}

fn good_push() -> Json {
    push_body(
        "alice",
        "c",
        json!([mutation(1, "k1", json!([["insert", "notes", { "id": uuid("n"), "text": "x", "tag": null }]]))]),
    )
}

fn good_query() -> String {
    format!(
        "protocolVersion=1&schemaVersion=app-1&fingerprint={}&clientGroupID=alice&clientID=c",
        definition().schema.fingerprint_hex()
    )
}

fn json_of(response: &WireResponse) -> Json {
    serde_json::from_slice(&response.body).unwrap()
}

/// The answer, which must be a refusal that leaves the database as it was.
fn refused(server: &mut Server, caller: Option<&Caller>, request: &WireRequest) -> (u16, String, Json) {
    let before = server.dump();
    let response = server.handle(caller, request);
    assert_eq!(server.dump(), before, "{request:?}");
    let body = json_of(&response);
    assert!(body["message"].is_string(), "{body}");
    (response.status, body["error"].as_str().unwrap().to_owned(), body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(body: &[u8]) -> WireRequest {
    let mut request = push(gzip(body));
    request.headers.push(("content-encoding".into(), "gzip".into()));
    request
}

#[test]
pub(super) fn a_push_and_a_pull_are_answered() {
    let mut server = server();
    let alice = caller("alice");
    let response = server.handle(Some(&alice), &push(good_push().to_string()));
    assert_eq!(response.status, 200, "{:?}", response.body);
    assert_eq!(
        json_of(&response),
        json!({ "ok": true, "lastMutationID": 1, "results": [{ "id": 1, "status": "applied" }] })
    );
    for (name, value) in
        [("content-type", "application/json"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
    {
        assert_eq!(response.header(name), Some(value));
    }
    let response = server.handle(Some(&alice), &pull(&good_query()));
    assert_eq!(response.status, 200, "{:?}", response.body);
    let body = json_of(&response);
    assert_eq!(body["lastMutationIDs"], json!({ "c": 1 }));
    assert!(body["patch"].as_array().unwrap().iter().any(|op| op["op"] == "put" && op["table"] == "notes"), "{body}");
    // An unknown member and an unknown parameter are ignored; an optional member may be null.
    let mut body = good_push();
    body["fingerprint"] = Json::Null;
    body["later"] = json!({ "a": [1] });
    assert_eq!(server.handle(Some(&alice), &push(body.to_string())).status, 200);
    assert_eq!(server.handle(Some(&alice), &pull(&(good_query() + "&later=1"))).status, 200);
    assert_eq!(server.errors(), []);
}

#[test]
fn gzip_works_both_ways() {
    let mut server = server();
    let response = server.handle(Some(&caller("alice")), &gzipped(good_push().to_string().as_bytes()));
    assert_eq!(response.status, 200);
    for id in 0..50 {
        server.sql(&format!(
            "INSERT INTO notes VALUES ('{}', 'a rather long text that repeats itself', NULL)",
            uuid(&format!("g{id}"))
        ));
    }
    let mut request = pull(&good_query());
    let plain = server.handle(Some(&caller("alice")), &request);
    request.headers.push(("accept-encoding".into(), "br, gzip".into()));
    let packed = server.handle(Some(&caller("alice")), &request);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 3 < plain.body.len());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*packed.body), &mut unpacked).unwrap();
    let patch = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).unwrap()["patch"].clone();
    assert_eq!(patch(&unpacked), patch(&plain.body));
}

#[test]
pub(super) fn paths_methods_and_credentials() {
    let mut server = server();
    let alice = caller("alice");
    let health = request(Method::Get, "/sync/health");
    assert_eq!(server.handle(None, &health).status, 200);
    // Without credentials the answer is 401 whatever the path.
    for (method, path) in [
        (Method::Post, "/sync/push"),
        (Method::Get, "/sync/pull"),
        (Method::Get, "/nowhere"),
        (Method::Get, "/sync/health/"),
        (Method::Get, "/sync//health"),
        (Method::Get, "/sync/%68ealth"),
        (Method::Post, "/sync/health"),
        (Method::Head, "/sync/health"),
        (Method::Get, "/health"),
    ] {
        let (status, code, _) = refused(&mut server, None, &request(method, path));
        assert_eq!((status, code.as_str()), (401, "unauthorized"), "{path}");
    }
    for path in [
        "/",
        "",
        "/sync",
        "/sync/",
        "/push",
        "/sync/push/",
        "//sync/push",
        "/sync//push",
        "/sync/./push",
        "/sync/../sync/push",
        "/sync/%70ush",
        "/sync/pusH",
        "/SYNC/push",
        "/sync/push%00",
        "/syncpush",
        "/sync/push.json",
        "/sync/blob",
    ] {
        let mut asked = push(good_push().to_string());
        asked.path = path.to_owned();
        let (status, code, _) = refused(&mut server, Some(&alice), &asked);
        assert_eq!((status, code.as_str()), (404, "not-found"), "{path}");
    }
    for (method, path, allow) in [
        (Method::Get, "/sync/push", "POST"),
        (Method::Head, "/sync/push", "POST"),
        (Method::Put, "/sync/push", "POST"),
        (Method::Other, "/sync/push", "POST"),
        (Method::Post, "/sync/pull", "GET"),
        (Method::Head, "/sync/pull", "GET"),
        (Method::Post, "/sync/health", "GET"),
    ] {
        let asked = request(method, path);
        let response = server.handle(Some(&alice), &asked);
        assert_eq!((response.status, response.header("allow")), (405, Some(allow)), "{method:?} {path}");
        assert_eq!(json_of(&response)["error"], "method-not-allowed");
    }
}

#[test]
fn media_types_and_codings() {
    let mut server = server();
    let alice = caller("alice");
    let body = good_push().to_string();
    let with = |headers: &[(&str, &str)]| WireRequest {
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        ..push(body.clone())
    };
    for bad in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json5")],
        &[("content-type", "application/json; charset=latin1")],
        &[("content-type", "application/json"), ("content-type", "application/json")],
        &[("content-type", "application/json"), ("content-encoding", "br")],
        &[("content-type", "application/json"), ("content-encoding", "gzip, gzip")],
        &[("content-type", "application/json"), ("content-encoding", "gzip"), ("content-encoding", "gzip")],
    ] {
        let (status, code, _) = refused(&mut server, Some(&alice), &with(bad));
        assert_eq!((status, code.as_str()), (415, "unsupported-media-type"), "{bad:?}");
    }
    for good in [
        &[("content-type", "Application/JSON ; charset=\"UTF-8\"")][..],
        &[("content-type", "application/json"), ("content-encoding", "identity")],
    ] {
        assert_eq!(server.handle(Some(&alice), &with(good)).status, 200, "{good:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let mut server = server();
    let alice = caller("alice");
    let spaces = |n: usize| {
        let mut body = good_push().to_string().into_bytes();
        body.resize(n, b' ');
        body
    };
    let limit = 1 << 20;
    for (request, status) in [
        (push(spaces(limit)), 200),
        (push(spaces(limit + 1)), 413),
        (gzipped(&spaces(limit)), 200),
        (gzipped(&spaces(limit + 1)), 413),
        // A bomb: 200 MiB in 200 KiB. It is not unpacked beyond the limit.
        (gzipped(&vec![b' '; 200 << 20]), 413),
    ] {
        let response = server.handle(Some(&alice), &request);
        assert_eq!(response.status, status);
        if status == 413 {
            let body = json_of(&response);
            assert_eq!(
                (body["error"].as_str(), body["limit"].as_u64()),
                (Some("payload-too-large"), Some(limit as u64))
            );
        }
    }
    // What comes after the limit is not looked at: its damage does not show.
    let mut damaged = gzipped(&vec![b' '; 8 << 20]);
    damaged.body.truncate(damaged.body.len() / 2);
    assert_eq!(server.handle(Some(&alice), &damaged).status, 413);
    let mut truncated = gzipped(good_push().to_string().as_bytes());
    truncated.body.truncate(truncated.body.len() - 9);
    let mut plain = push(good_push().to_string());
    plain.headers.push(("content-encoding".into(), "gzip".into()));
    for request in [truncated, plain] {
        let (status, code, _) = refused(&mut server, Some(&alice), &request);
        assert_eq!((status, code.as_str()), (400, "invalid-request"));
    }
    let many: Vec<Json> = (2..=202).map(|id| mutation(id, &format!("m{id}"), json!([]))).collect();
    let (status, code, body) =
        refused(&mut server, Some(&alice), &push(push_body("alice", "c", json!(many)).to_string()));
    assert_eq!((status, code.as_str(), body["limit"].as_u64()), (413, "too-many-mutations", Some(200)));
}

#[test]
pub(super) fn malformed_pushes_change_nothing() {
    let mut server = server();
    let alice = caller("alice");
    let deep = |n: usize| {
        let args = format!("{}1{}", "[".repeat(n), "]".repeat(n));
        good_push().to_string().replacen(r#""args":"#, &format!(r#""deep":{args},"args":"#), 1)
    };
    // The body, its array and its mutation are three levels.
    assert_eq!(server.handle(Some(&alice), &push(deep(61))).status, 200);
    let good = good_push().to_string();
    let swap = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        good.replacen(from, to, 1)
    };
    let set = |member: &str, value: Json| {
        let mut body = good_push();
        body[member] = value;
        body.to_string()
    };
    let unset = |member: &str| {
        let mut body = good_push();
        body.as_object_mut().unwrap().remove(member);
        body.to_string()
    };
    let envelope = |member: &str, value: Json| {
        let mut body = good_push();
        body["mutations"][0][member] = value;
        body.to_string()
    };
    let long = "c".repeat(257);
    let bad: Vec<Vec<u8>> = [
        String::new(),
        "null".into(),
        "[]".into(),
        r#"[1,"app-1",null,"alice","c",0,[]]"#.into(),
        "{".into(),
        good.clone() + "x",
        format!("\u{feff}{good}"),
        deep(62),
        deep(100_000),
        swap(r#""clientID":"#, r#""clientID":"d","clientID":"#),
        swap(r#""text":"#, r#""text":"d","text":"#),
        swap(r#""x""#, r#""\ud800""#),
        swap(r#""x""#, "\"\u{1}\""),
        swap(r#""text":"x""#, r#""text":01"#),
        swap(r#""text":"x""#, r#""text":NaN"#),
        set("protocolVersion", json!("1")),
        set("protocolVersion", json!(1.0)),
        unset("protocolVersion"),
        unset("schemaVersion"),
        set("schemaVersion", json!(1)),
        set("fingerprint", json!(1)),
        unset("clientGroupID"),
        set("clientGroupID", json!("")),
        set("clientID", json!("")),
        set("clientID", json!(["c"])),
        set("clientID", json!("a\u{0}b")),
        set("clientID", json!(long)),
        set("clientID", json!("_plasma_jobs")),
        unset("clientID"),
        set("settled", json!(-1)),
        set("settled", json!(1.5)),
        set("settled", json!("1")),
        set("settled", json!(1_u64 << 53)),
        unset("mutations"),
        set("mutations", json!({})),
        set("mutations", json!([1])),
        set("mutations", json!([[1, "k"]])),
        envelope("id", json!(0)),
        envelope("id", json!(-1)),
        envelope("id", json!(1.0)),
        envelope("id", json!("1")),
        envelope("id", json!(1_u64 << 53)),
        envelope("id", json!(1e300)),
        envelope("key", json!(7)),
        envelope("key", json!("k1")),
        envelope("key", json!(uuid("k").to_uppercase().replace('6', "A"))),
        envelope("key", json!(uuid("k").replace('-', ""))),
        set("mutations", json!([mutation(1, "a", json!([])), mutation(1, "b", json!([]))])),
    ]
    .into_iter()
    .map(String::into_bytes)
    .chain([
        b"{\"a\":\"\xff\"}".to_vec(),
        good.replace('x', "\u{e9}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ])
    .collect();
    for body in bad {
        let (status, code, answer) = refused(&mut server, Some(&alice), &push(body.clone()));
        let shown = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
        assert_eq!((status, code.as_str()), (400, "invalid-request"), "{shown} -> {answer}");
        assert!(answer["reason"].is_string());
    }
    assert!(server.errors().iter().all(|(kind, _)| *kind == ServerErrorKind::InvalidRequest));
}

#[test]
pub(super) fn malformed_pulls_are_refused() {
    let mut server = server();
    let alice = caller("alice");
    let good = good_query();
    let without = |name: &str| good.split('&').filter(|pair| !pair.starts_with(name)).collect::<Vec<_>>().join("&");
    for bad in [
        String::new(),
        without("protocolVersion"),
        without("schemaVersion"),
        without("clientGroupID"),
        without("clientID"),
        good.replace("clientID=c", "clientID="),
        good.replace("clientID=c", "clientID=%00"),
        good.clone() + "&clientID=c",
        good.clone() + "&%63lientID=c",
        good.clone() + "&x=%",
        good.clone() + "&x=%ff",
        good.clone() + "&limit=0",
        good.clone() + "&limit=-1",
        good.clone() + "&limit=ten",
        good.clone() + "&limit=",
        good.clone() + "&wait=1.5",
        good.clone() + "&settled=9007199254740992",
        good.replace("protocolVersion=1", "protocolVersion=01"),
        good.replace("protocolVersion=1", "protocolVersion=one"),
    ] {
        let (status, code, _) = refused(&mut server, Some(&alice), &pull(&bad));
        assert_eq!((status, code.as_str()), (400, "invalid-request"), "{bad}");
    }
    for cookie in ["", "c2:", "c9:e30", "c1:e30=", "c1:W10", "x", "%2B"] {
        let (status, code, _) = refused(&mut server, Some(&alice), &pull(&format!("{good}&cookie={cookie}")));
        assert_eq!((status, code.as_str()), (400, "invalid-cookie"), "{cookie}");
    }
    for fine in ["&limit=99999999999999999999999", "&wait=99999999", "&limit=10001", "&settled=9007199254740991"] {
        assert_eq!(server.handle(Some(&alice), &pull(&(good.clone() + fine))).status, 200, "{fine}");
    }
}

#[test]
pub(super) fn other_versions_schemas_and_groups() {
    let mut server = server();
    let alice = caller("alice");
    let fingerprint = definition().schema.fingerprint_hex();
    let set = |member: &str, value: Json| {
        let mut body = good_push();
        body[member] = value;
        push(body.to_string())
    };
    for version in [json!(2), json!(0), json!(-1), json!(u64::MAX)] {
        let (status, code, body) = refused(&mut server, Some(&alice), &set("protocolVersion", version.clone()));
        assert_eq!((status, code.as_str()), (400, "protocol-mismatch"));
        assert_eq!((&body["expected"], &body["got"]), (&json!(1), &version));
    }
    let (_, code, _) =
        refused(&mut server, Some(&alice), &pull(&good_query().replace("protocolVersion=1", "protocolVersion=2")));
    assert_eq!(code, "protocol-mismatch");
    let (status, code, body) = refused(&mut server, Some(&alice), &set("fingerprint", json!("0123456789abcdef")));
    assert_eq!(
        (status, code.as_str(), body["expected"].as_str()),
        (409, "schema-mismatch", Some(fingerprint.as_str()))
    );
    // The fingerprint decides when it is there; else the version.
    assert_eq!(server.handle(Some(&alice), &set("schemaVersion", json!("app-2"))).status, 200);
    let mut body = good_push();
    body["schemaVersion"] = json!("app-2");
    body.as_object_mut().unwrap().remove("fingerprint");
    let (_, code, body) = refused(&mut server, Some(&alice), &push(body.to_string()));
    assert_eq!((code.as_str(), &body["expected"], &body["got"]), ("schema-mismatch", &json!("app-1"), &json!("app-2")));
    for request in [set("clientGroupID", json!("bob")), pull(&good_query().replace("alice", "bob"))] {
        let (status, code, body) = refused(&mut server, Some(&alice), &request);
        assert_eq!((status, code.as_str()), (400, "client-group-mismatch"));
        assert!(!body.to_string().contains("alice"), "{body}");
    }
    // A client id of another group, by push and by pull.
    let (status, code, _) = refused(&mut server, Some(&caller("bob")), &pull(&good_query().replace("alice", "bob")));
    assert_eq!((status, code.as_str()), (400, "client-id-taken"));
    server.sql("UPDATE _plasma_client_mutations SET expired = TRUE");
    for request in [push(good_push().to_string()), pull(&good_query())] {
        let (status, code, _) = refused(&mut server, Some(&alice), &request);
        assert_eq!((status, code.as_str()), (409, "client-expired"));
    }
}

/// Of several things that are wrong the first in the protocol's order is the answer.
#[test]
pub(super) fn checks_come_in_order() {
    let mut server = server();
    let alice = caller("alice");
    server.handle(
        Some(&caller("bob")),
        &push(push_body("bob", "bobs", json!([mutation(1, "b", json!([]))])).to_string()),
    );
    server.handle(Some(&alice), &push(push_body("alice", "gone", json!([mutation(1, "g", json!([]))])).to_string()));
    server.handle(Some(&alice), &push(push_body("alice", "fork", json!([mutation(1, "f", json!([]))])).to_string()));
    server.sql("UPDATE _plasma_client_mutations SET expired = TRUE WHERE client_id IN ('gone')");
    let many: Vec<Json> = (0..201).map(|_| json!({ "id": 0 })).collect();
    // Everything is wrong, then one thing less at a time.
    let mut body = json!({
        "protocolVersion": 2, "schemaVersion": "old", "fingerprint": "f", "clientGroupID": "eve", "clientID": "", "mutations": many
    });
    let mut asked = push([]);
    asked.headers.clear();
    asked.method = Method::Get;
    asked.path = "/nowhere".into();
    let mut expect = |asked: &WireRequest, caller: Option<&Caller>, expected: &str| {
        let (_, code, _) = refused(&mut server, caller, asked);
        assert_eq!(code, expected);
    };
    asked.body = Bytes::from(vec![b'x'; (1 << 20) + 1]);
    expect(&asked, None, "unauthorized");
    expect(&asked, Some(&alice), "not-found");
    asked.path = "/sync/push".into();
    expect(&asked, Some(&alice), "method-not-allowed");
    asked.method = Method::Post;
    expect(&asked, Some(&alice), "unsupported-media-type");
    asked.headers = push([]).headers;
    expect(&asked, Some(&alice), "payload-too-large");
    asked.body = Bytes::from_static(b"x");
    expect(&asked, Some(&alice), "invalid-request");
    let mut now = |body: &Json, expected: &str| {
        asked.body = Bytes::from(body.to_string());
        expect(&asked, Some(&alice), expected);
    };
    now(&body, "protocol-mismatch");
    body["protocolVersion"] = json!(1);
    now(&body, "too-many-mutations");
    body["mutations"] = json!([{ "id": 0 }]);
    now(&body, "invalid-request");
    body["mutations"] = json!([mutation(1, "other", json!([])), mutation(9, "k9", json!([]))]);
    now(&body, "invalid-request");
    body["clientID"] = json!("bobs");
    now(&body, "schema-mismatch");
    body["fingerprint"] = json!(definition().schema.fingerprint_hex());
    now(&body, "client-group-mismatch");
    body["clientGroupID"] = json!("alice");
    now(&body, "client-id-taken");
    body["clientID"] = json!("gone");
    now(&body, "client-expired");
    body["clientID"] = json!("fork");
    now(&body, "client-forked");
    body["mutations"] = json!([mutation(9, "k9", json!([]))]);
    now(&body, "mutation-gap");
    // In a pull `invalid-cookie` is the last of the members.
    let query = "protocolVersion=1&schemaVersion=old&fingerprint=f&clientGroupID=eve&clientID=c&cookie=x";
    let mut pulled = |query: &str, expected: &str| expect(&pull(query), Some(&alice), expected);
    pulled(&query.replace("clientID=c", "clientID="), "invalid-request");
    pulled(query, "invalid-cookie");
    pulled(&query.replace("&cookie=x", ""), "schema-mismatch");
}

#[test]
pub(super) fn refusals_are_told_with_their_kind() {
    let mut server = server();
    let alice = caller("alice");
    server.handle(None, &pull(""));
    server.handle(Some(&alice), &pull("protocolVersion=7"));
    server.handle(Some(&alice), &pull(&good_query().replace("fingerprint=", "fingerprint=0")));
    server.handle(Some(&alice), &push("{}"));
    let kinds: Vec<_> = server.errors().into_iter().map(|(kind, _)| kind).collect();
    use ServerErrorKind::*;
    assert_eq!(kinds, [Unauthorized, ProtocolMismatch, SchemaMismatch, InvalidRequest]);
}
