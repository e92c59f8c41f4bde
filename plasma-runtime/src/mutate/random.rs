//! Random values every run of a mutation agrees on.
//!
//! The generator is SHA-256 in counter mode. Block *n* (0, 1, 2 ..) of a stream is SHA-256 over four parts, each
//! preceded by its length as 8 bytes, most significant first: the mutation's key (16 bytes), the text `random`, the
//! stream (`checked` or `trusted`), and *n* (8 bytes, most significant first). The blocks one after the other are the
//! stream; every value takes the bytes it needs from its front.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The bytes of one block.
const BLOCK: u64 = 32;

/// Fills `bytes` from the stream, starting at `position`.
pub(super) fn fill(key: Uuid, trusted: bool, position: u64, bytes: &mut [u8]) {
    let mut at = position;
    let mut rest = bytes;
    while !rest.is_empty() {
        let block = block(key, trusted, at / BLOCK);
        let from = &block[(at % BLOCK) as usize..];
        let count = from.len().min(rest.len());
        let (now, later) = rest.split_at_mut(count);
        now.copy_from_slice(&from[..count]);
        at += count as u64;
        rest = later;
    }
}

fn block(key: Uuid, trusted: bool, number: u64) -> [u8; BLOCK as usize] {
    let stream: &[u8] = if trusted { b"trusted" } else { b"checked" };
    let mut hash = Sha256::new();
    for part in [key.as_bytes().as_slice(), b"random", stream, &number.to_be_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// What [`Tx::random`](super::Tx::random) can draw: integers and arrays of bytes over their whole range, `bool`, and
/// `f64` in `[0, 1)`.
#[diagnostic::on_unimplemented(
    message = "`tx.random()` cannot draw a `{Self}`",
    label = "not a random value",
    note = "it draws integers, `bool`, `f64` in `[0, 1)` and `[u8; N]`; `tx.random_below(n)` draws below a bound"
)]
pub trait RandomValue: sealed::Sealed {
    /// Takes what it needs from the stream.
    #[doc(hidden)]
    fn draw(fill: &mut dyn FnMut(&mut [u8])) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl sealed::Sealed for $integer {}
        impl RandomValue for $integer {
            fn draw(fill: &mut dyn FnMut(&mut [u8])) -> Self {
                let mut bytes = [0; size_of::<$integer>()];
                fill(&mut bytes);
                <$integer>::from_be_bytes(bytes)
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl sealed::Sealed for bool {}
impl RandomValue for bool {
    fn draw(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        u8::draw(fill) & 1 == 1
    }
}

impl sealed::Sealed for f64 {}
impl RandomValue for f64 {
    /// The 53 upper bits of eight bytes: every value is equally far from the next, and 1 is never reached.
    fn draw(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        const STEPS: f64 = (1_u64 << 53) as f64;
        (u64::draw(fill) >> 11) as f64 / STEPS
    }
}

impl<const N: usize> sealed::Sealed for [u8; N] {}
impl<const N: usize> RandomValue for [u8; N] {
    fn draw(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut bytes = [0; N];
        fill(&mut bytes);
        bytes
    }
}

/// A number below `bound`, each equally likely: numbers at or above the greatest multiple of `bound` are drawn again.
///
/// # Panics
/// When `bound` is 0: there is no number below it.
pub(super) fn below(bound: u64, fill: &mut dyn FnMut(&mut [u8])) -> u64 {
    assert!(bound > 0, "there is no number below 0 to draw");
    let usable = u64::MAX - (u64::MAX % bound + 1) % bound;
    loop {
        let drawn = u64::draw(fill);
        if drawn <= usable {
            return drawn % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Uuid = Uuid::from_u128(0x0f6d_1a52_0000_4000_8000_0000_0000_0001);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The vector was computed with Python's `hashlib`, from the description at the head of this file.
    #[test]
    fn the_streams_are_the_documented_ones() {
        let mut bytes = [0; 40];
        fill(KEY, false, 0, &mut bytes);
        assert_eq!(hex(&bytes), CHECKED);
        fill(KEY, true, 0, &mut bytes);
        assert_eq!(hex(&bytes), TRUSTED);
    }

    const CHECKED: &str = "bf9aa14496d0588604f97bbd513d4cb8e27427cc62b8005aec73f269d1d57a94d2fabd81a7b4aa54";
    const TRUSTED: &str = "df0a11b6a41b8462c2c216ee7f6359abacdb51645f62f0cfc38d5cee1c090af0fee249f07f717f07";

    #[test]
    fn a_stream_is_the_same_in_any_portions() {
        let mut whole = [0; 100];
        fill(KEY, false, 3, &mut whole);
        let mut at = 0;
        for portion in [1, 2, 31, 32, 33, 1] {
            let mut bytes = vec![0; portion];
            fill(KEY, false, 3 + at as u64, &mut bytes);
            assert_eq!(bytes, whole[at..at + portion]);
            at += portion;
        }
    }

    #[test]
    fn every_number_below_a_bound_is_as_likely_as_the_next() {
        let mut position = 0;
        let mut fill = |bytes: &mut [u8]| {
            super::fill(KEY, false, position, bytes);
            position += bytes.len() as u64;
        };
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[below(7, &mut fill) as usize] += 1;
        }
        // 10,000 each are expected; six standard deviations are 556.
        assert!(counts.iter().all(|count| (9_444..10_556).contains(count)), "{counts:?}");
        assert_eq!(below(1, &mut fill), 0);
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&f64::draw(&mut fill))));
    }

    /// Just above half of the range, half of all numbers must be drawn again.
    #[test]
    fn numbers_that_would_make_some_likelier_are_drawn_again() {
        let bound = (1 << 63) + 1;
        let mut given = [u64::MAX, bound, bound - 1].into_iter();
        let mut fill = |bytes: &mut [u8]| bytes.copy_from_slice(&given.next().expect("enough numbers").to_be_bytes());
        assert_eq!(below(bound, &mut fill), bound - 1);
    }
}
