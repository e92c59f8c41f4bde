//! A text that several may write at once, character by character.

mod bytes;
mod column;
mod document;
mod edit;
#[cfg(test)]
mod tests;

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::bytes::Blocks;
use self::document::Document;
pub(crate) use self::edit::{Anchors, Edit};
use super::{Crdt, Replica};
use crate::error::{Error, Result};

/// The longest text, in bytes of UTF-8: 1 MiB.
pub const MAX_TEXT: usize = 1 << 20;
/// The longest document of a text, in bytes: the characters that were deleted leave a trace in it. 4 MiB.
pub const MAX_DOCUMENT: usize = 1 << 22;

/// A text that several may write at once: what each of them inserts stays together and where it was put, and only the
/// characters are deleted that somebody deleted. Positions count characters (Unicode scalar values), not bytes.
///
/// JSON: `{"text":"..","doc":"<base64>"}`: the text as it reads, for queries and other programs, and the document behind
/// it, an update of Yjs (version 1), which merges by YATA (Nicolaescu, Jahns, Derntl, Klamma: *Near Real-Time
/// Peer-to-Peer Shared Editing on Extensible Data Types*, GROUP 2016).
///
/// ```
/// use plasma_runtime::crdt::{Crdt as _, Replica, Text};
///
/// let (phone, laptop) = (Replica::of_client("phone"), Replica::of_client("laptop"));
/// let mut a = Text::default();
/// a.insert(phone, 0, "local first")?;
/// let mut b = a.clone();
/// a.insert(phone, 0, "Truly ")?;
/// b.replace(laptop, 5..6, "-")?;
/// a.merge(&b);
/// assert_eq!(a.value(), "Truly local-first");
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text {
    text: String,
    /// In the one spelling that a document loaded afresh writes.
    doc: Vec<u8>,
}

impl Default for Text {
    fn default() -> Self {
        // An update with no writers and no deletions.
        Text { text: String::new(), doc: vec![0, 0] }
    }
}

impl Text {
    /// The text as it reads.
    pub fn value(&self) -> &str {
        &self.text
    }

    /// Inserts at a position: 0 is before the first character.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the position lies behind the end, when the inserted text holds
    /// U+0000, and when the text would be longer than [`MAX_TEXT`] or its document longer than [`MAX_DOCUMENT`].
    pub fn insert(&mut self, replica: Replica, position: usize, text: &str) -> Result<()> {
        self.edit(replica, &Edit::new(Some(position..position), text), None)
    }

    /// Deletes a range of characters.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the range ends before it begins or behind the end of the text.
    pub fn delete(&mut self, range: Range<usize>) -> Result<()> {
        self.edit(Replica::default(), &Edit::new(Some(range), ""), None)
    }

    /// Puts a text in the place of a range of characters.
    ///
    /// # Errors
    /// As [`insert`](Self::insert) and [`delete`](Self::delete).
    pub fn replace(&mut self, replica: Replica, range: Range<usize>, text: &str) -> Result<()> {
        self.edit(replica, &Edit::new(Some(range), text), None)
    }

    /// Inserts at the end.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn push_str(&mut self, replica: Replica, text: &str) -> Result<()> {
        self.edit(replica, &Edit::new(None, text), None)
    }

    /// A state from outside.
    fn from_parts(text: String, doc: Vec<u8>) -> Result<Self> {
        Blocks::parse(&doc).map_err(Error::validation)?;
        let read = Self::from_document(&Document::load(&[&doc])?);
        if read.text != text {
            return Err(Error::validation("the text is not the one of its document"));
        }
        if read.doc != doc {
            return Err(Error::validation("the document is not spelled as documents are"));
        }
        Ok(read)
    }

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("two texts are JSON")
    }

    /// A state that was looked at before.
    pub(crate) fn from_stored(json: &str) -> serde_json::Result<Self> {
        let (text, doc) = serde_json::from_str::<Parts<'_>>(json)?.decode()?;
        Ok(Text { text, doc })
    }

    fn merged(&self, other: &Self) -> Result<Self> {
        let whole = {
            let (mine, theirs) = (self.blocks()?, other.blocks()?);
            mine.neighbours_are_whole_in(&theirs) && theirs.neighbours_are_whole_in(&mine)
        };
        if !whole {
            return Err(Error::validation("a character stands inside another one"));
        }
        // Where somebody made states up by hand in which one character is two, the first one stands: which is the first
        // must not depend on who merges.
        let mut both = [self.doc.as_slice(), other.doc.as_slice()];
        both.sort_unstable();
        Self::from_document(&Document::load(&both)?).spelled()
    }

    fn from_document(document: &Document) -> Self {
        Text { text: document.text(), doc: document.bytes() }
    }

    /// Looks whether the document reads the same when it is loaded again. It does, unless somebody made up neighbours
    /// that stand in the wrong order.
    fn spelled(self) -> Result<Self> {
        match Self::from_document(&Document::load(&[&self.doc])?) == self {
            true => Ok(self),
            false => Err(Error::validation("a character's neighbours are not in order")),
        }
    }

    fn blocks(&self) -> Result<Blocks<'_>> {
        Blocks::parse(&self.doc).map_err(Error::internal)
    }
}

impl Crdt for Text {
    /// A state that was made up by hand and does not fit is left out.
    fn merge(&mut self, other: &Self) {
        if self == other {
            return;
        }
        if let Ok(merged) = self.merged(other) {
            *self = merged;
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts<'a> {
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    doc: std::borrow::Cow<'a, str>,
}

impl Parts<'_> {
    fn decode<E: serde::de::Error>(self) -> Result<(String, Vec<u8>), E> {
        let doc = STANDARD.decode(self.doc.as_bytes()).map_err(|_| E::custom("the document is not padded base64"))?;
        Ok((self.text.into_owned(), doc))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_struct("Text", 2)?;
        parts.serialize_field("text", &self.text)?;
        parts.serialize_field("doc", &STANDARD.encode(&self.doc))?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, doc) = Parts::deserialize(deserializer)?.decode()?;
        Text::from_parts(text, doc).map_err(serde::de::Error::custom)
    }
}
