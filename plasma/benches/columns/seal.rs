//! Sealing and opening of texts of 100 bytes, one after the other: with a keyring, a counted nonce, the place of the value
//! authenticated, and an envelope, next to the bare cipher.

use std::hint::black_box;

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use plasma::crypto::{Dek, Envelope, KeyId, Keys, MemoryLedger, Nonces, Purpose, SealScope, Sealer, open};
use plasma_runtime::inputs::OsEntropy;

use crate::util::{Samples, micros, rounds, time, timed};

const TEXT: &[u8; 100] =
    b"\"It is a truth universally acknowledged, that a single man in possession of a good fortune must be\"\n";
const SCOPE: SealScope<'static> =
    SealScope { table: "notes", column: "body", row: "018f3c3e-0000-7000-8000-000000000001" };
const BATCH: usize = 20_000;

/// Microseconds for one.
fn each(samples: &mut Samples, mut work: impl FnMut()) {
    let (took, ()) = timed(|| (0..BATCH).for_each(|_| work()));
    samples.push(micros(took) / BATCH as f64);
}

pub fn run() {
    let id = KeyId::new("2026").expect("an id");
    let keys = Keys::new(id, Dek::generate(&mut OsEntropy));
    let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), OsEntropy);
    let mut seal = || {
        let mut sealer = Sealer { keyring: &keys, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy };
        sealer.seal(Purpose::Sealed, SCOPE, black_box(TEXT)).expect("a key")
    };
    let envelope = seal();
    let json = envelope.to_json();
    let bare = Aes256Gcm::new(&[7; 32].into());
    let tag = {
        let mut text = *TEXT;
        bare.encrypt_inout_detached(&[1; 12].into(), &[], text.as_mut_slice().into()).expect("a short text")
    };
    let mut sealed = *TEXT;
    bare.encrypt_inout_detached(&[1; 12].into(), &[], sealed.as_mut_slice().into()).expect("a short text");

    let [mut floor_seal, mut floor_open, mut one, mut stored, mut opened, mut read] =
        [(); 6].map(|()| Samples::default());
    for _ in 0..rounds(15) {
        each(&mut floor_seal, || {
            let mut text = black_box(*TEXT);
            black_box(bare.encrypt_inout_detached(&[1; 12].into(), &[], text.as_mut_slice().into()).expect("short"));
            black_box(text);
        });
        each(&mut one, || drop(black_box(seal())));
        each(&mut stored, || drop(black_box(seal().to_json())));
        each(&mut floor_open, || {
            let mut text = black_box(sealed);
            bare.decrypt_inout_detached(&[1; 12].into(), &[], text.as_mut_slice().into(), &tag).expect("it opens");
            black_box(text);
        });
        each(&mut opened, || {
            drop(black_box(open(Purpose::Sealed, &keys, SCOPE, black_box(&envelope)).expect("it opens")));
        });
        each(&mut read, || {
            let envelope = Envelope::from_json(black_box(&json)).expect("an envelope");
            drop(black_box(open(Purpose::Sealed, &keys, SCOPE, &envelope).expect("it opens")));
        });
    }
    time("seal 100 bytes, nonce and envelope", &one, &floor_seal, None);
    let aim = if one.median() <= 0.25 { "reached" } else { "MISSED" };
    println!("  aim 0.25 us: {aim}");
    time("seal 100 bytes, as it is stored", &stored, &floor_seal, None);
    time("open 100 bytes", &opened, &floor_open, None);
    time("open 100 bytes, from what is stored", &read, &floor_open, None);
}
