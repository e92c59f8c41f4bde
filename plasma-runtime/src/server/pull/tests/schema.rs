//! Hand-written tables: the shared todo lists, and what else a policy can do.

use crate::error::Result;
use crate::mutate::{ErasedCtx, PolicyDef, TableRules};
use crate::query::ir::{ColumnRef, Expr, Query, Select};
use crate::schema::{ColumnDef, Definition, OnDelete, SchemaDef, TableDef, fingerprint};
use crate::value::{Kind, Value};

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef::new(name, kind)
}

const fn nullable(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..column(name, kind) }
}

const fn reference(name: &'static str, table: &'static str) -> ColumnDef {
    ColumnDef { references: Some(table), on_delete: OnDelete::Cascade, ..column(name, Kind::Id) }
}

pub(super) static LISTS: TableDef =
    TableDef::new("lists", &[column("id", Kind::Id), column("name", Kind::Text), column("owner", Kind::Text)]);
pub(super) static TODOS: TableDef = TableDef::new(
    "todos",
    &[
        column("id", Kind::Id),
        reference("list_id", "lists"),
        column("title", Kind::Text),
        column("done", Kind::Bool),
        nullable("note", Kind::Text),
        column("created_at", Kind::Timestamp),
    ],
);
pub(super) static SHARES: TableDef =
    TableDef::new("shares", &[column("id", Kind::Id), reference("list_id", "lists"), column("user", Kind::Text)]);
/// Readable unless a (server-only) block says otherwise.
pub(super) static TAGS: TableDef =
    TableDef::new("tags", &[column("id", Kind::Id), reference("list_id", "lists"), column("label", Kind::Text)]);
pub(super) static BLOCKS: TableDef = TableDef {
    local_only: true,
    ..TableDef::new("blocks", &[column("id", Kind::Id), column("list_id", Kind::Id), column("user", Kind::Text)])
};
/// Readable while a (server-only) switch is on: no equality ties them.
pub(super) static REPORTS: TableDef = TableDef::new("reports", &[column("id", Kind::Id), column("body", Kind::Text)]);
pub(super) static SWITCHES: TableDef =
    TableDef { local_only: true, ..TableDef::new("switches", &[column("id", Kind::Id), column("is_on", Kind::Bool)]) };
/// Open, with every kind of value.
pub(super) static NOTES: TableDef = TableDef {
    open: true,
    ..TableDef::new(
        "notes",
        &[
            column("id", Kind::Id),
            nullable("data", Kind::Blob),
            nullable("weight", Kind::Float),
            nullable("big", Kind::BigInt),
            nullable("small", Kind::Int),
            nullable("flag", Kind::Bool),
            nullable("tree", Kind::Json),
            nullable("day", Kind::Date),
            nullable("price", Kind::Fixed(2)),
            nullable("scan", Kind::File),
        ],
    )
};

static TABLES: &[&TableDef] = &[&LISTS, &TODOS, &SHARES, &TAGS, &BLOCKS, &REPORTS, &SWITCHES, &NOTES];

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ctx {
    pub(super) user: String,
    /// Sees all lists; the policy's digest changes with it.
    pub(super) admin: bool,
    /// In the context, but in no policy.
    pub(super) token: u64,
}

pub(super) fn definition() -> Definition {
    Definition {
        schema: SchemaDef {
            name: "Test",
            version: "1",
            fingerprint: fingerprint::schema(TABLES),
            tables: TABLES,
            locked: &[],
        },
        mutators: Vec::new(),
        policies: vec![
            PolicyDef { table: &LISTS, rules: |ctx| read(ctx, lists) },
            PolicyDef { table: &TODOS, rules: |ctx| read(ctx, todos) },
            PolicyDef { table: &SHARES, rules: |ctx| read(ctx, shares) },
            PolicyDef { table: &TAGS, rules: |ctx| read(ctx, tags) },
            PolicyDef { table: &REPORTS, rules: |ctx| read(ctx, reports) },
        ],
    }
}

fn read(ctx: &ErasedCtx, rule: fn(&Ctx) -> Expr) -> Result<TableRules> {
    let ctx = ctx.downcast_ref::<Ctx>().ok_or_else(|| crate::Error::internal("another context"))?;
    let nothing = || Expr::Literal(Value::Bool(false));
    Ok(TableRules { read: rule(ctx), insert: nothing(), update: nothing(), delete: nothing(), frozen: &[] })
}

fn at(level: u8, table: &'static str, column: &'static str) -> Expr {
    Expr::Column(ColumnRef { level, table, column })
}

fn text(text: &str) -> Expr {
    Expr::Literal(Value::from(text))
}

fn exists(table: &'static TableDef, filter: Expr) -> Expr {
    Expr::Exists(Box::new(Query::all(table).filter(filter)))
}

/// The list is the caller's or shared with it. Over a row of `lists` at level 0.
pub(super) fn lists(ctx: &Ctx) -> Expr {
    if ctx.admin {
        return Expr::Literal(Value::Bool(true));
    }
    let shared = Expr::eq(at(0, "shares", "list_id"), at(1, "lists", "id"))
        .and(Expr::eq(at(0, "shares", "user"), text(&ctx.user)));
    Expr::eq(at(0, "lists", "owner"), text(&ctx.user)).or(exists(&SHARES, shared))
}

pub(super) fn todos(ctx: &Ctx) -> Expr {
    exists(&LISTS, Expr::eq(at(1, "todos", "list_id"), at(0, "lists", "id")).and(lists(ctx)))
}

pub(super) fn shares(ctx: &Ctx) -> Expr {
    let owned = Query {
        select: Select::Exprs(vec![at(0, "lists", "id")]),
        ..Query::all(&LISTS).filter(Expr::eq(at(0, "lists", "owner"), text(&ctx.user)))
    };
    Expr::eq(at(0, "shares", "user"), text(&ctx.user))
        .or(Expr::InQuery { expr: Box::new(at(0, "shares", "list_id")), query: Box::new(owned) })
}

pub(super) fn tags(ctx: &Ctx) -> Expr {
    let blocked = Expr::eq(at(0, "blocks", "list_id"), at(1, "tags", "list_id"))
        .and(Expr::eq(at(0, "blocks", "user"), text(&ctx.user)));
    Expr::Not(Box::new(exists(&BLOCKS, blocked)))
}

pub(super) fn reports(_: &Ctx) -> Expr {
    exists(&SWITCHES, Expr::eq(at(0, "switches", "is_on"), Expr::Literal(Value::Bool(true))))
}
