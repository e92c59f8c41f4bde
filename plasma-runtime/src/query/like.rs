//! `LIKE` patterns: one reading of them, two uses.
//!
//! `%` stands for any run of characters, `_` for any one character, and `\` takes its meaning from the next character
//! (at the end of the pattern it stands for itself). Everything else stands for itself, in its own case: SQLite's own
//! `LIKE` folds ASCII letters, so patterns are lowered to `GLOB`, which does not
//! (<https://www.sqlite.org/lang_expr.html#the_like_glob_regexp_match_and_extract_operators>).

#[cfg(test)]
mod tests;

use std::iter::Peekable;
use std::str::Chars;

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// Any run of characters, also none.
    Run,
    /// Any one character.
    One,
    /// This character.
    Char(char),
}

/// The steps of a pattern; neighbouring runs are one.
struct Tokens<'p>(Peekable<Chars<'p>>);

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        Some(match self.0.next()? {
            '%' => {
                while self.0.next_if_eq(&'%').is_some() {}
                Token::Run
            }
            '_' => Token::One,
            '\\' => Token::Char(self.0.next().unwrap_or('\\')),
            c => Token::Char(c),
        })
    }
}

fn tokens(pattern: &str) -> Tokens<'_> {
    Tokens(pattern.chars().peekable())
}

/// The pattern in SQLite's `GLOB` language, where `*` is any run, `?` any one character, and `[` opens a set.
pub fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len() + 8);
    for token in tokens(pattern) {
        match token {
            Token::Run => glob.push('*'),
            Token::One => glob.push('?'),
            Token::Char(special @ ('*' | '?' | '[')) => {
                glob.push('[');
                glob.push(special);
                glob.push(']');
            }
            Token::Char(c) => glob.push(c),
        }
    }
    glob
}

/// The longest pattern SQLite takes, in bytes of its `GLOB` form (`SQLITE_MAX_LIKE_PATTERN_LENGTH`).
const MAX_PATTERN: usize = 50_000;

/// Whether SQLite would not take the pattern, so that nobody does.
pub fn is_too_long(pattern: &str) -> bool {
    pattern.len() > MAX_PATTERN && glob(pattern).len() > MAX_PATTERN
}

/// Whether the text matches the pattern. Linear in the pattern times the text, whatever the pattern: the greedy
/// algorithm that comes back to the last run only (<https://research.swtch.com/glob>).
pub fn matches(text: &str, pattern: &str) -> bool {
    let pattern: Vec<Token> = tokens(pattern).collect();
    let mut text = text.chars();
    let mut at = 0;
    // Where to go on when a step fails: after the last run, with that run one character longer.
    let mut retry: Option<(usize, Chars<'_>)> = None;
    loop {
        let mut ahead = text.clone();
        match (pattern.get(at), ahead.next()) {
            (Some(Token::Run), _) => {
                retry = Some((at + 1, text.clone()));
                at += 1;
            }
            (Some(Token::One), Some(_)) => {
                text = ahead;
                at += 1;
            }
            (Some(Token::Char(c)), Some(found)) if *c == found => {
                text = ahead;
                at += 1;
            }
            (None, None) => return true,
            _ => {
                let Some((after, mut rest)) = retry.take() else { return false };
                if rest.next().is_none() {
                    return false;
                }
                at = after;
                text = rest.clone();
                retry = Some((after, rest));
            }
        }
    }
}
