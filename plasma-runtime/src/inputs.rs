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
