//! What is printed: chapters, sentences and lists. The whole of it is compared with `expected.txt` by the test.

use std::fmt::Display;

/// Text that grows.
#[derive(Debug, Default)]
pub struct Report(String);

impl Report {
    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&format!("== {title}\n"));
    }

    /// One line.
    pub fn say(&mut self, line: &str) {
        self.0.push_str(&format!("{line}\n"));
    }

    /// A line for each item, under a caption.
    pub fn list<D: Display>(&mut self, caption: &str, items: impl IntoIterator<Item = D>) {
        self.say(&format!("{caption}:"));
        let before = self.0.len();
        for item in items {
            self.0.push_str(&format!("    {item}\n"));
        }
        if self.0.len() == before {
            self.say("    (nothing)");
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}
