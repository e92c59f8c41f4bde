//! A poke as the text that a bus carries.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A poke on its way between processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The process that announces: it does not listen to itself.
    pub from: String,
    /// The groups whose clients wrote; empty for all.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

impl Announcement {
    /// As text of at most `most` bytes: when the groups do not fit, it is about all of them.
    ///
    /// ```
    /// use plasma_runtime::server::Announcement;
    ///
    /// let told = Announcement { from: "p1".to_owned(), groups: ["alice".to_owned()].into() };
    /// assert_eq!(told.to_text(100), r#"{"from":"p1","groups":["alice"]}"#);
    /// assert_eq!(told.to_text(20), r#"{"from":"p1","groups":[]}"#);
    /// assert_eq!(Announcement::from_text(&told.to_text(100)), Some(told));
    /// ```
    pub fn to_text(&self, most: usize) -> String {
        let whole = serde_json::to_string(self).ok().filter(|text| text.len() <= most);
        whole.unwrap_or_else(|| format!(r#"{{"from":"{}","groups":[]}}"#, self.from))
    }

    /// Read back; none when it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
