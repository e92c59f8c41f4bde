//! Calculations, choices and functions.

use super::*;

#[track_caller]
fn one(expr: Expr) -> Value {
    ask(&of(vec![expr]))[0][0].clone()
}

#[test]
fn calculations_keep_their_kind() {
    use ArithmeticOp::*;
    let max = i64::from(i32::MAX);
    assert_eq!(one(calculate(Add, Kind::Int, c("person", "age"), int(2))), Value::Int(42));
    assert_eq!(one(calculate(Div, Kind::Int, int(-7), int(2))), Value::Int(-3));
    assert_eq!(one(calculate(Rem, Kind::BigInt, int(i64::MIN), int(-1))), Value::Int(0));
    assert_eq!(one(calculate(Mul, Kind::BigInt, int(max), int(max))), Value::Int(max * max));
    assert_eq!(one(calculate(Sub, Kind::Int, int(1), Expr::Literal(Value::Null))), Value::Null);
    let half = Expr::Literal(Value::Float(0.5));
    let two = Expr::Literal(Value::Float(2.0));
    assert_eq!(one(calculate(Div, Kind::Float, half.clone(), two)), Value::Float(0.25));
    assert_eq!(one(function(Function::Negate, vec![half])), Value::Float(-0.5));
    assert_eq!(one(function(Function::Negate, vec![c("person", "age")])), Value::Int(-40));
}

#[test]
fn calculations_that_leave_their_kind_fail() {
    use ArithmeticOp::*;
    let max = i64::from(i32::MAX);
    let float = |x: f64| Expr::Literal(Value::Float(x));
    for (expr, message) in [
        (calculate(Mul, Kind::Int, int(max), int(2)), "2147483647 * 2 is outside the 32-bit integers"),
        (calculate(Add, Kind::BigInt, int(i64::MAX), int(1)), "9223372036854775807 + 1 is outside the 64-bit integers"),
        (calculate(Div, Kind::Int, int(1), int(0)), "division by zero"),
        (calculate(Rem, Kind::BigInt, int(1), int(0)), "division by zero"),
        (calculate(Div, Kind::Float, float(1.0), float(0.0)), "division by zero"),
        (
            calculate(Add, Kind::Float, float(f64::MAX), float(f64::MAX)),
            "1.7976931348623157e308 + 1.7976931348623157e308 is outside the finite floats",
        ),
        (function(Function::Negate, vec![int(i64::MIN)]), "0 - -9223372036854775808 is outside the 64-bit integers"),
    ] {
        assert_eq!(fails(&of(vec![expr])), (ErrorKind::Overflow, message.to_owned()));
    }
}

fn case(when: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    Expr::Case { when, otherwise: Box::new(otherwise) }
}

#[test]
fn a_choice_keeps_its_branches_apart() {
    // The quotient by zero is never asked for.
    let by_zero = calculate(ArithmeticOp::Div, Kind::Int, int(1), int(0));
    let known = Expr::Not(Box::new(is_null(c("person", "age"))));
    let letters = function(Function::Length, vec![c("person", "name")]);
    let label = case(vec![(known, Expr::Literal(Value::Null)), (is_null(c("person", "id")), by_zero)], letters);
    let query = select_of(Query::all(&PERSON), vec![label]);
    assert_eq!(ask(&query), [[Value::Null], [Value::Null], [Value::Int(2)], [Value::Int(3)]]);
    assert_eq!(one(case(vec![], literal("x"))), text("x"));
}

#[test]
fn the_kind_of_a_choice_is_that_of_its_values() {
    let kinds = |expr: Expr| select(Dialect::Sqlite, &of(vec![expr])).kinds;
    let null = || Expr::Literal(Value::Null);
    let truth = || is_null(c("person", "age"));
    assert_eq!(kinds(case(vec![(truth(), null())], truth())), [Kind::Bool]);
    assert_eq!(kinds(function(Function::Coalesce, vec![null(), c("person", "age")])), [Kind::Int]);
    assert_eq!(kinds(case(vec![(truth(), null())], null())), [Kind::Text]);
    let scalar = Expr::Scalar(Box::new(select_of(Query::all(&SALE), vec![c("sale", "at")])));
    assert_eq!(kinds(function(Function::Coalesce, vec![null(), scalar])), [Kind::Timestamp]);
    assert_eq!(kinds(function(Function::Negate, vec![c("person", "age")])), [Kind::BigInt]);
    assert_eq!(kinds(function(Function::Date, vec![int(0), int(0)])), [Kind::Date]);
}

#[test]
fn functions_of_texts_and_dates() {
    use Function::*;
    let of_texts = |f: Function, args: Vec<Expr>| one(function(f, args));
    let null = || Expr::Literal(Value::Null);
    assert_eq!(of_texts(Lower, vec![literal("ÄBc")]), text("Äbc"));
    assert_eq!(of_texts(Upper, vec![literal("ßab")]), text("ßAB"));
    assert_eq!(of_texts(Length, vec![literal("a😀é")]), Value::Int(3));
    assert_eq!(of_texts(Length, vec![null()]), Value::Null);
    assert_eq!(of_texts(Trim, vec![literal("  a\t ")]), text("a\t"));
    assert_eq!(of_texts(Concat, vec![literal("a"), c("person", "name"), literal("z")]), text("aAnnz"));
    assert_eq!(of_texts(Concat, vec![literal("a"), null()]), Value::Null);
    assert_eq!(of_texts(Concat, (0..3_000).map(|_| literal("x")).collect()), text(&"x".repeat(3_000)));
    assert_eq!(of_texts(Coalesce, vec![c("person", "boss"), c("person", "name")]), text("Ann"));
    assert_eq!(of_texts(Coalesce, vec![c("person", "name")]), text("Ann"));
    assert_eq!(of_texts(Date, vec![int(-1), int(0)]), text("1969-12-31"));
    assert_eq!(of_texts(Date, vec![int(-1), int(1)]), text("1970-01-01"));
    assert_eq!(fails(&of(vec![function(Date, vec![int(i64::MAX), int(0)])])).0, ErrorKind::Overflow);
}
