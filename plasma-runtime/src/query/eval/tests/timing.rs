//! What a condition costs for one row, as policies and live queries ask it. Not a test: run it by hand before and after
//! a change, `cargo test -p plasma-runtime eval::tests::timing -- --ignored --nocapture`.

use std::time::Instant;

use super::examples::{LISTS, shared_with};
use crate::Result;
use crate::query::eval::{NoTables, RowSource, matches};
use crate::query::ir::{CompareOp, Expr};
use crate::schema::TableDef;
use crate::value::{Row, Value};

struct Shares(Vec<Row>);

impl RowSource for Shares {
    fn rows(&mut self, _: &'static TableDef, _: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        Ok(self.0.clone())
    }
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it is what the measurement is for")]
fn a_condition_over_one_row() {
    const ROUNDS: u32 = 300_000;
    let row = [Value::from("l1"), Value::from("alice")];
    let owner = || Expr::column("lists", "owner");
    let plain = Expr::Or(vec![
        Expr::eq(owner(), Expr::Literal("bob".into())),
        Expr::And(vec![
            Expr::compare(CompareOp::Gt, owner(), Expr::Literal("a".into())),
            Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::column("lists", "id"))))),
            Expr::In { expr: Box::new(owner()), list: vec!["carol".into(), "alice".into()] },
        ]),
    ]);
    let mut shares = Shares(vec![vec!["s1".into(), "l1".into(), "bob".into()]]);
    for round in 0..3 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            assert_eq!(matches(&plain, &LISTS, &row, &mut NoTables).unwrap(), Some(true));
        }
        let alone = start.elapsed() / ROUNDS;
        let start = Instant::now();
        let exists = shared_with("bob");
        for _ in 0..ROUNDS / 10 {
            assert_eq!(matches(&exists, &LISTS, &row, &mut shares).unwrap(), Some(true));
        }
        println!("round {round}: plain {alone:?}, with a sub-query {:?}", start.elapsed() / (ROUNDS / 10));
    }
}
