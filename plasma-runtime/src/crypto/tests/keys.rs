use std::sync::Arc;

use super::*;
use crate::error::{Error, ErrorKind};

#[test]
fn ids_are_checked() {
    for text in ["k", "a key", "ü", &"x".repeat(128)] {
        assert_eq!(KeyId::new(text).unwrap().as_str(), text);
        assert_eq!(serde_json::from_value::<KeyId>(text.into()).unwrap().to_string(), text);
    }
    for text in ["", "\0", "a\0b", &"x".repeat(129), &"ü".repeat(65)] {
        assert_eq!(KeyId::new(text).unwrap_err().kind(), ErrorKind::Validation);
        assert!(serde_json::from_value::<KeyId>(text.into()).is_err());
    }
}

#[test]
fn a_keyring_rotates() {
    let keys = Arc::new(keyring());
    let old = sealed(Purpose::Sealed, SCOPE, b"1");
    keys.insert(id("k2"), Dek::generate(&mut Seeded(1))).unwrap();
    assert_eq!(keys.current(SCOPE), Some(id("k1")));
    keys.make_current(&id("k2")).unwrap();
    let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), Seeded(5));
    let mut sealer = Sealer { keyring: &*keys, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy };
    let new = sealer.seal(Purpose::Sealed, SCOPE, b"2").unwrap();
    assert_eq!(new.key_id, id("k2"));
    assert_eq!(open(Purpose::Sealed, &*keys, SCOPE, &old).unwrap(), b"1");
    keys.forget(&id("k1")).unwrap();
    assert_eq!(open(Purpose::Sealed, &*keys, SCOPE, &old), Err(OpenError::NoKey(id("k1"))));
    assert_eq!(open(Purpose::Sealed, &*keys, SCOPE, &new).unwrap(), b"2");
    assert_eq!(keys.ids(), [id("k2")]);
}

#[test]
fn a_keyring_refuses_what_would_lose_values() {
    let keys = keyring();
    assert_eq!(keys.insert(id("k1"), key()).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(keys.forget(&id("k1")).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(keys.make_current(&id("k9")).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(open(Purpose::Sealed, &keys, SCOPE, &sealed(Purpose::Sealed, SCOPE, b"x")).unwrap(), b"x");
}

/// One that has keys and none to seal with.
struct Reader(Keys);

impl Keyring for Reader {
    fn key(&self, id: &KeyId) -> Option<Dek> {
        self.0.key(id)
    }
    fn current(&self, _: SealScope<'_>) -> Option<KeyId> {
        None
    }
}

#[test]
fn without_a_key_nothing_is_sealed() {
    let keyring = Reader(keyring());
    let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), Seeded(5));
    let mut sealer = Sealer { keyring: &keyring, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy };
    let error = sealer.seal(Purpose::AtRest, SCOPE, b"x").unwrap_err();
    assert!(matches!(error, SealError::NoCurrentKey));
    assert_eq!(Error::from(error).kind(), ErrorKind::Encryption);
    let error = sealer.seal_with(Purpose::AtRest, &id("k9"), SCOPE, b"x").unwrap_err();
    assert!(matches!(error, SealError::NoKey(key) if key == id("k9")));
}
