//! Tables written by hand, as `#[plasma::table]` writes them, for the unit tests of the typed surface.

#![allow(non_upper_case_globals, dead_code, missing_docs, reason = "what the macro emits, without its docs")]

use crate::mutate::{MutatorDef, PolicyDef};
use crate::query::typed::{Col, Further, IdCol, There, Within};
use crate::schema::{
    Codec, ColumnDef, Definition, Id, InSchema, IndexDef, Json, NewRow, Schema, SchemaDef, Table, TableDef, fingerprint,
};
use crate::value::{Timestamp, Value};

macro_rules! sample {
    (
        $t:ident = $name:literal, new $new:ident { $($nf:ident: $nty:ty),* $(,)? },
        { $($f:ident: $ty:ty $([$($option:tt)*])?),* $(,)? } $([$($table:tt)*])?
    ) => {
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $t {
            pub(crate) id: Id<$t>,
            $(pub(crate) $f: $ty),*
        }
        impl $t {
            pub(crate) const id: IdCol<$t> = IdCol::new_unchecked($name, "id");
            $(pub(crate) const $f: Col<$t, $ty> = Col::new_unchecked($name, stringify!($f));)*
        }
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $new {
            $(pub(crate) $nf: $nty),*
        }
        impl Table for $t {
            type New = $new;
            const NAME: &'static str = $name;
            const CODEC: Codec<$t, $new> = Codec {
                columns: &[
                    ColumnDef::of::<Id<$t>>("id"),
                    $(ColumnDef::of::<$ty>(stringify!($f))$($($option)*)?),*
                ],
                decode: |r| Ok($t { id: r.read()?, $($f: r.read()?),* }),
                encode: |row, w| {
                    w.write(row.id);
                    $(w.write(row.$f);)*
                },
                new_columns: &[$(stringify!($nf)),*],
                encode_new: |new, w| {
                    let _ = (&new, &w);
                    $(w.write(new.$nf);)*
                },
            };
            const DEF: &'static TableDef = &TableDef::new($name, <$t as Table>::CODEC.columns)$($($table)*)?;
        }
        impl NewRow for $new {
            type Table = $t;
        }
        impl<S: Further<$t, I>, I> Within<S, There<I>> for $t {}
    };
}

sample!(User = "users", new NewUser { name: String }, { name: String, admin: bool [.default_value(|| Value::Bool(false))] });
sample!(Org = "orgs", new NewOrg { name: String }, { name: String });
sample!(Member = "members", new NewMember { org_id: Id<Org>, user_id: Id<User> }, {
    org_id: Id<Org>,
    user_id: Id<User>,
    role: String [.default_value(|| Value::Text("guest".to_owned()))],
});
sample!(Todo = "todos", new NewTodo { title: String, org_id: Id<Org> }, {
    title: String,
    done: bool [.default_value(|| Value::Bool(false))],
    points: i32 [.default_value(|| Value::Int(0))],
    rank: i64 [.default_value(|| Value::Int(7))],
    weight: f64 [.default_value(|| Value::Float(1.0))],
    note: Option<String>,
    due: Option<Timestamp>,
    flag: Option<bool>,
    thumb: Option<Vec<u8>>,
    meta: Json<Vec<u8>> [.default_value(|| Value::Json("[]".to_owned()))],
    org_id: Id<Org>,
    parent_id: Option<Id<Todo>>,
    owner_id: Option<Id<User>>,
});
// Met by its id, by `code`, or by `shop` and `place` together.
sample!(Stock = "stock", new NewStock { code: i64, shop: i64, place: Option<i64> }, {
    code: i64 [.unique()],
    shop: i64,
    place: Option<i64>,
    qty: i64 [.default_value(|| Value::Int(1))],
} [.indexes(&[IndexDef::unique(&["shop", "place"])])]);
sample!(Stray = "stray", new NewStray {}, { name: Option<String> });

/// A schema over the sample tables but `Stray`.
#[derive(Debug)]
pub(crate) struct App;

/// Its context: who calls.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ctx {
    pub(crate) user: Option<Id<User>>,
}

const TABLES: &[&TableDef] = &[User::DEF, Org::DEF, Member::DEF, Todo::DEF, Stock::DEF];

impl Schema for App {
    type Ctx = Ctx;
    const DEF: SchemaDef =
        SchemaDef { name: "App", version: "1", fingerprint: fingerprint::schema(TABLES), tables: TABLES, locked: &[] };
    fn definition() -> Definition {
        Definition { schema: Self::DEF, mutators: Vec::<MutatorDef>::new(), policies: Vec::<PolicyDef>::new() }
    }
}
impl InSchema<App> for User {}
impl InSchema<App> for Org {}
impl InSchema<App> for Member {}
impl InSchema<App> for Todo {}
impl InSchema<App> for Stock {}
