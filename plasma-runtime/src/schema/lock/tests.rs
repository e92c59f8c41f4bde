use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use super::*;
use crate::schema::samples::{Member, Org, Stray, Todo, User};
use crate::schema::{ColumnDef, IndexDef, SchemaDef, Table, TableDef, fingerprint};
use crate::value::Value;

const DRAFTS: &TableDef = &TableDef {
    local_only: true,
    ..TableDef::new(
        "drafts",
        &[
            ColumnDef::new("title", Kind::Text).unique(),
            ColumnDef::new("id", Kind::Id),
            ColumnDef { references: Some("users"), nullable: true, ..ColumnDef::new("owner_id", Kind::Id) }
                .on_delete(OnDelete::SetNull),
            ColumnDef::new("price", Kind::Fixed(2)).default_value(|| Value::Int(0)),
            ColumnDef::new("day", Kind::Date),
            ColumnDef::new("attachment", Kind::File),
        ],
    )
    .indexes(&[
        IndexDef::new(&["day"]),
        IndexDef::unique(&["title", "day"]),
        IndexDef::unique(&["owner_id", "price"]),
    ])
};

const fn app(version: &'static str, tables: &'static [&'static TableDef]) -> SchemaDef {
    SchemaDef { name: "App", version, fingerprint: fingerprint::schema(tables), tables, locked: &[] }
}

const APP: SchemaDef = app("1", &[User::DEF, Todo::DEF, Member::DEF, Org::DEF, DRAFTS]);
const SMALL: SchemaDef = app("2", &[User::DEF]);
const LARGER: SchemaDef = app("2", &[User::DEF, Stray::DEF]);

/// The format, byte for byte: locks in people's repositories look like this.
#[test]
fn an_entry_is_written_like_this() {
    let expected = "\
schema App version \"1\" fingerprint FINGERPRINT
  table drafts local_only
    id: id
    attachment: file
    day: date
    owner_id: id null -> users on_delete set_null
    price: fixed(2) default
    title: text unique
    unique(day, title)
    unique(owner_id, price)
  table members
    id: id
    org_id: id -> orgs
    role: text default
    user_id: id -> users
  table orgs
    id: id
    name: text
  table todos
    id: id
    done: bool default
    due: timestamp null
    flag: bool null
    meta: json default
    note: text null
    org_id: id -> orgs
    owner_id: id null -> users
    parent_id: id null -> todos
    points: int default
    rank: bigint default
    thumb: blob null
    title: text
    weight: float default
  table users
    id: id
    admin: bool default
    name: text
";
    assert_eq!(entry(&APP), expected.replace("FINGERPRINT", &APP.fingerprint_hex()));
}

#[test]
fn the_order_of_fields_and_tables_does_not_matter() {
    const MOVED: &TableDef = &TableDef::new(
        "users",
        &[
            ColumnDef::new("name", Kind::Text),
            ColumnDef::new("admin", Kind::Bool).default_value(|| Value::Bool(true)),
            ColumnDef { references: Some("users"), ..ColumnDef::new("id", Kind::Id) },
        ],
    );
    assert_eq!(entry(&app("1", &[Org::DEF, MOVED])), entry(&app("1", &[User::DEF, Org::DEF])));
}

/// What is written is read again as the definitions it was written from.
#[test]
fn the_lines_of_a_shape_say_what_the_tables_are() {
    let text = entry(&APP);
    let shape: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    let shape = shape.join("\n") + "\n";
    let locked = LockedVersion { version: "1", fingerprint: 0, shape: shape.leak() };
    let mut table: Option<&TableDef> = None;
    let (mut columns, mut sets) = (0, 0);
    for line in locked.lines() {
        match line {
            Line::Table { name, local_only } => {
                table = APP.table(name);
                assert_eq!(table.map(|table| table.local_only), Some(local_only), "{name}");
            }
            Line::Column(column) => {
                columns += 1;
                let table = table.expect("a table comes first");
                let def = table.column(column.name).expect("the column is one of the table");
                let references = def.references.filter(|_| column.name != "id");
                let expected = LockedColumn {
                    name: def.name,
                    kind: kind_word(def.kind),
                    nullable: def.nullable,
                    default: def.default.is_some(),
                    unique: def.unique,
                    references,
                    on_delete: on_delete_word(def.on_delete),
                };
                assert_eq!(column, expected);
            }
            Line::Unique(names) => {
                sets += 1;
                assert_eq!(names.count(), 2);
            }
        }
    }
    assert_eq!((columns, sets), (APP.tables.iter().map(|table| table.columns.len()).sum(), 2));
}

#[test]
fn former_versions_are_found_by_fingerprint() {
    const LOCKED: &[LockedVersion] = &[
        LockedVersion { version: "1", fingerprint: 1, shape: "" },
        LockedVersion { version: "2", fingerprint: 2, shape: "" },
    ];
    let schema = SchemaDef { locked: LOCKED, ..SMALL };
    assert_eq!(schema.former(1).map(|locked| locked.version), Some("1"));
    assert_eq!(schema.former(2), None, "that is the current one");
    assert_eq!(schema.former(3), None);
}

struct Crate {
    folder: PathBuf,
    // Removes the folder.
    _temporary: tempfile::TempDir,
}

impl Crate {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = temporary.path().join("member");
        fs::create_dir_all(folder.join("src")).expect("a folder in it");
        fs::write(folder.join("src/lib.rs"), "").expect("a source");
        Crate { folder, _temporary: temporary }
    }

    fn place(&self, compiled: bool) -> Place<'_> {
        // As in a workspace: the compiler runs above the crate.
        Place { manifest_dir: &self.folder, lock: "plasma.lock", source: "member/src/lib.rs", compiled }
    }

    fn verify(&self, schema: &SchemaDef, mode: Mode) -> Result<Verified, LockError> {
        verify(schema, &self.place(true), mode)
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.folder.join("plasma.lock")).expect("the lock")
    }

    fn set_lock(&self, text: &str) {
        fs::write(self.folder.join("plasma.lock"), text).expect("the lock is written");
    }
}

#[test]
fn without_a_lock_nothing_is_asked_for_and_write_makes_one() {
    let home = Crate::new();
    assert_eq!(home.verify(&SMALL, Mode::Check).expect("fine"), Verified::NoLock);
    assert_eq!(home.verify(&SMALL, Mode::Write).expect("written"), Verified::Added);
    assert_eq!(home.verify(&SMALL, Mode::Check).expect("fine"), Verified::Current);
    let written = home.lock();
    assert!(written.starts_with("# ") && written.contains(&format!("\n{FORMAT}\n\nschema App version \"2\"")));
    assert_eq!(home.verify(&SMALL, Mode::Write).expect("fine"), Verified::Current);
    assert_eq!(home.lock(), written, "a lock that is current is left alone");
}

#[test]
fn a_new_version_is_asked_for_and_comes_after_the_others_which_stay_as_they_are() {
    let home = Crate::new();
    let old = "plasma.lock format 1\n\n# released in May\nschema App version \"1\" fingerprint 0000000000000001\n  table x\n      id:   id\n\n# another schema\nschema Other version \"1\" fingerprint 0000000000000002\n  table y\n    id: id\n";
    home.set_lock(old);
    let error = home.verify(&SMALL, Mode::Check).expect_err("not locked").to_string();
    assert_eq!(
        error,
        "`plasma.lock` has no version \"2\" of schema `App`: run `PLASMA_LOCK=write cargo test plasma_lock` and commit it"
    );
    assert_eq!(home.verify(&SMALL, Mode::Write).expect("written"), Verified::Added);
    let new = format!("\n{}", entry(&SMALL));
    let (before, after) = old.split_once("\n# another").expect("it is there");
    assert_eq!(home.lock(), format!("{before}{new}\n# another{after}"));
}

#[test]
fn additions_are_told_and_written_over_the_version_alone() {
    let home = Crate::new();
    home.verify(&app("1", &[Org::DEF]), Mode::Write).expect("version 1");
    home.verify(&SMALL, Mode::Write).expect("version 2");
    home.verify(&app("3", &[Org::DEF]), Mode::Write).expect("version 3");
    let before = home.lock();
    let error = home.verify(&LARGER, Mode::Check).expect_err("stale").to_string();
    let headings = ["- ", "+ "].map(|sign| format!("{sign}schema App version \"2\" fingerprint"));
    assert!(headings.iter().all(|heading| error.contains(heading)), "{error}");
    assert!(error.contains("\n+ table stray\n+ stray.id: id\n+ stray.name: text null\n"), "{error}");
    assert!(error.contains("PLASMA_LOCK=write cargo test plasma_lock"), "{error}");
    assert_eq!(home.lock(), before, "a check writes nothing");
    let Verified::Replaced(changes) = home.verify(&LARGER, Mode::Write).expect("written") else {
        panic!("the version was there")
    };
    assert_eq!(changes.len(), 5);
    assert_eq!(home.lock(), before.replace(&entry(&SMALL), &entry(&LARGER)));
}

#[test]
fn line_ends_and_spaces_are_no_changes() {
    let home = Crate::new();
    home.verify(&SMALL, Mode::Write).expect("written");
    home.set_lock(&home.lock().replace('\n', "\r\n").replace("    ", "\t"));
    assert_eq!(home.verify(&SMALL, Mode::Check).expect("fine"), Verified::Current);
}

#[test]
fn a_file_that_is_no_lock_is_left_alone() {
    let home = Crate::new();
    home.set_lock("[[package]]\n");
    for mode in [Mode::Check, Mode::Write, Mode::Replace] {
        let error = home.verify(&SMALL, mode).expect_err("no lock").to_string();
        assert!(error.contains("does not start with `plasma.lock format 1`"), "{error}");
    }
    assert_eq!(home.lock(), "[[package]]\n");
}

/// Cargo does not know of a lock that was not there: the source is made younger, so that it is compiled again.
#[test]
#[allow(clippy::disallowed_methods, reason = "the age of a file is by the system's clock")]
fn a_lock_that_appears_makes_cargo_look_again() {
    let home = Crate::new();
    let source = home.folder.join("src/lib.rs");
    let age = || fs::metadata(&source).and_then(|data| data.modified()).expect("a time").elapsed().expect("the past");
    let long_ago = || {
        let file = fs::File::options().append(true).open(&source).expect("the source");
        file.set_modified(SystemTime::now() - Duration::from_secs(1000)).expect("a time");
    };
    long_ago();
    verify(&SMALL, &home.place(false), Mode::Check).expect("there is none");
    assert!(age() > Duration::from_secs(900), "nothing appeared");
    verify(&SMALL, &home.place(false), Mode::Write).expect("written");
    assert!(age() < Duration::from_secs(900), "the lock was written");
    long_ago();
    let error = verify(&SMALL, &home.place(false), Mode::Check).expect_err("compiled without").to_string();
    assert_eq!(error, "`plasma.lock` was not there when this was compiled: run the test again");
    assert!(age() < Duration::from_secs(900), "the lock appeared");
}

/// The tests of several schemas write one lock at the same time.
#[test]
fn writers_at_the_same_time_lose_nothing() {
    let home = Crate::new();
    let names = ["A", "B", "C", "D", "E", "F", "G", "H"];
    thread::scope(|scope| {
        for name in names {
            let home = &home;
            scope.spawn(move || home.verify(&SchemaDef { name, ..SMALL }, Mode::Write).expect("written"));
        }
    });
    for name in names {
        assert_eq!(home.verify(&SchemaDef { name, ..SMALL }, Mode::Check).expect("there"), Verified::Current);
    }
}
