use super::*;
use crate::crypto::pq::*;
use crate::value::PqEnvelope;

#[derive(serde::Deserialize)]
struct Vector {
    seed: String,
    eseed: String,
    ss: String,
    sk: String,
    pk: String,
    ct: String,
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Bytes that were written down.
#[derive(Debug)]
struct Given(std::vec::IntoIter<u8>);

impl Entropy for Given {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.next().expect("no more is drawn than the draft says"));
    }
}

/// Those of the draft: <https://github.com/dconnolly/draft-connolly-cfrg-xwing-kem/blob/main/spec/test-vectors.json>.
#[test]
fn vectors_of_the_draft() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("x_wing_vectors.json")).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let (secret, public) = XWing::generate(&mut Given(unhex(&vector.seed).into_iter()));
        assert_eq!(hex(secret.expose()), vector.sk);
        assert_eq!(hex(public.as_bytes()), vector.pk);
        let mut entropy = Given(unhex(&vector.eseed).into_iter());
        let made = XWing.encapsulate(&public, &mut entropy).unwrap();
        assert_eq!((entropy.0.len(), hex(&made.ciphertext)), (0, vector.ct));
        assert_eq!(hex(&*made.shared_secret.0), vector.ss);
        assert_eq!(hex(&*XWing.decapsulate(&secret, &made.ciphertext).unwrap().0), vector.ss);
    }
}

fn recipient(seed: u64) -> (SecretKey, PublicKey) {
    XWing::generate(&mut Seeded(seed))
}

fn wrapped(public: &PublicKey) -> PqEnvelope {
    wrap_for(public, &id("k1"), &key(), &mut Seeded(77)).unwrap()
}

#[test]
fn a_wrapped_key_is_for_its_recipient() {
    let ((secret, public), (other, _)) = (recipient(1), recipient(2));
    let envelope = wrapped(&public);
    assert_eq!(unwrap_key(&secret, &envelope).unwrap().expose(), key().expose());
    assert_eq!(unwrap_key(&other, &envelope).unwrap_err(), PqError::Tampered);
    let read = PqEnvelope::from_json(&envelope.to_json()).unwrap();
    assert_eq!(read, envelope);
    let value = serde_json::to_value(&envelope).unwrap();
    assert_eq!(serde_json::from_value::<PqEnvelope>(value).unwrap(), envelope);
    // Two envelopes of one key have nothing in common.
    let again = wrap_for(&public, &id("k1"), &key(), &mut Seeded(78)).unwrap();
    assert!(again.kem_ciphertext != envelope.kem_ciphertext && again.ciphertext != envelope.ciphertext);
    assert_ne!(again.nonce, envelope.nonce);
}

#[test]
fn every_byte_of_a_wrapped_key_counts() {
    let (secret, public) = recipient(1);
    let envelope = wrapped(&public);
    let fails = |altered: PqEnvelope| assert_eq!(unwrap_key(&secret, &altered).unwrap_err(), PqError::Tampered);
    // Of the KEM ciphertext every 61st byte, and those where its two parts meet and end.
    for byte in (0..1120).step_by(61).chain([1087, 1088, 1119]) {
        let mut altered = envelope.clone();
        altered.kem_ciphertext[byte] ^= 1 << (byte % 8);
        fails(altered);
    }
    for bit in 0..48 * 8 {
        let mut altered = envelope.clone();
        altered.ciphertext[bit / 8] ^= 1 << (bit % 8);
        if bit % 9 == 0 {
            fails(altered);
        }
    }
    for byte in 0..12 {
        let mut altered = envelope.clone();
        altered.nonce[byte] ^= 0x10;
        fails(altered);
    }
    fails(PqEnvelope { key_id: id("k2"), ..envelope.clone() });
    for length in [0, 1, 1119, 1121] {
        let mut altered = envelope.clone();
        altered.kem_ciphertext.resize(length, 0);
        fails(altered);
    }
    // The X25519 part of a ciphertext that gives the zero secret, whoever decapsulates it.
    let mut altered = envelope;
    altered.kem_ciphertext[1088..].fill(0);
    assert_eq!(XWing.decapsulate(&secret, &altered.kem_ciphertext).unwrap_err(), PqError::Tampered);
}

#[test]
fn keys_that_are_none_are_refused() {
    let (_, public) = recipient(1);
    for length in [0, 31, 33] {
        let secret = SecretKey::from_bytes(vec![1; length]);
        assert_eq!(unwrap_key(&secret, &wrapped(&public)).unwrap_err(), PqError::InvalidSecretKey);
        assert_eq!(XWing::public_key(&secret).unwrap_err(), PqError::InvalidSecretKey);
    }
    let mut beyond = public.as_bytes().to_vec();
    // A coefficient of 4095 is not below the modulus.
    beyond[..3].fill(0xff);
    for wrong in [vec![], vec![0; 1215], vec![0; 1217], beyond] {
        let refused = wrap_for(&PublicKey::from_bytes(wrong), &id("k"), &key(), &mut Seeded(1));
        assert_eq!(refused.unwrap_err(), PqError::InvalidPublicKey);
    }
}

#[test]
fn nothing_shows_a_secret_key() {
    let (secret, public) = recipient(1);
    let made = XWing.encapsulate(&public, &mut Seeded(3)).unwrap();
    let text = format!("{secret:?} {made:?} {:?}", made.shared_secret);
    assert!(text.contains("SecretKey(..)") && text.contains("SharedSecret(..)"));
    for secret in [secret.expose(), &*made.shared_secret.0] {
        assert!(!secrecy::shows(text.split("ciphertext").next().unwrap(), secret));
    }
    for error in [PqError::InvalidPublicKey, PqError::InvalidSecretKey, PqError::WrongKem, PqError::Tampered] {
        assert_eq!(crate::Error::from(error).kind(), crate::ErrorKind::Encryption);
    }
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), public);
}

/// A provider of an application whose KEM is broken: it opens whatever names it, and nothing else, and nothing of it is
/// opened by X-Wing.
struct Weak;

impl PqHybridProvider for Weak {
    fn name(&self) -> &'static str {
        "weak"
    }
    fn encapsulate(&self, _: &PublicKey, _: &mut dyn Entropy) -> Result<Encapsulated, PqError> {
        Ok(Encapsulated { ciphertext: vec![0; 1120], shared_secret: SharedSecret::new([0; 32]) })
    }
    fn decapsulate(&self, _: &SecretKey, _: &[u8]) -> Result<SharedSecret, PqError> {
        Ok(SharedSecret::new([0; 32]))
    }
}

#[test]
fn a_weaker_envelope_is_not_opened_instead() {
    let (secret, public) = recipient(1);
    let weak = wrap_with(&Weak, &public, &id("k1"), &key(), &mut Seeded(1)).unwrap();
    assert!(unwrap_with(&Weak, &secret, &weak).is_ok());
    assert_eq!(unwrap_key(&secret, &weak).unwrap_err(), PqError::WrongKem);
    // Renamed, it is bound to its own name.
    let renamed = PqEnvelope { kem: "X-Wing".to_owned(), ..weak };
    assert_eq!(unwrap_key(&secret, &renamed).unwrap_err(), PqError::Tampered);
    assert_eq!(unwrap_with(&Weak, &secret, &renamed).unwrap_err(), PqError::WrongKem);
    // Also where the provider is the same and only the name is another.
    struct Named;
    impl PqHybridProvider for Named {
        fn name(&self) -> &'static str {
            "X-Wing"
        }
        fn encapsulate(&self, p: &PublicKey, e: &mut dyn Entropy) -> Result<Encapsulated, PqError> {
            Weak.encapsulate(p, e)
        }
        fn decapsulate(&self, s: &SecretKey, c: &[u8]) -> Result<SharedSecret, PqError> {
            Weak.decapsulate(s, c)
        }
    }
    assert_eq!(unwrap_with(&Named, &secret, &renamed).unwrap_err(), PqError::Tampered);
    // A provider that repeats its secret still does not repeat a nonce.
    let again = wrap_with(&Weak, &public, &id("k1"), &key(), &mut Seeded(2)).unwrap();
    assert_ne!(again.nonce, renamed.nonce);
}

#[cfg(feature = "insecure-pq-placeholder")]
#[test]
fn the_placeholder_is_asked_for_twice_and_opened_by_nobody_else() {
    let provider = insecure_placeholder_provider(AcceptInsecure::YesItProtectsNothing);
    let (secret, public) = (SecretKey::from_bytes([5; 32]), PublicKey::from_bytes([5; 32]));
    let envelope = wrap_with(&provider, &public, &id("k1"), &key(), &mut Seeded(1)).unwrap();
    assert_eq!(envelope.kem, "INSECURE-PLACEHOLDER");
    assert_eq!(unwrap_with(&provider, &secret, &envelope).unwrap().expose(), key().expose());
    assert_eq!(unwrap_key(&secret, &envelope).unwrap_err(), PqError::WrongKem);
    assert_eq!(unwrap_with(&provider, &secret, &wrapped(&recipient(1).1)).unwrap_err(), PqError::WrongKem);
}
