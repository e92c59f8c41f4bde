//! The passing twin of the declaration family: every option and every kind of column.
#![deny(missing_docs, warnings, clippy::pedantic)]

use plasma::Json;
use plasma::prelude::*;
use serde::{Deserialize, Serialize};

/// A JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Any words.
    pub words: Vec<String>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, plasma::Column)]
pub struct Email(pub String);

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, plasma::Column)]
#[column(rename_all = "kebab-case")]
pub enum Status {
    /// Not yet.
    Open,
    /// Now.
    InProgress,
    /// Past.
    #[column(rename = "closed")]
    Done,
}

/// What `Option<String>` is called here.
pub type Note = Option<String>;

/// A person.
#[plasma::table(name = "users")]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The row.
    pub id: Id<Self>,
    /// The address.
    #[column(unique)]
    pub email: Email,
}

/// A task.
#[plasma::table(name = "todos")]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    /// The row.
    pub id: Id<Todo>,
    /// What to do.
    pub title: String,
    /// Whether it is done.
    #[column(default = false)]
    pub done: bool,
    /// How hard it is.
    #[column(default = -1)]
    pub points: i32,
    /// Where it stands.
    pub rank: i64,
    /// How far it is.
    #[column(default = 0.5)]
    pub progress: f64,
    /// When it was made.
    pub created_at: Timestamp,
    /// More words.
    pub note: Option<String>,
    /// More words still.
    pub aside: Note,
    /// Part of an address.
    #[column(unique, name = "the_slug")]
    pub slug: String,
    /// Whose it is.
    #[column(on_delete = cascade)]
    pub owner_id: Id<User>,
    /// What it is part of.
    #[column(on_delete = set_null)]
    pub parent_id: Option<Id<Self>>,
    /// A picture.
    pub thumb: Vec<u8>,
    /// A document.
    pub meta: Json<Meta>,
    /// The state.
    #[column(default = Status::Open)]
    pub status: Status,
    /// A name that is a word of the language.
    pub r#type: String,
    /// A name that is a function of every table.
    #[column(name = "is_selected", accessor = selected)]
    pub select: bool,
}

/// What only this device knows.
#[plasma::table(local_only)]
struct Draft {
    id: Id<Draft>,
    body: String,
}

/// What everybody may read and write.
#[plasma::table(auth = open)]
pub(crate) struct Setting {
    pub(crate) id: Id<Setting>,
    pub(crate) value: String,
}

/// The columns are `Copy`, compare, and assign.
fn columns() {
    let _ = Todo::select()
        .filter(Todo::status.eq(Status::Open))
        .filter(Todo::owner_id.in_query(User::select().filter(User::email.eq(Email("a@b".into()))).project(User::id)));
    let _ = Todo::status.to(Status::Done);
    let _ = User::email.to(Email(String::new()));
    let _ = User::select().order_by(User::email.asc()).filter(User::email.like("%@example.org"));
    let _ = (Todo::r#type, Todo::selected, Draft::body, Setting::value);
}

fn main() {
    columns();
    let new = NewTodo {
        title: "milk".into(),
        rank: 1,
        created_at: Timestamp::from_millis(0),
        aside: None,
        slug: "milk".into(),
        owner_id: "00000000-0000-7000-8000-000000000000".parse().expect("an id"),
        thumb: Vec::new(),
        meta: Json(Meta { words: Vec::new() }),
        r#type: "task".into(),
        select: true,
    };
    let copy = new.clone();
    assert_eq!(new, copy);
    let _ = copy.with(Todo::note.to("later"));
    let columns: Vec<_> = Todo::DEF.columns.iter().map(|column| (column.name, column.nullable)).collect();
    assert_eq!(columns[7..10], [("note", true), ("aside", true), ("the_slug", false)]);
    assert_eq!(columns[15].0, "type");
    assert_eq!(User::DEF.column("id").and_then(|column| column.references), Some("users"));
    assert!(Draft::DEF.local_only && !Draft::DEF.open && Draft::NAME == "draft");
    assert!(Setting::DEF.open);
    let default = Todo::DEF.column("status").and_then(|column| column.default).expect("a default");
    let plasma::schema::ColumnDefault::Value(default) = default else { panic!("a constant") };
    assert_eq!(default(), plasma::value::Value::from("open"));
    // A row survives encoding and decoding; an unknown variant is an error and no panic.
    let user = User { id: "00000000-0000-7000-8000-000000000000".parse().expect("an id"), email: Email("a@b".into()) };
    let mut writer = plasma::schema::RowWriter::default();
    (User::CODEC.encode)(user.clone(), &mut writer);
    let row = writer.finish().expect("every value can be stored");
    assert_eq!(row[1], plasma::value::Value::from("a@b"));
    assert_eq!((User::CODEC.decode)(&mut plasma::schema::RowReader::new(row)).expect("a row"), user);
    assert!((User::CODEC.decode)(&mut plasma::schema::RowReader::new(Vec::new())).is_err());
    for (status, text) in [(Status::Open, "open"), (Status::InProgress, "in-progress"), (Status::Done, "closed")] {
        let value = plasma::ColumnType::into_value(status).expect("a text");
        assert_eq!(value, plasma::value::Value::from(text));
        assert_eq!(<Status as plasma::ColumnType>::from_value(value).expect("a variant"), status);
    }
    let unknown = <Status as plasma::ColumnType>::from_value("paused".into()).expect_err("no variant");
    assert_eq!(unknown.kind(), plasma::ErrorKind::Storage);
    assert!(<Status as plasma::ColumnType>::from_value(plasma::value::Value::Null).is_err());
    assert_eq!(NewSetting { value: "x".into() }.value, "x");
    assert_eq!(NewDraft { body: "x".into() }.body, "x");
}
