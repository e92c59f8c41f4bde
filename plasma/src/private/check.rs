//! Rules that only the compiler can check, in consts: each function ends the build with a message when it is broken.
//!
//! `#[track_caller]` makes the error point at the token the macro blames, not here.

use plasma_runtime::mutate::MutatorDef;
use plasma_runtime::schema::{ColumnDef, SchemaDef, TableDef, fingerprint::str_eq};
use plasma_runtime::value::Kind;

use super::message::Message;

const fn hex(value: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let mut i = 0;
    while i < 16 {
        digits[i] = b"0123456789abcdef"[((value >> (60 - 4 * i)) & 15) as usize];
        i += 1;
    }
    digits
}

/// `on_delete` stands on a foreign key.
#[track_caller]
pub const fn on_delete(table: &TableDef, column: usize, spelled: &str) {
    if table.columns[column].references.is_none() {
        let message = Message::of(&["`on_delete` needs an `Id<_>` column, found `", spelled, "`"]);
        panic!("{}", message.text());
    }
}

/// `on_delete = set_null` stands on a foreign key that can be null.
#[track_caller]
pub const fn set_null(table: &TableDef, column: usize, spelled: &str) {
    on_delete(table, column, spelled);
    if !table.columns[column].nullable {
        let message = Message::of(&["`on_delete = set_null` needs an `Option<Id<_>>` column, found `", spelled, "`"]);
        panic!("{}", message.text());
    }
}

/// `unique` stands on a column whose values can be compared.
#[track_caller]
pub const fn unique(table: &TableDef, column: usize, spelled: &str) {
    let why = match table.columns[column] {
        ColumnDef { at_rest: true, .. } => "equal values are encrypted differently in the client's file",
        ColumnDef { kind: Kind::Sealed, .. } => {
            "equal values are encrypted differently; make a `BlindIndex` column beside it unique"
        }
        ColumnDef { kind: Kind::Crdt(_), .. } => {
            "what devices do to a CRDT at the same time is merged, and never refused"
        }
        ColumnDef { kind: Kind::Json | Kind::File, .. } => "no condition compares them",
        _ => return,
    };
    panic!("{}", Message::of(&["columns of type `", spelled, "` cannot be unique: ", why]).text());
}

/// `index` stands on a column whose values can be compared.
#[track_caller]
pub const fn index(table: &TableDef, column: usize, spelled: &str) {
    let why = match table.columns[column] {
        ColumnDef { at_rest: true, .. } => "they are encrypted in the client's file",
        ColumnDef { kind: Kind::Sealed, .. } => {
            "equal values are encrypted differently; index a `BlindIndex` column beside it"
        }
        ColumnDef { kind: Kind::Json | Kind::File | Kind::Crdt(_), .. } => "no condition compares them",
        _ => return,
    };
    panic!("{}", Message::of(&["columns of type `", spelled, "` cannot be indexed: ", why]).text());
}

/// `unconstrained` stands on a foreign key.
#[track_caller]
pub const fn unconstrained(table: &TableDef, column: usize, spelled: &str) {
    if !matches!(table.columns[column].kind, Kind::Id) {
        let message = Message::of(&["`unconstrained` needs an `Id<_>` column, found `", spelled, "`"]);
        panic!("{}", message.text());
    }
}

/// `now` is a time.
#[track_caller]
pub const fn now(table: &TableDef, column: usize, spelled: &str) {
    if !matches!(table.columns[column].kind, Kind::Timestamp | Kind::Date) {
        let message = Message::of(&[
            "`now` is the time of the mutation and needs a `Timestamp` or `Date` column, found `",
            spelled,
            "` (a constant called `now` is written `self::now`)",
        ]);
        panic!("{}", message.text());
    }
}

/// `file(..)` stands on a column of files.
#[track_caller]
pub const fn file(table: &TableDef, column: usize, spelled: &str) {
    if !matches!(table.columns[column].kind, Kind::File) {
        let message = Message::of(&["`file` options need a `FileRef` column, found `", spelled, "`"]);
        panic!("{}", message.text());
    }
}

/// `blobs` stands on a table with files.
#[track_caller]
pub const fn blobs(table: &TableDef) {
    let mut i = 0;
    while i < table.columns.len() {
        if matches!(table.columns[i].kind, Kind::File) {
            return;
        }
        i += 1;
    }
    panic!("`blobs` names the store of a table's files, and this table has no `FileRef` column");
}

/// Columns that a new row leaves out, because of how their type is spelled, have a value without it.
#[track_caller]
pub const fn left_out(table: &TableDef, columns: &[usize]) {
    let mut i = 0;
    while i < columns.len() {
        let column = &table.columns[columns[i]];
        if !column.nullable && column.default.is_none() {
            let message = Message::of(&[
                "the type of column `",
                column.name,
                "` is spelled like one that begins empty (`Option<_>`, `GCounter`, `PnCounter`, `OrSet<_>`, `Text`) but \
                 is not that one, so a new row without it has no value for it; give it a default or another name",
            ]);
            panic!("{}", message.text());
        }
        i += 1;
    }
}

/// The tables of a schema with a hash of each name: comparing every name with every other would be slow in const.
#[derive(Debug)]
pub struct Tables<const N: usize> {
    pub(super) schema: &'static str,
    pub(super) tables: &'static [&'static TableDef],
    types: &'static [&'static str],
    hashes: [u32; N],
    /// Whether there can be a first row: every required key refers to a table of which that is true.
    fillable: [bool; N],
}

impl<const N: usize> Tables<N> {
    /// The tables of `schema`, and how their types are written in its list.
    pub const fn new(
        schema: &'static str,
        tables: &'static [&'static TableDef],
        types: &'static [&'static str],
    ) -> Self {
        let mut hashes = [0; N];
        let mut i = 0;
        while i < N {
            hashes[i] = hash(tables[i].name);
            i += 1;
        }
        let mut all = Tables { schema, tables, types, hashes, fillable: [false; N] };
        // Forwards and backwards in turn, so that it takes few rounds in whatever order the tables are listed.
        let mut round = 0;
        let mut changed = true;
        while changed {
            changed = false;
            let mut i = 0;
            while i < N {
                let index = if round % 2 == 0 { i } else { N - 1 - i };
                if !all.fillable[index] && all.unfilled(index, 0).is_none() {
                    all.fillable[index] = true;
                    changed = true;
                }
                i += 1;
            }
            round += 1;
        }
        all
    }

    /// The first required key from column `from` on of a table that has no row yet, and that table.
    const fn unfilled(&self, table: usize, from: usize) -> Option<(usize, usize)> {
        let def = self.tables[table];
        let mut i = from;
        while i < def.columns.len() {
            let column = &def.columns[i];
            if let Some(target) = column.references
                && i != def.id
                && !column.nullable
                && !def.local_only
                && let Some(target) = self.find(target, N)
                && target != table
                && !self.fillable[target]
            {
                return Some((i, target));
            }
            i += 1;
        }
        None
    }

    /// The required key of the last table of a circle, among the tables up to this one, that closes it.
    const fn circle(&self, last: usize) -> Option<usize> {
        let mut key = self.unfilled(last, 0);
        while let Some((closing, first)) = key {
            // Whatever the key's table needs, whatever that needs, and so on.
            let mut seen = [false; N];
            let mut open = [0; N];
            let mut count = 0;
            if first < last {
                (seen[first], open[0], count) = (true, first, 1);
            }
            while count > 0 {
                count -= 1;
                let table = open[count];
                let mut next = self.unfilled(table, 0);
                while let Some((column, target)) = next {
                    if target == last {
                        return Some(closing);
                    }
                    if target < last && !seen[target] {
                        seen[target] = true;
                        open[count] = target;
                        count += 1;
                    }
                    next = self.unfilled(table, column + 1);
                }
            }
            key = self.unfilled(last, closing + 1);
        }
        None
    }

    /// The first table before `end` with this name, in any case.
    pub(super) const fn find(&self, name: &str, end: usize) -> Option<usize> {
        let hash = hash(name);
        let mut i = 0;
        while i < end {
            if self.hashes[i] == hash && self.tables[i].name.eq_ignore_ascii_case(name) {
                return Some(i);
            }
            i += 1;
        }
        None
    }
}

/// FNV-1a over the name in lower case: SQL does not tell cases apart.
const fn hash(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

/// The table has a name of its own, and its foreign keys refer to tables of the schema, which can have rows.
#[track_caller]
pub const fn table<const N: usize>(all: &Tables<N>, index: usize) {
    let table = all.tables[index];
    if let Some(other) = all.find(table.name, index) {
        let (first, second) = (all.types[other], all.types[index]);
        let parts = ["tables `", first, "` and `", second, "` are both named `", table.name, "`"];
        panic!("{}", Message::of(&parts).text());
    }
    let mut i = 0;
    while i < table.columns.len() {
        let column = &table.columns[i];
        if let Some(target) = column.references
            && i != table.id
        {
            match all.find(target, N) {
                None => {
                    let parts = [
                        "table `",
                        target,
                        "` is not part of schema `",
                        all.schema,
                        "` (required by foreign key `",
                        table.name,
                        ".",
                        column.name,
                        "`); list its struct in `tables(..)`",
                    ];
                    panic!("{}", Message::of(&parts).text());
                }
                Some(target) if all.tables[target].local_only && !table.local_only => {
                    let parts = [
                        "foreign key `",
                        table.name,
                        ".",
                        column.name,
                        "` of a synced table refers to the local-only table `",
                        all.tables[target].name,
                        "`, whose rows the server never has",
                    ];
                    panic!("{}", Message::of(&parts).text());
                }
                Some(_) => {}
            }
        }
        i += 1;
    }
    if !all.fillable[index]
        && let Some(column) = all.circle(index)
    {
        let parts = [
            "foreign key `",
            table.name,
            ".",
            table.columns[column].name,
            "` closes a circle of required keys: no row could be the first; make one of them an `Option<Id<_>>` or \
             `#[column(unconstrained)]`",
        ];
        panic!("{}", Message::of(&parts).text());
    }
}

/// Every mutator has a wire name of its own. `names` are the types of the sets.
#[track_caller]
pub const fn mutators(sets: &[&[MutatorDef]], names: &[&str]) {
    let mut set = 0;
    while set < sets.len() {
        let mut i = 0;
        while i < sets[set].len() {
            let mutator = &sets[set][i];
            let mut other = set + 1;
            while other < sets.len() {
                // Its name, then those of before.
                let mut nth = 0;
                while nth <= mutator.aliases.len() {
                    let name = if nth == 0 { mutator.name } else { mutator.aliases[nth - 1] };
                    if has(sets[other], name) {
                        let parts = [
                            "the sets `",
                            names[set],
                            "` and `",
                            names[other],
                            "` both have a mutator named `",
                            name,
                            "`; give one of them `#[mutator(name = \"..\")]`",
                        ];
                        panic!("{}", Message::of(&parts).text());
                    }
                    nth += 1;
                }
                other += 1;
            }
            i += 1;
        }
        set += 1;
    }
}

const fn has(set: &[MutatorDef], name: &str) -> bool {
    let mut i = 0;
    while i < set.len() {
        if str_eq(set[i].name, name) {
            return true;
        }
        let mut alias = 0;
        while alias < set[i].aliases.len() {
            if str_eq(set[i].aliases[alias], name) {
                return true;
            }
            alias += 1;
        }
        i += 1;
    }
    false
}

/// The schema is the one whose fingerprint was pinned.
#[track_caller]
pub const fn fingerprint(schema: &SchemaDef, pinned: u64) {
    if schema.fingerprint != pinned {
        let digits = hex(schema.fingerprint);
        let digits = match std::str::from_utf8(&digits) {
            Ok(digits) => digits,
            Err(_) => panic!("hex digits are text"),
        };
        let parts = [
            "schema `",
            schema.name,
            "` no longer matches its pinned fingerprint; if the change is intended, bump `version` and set \
             `fingerprint = 0x",
            digits,
            "`",
        ];
        panic!("{}", Message::of(&parts).text());
    }
}
