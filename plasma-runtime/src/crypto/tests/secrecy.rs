//! No error, log line or `Debug` output shows a byte of a key or of a plaintext.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::error::Error;

/// Whether four neighbouring bytes of the secret can be read off the text, in any usual writing.
pub(super) fn shows(text: &str, secret: &[u8]) -> bool {
    secret.windows(4).any(|four| {
        let [lower, upper] = [hex(four), hex(four).to_uppercase()];
        let list =
            |each: &dyn Fn(&u8) -> String, between: &str| four.iter().map(each).collect::<Vec<_>>().join(between);
        text.contains(&lower)
            || text.contains(&upper)
            || [", ", ",", ",\n    ", ",\n        ", ",\n            ", " "].iter().any(|between| {
                text.contains(&list(&|byte| byte.to_string(), between))
                    || text.contains(&list(&|byte| format!("{byte:x}"), between))
                    || text.contains(&list(&|byte| format!("{byte:#04x}"), between))
            })
            || std::str::from_utf8(four).is_ok_and(|four| text.contains(four))
    }) || secret.windows(6).any(|six| {
        (0..3).any(|skip| {
            // Base64 in groups of three bytes, wherever a group begins.
            let whole = &six[skip..skip + 3];
            secret.len() > 6 && text.contains(&STANDARD.encode(whole)) && whole.iter().any(|byte| *byte != 0)
        })
    })
}

#[test]
fn the_search_finds_what_is_shown() {
    let secret: [u8; 32] = std::array::from_fn(|n| 0xc1 ^ (n as u8).wrapping_mul(9));
    for text in [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        format!("{secret:x?}"),
        format!("{:?}", &secret[8..12]),
        hex(&secret[3..7]),
        STANDARD.encode(secret),
        format!("{:?}", Some(vec![secret])),
    ] {
        assert!(shows(&text, &secret), "{text}");
    }
    assert!(shows("Error: marker text", b"marker text of a note"));
    assert!(!shows("Dek(..)", &secret));
}

#[test]
fn nothing_shows_a_key_or_a_plaintext() {
    let bytes: [u8; 32] = std::array::from_fn(|n| 0xc1 ^ (n as u8).wrapping_mul(9));
    let plaintext = b"\"Xq7#Zw9!Kv3%\"";
    let key = Dek::from_bytes(bytes);
    let keys = Keys::new(id("k1"), key.clone());
    let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), Seeded(5));
    let mut sealer = Sealer { keyring: &keys, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy };
    let envelope = sealer.seal(Purpose::Sealed, SCOPE, plaintext).unwrap();
    let derived = key.derive(&[b"plasma sealed 1"]);
    let mut texts = vec![
        format!("{key:?} {key:#?} {keys:?} {keys:#?} {envelope:?} {envelope:#?} {nonces:?} {ledger:?}"),
        format!("{:?}", BlindIndex::from_bytes([0; 32])),
        envelope.to_json(),
        format!("{:?} {:?}", key.cipher(Purpose::Sealed), nonces.next(&id("k1"), &mut ledger, &mut entropy)),
    ];
    let opening = [OpenError::NoKey(id("k1")), OpenError::Tampered, OpenError::Decode];
    let sealing = [
        SealError::NoCurrentKey,
        SealError::NoKey(id("k1")),
        SealError::KeyUsedUp(id("k1")),
        SealError::TooLarge,
        SealError::Ledger(Error::internal("x")),
    ];
    texts.extend(opening.map(|error| format!("{error} {error:?} {0} {0:?}", Error::from(error.clone()))));
    texts.extend(sealing.map(|error| format!("{error} {error:?}") + &format!("{:?}", Error::from(error))));
    for text in texts {
        for secret in [&bytes[..], &derived[..], &plaintext[..]] {
            assert!(!shows(&text, secret), "{text}");
        }
    }
}

/// An error tells nothing of where or how a value differs.
#[test]
fn errors_say_the_same_for_every_value() {
    let error = |envelope: &Envelope, scope| open(Purpose::Sealed, &keyring(), scope, envelope).unwrap_err();
    let envelope = sealed(Purpose::Sealed, SCOPE, b"a");
    let other = sealed(Purpose::Sealed, SCOPE, b"another and longer one");
    let moved = error(&other, SealScope { column: "title", ..SCOPE });
    let cut = error(&Envelope { ciphertext: vec![1, 2], ..envelope.clone() }, SCOPE);
    let altered = error(&Envelope { nonce: [0; 12], ..envelope }, SCOPE);
    assert!(moved == cut && cut == altered);
    assert_eq!(moved.to_string(), "an encrypted value is not what was sealed here");
}
