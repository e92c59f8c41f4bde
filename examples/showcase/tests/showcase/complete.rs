//! The tour is whole: what the library offers to schemas, queries and mutators occurs in it. The lists are read from the
//! sources of the library, so something new without an example fails here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What does not occur, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("sealed", "`file(sealed)` waits for encrypted columns"),
    ("garde", "rules of another crate: `tests/tests/client/validation.rs`"),
    ("validator", "rules of another crate: `tests/tests/client/validation.rs`"),
    ("fingerprint", "pins the schema; the lock says more"),
    ("into_ir", "for tools that look into a query"),
    ("raw", "for the macros"),
    ("table", "for the macros"),
    ("AtRest", "needs a client whose file has a key: `docs/encryption.md`, `client/engine/tests/at_rest/`"),
    ("decrement", "as `increment`, of a `PnCounter`: `docs/crdt.md`, `tests/tests/crdts/`"),
    ("replace", "texts are a feature: `docs/crdt.md`, `tests/tests/text/`"),
    ("SealArgs", "a trait behind `client.mutate`"),
    ("SealedColumn", "a trait behind the methods"),
    ("ColumnType", "a trait behind the methods"),
    ("NewRow", "a trait behind the methods"),
    ("Schema", "a trait behind the methods"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// Without comments: what is only spoken of is not shown.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The code of the tour, and of the notes: sealed columns need keys, which have an example of their own.
fn tour() -> String {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    rust_files(&root().join("examples/notes/src"), &mut files);
    files.iter().map(|path| code_of(&std::fs::read_to_string(path).expect("readable"))).collect()
}

/// The texts between the parentheses of every attribute that begins so.
fn attributes(code: &str, begin: &str) -> String {
    let mut found = String::new();
    for (at, _) in code.match_indices(begin) {
        let mut depth = 1;
        for letter in code[at + begin.len()..].chars() {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if depth == 0 {
                break;
            }
            found.push(letter);
        }
        found.push(',');
    }
    found
}

fn is_word(letter: Option<char>) -> bool {
    letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

/// Whether the word stands somewhere as a word of its own.
fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !is_word(text[..at].chars().next_back()) && !is_word(text[at + word.len()..].chars().next()))
}

/// Whether it is called: `.word(`, `word(`, `word::<`.
fn calls(text: &str, word: &str) -> bool {
    [format!("{word}("), format!("{word}::<")].iter().any(|call| {
        text.match_indices(call.as_str()).any(|(at, _)| {
            let before = &text[..at];
            !is_word(before.chars().next_back()) && !before.ends_with("fn ")
        })
    })
}

/// The texts in the list of this name.
fn list(path: &str, name: &str) -> Vec<String> {
    let text = read(path);
    let (_, rest) =
        text.split_once(&format!("const {name}: &[&str] =")).unwrap_or_else(|| panic!("{path} has no {name}"));
    let (list, _) = rest.split_once("];").expect("a list");
    let words: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!words.is_empty(), "{name} in {path}");
    words
}

fn elsewhere(word: &str) -> bool {
    ELSEWHERE.iter().any(|(name, _)| *name == word)
}

#[test]
fn every_option_is_used() {
    let code = tour();
    let mut missing = Vec::new();
    for (path, name, attribute) in [
        ("table/parse/mod.rs", "TABLE_OPTIONS", "#[plasma::table("),
        ("table/parse/column.rs", "COLUMN_OPTIONS", "#[column("),
        ("table/parse/file.rs", "FILE_OPTIONS", "#[column("),
        ("column/parse.rs", "OPTIONS", "#[column("),
        ("column/parse.rs", "VARIANT_OPTIONS", "#[column("),
        ("schema/parse.rs", "OPTIONS", "#[plasma::schema("),
        ("args/parse.rs", "OPTIONS", "#[plasma::args("),
        ("args/parse.rs", "RULES", "#[arg("),
        ("mutators/parse.rs", "OPTIONS", "#[plasma::mutators("),
        ("mutators/parse.rs", "MUTATOR_OPTIONS", "#[mutator("),
        ("projection/parse.rs", "OPTIONS", "#[projection("),
        ("rejection/parse.rs", "OPTIONS", "#[rejection("),
        ("rejection/parse.rs", "VARIANT_OPTIONS", "#[rejection("),
    ] {
        let written = attributes(&code, attribute);
        for option in list(&format!("plasma-macros/src/{path}"), name) {
            // One `crate = ..` is enough: it is the same everywhere.
            let shown = mentions(&written, &option) || (option == "crate" && code.contains("crate = ::plasma"));
            if !shown && !elsewhere(&option) {
                missing.push(format!("{attribute}{option})]"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "options without an example");
}

#[test]
fn every_kind_of_column_is_used() {
    let lock = read("examples/showcase/plasma.lock");
    let kind_of = |line: &str| {
        line.trim().split_once(": ").map(|(_, kind)| kind.split([' ', '(']).next().unwrap_or_default().to_owned())
    };
    let used: BTreeSet<String> = lock.lines().filter_map(kind_of).collect();
    let kinds = list("plasma-macros/src/schema/lock.rs", "KINDS");
    let name = |kind: &str| kind.split('(').next().unwrap_or_default().to_owned();
    let missing: Vec<_> = kinds.iter().filter(|kind| !used.contains(&name(kind))).collect();
    assert!(missing.is_empty(), "kinds without a column: {missing:?}");
    for action in list("plasma-macros/src/schema/lock.rs", "ACTIONS") {
        assert!(lock.contains(&format!("on_delete {action}")), "{action}");
    }
    assert!(lock.contains(" null") && lock.contains(" default") && lock.contains(" unique"));
    assert!(tour().contains("on_delete = no_action"));
}

/// Names of the public functions in a file, those for the macros left out.
fn public_functions(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut hidden = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[doc(hidden)]") {
            hidden = true;
        }
        let name = ["pub fn ", "pub async fn ", "pub const fn "].iter().find_map(|begin| line.strip_prefix(begin));
        if let Some(name) = name {
            let name: String = name.chars().take_while(|letter| is_word(Some(*letter))).collect();
            if !hidden && !name.is_empty() {
                found.insert(name);
            }
        }
        if line.contains(" fn ") || line.starts_with("fn ") || line.starts_with("impl") || line == "}" {
            hidden = false;
        }
    }
    found
}

#[test]
fn every_function_of_queries_and_writes_is_used() {
    let code = tour();
    // What a user says; the rest of the folder is the machine.
    let files = [
        "query/typed/aggregate.rs",
        "query/typed/any.rs",
        "query/typed/column.rs",
        "query/typed/condition.rs",
        "query/typed/crdt.rs",
        "query/typed/dates.rs",
        "query/typed/derived.rs",
        "query/typed/expr.rs",
        "query/typed/group.rs",
        "query/typed/join.rs",
        "query/typed/null.rs",
        "query/typed/operations.rs",
        "query/typed/page.rs",
        "query/typed/project.rs",
        "query/typed/relation.rs",
        "query/typed/select.rs",
        "query/typed/shape.rs",
        "query/typed/source.rs",
        "query/typed/subquery.rs",
        "query/typed/text.rs",
        "query/typed/assign.rs",
        "query/sql.rs",
        "mutate/new_row.rs",
        "mutate/statements.rs",
        "mutate/tx.rs",
        "mutate/write/delete.rs",
        "mutate/write/insert.rs",
        "mutate/write/update.rs",
        "mutate/write/upsert.rs",
    ];
    let mut all = BTreeSet::new();
    for file in files {
        let functions = public_functions(&read(&format!("plasma-runtime/src/{file}")));
        assert!(!functions.is_empty(), "{file} has no public functions any more");
        all.extend(functions);
    }
    let missing: Vec<&String> = all.iter().filter(|name| !calls(&code, name) && !elsewhere(name)).collect();
    assert!(missing.is_empty(), "functions without an example: {missing:?}");
    // Operators have no name.
    for operator in [" + ", " - ", " * ", " / ", " % ", "-Stock::", "!Part::"] {
        assert!(code.contains(operator), "{operator}");
    }
}

#[test]
fn everything_of_the_prelude_is_used() {
    let code = tour();
    let words = |path: &str| -> Vec<String> {
        let text = code_of(&read(path));
        let uses = text.split("pub use ").skip(1).filter_map(|item| item.split(';').next());
        let of_the_language = uses.filter(|item| {
            [
                "mutate::{",
                "query::typed::{",
                "query::sql::",
                "schema::{",
                "plasma_runtime::{alias",
                "macros::*",
                "columns",
            ]
            .iter()
            .any(|part| item.contains(part))
        });
        of_the_language
            .flat_map(|item| item.split(|letter: char| !is_word(Some(letter))).map(str::to_owned).collect::<Vec<_>>())
            .filter(|word| {
                !["plasma_runtime", "mutate", "query", "typed", "schema", "crate", "macros", "sql", ""]
                    .contains(&word.as_str())
            })
            .collect()
    };
    let names: BTreeSet<String> =
        ["plasma/src/prelude.rs", "plasma/src/lib.rs"].iter().flat_map(|path| words(path)).collect();
    assert!(names.len() > 20, "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !mentions(&code, name) && !elsewhere(name)).collect();
    assert!(missing.is_empty(), "names without an example: {missing:?}");
}

#[test]
fn no_exception_is_stale() {
    let code = tour();
    for (name, why) in ELSEWHERE {
        // `table` is a macro, too.
        assert!(*name == "table" || !calls(&code, name), "{name} is used by now; it was not, because: {why}");
    }
}
