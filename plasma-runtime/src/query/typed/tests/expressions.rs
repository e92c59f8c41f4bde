//! What calculations, texts and choices build.

use super::{compare, todo};
use crate::query::ir::{ArithmeticOp, CompareOp, Expr, Function};
use crate::query::typed::{Expression, when};
use crate::schema::samples::Todo;
use crate::value::{Kind, Value};

fn built(expression: impl Expression) -> Expr {
    expression.into_raw().finish().expect("no fault")
}

fn arithmetic(op: ArithmeticOp, kind: Kind, left: Expr, right: impl Into<Value>) -> Expr {
    Expr::Arithmetic { op, kind, left: Box::new(left), right: Box::new(Expr::Literal(right.into())) }
}

#[test]
fn arithmetic_has_the_kind_of_its_result() {
    assert_eq!(built(Todo::points + 1), arithmetic(ArithmeticOp::Add, Kind::Int, todo("points"), 1));
    assert_eq!(built(Todo::points * 2_i64), arithmetic(ArithmeticOp::Mul, Kind::BigInt, todo("points"), 2));
    assert_eq!(built(Todo::rank - 1), arithmetic(ArithmeticOp::Sub, Kind::BigInt, todo("rank"), 1));
    assert_eq!(built(Todo::rank % 7), arithmetic(ArithmeticOp::Rem, Kind::BigInt, todo("rank"), 7));
    let twice = Expr::Arithmetic {
        op: ArithmeticOp::Mul,
        kind: Kind::BigInt,
        left: Box::new(Expr::Literal(Value::Int(2))),
        right: Box::new(todo("rank")),
    };
    assert_eq!(built(2_i64 * Todo::rank), twice);
    assert_eq!(
        built((Todo::rank + Todo::points).gt(3_i64)),
        Expr::compare(
            CompareOp::Gt,
            Expr::Arithmetic {
                op: ArithmeticOp::Add,
                kind: Kind::BigInt,
                left: Box::new(todo("rank")),
                right: Box::new(todo("points")),
            },
            Expr::Literal(Value::Int(3)),
        )
    );
}

#[test]
fn texts_are_joined_and_changed() {
    let call = |function, args: Vec<Expr>| Expr::Function { function, args };
    assert_eq!(
        built(Todo::title.lower() + "!"),
        call(Function::Concat, vec![call(Function::Lower, vec![todo("title")]), Expr::Literal("!".into())])
    );
    assert_eq!(
        built(Todo::note.coalesce("-")),
        call(Function::Coalesce, vec![todo("note"), Expr::Literal("-".into())])
    );
    let length: crate::query::typed::Expr<Option<i64>, Todo> = Todo::note.length();
    assert_eq!(built(length), call(Function::Length, vec![todo("note")]));
    let length: crate::query::typed::Expr<i64, Todo> = Todo::title.trim().length();
    assert_eq!(built(length), call(Function::Length, vec![call(Function::Trim, vec![todo("title")])]));
    // A text that no column can hold is told when the query runs.
    let error = (Todo::title + "\0").into_raw().finish().unwrap_err();
    assert!(error.message().contains("U+0000"), "{error}");
}

#[test]
fn a_choice_asks_its_conditions_in_turn() {
    let choice = when(Todo::done).then(0).when(Todo::points.gt(3)).then(Todo::points).otherwise(Todo::points + 1);
    let expected = Expr::Case {
        when: vec![
            (todo("done"), Expr::Literal(Value::Int(0))),
            (compare(CompareOp::Gt, todo("points"), 3), todo("points")),
        ],
        otherwise: Box::new(arithmetic(ArithmeticOp::Add, Kind::Int, todo("points"), 1)),
    };
    assert_eq!(built(choice), expected);
    let nothing: crate::query::typed::Expr<Option<i32>, _> = when(Todo::done).then(1).or_null();
    let Expr::Case { otherwise, .. } = built(nothing) else { panic!("not a choice") };
    assert_eq!(*otherwise, Expr::Literal(Value::Null));
}

#[test]
fn an_expression_over_the_row_can_be_stored() {
    let _ = Todo::points.to(Todo::points + 1);
    let _ = Todo::note.to(Todo::title.lower());
    let _ = Todo::note.to(Todo::note + "!");
    let _ = Todo::done.to(Todo::points.gt(1));
}
