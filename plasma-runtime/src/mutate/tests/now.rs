//! `now()` in statements is the time of the mutation, and outside of one it is refused.

use super::writes::record;
use super::{id, on_client};
use crate::ErrorKind;
use crate::mutate::{ErasedCtx, Policy, PolicyDef};
use crate::query::ir::{self, CompareOp, Expr};
use crate::query::typed::{Filter, exists, now, read, when};
use crate::schema::samples::{App, NewTodo, Org, Todo};
use crate::schema::{NewRow, Schema, Table};
use crate::value::Value;

#[test]
fn it_is_the_time_of_the_mutation_wherever_it_stands() {
    let (meta, todo) = (on_client(), id::<Todo>(5));
    let micros = meta.now().micros();
    assert_ne!(micros, 0);
    let recorder = record(&meta, async |tx| {
        tx.insert(NewTodo { title: "milk".into(), org_id: id(9) }.with(Todo::due.to(now()))).await.unwrap();
        tx.update(todo).set(Todo::due.to(now())).await.unwrap();
        let choice = when(Todo::done).then(now()).otherwise(now());
        tx.update_where(Todo::due.lt(now())).set(Todo::due.to(choice)).await.unwrap();
        let late = Todo::select().correlate::<Org>().filter(Todo::due.lt(now()).and(Todo::org_id.eq(Org::id)));
        tx.delete_where(exists(late.clone())).await.unwrap();
        tx.all(Org::select().filter(exists(late)).project(Org::id)).await.unwrap();
        let since = tx.all(Todo::select().project(now() - Todo::due)).await.unwrap();
        assert!(since.is_empty());
    });
    let time = Expr::Literal(Value::Int(micros));
    let late = Expr::compare(CompareOp::Lt, Expr::column("todos", "due"), time.clone());
    let [ir::Write::Insert { row, .. }, ir::Write::Update { changes, .. }, where_, delete] =
        recorder.writes.iter().map(|(write, _)| write).collect::<Vec<_>>()[..]
    else {
        panic!("four writes")
    };
    assert_eq!(row[Todo::DEF.column_index("due").unwrap()], Value::Int(micros));
    assert_eq!(changes[0].value, time);
    let ir::Write::UpdateWhere { filter, changes, .. } = where_ else { panic!("an update") };
    assert_eq!(filter, &late);
    let case = Expr::Case { when: vec![(Expr::column("todos", "done"), time.clone())], otherwise: Box::new(time) };
    assert_eq!(changes[0].value, case);
    let inside = |filter: &Expr| {
        let Expr::Exists(query) = filter else { panic!("a sub-query") };
        matches!(&query.filter, Some(Expr::And(all)) if all[0] == late)
    };
    let ir::Write::DeleteWhere { filter, .. } = delete else { panic!("a delete") };
    assert!(inside(filter));
    assert!(inside(recorder.queries[0].filter.as_ref().unwrap()));
    let ir::Select::Exprs(exprs) = &recorder.queries[1].select else { panic!("a projection") };
    assert!(!exprs[0].mentions_now());
}

impl Policy<i64> for Todo {
    fn read(_: &i64) -> Filter<Todo> {
        Todo::due.gt(now()).into()
    }
}

#[test]
fn outside_of_a_mutation_it_is_refused() {
    let query = Todo::select().filter(Todo::due.lt(now()));
    let error = read::all(query).unwrap().check(&App::DEF).expect_err("no mutation");
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert!(error.message().contains("`now()`"), "{error}");
    let error = (PolicyDef::of::<Todo, i64>().rules)(&7_i64 as &ErasedCtx).expect_err("a rule has no time");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("policy of `todos`"), "{error}");
}
