//! Every option of a table and of a column, and what becomes of it.

use plasma::prelude::*;
use plasma::schema::{ColumnDefault, FileOptions, IndexDef, UploadTime};
use plasma::value::Value;
use plasma::{Conflict, Date, FileRef};

const FIRST_ORG: Id<Org> = Id::from_u128(7);

#[plasma::table(name = "orgs", auth = open)]
pub struct Org {
    pub id: Id<Org>,
    pub name: String,
}

/// An issue.
#[plasma::table(
    name = "issues",
    auth = open,
    unique(org_id, number),
    index(org_id, status, rank),
    index(assignee),
    unique(slug),
    check = Issue::number.gte(1),
    check = Self::status.ne("gone").or(Self::rank.is_null()),
    patch(title, status, due),
    resolve_conflict = merge::issue,
    blobs = "attachments"
)]
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issue {
    pub id: Id<Issue>,
    #[column(on_delete = cascade)]
    pub org_id: Id<Org>,
    pub number: i64,
    /// What it is about.
    pub title: String,
    #[column(default = "open", index)]
    pub status: String,
    pub rank: Option<i64>,
    #[serde(rename = "dueOn")]
    pub due: Option<Date>,
    pub slug: String,
    #[column(unconstrained)]
    pub assignee: Option<Id<Org>>,
    #[column(default = FIRST_ORG)]
    home: Id<Org>,
    #[column(default = now)]
    pub created_at: Timestamp,
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
    #[column(on_update = now, name = "seen_on")]
    pub seen: Option<Date>,
    #[column(file(max_size = "5 MiB", mime("image/*", "application/pdf"), immutable, upload = lazy))]
    pub picture: Option<FileRef>,
    #[column(name = "the_order", accessor = position)]
    pub order: i32,
    #[column(name = "select_")]
    #[column(accessor = chosen, default = false)]
    pub select: bool,
}

mod merge {
    use super::{Conflict, Issue};

    pub fn issue(conflict: Conflict<'_, Issue>) -> Issue {
        Issue { title: conflict.local.title.clone(), ..conflict.remote.clone() }
    }
}

/// All columns at once.
#[plasma::table(auth = open, patch)]
#[derive(Debug, PartialEq)]
pub struct Setting {
    pub id: Id<Setting>,
    pub value: String,
    pub(crate) hint: Option<String>,
}

#[plasma::schema(version = "1", ctx = (), tables(Org, Issue, Setting))]
pub struct App;

/// What serde is told about the struct is not about its new rows.
#[plasma::table(auth = open, patch)]
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Draft {
    pub id: Id<Draft>,
    pub text: String,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft { id: Id::from_u128(0), text: String::new() }
    }
}

#[plasma::table(auth = open)]
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Letter {
    pub id: Id<Letter>,
    pub text: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Written(Id<Letter>, String);

impl TryFrom<Written> for Letter {
    type Error = String;
    fn try_from(Written(id, text): Written) -> Result<Letter, String> {
        Ok(Letter { id, text })
    }
}

impl From<Letter> for Written {
    fn from(letter: Letter) -> Written {
        Written(letter.id, letter.text)
    }
}

fn main() {
    let table = Issue::DEF;
    assert_eq!(
        table.indexes,
        [
            IndexDef::new(&["status"]),
            IndexDef::unique(&["org_id", "number"]),
            IndexDef::new(&["org_id", "status", "rank"]),
            IndexDef::new(&["assignee"]),
        ]
    );
    assert_eq!(table.unique_sets().collect::<Vec<_>>(), [vec!["slug"], vec!["org_id", "number"]]);
    let checks: Vec<&str> = table.checks.iter().map(|check| check.text).collect();
    assert_eq!(checks, ["Issue::number.gte(1)", "Self::status.ne(\"gone\").or(Self::rank.is_null())"]);
    assert_eq!(table.blobs, Some("attachments"));

    let column = |name: &str| table.column(name).unwrap();
    assert_eq!((column("org_id").references, column("assignee").references), (Some("orgs"), None));
    assert!(matches!(column("created_at").default, Some(ColumnDefault::Now)));
    assert!(!column("created_at").on_update_now && column("updated_at").on_update_now && column("seen_on").on_update_now);
    let Some(ColumnDefault::Value(home)) = column("home").default else { panic!("no default") };
    assert_eq!(home(), Value::from("00000000-0000-0000-0000-000000000007"));
    assert_eq!(
        column("picture").file,
        Some(&FileOptions {
            max_size: Some(5 << 20),
            mime: &["image/*", "application/pdf"],
            immutable: true,
            upload: UploadTime::Lazy,
        })
    );
    assert_eq!((Issue::position.name(), Issue::chosen.name()), ("the_order", "select_"));

    // A new row names neither what has a default nor what may be null.
    let _ = NewIssue { org_id: FIRST_ORG, number: 1, title: String::new(), slug: String::new(), order: 1 };

    // Absent stays, null clears.
    let patch: IssuePatch = serde_json::from_str(r#"{"title":"a","dueOn":null}"#).unwrap();
    assert_eq!(patch, IssuePatch { title: Some("a".into()), due: Some(None), ..Default::default() });
    assert_eq!(serde_json::to_string(&patch).unwrap(), r#"{"title":"a","dueOn":null}"#);
    assert_eq!(serde_json::from_str::<IssuePatch>("{}").unwrap(), IssuePatch::default());
    assert!(serde_json::from_str::<IssuePatch>(r#"{"title":null}"#).is_err(), "a title is never null");
    assert!(serde_json::from_str::<IssuePatch>(r#"{"orgId":null}"#).is_err(), "only named columns");
    fn changes<T>(_: impl plasma::query::typed::Changes<T>) {}
    changes::<Issue>((patch, Issue::number.to(2)));
    changes::<Setting>(SettingPatch { value: Some("x".into()), hint: Some(None) });
    assert_eq!(format!("{:?}", SettingPatch::default()), "SettingPatch { value: None, hint: None }");

    // The merge runs over untyped rows.
    let row = |title: &str| {
        let mut row = vec![Value::Null; table.columns.len()];
        for (value, column) in row.iter_mut().zip(table.columns) {
            *value = match column.name {
                "id" | "org_id" | "home" => Value::from("00000000-0000-0000-0000-000000000007"),
                "title" => Value::from(title),
                "status" | "slug" => Value::from("x"),
                "number" | "the_order" | "created_at" | "updated_at" => Value::Int(1),
                "select_" => Value::Bool(true),
                _ => Value::Null,
            };
        }
        row
    };
    let resolve = table.resolve_conflict.unwrap();
    let rows = plasma::mutate::ConflictRows { base: None, local: row("mine"), remote: row("theirs") };
    assert_eq!(resolve(rows).unwrap(), row("mine"));
}
