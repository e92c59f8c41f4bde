//! Declarations that `macro_rules!` writes: what is passed on is in invisible groups, and has another hygiene than the
//! attribute.
#![deny(warnings)]
#![allow(dead_code, missing_docs, missing_debug_implementations, unreachable_pub)]

use plasma::prelude::*;
use plasma::{Conflict, FileRef};

macro_rules! link {
    ($name:ident, $new:ident, $table:literal, $a:ident: $a_type:ty, $b:ident: $b_type:ty) => {
        #[plasma::table(
            name = $table, auth = open, unique($a, $b), index($b, $a), check = $name::rank.gte(0), patch
        )]
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            pub id: Id<$name>,
            #[column(on_delete = cascade)]
            pub $a: $a_type,
            pub $b: $b_type,
            #[column(default = 0)]
            pub rank: i64,
            pub maybe: Option<$b_type>,
        }

        impl $name {
            pub fn between($a: $a_type, $b: $b_type) -> $new {
                $new { $a, $b }
            }
        }
    };
}

#[plasma::table(name = "users", auth = open)]
pub struct User {
    pub id: Id<User>,
    pub name: String,
}

#[plasma::table(auth = open)]
pub struct Team {
    pub id: Id<Team>,
}

link!(Member, NewMember, "members", team_id: Id<Team>, user_id: Id<User>);
link!(Invite, NewInvite, "invites", team_id: Id<Team>, email: String);

macro_rules! number {
    ($name:ident { $($variant:ident = $number:literal),* }) => {
        #[derive(plasma::Column, Debug, Clone, Copy, PartialEq)]
        #[column(as = int)]
        #[repr(i32)]
        pub enum $name {
            $($variant = $number,)*
            #[column(other)]
            Other(i32),
        }
    };
}
number!(Level { Low = -1, High = 7 });

macro_rules! newtype {
    ($name:ident($inner:ty)) => {
        #[derive(plasma::Column, Debug, Clone, PartialEq)]
        pub struct $name(pub $inner);
    };
}
newtype!(Mail(String));

macro_rules! everything {
    (
        $table:ident, $number:ty = $default:literal, $check:expr, $merge:path, $size:literal, $mime:literal,
        $parent:path, $ctx:ty, $app:path, $version:literal, $lock:literal, $pin:literal
    ) => {
        #[plasma::table(auth = open, resolve_conflict = $merge, check = $check)]
        #[derive(Debug, Clone, PartialEq)]
        pub struct $table {
            pub id: Id<$table>,
            #[column(default = $default, name = "how_many")]
            pub count: $number,
            #[column(file(max_size = $size, mime($mime)))]
            pub scan: Option<FileRef>,
            #[column(on_delete = set_null)]
            pub parent: Option<Id<$parent>>,
            pub level: Level,
            pub mail: Option<Mail>,
        }

        #[plasma::schema(version = $version, ctx = $ctx, tables($parent, Member, Invite, User, $table), lock = $lock)]
        pub struct Pinned;

        const _: () = assert!($pin);
    };
}

fn merge(conflict: Conflict<'_, Document>) -> Document {
    conflict.local.clone()
}

everything!(
    Document, i64 = -5, Document::count.gte(-5), merge, "5 MiB", "image/*", crate::Team, (), App, "1", false, true
);

macro_rules! arguments {
    ($name:ident, $most:literal, $least:expr, $range:expr, $($field:ident: $type:ty),*) => {
        #[plasma::args(validate)]
        pub struct $name {
            $(#[arg(len(1..=$most), trim, email)] pub $field: $type,)*
            #[arg(range($least..))]
            pub at_least: i64,
            #[arg(range($range))]
            pub within: i64,
        }

        impl plasma::Validate for $name {
            fn validate(&self, _: &mut plasma::Checks) {}
        }
    };
}
arguments!(Ask, 200, 1 + 1, 1..=9, title: String, note: Option<String>);
arguments!(Tell, 20, 0, 1..=9, title: String);

macro_rules! mutators {
    ($set:ident, $app:path, $prefix:literal, $ctx:ty, $($name:ident($args:ty) $body:block)*) => {
        pub struct $set;

        #[plasma::mutators($app, name = $prefix)]
        impl $set {
            $(pub async fn $name(tx: &mut plasma::Tx<'_, $app>, ctx: &$ctx, args: $args) -> plasma::Result<()> {
                let _ = (tx, ctx, args);
                $body;
                Ok(())
            })*
        }
    };
}
mutators!(Letters, App, "mail", (), ask(Ask) { 1 } tell(Tell) { 2 });

macro_rules! schema {
    ($app:ident, $version:literal, [$($table:path),*], [$($set:ident),*]) => {
        #[plasma::schema(version = $version, tables($($table),*), mutators($($set),*), lock = false)]
        pub struct $app;
    };
}
schema!(App, "1", [User, crate::Team, Member, self::Invite, Document], [Letters]);

macro_rules! shape {
    ($name:ident, $table:path, $($field:ident: $type:ty),*) => {
        #[derive(plasma::Projection, Debug)]
        #[projection(from = $table)]
        pub struct $name {
            $(pub $field: $type,)*
        }
    };
}
shape!(Card, Member, rank: i64, user_id: Id<User>);

/// As the macro of a library writes it, whose users do not know plasma.
pub use ::plasma as hidden;
macro_rules! library {
    ($table:ident, $args:ident, $kind:ident, $shape:ident, $set:ident, $app:ident) => {
        #[$crate::hidden::table(crate = $crate::hidden, auth = open, patch)]
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $table {
            pub id: $crate::hidden::Id<$table>,
            pub text: String,
            pub kind: Option<$kind>,
        }

        #[derive($crate::hidden::Column, Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[column(crate = $crate::hidden)]
        pub enum $kind {
            Plain,
        }

        #[derive($crate::hidden::Projection)]
        #[projection(from = $table, crate = $crate::hidden)]
        pub struct $shape {
            pub text: String,
        }

        #[$crate::hidden::args(crate = $crate::hidden)]
        pub struct $args {
            #[arg(len(1..=3), trim)]
            pub text: String,
            pub kind: $kind,
        }

        pub struct $set;

        #[$crate::hidden::mutators($app, crate = $crate::hidden)]
        impl $set {
            pub async fn add(
                tx: &mut $crate::hidden::Tx<'_, $app>,
                (): &(),
                args: $args,
            ) -> $crate::hidden::Result<()> {
                use $crate::hidden::NewRow as _;
                tx.insert(NewPage { text: args.text }.with(Page::kind.to(args.kind))).await.map(drop)
            }
        }

        #[$crate::hidden::schema(
            version = "1", tables($table), mutators($set), lock = false, crate = $crate::hidden
        )]
        pub struct $app;
    };
}
library!(Page, AddPage, PageKind, PageText, Pages, Book);

fn main() {
    let args = <AddPage as plasma::mutate::MutatorArgs>::from_json(r#"{"text":" a ","kind":"Plain"}"#).unwrap();
    assert_eq!(args.text, "a");
    let patch: PagePatch = serde_json::from_str(r#"{"kind":null}"#).unwrap();
    assert_eq!(patch, PagePatch { kind: Some(None), ..PagePatch::default() });
    let _ = Member::between(Id::from_u128(1), Id::from_u128(2));
    let _ = Member::select().filter(Member::rank.eq(1)).project(plasma::row::<Member>());
    let names: Vec<_> = App::definition().mutators.iter().map(|mutator| mutator.name).collect();
    assert_eq!(names, ["mail.ask", "mail.tell"]);
    assert_eq!(Document::DEF.columns[1].name, "how_many");
}
