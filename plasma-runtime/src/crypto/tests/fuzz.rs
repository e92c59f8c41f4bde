//! Anything may come from a server that is not what it was, or from a file that somebody wrote.

use proptest::prelude::*;

use super::*;

/// A text of JSON's own characters, or any bytes, or a real envelope with some of its bytes exchanged.
fn json() -> impl Strategy<Value = String> {
    let classic = sealed(Purpose::Sealed, SCOPE, b"\"a text\"").to_json();
    let wrapped = include_str!("golden_wrapped.json").to_owned();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..6);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "[\\[\\]{}\":,0-9a-zA-Z+/=\\\\ -]{0,200}",
        (prop_oneof![Just(classic), Just(wrapped)], edits).prop_map(|(text, edits)| {
            let mut bytes = text.into_bytes();
            for (at, byte, how) in edits {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_is_what_is_written(text in json()) {
        if let Ok(envelope) = Envelope::from_json(&text) {
            prop_assert_eq!(envelope.to_json(), &text[..]);
            prop_assert!(!is_pq_envelope(&text));
            let opened = open(Purpose::Sealed, &keyring(), SCOPE, &envelope);
            prop_assert!(opened.is_err() || text == sealed(Purpose::Sealed, SCOPE, b"\"a text\"").to_json());
        }
        if let Ok(envelope) = PqEnvelope::from_json(&text) {
            prop_assert_eq!(envelope.to_json(), &text[..]);
            #[cfg(feature = "pq")]
            {
                let secret = pq::SecretKey::from_bytes(key().expose().to_vec());
                let opened = pq::unwrap_key(&secret, &envelope);
                prop_assert!(opened.is_err() || text == include_str!("golden_wrapped.json"));
            }
        }
        let limits = EnvelopeLimits::default();
        let _ = (limits.validate_json(&text), limits.validate_pq_json(&text));
        let _ = (serde_json::from_str::<PqEnvelope>(&text), serde_json::from_str::<BlindIndex>(&text));
    }

    #[test]
    fn no_made_up_envelope_opens(
        nonce: [u8; 12],
        ciphertext in prop::collection::vec(any::<u8>(), 0..200),
        table in ".{0,20}", column in ".{0,20}", row in ".{0,40}",
    ) {
        let envelope = Envelope { key_id: id("k1"), nonce, ciphertext };
        let scope = SealScope { table: &table, column: &column, row: &row };
        for purpose in [Purpose::Sealed, Purpose::AtRest] {
            prop_assert_eq!(open(purpose, &keyring(), scope, &envelope), Err(OpenError::Tampered));
        }
    }

    #[test]
    fn whatever_is_sealed_opens(
        plaintext in prop::collection::vec(any::<u8>(), 0..2_000),
        table in ".{0,20}", column in ".{0,20}", row in ".{0,40}",
    ) {
        let scope = SealScope { table: &table, column: &column, row: &row };
        for purpose in [Purpose::Sealed, Purpose::AtRest] {
            let envelope = Envelope::from_json(&sealed(purpose, scope, &plaintext).to_json()).unwrap();
            prop_assert_eq!(&open(purpose, &keyring(), scope, &envelope).unwrap(), &plaintext);
            prop_assert_eq!(envelope.ciphertext.len(), plaintext.len() + 16);
        }
    }
}
