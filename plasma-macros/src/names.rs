//! Names: case conversion, and which ones are taken.

use proc_macro2::Ident;
use syn::ext::IdentExt;

/// The longest SQL name both databases keep whole, in bytes (Postgres cuts at 63).
pub(crate) const MAX_SQL_NAME: usize = 63;

/// Names starting like this belong to the library's own tables and columns.
pub(crate) const RESERVED_PREFIX: &str = "_plasma_";

/// What a table has of its own, which a column const of the same name would hide.
pub(crate) const TAKEN_CONSTS: &[&str] = &["select", "on", "alias", "from_row", "NAME", "CODEC", "DEF", "FROZEN"];

/// Words that SQLite or Postgres take for their own unless they are quoted
/// (<https://www.postgresql.org/docs/current/sql-keywords-appendix.html>; SQLite's found by trying each of
/// <https://www.sqlite.org/lang_keywords.html> as the name of a table and of a column). Sorted.
#[rustfmt::skip]
const RESERVED_WORDS: &[&str] = &[
    "add", "all", "alter", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "autoincrement", "between", "binary", "both", "case", "cast", "check", "collate", "collation", "column", "commit",
    "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "delete", "desc",
    "distinct", "do", "drop", "else", "end", "escape", "except", "exists", "false", "fetch", "for", "foreign",
    "freeze", "from", "full", "grant", "group", "having", "if", "ilike", "in", "index", "initially", "inner", "insert",
    "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "natural", "not", "nothing", "notnull", "null", "offset", "on", "only", "or", "order", "outer",
    "overlaps", "placing", "primary", "raise", "references", "returning", "right", "select", "session_user", "set",
    "similar", "some", "symmetric", "system_user", "table", "tablesample", "then", "to", "trailing", "transaction",
    "true", "union", "unique", "update", "user", "using", "values", "variadic", "verbose", "when", "where", "window",
    "with",
];

/// Columns that every table of Postgres has already.
const SYSTEM_COLUMNS: &[&str] = &["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// The identifier without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// `TodoItem` -> `todo_item`, `HTTPRoute` -> `http_route`.
pub(crate) fn snake_case(name: &str) -> String {
    words(name, '_')
}

/// The ways `rename_all` knows to write a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Snake,
    Kebab,
    ScreamingSnake,
    Camel,
    Pascal,
    Lower,
    Upper,
}

impl Case {
    /// Every way with the word that selects it: serde's words.
    pub(crate) const ALL: &[(&'static str, Case)] = &[
        ("snake_case", Case::Snake),
        ("kebab-case", Case::Kebab),
        ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
        ("camelCase", Case::Camel),
        ("PascalCase", Case::Pascal),
        ("lowercase", Case::Lower),
        ("UPPERCASE", Case::Upper),
    ];

    /// Writes the name of a variant this way.
    pub(crate) fn apply(self, variant: &str) -> String {
        match self {
            Case::Snake => words(variant, '_'),
            Case::Kebab => words(variant, '-'),
            Case::ScreamingSnake => words(variant, '_').to_uppercase(),
            Case::Camel => {
                let mut chars = variant.chars();
                chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
            }
            Case::Pascal => variant.to_owned(),
            Case::Lower => variant.to_lowercase(),
            Case::Upper => variant.to_uppercase(),
        }
    }
}

/// Splits at upper-case letters; a run of capitals is one word.
fn words(name: &str, separator: char) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, &c) in chars.iter().enumerate() {
        if c.is_uppercase() && index > 0 {
            let after_lower = !chars[index - 1].is_uppercase() && chars[index - 1] != '_';
            let before_lower =
                chars[index - 1].is_uppercase() && chars.get(index + 1).is_some_and(|c| c.is_lowercase());
            if after_lower || before_lower {
                out.push(separator);
            }
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// What is wrong with a SQL name, if anything, and how to give another. `what` is `table` or `column`.
pub(crate) fn sql_name_mistake(what: &str, name: &str) -> Option<String> {
    let fix = if what == "table" { "#[plasma::table(name = \"..\")]" } else { "#[column(name = \"..\")]" };
    let lower = name.to_ascii_lowercase();
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let mistake = if !starts_well || !chars.all(|c| c.is_alphanumeric() || c == '_') {
        format!("`{name}` cannot be the name of a {what}: use letters, digits and `_`, and do not start with a digit")
    } else if lower.starts_with(RESERVED_PREFIX) {
        format!("names starting with `{RESERVED_PREFIX}` are reserved for plasma's own tables and columns")
    } else if what == "table" && lower.starts_with("sqlite_") {
        "names starting with `sqlite_` are reserved by SQLite".to_owned()
    } else if what == "table" && lower.starts_with("pg_") {
        "names starting with `pg_` are reserved by Postgres".to_owned()
    } else if RESERVED_WORDS.binary_search(&lower.as_str()).is_ok() {
        format!("`{name}` is a reserved word of SQL")
    } else if what == "column" && SYSTEM_COLUMNS.contains(&lower.as_str()) {
        format!("every table of Postgres has a column `{name}` of its own")
    } else if name.len() > MAX_SQL_NAME {
        format!(
            "the name of a {what} is at most {MAX_SQL_NAME} bytes long (Postgres cuts longer ones), this one has {}",
            name.len()
        )
    } else {
        return None;
    };
    Some(format!("{mistake}; give the {what} another name: `{fix}`"))
}

/// The candidate nearest to `word`, when it is near enough to be a typing mistake.
pub(crate) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment: Levenshtein's distance in which swapping two neighbors counts once.
/// See <https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance>.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = substituted.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_splits_words_and_keeps_acronyms_together() {
        let cases = [
            ("Todo", "todo"),
            ("TodoItem", "todo_item"),
            ("HTTPRoute", "http_route"),
            ("Utf8Name", "utf8_name"),
            ("already_snake", "already_snake"),
            ("ÄrgerNis", "ärger_nis"),
        ];
        for (name, expected) in cases {
            assert_eq!(snake_case(name), expected);
        }
    }

    #[test]
    fn variants_in_every_case() {
        let written: Vec<String> = Case::ALL.iter().map(|(_, case)| case.apply("InProgress")).collect();
        let expected =
            ["in_progress", "in-progress", "IN_PROGRESS", "inProgress", "InProgress", "inprogress", "INPROGRESS"];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_typing_mistake_finds_its_word_and_nonsense_finds_none() {
        let options = ["name", "default", "unique", "on_delete", "accessor"];
        let cases = [
            ("uniqe", Some("unique")),
            ("unqiue", Some("unique")),
            ("defualt", Some("default")),
            ("ondelete", Some("on_delete")),
            ("nam", Some("name")),
            ("index", None),
            ("x", None),
        ];
        for (word, expected) in cases {
            assert_eq!(nearest(word, &options), expected, "{word}");
        }
    }

    #[test]
    fn sql_names_are_checked() {
        for good in ["todos", "größe", "_x", "a1", &"x".repeat(63)] {
            assert_eq!(sql_name_mistake("column", good), None, "{good}");
        }
        for bad in ["", "1a", "a b", "a\"b", "a-b", "_plasma_seq", "_PLASMA_x", &"x".repeat(64)] {
            assert!(sql_name_mistake("column", bad).is_some(), "{bad}");
        }
        for word in ["order", "USER", "end", "with", "add"] {
            assert!(sql_name_mistake("table", word).is_some() && sql_name_mistake("column", word).is_some(), "{word}");
        }
        assert!(RESERVED_WORDS.is_sorted(), "the words are searched by halves");
        assert!(sql_name_mistake("column", "xmin").is_some() && sql_name_mistake("table", "xmin").is_none());
        assert!(sql_name_mistake("table", "sqlite_todos").is_some());
        assert!(sql_name_mistake("column", "sqlite_todos").is_none());
    }
}
