//! Ids made from what a row is about: the same parts give the same id on every client.
//!
//! The id is a UUID of version 8 (RFC 9562, section 5.8) over the first 16 bytes of a SHA-256 of
//!
//! ```text
//! "plasma.id.1"  len(table) table  count  part*      part = tag len(bytes) bytes
//! ```
//!
//! `table` is the SQL name, lengths are 4 bytes and `count`, the number of parts, is one byte; all numbers are
//! big-endian. Lengths and tags keep parts apart: `("ab", "c")` and `("a", "bc")` differ, as do `1` and `"1"`. The form
//! never changes: rows of all past versions have such ids.
//!
//! | part | tag | bytes |
//! | --- | --- | --- |
//! | id | 1 | the 16 bytes of the UUID |
//! | text | 2 | UTF-8 |
//! | `i32`, `i64` | 3 | 8 bytes, two's complement: both widths of a number are one |
//! | `bool` | 4 | 0 or 1 |
//! | `Date` | 5 | its text |
//! | `Timestamp` | 6 | 8 bytes, the microseconds |

use sha2::{Digest as _, Sha256};

use super::Id;
use crate::schema::Table;
use crate::value::{Date, Timestamp};

/// The hash an id is derived from.
#[derive(Debug)]
pub struct IdHasher {
    parts: Vec<u8>,
    count: u8,
}

impl IdHasher {
    fn part(&mut self, tag: u8, bytes: &[u8]) {
        self.count += 1;
        self.parts.push(tag);
        self.bytes(bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("a text in memory of 4 GiB is no part of an id");
        self.parts.extend_from_slice(&length.to_be_bytes());
        self.parts.extend_from_slice(bytes);
    }
}

/// What an id is derived from: one part, or a tuple of two to six.
#[diagnostic::on_unimplemented(
    message = "an id cannot be derived from `{Self}`",
    label = "expected ids, texts, integers, booleans, dates, timestamps, or a tuple of up to six of them",
    note = "of a newtype give its field: `key.0`"
)]
pub trait IdParts {
    /// Adds the parts in order.
    #[doc(hidden)]
    fn add_to(&self, hasher: &mut IdHasher);
}

/// One part of a derived id.
#[diagnostic::on_unimplemented(
    message = "an id cannot be derived from `{Self}`",
    label = "expected an id, a text, an integer, a boolean, a date or a timestamp",
    note = "of a newtype give its field: `key.0`"
)]
pub trait IdPart {
    /// Adds the part.
    #[doc(hidden)]
    fn add(&self, hasher: &mut IdHasher);
}

macro_rules! part {
    ([$($g:ident)?] $t:ty, $tag:literal, |$value:ident| $bytes:expr) => {
        impl<$($g)?> IdPart for $t {
            fn add(&self, hasher: &mut IdHasher) {
                let $value = self;
                hasher.part($tag, $bytes);
            }
        }
        impl<$($g)?> IdParts for $t {
            fn add_to(&self, hasher: &mut IdHasher) {
                self.add(hasher);
            }
        }
    };
}
part!([X] Id<X>, 1, |id| id.uuid().as_bytes());
part!([] & str, 2, |text| text.as_bytes());
part!([] String, 2, |text| text.as_bytes());
part!([] & String, 2, |text| text.as_bytes());
part!([] i32, 3, |n| &i64::from(*n).to_be_bytes());
part!([] i64, 3, |n| &n.to_be_bytes());
part!([] bool, 4, |b| &[u8::from(*b)]);
part!([] Date, 5, |date| date.to_string().as_bytes());
part!([] Timestamp, 6, |time| &time.micros().to_be_bytes());

macro_rules! tuple {
    ($($p:ident)+) => {
        impl<$($p: IdPart),+> IdParts for ($($p,)+) {
            #[expect(non_snake_case, reason = "the parts have the names of their types")]
            fn add_to(&self, hasher: &mut IdHasher) {
                let ($($p,)+) = self;
                $($p.add(hasher);)+
            }
        }
    };
}
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

impl<T: Table> Id<T> {
    /// The id that belongs to these parts: the same on every client, for rows of which there is one for each. Two clients
    /// that like the same note while offline then write the same row, and not two.
    ///
    /// The id is not secret: who knows the parts knows the id. It depends on the table's SQL name, on the parts, their
    /// types (`i32` and `i64` are one type here) and their order, and on nothing else; the form is stable across platforms
    /// and versions.
    ///
    /// ```
    /// # use plasma_runtime::{Id, schema::Table};
    /// // Needs no access to the database: the caller can compute it, too.
    /// fn like<Note: Table, Reaction: Table>(note: Id<Note>) -> Id<Reaction> {
    ///     Id::derive((note, "+1"))
    /// }
    /// ```
    pub fn derive<P: IdParts>(parts: P) -> Self {
        let mut hasher = IdHasher { parts: Vec::new(), count: 0 };
        parts.add_to(&mut hasher);
        let mut table = IdHasher { parts: Vec::new(), count: 0 };
        table.bytes(T::NAME.as_bytes());
        let digest = Sha256::new()
            .chain_update("plasma.id.1")
            .chain_update(table.parts)
            .chain_update([hasher.count])
            .chain_update(hasher.parts)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Id::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::samples::{Org, Todo, User};

    const NIL: &str = "00000000-0000-7000-8000-000000000001";

    /// Computed by another implementation, in `docs/decisions/0011-derived-ids.md`. They must never change.
    #[test]
    fn golden_vectors() {
        let note: Id<Todo> = NIL.parse().unwrap();
        let (date, time) = (Date::constant(2024, 2, 29), Timestamp::from_micros(-1));
        for (id, golden) in [
            (Id::<User>::derive((note, "+1")), "e06a227c-8efe-8131-85d2-c395fcbb7fc3"),
            (Id::<User>::derive("+1"), "c5dcb571-35cc-868d-838d-0a23ef42d3e3"),
            (Id::<User>::derive(""), "8a21552a-6212-82c2-b3a7-6835322b1822"),
            (Id::<User>::derive((-1i32, true)), "4430f260-7c2e-8b91-8f9a-329be56e3587"),
            (Id::<User>::derive((i64::MIN, false, date, time)), "f93bff16-b3e9-89d1-a6d0-86bee9db61af"),
            (Id::<User>::derive(("\u{1f600}", note, note, 0, "", date)), "a965f4aa-1f20-80ea-8cd8-4492d9425b57"),
        ] {
            assert_eq!(id.to_string(), golden);
        }
    }

    #[test]
    fn what_differs_has_another_id() {
        let a: Id<Todo> = NIL.parse().unwrap();
        let ids = [
            Id::<User>::derive(("ab", "c")),
            Id::derive(("a", "bc")),
            Id::derive(("abc", "")),
            Id::derive("abc"),
            Id::derive(("c", "ab")),
            Id::derive(1i32),
            Id::derive("1"),
            Id::derive(true),
            Id::derive(Timestamp::from_micros(1)),
            Id::derive(a),
            Id::derive(NIL),
            Id::derive(Date::constant(2024, 1, 1)),
            Id::derive("2024-01-01"),
            Id::from_uuid(Id::<Org>::derive("1").uuid()),
        ];
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
        assert_eq!(Id::<User>::derive((1i32, a)), Id::derive((1i64, a)));
        let text = "x".to_owned();
        assert_eq!(Id::<User>::derive("x"), Id::derive(&text));
        assert_eq!(Id::<User>::derive("x"), Id::derive(text));
        for id in ids {
            assert_eq!((id.uuid().get_version_num(), id.uuid().get_variant()), (8, uuid::Variant::RFC4122));
            assert_eq!(id.to_string().parse::<Id<User>>().unwrap(), id);
        }
    }
}
