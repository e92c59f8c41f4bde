//! Golden byte vectors: every message, byte for byte. Changing one is a change of the protocol.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;

/// Reads the bytes, and writes what was read: the same bytes.
fn golden<T: Serialize + DeserializeOwned>(bytes: &str) -> T {
    let message: T = serde_json::from_str(bytes).unwrap();
    assert_eq!(serde_json::to_string(&message).unwrap(), bytes);
    message
}

#[test]
fn push_requests() {
    let full: PushRequest = golden(concat!(
        r#"{"protocolVersion":1,"schemaVersion":"todo-1","fingerprint":"5fd1a0b3c4d5e6f7","clientGroupID":"alice","#,
        r#""clientID":"5f0c2b6e-0000-4000-8000-000000000001","settled":10,"mutations":["#,
        r#"{"id":11,"key":"0f6d1a52-0000-4000-8000-00000000000b","name":"todos.create","args":{"title":"milk"},"timestamp":1730100000000,"#,
        r#""reads":"41d0c2f7a9b35e68","bases":{"todos":{"t1":"{\"id\":\"t1\"}","t2":null}},"#,
        r#""observed":{"todos":{"t1":{"status":[1730099999000],"tags":[["81a2b3c4d5e6f708:10485760"]]}}}},"#,
        r#"{"id":12,"key":"0f6d1a52-0000-4000-8000-00000000000c","skip":"discarded"}]}"#
    ));
    assert_eq!((full.protocol_version, full.settled, full.mutations.len()), (PROTOCOL_VERSION, Some(10), 2));
    assert_eq!(full.mutations[0].args.as_ref().unwrap().get(), r#"{"title":"milk"}"#);
    assert_eq!(full.mutations[1].skip.as_ref().unwrap().get(), r#""discarded""#);
    let observed = full.mutations[0].observed.as_ref().unwrap().get();
    assert!(observed.starts_with(r#"{"todos":{"t1":{"status""#) && full.mutations[1].observed.is_none());
    let least: PushRequest = golden(
        r#"{"protocolVersion":1,"schemaVersion":"todo-1","clientGroupID":"alice","clientID":"c","mutations":[]}"#,
    );
    assert!(least.fingerprint.is_none() && least.settled.is_none());
}

#[test]
fn a_malformed_mutation_does_not_spoil_the_push() {
    let body = r#"{"protocolVersion":1,"schemaVersion":"s","clientGroupID":"g","clientID":"c","more":[],"mutations":[
        {"id":1,"key":"k","name":7,"args":[null],"timestamp":"soon","more":1}]}"#;
    let push: PushRequest = serde_json::from_str(body).unwrap();
    assert_eq!(push.mutations[0].name.as_ref().unwrap().get(), "7");
    for broken in [r#"{"id":"1","key":"k"}"#, r#"{"id":-1,"key":"k"}"#, r#"{"id":1.5,"key":"k"}"#, r#"{"id":1}"#, "7"] {
        assert!(serde_json::from_str::<PushedMutation>(broken).is_err(), "{broken} breaks the envelope");
    }
}

#[test]
fn push_responses() {
    let response: PushResponse = golden(concat!(
        r#"{"ok":true,"lastMutationID":15,"results":[{"id":11,"status":"duplicate","was":"applied"},"#,
        r#"{"id":12,"status":"applied","effects":"8c1f"},"#,
        r#"{"id":13,"status":"rejected","error":{"code":"unauthorized","message":"no"}},"#,
        r#"{"id":14,"status":"duplicate","was":"rejected","error":{"code":"out-of-stock","message":"sold","data":{"left":0}}},"#,
        r#"{"id":15,"status":"skipped"}]}"#
    ));
    assert_eq!(response.results[0].was, Some(MutationStatus::Applied));
    assert_eq!(response.results[3].error.as_ref().unwrap().data, Some(json!({"left": 0})));
    // `data` may be written as null.
    let null = r#"{"id":1,"status":"rejected","error":{"code":"c","message":"m","data":null}}"#;
    assert_eq!(serde_json::from_str::<MutationResult>(null).unwrap().error.unwrap().data, None);
}

#[test]
fn pull_responses() {
    let page: PullResponse = golden(concat!(
        r#"{"cookie":"c2:x","hasMore":false,"partial":false,"patch":[{"op":"clear"},{"op":"clear","table":"todos"},"#,
        r#"{"op":"put","table":"todos","id":"t1","value":{"id":"t1","big":"9007199254740993","weight":0.10}},"#,
        r#"{"op":"del","table":"todos","id":"t2"}],"lastMutationIDs":{"a":1,"b":9007199254740991},"lastKey":"k","#,
        r#""results":[{"id":13,"status":"rejected","error":{"code":"unauthorized","message":"no"}}]}"#
    ));
    let values = page.patch.iter().filter_map(|op| match op {
        PatchOp::Put { value, .. } => Some(value.get()),
        _ => None,
    });
    assert_eq!(values.collect::<Vec<_>>(), [r#"{"id":"t1","big":"9007199254740993","weight":0.10}"#], "as it came");
    let partial: PullResponse =
        golden(r#"{"cookie":"c2:y","hasMore":true,"partial":true,"patch":[],"lastMutationIDs":{},"results":[]}"#);
    assert!(partial.partial && partial.last_key.is_none());
    // Members a server may leave out, and members nobody knows.
    let short = r#"{"cookie":"c","hasMore":true,"patch":[{"op":"del","table":"t","id":"i","why":1}],"lastMutationIDs":{},"x":1}"#;
    assert!(!serde_json::from_str::<PullResponse>(short).unwrap().partial);
    for broken in [
        r#"{"op":"drop"}"#,
        r#"{"op":"put","table":"t","id":"i"}"#,
        r#"{"op":"put","table":"t","value":{}}"#,
        r#"{"op":"del","table":"t"}"#,
        r#"{"table":"t"}"#,
        r#"{"op":"clear","table":7}"#,
    ] {
        assert!(serde_json::from_str::<PatchOp>(broken).is_err(), "{broken}");
    }
}

#[test]
fn error_bodies() {
    let bodies = [
        r#"{"error":"invalid-request","message":"m","reason":"clientID"}"#,
        r#"{"error":"client-group-mismatch","message":"m"}"#,
        r#"{"error":"client-id-taken","message":"m"}"#,
        r#"{"error":"protocol-mismatch","message":"m","expected":1,"got":2}"#,
        r#"{"error":"invalid-cookie","message":"m"}"#,
        r#"{"error":"unauthorized","message":"m"}"#,
        r#"{"error":"not-found","message":"m"}"#,
        r#"{"error":"method-not-allowed","message":"m"}"#,
        r#"{"error":"unsupported-media-type","message":"m"}"#,
        r#"{"error":"schema-mismatch","message":"m","expected":"0123456789abcdef","got":"fedcba9876543210"}"#,
        r#"{"error":"mutation-gap","message":"m","expected":12,"lastMutationID":11,"results":[{"id":11,"status":"applied"}]}"#,
        r#"{"error":"client-forked","message":"m"}"#,
        r#"{"error":"client-expired","message":"m"}"#,
        r#"{"error":"too-many-mutations","message":"m","limit":200}"#,
        r#"{"error":"payload-too-large","message":"m","limit":1048576}"#,
        r#"{"error":"rate-limited","message":"m"}"#,
        r#"{"error":"overloaded","message":"m"}"#,
        r#"{"error":"unavailable","message":"m"}"#,
        r#"{"error":"internal","message":"m"}"#,
    ];
    for body in bodies {
        golden::<WireError>(body);
    }
    let limit: WireError = golden(r#"{"error":"payload-too-large","message":"m","limit":1048576}"#);
    assert_eq!(limit.members["limit"], json!(1_048_576));
}
