use super::*;
use crate::inputs::Entropy;

mod binding;
mod fuzz;
mod golden;
mod indexes;
mod keys;
mod nonces;
mod secrecy;
#[cfg(feature = "pq")]
mod wrapping;
mod wycheproof;

const ROW: &str = "018f3c3e-0000-7000-8000-000000000001";
const SCOPE: SealScope<'static> = SealScope { table: "notes", column: "body", row: ROW };

/// Random bytes that are the same in every run (SplitMix64).
#[derive(Debug, Clone)]
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }
}

fn id(text: &str) -> KeyId {
    KeyId::new(text).unwrap()
}

/// The key whose bytes are 0, 1, 2 ..
fn key() -> Dek {
    Dek::from_bytes(std::array::from_fn(|n| n as u8))
}

fn keyring() -> Keys {
    Keys::new(id("k1"), key())
}

/// Sealed with the key `k1`.
fn sealed(purpose: Purpose, scope: SealScope<'_>, plaintext: &[u8]) -> Envelope {
    let (mut nonces, mut ledger, mut entropy) = (Nonces::new(), MemoryLedger::default(), Seeded(7));
    Sealer { keyring: &keyring(), nonces: &mut nonces, ledger: &mut ledger, entropy: &mut entropy }
        .seal(purpose, scope, plaintext)
        .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
