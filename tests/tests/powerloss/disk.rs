//! A disk that loses power: what of the calls in a log may be on it afterwards.
//!
//! The model is the weakest that a program which syncs may stand on:
//!
//! - What was written to a file before its last sync is there.
//! - Of what was written after it anything may be there: each write, each truncation by itself, in whatever order, and of a
//!   write any of its sectors.
//! - A file that grew is as long as before, or as long as it became; where nothing was written it holds zeros, or what lay on
//!   the disk before.
//! - Names belong to the folder: creating, unlinking and renaming lasts once the folder was synced, and before that may
//!   or may not have happened, each by itself.
//!
//! - What was written before a sync that failed is on no disk, whatever the next sync says: the kernel may have dropped it,
//!   while the program still reads it (<https://wiki.postgresql.org/wiki/Fsync_Errors>).
//!
//! Bytes outside of a write are never touched: SQLite relies on that, too (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`,
//! <https://www.sqlite.org/psow.html>). The idea of replaying a log of writes is that of dm-log-writes
//! (<https://docs.kernel.org/admin-guide/device-mapper/log-writes.html>) and of ALICE (Pillai et al., OSDI 2014).

use std::collections::BTreeMap;
use std::rc::Rc;

use plasma::sim::Rng;

use super::log::{Event, FileId};

/// The files of a folder.
pub type Image = BTreeMap<String, Vec<u8>>;

/// What a disk has taken in, and what it was only told.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<FileId, File>,
    /// Names that last.
    names: BTreeMap<String, FileId>,
    /// Names as the program sees them.
    seen: BTreeMap<String, FileId>,
    /// Changes of names since the folder was synced.
    moves: Vec<Move>,
    /// What the last file that was unlinked held: its sectors are free, and the next file may get them.
    stale: Rc<Vec<u8>>,
    /// Files that were there before the log.
    first: Image,
}

#[derive(Debug, Clone, Default)]
struct File {
    lasting: Vec<u8>,
    since: Vec<Op>,
}

#[derive(Debug, Clone)]
enum Op {
    Write { at: usize, data: Rc<[u8]> },
    Length(usize),
}

#[derive(Debug, Clone)]
enum Move {
    Create(String, FileId),
    Unlink(String),
    Rename(String, String),
}

/// What happens to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fate {
    pub writes: Share,
    pub torn: Torn,
    pub lengths: Lengths,
    pub names: Share,
    pub seed: u64,
}

/// How many of several things happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    None,
    All,
    /// Each by chance.
    Some,
    /// The first ones, up to one by chance: the disk came so far.
    First,
}

/// Which writes are torn, into sectors of so many bytes that happen by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Torn {
    No,
    /// The last of all.
    Last(usize),
    Every(usize),
}

/// What becomes of a file that grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lengths {
    /// It is as long as it was when it was synced.
    Lost,
    /// It has grown; what was not written is zero.
    Zeros,
    /// It has grown; what was not written is what the disk held there for another file.
    Stale,
}

impl Fate {
    /// What a kill of the process leaves.
    pub const KILLED: Fate =
        Fate { writes: Share::All, torn: Torn::No, lengths: Lengths::Zeros, names: Share::All, seed: 0 };

    /// The fates that are tried wherever something is not synced, and so many by chance.
    pub fn some(by_chance: usize, rng: &mut Rng) -> Vec<Fate> {
        let of = |writes, torn, lengths, names| Fate { writes, torn, lengths, names, seed: 1 };
        let mut fates = vec![
            Self::KILLED,
            of(Share::None, Torn::No, Lengths::Lost, Share::None),
            of(Share::None, Torn::No, Lengths::Lost, Share::All),
            of(Share::First, Torn::No, Lengths::Zeros, Share::All),
            of(Share::All, Torn::No, Lengths::Zeros, Share::None),
            of(Share::None, Torn::No, Lengths::Zeros, Share::All),
            of(Share::None, Torn::No, Lengths::Stale, Share::All),
            of(Share::All, Torn::Last(512), Lengths::Zeros, Share::All),
            of(Share::All, Torn::Last(4096), Lengths::Stale, Share::All),
        ];
        for _ in 0..by_chance {
            let share = |rng: &mut Rng| [Share::Some, Share::Some, Share::All, Share::None][rng.between(0, 3) as usize];
            let torn = [Torn::No, Torn::Last(512), Torn::Every(512), Torn::Every(4096)][rng.between(0, 3) as usize];
            let writes = [Share::Some, Share::First][rng.between(0, 1) as usize];
            let torn = if writes == Share::First { Torn::No } else { torn };
            let lengths = [Lengths::Lost, Lengths::Zeros, Lengths::Stale][rng.between(0, 2) as usize];
            let names = share(rng);
            fates.push(Fate { writes, torn, lengths, names, seed: rng.between(2, u64::MAX / 2) });
        }
        fates
    }
}

impl Disk {
    /// A folder with these files, which last.
    pub fn of(first: Image) -> Self {
        Disk { first, ..Disk::default() }
    }

    /// Whether power loss leaves anything to chance now.
    pub fn is_settled(&self) -> bool {
        self.moves.is_empty() && self.seen.values().all(|file| self.files[file].since.is_empty())
    }

    /// The program makes this call.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Opened { file, name } => {
                let lasting = self.first.remove(name).unwrap_or_else(|| panic!("`{name}` was never there"));
                self.files.insert(*file, File { lasting, since: Vec::new() });
                self.names.insert(name.clone(), *file);
                self.seen.insert(name.clone(), *file);
            }
            Event::Created { file, name } => {
                self.files.insert(*file, File::default());
                self.seen.insert(name.clone(), *file);
                self.moves.push(Move::Create(name.clone(), *file));
            }
            Event::Written { file, at, data } => {
                self.file(*file).since.push(Op::Write { at: *at as usize, data: data.as_slice().into() });
            }
            Event::Truncated { file, length } => self.file(*file).since.push(Op::Length(*length as usize)),
            Event::Synced { file } => {
                let file = self.file(*file);
                for op in std::mem::take(&mut file.since) {
                    op.happen(&mut file.lasting);
                }
            }
            Event::NotSynced { file } => self.file(*file).since.clear(),
            Event::Unlinked { name } => {
                if let Some(lasting) = self.first.remove(name) {
                    // Never opened, so that the log has no number for it.
                    let file = FileId::MAX - self.files.len() as u64;
                    self.files.insert(file, File { lasting, since: Vec::new() });
                    self.names.insert(name.clone(), file);
                    self.seen.insert(name.clone(), file);
                }
                if let Some(file) = self.seen.remove(name) {
                    self.stale = Rc::new(self.files[&file].now());
                }
                self.moves.push(Move::Unlink(name.clone()));
            }
            Event::Renamed { from, to } => {
                if let Some(file) = self.seen.remove(from) {
                    self.seen.insert(to.clone(), file);
                }
                self.moves.push(Move::Rename(from.clone(), to.clone()));
            }
            Event::FolderSynced => self.names = self.named(|_| true),
            Event::Mark(_) => {}
        }
        if matches!(event, Event::FolderSynced) {
            self.moves.clear();
        }
    }

    fn file(&mut self, file: FileId) -> &mut File {
        self.files.get_mut(&file).unwrap_or_else(|| panic!("file {file} was never opened"))
    }

    fn named(&self, mut happens: impl FnMut(&Move) -> bool) -> BTreeMap<String, FileId> {
        let mut names = self.names.clone();
        for change in self.moves.iter().filter(|change| happens(change)) {
            match change {
                Move::Create(name, file) => drop(names.insert(name.clone(), *file)),
                Move::Unlink(name) => drop(names.remove(name)),
                Move::Rename(from, to) => {
                    if let Some(file) = names.remove(from) {
                        names.insert(to.clone(), file);
                    }
                }
            }
        }
        names
    }

    /// The power fails: what is found afterwards.
    pub fn after(&self, fate: Fate) -> Image {
        let mut rng = Rng::new(fate.seed);
        let mut left = fate.names.of(self.moves.len(), &mut rng);
        let names = self.named(|_| fate.names.happens(&mut left, &mut rng));
        let last = names.values().filter(|file| !self.files[file].since.is_empty()).max().copied();
        let found = names.iter().map(|(name, file)| {
            let is_last = last == Some(*file);
            (name.clone(), self.files[file].after(fate, is_last, &self.stale, &mut rng))
        });
        self.first.clone().into_iter().chain(found).collect()
    }
}

impl Share {
    /// How many of so many happen at most.
    fn of(self, count: usize, rng: &mut Rng) -> usize {
        match self {
            Share::None => 0,
            Share::All | Share::Some => count,
            Share::First => rng.below(count + 1),
        }
    }

    /// Whether the next one happens.
    fn happens(self, left: &mut usize, rng: &mut Rng) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        self != Share::Some || rng.between(0, 1) == 0
    }
}

impl Op {
    fn happen(&self, content: &mut Vec<u8>) {
        match self {
            Op::Write { at, data } => put(content, *at, data),
            Op::Length(length) => content.resize(*length, 0),
        }
    }
}

fn put(content: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(data);
}

/// Makes a file longer, with what happens to be there.
fn grow(content: &mut Vec<u8>, to: usize, lengths: Lengths, stale: &[u8]) {
    let from = content.len();
    if to <= from {
        return;
    }
    content.resize(to, 0);
    if lengths == Lengths::Stale {
        for (at, byte) in content.iter_mut().enumerate().skip(from) {
            *byte = stale.get(at).copied().unwrap_or((at % 251) as u8 ^ 0xa5);
        }
    }
}

impl File {
    /// As the program sees it.
    fn now(&self) -> Vec<u8> {
        let mut content = self.lasting.clone();
        self.since.iter().for_each(|op| op.happen(&mut content));
        content
    }

    fn after(&self, fate: Fate, is_last: bool, stale: &[u8], rng: &mut Rng) -> Vec<u8> {
        let mut content = self.lasting.clone();
        let mut left = fate.writes.of(self.since.len(), rng);
        for (index, op) in self.since.iter().enumerate() {
            let happens = fate.writes.happens(&mut left, rng);
            let Op::Write { at, data } = op else {
                if happens {
                    op.happen(&mut content);
                }
                continue;
            };
            grow(&mut content, at + data.len(), fate.lengths, stale);
            let sector = match fate.torn {
                Torn::Every(sector) => sector,
                Torn::Last(sector) if is_last && index + 1 == self.since.len() => sector,
                _ => usize::MAX,
            };
            if !happens {
                continue;
            }
            let mut from = 0;
            while from < data.len() {
                let whole = sector == usize::MAX;
                let to = if whole { data.len() } else { data.len().min(((at + from) / sector + 1) * sector - at) };
                if whole || rng.between(0, 1) == 0 {
                    put(&mut content, at + from, &data[from..to]);
                }
                from = to;
            }
        }
        if fate.lengths == Lengths::Lost && content.len() > self.lasting.len() {
            content.truncate(self.lasting.len());
        }
        content
    }
}
