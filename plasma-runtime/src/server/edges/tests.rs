use super::*;
use crate::query::ir::ColumnRef;
use crate::schema::ColumnDef;
use crate::value::Kind;

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef::new(name, kind)
}

static LISTS: TableDef =
    TableDef::new("lists", &[column("id", Kind::Id), column("name", Kind::Text), column("owner", Kind::Text)]);
static TODOS: TableDef = TableDef::new(
    "todos",
    &[
        column("id", Kind::Id),
        ColumnDef { references: Some("lists"), ..column("list_id", Kind::Id) },
        column("title", Kind::Text),
    ],
);
static SHARES: TableDef = TableDef::new(
    "shares",
    &[
        column("id", Kind::Id),
        ColumnDef { references: Some("lists"), ..column("list_id", Kind::Id) },
        column("user", Kind::Text),
        ColumnDef { nullable: true, ..column("note", Kind::Text) },
    ],
);

fn at(level: u8, table: &'static str, column: &'static str) -> Expr {
    Expr::Column(ColumnRef { level, table, column })
}

fn text(text: &str) -> Expr {
    Expr::Literal(Value::from(text))
}

fn exists(table: &'static TableDef, filter: Expr) -> Expr {
    Expr::Exists(Box::new(Query::all(table).filter(filter)))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// The share of a list with bob, over a row of `lists`.
fn shared() -> Expr {
    exists(
        &SHARES,
        Expr::eq(at(0, "shares", "list_id"), at(1, "lists", "id")).and(Expr::eq(text("bob"), at(0, "shares", "user"))),
    )
}

/// The edges, short: `shares(user)[2=bob] 1->lists.0`.
fn short(table: &'static TableDef, rule: &Expr) -> Vec<String> {
    let analysis = analyse(table, rule);
    let edge = |edge: &Edge| {
        let constants: Vec<String> =
            edge.constants.iter().map(|(column, values)| format!("{column}={}", values.len())).collect();
        let steps: Vec<String> =
            edge.steps.iter().map(|step| format!(" {}->{}.{}", step.from, step.table.name, step.column)).collect();
        format!("{}{:?}[{}]{}", edge.dep.name, edge.columns, constants.join(","), steps.concat())
    };
    let lost = analysis.unreachable.iter().map(|lost| format!("{}: {}", lost.dep.name, lost.reason));
    analysis.edges.iter().map(edge).chain(lost).collect()
}

#[test]
fn a_rule_over_the_row_alone_has_no_edges() {
    let rule = Expr::eq(at(0, "lists", "owner"), text("bob"));
    assert_eq!(analyse(&LISTS, &rule), Analysis::default());
}

#[test]
fn one_hop() {
    let rule = Expr::eq(at(0, "lists", "owner"), text("bob")).or(shared());
    assert_eq!(short(&LISTS, &rule), ["shares{1, 2}[2=1] 1->lists.0"]);
    assert_eq!(short(&LISTS, &not(shared())), ["shares{1, 2}[2=1] 1->lists.0"], "a negation changes nothing");
}

#[test]
fn a_chain() {
    let inner = Expr::eq(at(0, "lists", "owner"), text("bob")).or(shared());
    let rule = exists(&LISTS, Expr::eq(at(0, "lists", "id"), at(1, "todos", "list_id")).and(inner));
    let expected = ["shares{1, 2}[2=1] 1->lists.0 0->todos.1", "lists{0, 2}[] 0->todos.1"];
    assert_eq!(short(&TODOS, &rule), expected, "the name of a list is no column of the rule");
}

#[test]
fn a_sub_query_that_looks_two_levels_up_needs_one_hop() {
    let direct = exists(&SHARES, Expr::eq(at(0, "shares", "list_id"), at(2, "todos", "list_id")));
    let rule = exists(&LISTS, Expr::eq(at(0, "lists", "id"), at(1, "todos", "list_id")).and(direct));
    assert_eq!(short(&TODOS, &rule), ["shares{1}[] 1->todos.1", "lists{0}[] 0->todos.1"]);
}

#[test]
fn membership_in_a_query() {
    let query = |filter: Expr| Query {
        select: Select::Exprs(vec![at(0, "shares", "list_id")]),
        ..Query::all(&SHARES).filter(filter)
    };
    let member = |query: Query| Expr::InQuery { expr: Box::new(at(0, "todos", "list_id")), query: Box::new(query) };
    let list = Expr::In { expr: Box::new(at(0, "shares", "user")), list: vec!["bob".into(), "all".into()] };
    assert_eq!(short(&TODOS, &member(query(list.clone()))), ["shares{1, 2}[2=2] 1->todos.1"]);
    assert_eq!(short(&TODOS, &not(member(query(list.clone())))), ["shares{1, 2}[2=2] 1->todos.1"]);
    let notes = Query { select: Select::Exprs(vec![at(0, "shares", "note")]), ..query(list.clone()) };
    assert_eq!(short(&TODOS, &member(notes.clone())), ["shares{2, 3}[2=2] 3->todos.1"]);
    let lost = short(&TODOS, &not(member(notes)));
    assert_eq!(lost, ["shares: a column that may be NULL is tested by a negated `in`"]);
    let cut = Query { limit: Some(3), ..query(list) };
    assert_eq!(short(&TODOS, &member(cut)), ["shares: its sub-query has a limit"]);
}

#[test]
fn what_cannot_be_followed() {
    let loose = exists(&SHARES, Expr::eq(at(0, "shares", "user"), text("bob")));
    assert_eq!(short(&LISTS, &loose), ["shares: no equality ties its rows to the row it protects"]);
    let either = exists(
        &SHARES,
        Expr::eq(at(0, "shares", "list_id"), at(1, "lists", "id")).or(Expr::eq(at(0, "shares", "user"), text("all"))),
    );
    assert_eq!(short(&LISTS, &either), ["shares: no equality ties its rows to the row it protects"]);
    let rule = exists(&LISTS, Expr::eq(at(0, "lists", "name"), text("x")).and(shared()));
    let lost = short(&TODOS, &rule);
    assert_eq!(
        lost,
        [
            "lists: no equality ties its rows to the row it protects",
            "shares: it is read through a table that cannot be followed"
        ]
    );
}

#[test]
fn the_indexed_equality_is_taken() {
    let both = Expr::eq(at(0, "shares", "note"), at(1, "lists", "name"))
        .and(Expr::eq(at(0, "shares", "list_id"), at(1, "lists", "id")));
    assert_eq!(short(&LISTS, &exists(&SHARES, both)), ["shares{1, 3}[] 1->lists.0"]);
    let by_name = exists(&SHARES, Expr::eq(at(0, "shares", "note"), at(1, "lists", "name")));
    let analysis = analyse(&LISTS, &by_name);
    let warning = "the read policy of `lists` compares `lists.name`, which has no index: pulls scan the table";
    assert_eq!(warnings(&LISTS, &analysis), [warning]);
    assert!(warnings(&LISTS, &analyse(&LISTS, &shared())).is_empty());
}

#[test]
fn membership_is_looked_up_by_what_ties_it() {
    let query = Query {
        select: Select::Exprs(vec![at(0, "shares", "list_id")]),
        ..Query::all(&SHARES).filter(Expr::eq(at(0, "shares", "user"), text("bob")))
    };
    let member = Expr::InQuery { expr: Box::new(at(0, "lists", "id")), query: Box::new(query.clone()) };
    let as_exists = exists(
        &SHARES,
        Expr::eq(at(0, "shares", "user"), text("bob")).and(Expr::eq(at(0, "shares", "list_id"), at(1, "lists", "id"))),
    );
    assert_eq!(tied(&member), as_exists);
    let owner = Expr::eq(at(0, "lists", "owner"), text("bob"));
    assert_eq!(tied(&owner.clone().or(member.clone())), owner.or(as_exists));
    assert_eq!(tied(&not(member.clone())), not(member), "`not in` tells unknown from false");
    let cut = Query { limit: Some(1), ..query };
    let cut = Expr::InQuery { expr: Box::new(at(0, "lists", "id")), query: Box::new(cut) };
    assert_eq!(tied(&cut), cut);
}

/// What a sub-query that cannot be followed reads of a table on the way matters there: a change of the note changes who
/// sees the list.
#[test]
fn a_sub_query_that_cannot_be_followed_still_reads_the_tables_around_it() {
    let titles = |filter: Expr| Query {
        select: Select::Exprs(vec![at(0, "todos", "title")]),
        ..Query::all(&TODOS).filter(filter)
    };
    let tied = || Expr::eq(at(0, "shares", "list_id"), at(1, "lists", "id"));
    let scalar = Expr::Scalar(Box::new(titles(Expr::eq(at(0, "todos", "title"), at(1, "shares", "note")))));
    let rule = exists(&SHARES, tied().and(Expr::eq(text("x"), scalar)));
    assert_eq!(short(&LISTS, &rule), ["shares{1, 3}[] 1->lists.0", "todos: its value, not its rows, is used"]);
    // Two queries up, out of a sub-query of a joined one, and out of a condition of the join.
    let deep = exists(&LISTS, Expr::eq(at(0, "lists", "name"), at(2, "shares", "user")));
    let mut joined = titles(deep);
    joined.joins.push(crate::query::ir::Join {
        left: false,
        source: crate::query::ir::Source::table(&LISTS),
        on: Expr::eq(at(0, "lists", "name"), at(1, "shares", "note")),
    });
    let rule = exists(&SHARES, tied().and(Expr::Exists(Box::new(joined))));
    let lost = "its sub-query joins or folds rows";
    assert_eq!(
        short(&LISTS, &rule),
        ["shares{1, 2, 3}[] 1->lists.0".to_owned(), format!("todos: {lost}"), format!("lists: {lost}")]
    );
}
