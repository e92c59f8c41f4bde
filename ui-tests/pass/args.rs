//! Arguments with every rule, and rules of one's own.

use plasma::prelude::*;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    pub city: String,
}

#[plasma::args]
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    #[arg(len(1..=20), trim)]
    pub name: String,
    #[arg(email)]
    pub email: Option<String>,
    #[arg(range(18..))]
    pub age: i32,
    #[arg(len(..=3))]
    pub hobbies: Vec<String>,
    #[serde(default)]
    pub place: Option<Place>,
}

#[plasma::args(validate)]
pub struct Rename {
    pub name: String,
}

impl Validate for Rename {
    fn validate(&self, checks: &mut Checks) {
        checks.check("name", !self.name.starts_with('_'), "reserved", "must not start with `_`");
    }
}

fn main() {
    let read: Register = serde_json::from_str(r#"{"name":" Ada ","email":null,"age":18,"hobbies":[]}"#).unwrap();
    assert_eq!(read.name, "Ada");
    let _ = Rename { name: String::new() };
}
