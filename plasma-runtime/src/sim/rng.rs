//! The simulator's random source: xoshiro256++ 1.0, seeded by SplitMix64, both by David Blackman and Sebastiano Vigna
//! (public domain, <https://prng.di.unimi.it/>). Small, fast, the same on every platform; not for secrets.

use crate::inputs::Entropy;

/// A deterministic random source.
#[derive(Debug, Clone)]
pub struct Rng([u64; 4]);

impl Rng {
    /// The source of a seed. Equal seeds give equal sequences for ever: seeds are kept in files.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Rng(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// The source of one part of a seed's run.
    pub(super) fn of_part(seed: u64, part: u64) -> Self {
        let mut whole = Rng::new(seed);
        Rng::new(whole.next_u64() ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A source of its own for one part of the system, so that more draws in one part do not change another.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Rng::new(self.next_u64())
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The bias of the product method is below 2^-40 for every bound used here.
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low + 1) as usize) as u64
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent as usize
    }

    /// One of the slice's elements; none when it is empty.
    pub fn pick<'s, T>(&mut self, slice: &'s [T]) -> Option<&'s T> {
        slice.get(self.below(slice.len()))
    }

    /// A random UUID (version 4, RFC 9562).
    pub fn uuid(&mut self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl Entropy for Rng {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds are kept in files: the sequence of a seed must never change. The values follow from the reference C code.
    #[test]
    fn a_seed_has_one_sequence() {
        let mut rng = Rng::new(0);
        assert_eq!(rng.0[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(rng.next_u64(), 0x5317_5d61_490b_23df);
        assert_eq!(rng.next_u64(), 0x61da_6f3d_c380_d507);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut rng = Rng::new(7);
        assert_eq!(rng.below(0), 0);
        let drawn: Vec<_> = (0..1_000).map(|_| rng.below(3)).collect();
        assert!((0..3).all(|n| drawn.iter().filter(|d| **d == n).count() > 250));
        assert!((0..1_000).all(|_| (5..=9).contains(&rng.between(5, 9))));
    }
}
