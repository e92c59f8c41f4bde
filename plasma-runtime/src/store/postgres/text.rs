//! What stands in a text of SQL: parameters, statements, words that begin and end transactions.

use std::borrow::Cow;

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'s> {
    /// A string, a quoted name, a comment, a run of anything else.
    Other(&'s str),
    /// A name or a key word.
    Word(&'s str),
    /// `?` or `?12`.
    Parameter(Option<usize>),
    /// `??`: a question mark of the statement's own, such as the operator of `jsonb`.
    Question,
    Comment,
    Semicolon,
}

struct Tokens<'s> {
    text: &'s str,
    at: usize,
}

fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<'s> Iterator for Tokens<'s> {
    type Item = (&'s str, Token<'s>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.text;
        let rest = &text[self.at..];
        let bytes = rest.as_bytes();
        let second = bytes.get(1).copied().unwrap_or_default();
        let (length, comment) = match *bytes.first()? {
            b'\'' => (quoted(rest, 0, b'\'', false), false),
            b'"' => (quoted(rest, 0, b'"', false), false),
            b'E' | b'e' if second == b'\'' => (quoted(rest, 1, b'\'', true), false),
            b'-' if second == b'-' => (rest.find('\n').map_or(rest.len(), |end| end + 1), true),
            b'/' if second == b'*' => (comment_end(rest), true),
            b'$' => (dollar_quoted(rest).unwrap_or(1), false),
            b'?' => {
                let digits = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (length, token) = if second == b'?' {
                    (2, Token::Question)
                } else {
                    (1 + digits, Token::Parameter(rest[1..=digits].parse().ok()))
                };
                self.at += length;
                return Some((&rest[..length], token));
            }
            b';' => {
                self.at += 1;
                return Some((&rest[..1], Token::Semicolon));
            }
            first if is_word(first) => {
                // A `$` goes on with a name; it begins no quote there.
                let length = bytes.iter().take_while(|byte| is_word(**byte) || **byte == b'$').count();
                self.at += length;
                return Some((&rest[..length], Token::Word(&rest[..length])));
            }
            _ => (1, false),
        };
        self.at += length;
        let piece = &rest[..length];
        Some((piece, if comment { Token::Comment } else { Token::Other(piece) }))
    }
}

/// The length of what a quote opens; without an end, all there is.
fn quoted(text: &str, open: usize, quote: u8, escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = open + 1;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if *byte == quote {
            // A doubled quote stands for itself.
            if bytes.get(at) != Some(&quote) {
                return at;
            }
            at += 1;
        }
        if escapes && *byte == b'\\' {
            at += 1;
        }
    }
    text.len()
}

fn comment_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of `$tag$ .. $tag$`, if that is what begins here.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = 1 + text[1..].find('$')?;
    let name = &text[1..tag];
    if name.bytes().any(|byte| !is_word(byte)) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mark = &text[..=tag];
    Some(text[mark.len()..].find(mark).map_or(text.len(), |end| end + 2 * mark.len()))
}

/// The text as Postgres reads it: `?` is `$1`, `$2`, .., `?3` is `$3`, and `??` is a question mark.
pub(super) fn numbered(sql: &str) -> Cow<'_, str> {
    if !sql.contains('?') {
        return Cow::Borrowed(sql);
    }
    let mut text = String::with_capacity(sql.len() + 32);
    let mut last = 0;
    for (piece, token) in tokens(sql) {
        match token {
            Token::Parameter(number) => {
                let number = number.unwrap_or(last + 1);
                last = last.max(number);
                text.push('$');
                text.push_str(&number.to_string());
            }
            Token::Question => text.push('?'),
            _ => text.push_str(piece),
        }
    }
    Cow::Owned(text)
}

/// What a statement does to the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Begin {
        read_only: bool,
    },
    Commit,
    Rollback,
    RollbackTo,
    /// Sets or gives up a savepoint.
    Savepoint,
}

/// What the statement does to the transaction; none when it is any other statement.
pub(super) fn control(sql: &str) -> Option<Control> {
    let mut words = tokens(sql).filter_map(|(_, token)| match token {
        Token::Word(word) => Some(Some(word.to_ascii_uppercase())),
        Token::Other(piece) if !piece.trim().is_empty() => Some(None),
        _ => None,
    });
    let first = words.next().flatten()?;
    if !matches!(
        first.as_str(),
        "BEGIN" | "START" | "COMMIT" | "END" | "PREPARE" | "ABORT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE"
    ) {
        return None;
    }
    let rest: Vec<String> = words.flatten().collect();
    Some(match first.as_str() {
        "BEGIN" | "START" => Control::Begin { read_only: rest.windows(2).any(|pair| pair == ["READ", "ONLY"]) },
        "COMMIT" | "END" => Control::Commit,
        // `PREPARE TRANSACTION` ends the session's own.
        "PREPARE" if rest.first().is_some_and(|word| word == "TRANSACTION") => Control::Commit,
        "ABORT" => Control::Rollback,
        "ROLLBACK" if rest.iter().any(|word| word == "TO") => Control::RollbackTo,
        "ROLLBACK" => Control::Rollback,
        "SAVEPOINT" | "RELEASE" => Control::Savepoint,
        _ => return None,
    })
}

/// The first key word.
pub(super) fn first_word(sql: &str) -> &str {
    tokens(sql)
        .find_map(|(piece, token)| match token {
            Token::Word(word) => Some(word),
            Token::Other(_) if piece.trim().is_empty() || piece == "(" => None,
            Token::Comment => None,
            _ => Some(""),
        })
        .unwrap_or_default()
}

/// The statements of a text. Where none begins or ends a transaction it is left in one piece: the server takes it whole.
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut said = false;
    for (piece, token) in tokens(sql) {
        at += piece.len();
        match token {
            Token::Semicolon => {
                if said {
                    all.push(&sql[start..at - 1]);
                }
                (start, said) = (at, false);
            }
            Token::Comment => {}
            _ => said |= !piece.trim().is_empty(),
        }
    }
    if said {
        all.push(&sql[start..]);
    }
    if all.iter().any(|statement| control(statement).is_some()) { all } else { vec![sql] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_where_they_are_parameters() {
        for (given, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("a = ? AND b = ?", "a = $1 AND b = $2"),
            ("?2 ? ?1 ?", "$2 $3 $1 $4"),
            ("'?' ? 'it''s ?' ?", "'?' $1 'it''s ?' $2"),
            ("\"a?\"\"?\" = ?", "\"a?\"\"?\" = $1"),
            ("E'\\'?' ? e'a\\\\' ?", "E'\\'?' $1 e'a\\\\' $2"),
            ("-- ?\n? --?", "-- ?\n$1 --?"),
            ("/* ? /* ? */ ? */ ? /* ?", "/* ? /* ? */ ? */ $1 /* ?"),
            ("$$ ? $$ ? $a$ ? $$ ? $a$ ?", "$$ ? $$ $1 $a$ ? $$ ? $a$ $2"),
            ("a$b ? $1 ?", "a$b $1 $1 $2"),
            ("tags ?? 'a' AND x = ?", "tags ? 'a' AND x = $1"),
            ("'é' ? é", "'é' $1 é"),
            ("'open ?", "'open ?"),
        ] {
            assert_eq!(numbered(given), expected, "{given}");
        }
    }

    #[test]
    fn words_of_transactions_are_seen() {
        use Control::*;
        for (sql, expected) in [
            ("BEGIN", Some(Begin { read_only: false })),
            ("  /* x */ begin isolation level repeatable read read only", Some(Begin { read_only: true })),
            ("START TRANSACTION READ WRITE", Some(Begin { read_only: false })),
            ("COMMIT", Some(Commit)),
            ("end transaction", Some(Commit)),
            ("ROLLBACK", Some(Rollback)),
            ("ROLLBACK TO \"a\"", Some(RollbackTo)),
            ("rollback work to savepoint a", Some(RollbackTo)),
            ("SAVEPOINT a", Some(Savepoint)),
            ("RELEASE a", Some(Savepoint)),
            ("PREPARE TRANSACTION 'x'", Some(Commit)),
            ("PREPARE p AS SELECT 1", None),
            ("SELECT 'COMMIT'", None),
            ("\"commit\"", None),
            ("", None),
        ] {
            assert_eq!(control(sql), expected, "{sql}");
        }
    }

    #[test]
    fn texts_are_split_only_where_a_transaction_begins_or_ends() {
        assert_eq!(statements("CREATE TABLE a (); CREATE TABLE b ();"), ["CREATE TABLE a (); CREATE TABLE b ();"]);
        assert_eq!(
            statements("BEGIN; INSERT INTO t VALUES (';'); COMMIT; -- done;"),
            ["BEGIN", " INSERT INTO t VALUES (';')", " COMMIT"]
        );
        assert_eq!(statements("DO $$ BEGIN; END $$; ROLLBACK TO a"), ["DO $$ BEGIN; END $$", " ROLLBACK TO a"]);
    }
}
