//! Secondary indexes: what is declared, what follows from keys, and how they are named in the database.

use super::{TableDef, fingerprint};

/// An index over some columns of a table, as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexDef {
    /// SQL names of the columns, in the order of the index.
    pub columns: &'static [&'static str],
    /// Whether no two rows may hold the same values in them (rows with a NULL among them excepted).
    pub unique: bool,
}

impl IndexDef {
    /// An index that makes reads fast.
    pub const fn new(columns: &'static [&'static str]) -> Self {
        IndexDef { columns, unique: false }
    }

    /// An index that also refuses a second row with the same values.
    pub const fn unique(columns: &'static [&'static str]) -> Self {
        IndexDef { columns, unique: true }
    }
}

/// An index of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedIndex {
    /// Its name, the same in every database of the schema.
    pub name: String,
    /// SQL names of its columns.
    pub columns: Vec<&'static str>,
    /// Whether it refuses a second row with the same values.
    pub unique: bool,
}

/// Every index of ours starts like this. Users' names cannot, so an index is never taken for somebody else's.
pub const INDEX_PREFIX: &str = "_plasma_";

/// The longest name that Postgres keeps whole, in bytes.
const MAX_NAME: usize = 63;

impl TableDef {
    /// Every set of columns in which no two rows are equal (NULLs excepted), without the id.
    pub fn unique_sets(&self) -> impl Iterator<Item = Vec<&'static str>> {
        let single = self.columns.iter().enumerate().filter(|(index, column)| column.unique && *index != self.id);
        let several = self.indexes.iter().filter(|index| index.unique);
        single.map(|(_, column)| vec![column.name]).chain(several.map(|index| index.columns.to_vec()))
    }

    /// Whether rows are found by this column without reading the whole table.
    pub fn is_indexed(&self, column: usize) -> bool {
        let def = &self.columns[column];
        column == self.id
            || def.references.is_some()
            || def.unique
            || self.indexes.iter().any(|index| index.columns.first() == Some(&def.name))
    }

    /// The indexes the database holds besides those of the id and of `unique` columns, which it makes by itself: the
    /// declared ones, and one for each foreign key that no other index begins with.
    pub fn named_indexes(&self) -> Vec<NamedIndex> {
        let keys = self.foreign_keys().filter(|(_, key)| {
            !key.unique && !self.indexes.iter().any(|index| index.columns.first() == Some(&key.name))
        });
        let keys = keys.map(|(_, key)| self.named("fk", vec![key.name], false));
        let declared = self
            .indexes
            .iter()
            .map(|index| self.named(if index.unique { "unique" } else { "idx" }, index.columns.to_vec(), index.unique));
        keys.chain(declared).collect()
    }

    fn named(&self, kind: &str, columns: Vec<&'static str>, unique: bool) -> NamedIndex {
        // A colon cannot be part of a Rust name, so that two indexes never share one.
        let whole = format!("{INDEX_PREFIX}{kind}:{}:{}", self.name, columns.join(":"));
        NamedIndex { name: fitting(whole), columns, unique }
    }
}

/// The name, or as much of it as leaves room for a hash of the whole.
pub(crate) fn fitting(name: String) -> String {
    if name.len() <= MAX_NAME {
        return name;
    }
    let hash = format!(":{:016x}", fingerprint::text(&name));
    let mut end = MAX_NAME - hash.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnDef;
    use crate::schema::samples::{Org, User};
    use crate::schema::{Id, Table};

    static T: TableDef = TableDef::new(
        "t",
        &[
            ColumnDef::of::<Id<User>>("id"),
            ColumnDef::of::<Id<User>>("a"),
            ColumnDef::of::<Id<Org>>("b"),
            ColumnDef::of::<Id<Org>>("c").unique(),
            ColumnDef::of::<i32>("d"),
            ColumnDef::of::<i32>("e"),
        ],
    )
    .indexes(&[IndexDef::new(&["d"]), IndexDef::unique(&["b", "d"])]);

    #[test]
    fn keys_are_indexed_unless_another_index_begins_with_them() {
        let names: Vec<String> = T.named_indexes().into_iter().map(|index| index.name).collect();
        assert_eq!(names, ["_plasma_fk:t:a", "_plasma_idx:t:d", "_plasma_unique:t:b:d"]);
        let indexed: Vec<bool> = (0..T.columns.len()).map(|column| T.is_indexed(column)).collect();
        assert_eq!(indexed, [true, true, true, true, true, false]);
        assert_eq!(T.unique_sets().collect::<Vec<_>>(), [vec!["c"], vec!["b", "d"]]);
    }

    #[test]
    fn long_names_fit_into_postgres_and_stay_different() {
        let long = |tail: &str| fitting(format!("_plasma_idx:{}:{tail}", "größe".repeat(12)));
        let (one, two) = (long("a"), long("b"));
        assert!(one.len() <= MAX_NAME && two.len() <= MAX_NAME, "{one} {two}");
        assert_ne!(one, two);
        assert_eq!(one, long("a"));
        assert_eq!(fitting("x".repeat(63)), "x".repeat(63));
        assert_eq!(fitting("x".repeat(64)).len(), 63);
        assert_eq!(User::DEF.named_indexes(), []);
    }
}
