//! Where cases start: every item that the project's own tests feed to a macro.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::Delimiter;

use super::tree::{self, Tree};
use super::{Case, MACROS};

/// The starting points, and the pieces they are made of.
pub(super) struct Corpus {
    cases: Vec<(&'static str, Case)>,
    /// Identifiers, literals and signs, each once.
    pub(super) words: Vec<Tree>,
    /// Groups, each once.
    pub(super) groups: Vec<Tree>,
    /// `key`, `key = value` and `key(..)` out of all options, each once.
    pub(super) options: Vec<Vec<Tree>>,
}

/// Words that no test has, but people do.
const ODD_WORDS: &[&str] = &[
    "r#type",
    "r#move",
    "r#id",
    "self",
    "super",
    "crate",
    "_",
    "dyn",
    "unsafe",
    "union",
    "auto",
    "try",
    "mut",
    "ref",
    "as",
    "None",
    "null",
    "now",
    "true",
    "String",
    "Option",
    "名前",
    "título",
    "\"\"",
    "\"\\0\"",
    "\"名前\"",
    "\"🦀\"",
    "\"a\\\"b\\\\c\"",
    "r#\"raw\"#",
    "b\"bytes\"",
    "c\"text\"",
    "'x'",
    "b'x'",
    "0",
    "1",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "0x0123",
    "0b10",
    "1e999",
    "1_000u8",
    "1.5f32",
    "5MiB",
    "\"5 MiB\"",
    "\"99999999999 GiB\"",
    "\"0 B\"",
    "\"*/*\"",
    "\"image\"",
    "\"image/\"",
    "\"1\"",
    "'static",
    "..",
    "..=",
    "...",
    "->",
    "=>",
    "::",
    "<",
    ">",
    "<<",
    "=",
    "==",
    "&",
    "&&",
    "|",
    "||",
    "!",
    "?",
    "#",
    "$",
    "@",
    ",",
    ";",
    ".",
    ":",
    "-",
    "*",
    "\"a_name_of_more_than_sixty_three_bytes_that_postgres_would_cut_in_the_middle\"",
    "\"_plasma_x\"",
    "\"select\"",
    "\"Cargo.toml\"",
    "\"src\"",
    "\"\\u{202e}\"",
    "id",
    "select",
    "NAME",
    "Self",
];

impl Corpus {
    /// Reads the files. Panics when a macro has too few starting points: then the search for them is broken.
    pub(super) fn read() -> Corpus {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for folder in ["src/snapshots", "../ui-tests/pass", "../ui-tests/fail", "../ui-tests/common", "../tests/tests"]
        {
            list(&here.join(folder), &mut files);
        }
        let mut corpus = Corpus { cases: Vec::new(), words: Vec::new(), groups: Vec::new(), options: Vec::new() };
        let mut seen = BTreeSet::new();
        for file in files {
            let text = fs::read_to_string(&file).expect("the file was listed");
            // A snapshot has a header, then the input, then the expansion.
            let text = text.splitn(3, "---\n").last().unwrap_or(&text).split("// ---- becomes").next().unwrap_or("");
            if let Ok(stream) = text.parse() {
                corpus.collect(&tree::trees(stream), &mut seen);
            }
        }
        for (name, _) in MACROS {
            let count = corpus.of(name).count();
            assert!(count >= 5, "only {count} items for `{name}` were found");
        }
        let cases: Vec<Case> = corpus.cases.iter().map(|(_, case)| case.clone()).collect();
        let mut seen = BTreeSet::new();
        for case in &cases {
            corpus.pieces(&case.options, &mut seen);
            corpus.pieces(&case.item, &mut seen);
            corpus.split(&case.options, &mut seen);
        }
        corpus.words.extend(ODD_WORDS.iter().flat_map(|word| tree::parse(word)));
        corpus
    }

    /// The starting points of a macro.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &Case> + Clone {
        self.cases.iter().filter(move |(known, _)| *known == name).map(|(_, case)| case)
    }

    /// Any starting point.
    pub(super) fn all(&self) -> &[(&'static str, Case)] {
        &self.cases
    }

    /// Finds `#[plasma::NAME(..)]` and `#[derive(NAME)]` with the item after them, at any depth.
    fn collect(&mut self, trees: &[Tree], seen: &mut BTreeSet<String>) {
        let mut start = 0;
        for index in 0..trees.len() {
            if let Tree::Group(Delimiter::Bracket, attribute) = &trees[index]
                && index > 0
                && is_sign(&trees[index - 1], "#")
            {
                let Some(end) = (index + 1..trees.len()).find(|&end| ends_item(trees, end)) else { continue };
                let words: Vec<String> = tree::flat(tree::stream(attribute));
                if words.first().is_some_and(|word| word == "derive") {
                    for name in ["Column", "Projection", "Rejection"] {
                        if words.iter().any(|word| word == name) {
                            self.add(name, Vec::new(), trees[start..=end].to_vec(), seen);
                        }
                    }
                } else if let Some((name, _)) =
                    MACROS.iter().find(|(name, _)| words.get(3).is_some_and(|word| word == name))
                    && words[0] == "plasma"
                {
                    let options = match attribute.last() {
                        Some(Tree::Group(_, options)) => options.clone(),
                        _ => Vec::new(),
                    };
                    let mut item = trees[start..index - 1].to_vec();
                    item.extend_from_slice(&trees[index + 1..=end]);
                    self.add(name, options, item, seen);
                }
            }
            if ends_item(trees, index) {
                start = index + 1;
            }
            if let Tree::Group(_, inner) = &trees[index] {
                self.collect(inner, seen);
            }
        }
    }

    fn add(&mut self, name: &'static str, options: Vec<Tree>, item: Vec<Tree>, seen: &mut BTreeSet<String>) {
        let case = Case { options, item };
        // Long items are many of the same.
        if tree::count(&case.item) < 400 && seen.insert(format!("{name} {case}")) {
            self.cases.push((name, case));
        }
    }

    fn pieces(&mut self, trees: &[Tree], seen: &mut BTreeSet<String>) {
        for piece in trees {
            let text = tree::stream(std::slice::from_ref(piece)).to_string();
            match piece {
                Tree::Leaf(_) => {
                    if seen.insert(text) {
                        self.words.push(piece.clone());
                    }
                }
                Tree::Group(_, inner) => {
                    if tree::count(inner) < 60 && seen.insert(text) {
                        self.groups.push(piece.clone());
                    }
                    self.pieces(inner, seen);
                    if let [Tree::Leaf(_), Tree::Group(_, options)] = inner.as_slice() {
                        self.split(options, seen);
                    }
                }
            }
        }
    }

    fn split(&mut self, options: &[Tree], seen: &mut BTreeSet<String>) {
        for option in options.split(|tree| is_sign(tree, ",")) {
            if !option.is_empty() && seen.insert(format!("option {}", tree::stream(option))) {
                self.options.push(option.to_vec());
            }
        }
    }
}

fn is_sign(tree: &Tree, sign: &str) -> bool {
    matches!(tree, Tree::Leaf(leaf) if leaf.to_string() == sign)
}

/// `;`, or `{..}` that nothing of the same item follows.
fn ends_item(trees: &[Tree], index: usize) -> bool {
    match &trees[index] {
        Tree::Group(Delimiter::Brace, _) => !trees.get(index + 1).is_some_and(|next| is_sign(next, ",")),
        tree => is_sign(tree, ";"),
    }
}

fn list(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "snap") {
            files.push(path);
        }
    }
}
