use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Recorder, id, on_server};
use crate::error::{Error, Result};
use crate::future::{BoxFuture, poll_once};
use crate::mutate::{
    Checks, Columns, ErasedCtx, Mutation, MutatorArgs, MutatorDef, Policy, PolicyDef, RunsIn, TableRules, Tx, columns,
};
use crate::query::ir::{CompareOp, Expr};
use crate::query::typed::Filter;
use crate::schema::samples::{App, Ctx, NewTodo, Org, Todo, User};
use crate::schema::{Id, Schema, Table};
use crate::{ErrorKind, schema::NewRow};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddTodo {
    org: Id<Org>,
    title: String,
}

impl MutatorArgs for AddTodo {
    fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
    fn check(&self, checks: &mut Checks) {
        checks.len("title", &self.title, 1..=10);
    }
}

async fn add(tx: &mut Tx<'_, App>, ctx: &Ctx, args: AddTodo) -> Result<()> {
    let user = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
    tx.insert(NewTodo { title: args.title, org_id: args.org }.with(Todo::owner_id.to(user))).await?;
    Ok(())
}

impl Mutation for AddTodo {
    type Schema = App;
    const NAME: &'static str = "todos.add";
    fn run<'a>(self, tx: &'a mut Tx<'_, App>, ctx: &'a Ctx) -> BoxFuture<'a, Result<()>> {
        Box::pin(add(tx, ctx, self))
    }
}
impl RunsIn<App> for AddTodo {}

const ADD: MutatorDef = MutatorDef::of::<AddTodo>();

fn run_add(ctx: &ErasedCtx, args: &str) -> (Result<()>, Recorder) {
    let meta = on_server();
    let mut recorder = Recorder::default();
    let result = poll_once((ADD.run)(&mut recorder, &meta, ctx, args)).expect("ready at once");
    (result, recorder)
}

#[test]
fn an_erased_mutator_decodes_checks_and_runs() {
    assert_eq!((ADD.name, ADD.server_only), ("todos.add", false));
    let ctx = Ctx { user: Some(id(4)) };
    let args = json!({ "org": id::<Org>(1), "title": "milk" }).to_string();
    let (result, recorder) = run_add(&ctx, &args);
    result.unwrap();
    let row = recorder.inserted()[0].clone();
    assert_eq!(row[Todo::DEF.column_index("owner_id").unwrap()], id::<User>(4).to_string().into());
    // What a client stores and sends is what the mutator reads.
    let sent = serde_json::to_string(&AddTodo { org: id(1), title: "milk".into() }).unwrap();
    run_add(&ctx, &sent).0.unwrap();
}

#[test]
fn an_erased_mutator_refuses_before_it_runs() {
    let ctx = Ctx { user: Some(id(4)) };
    let cases = [
        (json!({ "org": id::<Org>(1) }), ErrorKind::InvalidArgs, "title"),
        (json!({ "org": "no", "title": "x" }), ErrorKind::InvalidArgs, "`org`"),
        (json!({ "org": id::<Org>(1), "title": "x", "more": 1 }), ErrorKind::InvalidArgs, "more"),
        (json!([id::<Org>(1), "x"]), ErrorKind::InvalidArgs, "object"),
        (json!({ "org": id::<Org>(1), "title": "" }), ErrorKind::Validation, "`title`"),
    ];
    for (args, kind, word) in cases {
        let (result, recorder) = run_add(&ctx, &args.to_string());
        let error = result.expect_err("refused");
        assert_eq!(error.kind(), kind, "{args}");
        assert!(error.is_refusal(), "{args}");
        assert!(error.message().contains(word), "{args}: {error}");
        assert!(recorder.writes.is_empty() && recorder.queries.is_empty());
    }
    let (result, _) = run_add(&ctx, &json!({ "org": id::<Org>(1), "title": "much too long" }).to_string());
    let data = result.expect_err("too long").data().cloned().expect("the fields");
    assert_eq!(data["fields"][0]["field"], "title");
}

#[test]
fn the_error_of_the_mutator_and_a_foreign_context_come_out() {
    let args = json!({ "org": id::<Org>(1), "title": "milk" }).to_string();
    let (result, recorder) = run_add(&Ctx { user: None }, &args);
    assert_eq!(result.expect_err("nobody").kind(), ErrorKind::Unauthorized);
    assert!(recorder.writes.is_empty());
    let (result, _) = run_add(&"another context", &args);
    let error = result.expect_err("another schema's");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("Ctx"), "{error}");
}

/// What `#[plasma::mutators]` checks for each parameter.
#[test]
fn signatures_are_checked_by_role() {
    use crate::mutate::{CtxArg, MutatorOutput, TxArg};
    fn roles<'a, 't: 'a, T, C, A: MutatorArgs, O: MutatorOutput>()
    where
        T: TxArg<'a, 't, App>,
        C: CtxArg<'a, Ctx>,
    {
    }
    roles::<&mut Tx<'_, App>, &Ctx, AddTodo, Result<()>>();
    fn callable<M: RunsIn<S>, S: Schema>() {}
    callable::<AddTodo, App>();
}

impl Policy<Ctx> for Todo {
    fn read(ctx: &Ctx) -> Filter<Todo> {
        Filter::when(ctx.user.is_none()).or(Todo::owner_id.is(ctx.user))
    }
    fn update(ctx: &Ctx) -> Filter<Todo> {
        Self::read(ctx).and(Todo::done.not())
    }
    const FROZEN: Columns<Todo> = columns!(Todo::org_id, Todo::title);
}

impl Policy<Ctx> for Org {
    fn read(_: &Ctx) -> Filter<Org> {
        Org::name.eq("\0").into()
    }
}

#[test]
fn a_policy_is_bound_to_its_caller() {
    const TODOS: PolicyDef = PolicyDef::of::<Todo, Ctx>();
    assert_eq!(TODOS.table, Todo::DEF);
    let me = id::<User>(4);
    let rules = (TODOS.rules)(&Ctx { user: Some(me) }).unwrap();
    let todo = |column| Expr::column("todos", column);
    let mine = Expr::compare(CompareOp::Is, todo("owner_id"), Expr::Literal(me.to_string().into()));
    let expected = TableRules {
        read: mine.clone(),
        insert: Expr::Or(vec![]),
        update: mine.and(Expr::Not(Box::new(todo("done")))),
        delete: Expr::Or(vec![]),
        frozen: &["org_id", "title"],
    };
    assert_eq!(rules, expected);
    assert_eq!((TODOS.rules)(&Ctx { user: None }).unwrap().read, Expr::And(vec![]));
    assert_eq!(Columns::<User>::none().names(), [""; 0]);

    let foreign = (TODOS.rules)(&"another context").expect_err("another schema's");
    assert_eq!(foreign.kind(), ErrorKind::Internal);
    let faulty = (PolicyDef::of::<Org, Ctx>().rules)(&Ctx { user: None }).expect_err("U+0000");
    assert_eq!(faulty.kind(), ErrorKind::Validation);
}
