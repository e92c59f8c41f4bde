//! Every kind of change: how it is classed, and that the migrated database is what a fresh one is, with all its rows.

use super::*;
use crate::error::ErrorKind;

/// The tables of [`first`] with other columns of `todos`.
fn todos(columns: &[ColumnDef]) -> Vec<TableDef> {
    vec![first()[0], table("todos", columns)]
}

fn first_todos() -> Vec<ColumnDef> {
    first()[1].columns.to_vec()
}

fn with(column: ColumnDef) -> Vec<TableDef> {
    todos(&[first_todos(), vec![column]].concat())
}

fn without(name: &str) -> Vec<TableDef> {
    let columns: Vec<ColumnDef> = first_todos().into_iter().filter(|column| column.name != name).collect();
    todos(&columns)
}

fn replaced(name: &str, other: ColumnDef) -> Vec<TableDef> {
    let columns: Vec<ColumnDef> =
        first_todos().into_iter().map(|column| if column.name == name { other } else { column }).collect();
    todos(&columns)
}

struct Case {
    what: &'static str,
    tables: Vec<TableDef>,
    /// The class of the gravest change without steps.
    class: Class,
    steps: Vec<(&'static str, Step)>,
    /// A query of the migrated database, and its answer.
    answer: (&'static str, &'static [&'static str]),
}

const TITLES: (&str, &[&str]) =
    ("SELECT title FROM todos ORDER BY id", &["Todo 1", "Todo 2", "Todo 3", "Todo 4", "Todo 5", "Todo 6"]);

fn cases() -> Vec<Case> {
    use Class::*;
    let case = |what, tables, class, steps: &[(&'static str, Step)], answer| Case {
        what,
        tables,
        class,
        steps: steps.to_vec(),
        answer,
    };
    let text = |name| ColumnDef::new(name, Kind::Text);
    let tags = table("tags", &[id("tags"), reference("todo_id", "todos", OnDelete::Cascade), text("word")]);
    vec![
        case("new table", [first(), vec![tags]].concat(), Additive, &[], TITLES),
        case(
            "new nullable column",
            with(null("due", Kind::Timestamp)),
            Additive,
            &[],
            ("SELECT coalesce(CAST(due AS TEXT), 'none') FROM todos", &["none"; 6]),
        ),
        case(
            "new column with a default",
            with(ColumnDef::new("rank", Kind::BigInt).default_value(|| Value::Int(5))),
            Additive,
            &[],
            ("SELECT CAST(rank AS TEXT) FROM todos", &["5"; 6]),
        ),
        case(
            "new nullable column with a default",
            with(null("state", Kind::Text).default_value(|| Value::from("open"))),
            Additive,
            &[],
            ("SELECT state FROM todos", &["open"; 6]),
        ),
        case(
            "new column with the time",
            with(ColumnDef::new("made_at", Kind::Timestamp).default_now()),
            Additive,
            &[],
            ("SELECT CAST(count(*) AS TEXT) FROM todos WHERE made_at > 1600000000000000", &["6"]),
        ),
        case("new unique column", with(null("code", Kind::BigInt).unique()), Additive, &[], TITLES),
        case(
            "new reference",
            with(reference("parent_id", "todos", OnDelete::SetNull)),
            Additive,
            &[],
            ("SELECT coalesce(parent_id, 'none') FROM todos", &["none"; 6]),
        ),
        case(
            "new column that must be filled",
            with(text("upper")),
            NeedsStep,
            &[("fill upper", Step::fill("todos", "upper", "upper(title)"))],
            ("SELECT upper FROM todos WHERE n = 3", &["TODO 3"]),
        ),
        case(
            "new column that is backfilled",
            with(text("upper")),
            NeedsStep,
            &[("backfill upper", Step::backfill("todos").set("upper", "upper(title)").batch(2))],
            ("SELECT upper FROM todos WHERE n = 3", &["TODO 3"]),
        ),
        case("new index", vec![first()[0], index(first()[1], &["n"])], Additive, &[], TITLES),
        case("new unique set", vec![first()[0], unique(first()[1], &["list_id", "n"])], Breaking, &[], TITLES),
        case(
            "new unique constraint",
            replaced("n", ColumnDef::new("n", Kind::Int).unique().default_value(|| Value::Int(7))),
            Breaking,
            &[],
            TITLES,
        ),
        case(
            "dropped table",
            vec![first()[0]],
            Destructive,
            &[("todos go", Step::drop_table("todos"))],
            ("SELECT name FROM lists ORDER BY id", &["list 1", "list 2", "list 3"]),
        ),
        case(
            "dropped table that others refer to",
            vec![table("todos", without("list_id")[1].columns)],
            Destructive,
            &[("lists go", Step::drop_table("lists")), ("todos are in no list", Step::drop_column("todos", "list_id"))],
            TITLES,
        ),
        case(
            "renamed reference",
            replaced("list_id", reference("folder_id", "lists", OnDelete::Cascade)),
            Destructive,
            &[("lists are folders", Step::rename_column("todos", "list_id", "folder_id"))],
            ("SELECT title FROM todos WHERE folder_id LIKE '%2' ORDER BY id", &["Todo 3", "Todo 4"]),
        ),
        case(
            "no NULL where there is none",
            vec![table("lists", &[id("lists"), text("name"), text("slug").unique()]), first()[1]],
            Breaking,
            &[],
            ("SELECT slug FROM lists ORDER BY id", &["s1", "s2", "s3"]),
        ),
        case(
            "dropped column",
            without("note"),
            Destructive,
            &[("note goes", Step::drop_column("todos", "note"))],
            TITLES,
        ),
        case(
            "dropped column that inserts need",
            without("title"),
            Destructive,
            &[("title goes", Step::drop_column("todos", "title"))],
            ("SELECT CAST(n AS TEXT) FROM todos ORDER BY id", &["1", "2", "3", "4", "5", "6"]),
        ),
        case(
            "renamed column",
            replaced("title", text("name")),
            Destructive,
            &[("title is name", Step::rename_column("todos", "title", "name"))],
            ("SELECT name FROM todos WHERE n < 3 ORDER BY id", &["Todo 1", "Todo 2"]),
        ),
        case(
            "renamed table that others refer to",
            vec![
                table("folders", &[id("folders"), text("name"), null("slug", Kind::Text).unique()]),
                table(
                    "todos",
                    &first_todos()
                        .into_iter()
                        .map(|mut column| {
                            column.references = column.references.map(|to| if to == "lists" { "folders" } else { to });
                            column
                        })
                        .collect::<Vec<_>>(),
                ),
            ],
            Destructive,
            &[("lists are folders", Step::rename_table("lists", "folders"))],
            ("SELECT f.name FROM todos t JOIN folders f ON f.id = t.list_id WHERE t.n = 5", &["list 3"]),
        ),
        case(
            "other type of the same storage",
            replaced("n", ColumnDef::new("n", Kind::Fixed(2)).default_value(|| Value::Int(700))),
            NeedsStep,
            &[("n in hundredths", Step::change_type("todos", "n", "n * 100"))],
            ("SELECT CAST(n AS TEXT) FROM todos ORDER BY id LIMIT 2", &["100", "200"]),
        ),
        case(
            "other type of other storage",
            replaced("n", ColumnDef::new("n", Kind::Text).default_value(|| Value::from("seven"))),
            NeedsStep,
            &[("n in words", Step::change_type("todos", "n", "'n' || CAST(n AS TEXT)"))],
            ("SELECT n FROM todos ORDER BY id LIMIT 2", &["n1", "n2"]),
        ),
        case(
            "no more NULL",
            replaced("note", text("note")),
            NeedsStep,
            &[("notes for all", Step::fill("todos", "note", "'none of ' || title"))],
            ("SELECT note FROM todos WHERE n < 3 ORDER BY id", &["note 1", "none of Todo 2"]),
        ),
        case("NULL from now on", replaced("title", null("title", Kind::Text)), Breaking, &[], TITLES),
        case(
            "other default",
            replaced("n", ColumnDef::new("n", Kind::Int).default_value(|| Value::Int(8))),
            Additive,
            &[],
            TITLES,
        ),
        case(
            "other action of a reference",
            replaced("list_id", reference("list_id", "lists", OnDelete::SetNull)),
            Breaking,
            &[],
            TITLES,
        ),
        case(
            "no unique constraint any more",
            vec![table("lists", &[id("lists"), text("name"), null("slug", Kind::Text)]), first()[1]],
            Breaking,
            &[],
            TITLES,
        ),
        case(
            "several at once",
            vec![
                first()[0],
                table(
                    "todos",
                    &[
                        id("todos"),
                        reference("list_id", "lists", OnDelete::Cascade),
                        text("name"),
                        ColumnDef::new("n", Kind::BigInt).default_value(|| Value::Int(7)),
                        ColumnDef::new("done", Kind::Bool).default_value(|| Value::Bool(false)),
                        text("words"),
                        null("due", Kind::Date),
                    ],
                ),
            ],
            Destructive,
            &[
                ("title is name", Step::rename_column("todos", "title", "name")),
                ("n is larger", Step::change_type("todos", "n", "n * 10000000000")),
                ("words from both", Step::backfill("todos").set("words", "name || coalesce(note, '')").batch(4)),
                ("no list without todos", Step::sql("UPDATE lists SET slug = upper(slug)")),
                ("note goes", Step::drop_column("todos", "note")),
            ],
            ("SELECT name || words || n FROM todos WHERE id LIKE '%103'", &["Todo 3Todo 3note 330000000000"]),
        ),
    ]
}

/// All that the database has, as it says itself.
fn structure(engine: &ServerEngine, db: &mut dyn SqlExecutor) -> Vec<String> {
    match db.dialect() {
        Dialect::Sqlite => texts(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"),
        Dialect::Postgres => vec![format!("{:?}", anatomy(engine, db))],
    }
}

fn check(place: &Place, Case { what, tables, class, steps: written, answer }: Case) {
    let mut owned = place.empty();
    let db = &mut *owned;
    filled(db);
    let (old, second) = (engine("1", &first()), engine("2", &tables));
    let bare = plan(&second, db, &[]).unwrap();
    assert_eq!(bare.class(), Some(class), "{what}: {bare}");
    let before = structure(&old, db);
    if class >= Class::NeedsStep {
        let error = run(&second, db, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MigrationRefused, "{what}");
        if bare.changes.iter().any(|change| change.class >= Class::Breaking && !change.is_left_over()) {
            let error = open(&second, db).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{what}: {error}");
        }
    }
    let written = steps(&written);
    rehearse(&second, db, &written).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(structure(&old, db), before, "{what}");
    let migrated = run(&second, db, &written).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!migrated.diff.is_empty(), "{what}");
    assert_eq!(texts(db, answer.0), answer.1, "{what}");
    let (found, wanted) = (anatomy(&second, db), anatomy(&second, &mut *place.fresh(&second)));
    assert_eq!(found.0, wanted.0, "{what}");
    let but = |one: &[Row], other: &[Row]| one.iter().filter(|row| !other.contains(row)).cloned().collect::<Vec<_>>();
    assert_eq!((but(&found.1, &wanted.1), but(&wanted.1, &found.1)), (Vec::new(), Vec::new()), "{what}");
    if db.dialect() == Dialect::Sqlite {
        assert!(texts(db, "SELECT \"table\" FROM pragma_foreign_key_check").is_empty(), "{what}");
        assert_eq!(texts(db, "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys"), ["1"], "{what}");
    }
    let again = run(&second, db, &written).unwrap();
    assert!(again.diff.is_empty() && again.steps.is_empty() && !again.restated, "{what}: {}", again.diff);
    open(&second, db).unwrap();
}

#[test]
fn a_migrated_database_is_what_a_fresh_one_is_and_keeps_its_rows() {
    for place in Place::all() {
        cases().into_iter().for_each(|case| check(&place, case));
    }
}

#[test]
fn all_reasons_are_told_at_once_and_nothing_is_changed() {
    let mut db = sqlite();
    filled(&mut db);
    batch(&mut db, "UPDATE todos SET n = 1");
    let tables = vec![unique(
        table("todos", &[id("todos"), null("title", Kind::Text), ColumnDef::new("n", Kind::Text)]),
        &["n"],
    )];
    let second = engine("2", &tables);
    let before = anatomy(&engine("1", &first()), &mut db);
    let error = run(&second, &mut db, &[]).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::MigrationRefused, "migration-refused"));
    let reasons = error.data().unwrap()["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 6, "{error}");
    for part in
        ["`lists`: - ", "`todos`.`done`", "`todos`.`list_id`", "`todos`.`note`", "int -> text", "more than once"]
    {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    assert_eq!(anatomy(&engine("1", &first()), &mut db), before);
}

#[test]
fn a_difference_can_be_read_by_people_and_tools() {
    let mut db = sqlite();
    filled(&mut db);
    let tables = with(null("due", Kind::Date));
    let second = engine("2", &[tables[0], index(tables[1], &["due"])]);
    let diff = plan(&second, &mut db, &[]).unwrap();
    assert_eq!(
        diff.to_string(),
        "schema `App`: the database has version \"1\", the program \"2\"\n  \
         + `todos.due`: new column (date null) [additive]\n  \
         + `todos`: index `_plasma_idx:todos:due` [additive]"
    );
    let json = serde_json::to_string(&diff).unwrap();
    assert_eq!(serde_json::from_str::<SchemaDiff>(&json).unwrap(), diff);
    assert_eq!(classes(&diff), [Class::Additive; 2]);
}

/// The name of the index is the renamed table's until it is dropped.
#[test]
fn a_new_table_takes_the_name_of_a_renamed_one_and_has_all_its_indexes() {
    let named = |name| {
        let columns = [id(name), ColumnDef::new("name", Kind::Text), null("code", Kind::Text)];
        static INDEXES: &[IndexDef] = &[IndexDef::new(&["name"]), IndexDef::unique(&["code", "name"])];
        table(name, &columns).indexes(INDEXES)
    };
    for place in Place::all() {
        let mut owned = place.fresh(&engine("1", &[named("parts")]));
        let db = &mut *owned;
        batch(db, &format!("INSERT INTO parts (id, name) VALUES ('{}', 'one')", uuid(1)));
        let new = engine("2", &[named("parts"), named("wares")]);
        run(&new, db, &steps(&[("parts are wares", Step::rename_table("parts", "wares"))])).unwrap();
        assert_eq!(texts(db, "SELECT name FROM wares"), ["one"]);
        assert_eq!(texts(db, "SELECT name FROM parts"), [""; 0]);
        assert_eq!(anatomy(&new, db).0, anatomy(&new, &mut *place.fresh(&new)).0);
    }
}
