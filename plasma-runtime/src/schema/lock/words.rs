//! The words for kinds with a parameter: a const cannot put texts together.

use crate::value::Kind;

/// Exact decimals, by scale. 10^18 is the largest power in an `i64`.
pub(super) const FIXED: [&str; 19] = [
    "fixed(0)",
    "fixed(1)",
    "fixed(2)",
    "fixed(3)",
    "fixed(4)",
    "fixed(5)",
    "fixed(6)",
    "fixed(7)",
    "fixed(8)",
    "fixed(9)",
    "fixed(10)",
    "fixed(11)",
    "fixed(12)",
    "fixed(13)",
    "fixed(14)",
    "fixed(15)",
    "fixed(16)",
    "fixed(17)",
    "fixed(18)",
];

/// The place of a kind in the lists below.
///
/// # Panics
/// At compile time, for what no register or set holds.
pub(super) const fn place(kind: Kind) -> usize {
    match kind {
        Kind::Id => 0,
        Kind::Text => 1,
        Kind::Int => 2,
        Kind::BigInt => 3,
        Kind::Float => 4,
        Kind::Bool => 5,
        Kind::Blob => 6,
        Kind::Json => 7,
        Kind::Timestamp => 8,
        Kind::Date => 9,
        Kind::File => 10,
        Kind::Sealed => 11,
        Kind::Fixed(scale) => 12 + scale as usize,
        Kind::Crdt(_) => panic!("a CRDT holds no other CRDT"),
    }
}

/// Registers.
pub(super) const LWW: [&str; 31] = [
    "lww(id)",
    "lww(text)",
    "lww(int)",
    "lww(bigint)",
    "lww(float)",
    "lww(bool)",
    "lww(blob)",
    "lww(json)",
    "lww(timestamp)",
    "lww(date)",
    "lww(file)",
    "lww(sealed)",
    "lww(fixed(0))",
    "lww(fixed(1))",
    "lww(fixed(2))",
    "lww(fixed(3))",
    "lww(fixed(4))",
    "lww(fixed(5))",
    "lww(fixed(6))",
    "lww(fixed(7))",
    "lww(fixed(8))",
    "lww(fixed(9))",
    "lww(fixed(10))",
    "lww(fixed(11))",
    "lww(fixed(12))",
    "lww(fixed(13))",
    "lww(fixed(14))",
    "lww(fixed(15))",
    "lww(fixed(16))",
    "lww(fixed(17))",
    "lww(fixed(18))",
];

/// Sets.
pub(super) const OR_SET: [&str; 31] = [
    "or_set(id)",
    "or_set(text)",
    "or_set(int)",
    "or_set(bigint)",
    "or_set(float)",
    "or_set(bool)",
    "or_set(blob)",
    "or_set(json)",
    "or_set(timestamp)",
    "or_set(date)",
    "or_set(file)",
    "or_set(sealed)",
    "or_set(fixed(0))",
    "or_set(fixed(1))",
    "or_set(fixed(2))",
    "or_set(fixed(3))",
    "or_set(fixed(4))",
    "or_set(fixed(5))",
    "or_set(fixed(6))",
    "or_set(fixed(7))",
    "or_set(fixed(8))",
    "or_set(fixed(9))",
    "or_set(fixed(10))",
    "or_set(fixed(11))",
    "or_set(fixed(12))",
    "or_set(fixed(13))",
    "or_set(fixed(14))",
    "or_set(fixed(15))",
    "or_set(fixed(16))",
    "or_set(fixed(17))",
    "or_set(fixed(18))",
];
