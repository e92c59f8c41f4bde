use std::collections::HashSet;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::inputs::OsEntropy;

#[test]
fn a_million_nonces_are_all_different() {
    let (mut nonces, mut ledger) = (Nonces::new(), MemoryLedger::default());
    let mut seen = HashSet::with_capacity(1_000_000);
    for n in 0..1_000_000 {
        let key = if n % 3 == 0 { "a" } else { "b" };
        assert!(seen.insert(nonces.next(&id(key), &mut ledger, &mut OsEntropy).unwrap().0), "{n}");
    }
    // Each of the 96 bits is set in about half of them: ten standard deviations are 5,000.
    for bit in 0..96 {
        let set = seen.iter().filter(|nonce| nonce[bit / 8] & (1 << (bit % 8)) != 0).count();
        assert!((495_000..505_000).contains(&set), "bit {bit} is set in {set}");
    }
}

/// Two stores that are opened from the same file draw their own.
#[test]
fn nonces_are_of_the_randomness_that_is_passed_in() {
    let (mut a, mut b) = (Nonces::new(), Nonces::new());
    let (mut ledger, mut one) = (MemoryLedger::default(), Seeded(1));
    let first: Vec<_> = (0..100).map(|_| a.next(&id("k"), &mut ledger, &mut one).unwrap().0).collect();
    let again: Vec<_> = (0..100).map(|_| b.next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap().0).collect();
    assert_eq!(first[..64], again[..64]);
    let mut bytes = [0; 12 * 64];
    Seeded(1).fill(&mut bytes);
    assert!(first[..64].iter().all(|nonce| bytes.as_chunks::<12>().0.contains(nonce)));
}

#[derive(Default)]
struct Counted {
    total: u64,
    calls: u32,
    broken: bool,
}

impl NonceLedger for Counted {
    fn reserve(&mut self, _: &KeyId, count: u64) -> crate::Result<u64> {
        if self.broken {
            return Err(Error::new(ErrorKind::Storage, "disk full"));
        }
        self.calls += 1;
        self.total += count;
        Ok(self.total)
    }
}

/// What the ledger has counted is at any time at least what was drawn, also after a restart or a roll-back.
#[test]
fn the_ledger_is_always_ahead() {
    let (mut nonces, mut ledger) = (Nonces::new(), Counted::default());
    for drawn in 1..=10_000u64 {
        nonces.next(&id("k"), &mut ledger, &mut Seeded(drawn)).unwrap();
        assert!((drawn..drawn + 1024).contains(&ledger.total), "{drawn} drawn, {} counted", ledger.total);
    }
    assert_eq!(ledger.calls, 10);
    let mut restarted = Nonces::new();
    restarted.next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap();
    assert_eq!((ledger.calls, ledger.total), (11, 11 * 1024));
    ledger.total -= 1024;
    restarted.rolled_back();
    restarted.next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap();
    assert_eq!((ledger.calls, ledger.total), (12, 11 * 1024));
}

#[test]
fn a_key_is_used_up() {
    let (mut nonces, mut ledger) = (Nonces::new(), Counted { total: NONCE_LIMIT - 1024, ..Counted::default() });
    for drawn in 0..1024 {
        assert!(nonces.next(&id("k"), &mut ledger, &mut Seeded(drawn)).is_ok(), "{drawn}");
    }
    for _ in 0..2 {
        let error = nonces.next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap_err();
        assert!(matches!(&error, SealError::KeyUsedUp(key) if *key == id("k")), "{error:?}");
        assert_eq!(Error::from(error).kind(), ErrorKind::Encryption);
    }
    // Other keys go on.
    assert!(nonces.next(&id("other"), &mut Counted::default(), &mut Seeded(1)).is_ok());
    const { assert!(NONCE_LIMIT <= 1 << 28) };
}

#[test]
fn a_key_says_well_before_that_it_is_due() {
    let (mut nonces, mut ledger) = (Nonces::new(), Counted { total: NONCE_WARNING - 1024, ..Counted::default() });
    assert!(!nonces.is_due(&id("k")));
    for _ in 0..1024 {
        nonces.next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap();
    }
    assert!(!nonces.is_due(&id("k")));
    nonces.next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap();
    assert!(nonces.is_due(&id("k")) && !nonces.is_due(&id("other")));
    const { assert!(NONCE_WARNING * 4 <= NONCE_LIMIT) };
}

#[test]
fn what_cannot_be_counted_is_not_sealed() {
    let mut ledger = Counted { broken: true, ..Counted::default() };
    let error = Nonces::new().next(&id("k"), &mut ledger, &mut Seeded(1)).unwrap_err();
    assert_eq!(Error::from(error).kind(), ErrorKind::Storage);
}
