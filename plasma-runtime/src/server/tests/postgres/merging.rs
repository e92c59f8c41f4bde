//! States of CRDT columns that another program writes.

use plasma_test_postgres::database;
use plasma_test_postgres::postgres::Client;

use super::super::merging::{KINDS, NOTES, Numbers, image, insert, merged, update};
use super::support::{Writes, entries};
use crate::schema::{ColumnDef, TableDef};
use crate::server::ddl::postgres::{log_of, own};
use crate::store::ddl::postgres::{create_table, functions};
use crate::value::Kind;

fn states(db: &mut Client) -> Vec<String> {
    KINDS.iter().map(|(name, _)| db.texts(&format!("SELECT {name} FROM notes")).remove(0)).collect()
}

fn prepared() -> Option<(plasma_test_postgres::Database, Client)> {
    let database = database()?;
    let mut db = database.connect();
    for sql in [functions("public"), own("public"), create_table(&NOTES), log_of(&NOTES, "public")] {
        db.run(&sql);
    }
    Some((database, db))
}

#[test]
fn a_state_that_another_program_writes_is_merged() {
    let Some((_database, mut db)) = prepared() else { return };
    for seed in 0..400 {
        let mut numbers = Numbers(seed);
        let (old, new) = (numbers.states(), numbers.states());
        db.run(&format!("TRUNCATE notes; {}; DELETE FROM _plasma_changes", insert(&old)));
        db.run(&update("after", &new));
        let expected = merged(&old, &new);
        assert_eq!(states(&mut db), expected, "seed {seed}: {old:?} and {new:?}");
        assert_eq!(entries(&mut db).len(), 1, "one entry, seed {seed}");
        let images = db.texts("SELECT prior || value FROM _plasma_changes");
        assert_eq!(images, [image("before", &old) + &image("after", &expected)], "seed {seed}");
    }
}

#[test]
fn what_the_engine_writes_is_stored_as_it_is() {
    let Some((_database, mut db)) = prepared() else { return };
    let mut numbers = Numbers(5);
    let (old, new) = (numbers.states(), numbers.states());
    db.run(&insert(&old));
    for begin in ["SELECT _plasma_begin_unit()", "SELECT _plasma_draw_units(2)", "SELECT _plasma_end_unit()"] {
        db.run(&format!("BEGIN; {begin}; {}", update("after", &new)));
        assert_eq!(states(&mut db), new, "{begin}");
        db.run("ROLLBACK");
    }
    // It ends with the transaction.
    db.run(&update("after", &new));
    assert_eq!(states(&mut db), merged(&old, &new));
}

/// A table that loses its CRDT columns loses the trigger.
#[test]
fn the_trigger_goes_with_the_columns() {
    static PLAIN: TableDef =
        TableDef::new("notes", &[ColumnDef::new("id", Kind::Id), ColumnDef::new("title", Kind::Text)]);
    let Some((_database, mut db)) = prepared() else { return };
    db.run(
        "ALTER TABLE notes DROP COLUMN likes CASCADE, DROP COLUMN votes CASCADE, \
         DROP COLUMN status CASCADE, DROP COLUMN tags CASCADE",
    );
    db.run(&log_of(&PLAIN, "public"));
    db.run("INSERT INTO notes VALUES ('00000000-0000-4000-8000-000000000001', 'a'); UPDATE notes SET title = 'b'");
    assert_eq!(db.int("SELECT count(*) FROM pg_trigger WHERE tgname = '_plasma_merge'"), 0);
    assert_eq!(db.int("SELECT count(*) FROM pg_proc WHERE proname LIKE '\\_plasma\\_merge%'"), 0);
}
