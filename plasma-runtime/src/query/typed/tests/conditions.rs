use super::{at, compare, ir, todo};
use crate::query::ir::{CompareOp, Expr};
use crate::query::typed::{Col, Filter, all_of, any_of, not};
use crate::schema::samples::{Org, Todo, User};
use crate::schema::{Id, Table as _};
use crate::value::{Timestamp, Value};
use crate::{ErrorKind, Json};

fn id<T>(n: u128) -> Id<T> {
    Id::from_uuid(uuid::Uuid::from_u128(n))
}

#[test]
fn each_comparison_has_its_operator() {
    let points = todo("points");
    assert_eq!(ir(Todo::points.eq(3)), compare(CompareOp::Eq, points.clone(), 3));
    assert_eq!(ir(Todo::points.ne(3)), compare(CompareOp::Ne, points.clone(), 3));
    assert_eq!(ir(Todo::points.lt(3)), compare(CompareOp::Lt, points.clone(), 3));
    assert_eq!(ir(Todo::points.lte(3)), compare(CompareOp::Lte, points.clone(), 3));
    assert_eq!(ir(Todo::points.gt(3)), compare(CompareOp::Gt, points.clone(), 3));
    assert_eq!(ir(Todo::points.gte(3)), compare(CompareOp::Gte, points, 3));
}

#[test]
fn each_type_compares_with_what_stands_for_it() {
    let owned = "milk".to_owned();
    let milk = compare(CompareOp::Eq, todo("title"), "milk");
    assert_eq!(ir(Todo::title.eq("milk")), milk);
    assert_eq!(ir(Todo::title.eq(&owned)), milk);
    assert_eq!(ir(Todo::title.eq(owned)), milk);
    assert_eq!(ir(Todo::note.eq("milk")), compare(CompareOp::Eq, todo("note"), "milk"));
    assert_eq!(ir(Todo::rank.eq(5)), compare(CompareOp::Eq, todo("rank"), 5));
    assert_eq!(
        ir(Todo::weight.gt(1.5)),
        Expr::compare(CompareOp::Gt, todo("weight"), Expr::Literal(Value::Float(1.5)))
    );
    assert_eq!(ir(Todo::done.eq(true)), compare(CompareOp::Eq, todo("done"), true));
    assert_eq!(ir(Todo::due.lt(Timestamp::from_micros(9))), compare(CompareOp::Lt, todo("due"), 9));
    let bytes = Expr::Literal(Value::Blob(vec![1, 2]));
    assert_eq!(ir(Todo::thumb.eq(&[1u8, 2][..])), Expr::eq(todo("thumb"), bytes));
    let org = id::<Org>(7);
    assert_eq!(ir(Todo::org_id.eq(org)), compare(CompareOp::Eq, todo("org_id"), org.to_string()));
    let me = id::<Todo>(8);
    assert_eq!(ir(Todo::id.ne(me)), compare(CompareOp::Ne, todo("id"), me.to_string()));
}

#[test]
fn columns_compare_with_columns() {
    assert_eq!(ir(Todo::id.eq(Todo::parent_id)), Expr::eq(todo("id"), todo("parent_id")));
    assert_eq!(ir(Todo::parent_id.eq(Todo::id)), Expr::eq(todo("parent_id"), todo("id")));
    assert_eq!(ir(Todo::title.eq(Todo::note)), Expr::eq(todo("title"), todo("note")));
    assert_eq!(ir(Todo::note.ne(Todo::title)), Expr::compare(CompareOp::Ne, todo("note"), todo("title")));
    assert_eq!(ir(Todo::note.eq(Todo::note)), Expr::eq(todo("note"), todo("note")));
    assert_eq!(ir(Todo::id.eq(Todo::id)), Expr::eq(todo("id"), todo("id")));
}

#[test]
fn is_matches_null_with_null() {
    let user = id::<User>(1);
    let column = || todo("owner_id");
    assert_eq!(ir(Todo::owner_id.is(Some(user))), compare(CompareOp::Is, column(), user.to_string()));
    assert_eq!(ir(Todo::owner_id.is(user)), compare(CompareOp::Is, column(), user.to_string()));
    let nobody: Option<Id<User>> = None;
    let null = Expr::compare(CompareOp::Is, column(), Expr::Literal(Value::Null));
    assert_eq!(ir(Todo::owner_id.is(nobody)), null);
    assert_eq!(ir(Todo::title.is(Some("x"))), compare(CompareOp::Is, todo("title"), "x"));
    assert_eq!(ir(Todo::note.is_null()), Expr::IsNull(Box::new(todo("note"))));
    assert_eq!(ir(Todo::note.is_not_null()), Expr::Not(Box::new(Expr::IsNull(Box::new(todo("note"))))));
}

#[test]
fn lists_hold_plain_values() {
    let list = |column, list| Expr::In { expr: Box::new(todo(column)), list };
    assert_eq!(ir(Todo::points.is_in([1, 2])), list("points", vec![Value::Int(1), Value::Int(2)]));
    assert_eq!(ir(Todo::note.is_in(["a"])), list("note", vec![Value::Text("a".into())]));
    assert_eq!(ir(Todo::id.is_in(Vec::<Id<Todo>>::new())), list("id", vec![]));
}

#[test]
fn text_is_searched_literally_but_by_like() {
    let like = |pattern: &str| Expr::Like { expr: Box::new(todo("title")), pattern: pattern.to_owned() };
    assert_eq!(ir(Todo::title.like("a%_")), like("a%_"));
    assert_eq!(ir(Todo::title.contains("50%")), like("%50\\%%"));
    assert_eq!(ir(Todo::title.starts_with("a_b")), like("a\\_b%"));
    assert_eq!(ir(Todo::title.ends_with("c:\\")), like("%c:\\\\"));
    assert_eq!(ir(Todo::note.contains("x")), Expr::Like { expr: Box::new(todo("note")), pattern: "%x%".into() });
    for text in ["", "%", "_", "\\", "a%b_c\\d", "\\%", "žluť_%"] {
        let Expr::Like { pattern, .. } = ir(Todo::title.contains(text)) else { panic!("not a pattern") };
        assert!(crate::query::like::matches(&format!("-{text}-"), &pattern), "{pattern} misses {text}");
        let Expr::Like { pattern, .. } = ir(Todo::title.starts_with(text)) else { panic!("not a pattern") };
        assert!(crate::query::like::matches(text, &pattern), "{pattern} misses {text}");
        assert_eq!(crate::query::like::matches(&format!("-{text}"), &pattern), text.is_empty());
    }
}

#[test]
fn conditions_combine() {
    let (a, b, c) = (todo("done"), compare(CompareOp::Gt, todo("points"), 1), compare(CompareOp::Lt, todo("rank"), 9));
    let (pa, pb, pc) = (Todo::done, Todo::points.gt(1), Todo::rank.lt(9));
    assert_eq!(ir(pa.and(pb.clone()).and(pc.clone())), Expr::And(vec![a.clone(), b.clone(), c.clone()]));
    assert_eq!(ir(pa.or(pb.clone()).or(pc.clone())), Expr::Or(vec![a.clone(), b.clone(), c.clone()]));
    assert_eq!(ir(all_of((pa, pb.clone(), pc.clone()))), Expr::And(vec![a.clone(), b.clone(), c.clone()]));
    assert_eq!(ir(any_of((pa, pb.clone().and(pc.clone())))), Expr::Or(vec![a.clone(), b.clone().and(c.clone())]));
    assert_eq!(ir(all_of(vec![pb.clone(), Todo::rank.lt(9)])), Expr::And(vec![b.clone(), c]));
    assert_eq!(ir(any_of([pb.clone()])), b);
    let negated = Expr::Not(Box::new(a));
    assert_eq!([ir(!pa), ir(pa.not()), ir(not(pa))], [negated.clone(), negated.clone(), negated]);
    assert_eq!(ir(!pb), Expr::Not(Box::new(b)));
}

#[test]
fn a_none_adds_nothing() {
    let none: Option<crate::query::typed::Expr<bool, Todo>> = None;
    let done = todo("done");
    assert_eq!(ir(Todo::done.and(none.clone())), done);
    assert_eq!(ir(Todo::done.or(none.clone())), done);
    assert_eq!(ir(all_of((Todo::done, none.clone()))), done);
    assert_eq!(ir(any_of((Todo::done, none.clone()))), done);
    assert_eq!(ir(any_of((none.clone(), none.clone()))), Expr::Or(vec![]));
    assert_eq!(ir(all_of((none.clone(), none))), Expr::And(vec![]));
}

#[test]
fn filters_fold_what_is_always_and_never() {
    let done = todo("done");
    let f = || Filter::<Todo>::from(Todo::done);
    assert_eq!(ir(Filter::<Todo>::all()), Expr::And(vec![]));
    assert_eq!(ir(Filter::<Todo>::nothing()), Expr::Or(vec![]));
    assert_eq!(Filter::<Todo>::when(true), Filter::all());
    assert_eq!(Filter::<Todo>::when(false), Filter::nothing());
    assert_eq!(ir(Filter::all().and(f())), done);
    assert_eq!(ir(f().and(Filter::all())), done);
    assert_eq!(f().and(Filter::nothing()), Filter::nothing());
    assert_eq!(ir(Filter::nothing().or(Todo::done)), done);
    assert_eq!(f().or(Filter::all()), Filter::all());
    assert_eq!(!Filter::<Todo>::all(), Filter::nothing());
    assert_eq!(!Filter::<Todo>::nothing(), Filter::all());
    assert_eq!(ir(f().not()), Expr::Not(Box::new(done.clone())));
    // Both arms of an `if` are one type.
    let either = |strict: bool| if strict { f().and(Todo::points.gt(1)) } else { f() };
    assert_eq!(ir(either(false)), done);
    assert_ne!(either(true), either(false));
}

#[test]
fn a_value_no_column_can_hold_is_reported_when_the_condition_is_used() {
    let faulty = |filter: Filter<Todo>| {
        let error = filter.into_ir().expect_err("a fault");
        assert_eq!(error.kind(), ErrorKind::Validation);
        error.message().to_owned()
    };
    assert!(faulty(Todo::title.eq("a\0b").into()).contains("U+0000"));
    assert!(faulty(Todo::weight.gt(f64::NAN).into()).contains("finite"));
    assert!(faulty(Todo::title.is_in(["a", "\0"]).into()).contains("U+0000"));
    assert!(faulty(Todo::title.is(Some("\0")).into()).contains("U+0000"));
    assert!(faulty(Todo::title.contains("\0").into()).contains("U+0000"));
    // A fault survives every combination, even beside what would decide alone.
    let fault = || Filter::<Todo>::from(Todo::title.eq("\0"));
    faulty(fault().and(Filter::nothing()));
    faulty(Filter::nothing().and(fault()));
    faulty(fault().or(Filter::all()));
    faulty(Filter::all().or(fault()));
    faulty(!fault());
    faulty(Todo::parent_id.has(fault()).into());
}

#[test]
fn generic_code_takes_columns_from_a_trait() {
    trait InOrg: crate::schema::Table {
        const ORG: Col<Self, Id<Org>>;
    }
    impl InOrg for Todo {
        const ORG: Col<Todo, Id<Org>> = Todo::org_id;
    }
    fn of_org<T: InOrg>(org: Id<Org>) -> Filter<T> {
        T::ORG.eq(org).into()
    }
    assert_eq!(ir(of_org::<Todo>(id(3))), compare(CompareOp::Eq, at(0, "todos", "org_id"), id::<Org>(3).to_string()));
}

#[test]
fn assignments_take_values_columns_and_conditions_of_the_row() {
    use crate::query::typed::{Assign, ChangeList, Changes};
    fn value(assign: Assign<Todo>) -> Expr {
        let mut list = ChangeList::default();
        assign.add_to(&mut list);
        list.finish(Todo::DEF, Timestamp::from_millis(0)).expect("no fault").values.remove(0).value
    }
    let text = |s: &str| Expr::Literal(Value::Text(s.to_owned()));
    assert_eq!(value(Todo::title.to("a")), text("a"));
    assert_eq!(value(Todo::note.to("a")), text("a"));
    assert_eq!(value(Todo::note.to("a".to_owned())), text("a"));
    assert_eq!(value(Todo::note.to(Some("a".to_owned()))), text("a"));
    assert_eq!(value(Todo::note.to(None)), Expr::Literal(Value::Null));
    assert_eq!(value(Todo::due.to(None)), Expr::Literal(Value::Null));
    assert_eq!(value(Todo::note.to(Todo::title)), todo("title"));
    assert_eq!(value(Todo::note.to(Todo::note)), todo("note"));
    assert_eq!(value(Todo::title.to(Todo::title)), todo("title"));
    assert_eq!(value(Todo::parent_id.to(Todo::id)), todo("id"));
    assert_eq!(value(Todo::meta.to(Json(vec![1u8]))), Expr::Literal(Value::Json("[1]".into())));
    // Unknown is stored as false: the column is not nullable.
    let positive = Expr::compare(CompareOp::Is, compare(CompareOp::Gt, todo("points"), 0), Expr::Literal(true.into()));
    assert_eq!(value(Todo::done.to(Todo::points.gt(0))), positive);
}
