//! The const hash of a schema: FNV-1a over what decides compatibility, combined so that order does not matter.
//!
//! FNV: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>. Not a cryptographic hash: it tells mistakes, not
//! attackers, apart.

use super::{ColumnDef, OnDelete, TableDef};
use crate::crdt::CrdtKind;
use crate::value::Kind;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// A fingerprint as it goes over the wire: 16 lower-case hex digits.
pub(crate) fn hex(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// `==` on strings, in const.
pub const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn bytes(mut hash: u64, data: &[u8]) -> u64 {
    let mut i = 0;
    while i < data.len() {
        hash = (hash ^ data[i] as u64).wrapping_mul(PRIME);
        i += 1;
    }
    // A terminator, so that "ab" + "c" and "a" + "bc" differ.
    (hash ^ 0xff).wrapping_mul(PRIME)
}

/// The hash of a text.
pub const fn text(text: &str) -> u64 {
    bytes(OFFSET, text.as_bytes())
}

const fn spread(hash: u64) -> u64 {
    // The finalizer of SplitMix64, so that sums of hashes do not cancel.
    let mut z = hash;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const fn column(def: &ColumnDef) -> u64 {
    let kind = match def.kind {
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
        Kind::Fixed(_) => 10,
        Kind::File => 11,
        Kind::Crdt(crdt) => match crdt {
            CrdtKind::GCounter => 12,
            CrdtKind::PnCounter => 13,
            CrdtKind::Lww(_) => 14,
            CrdtKind::OrSet(_) => 15,
            #[cfg(feature = "text")]
            CrdtKind::Text => 17,
        },
        Kind::Sealed => 16,
    };
    let action = match def.on_delete {
        OnDelete::NoAction => 0,
        OnDelete::Restrict => 1,
        OnDelete::Cascade => 2,
        OnDelete::SetNull => 3,
    };
    let mut hash = bytes(OFFSET, def.name.as_bytes());
    hash = bytes(hash, &[kind, def.nullable as u8, def.unique as u8, action]);
    if let Kind::Fixed(scale) = def.kind {
        hash = bytes(hash, &[scale]);
    }
    if let Kind::Crdt(CrdtKind::Lww(of) | CrdtKind::OrSet(of)) = def.kind {
        hash = bytes(hash, crate::schema::lock::kind_word(*of).as_bytes());
    }
    if let Some(target) = def.references {
        hash = bytes(hash, target.as_bytes());
    }
    spread(hash)
}

/// The hash of the columns of a unique set, in any order.
const fn unique_set(columns: &[&str]) -> u64 {
    let mut sum = 0u64;
    let mut i = 0;
    while i < columns.len() {
        sum = sum.wrapping_add(spread(text(columns[i])));
        i += 1;
    }
    // Apart from every column's own hash.
    spread(sum ^ text("unique"))
}

/// The hash of one table: its name, its columns and its unique sets, in any order.
///
/// What decides which rows can be stored together is part of it. Plain indexes (they change speed only), defaults,
/// checks, file limits, docs and policies are not: they may change without a new schema version.
pub const fn table(def: &TableDef) -> u64 {
    let mut sum = bytes(OFFSET, def.name.as_bytes());
    sum = bytes(sum, &[def.local_only as u8]);
    sum = spread(sum);
    let mut i = 0;
    while i < def.columns.len() {
        sum = sum.wrapping_add(column(&def.columns[i]));
        i += 1;
    }
    let mut i = 0;
    while i < def.indexes.len() {
        if def.indexes[i].unique {
            sum = sum.wrapping_add(unique_set(def.indexes[i].columns));
        }
        i += 1;
    }
    spread(sum)
}

/// The hash of a schema: its tables in any order.
pub const fn schema(tables: &[&TableDef]) -> u64 {
    let mut sum = 0u64;
    let mut i = 0;
    while i < tables.len() {
        sum = sum.wrapping_add(table(tables[i]));
        i += 1;
    }
    spread(sum)
}
