//! What was sealed opens in its place, whole, with its key, and in no other way.

use super::*;

const TEXT: &[u8] = b"\"a text of some length, more than a block\"";

fn fails(purpose: Purpose, scope: SealScope<'_>, envelope: &Envelope) {
    assert_eq!(open(purpose, &keyring(), scope, envelope), Err(OpenError::Tampered), "{scope:?} {envelope:?}");
}

/// Every text that differs from this one in one bit and is still UTF-8, and it with one byte more or less.
fn neighbours(text: &str) -> Vec<String> {
    let mut all = vec![format!("{text}\0"), format!("{text} "), format!("\0{text}")];
    all.extend(text.char_indices().map(|(at, c)| text[..at].to_owned() + &text[at + c.len_utf8()..]));
    for bit in 0..text.len() * 8 {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        all.extend(String::from_utf8(bytes));
    }
    all
}

#[test]
fn every_bit_of_an_envelope_counts() {
    for purpose in [Purpose::Sealed, Purpose::AtRest] {
        let envelope = sealed(purpose, SCOPE, TEXT);
        assert_eq!(open(purpose, &keyring(), SCOPE, &envelope).unwrap(), TEXT);
        for bit in 0..envelope.ciphertext.len() * 8 {
            let mut altered = envelope.clone();
            altered.ciphertext[bit / 8] ^= 1 << (bit % 8);
            fails(purpose, SCOPE, &altered);
        }
        for bit in 0..96 {
            let mut altered = envelope.clone();
            altered.nonce[bit / 8] ^= 1 << (bit % 8);
            fails(purpose, SCOPE, &altered);
        }
        for length in 0..envelope.ciphertext.len() {
            let ciphertext = envelope.ciphertext[..length].to_vec();
            fails(purpose, SCOPE, &Envelope { ciphertext, ..envelope.clone() });
            let ciphertext = envelope.ciphertext[length..].to_vec();
            if length > 0 {
                fails(purpose, SCOPE, &Envelope { ciphertext, ..envelope.clone() });
            }
        }
        for more in [0, 1, 255] {
            let ciphertext = [&envelope.ciphertext[..], &[more]].concat();
            fails(purpose, SCOPE, &Envelope { ciphertext, ..envelope.clone() });
        }
    }
}

#[test]
fn every_bit_of_the_place_counts() {
    let envelope = sealed(Purpose::Sealed, SCOPE, TEXT);
    for table in neighbours(SCOPE.table) {
        fails(Purpose::Sealed, SealScope { table: &table, ..SCOPE }, &envelope);
    }
    for column in neighbours(SCOPE.column) {
        fails(Purpose::Sealed, SealScope { column: &column, ..SCOPE }, &envelope);
    }
    for row in neighbours(SCOPE.row) {
        fails(Purpose::Sealed, SealScope { row: &row, ..SCOPE }, &envelope);
    }
    // The key's id, although the keyring has the same key under the other id too.
    for other in neighbours("k1").iter().filter_map(|text| KeyId::new(text).ok()) {
        let keys = keyring();
        keys.insert(other.clone(), key()).unwrap();
        let renamed = Envelope { key_id: other, ..envelope.clone() };
        assert_eq!(open(Purpose::Sealed, &keys, SCOPE, &renamed), Err(OpenError::Tampered));
    }
    fails(Purpose::AtRest, SCOPE, &envelope);
    let other = Keys::new(id("k1"), Dek::generate(&mut Seeded(1)));
    assert_eq!(open(Purpose::Sealed, &other, SCOPE, &envelope), Err(OpenError::Tampered));
    let none = Keys::new(id("k2"), key());
    assert_eq!(open(Purpose::Sealed, &none, SCOPE, &envelope), Err(OpenError::NoKey(id("k1"))));
}

/// The bytes of two neighbouring fields, divided in another place.
#[test]
fn fields_are_kept_apart() {
    let whole = SealScope { table: "ab", column: "c", row: ROW };
    let envelope = sealed(Purpose::Sealed, whole, TEXT);
    fails(Purpose::Sealed, SealScope { table: "a", column: "bc", row: ROW }, &envelope);
    let joined = [SCOPE.table, SCOPE.row, SCOPE.column].concat();
    let envelope = sealed(Purpose::Sealed, SCOPE, TEXT);
    let mut tried = 0;
    for a in 0..=joined.len() {
        for b in a..=joined.len() {
            let scope = SealScope { table: &joined[..a], row: &joined[a..b], column: &joined[b..] };
            if scope != SCOPE {
                fails(Purpose::Sealed, scope, &envelope);
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000);
    assert_ne!(length_prefixed(&[b"ab", b"c"]), length_prefixed(&[b"a", b"bc"]));
    assert_ne!(length_prefixed(&[b"", b"a"]), length_prefixed(&[b"a", b""]));
    assert_eq!(length_prefixed(&[b"ab", b""]), [0, 0, 0, 2, b'a', b'b', 0, 0, 0, 0]);
}

/// A place too long for the stack is authenticated like any other.
#[test]
fn a_long_place_counts_as_well() {
    for length in (100..140).chain([1_000]) {
        let table = "t".repeat(length);
        let scope = SealScope { table: &table, ..SCOPE };
        let envelope = sealed(Purpose::Sealed, scope, TEXT);
        assert_eq!(open(Purpose::Sealed, &keyring(), scope, &envelope).unwrap(), TEXT);
        let other = "t".repeat(length - 1) + "u";
        fails(Purpose::Sealed, SealScope { table: &other, ..SCOPE }, &envelope);
        let fields = [table.as_bytes(), b"x"];
        let whole = length_prefixed(&fields);
        let mut place = vec![0; whole.len()];
        assert_eq!((write_length_prefixed(&fields, &mut place), &place), (Some(whole.len()), &whole));
        assert_eq!(write_length_prefixed(&fields, &mut place[1..]), None);
    }
}

/// Every envelope of a small database, opened in every place of it.
#[test]
fn an_envelope_opens_where_it_was_sealed_and_nowhere_else() {
    let keys = keyring();
    keys.insert(id("k2"), Dek::generate(&mut Seeded(2))).unwrap();
    let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), Seeded(3));
    let mut places = Vec::new();
    for table in ["notes", "note"] {
        for column in ["body", "title"] {
            for row in [ROW, "018f3c3e-0000-7000-8000-000000000002"] {
                places.push(SealScope { table, column, row });
            }
        }
    }
    for from in &places {
        for key in ["k1", "k2"] {
            let mut sealer = Sealer { keyring: &keys, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy };
            let envelope = sealer.seal_with(Purpose::Sealed, &id(key), *from, TEXT).unwrap();
            for to in &places {
                let opened = open(Purpose::Sealed, &keys, *to, &envelope);
                assert_eq!(opened, if from == to { Ok(TEXT.to_vec()) } else { Err(OpenError::Tampered) });
            }
        }
    }
}
