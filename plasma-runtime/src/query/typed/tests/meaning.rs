//! What typed conditions mean: each is answered by SQLite, by the in-memory evaluator, and by plain Rust over the same
//! rows.

use super::super::{Filter, Query, Select, exists, not, read, row, scalar};
use crate::Json;
use crate::Result;
use crate::query::lower::{self, Dialect};
use crate::query::{eval, ir};
use crate::schema::samples::{Member, Org, Todo, User};
use crate::schema::{Id, RowWriter, Table, TableDef};
use crate::store::SqlConnection;
use crate::store::ddl::{self, Side};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Row, Value};

/// A small world with every shape of reference: none, to itself, to a missing row, in a chain, in a circle.
pub(super) struct World {
    users: Vec<User>,
    orgs: Vec<Org>,
    members: Vec<Member>,
    todos: Vec<Todo>,
}

fn id<T>(n: usize) -> Id<T> {
    Id::from_uuid(uuid::Uuid::from_u128(n as u128 + 1))
}

fn encode<T: Table>(value: T) -> Row {
    let mut writer = RowWriter::default();
    (T::CODEC.encode)(value, &mut writer);
    writer.finish().expect("a row that can be stored")
}

impl World {
    pub(super) fn new() -> Self {
        let users = (0..3).map(|n| User { id: id(n), name: format!("user-{n}"), admin: n == 0 }).collect();
        let orgs = (0..3).map(|n| Org { id: id(n), name: ["a", "b", "c%"][n].to_owned() }).collect();
        let pairs = [(0, 0, "admin"), (0, 1, "guest"), (1, 1, "admin"), (9, 2, "guest")];
        let members = pairs.iter().enumerate().map(|(n, &(org, user, role))| Member {
            id: id(n),
            org_id: id(org),
            user_id: id(user),
            role: role.to_owned(),
        });
        let parents = [None, Some(0), Some(1), Some(3), Some(5), Some(4), Some(77), None];
        let todos = parents.iter().enumerate().map(|(n, parent)| Todo {
            id: id(n),
            title: format!("todo-{n}{}", ["", "%", "_x", "ž"][n % 4]),
            done: n % 3 == 0,
            points: n as i32 - 2,
            rank: n as i64 % 2,
            weight: n as f64 / 2.0,
            note: (n % 2 == 0).then(|| format!("note-{}", n / 2)),
            due: None,
            flag: [None, Some(true), Some(false)][n % 3],
            thumb: (n == 1).then(|| vec![0, 255]),
            meta: Json(vec![n as u8]),
            org_id: id(n % 4),
            parent_id: parent.map(id),
            owner_id: (n % 4 != 3).then(|| id(n % 4)),
        });
        World { users, orgs, members: members.collect(), todos: todos.collect() }
    }

    fn rows(&self) -> Vec<(&'static TableDef, Vec<Row>)> {
        vec![
            (User::DEF, self.users.iter().cloned().map(encode).collect()),
            (Org::DEF, self.orgs.iter().cloned().map(encode).collect()),
            (Member::DEF, self.members.iter().cloned().map(encode).collect()),
            (Todo::DEF, self.todos.iter().cloned().map(encode).collect()),
        ]
    }

    pub(super) fn sqlite(&self) -> SqliteConnection {
        let mut db = SqliteConnection::in_memory().expect("a database in memory");
        for (table, rows) in self.rows() {
            db.batch(&ddl::create_table(table, Side::Client)).expect("a table");
            let marks = vec!["?"; table.columns.len()].join(", ");
            let sql = format!("INSERT INTO {} VALUES ({marks})", ddl::quote(table.name));
            for row in rows {
                db.execute(&sql, &row).expect("a row");
            }
        }
        db
    }
}

impl eval::RowSource for World {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        let rows = World::rows(self).into_iter().find(|(def, _)| *def == table).map(|(_, rows)| rows);
        let matches = |row: &Row| {
            equal.is_none_or(|(name, value)| table.column_index(name).is_some_and(|index| &row[index] == value))
        };
        Ok(rows.unwrap_or_default().into_iter().filter(matches).collect())
    }
}

/// The rows of a query from SQLite, which must be the evaluator's too.
pub(super) fn answer<Q: Query>(world: &mut World, db: &mut SqliteConnection, query: &Q) -> Vec<Q::Row> {
    let ir: &ir::Query = query.ir().expect("a query without faults");
    let lowered = lower::select(Dialect::Sqlite, ir);
    let rows = db.query(&lowered.sql, &lowered.params, &lowered.kinds).expect(&lowered.sql);
    assert_eq!(rows, eval::select(ir, world).expect("an answer"), "SQLite and memory differ: {}", lowered.sql);
    rows.into_iter().map(|row| query.decode(row).expect("a row of the query")).collect()
}

crate::alias!(Rival = Todo);

#[test]
fn a_table_is_compared_with_itself_under_another_name() {
    let rivals = || Rival::select().correlate::<Todo>().filter(Rival::col(Todo::org_id).eq(Todo::org_id));
    let best = |world: &World, todo: &Todo| {
        !world.todos.iter().any(|other| other.org_id == todo.org_id && other.points > todo.points)
    };
    check("no better one", not(exists(rivals().filter(Rival::col(Todo::points).gt(Todo::points)))), best);
    let most = scalar(rivals().aggregate(Rival::col(Todo::points).max()));
    check("the maximum", Todo::points.eq(most), best);
    let first = scalar(rivals().order_by(Rival::col(Todo::points).desc()).project(Rival::col(Todo::id)));
    check("the first", Todo::id.eq(first), best);
    let of_admin = rivals().filter(Rival::col(Todo::owner_id).has(User::admin));
    check("one of an admin", exists(of_admin), |world, todo| {
        let owner = |other: &Todo| world.users.iter().find(|user| other.owner_id == Some(user.id));
        world.todos.iter().any(|other| other.org_id == todo.org_id && owner(other).is_some_and(|user| user.admin))
    });
    let mut world = World::new();
    let mut db = world.sqlite();
    let rows = answer(&mut world, &mut db, &Rival::select().order_by(Rival::col(Todo::points).desc()).limit(3));
    assert_eq!(rows.iter().map(|todo| todo.points).collect::<Vec<_>>(), [5, 4, 3]);
}

#[test]
fn an_aggregate_of_no_value_can_be_something_else() {
    let mut world = World::new();
    let mut db = world.sqlite();
    let sums = |query: Select<Todo>| query.aggregate((Todo::rank.sum(), Todo::rank.sum().coalesce(0i64)));
    assert_eq!(answer(&mut world, &mut db, &sums(Todo::select())), [(Some(4), 4)]);
    assert_eq!(answer(&mut world, &mut db, &sums(Todo::select().filter(Todo::points.gt(99)))), [(None, 0)]);
    let notes = Todo::select().group_by(Todo::rank);
    let least = || Todo::note.min().coalesce("none");
    let rows =
        answer(&mut world, &mut db, &notes.having(least().ne("x")).order_by(least().desc()).project(|n| (n, least())));
    assert_eq!(rows, [(0, "note-0".to_owned()), (1, "none".to_owned())]);
}

fn check(name: &str, filter: impl Into<Filter<Todo>>, expected: impl Fn(&World, &Todo) -> bool) {
    let mut world = World::new();
    let mut db = world.sqlite();
    let filter = filter.into();
    for (negated, filter) in [
        (false, filter.clone()),
        (true, !Filter::from(Todo::id.in_query(Todo::select().filter(filter).project(Todo::id)))),
    ] {
        let found: Vec<_> = answer(&mut world, &mut db, &Todo::select().filter(filter).project(Todo::title));
        let wanted: Vec<_> = world
            .todos
            .iter()
            .filter(|todo| expected(&world, todo) != negated)
            .map(|todo| todo.title.clone())
            .collect();
        assert_eq!(found, wanted, "{name}, negated: {negated}");
        if !negated {
            assert!(!wanted.is_empty() && wanted.len() < world.todos.len(), "{name} tells no rows apart");
        }
    }
}

impl World {
    fn parent(&self, todo: &Todo) -> Option<&Todo> {
        self.todos.iter().find(|other| Some(other.id) == todo.parent_id)
    }
    fn children(&self, todo: &Todo) -> impl Iterator<Item = &Todo> {
        let id = todo.id;
        self.todos.iter().filter(move |other| other.parent_id == Some(id))
    }
    fn members_of(&self, org: Id<Org>) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.org_id == org)
    }
    fn org(&self, id: Id<Org>) -> Option<&Org> {
        self.orgs.iter().find(|org| org.id == id)
    }
}

#[test]
fn comparisons() {
    check("eq", Todo::points.eq(1), |_, t| t.points == 1);
    check("ne of a nullable column", Todo::note.ne("note-1"), |_, t| t.note.as_ref().is_some_and(|n| n != "note-1"));
    check("column with column", Todo::owner_id.eq(Todo::owner_id), |_, t| t.owner_id.is_some());
    check("not of unknown", Todo::flag.eq(true).not(), |_, t| t.flag == Some(false));
    check("is some", Todo::flag.is(Some(true)), |_, t| t.flag == Some(true));
    check("is none", Todo::flag.is(None::<bool>), |_, t| t.flag.is_none());
    check("is null", Todo::note.is_null(), |_, t| t.note.is_none());
    check("list", Todo::points.is_in([0, 3, 99]), |_, t| [0, 3, 99].contains(&t.points));
    check("list of nullable", Todo::note.is_in(["note-0", "note-3"]), |_, t| {
        t.note.as_ref().is_some_and(|n| ["note-0", "note-3"].contains(&n.as_str()))
    });
    check("not in a list", Todo::note.is_not_in(["note-0", "note-3"]), |_, t| {
        t.note.as_ref().is_some_and(|n| !["note-0", "note-3"].contains(&n.as_str()))
    });
    check("between", Todo::points.between(0, 3), |_, t| (0..=3).contains(&t.points));
    check("between columns", Todo::points.between(Todo::points, Todo::points).and(Todo::done), |_, t| t.done);
    check("starts with", Todo::note.starts_with("note-1"), |_, t| t.note.as_deref() == Some("note-1"));
    check("contains", Todo::title.contains("%"), |_, t| t.title.contains('%'));
    check("ends with", Todo::title.ends_with("_x"), |_, t| t.title.ends_with("_x"));
    check("case counts", Todo::title.like("TODO%").or(Todo::title.contains("ž")), |_, t| t.title.contains('ž'));
    check("blob", Todo::thumb.eq(vec![0u8, 255]), |_, t| t.thumb.is_some());
    check("and, or, not", Todo::done.and(Todo::points.gt(0)).or(!Todo::rank.eq(0)), |_, t| {
        (t.done && t.points > 0) || t.rank != 0
    });
}

#[test]
fn rows_above_and_below() {
    check("has", Todo::org_id.has(Org::name.contains("%")), |w, t| {
        w.org(t.org_id).is_some_and(|o| o.name.contains('%'))
    });
    check("has without condition", Todo::org_id.has(Filter::<Org>::all()), |w, t| w.org(t.org_id).is_some());
    check("nullable has", Todo::owner_id.has(User::admin), |_, t| t.owner_id == Some(id(0)));
    check("parent", Todo::parent_id.has(Todo::done), |w, t| w.parent(t).is_some_and(|p| p.done));
    check("child", Todo::parent_id.any(Todo::done), |w, t| w.children(t).any(|c| c.done));
    check("no child", not(Todo::parent_id.any(Filter::<Todo>::all())), |w, t| w.children(t).next().is_none());
    check("grandparent", Todo::parent_id.has(Todo::parent_id.has(Todo::points.gt(0))), |w, t| {
        w.parent(t).and_then(|p| w.parent(p)).is_some_and(|g| g.points > 0)
    });
    check("sibling or self", Todo::parent_id.has(Todo::parent_id.any(Todo::points.eq(2))), |w, t| {
        w.parent(t).is_some_and(|p| w.children(p).any(|s| s.points == 2))
    });
    check(
        "nested",
        Todo::org_id.has(Member::org_id.any(Member::user_id.eq(id(1)).and(Member::role.eq("admin")))),
        |w, t| w.org(t.org_id).is_some_and(|o| w.members_of(o.id).any(|m| m.user_id == id(1) && m.role == "admin")),
    );
}

#[test]
fn general_sub_queries() {
    let admin = || Member::select().filter(Member::role.eq("admin"));
    check("in query", Todo::org_id.in_query(admin().project(Member::org_id)), |w, t| {
        w.members_of(t.org_id).any(|m| m.role == "admin")
    });
    check("correlated", exists(admin().correlate::<Todo>().filter(Member::org_id.eq(Todo::org_id))), |w, t| {
        w.members_of(t.org_id).any(|m| m.role == "admin")
    });
    check(
        "correlated, with a sub-query about the outer row inside",
        exists(
            admin()
                .correlate::<Todo>()
                .filter(Member::user_id.eq(Todo::owner_id))
                .filter(Todo::parent_id.has(Todo::done)),
        ),
        |w, t| {
            w.parent(t).is_some_and(|p| p.done)
                && w.members.iter().any(|m| m.role == "admin" && Some(m.user_id) == t.owner_id)
        },
    );
    // The innermost query names the todo twice removed.
    let same_org = Org::select()
        .correlate::<Member>()
        .correlate::<Todo>()
        .filter(Org::id.eq(Member::org_id))
        .filter(Org::id.eq(Todo::org_id));
    let rule = exists(
        Member::select().correlate::<Todo>().filter(Member::user_id.eq(Todo::owner_id)).filter(exists(same_org)),
    );
    check("two queries around", rule, |w, t| {
        w.members.iter().any(|m| Some(m.user_id) == t.owner_id && w.org(m.org_id).is_some() && m.org_id == t.org_id)
    });
    check(
        "correlated inside has",
        Todo::parent_id.has(exists(admin().correlate::<Todo>().filter(Member::org_id.eq(Todo::org_id)))),
        |w, t| w.parent(t).is_some_and(|p| w.members_of(p.org_id).any(|m| m.role == "admin")),
    );
    let top = Todo::select().order_by(Todo::weight.desc()).limit(3).project(Todo::id);
    check("top three", Todo::id.in_query(top), |_, t| t.weight > 2.0);
    check(
        "correlated in query",
        Todo::points
            .in_query(User::select().correlate::<Todo>().filter(User::id.eq(Todo::owner_id)).project(Todo::points))
            .and(Todo::rank.eq(0)),
        |_, t| t.owner_id.is_some() && t.rank == 0,
    );
}

#[test]
fn order_limit_projection_and_count() {
    let mut world = World::new();
    let mut db = world.sqlite();
    let query = Todo::select().order_by(Todo::flag.desc()).order_by(Todo::rank.asc()).order_by(Todo::title.desc());
    let found = answer(&mut world, &mut db, &query);
    let mut wanted = world.todos.clone();
    wanted.sort_by(|a, b| b.flag.cmp(&a.flag).then(a.rank.cmp(&b.rank)).then(b.title.cmp(&a.title)));
    assert_eq!(found, wanted);
    let page = answer(&mut world, &mut db, &query.clone().offset(2).limit(3));
    assert_eq!(page, wanted[2..5]);
    let projected =
        query.limit(2).project((Todo::id, row::<Todo>(), Todo::points.gt(0), Todo::flag.eq(true), Todo::thumb));
    let expected: Vec<_> =
        wanted[..2].iter().map(|t| (t.id, t.clone(), t.points > 0, t.flag == Some(true), t.thumb.clone())).collect();
    assert_eq!(answer(&mut world, &mut db, &projected), expected);

    let some = Todo::select().filter(Todo::note.is_not_null());
    for query in [some.clone(), some.clone().limit(3), some.clone().offset(3), some.limit(2).offset(3)] {
        let rows = answer(&mut world, &mut db, &query).len() as u64;
        assert_eq!(answer(&mut world, &mut db, &query.clone().count()), [rows]);
        let read = read::count(query.clone()).unwrap();
        let lowered = lower::select(Dialect::Sqlite, read.query());
        let counted = db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap();
        assert_eq!(read.finish(counted).unwrap(), rows);
        // The number is the one row that there is: asking for one row cuts nothing off it.
        let one = read::one(query.clone().count()).unwrap();
        let lowered = lower::select(Dialect::Sqlite, one.query());
        let counted = db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap();
        assert_eq!(one.finish(counted.clone()).unwrap(), rows);
        let first = read::first(query.count()).unwrap();
        let lowered = lower::select(Dialect::Sqlite, first.query());
        let counted = db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap();
        assert_eq!(first.finish(counted).unwrap(), Some(rows));
    }
}

#[test]
fn nulls_go_to_the_end_they_are_told() {
    let mut world = World::new();
    let mut db = world.sqlite();
    let flags = |query: super::super::Select<Todo>| query.project(Todo::flag).limit(3);
    let order = |order| Todo::select().order_by(order);
    let (f, t) = (Some(false), Some(true));
    for (query, wanted) in [
        (order(Todo::flag.asc()), [None, None, None]),
        (order(Todo::flag.asc().nulls_last()), [f, f, t]),
        (order(Todo::flag.desc()), [t, t, t]),
        (order(Todo::flag.desc().nulls_first()), [None, None, None]),
    ] {
        assert_eq!(answer(&mut world, &mut db, &flags(query)), wanted);
    }
    // Groups, by a key and by an aggregate.
    let flags = || Todo::select().group_by(Todo::flag);
    let last = flags().order_by_key(|flag| flag.asc().nulls_last()).project(|flag| flag);
    assert_eq!(answer(&mut world, &mut db, &last), [f, t, None]);
    let first = flags().order_by_key(|flag| flag.desc().nulls_first()).project(|flag| flag);
    assert_eq!(answer(&mut world, &mut db, &first), [None, t, f]);
    let owners = Todo::select().group_by(Todo::owner_id).order_by(Todo::parent_id.min().asc().nulls_last());
    let owners = answer(&mut world, &mut db, &owners.project(|owner| (owner, Todo::parent_id.min())));
    assert!(owners.iter().rev().skip_while(|(_, least)| least.is_none()).all(|(_, least)| least.is_some()));
}

#[test]
fn a_query_without_rows_has_none() {
    use super::super::AnyQuery;
    let mut world = World::new();
    let mut db = world.sqlite();
    let none = || AnyQuery::<(Id<Todo>, String)>::none();
    assert!(answer(&mut world, &mut db, &none()).is_empty());
    assert!(answer(&mut world, &mut db, &none().map(|(id, _)| id)).is_empty());
    assert_eq!(answer(&mut world, &mut db, &none().count()), [0]);
    assert_eq!(none(), none());
    let read = read::exists(none()).unwrap();
    let lowered = lower::select(Dialect::Sqlite, read.query());
    assert!(!read.finish(db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap()).unwrap());
    let page = read::page(none()).unwrap();
    let lowered = lower::select(Dialect::Sqlite, page.query());
    let page = page.finish(db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap()).unwrap();
    assert!(page.rows.is_empty() && page.next.is_none());
    // Both arms of an `if` have one type.
    let chosen = |user: Option<Id<User>>| {
        user.map_or_else(AnyQuery::none, |user| Todo::select().filter(Todo::owner_id.eq(user)).any())
    };
    assert!(answer(&mut world, &mut db, &chosen(None)).is_empty());
    assert_eq!(answer(&mut world, &mut db, &chosen(Some(id(0)))).len(), 2);
}
