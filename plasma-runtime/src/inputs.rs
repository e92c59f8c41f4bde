//! Time and randomness: what the engines are given because they have none of their own.

use crate::future::MaybeSend;

/// Time and randomness of one step: an engine has no clock and no random source of its own.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Milliseconds since 1970.
    pub now: i64,
    /// Random bytes.
    pub entropy: &'a mut dyn Entropy,
}

/// A source of random bytes.
pub trait Entropy: std::fmt::Debug + MaybeSend {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

#[cfg(not(target_family = "wasm"))]
impl Entropy for OsEntropy {
    /// # Panics
    /// When the operating system has no random bytes to give: nothing could go on safely.
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has no random bytes to give");
    }
}

#[cfg(target_family = "wasm")]
impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that draws randomness")]
    fn fill(&mut self, bytes: &mut [u8]) {
        // 13 of the 16 bytes of a version 4 UUID are random as a whole (RFC 9562, section 5.4): 6 and 8 hold the version
        // and the variant, and 7 is left out with them.
        for chunk in bytes.chunks_mut(13) {
            let uuid = uuid::Uuid::new_v4();
            let random = uuid.as_bytes();
            let (low, high) = chunk.split_at_mut(chunk.len().min(6));
            low.copy_from_slice(&random[..low.len()]);
            high.copy_from_slice(&random[9..9 + high.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_random() {
        let mut seen = [[0u8; 2]; 40];
        for _ in 0..64 {
            let mut bytes = [0u8; 40];
            OsEntropy.fill(&mut bytes);
            for (seen, byte) in seen.iter_mut().zip(bytes) {
                seen[0] |= byte;
                seen[1] |= !byte;
            }
        }
        // Each bit of each byte was 0 and was 1; by chance this fails once in 2^54 runs.
        assert!(seen.iter().all(|seen| *seen == [0xff, 0xff]), "{seen:?}");
    }
}
