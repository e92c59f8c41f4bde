//! Column definitions out of the text of a `CREATE TABLE`, as SQLite keeps it.

/// The definitions of the columns by name, in order. Constraints of the table are among them, under the word they begin with.
pub(super) fn definitions(create_table: &str) -> Vec<(String, String)> {
    let Some(body) = body(create_table) else { return Vec::new() };
    split(body).into_iter().map(|definition| (name(definition), definition.to_owned())).collect()
}

/// What stands between the outermost parentheses.
fn body(sql: &str) -> Option<&str> {
    let mut depth = 0usize;
    let mut from = None;
    for (at, c) in outside_quotes(sql) {
        match c {
            '(' => {
                depth += 1;
                from.get_or_insert(at + 1);
            }
            ')' if depth == 1 => return Some(&sql[from?..at]),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The parts between commas that stand in no parentheses.
fn split(body: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0usize, 0, Vec::new());
    for (at, c) in outside_quotes(body) {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(body[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(body[from..].trim());
    parts
}

/// The first word, without its quotes.
fn name(definition: &str) -> String {
    let first = definition.chars().next().unwrap_or_default();
    let close = match first {
        '[' => ']',
        '"' | '`' | '\'' => first,
        _ => return definition.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default().to_owned(),
    };
    let mut name = String::new();
    let mut rest = definition[1..].chars().peekable();
    while let Some(c) = rest.next() {
        if c == close {
            // Twice is once.
            if close == ']' || rest.peek() != Some(&close) {
                break;
            }
            rest.next();
        }
        name.push(c);
    }
    name
}

/// The characters with their positions, without those in quotes and comments. A doubled quote ends one quote and begins
/// another, which is as good.
fn outside_quotes(sql: &str) -> impl Iterator<Item = (usize, char)> {
    let mut until: Option<&'static str> = None;
    let mut skip = 0;
    sql.char_indices().filter(move |&(at, c)| {
        if skip > 0 {
            skip -= 1;
            return false;
        }
        let rest = &sql[at..];
        if let Some(end) = until {
            if rest.starts_with(end) {
                until = None;
                skip = end.len() - 1;
            }
            return false;
        }
        until = match c {
            '"' => Some("\""),
            '\'' => Some("'"),
            '`' => Some("`"),
            '[' => Some("]"),
            '-' if rest.starts_with("--") => Some("\n"),
            '/' if rest.starts_with("/*") => Some("*/"),
            _ => None,
        };
        until.is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::definitions;

    #[test]
    fn columns_are_told_apart_whatever_they_hold() {
        let sql = "CREATE TABLE \"a (b\" (\n  \"id\" TEXT PRIMARY KEY, \"x\"\"y\" TEXT DEFAULT 'a,(b' CHECK (f(\"x\"\"y\", ')')),\n  \
                   plain INTEGER /* , */ NOT NULL -- a comment, too\n,  [odd name] BLOB, PRIMARY KEY(a, b)) STRICT";
        let found = definitions(sql);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "x\"y", "plain", "odd name", "PRIMARY"]);
        assert_eq!(found[1].1, "\"x\"\"y\" TEXT DEFAULT 'a,(b' CHECK (f(\"x\"\"y\", ')'))");
        assert_eq!(found[2].1, "plain INTEGER /* , */ NOT NULL -- a comment, too");
    }
}
