//! What a server does to databases of other versions when it starts.

use super::*;
use crate::error::ErrorKind;

/// [`first`] with a table, a column, an index and a default more.
fn second() -> Vec<TableDef> {
    let columns = [first()[1].columns, &[null("due", Kind::Date)]].concat();
    let tags = table("tags", &[id("tags"), reference("todo_id", "todos", OnDelete::Cascade)]);
    vec![first()[0], index(table("todos", &columns), &["due"]), tags]
}

fn schema_text(db: &mut dyn SqlExecutor) -> Vec<String> {
    texts(db, "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name")
}

fn still_fits(engine: &ServerEngine, db: &mut dyn SqlExecutor) -> Result<()> {
    wait(engine.still_fits(db))
}

#[test]
fn additive_changes_are_made_when_a_server_starts() {
    let mut db = sqlite();
    filled(&mut db);
    let new = engine("2", &second());
    open(&new, &mut db).unwrap();
    assert_eq!(anatomy(&new, &mut db), anatomy(&new, &mut fresh(&new)));
    batch(&mut db, "UPDATE todos SET due = '2026-01-02' WHERE n = 1");
    let logged = "SELECT value->>'$.due' FROM _plasma_changes ORDER BY row_version DESC LIMIT 1";
    assert_eq!(texts(&mut db, logged), ["2026-01-02"]);
    assert_eq!(texts(&mut db, "SELECT CAST(count(*) AS TEXT) FROM todos"), ["6"]);
    let history = notes(&mut db).history().unwrap();
    let both = [engine("1", &first()), new].map(|engine| engine.definition.schema.fingerprint_hex());
    assert_eq!(history, both);
}

#[test]
fn they_are_refused_when_only_migrations_may_change_tables() {
    let mut db = sqlite();
    filled(&mut db);
    let before = schema_text(&mut db);
    let options = ServerOptions { apply_additive: false, ..ServerOptions::default() };
    let new = engine_with("2", &second(), options.clone());
    let error = open(&new, &mut db).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.message().contains("+ `todos.due`: new column (date null) [additive]"), "{error}");
    assert_eq!(schema_text(&mut db), before);
    run(&new, &mut db, &[]).unwrap();
    open(&new, &mut db).unwrap();
    // An empty one is made.
    open(&engine_with("2", &second(), options), &mut sqlite()).unwrap();
}

#[test]
fn a_server_of_the_former_version_runs_on_and_starts_on_the_newer_database_and_touches_nothing() {
    let mut db = sqlite();
    filled(&mut db);
    let old = engine("1", &first());
    open(&old, &mut db).unwrap();
    open(&engine("2", &second()), &mut db).unwrap();
    let before = schema_text(&mut db);
    still_fits(&old, &mut db).unwrap();
    open(&old, &mut db).unwrap();
    open(&engine("1", &first()), &mut db).unwrap();
    assert_eq!(schema_text(&mut db), before);
    assert_eq!(notes(&mut db).get("schema_version"), Some("2"));
}

#[test]
fn what_a_new_version_leaves_out_stays_until_it_is_dropped() {
    let mut db = sqlite();
    filled(&mut db);
    let old = engine("1", &first());
    open(&old, &mut db).unwrap();
    let columns: Vec<ColumnDef> = first()[1].columns.iter().copied().filter(|column| column.name != "note").collect();
    let new = engine("2", &[first()[0], table("todos", &columns)]);
    open(&new, &mut db).unwrap();
    // Both work, and images are whole for the clients of both.
    open(&old, &mut db).unwrap();
    open(&new, &mut db).unwrap();
    batch(&mut db, "UPDATE todos SET title = 'x', note = 'y' WHERE n = 1");
    let logged =
        "SELECT (value->>'$.title') || (value->>'$.note') FROM _plasma_changes ORDER BY row_version DESC LIMIT 1";
    assert_eq!(texts(&mut db, logged), ["xy"]);
    run(&new, &mut db, &steps(&[("note goes", Step::drop_column("todos", "note"))])).unwrap();
    still_fits(&new, &mut db).unwrap();
    let error = still_fits(&old, &mut db).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.message().contains("`todos.note`: new column"), "{error}");
    assert_eq!(open(&old, &mut db).unwrap_err().kind(), ErrorKind::SchemaMismatch);
}

#[test]
fn what_is_left_over_survives_a_migration_that_keeps_it() {
    let mut db = sqlite();
    filled(&mut db);
    batch(&mut db, "ALTER TABLE todos ADD COLUMN mine TEXT DEFAULT 'me, (too)'; CREATE INDEX mine ON todos (mine)");
    let columns: Vec<ColumnDef> = first()[1]
        .columns
        .iter()
        .filter(|column| column.name != "note")
        .map(|column| if column.name == "title" { null("title", Kind::Text) } else { *column })
        .collect();
    let new = engine("2", &[first()[0], table("todos", &columns)]);
    assert_eq!(run(&new, &mut db, &[]).unwrap_err().kind(), ErrorKind::MigrationRefused);
    with_run(&new, &mut db, &[], async |run| {
        run.keeps_left_over = true;
        run.run().await
    })
    .unwrap();
    assert_eq!(texts(&mut db, "SELECT note || mine FROM todos WHERE n = 3"), ["note 3me, (too)"]);
    assert_eq!(texts(&mut db, "SELECT name FROM sqlite_schema WHERE name = 'mine'"), ["mine"]);
    let rest = plan(&new, &mut db, &[]).unwrap();
    assert_eq!(rest.changes.len(), 1, "{rest}");
}

#[test]
fn ten_servers_may_start_at_once() {
    for place in Place::all() {
        let homes = [place.home(), place.home()];
        filled(&mut *homes[0].connect());
        for home in homes {
            std::thread::scope(|scope| {
                for _ in 0..10 {
                    scope.spawn(|| open(&engine("2", &second()), &mut *home.connect()).unwrap());
                }
            });
            let new = engine("2", &second());
            let mut db = home.connect();
            assert_eq!(anatomy(&new, &mut *db), anatomy(&new, &mut *place.fresh(&new)));
            let begun = match db.dialect() {
                Dialect::Sqlite => "SELECT CAST(count(*) AS TEXT) FROM _plasma_changes WHERE op = 'begin'",
                Dialect::Postgres => "SELECT CAST(count(*) AS TEXT) FROM _plasma_commits WHERE unit = 0",
            };
            assert_eq!(texts(&mut *db, begun), ["1"]);
        }
    }
}
