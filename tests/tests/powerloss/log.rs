//! The log that `tools/writelog.c` keeps: what a process did to the files of one folder, in order.
//!
//! The file is a row of records, each a head of 25 bytes and what it announces; numbers are little-endian:
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | kind: 1 opened, 2 created, 3 written, 4 truncated, 5 synced, 6 unlinked, 7 renamed, 8 folder synced, 9 not synced, with an error |
//! | 8 | the file: 1, 2, 3 .. in the order in which they were first opened; an unlinked and recreated file is another one |
//! | 8 | where it was written, or the new length |
//! | 4, 4 | lengths of the two following members |
//! | .. | the name (1, 2, 6), the old name (7) |
//! | .. | what was written (3), the new name (7) |
//!
//! A program says how far it has come by appending lines to the file `marks` of the folder: these writes are marks in
//! the log, and the file is no part of the disk. Nor is SQLite's `-shm`, the index of the write-ahead log: it is shared memory
//! that happens to have a name, no sync is ever asked for it, and whoever opens a database first makes it anew from the log
//! (<https://www.sqlite.org/walformat.html#the_wal_index_file_format>). The shim leaves it out, and images get rubbish
//! in its place.

use std::path::Path;

/// Names a file of the log.
pub type FileId = u64;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file that was there.
    Opened {
        file: FileId,
        name: String,
    },
    Created {
        file: FileId,
        name: String,
    },
    Written {
        file: FileId,
        at: u64,
        data: Vec<u8>,
    },
    Truncated {
        file: FileId,
        length: u64,
    },
    Synced {
        file: FileId,
    },
    /// A sync that failed.
    NotSynced {
        file: FileId,
    },
    Unlinked {
        name: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    FolderSynced,
    /// The program says how far it has come.
    Mark(String),
}

impl Event {
    /// Whether the program waits for the disk here.
    pub fn is_sync(&self) -> bool {
        matches!(self, Event::Synced { .. } | Event::FolderSynced)
    }
}

/// Takes the first `count` bytes.
fn take<'b>(bytes: &mut &'b [u8], count: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at_checked(count).expect("the log ends within a record");
    *bytes = rest;
    taken
}

fn number(bytes: &mut &[u8], size: usize) -> u64 {
    take(bytes, size).iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The events of a log, in order.
///
/// # Panics
/// When the log is not one.
pub fn read(path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).expect("there is a log");
    let mut rest = bytes.as_slice();
    let (mut events, mut marks) = (Vec::new(), None);
    while !rest.is_empty() {
        let kind = number(&mut rest, 1);
        let (file, at) = (number(&mut rest, 8), number(&mut rest, 8));
        let (name, data) = (number(&mut rest, 4) as usize, number(&mut rest, 4) as usize);
        let name = String::from_utf8(take(&mut rest, name).to_vec()).expect("a name");
        let data = take(&mut rest, data).to_vec();
        if matches!(kind, 1 | 2) && name == "marks" {
            marks = Some(file);
            continue;
        }
        let text = |data: Vec<u8>| String::from_utf8(data).expect("text");
        if marks == Some(file) {
            assert_eq!(kind, 3, "`marks` is only appended to");
            events.extend(text(data).lines().map(|line| Event::Mark(line.to_owned())));
            continue;
        }
        if name.ends_with("-shm") {
            continue;
        }
        events.push(match kind {
            1 => Event::Opened { file, name },
            2 => Event::Created { file, name },
            3 => Event::Written { file, at, data },
            4 => Event::Truncated { file, length: at },
            5 => Event::Synced { file },
            6 => Event::Unlinked { name },
            7 => Event::Renamed { from: name, to: text(data) },
            8 => Event::FolderSynced,
            9 => Event::NotSynced { file },
            _ => panic!("the log has a record of kind {kind}"),
        });
    }
    events
}
