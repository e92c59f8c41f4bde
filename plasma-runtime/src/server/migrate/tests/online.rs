//! Postgres: whom a migration holds up, and what others find while it is under way.

use std::sync::mpsc;

use plasma_test_postgres::Database;
use plasma_test_postgres::postgres::Client;

use super::home::Home;
use super::*;
use crate::error::ErrorKind;
use crate::future::BoxFuture;

/// A home filled with [`first`], and its database.
fn filled_home() -> Option<(Place, Database, Home)> {
    let place = Place::postgres()?;
    let Place::Postgres(database) = place.clone() else { return None };
    let home = place.home();
    filled(&mut *home.connect());
    Some((place, database, home))
}

/// A connection of another program to the same Postgres schema.
fn other(database: &Database, home: &Home) -> Client {
    let mut client = database.connect();
    let (_, schema) = home.address.split_once(' ').unwrap();
    client.batch_execute(&format!("SET search_path = {schema}")).unwrap();
    client
}

/// Waits until the query has a row; false when `over` says that there is nothing to wait for any more.
fn until(client: &mut Client, sql: &str, mut over: impl FnMut() -> bool) -> bool {
    while client.query(sql, &[]).unwrap().is_empty() {
        if over() {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

const INVALID: &str = "SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
    WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND NOT i.indisvalid";

fn with_index() -> Vec<TableDef> {
    vec![first()[0], index(first()[1], &["n"])]
}

fn hundredths() -> Vec<TableDef> {
    let columns = first()[1].columns.iter().map(|column| match column.name {
        "n" => ColumnDef::new("n", Kind::Fixed(2)).default_value(|| Value::Int(700)),
        _ => *column,
    });
    vec![first()[0], index(table("todos", &columns.collect::<Vec<_>>()), &["n"])]
}

/// An index that takes long: a snapshot that somebody keeps is waited for.
#[test]
fn while_an_index_is_made_servers_start_and_only_those_that_fit() {
    let convert = || steps(&[("hundredths", Step::change_type("todos", "n", "n * 100"))]);
    for (tables, written, former_fits) in [(with_index(), Vec::new(), true), (hundredths(), convert(), false)] {
        let Some((place, database, home)) = filled_home() else { return };
        std::thread::scope(|scope| {
            let mut long = other(&database, &home);
            long.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").unwrap();
            let migration = scope.spawn(|| run(&engine("2", &tables), &mut *home.connect(), &written).unwrap());
            let mut watch = other(&database, &home);
            assert!(until(&mut watch, INVALID, || migration.is_finished()), "the index is being made");
            let former = open(&engine("1", &first()), &mut *home.connect());
            assert_eq!(former.map_err(|error| error.kind()).err(), (!former_fits).then_some(ErrorKind::SchemaMismatch));
            // Its own version need not wait, either.
            open(&engine("2", &tables), &mut *home.connect()).unwrap();
            assert!(!migration.is_finished());
            long.batch_execute("COMMIT").unwrap();
            migration.join().unwrap();
        });
        let (new, mut db) = (engine("2", &tables), home.connect());
        assert_eq!(anatomy(&new, &mut *db), anatomy(&new, &mut *place.fresh(&new)));
        assert_eq!(notes(&mut *db).get("schema_version"), Some("2"));
    }
}

#[test]
fn an_index_that_was_cut_off_is_made_again() {
    let Some((place, database, home)) = filled_home() else { return };
    let new = engine("2", &with_index());
    let mut watch = other(&database, &home);
    std::thread::scope(|scope| {
        let mut long = other(&database, &home);
        long.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").unwrap();
        let server = scope.spawn(|| open(&engine("2", &with_index()), &mut *home.connect()));
        assert!(until(&mut watch, INVALID, || server.is_finished()));
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' \
                    AND datname = current_database()";
        watch.query(kill, &[]).unwrap();
        server.join().unwrap().unwrap_err();
    });
    assert!(!watch.query(INVALID, &[]).unwrap().is_empty(), "what is left of it");
    let mut db = home.connect();
    open(&new, &mut *db).unwrap();
    assert_eq!(anatomy(&new, &mut *db), anatomy(&new, &mut *place.fresh(&new)));
    assert!(watch.query(INVALID, &[]).unwrap().is_empty());
}

/// A pull waits for a migration before it has a table that the migration waits for.
#[test]
fn a_pull_and_a_migration_take_their_locks_in_one_order() {
    let Some((_, database, home)) = filled_home() else { return };
    std::thread::scope(|scope| {
        let mut migration = other(&database, &home);
        migration.batch_execute("BEGIN; LOCK TABLE _plasma_meta IN ACCESS EXCLUSIVE MODE").unwrap();
        let pull = scope.spawn(|| {
            let mut db = home.connect();
            wait(engine("1", &first()).begin_reading(&mut *db)).unwrap();
            batch(&mut *db, "COMMIT");
        });
        let waits = "SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database \
                     WHERE datname = current_database())";
        assert!(until(&mut other(&database, &home), waits, || pull.is_finished()));
        migration.batch_execute("SET LOCAL lock_timeout = '200ms'; LOCK TABLE todos IN ACCESS EXCLUSIVE MODE").unwrap();
        migration.batch_execute("COMMIT").unwrap();
        pull.join().unwrap();
    });
}

#[test]
fn a_backfill_waits_for_rows_that_somebody_has() {
    let Some((_, database, home)) = filled_home() else { return };
    let tables = [first()[0], table("todos", &[first()[1].columns, &[null("upper", Kind::Text)]].concat())];
    let new = engine("2", &tables);
    // Nothing but the rows is waited for.
    open(&new, &mut *home.connect()).unwrap();
    let (free, freed) = (mpsc::channel::<()>(), mpsc::channel::<()>());
    std::thread::scope(|scope| {
        let (asked, done) = (free.1, freed.0);
        let mut somebody = other(&database, &home);
        somebody.batch_execute("BEGIN; UPDATE todos SET done = TRUE WHERE n = 3").unwrap();
        scope.spawn(move || {
            // A failed test asks for nothing.
            if asked.recv().is_ok() {
                somebody.batch_execute("COMMIT").unwrap();
                done.send(()).unwrap();
            }
        });
        let (mut ask, told) = (Some(free.0), freed.1);
        let mut pause = move || -> BoxFuture<'static, ()> {
            if let Some(ask) = ask.take() {
                ask.send(()).unwrap();
                told.recv().unwrap();
            }
            ready(())
        };
        let mut db = home.connect();
        let written = steps(&[("upper", Step::backfill("todos").set("upper", "upper(title)").batch(4))]);
        let mut run = Run {
            engine: &new,
            db: &mut *db,
            steps: &written,
            keeps_left_over: false,
            rehearsal: false,
            now_ms: 2_000,
            entropy: &mut Counter(1_000),
            pause: &mut pause,
        };
        let migrated = wait(run.run()).unwrap();
        assert_eq!((migrated.rows, migrated.steps.len()), (6, 1), "a try that was taken back does not count");
        let all = "SELECT CAST(count(*) AS text) FROM todos WHERE upper = upper(title)";
        assert_eq!(texts(&mut *db, all), ["6"]);
        assert_eq!(texts(&mut *db, "SELECT title FROM todos WHERE done"), ["Todo 3"]);
    });
}

/// The limit of a connection for statements is for those of requests.
#[test]
fn rows_are_looked_at_for_as_long_as_it_takes() {
    let Some((_, database, home)) = filled_home() else { return };
    let mut somebody = other(&database, &home);
    somebody.batch_execute("BEGIN; LOCK TABLE todos IN ACCESS EXCLUSIVE MODE").unwrap();
    std::thread::scope(|scope| {
        let planned = scope.spawn(|| {
            let mut db = home.connect();
            batch(&mut *db, "SET statement_timeout = 100");
            plan(&engine("2", &[first()[0], unique(first()[1], &["n"])]), &mut *db, &[])
        });
        let long = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() \
                    AND clock_timestamp() - query_start > interval '300 ms'";
        until(&mut other(&database, &home), long, || planned.is_finished());
        somebody.batch_execute("COMMIT").unwrap();
        assert_eq!(planned.join().unwrap().unwrap().class(), Some(Class::Breaking));
    });
}

/// What of a refused migration is left: nothing, and nobody is kept out.
#[test]
fn rows_that_do_not_fit_are_found_before_anything_is_changed() {
    let text = |name| ColumnDef::new(name, Kind::Text);
    let without_note: Vec<ColumnDef> =
        first()[1].columns.iter().copied().filter(|column| column.name != "note").collect();
    let todos = table("todos", &without_note);
    let equal = || Step::sql("UPDATE todos SET n = 1");
    let lists = |slug| table("lists", &[id("lists"), text("name"), slug]);
    let mut one: Vec<ColumnDef> = without_note.clone();
    one.iter_mut().find(|column| column.name == "n").unwrap().unique = true;
    let mut bigger: Vec<ColumnDef> = without_note.clone();
    *bigger.iter_mut().find(|column| column.name == "n").unwrap() =
        ColumnDef::new("n", Kind::BigInt).default_value(|| Value::Int(7));
    let cases = [
        ("a unique set", vec![first()[0], unique(todos, &["n"])], equal()),
        ("a unique column", vec![first()[0], table("todos", &one)], equal()),
        (
            "a column that takes no NULL",
            vec![lists(text("slug").unique()), todos],
            Step::sql("UPDATE lists SET slug = NULL WHERE slug = 's2'"),
        ),
        (
            "a unique set of what is converted",
            vec![first()[0], unique(table("todos", &bigger), &["n"])],
            Step::change_type("todos", "n", "0"),
        ),
    ];
    for (what, tables, step) in cases {
        let Some((_, database, home)) = filled_home() else { return };
        let new = engine("2", &tables);
        let mut db = home.connect();
        let written = steps(&[("it", step), ("note goes", Step::drop_column("todos", "note"))]);
        let rehearsed = rehearse(&new, &mut *db, &written).unwrap_err();
        assert_eq!(rehearsed.kind(), ErrorKind::MigrationRefused, "{what}: {rehearsed}");
        let error = run(&new, &mut *db, &written).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MigrationRefused, "{what}: {error}");
        assert_eq!(texts(&mut *db, "SELECT CAST(count(note) AS text) FROM todos"), ["3"], "{what}");
        let mut watch = other(&database, &home);
        assert!(watch.query(INVALID, &[]).unwrap().is_empty(), "{what}");
        let left = "SELECT conname FROM pg_constraint WHERE connamespace = CAST(current_schema() AS regnamespace) \
                    AND (NOT convalidated OR starts_with(conname, '_plasma_new_'))";
        assert!(watch.query(left, &[]).unwrap().is_empty(), "{what}");
        let held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1886151028 \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert!(watch.query(held, &[]).unwrap().is_empty(), "{what}");
        // Who fitted before goes on.
        batch(&mut *db, &format!("INSERT INTO todos (id, title, n) VALUES ('{}', 'more', 1)", uuid(500)));
    }
}

/// Counts the rows that are looked at in transactions that have the tables to themselves.
struct Counting {
    inner: Box<dyn SqlExecutor>,
    /// Rows this session has looked at, by table, when such a transaction began.
    before: Option<Vec<String>>,
    looked: Vec<String>,
}

impl Counting {
    /// What the statistics say that have not been handed in: of this transaction, and of some before it.
    async fn looked(&mut self) -> Result<Vec<String>> {
        const LOOKED: &str = "SELECT relname || ' ' || (seq_tup_read + n_tup_upd) FROM pg_stat_xact_user_tables \
            WHERE schemaname = current_schema() AND relname IN ('lists', 'todos') AND seq_tup_read + n_tup_upd > 0 ORDER BY 1";
        let rows = self.inner.query(LOOKED, &[], &[Kind::Text]).await?;
        Ok(rows.iter().map(|row| row[0].as_text().unwrap().to_owned()).collect())
    }
}

impl SqlExecutor for Counting {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        self.inner.execute(sql, params)
    }
    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        self.inner.query(sql, params, kinds)
    }
    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if sql == "COMMIT"
                && let Some(before) = self.before.take()
            {
                let after = self.looked().await?;
                self.looked.extend(after.into_iter().filter(|line| !before.contains(line)));
            }
            self.inner.batch(sql).await?;
            if sql.contains("ACCESS EXCLUSIVE MODE") {
                self.before = Some(self.looked().await?);
            }
            Ok(())
        })
    }
    fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }
}

#[test]
fn nobody_waits_while_rows_are_looked_at() {
    let text = |name| ColumnDef::new(name, Kind::Text);
    let todos = |more: &[ColumnDef]| vec![first()[0], table("todos", &[first()[1].columns, more].concat())];
    let replaced = |name: &str, other: ColumnDef| {
        let columns = first()[1].columns.iter().map(|column| if column.name == name { other } else { *column });
        vec![first()[0], table("todos", &columns.collect::<Vec<_>>())]
    };
    let unique_n = ColumnDef::new("n", Kind::Int).unique().default_value(|| Value::Int(7));
    let cases = [
        ("a date", todos(&[null("due", Kind::Date)]), None, 0),
        ("a reference", todos(&[reference("parent_id", "todos", OnDelete::SetNull)]), None, 0),
        ("an index", with_index(), None, 0),
        ("a unique set", vec![first()[0], unique(first()[1], &["list_id", "n"])], None, 0),
        ("a unique column", replaced("n", unique_n), None, 0),
        ("no NULL", vec![table("lists", &[id("lists"), text("name"), text("slug").unique()]), first()[1]], None, 0),
        ("another action", replaced("list_id", reference("list_id", "lists", OnDelete::SetNull)), None, 0),
        (
            "another name",
            replaced("list_id", reference("folder_id", "lists", OnDelete::Cascade)),
            Some(Step::rename_column("todos", "list_id", "folder_id")),
            0,
        ),
        // That it would be noticed.
        ("a conversion", replaced("n", text("n")), Some(Step::change_type("todos", "n", "CAST(n AS text)")), 1),
    ];
    for (what, tables, step, looked) in cases {
        let Some((_, _, home)) = filled_home() else { return };
        let written: Vec<Named> = step.into_iter().flat_map(|step| steps(&[("it", step)])).collect();
        let mut db = Counting { inner: home.connect(), before: None, looked: Vec::new() };
        run(&engine("2", &tables), &mut db, &written).unwrap();
        assert_eq!(db.looked.len(), looked, "{what}: {:?}", db.looked);
    }
}

/// It would be missing meanwhile, and what came then could keep it from being made.
#[test]
fn what_is_renamed_with_its_column_is_what_it_was() {
    let Some(place) = Place::postgres() else { return };
    let tables = |name: &'static str, set: &'static [&'static str]| {
        let columns = [id("todos"), reference(name, "lists", OnDelete::Cascade), null("due", Kind::Date)];
        vec![first()[0], unique(table("todos", &columns), set)]
    };
    let mut owned = place.fresh(&engine("1", &tables("list_id", &["list_id", "due"])));
    let db = &mut *owned;
    let objects = "SELECT CAST(c.oid AS text) FROM pg_constraint c WHERE c.conrelid = CAST('todos' AS regclass) UNION ALL \
                   SELECT CAST(i.indexrelid AS text) FROM pg_index i WHERE i.indrelid = CAST('todos' AS regclass) ORDER BY 1";
    let before = texts(db, objects);
    let new = engine("2", &tables("folder_id", &["folder_id", "due"]));
    run(&new, db, &steps(&[("folders", Step::rename_column("todos", "list_id", "folder_id"))])).unwrap();
    assert_eq!(texts(db, objects), before);
    assert_eq!(anatomy(&new, db), anatomy(&new, &mut *place.fresh(&new)));
}

#[test]
fn a_run_that_has_nothing_to_do_waits_for_nobody() {
    let Some((_, database, home)) = filled_home() else { return };
    let (new, mut db) = (engine("2", &with_index()), home.connect());
    run(&new, &mut *db, &[]).unwrap();
    let mut pull = other(&database, &home);
    pull.batch_execute("BEGIN; LOCK TABLE _plasma_meta IN ACCESS SHARE MODE").unwrap();
    batch(&mut *db, "SET lock_timeout = 100");
    assert!(run(&new, &mut *db, &[]).unwrap().diff.is_empty());
    pull.batch_execute("COMMIT").unwrap();
}
