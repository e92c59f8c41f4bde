//! The tables and mutators the benchmarks use: lists and todos, as in the example.

use plasma_runtime::future::BoxFuture;
use plasma_runtime::mutate::{Access, ErasedCtx, Executor, MutatorDef, TxMeta};
use plasma_runtime::query::ir::{Change, Expr, Write};
use plasma_runtime::schema::{ColumnDef, Definition, OnDelete, SchemaDef, TableDef, fingerprint};
use plasma_runtime::value::{Kind, Value};
use plasma_runtime::{Error, ErrorKind, Result};
use serde::Deserialize;

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef {
        name,
        kind,
        nullable: false,
        unique: false,
        default: None,
        references: None,
        on_delete: OnDelete::NoAction,
    }
}
const fn nullable(mut column: ColumnDef) -> ColumnDef {
    column.nullable = true;
    column
}
const fn list_id() -> ColumnDef {
    let mut column = column("list_id", Kind::Id).on_delete(OnDelete::Cascade);
    column.references = Some("lists");
    column
}
const fn open(mut table: TableDef) -> TableDef {
    table.open = true;
    table
}

pub static LISTS: TableDef = open(TableDef::new("lists", &[column("id", Kind::Id), column("name", Kind::Text)]));
pub static TODOS: TableDef = open(TableDef::new(
    "todos",
    &[
        column("id", Kind::Id),
        list_id(),
        column("title", Kind::Text),
        column("done", Kind::Bool).default_value(|| Value::Bool(false)),
        nullable(column("note", Kind::Text)),
        column("created_at", Kind::Timestamp),
    ],
));

pub static TABLES: [&TableDef; 2] = [&LISTS, &TODOS];

#[derive(Deserialize)]
struct Add {
    id: String,
    list_id: String,
    title: String,
}

#[derive(Deserialize)]
struct SetDone {
    id: String,
    done: bool,
}

fn args<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| Error::new(ErrorKind::InvalidArgs, e.to_string()))
}

fn lists_create<'t>(
    executor: &'t mut dyn Executor,
    _: &'t TxMeta,
    _: &'t ErasedCtx,
    json: &'t str,
) -> BoxFuture<'t, Result<()>> {
    #[derive(Deserialize)]
    struct Create {
        id: String,
        name: String,
    }
    Box::pin(async move {
        let list: Create = args(json)?;
        let row = vec![Value::Text(list.id), Value::Text(list.name)];
        executor.write(Write::Insert { table: &LISTS, row }, Access::Checked).await?;
        Ok(())
    })
}

fn todos_add<'t>(
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    _: &'t ErasedCtx,
    json: &'t str,
) -> BoxFuture<'t, Result<()>> {
    Box::pin(async move {
        let todo: Add = args(json)?;
        if todo.title.is_empty() || todo.title.chars().count() > 200 {
            return Err(Error::validation("a title has 1 to 200 characters"));
        }
        let row = vec![
            Value::Text(todo.id),
            Value::Text(todo.list_id),
            Value::Text(todo.title),
            Value::Bool(false),
            Value::Null,
            Value::Int(meta.now().micros()),
        ];
        executor.write(Write::Insert { table: &TODOS, row }, Access::Checked).await?;
        Ok(())
    })
}

fn todos_set_done<'t>(
    executor: &'t mut dyn Executor,
    _: &'t TxMeta,
    _: &'t ErasedCtx,
    json: &'t str,
) -> BoxFuture<'t, Result<()>> {
    Box::pin(async move {
        let todo: SetDone = args(json)?;
        let changes = vec![Change { column: "done", value: Expr::Literal(Value::Bool(todo.done)) }];
        executor.write(Write::Update { table: &TODOS, id: todo.id, changes }, Access::Checked).await?;
        Ok(())
    })
}

/// The schema and its mutators: `lists.create`, `todos.add`, `todos.set_done`.
pub fn definition() -> Definition {
    Definition {
        schema: SchemaDef {
            name: "Bench",
            version: "bench-1",
            fingerprint: const { fingerprint::schema(&[&LISTS, &TODOS]) },
            tables: &TABLES,
        },
        mutators: vec![
            MutatorDef { name: "lists.create", server_only: false, run: lists_create },
            MutatorDef { name: "todos.add", server_only: false, run: todos_add },
            MutatorDef { name: "todos.set_done", server_only: false, run: todos_set_done },
        ],
        policies: Vec::new(),
    }
}
