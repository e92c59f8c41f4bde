//! What the client checks of a policy: rules over the row alone, and frozen columns. The rest is the server's.

use std::sync::Arc;

use serde_json::json;

use super::support::*;
use crate::ErrorKind;
use crate::mutate::{ErasedCtx, PolicyDef, TableRules};
use crate::query::ir::{CompareOp, Expr, Query};

fn not_named(column: &'static str, name: &str) -> Expr {
    Expr::compare(CompareOp::Ne, Expr::column("todos", column), Expr::Literal(name.into()))
}

fn todo_rules(_: &ErasedCtx) -> crate::Result<TableRules> {
    Ok(TableRules {
        read: Expr::And(vec![]),
        insert: not_named("title", "forbidden"),
        update: not_named("title", "locked"),
        delete: Expr::eq(Expr::column("todos", "done"), Expr::Literal(true.into())),
        frozen: &["slug"],
    })
}

/// Nobody may write a list, says a rule over another table: the client leaves it to the server.
fn list_rules(_: &ErasedCtx) -> crate::Result<TableRules> {
    let nobody = Expr::And(vec![Expr::Or(vec![]), Expr::Exists(Box::new(Query::all(&TODOS)))]);
    Ok(TableRules {
        read: Expr::And(vec![]),
        insert: nobody.clone(),
        update: nobody.clone(),
        delete: nobody,
        frozen: &[],
    })
}

fn client() -> Client {
    let mut client = Client::new();
    let mut definition = definition_of(schema());
    definition.policies.push(PolicyDef { table: &TODOS, rules: todo_rules });
    definition.policies.push(PolicyDef { table: &LISTS, rules: list_rules });
    client.engine.definition = Arc::new(definition);
    client.begin();
    client
}

#[test]
fn rules_over_the_row_are_checked_before_and_after() {
    let mut client = client();
    let mut done = put_todo(13, 1, "done", None);
    done["value"]["done"] = json!(true);
    let base = vec![put_list(1, "L"), put_todo(11, 1, "open", None), put_todo(12, 1, "locked", None), done];
    client.pull(base, None);
    for (name, args) in [
        ("todo.add", json!({ "id": id(14), "list": id(1), "title": "forbidden" })),
        ("todo.title", json!({ "id": id(12), "title": "free" })),
        ("todo.title", json!({ "id": id(11), "title": "locked" })),
        ("todo.slug", json!({ "id": id(11), "slug": "s" })),
        ("todo.remove", json!({ "id": id(11) })),
        ("todo.done_all", json!({ "list": id(1) })),
    ] {
        let error = client.try_mutate(name, args).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{name}: {error}");
    }
    assert_eq!(client.texts(&TODOS, "title"), ["open", "locked", "done"]);
    for (name, args) in [
        ("todo.add", json!({ "id": id(14), "list": id(1), "title": "locked" })),
        ("todo.title", json!({ "id": id(11), "title": "free" })),
        ("todo.remove", json!({ "id": id(13) })),
        ("list.add", json!({ "id": id(2), "name": "left to the server" })),
        // A cascade is not checked again.
        ("list.remove", json!({ "id": id(1) })),
    ] {
        client.try_mutate(name, args).unwrap();
    }
    assert_eq!(client.rows(&TODOS).len(), 0);
}

#[test]
fn a_replay_that_is_no_longer_allowed_fails_locally() {
    let mut client = client();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "open", None)], None);
    client.mutate("todo.title", json!({ "id": id(11), "title": "mine" }));
    client.pull(vec![put_todo(11, 1, "locked", None)], None);
    assert_eq!(client.texts(&TODOS, "title"), ["locked"]);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert!(queued[0].failing.as_deref().unwrap().starts_with("unauthorized"));
}
