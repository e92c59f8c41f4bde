//! Runs that are cut off at every statement in turn, in every way that a statement ends badly.

use super::home::Home;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::future::BoxFuture;

/// How a statement ends badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is not run.
    Refused,
    /// Nor is it, and the transaction is rolled back: SQLite when the disk is full.
    RolledBack,
    /// It is run, and nobody hears of it.
    Unheard,
    /// The connection was lost before.
    Lost,
}

/// A connection on which one statement ends badly.
struct Cut {
    inner: Box<dyn SqlExecutor>,
    left: u32,
    end: End,
    /// Loses the connection.
    lose: Box<dyn FnMut() + Send>,
}

fn failed<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Storage, "the test says so"))
}

impl Cut {
    /// Whether this statement is the one; an error when it is not to be run.
    async fn strike(&mut self) -> Result<bool> {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return Ok(false);
        }
        self.left = u32::MAX;
        match self.end {
            End::Unheard => return Ok(true),
            End::Refused => {}
            End::RolledBack if self.inner.in_transaction() => self.inner.batch("ROLLBACK").await?,
            End::RolledBack => {}
            End::Lost => (self.lose)(),
        }
        if self.end == End::Lost { Ok(false) } else { failed() }
    }
}

impl SqlExecutor for Cut {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }
    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let it = self.strike().await?;
            let done = self.inner.execute(sql, params).await;
            if it { failed() } else { done }
        })
    }
    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let it = self.strike().await?;
            let done = self.inner.query(sql, params, kinds).await;
            if it { failed() } else { done }
        })
    }
    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let it = self.strike().await?;
            let done = self.inner.batch(sql).await;
            if it { failed() } else { done }
        })
    }
    fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }
}

/// [`filled`], with kinds that todos refer to.
fn before() -> Vec<TableDef> {
    let kind = reference("kind_id", "kinds", OnDelete::Restrict);
    let todos = table("todos", &[first()[1].columns, &[kind]].concat());
    vec![first()[0], todos, table("kinds", &[id("kinds"), ColumnDef::new("name", Kind::Text)])]
}

fn prepare(db: &mut dyn SqlExecutor) {
    filled(db);
    open(&engine("1.1", &before()), db).unwrap();
    let kind = uuid(900);
    batch(
        db,
        &format!("INSERT INTO kinds (id, name) VALUES ('{kind}', 'a kind'); UPDATE todos SET kind_id = '{kind}'"),
    );
}

/// All there is: renames, conversions, drops of what others refer to, a backfill, SQL that must run exactly once, columns,
/// tables, indexes and references that are new, and constraints that rows have to be looked at for.
fn after() -> Vec<TableDef> {
    let lists = [
        id("lists"),
        ColumnDef::new("name", Kind::Text).unique(),
        ColumnDef::new("slug", Kind::Text).unique(),
        null("since", Kind::Date),
    ];
    let todos = [
        id("todos"),
        reference("list_id", "lists", OnDelete::SetNull),
        ColumnDef::new("name", Kind::Text),
        ColumnDef::new("n", Kind::BigInt).default_value(|| Value::Int(7)),
        ColumnDef::new("done", Kind::Bool).default_value(|| Value::Bool(false)),
        ColumnDef::new("words", Kind::Text),
        reference("tag_id", "tags", OnDelete::Cascade),
    ];
    static INDEXES: &[IndexDef] = &[
        IndexDef::unique(&["list_id", "name"]),
        IndexDef::unique(&["done", "list_id", "n"]),
        IndexDef::new(&["done"]),
    ];
    vec![table("lists", &lists), table("todos", &todos).indexes(INDEXES), table("tags", &[id("tags")])]
}

fn written() -> Vec<Named> {
    steps(&[
        ("title is name", Step::rename_column("todos", "title", "name")),
        ("n is larger", Step::change_type("todos", "n", "n * 100")),
        ("words", Step::backfill("todos").set("words", "name || coalesce(note, '')").batch(2)),
        ("once", Step::sql("UPDATE lists SET name = name || '!'")),
        ("note goes", Step::drop_column("todos", "note")),
        ("todos have no kind", Step::drop_column("todos", "kind_id")),
        ("kinds go", Step::drop_table("kinds")),
    ])
}

fn check(place: &Place, wanted: &mut Option<(Shape, Vec<Row>)>, db: &mut dyn SqlExecutor) {
    let new = engine("2", &after());
    let wanted = wanted.get_or_insert_with(|| anatomy(&new, &mut *place.fresh(&new)));
    assert_eq!(&anatomy(&new, db), wanted);
    assert_eq!(texts(db, "SELECT DISTINCT substr(name, length(name)) || length(name) FROM lists"), ["!7"]);
    assert_eq!(texts(db, "SELECT CAST(sum(n) AS TEXT) FROM todos"), ["2100"]);
    assert_eq!(texts(db, "SELECT words FROM todos WHERE n < 300 ORDER BY id"), ["Todo 1note 1", "Todo 2"]);
    let done: Vec<String> = states(db).into_iter().map(|(_, state)| state).collect();
    assert_eq!(done, ["done"; 7]);
    assert_eq!(notes(db).get("schema_version"), Some("2"));
}

/// What a server of the former version may do: go on only while the tables mean what they meant.
fn check_former(former: &ServerEngine, db: &mut dyn SqlExecutor, at: u32) {
    let started = engine("1.1", &before());
    let serves = [open(&started, db).is_ok(), wait(former.still_fits(db)).is_ok()];
    if serves.contains(&true) {
        let same = "SELECT CAST(count(title) AS TEXT) || ' ' || CAST(sum(n) AS TEXT) || ' ' || CAST(count(kind_id) AS TEXT) \
                    FROM todos";
        assert_eq!(texts(db, same), ["6 21 6"], "statement {at}: a server of the former version serves {serves:?}");
    }
}

fn cut(place: &Place, home: &Home, at: u32, end: End) -> bool {
    let (new, former) = (engine("2", &after()), engine("1.1", &before()));
    let mut db = home.connect();
    prepare(&mut *db);
    open(&former, &mut *db).unwrap();
    #[cfg(feature = "postgres")]
    let lose = match place {
        Place::Sqlite => Box::new(|| {}) as Box<dyn FnMut() + Send>,
        Place::Postgres(database) => {
            let id = rows(&mut *db, "SELECT CAST(pg_backend_pid() AS text)", 1)[0][0].as_text().unwrap().to_owned();
            let database = database.clone();
            Box::new(move || {
                // The blocking client has a runtime of its own.
                std::thread::scope(|scope| {
                    scope.spawn(|| terminate(&mut database.connect(), &id));
                });
            })
        }
    };
    #[cfg(not(feature = "postgres"))]
    let (lose, _) = (Box::new(|| {}) as Box<dyn FnMut() + Send>, place);
    let mut cut = Cut { inner: db, left: at, end, lose };
    let failed = run(&new, &mut cut, &written()).map_err(|error| error.kind()).err();
    assert!(failed.is_none_or(|kind| kind == ErrorKind::Storage), "statement {at}: {failed:?}");
    drop(cut);
    // The process is another one.
    let mut db = home.connect();
    check_former(&former, &mut *db, at);
    run(&new, &mut *db, &written()).unwrap_or_else(|error| panic!("statement {at}, {end:?}: {error}"));
    failed.is_none()
}

#[cfg(feature = "postgres")]
fn terminate(admin: &mut plasma_test_postgres::postgres::Client, id: &str) {
    admin.batch_execute(&format!("SELECT pg_terminate_backend({id})")).unwrap();
    let there = format!("SELECT FROM pg_stat_activity WHERE pid = {id}");
    while !admin.query(&there, &[]).unwrap().is_empty() {
        std::thread::yield_now();
    }
}

/// Every statement in turn, or one of so many.
fn every_statement(place: &Place, ends: &[End], step: usize) {
    let mut wanted = None;
    for at in (1u32..).step_by(step) {
        let home = place.home();
        let end = ends[at as usize / step % ends.len()];
        let whole = cut(place, &home, at, end);
        check(place, &mut wanted, &mut *home.connect());
        if whole {
            assert!(at > 100, "{at} statements");
            return;
        }
    }
}

#[test]
fn a_run_that_fails_at_any_statement_is_gone_on_with() {
    every_statement(&Place::Sqlite, &[End::Refused, End::RolledBack, End::Unheard], 1);
}

#[test]
#[cfg(feature = "postgres")]
fn a_run_that_fails_at_any_statement_is_gone_on_with_on_postgres() {
    let Some(place) = Place::postgres() else { return };
    let ends = [End::Lost, End::Refused, End::Unheard];
    match std::env::var_os("PLASMA_DEEP") {
        None => every_statement(&place, &ends, 11),
        Some(_) => ends.iter().for_each(|end| every_statement(&place, &[*end], 1)),
    }
}
