//! Edits, and how an edit finds its place when it runs again over another text.
//!
//! An edit names characters by their positions, and positions mean something only in the text its caller saw. So the
//! first run notes which characters stood there ([`Anchors`]), and later runs go by those. The text itself, and how much
//! is deleted, always come from the mutator.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bytes::{self, Blocks, CharId, Insertion, MAX_CLOCK, Ranges};
use super::document::Document;
use super::{MAX_DOCUMENT, MAX_TEXT, Text};
use crate::crdt::Replica;
use crate::error::{Error, Result};

/// The largest gap that a later run leaves in a writer's clock.
const MAX_GAP: u32 = 1 << 20;

/// A range of characters, and what is put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// None: at the end.
    range: Option<Range<usize>>,
    text: Box<str>,
}

/// What the first run of an edit saw. It comes over the wire: it may place an edit or make it smaller, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anchors {
    /// Who wrote, and what its text counted from. A later run counts from the same, also when an earlier edit was
    /// rejected meanwhile: so the characters keep the names by which later edits know them.
    by: u64,
    clock: u32,
    /// What stood on either side; none at the ends of the text.
    left: Option<CharId>,
    right: Option<CharId>,
    /// What was deleted: ranges of clocks (first, how many), by writer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<(u64, Vec<(u32, u32)>)>,
}

impl Edit {
    pub(crate) fn new(range: Option<Range<usize>>, text: impl Into<Box<str>>) -> Self {
        Edit { range, text: text.into() }
    }

    /// The edit, moved into a text that may be shorter than the one its caller saw.
    pub(crate) fn clamped(&self, text: &Text) -> Self {
        let len = text.value().chars().count();
        let range = self.range.as_ref().map(|range| range.start.min(len)..range.end.min(len));
        Edit { range, text: self.text.clone() }
    }

    /// The range in units of UTF-16.
    fn units(&self, text: &str) -> Result<Range<u32>> {
        let all = || text.encode_utf16().count() as u32;
        let Some(range) = &self.range else {
            return Ok(all()..all());
        };
        let mut places = text.chars().scan(0, |end, c| {
            let start = *end;
            *end += c.len_utf16() as u32;
            Some(start)
        });
        let mut place = |position: usize| places.by_ref().nth(position);
        let behind = || Error::validation(format!("the text has no characters {}..{}", range.start, range.end));
        if range.end < range.start || range.end > text.chars().count() {
            return Err(behind());
        }
        let start = place(range.start).unwrap_or_else(all);
        let end = match range.end - range.start {
            0 => start,
            more => place(more - 1).unwrap_or_else(all),
        };
        Ok(start..end)
    }
}

impl Text {
    /// What an edit sees in this text.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the range is not in the text.
    pub(crate) fn anchors(&self, replica: Replica, edit: &Edit) -> Result<Anchors> {
        let units = edit.units(&self.text)?;
        let document = Document::load(&[&self.doc])?;
        let (left, right) = document.neighbours(units.start)?;
        let gone = if units.is_empty() { Ranges::new() } else { document.characters(units) };
        let pairs = |ranges: Vec<Range<u32>>| ranges.into_iter().map(|range| (range.start, range.end - range.start));
        let by = writer(replica);
        Ok(Anchors {
            by,
            clock: self.blocks()?.clock(by),
            left,
            right,
            gone: gone.into_iter().map(|(writer, ranges)| (writer, pairs(ranges).collect())).collect(),
        })
    }

    /// Edits, by what its first run saw, or else by what it sees now.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the range is not in the text and nobody saw it there, when the
    /// text holds U+0000 or would become too long.
    pub(crate) fn edit(&mut self, replica: Replica, edit: &Edit, seen: Option<&Anchors>) -> Result<()> {
        if edit.text.contains('\0') {
            return Err(Error::validation("a text cannot hold U+0000"));
        }
        let now;
        let (seen, again) = match seen {
            Some(seen) => (seen, true),
            None => {
                now = self.anchors(replica, edit)?;
                (&now, false)
            }
        };
        let blocks = self.blocks()?;
        let gone =
            blocks.alive(&seen.ranges(&blocks, writer(replica)), edit.range.as_ref().map_or(0, ExactSizeIterator::len));
        if edit.text.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let edited = match again.then(|| seen.neighbours(&blocks, replica)) {
            None => self.put(&blocks, replica, edit, seen, (seen.left, seen.right), &gone)?,
            Some((Some(left), Some(right))) => {
                match self.put(&blocks, replica, edit, seen, (left, right), &gone).and_then(Text::spelled) {
                    Ok(edited) => edited,
                    // They do not stand in this order: made up.
                    Err(_) => {
                        let neighbours = self.neighbours_at(edit, None, None)?;
                        self.put(&blocks, replica, edit, seen, neighbours, &gone)?
                    }
                }
            }
            Some((left, right)) => {
                let neighbours = self.neighbours_at(edit, left, right)?;
                self.put(&blocks, replica, edit, seen, neighbours, &gone)?
            }
        };
        *self = edited;
        Ok(())
    }

    /// The text with an edit between these two.
    fn put(
        &self,
        blocks: &Blocks<'_>,
        replica: Replica,
        edit: &Edit,
        seen: &Anchors,
        (left, right): (Option<CharId>, Option<CharId>),
        gone: &Ranges,
    ) -> Result<Self> {
        let (writer, from) = (writer(replica), blocks.clock(writer(replica)));
        // Counting from another clock than the first run loses nothing but the names for later edits.
        let clock = if (from..=from.saturating_add(MAX_GAP)).contains(&seen.clock) { seen.clock } else { from };
        let insertion = Insertion { writer, from, clock, left, right, text: &edit.text };
        let insertion = Some(insertion).filter(|insertion| !insertion.text.is_empty());
        let longest = MAX_TEXT.min((MAX_CLOCK - clock.min(MAX_CLOCK)) as usize);
        if edit.text.len() > longest {
            return Err(too_long());
        }
        let update = bytes::update(insertion.as_ref(), gone);
        let edited = Text::from_document(&Document::load(&[&self.doc, &update])?);
        // What only makes a text shorter is never refused.
        if insertion.is_some() {
            edited.within_limits()?;
        }
        Ok(edited)
    }

    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when it is longer than a text, or its document than one, may be.
    pub(crate) fn within_limits(&self) -> Result<()> {
        if self.text.len() > MAX_TEXT || self.doc.len() > MAX_DOCUMENT { Err(too_long()) } else { Ok(()) }
    }

    /// The neighbours of an insertion of which one or both never came here (an earlier edit was rejected): those at the
    /// place of the other one, or else those at the position.
    fn neighbours_at(&self, edit: &Edit, left: Known, right: Known) -> Result<(Option<CharId>, Option<CharId>)> {
        let document = Document::load(&[&self.doc])?;
        let end = || self.text.encode_utf16().count() as u32;
        let place = match (left, right) {
            (Some(left), _) => left.map_or(Some(0), |id| document.place(id, true)),
            (None, Some(right)) => right.map_or_else(|| Some(end()), |id| document.place(id, false)),
            (None, None) => None,
        };
        let place = match place {
            Some(place) => place,
            None => edit.clamped(self).units(&self.text)?.start,
        };
        document.neighbours(place)
    }
}

/// A neighbour that is here: a character, or an end of the text.
type Known = Option<Option<CharId>>;

impl Anchors {
    /// The neighbours that are here.
    fn neighbours(&self, blocks: &Blocks<'_>, replica: Replica) -> (Known, Known) {
        // A client that had to take another id writes the same characters under another name. That one first: under the old
        // id a copy of the client may have written something else.
        let renamed = |id: CharId| if id.0 == self.by { CharId(writer(replica), id.1) } else { id };
        let known = |id: Option<CharId>, fits: &dyn Fn(CharId) -> bool| match id {
            None => Some(None),
            Some(id) => [renamed(id), id].into_iter().find(|id| fits(*id)).map(Some),
        };
        let left = known(self.left, &|id| blocks.can_follow(id));
        let right = known(self.right, &|id| blocks.can_precede(id));
        (left, right)
    }

    /// What was deleted, in order, each character once.
    fn ranges(&self, blocks: &Blocks<'_>, me: u64) -> Ranges {
        let mut all = Ranges::new();
        for (writer, pairs) in &self.gone {
            let ranges = pairs.iter().map(|(first, len)| *first..first.saturating_add(*len));
            all.entry(*writer).or_default().extend(ranges);
        }
        for ranges in all.values_mut() {
            ranges.sort_unstable_by_key(|range| range.start);
            let mut end = 0;
            for range in ranges {
                range.start = range.start.max(end);
                end = end.max(range.end);
            }
        }
        if self.by != me
            && let Some(mine) = all.remove(&self.by)
        {
            let (renamed, rest) = blocks.written(me, &mine);
            all.insert(self.by, rest);
            all.insert(me, renamed);
        }
        all
    }
}

/// The library's writers are numbers of 53 bits.
fn writer(replica: Replica) -> u64 {
    u64::from_be_bytes(replica.bytes()) >> 11
}

fn too_long() -> Error {
    Error::validation(format!("a text holds at most {MAX_TEXT} bytes, and its document {MAX_DOCUMENT}"))
}
