//! Bad input, as a table: each request gets its typed status and code, and changes nothing. Once over the engine, once
//! over a socket.

use std::io::Write as _;
use std::sync::Arc;

use plasma::Schema;
use plasma::protocol::{Method, WireRequest};
use plasma::server::{Caller as ServerCaller, ServerEngine, ServerOptions};
use plasma::sim::Rng;
use plasma::store::SqlConnection as _;
use plasma::store::sqlite::SqliteConnection;
use plasma_runtime::future::poll_once;
use plasma_runtime::value::Kind;
use serde_json::{Value as Json, json};

use super::child::Serving;
use super::raw::{JSON, create, exchange, push_body, request, uuid};
use crate::place::Place;
use crate::sim::schema::{App, Caller};

const CLIENT: &str = "the-client";
/// A client id another group has bound.
const TAKEN: &str = "their-client";
const NOW: i64 = 1_735_689_700_000;

struct Case {
    name: String,
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn case(name: &str, status: u16, code: &'static str) -> Case {
    Case {
        name: name.to_owned(),
        method: "POST",
        target: "/sync/push".to_owned(),
        headers: vec![("authorization", "Bearer user0".to_owned()), (JSON.0, JSON.1.to_owned())],
        body: push_body(CLIENT, &[create(3)]).to_string().into_bytes(),
        status,
        code,
    }
}

/// A push whose body is this.
fn body(name: &str, status: u16, code: &'static str, body: impl Into<Vec<u8>>) -> Case {
    Case { body: body.into(), ..case(name, status, code) }
}

/// A push in which one member is changed.
fn member(name: &str, status: u16, code: &'static str, path: &str, value: Json) -> Case {
    let mut push = push_body(CLIENT, &[create(3)]);
    *push.pointer_mut(path).unwrap_or_else(|| panic!("{path} is a member")) = value;
    body(name, status, code, push.to_string())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

/// A push with other headers.
fn headers(name: &str, status: u16, code: &'static str, headers: &[(&'static str, &str)]) -> Case {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Case { headers, ..case(name, status, code) }
}

/// A pull with this query in place of the usual, `&cookie=..` and the like appended.
fn pull(name: &str, status: u16, code: &'static str, more: &str) -> Case {
    let usual = "protocolVersion=1&schemaVersion=sim-1&clientGroupID=user0&clientID=the-client";
    Case { method: "GET", target: format!("/sync/pull?{usual}{more}"), body: Vec::new(), ..case(name, status, code) }
}

fn pull_of(name: &str, status: u16, code: &'static str, query: &str) -> Case {
    Case { method: "GET", target: format!("/sync/pull?{query}"), body: Vec::new(), ..case(name, status, code) }
}

fn c1(json: &str) -> String {
    // base64url without padding, of short ASCII.
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::from("c1:");
    for chunk in json.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

fn cases() -> Vec<Case> {
    const REQUEST: &str = "invalid-request";
    let auth = ("authorization", "Bearer user0");
    let text = |push: &Json| push.to_string();
    let plain = text(&push_body(CLIENT, &[create(3)]));
    let nested = |depth: usize| plain.replacen("\"list 3\"", &format!("{}{}", "[".repeat(depth), "]".repeat(depth)), 1);
    let mut cases = vec![
        // Who, where, how.
        headers("no credentials", 401, "unauthorized", &[JSON]),
        headers("credentials of another kind", 401, "unauthorized", &[JSON, ("authorization", "Basic dXNlcjA=")]),
        headers("no media type", 415, "unsupported-media-type", &[auth]),
        headers("another media type", 415, "unsupported-media-type", &[auth, ("content-type", "text/plain")]),
        headers(
            "a media type that begins alike",
            415,
            "unsupported-media-type",
            &[auth, ("content-type", "application/json5")],
        ),
        headers("two media types", 415, "unsupported-media-type", &[auth, JSON, ("content-type", "text/plain")]),
        headers(
            "another charset",
            415,
            "unsupported-media-type",
            &[auth, ("content-type", "application/json; charset=utf-16")],
        ),
        headers("another coding", 415, "unsupported-media-type", &[auth, JSON, ("content-encoding", "br")]),
        headers("two codings", 415, "unsupported-media-type", &[auth, JSON, ("content-encoding", "gzip, gzip")]),
        headers("not gzip although it says so", 400, REQUEST, &[auth, JSON, ("content-encoding", "gzip")]),
        // The body.
        body("nothing", 400, REQUEST, ""),
        body("not JSON", 400, REQUEST, "{"),
        body("an array", 400, REQUEST, "[1, \"sim-1\", null, \"user0\", \"the-client\", null, []]"),
        body("a byte order mark", 400, REQUEST, format!("\u{feff}{plain}")),
        body("not UTF-8", 400, REQUEST, [plain.as_bytes(), b"\xff"].concat()),
        body("two documents", 400, REQUEST, format!("{plain}{plain}")),
        body("a member twice", 400, REQUEST, plain.replacen('{', "{\"clientID\":\"other\",", 1)),
        body(
            "a member of the arguments twice",
            400,
            REQUEST,
            plain.replacen("\"name\":\"list 3\"", "\"name\":\"a\",\"name\":\"b\"", 1),
        ),
        body("a lone surrogate", 400, REQUEST, plain.replacen("list 3", "\\ud800", 1)),
        body("NaN", 400, REQUEST, plain.replacen("\"list 3\"", "NaN", 1)),
        body("Infinity", 400, REQUEST, plain.replacen("\"list 3\"", "Infinity", 1)),
        body("nested deeper than 64", 400, REQUEST, nested(65)),
        body("nested 100,000 deep", 400, REQUEST, nested(100_000)),
        body("a megabyte of space", 413, "payload-too-large", " ".repeat((1 << 20) + 1)),
        Case {
            headers: vec![auth, JSON, ("content-encoding", "gzip")]
                .into_iter()
                .map(|(n, v)| (n, v.to_owned()))
                .collect(),
            ..body("a gzip bomb", 413, "payload-too-large", gzip(&vec![b' '; 64 << 20]))
        },
        // The members.
        member("a later protocol", 400, "protocol-mismatch", "/protocolVersion", json!(2)),
        member("a protocol that is text", 400, REQUEST, "/protocolVersion", json!("1")),
        member("another schema", 409, "schema-mismatch", "/schemaVersion", json!("sim-2")),
        member("a schema that is a number", 400, REQUEST, "/schemaVersion", json!(1)),
        member("another group", 400, "client-group-mismatch", "/clientGroupID", json!("user1")),
        member("no group", 400, REQUEST, "/clientGroupID", json!("")),
        member("an empty client id", 400, REQUEST, "/clientID", json!("")),
        member("a client id with a line break", 400, REQUEST, "/clientID", json!("a\nb")),
        member("a client id with U+0000", 400, REQUEST, "/clientID", json!("a\u{0}b")),
        member("a client id of ours", 400, REQUEST, "/clientID", json!("_plasma_jobs")),
        member("a long client id", 400, REQUEST, "/clientID", json!("x".repeat(10_000))),
        member("a client id of another group", 400, "client-id-taken", "/clientID", json!(TAKEN)),
        member("mutations that are none", 400, REQUEST, "/mutations", json!({})),
        member("201 mutations", 413, "too-many-mutations", "/mutations", (3..204).map(create).collect()),
        member("a mutation that is a number", 400, REQUEST, "/mutations/0", json!(7)),
        member("id 0", 400, REQUEST, "/mutations/0/id", json!(0)),
        member("a negative id", 400, REQUEST, "/mutations/0/id", json!(-1)),
        member("an id with a fraction", 400, REQUEST, "/mutations/0/id", json!(3.5)),
        member("an id that is text", 400, REQUEST, "/mutations/0/id", json!("3")),
        member("an id above 2^53 - 1", 400, REQUEST, "/mutations/0/id", json!(1_u64 << 53)),
        member("an id above 2^63", 400, REQUEST, "/mutations/0/id", json!(u64::MAX)),
        member("an id twice", 400, REQUEST, "/mutations", json!([create(3), create(3)])),
        member("a gap", 409, "mutation-gap", "/mutations/0/id", json!(4)),
        member("a key in upper case", 400, REQUEST, "/mutations/0/key", json!(uuid(9).replace('0', "A"))),
        member("a key that is none", 400, REQUEST, "/mutations/0/key", json!("'; DROP TABLE lists; --")),
        member("a known id with another key", 409, "client-forked", "/mutations", {
            let mut forged = create(2);
            forged["key"] = json!(uuid(77));
            json!([forged, create(3)])
        }),
        body("no mutations", 400, REQUEST, plain.replacen("\"mutations\"", "\"mutation\"", 1)),
        body("settled below 0", 400, REQUEST, plain.replacen('{', "{\"settled\":-1,", 1)),
        body(
            "a fingerprint of another schema",
            409,
            "schema-mismatch",
            plain.replacen('{', "{\"fingerprint\":\"0000000000000000\",", 1),
        ),
        // Pulls.
        pull_of("no parameters", 400, REQUEST, ""),
        pull_of(
            "a later protocol in a pull",
            400,
            "protocol-mismatch",
            "protocolVersion=2&schemaVersion=sim-1&clientGroupID=user0&clientID=c",
        ),
        pull_of(
            "another schema in a pull",
            409,
            "schema-mismatch",
            "protocolVersion=1&schemaVersion=x&clientGroupID=user0&clientID=c",
        ),
        pull_of(
            "another group in a pull",
            400,
            "client-group-mismatch",
            "protocolVersion=1&schemaVersion=sim-1&clientGroupID=user1&clientID=c",
        ),
        pull_of(
            "their client id in a pull",
            400,
            "client-id-taken",
            &format!("protocolVersion=1&schemaVersion=sim-1&clientGroupID=user0&clientID={TAKEN}"),
        ),
        pull("a parameter twice", 400, REQUEST, "&limit=1&limit=2"),
        pull("limit 0", 400, REQUEST, "&limit=0"),
        pull("a negative limit", 400, REQUEST, "&limit=-1"),
        pull("a limit that is text", 400, REQUEST, "&limit=many"),
        pull("a negative wait", 400, REQUEST, "&wait=-1"),
        pull("a broken escape", 400, REQUEST, "&cookie=%zz"),
        pull("an escape that is not UTF-8", 400, REQUEST, "&cookie=%ff"),
    ];
    let long = "c1:".to_owned() + &"A".repeat(5_000);
    let regions: Vec<String> = (0..65).map(|n| format!("\"{n:02}\":\"1\"")).collect();
    let cookies = [
        ("empty", String::new()),
        ("no prefix", "eyIwIjoiMSJ9".to_owned()),
        ("an unknown prefix", c1("{\"0\":\"1\"}").replacen("c1", "c9", 1)),
        ("not base64", "c1:!!!!".to_owned()),
        ("padded", "c1:eyIwIjoiMSJ9====".to_owned()),
        ("an array", c1("[]")),
        ("a number for text", c1("{\"0\":1}")),
        ("negative", c1("{\"0\":\"-1\"}")),
        ("above i64", c1("{\"0\":\"9223372036854775808\"}")),
        ("a leading zero", c1("{\"0\":\"01\"}")),
        ("a plus", c1("{\"0\":\"%2b1\"}").replace("%2b", "+")),
        ("a region twice", c1("{\"0\":\"1\",\"0\":\"2\"}")),
        ("65 regions", c1(&format!("{{{}}}", regions.join(",")))),
        ("too long", long),
        ("a c2 without its members", c1("{\"regions\":{\"0\":\"1\"}}").replacen("c1", "c2", 1)),
    ];
    for (name, cookie) in cookies {
        cases.push(pull(&format!("a cookie: {name}"), 400, "invalid-cookie", &format!("&cookie={cookie}")));
    }
    for (name, path) in [
        ("a trailing slash", "/sync/push/"),
        ("a double slash", "/sync//push"),
        ("a dot", "/sync/./push"),
        ("two dots", "/sync/x/../push"),
        ("an escape", "/sync/pus%68"),
        ("upper case", "/sync/Push"),
        ("another path", "/sync/nothing"),
        ("outside", "/push"),
    ] {
        cases.push(Case { target: path.to_owned(), ..case(&format!("a path: {name}"), 404, "not-found") });
    }
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        cases.push(Case { method, ..case(&format!("{method} for a push"), 405, "method-not-allowed") });
    }
    cases.push(Case { target: "/sync/pull".to_owned(), ..case("POST for a pull", 405, "method-not-allowed") });
    cases.push(Case {
        target: "/sync/nothing".to_owned(),
        ..headers("another path without credentials", 401, "unauthorized", &[JSON])
    });
    cases
}

/// All a database holds, as text.
fn contents(db: &mut SqliteConnection) -> String {
    let tables = db
        .query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", &[], &[Kind::Text])
        .expect("reads");
    let mut all = String::new();
    for table in tables.iter().filter_map(|row| row[0].as_text()) {
        let columns = db
            .query("SELECT name FROM pragma_table_info(?1) ORDER BY cid", &[table.into()], &[Kind::Text])
            .expect("reads");
        let columns: Vec<_> =
            columns.iter().filter_map(|row| row[0].as_text()).map(|c| format!("quote(\"{c}\")")).collect();
        let sql = format!("SELECT {} AS row FROM \"{table}\" ORDER BY row", columns.join(" || ',' || "));
        for row in db.query(&sql, &[], &[Kind::Text]).expect("reads") {
            all.push_str(&format!("{table}: {}\n", row[0].as_text().unwrap_or_default()));
        }
    }
    all
}

fn caller(user: &str) -> ServerCaller {
    ServerCaller { group: user.to_owned(), ctx: Arc::new(Caller { user: user.to_owned() }) }
}

struct Direct {
    db: SqliteConnection,
    engine: ServerEngine,
    rng: Rng,
}

impl Direct {
    fn new() -> Self {
        let mut db = SqliteConnection::in_memory().expect("opens");
        let engine = ServerEngine::new(App::definition(), ServerOptions::default()).expect("a definition");
        let mut rng = Rng::new(1);
        poll_once(Box::pin(engine.ensure_schema(&mut db, NOW, &mut rng))).expect("ready").expect("makes its tables");
        Direct { db, engine, rng }
    }

    fn ask(&mut self, case: &Case) -> (u16, Json) {
        let (path, query) = case.target.split_once('?').unwrap_or((&case.target, ""));
        let method = match case.method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            _ => Method::Other,
        };
        let request = WireRequest {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: case.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            body: case.body.clone().into(),
        };
        let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let caller = token.map(caller);
        let work = self.engine.handle(&mut self.db, NOW, &mut self.rng, caller.as_ref(), &request);
        let response = poll_once(Box::pin(work)).expect("ready");
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Json::Null))
    }
}

/// Two mutations of ours and one of another group, so that there is something to damage.
fn setup() -> [Case; 2] {
    let ours = body("setup", 200, "", push_body(CLIENT, &[create(1), create(2)]).to_string());
    let mut push = push_body(TAKEN, &[]);
    push["clientGroupID"] = json!("user1");
    let mut theirs = create(50);
    theirs["id"] = json!(1);
    push["mutations"] = json!([theirs]);
    let mut theirs = body("setup of another", 200, "", push.to_string());
    theirs.headers[0].1 = "Bearer user1".to_owned();
    [ours, theirs]
}

fn judge(case: &Case, status: u16, answer: &Json, wrong: &mut Vec<String>) {
    let code = answer["error"].as_str().unwrap_or_default();
    if (status, code) != (case.status, case.code) {
        wrong.push(format!("{}: {status} `{code}`, expected {} `{}`: {answer}", case.name, case.status, case.code));
    }
}

#[test]
fn bad_input_over_the_engine() {
    let mut server = Direct::new();
    for case in setup() {
        assert_eq!(server.ask(&case).0, 200, "{}", case.name);
    }
    let before = contents(&mut server.db);
    assert!(before.contains("entries: "), "there is something to damage");
    let mut wrong = Vec::new();
    for case in cases() {
        let (status, answer) = server.ask(&case);
        judge(&case, status, &answer, &mut wrong);
        if contents(&mut server.db) != before {
            wrong.push(format!("{} changed the database", case.name));
            break;
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn bad_input_over_a_socket() {
    let data = Place::Sqlite.data().expect("SQLite is always there");
    let server = Serving::start(&data);
    let send = |case: &Case| {
        let headers: Vec<_> = case.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        exchange(server.address, &request(case.method, &case.target, &headers, &case.body))
    };
    for case in setup() {
        assert_eq!(send(&case).map(|answer| answer.status), Some(200), "{}", case.name);
    }
    let mut db = data.sqlite();
    let before = contents(&mut db);
    let mut wrong = Vec::new();
    for case in cases() {
        match send(&case) {
            Some(answer) => judge(&case, answer.status, &answer.json(), &mut wrong),
            None => wrong.push(format!("{}: no answer", case.name)),
        }
    }
    // What only a socket can carry. An HTTP server may answer with its own 4xx, or close; never with a success.
    let auth = "authorization: Bearer user0\r\ncontent-type: application/json\r\n";
    let push = String::from_utf8(case("", 0, "").body).expect("text");
    let raw = [
        (
            "a header of a megabyte",
            format!("POST /sync/push HTTP/1.1\r\nhost: t\r\nx: {}\r\n\r\n", "x".repeat(1 << 20)),
        ),
        ("10,000 headers", format!("POST /sync/push HTTP/1.1\r\nhost: t\r\n{}\r\n", "x: y\r\n".repeat(10_000))),
        (
            "two content lengths",
            format!(
                "POST /sync/push HTTP/1.1\r\nhost: t\r\n{auth}content-length: 5\r\ncontent-length: {}\r\n\r\n{push}",
                push.len()
            ),
        ),
        ("a space in a header's name", format!("POST /sync/push HTTP/1.1\r\nhost: t\r\n{auth}x y: z\r\n\r\n")),
        ("not HTTP", "hello\r\n\r\n".to_owned()),
        ("a version that is none", format!("POST /sync/push HTTP/9.9\r\nhost: t\r\n{auth}\r\n")),
    ];
    for (name, bytes) in raw {
        if let Some(answer) = exchange(server.address, bytes.as_bytes())
            && !(400..500).contains(&answer.status)
        {
            wrong.push(format!("{name}: {}", answer.status));
        }
    }
    if contents(&mut db) != before {
        wrong.push("the database changed".to_owned());
    }
    // And the server still serves.
    let after = body("the next mutation", 200, "", push_body(CLIENT, &[create(3)]).to_string());
    assert_eq!(send(&after).map(|answer| answer.status), Some(200), "the server no longer serves");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Bad contents of one mutation reject that mutation alone; the next one runs.
#[test]
fn a_bad_mutation_is_rejected_alone() {
    let mut server = Direct::new();
    let mut next = 0;
    let mut bad = |path: &str, value: Json| {
        next += 1;
        let mut mutation = create(next);
        *mutation.pointer_mut(path).expect("a member") = value;
        mutation
    };
    let mutations = [
        (bad("/name", json!("lists.nothing")), "unknown-mutator"),
        (bad("/name", json!(7)), "invalid-args"),
        (bad("/name", json!("lists.create\u{0}")), "unknown-mutator"),
        (bad("/args", json!([])), "invalid-args"),
        (bad("/args", Json::Null), "invalid-args"),
        (bad("/args/id", json!("not an id")), "invalid-args"),
        (bad("/args/id", json!(uuid(5).replace('0', "A"))), "invalid-args"),
        (bad("/args/name", json!(1e300)), "invalid-args"),
        (bad("/args/name", json!("a\u{0}b")), "invalid-args"),
        (bad("/args/name", json!("x".repeat(21))), "validation"),
        (bad("/timestamp", json!("yesterday")), "invalid-args"),
        (bad("/timestamp", json!(-1.5)), "invalid-args"),
    ];
    let (pushed, expected): (Vec<_>, Vec<_>) = mutations.into_iter().unzip();
    let last = pushed.len() as u64 + 1;
    let mut all = pushed;
    all.push(create(last));
    let (status, answer) = server.ask(&body("bad mutations", 200, "", push_body(CLIENT, &all).to_string()));
    assert_eq!(status, 200, "{answer}");
    for (n, code) in expected.into_iter().enumerate() {
        let result = &answer["results"][n];
        assert_eq!(result["status"], "rejected", "{result} for {}", all[n]);
        assert_eq!(result["error"]["code"], code, "{result} for {}", all[n]);
    }
    assert_eq!(answer["results"][last as usize - 1]["status"], "applied", "{answer}");
    assert_eq!(answer["lastMutationID"], last);
    let rows = server.db.query("SELECT id FROM entries", &[], &[Kind::Text]).expect("reads");
    assert_eq!(rows.len(), 1, "only the good one took effect");
}
