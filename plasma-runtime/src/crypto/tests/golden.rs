//! Envelopes made by another implementation: Python's `cryptography` 48 (OpenSSL 4.0), by the program in
//! `docs/decisions/0036-how-values-are-sealed.md`. They must never change: databases are full of such.

use super::*;

#[test]
fn envelopes_are_the_documented_bytes() {
    let nonce = || Nonce(std::array::from_fn(|n| 0xa0 + n as u8));
    let plaintext = "\"Grüße\"".as_bytes();
    let other = Dek::from_bytes([255; 32]);
    let elsewhere = SealScope { table: "t", row: "r", column: "c" };
    for (purpose, key, key_id, scope, nonce, plaintext, golden) in [
        (Purpose::Sealed, &key(), "k1", SCOPE, nonce(), plaintext, SEALED),
        (Purpose::AtRest, &key(), "k1", SCOPE, nonce(), plaintext, AT_REST),
        (Purpose::Sealed, &other, "team/7 ü", elsewhere, Nonce([0; 12]), b"", EMPTY),
    ] {
        let envelope = seal_with_key(purpose, key, &id(key_id), scope, plaintext, nonce).unwrap();
        assert_eq!(envelope.to_json(), golden);
        let read = Envelope::from_json(golden).unwrap();
        assert_eq!(open_with_key(purpose, key, scope, &read).unwrap(), plaintext);
    }
}

const SEALED: &str = r#"{"v":1,"alg":"AES-GCM-256","keyId":"k1","nonce":"oKGio6Slpqeoqaqr","ct":"7s8LZRflyDRI/qbZ4nfPIUH3eMbP5KBquQ=="}"#;
const AT_REST: &str = r#"{"v":1,"alg":"AES-GCM-256","keyId":"k1","nonce":"oKGio6Slpqeoqaqr","ct":"nGt0UMPj6xzVL13/0uzPb9cxi0CPaj7I8Q=="}"#;
const EMPTY: &str =
    r#"{"v":1,"alg":"AES-GCM-256","keyId":"team/7 ü","nonce":"AAAAAAAAAAAAAAAA","ct":"/rJEGY2aAosGgeVTr0ZLQg=="}"#;

#[test]
fn blind_indexes_are_the_documented_bytes() {
    let of = |table, text: &str| hex(blind::normal(&key(), table, "title_index", text).bytes());
    assert_eq!(of("notes", "Alice"), "492d7770711b886306d54493ec30cd172159e3c5552a52e2a41ca0c27e135507");
    let spelled = "  \u{c5}ngstro\u{308}m\u{a0} ";
    assert_eq!(of("notes", spelled), "9de64a34e34d6d1db6d3afbccc1c0185f0024ff466eb028060c68b6b29acc07e");
    assert_eq!(of("people", "Alice"), "d68e921b4c3a931b57c1d65c202c967e7ab427edcb6959c92ee115cfc70b5033");
}

#[cfg(feature = "pq")]
#[test]
fn wrapped_keys_are_the_documented_bytes() {
    use sha2::Digest as _;
    let secret = pq::SecretKey::from_bytes(key().expose().to_vec());
    let public = pq::XWing::public_key(&secret).unwrap();
    assert_eq!(
        hex(&sha2::Sha256::digest(public.as_bytes())),
        "c9a3565ffde4f72b51661be391ee13e46378d7f06dd5c8bf5af9d2cfb5b8336b"
    );
    let wrapped = PqEnvelope::from_json(include_str!("golden_wrapped.json")).unwrap();
    assert_eq!(wrapped.key_id, id("k1"));
    let unwrapped = pq::unwrap_key(&secret, &wrapped).unwrap();
    assert_eq!(*unwrapped.expose(), std::array::from_fn(|n| 32 + n as u8));
}
