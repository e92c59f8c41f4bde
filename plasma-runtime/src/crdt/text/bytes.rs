//! The bytes of a document, read strictly and written.
//!
//! They are an update of Yjs, version 1: numbers are LEB128, `writers [blocks writer clock block..].. deletions`, a block
//! is `info left? right? parent? content`. Only what a text needs is let through to the library: characters, deleted
//! characters and gaps, whose neighbours are all there. It trusts what it is given, and so must not be given bytes of
//! strangers.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The only text in a document.
pub(super) const ROOT: &str = "t";
/// No writer counts further: the library's clocks have 32 bits, some of its sums are signed.
pub(super) const MAX_CLOCK: u32 = 1 << 30;
/// Writers are numbers of 53 bits.
const MAX_WRITER: u64 = (1 << 53) - 1;

const GAP: u8 = 0;
const DELETED: u8 = 1;
const STRING: u8 = 4;
const HAS_LEFT: u8 = 0x80;
const HAS_RIGHT: u8 = 0x40;

/// A character (or half of one beyond U+FFFF: clocks count units of UTF-16): which one of which writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CharId(pub(super) u64, pub(super) u32);

/// Ranges of clocks, by writer.
pub(super) type Ranges = BTreeMap<u64, Vec<Range<u32>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Clocks that were never used here.
    Gap,
    /// Characters that were.
    Deleted,
    Text(&'a str),
}

/// Neighbouring clocks of one writer.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) clock: u32,
    pub(super) len: u32,
    /// What stood on either side when they were written; none at the ends of the text.
    pub(super) left: Option<CharId>,
    pub(super) right: Option<CharId>,
    pub(super) content: Content<'a>,
    /// Clocks of the second halves of characters beyond U+FFFF.
    halves: Vec<u32>,
}

impl Block<'_> {
    fn end(&self) -> u32 {
        self.clock + self.len
    }
}

/// What a document is made of.
#[derive(Debug, Default)]
pub(super) struct Blocks<'a>(BTreeMap<u64, Vec<Block<'a>>>);

impl<'a> Blocks<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        let mut blocks = BTreeMap::new();
        let mut deleted = Ranges::new();
        for _ in 0..reader.number(u32::MAX.into())? {
            let count = reader.number(u32::MAX.into())?;
            let writer = reader.number(MAX_WRITER)?;
            if reader.number(0).is_err() {
                return Err("a writer's clock does not begin at 0");
            }
            let list = reader.blocks(count)?;
            for block in list.iter().filter(|block| !matches!(block.content, Content::Text(_))) {
                push(deleted.entry(writer).or_default(), block.clock..block.end());
            }
            if list.is_empty() || blocks.insert(writer, list).is_some() {
                return Err("a writer comes twice, or has written nothing");
            }
        }
        if reader.deletions()? != deleted || !reader.0.is_empty() {
            return Err("the deletions are not those of the blocks");
        }
        let blocks = Blocks(blocks);
        if !blocks.neighbours_are_characters(&blocks) || !blocks.has_an_order() {
            return Err("a character's neighbours are not there");
        }
        Ok(blocks)
    }

    /// What a writer's next character counts from.
    pub(super) fn clock(&self, writer: u64) -> u32 {
        self.0.get(&writer).and_then(|list| list.last()).map_or(0, Block::end)
    }

    fn find(&self, id: CharId) -> Option<&Block<'a>> {
        let list = self.0.get(&id.0)?;
        let after = list.partition_point(|block| block.clock <= id.1);
        list[..after].last().filter(|block| id.1 < block.end())
    }

    /// Whether a new character may stand right after this one: it is there, alive or deleted, and whole.
    pub(super) fn can_follow(&self, id: CharId) -> bool {
        let splits = |block: &Block<'_>| block.halves.binary_search(&(id.1 + 1)).is_ok();
        self.find(id).is_some_and(|block| block.content != Content::Gap && !splits(block))
    }

    /// Whether a new character may stand right before this one.
    pub(super) fn can_precede(&self, id: CharId) -> bool {
        let splits = |block: &Block<'_>| block.halves.binary_search(&id.1).is_ok();
        self.find(id).is_some_and(|block| block.content != Content::Gap && !splits(block))
    }

    /// Whether no block of `other` stands beside half a character of this document.
    pub(super) fn neighbours_are_whole_in(&self, other: &Blocks<'_>) -> bool {
        let beside = |id: Option<CharId>, fits: &dyn Fn(CharId) -> bool| {
            id.is_none_or(|id| other.find(id).is_none() || fits(id))
        };
        self.0.values().flatten().all(|block| {
            beside(block.left, &|id| other.can_follow(id)) && beside(block.right, &|id| other.can_precede(id))
        })
    }

    fn neighbours_are_characters(&self, other: &Blocks<'_>) -> bool {
        self.0.values().flatten().all(|block| {
            block.left.is_none_or(|id| other.can_follow(id)) && block.right.is_none_or(|id| other.can_precede(id))
        })
    }

    /// Whether the blocks can be placed one after the other, each after its neighbours.
    fn has_an_order(&self) -> bool {
        let mut placed: BTreeMap<u64, u32> = BTreeMap::new();
        let mut next: BTreeMap<u64, usize> = BTreeMap::new();
        // By the character that is waited for: nobody is looked at again before it is there.
        let mut waiting: BTreeMap<CharId, Vec<u64>> = BTreeMap::new();
        let mut ready: Vec<u64> = self.0.keys().copied().collect();
        while let Some(writer) = ready.pop() {
            let (Some(list), at) = (self.0.get(&writer), next.entry(writer).or_default()) else { continue };
            let before = *at;
            for block in &list[before..] {
                let missing = |id: &&CharId| id.1 >= placed.get(&id.0).copied().unwrap_or(0);
                if let Some(id) = [&block.left, &block.right].into_iter().flatten().find(missing) {
                    // Beside itself, or beside what its own writer wrote later: never.
                    if id.0 == writer {
                        return false;
                    }
                    waiting.entry(*id).or_default().push(writer);
                    break;
                }
                *at += 1;
                placed.insert(writer, block.end());
            }
            if *at > before {
                let there = CharId(writer, list[before].clock)..CharId(writer, placed[&writer]);
                ready.extend(waiting.range(there).flat_map(|(_, who)| who));
            }
        }
        self.0.iter().all(|(writer, list)| next.get(writer) == Some(&list.len()))
    }

    /// Of these clocks those that the writer has used for characters here, and the others.
    pub(super) fn written(&self, writer: u64, ranges: &[Range<u32>]) -> (Vec<Range<u32>>, Vec<Range<u32>>) {
        let (mut written, mut others) = (Vec::new(), Vec::new());
        for range in ranges {
            let mut clock = range.start;
            while clock < range.end {
                let (there, end) = match self.find(CharId(writer, clock)) {
                    Some(block) => (block.content != Content::Gap, block.end().min(range.end)),
                    None => (false, range.end),
                };
                push(if there { &mut written } else { &mut others }, clock..end);
                clock = end;
            }
        }
        (written, others)
    }

    /// Of these characters, in order, those that are there and alive, at most `limit` of them.
    pub(super) fn alive(&self, wanted: &Ranges, limit: usize) -> Ranges {
        let (mut alive, mut left) = (Ranges::new(), limit);
        for (writer, ranges) in wanted {
            // A client may name as many ranges as a push can hold: they and the characters are gone through once.
            let mut ranges = ranges.iter().peekable();
            for block in self.0.get(writer).into_iter().flatten() {
                let Content::Text(text) = block.content else { continue };
                if ranges.peek().is_none_or(|range| block.end() <= range.start) {
                    continue;
                }
                let mut clock = block.clock;
                for c in text.chars() {
                    let end = clock + c.len_utf16() as u32;
                    while ranges.next_if(|range| range.end <= clock).is_some() {}
                    let Some(range) = ranges.peek().filter(|_| left > 0) else { break };
                    if range.start <= clock && end <= range.end {
                        push(alive.entry(*writer).or_default(), clock..end);
                        left -= 1;
                    }
                    clock = end;
                }
            }
        }
        alive
    }
}

/// Adds a range that lies after all others.
fn push(ranges: &mut Vec<Range<u32>>, range: Range<u32>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// A text to be put between two characters.
#[derive(Debug)]
pub(super) struct Insertion<'a> {
    pub(super) writer: u64,
    /// What the writer has used in the document.
    pub(super) from: u32,
    /// The first clock of the text: what lies between becomes a gap.
    pub(super) clock: u32,
    pub(super) left: Option<CharId>,
    pub(super) right: Option<CharId>,
    pub(super) text: &'a str,
}

/// An update: perhaps a text, perhaps deletions.
pub(super) fn update(insertion: Option<&Insertion<'_>>, deletions: &Ranges) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + insertion.map_or(0, |insertion| insertion.text.len()));
    number(&mut out, insertion.is_some().into());
    if let Some(Insertion { writer, from, clock, left, right, text }) = insertion {
        number(&mut out, 1 + u64::from(clock > from));
        number(&mut out, *writer);
        number(&mut out, (*from).into());
        if clock > from {
            out.push(GAP);
            number(&mut out, (clock - from).into());
        }
        let flag = |id: &Option<CharId>, flag| if id.is_some() { flag } else { 0 };
        out.push(STRING | flag(left, HAS_LEFT) | flag(right, HAS_RIGHT));
        for id in [left, right].into_iter().flatten() {
            number(&mut out, id.0);
            number(&mut out, id.1.into());
        }
        if left.is_none() && right.is_none() {
            number(&mut out, 1);
            string(&mut out, ROOT);
        }
        string(&mut out, text);
    }
    number(&mut out, deletions.len() as u64);
    for (writer, ranges) in deletions {
        number(&mut out, *writer);
        number(&mut out, ranges.len() as u64);
        for range in ranges {
            number(&mut out, range.start.into());
            number(&mut out, (range.end - range.start).into());
        }
    }
    out
}

/// The neighbours of the one block that an update inserts.
///
/// # Errors
/// Says what is wrong with the update.
pub(super) fn neighbours(update: &[u8]) -> Result<(Option<CharId>, Option<CharId>), &'static str> {
    let mut reader = Reader(update);
    let (writers, blocks) = (reader.number(1)?, reader.number(1)?);
    let (_, clock) = (reader.number(MAX_WRITER)?, reader.clock()?);
    if (writers, blocks) != (1, 1) {
        return Err("the library has inserted more than was asked for");
    }
    let block = reader.block(clock)?;
    Ok((block.left, block.right))
}

fn string(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// LEB128.
fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let (first, rest) = self.0.split_first().ok_or("the document is cut off")?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self, most: u64) -> Result<u64, &'static str> {
        let mut n = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if n <= most { Ok(n) } else { Err("a number of the document is too large") };
            }
        }
        Err("a number of the document is too large")
    }

    fn clock(&mut self) -> Result<u32, &'static str> {
        // What fits into MAX_CLOCK fits into 32 bits.
        Ok(self.number(MAX_CLOCK.into())? as u32)
    }

    fn id(&mut self) -> Result<CharId, &'static str> {
        Ok(CharId(self.number(MAX_WRITER)?, self.clock()?))
    }

    fn string(&mut self) -> Result<&'a str, &'static str> {
        let len = usize::try_from(self.number(u32::MAX.into())?).unwrap_or(usize::MAX);
        let (text, rest) = self.0.split_at_checked(len).ok_or("the document is cut off")?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| "a text of the document is not UTF-8")
    }

    fn blocks(&mut self, count: u64) -> Result<Vec<Block<'a>>, &'static str> {
        let mut list = Vec::new();
        let mut clock = 0u32;
        for _ in 0..count {
            let block = self.block(clock)?;
            clock = block.end();
            if block.len == 0 || clock > MAX_CLOCK {
                return Err("a block of the document is empty or too long");
            }
            list.push(block);
        }
        Ok(list)
    }

    fn block(&mut self, clock: u32) -> Result<Block<'a>, &'static str> {
        let info = self.byte()?;
        let mut block = Block { clock, len: 0, left: None, right: None, content: Content::Gap, halves: Vec::new() };
        if info != GAP {
            if info & HAS_LEFT != 0 {
                block.left = Some(self.id()?);
            }
            if info & HAS_RIGHT != 0 {
                block.right = Some(self.id()?);
            }
            if info & (HAS_LEFT | HAS_RIGHT) == 0 && (self.number(1)? != 1 || self.string()? != ROOT) {
                return Err("the document holds more than a text");
            }
        }
        match info & !(HAS_LEFT | HAS_RIGHT) {
            GAP if info == GAP => block.len = self.clock()?,
            DELETED => (block.len, block.content) = (self.clock()?, Content::Deleted),
            STRING => {
                let text = self.string()?;
                if text.contains('\0') {
                    return Err("a text holds U+0000");
                }
                let mut end = clock;
                for c in text.chars() {
                    end = end.saturating_add(c.len_utf16() as u32);
                    if c.len_utf16() == 2 {
                        block.halves.push(end - 1);
                    }
                }
                (block.len, block.content) = (end - clock, Content::Text(text));
            }
            _ => return Err("the document holds more than a text"),
        }
        Ok(block)
    }

    fn deletions(&mut self) -> Result<Ranges, &'static str> {
        let mut all = Ranges::new();
        for _ in 0..self.number(u32::MAX.into())? {
            let writer = self.number(MAX_WRITER)?;
            let mut ranges = Vec::new();
            for _ in 0..self.number(u32::MAX.into())? {
                let (start, len) = (self.clock()?, self.clock()?);
                ranges.push(start..start + len);
            }
            all.insert(writer, ranges);
        }
        Ok(all)
    }
}
