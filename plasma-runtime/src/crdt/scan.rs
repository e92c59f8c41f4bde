//! Reading canonical JSON: what stands there in the one expected spelling, and nothing else.
//!
//! States are read and checked far more often than they come in a foreign spelling, so this is the way they are read;
//! serde reads what is left over.

use super::{Replica, Tag};

/// A place in a text.
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Scan { text, at: 0 }
    }

    fn rest(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Goes past these words, if they are what comes.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let found = self.rest().starts_with(words.as_bytes());
        if found {
            self.at += words.len();
        }
        found
    }

    /// [`eat`](Self::eat), where nothing else may come.
    pub(super) fn expect(&mut self, words: &str) -> Option<()> {
        self.eat(words).then_some(())
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) -> Option<()> {
        self.rest().is_empty().then_some(())
    }

    /// A whole number without needless zeros.
    pub(super) fn number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut number = 0u64;
        for digit in &rest[..length] {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        }
        if length == 0 || (rest[0] == b'0' && length > 1) {
            return None;
        }
        self.at += length;
        Some(number)
    }

    /// 16 lower-case hex digits.
    pub(super) fn replica(&mut self) -> Option<Replica> {
        let replica = Replica::from_hex(self.rest().first_chunk()?)?;
        self.at += 16;
        Some(replica)
    }

    /// A tag in its quotes.
    pub(super) fn tag(&mut self) -> Option<Tag> {
        self.expect("\"")?;
        let replica = self.replica()?;
        self.expect(":")?;
        let seq = self.number()?;
        self.expect("\"")?;
        Some(Tag { replica, seq })
    }

    /// A string with its quotes, or a number or word: the text of it.
    pub(super) fn scalar(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let length = match rest.first()? {
            b'"' => {
                let mut end = 1;
                loop {
                    match rest.get(end)? {
                        b'"' => break end + 1,
                        b'\\' => end += 2,
                        _ => end += 1,
                    }
                }
            }
            b'[' | b'{' => return None,
            _ => rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}'))?,
        };
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length;
        Some(text)
    }
}
