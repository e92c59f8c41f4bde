//! Indexes and unique sets, of one column and of several.

use plasma::prelude::*;

#[plasma::table(
    name = "issues",
    auth = open,
    unique(project, number),
    unique(number, slug),
    index(project, state, due),
    index(state, project)
)]
pub struct Issue {
    pub id: Id<Issue>,
    pub project: String,
    pub number: i64,
    #[column(unique)]
    pub slug: String,
    #[column(index)]
    pub state: String,
    pub due: Option<Timestamp>,
    pub parent: Option<Id<Issue>>,
}

fn main() {
    assert!(Issue::DEF.columns.iter().any(|column| column.name == "parent"));
}
