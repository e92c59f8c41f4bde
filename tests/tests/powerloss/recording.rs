//! Programs whose calls are written down, and folders to put what is left of them into.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::disk::Image;
use super::log::{self, Event};

/// The environment of a part.
pub const PART: &str = "PLASMA_TEST_PART";
pub const FOLDER: &str = "PLASMA_TEST_FOLDER";
pub const KEEP: &str = "PLASMA_TEST_KEEP";
pub const HOW: &str = "PLASMA_TEST_HOW";

pub fn deep() -> bool {
    std::env::var_os("PLASMA_DEEP").is_some()
}

/// A temporary folder, in memory where there is such a thing: thousands of images are opened, and none of their syncs has to
/// reach a disk.
pub fn temporary() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

/// The files of a folder.
pub fn files(folder: &Path) -> Image {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.file_type().expect("a type").is_file());
    files
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name");
            let content = std::fs::read(entry.path()).expect("readable");
            (name, content)
        })
        .filter(|(name, _)| !name.ends_with("-shm") && name != "marks")
        .collect()
}

/// Fills a folder with these files and nothing else. The index of a write-ahead log is rubbish.
pub fn put(image: &Image, folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
    }
    for (name, content) in image {
        std::fs::write(folder.join(name), content).expect("written");
        if let Some(database) = name.strip_suffix("-wal") {
            std::fs::write(folder.join(format!("{database}-shm")), [0x5a; 32 << 10]).expect("written");
        }
    }
}

/// The shim, and what it is wanted for.
pub struct Recorder {
    shim: PathBuf,
    own: tempfile::TempDir,
}

impl Recorder {
    /// None (said loudly) where there is no C compiler.
    pub fn new() -> Option<Self> {
        let own = temporary();
        let shim = crate::blackbox::shim::build("writelog.c", own.path())?;
        Some(Recorder { shim, own })
    }

    /// A command that plays `part` over the files of `folder`, below the shim. What lasts beyond power loss it puts into `keep`.
    pub fn command(&self, part: &str, folder: &Path, keep: &Path, how: &str) -> Command {
        let folder = folder.canonicalize().expect("a folder");
        let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
        command.args([&format!("powerloss::{part}"), "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(PART, part).env(FOLDER, &folder).env(KEEP, keep).env(HOW, how);
        command.env("LD_PRELOAD", &self.shim).env("WRITELOG_DIR", &folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a part to its end; what it did.
    pub fn record(&self, part: &str, folder: &Path, keep: &Path, how: &str) -> Vec<Event> {
        self.log(&mut self.command(part, folder, keep, how)).0
    }

    /// Runs a command of [`command`](Self::command) to its end; what it did and said.
    pub fn log(&self, command: &mut Command) -> (Vec<Event>, String) {
        let path = self.own.path().join("log");
        // The last run's.
        let _ = std::fs::remove_file(&path);
        let output = command.env("WRITELOG", &path).output().expect("runs");
        let said = said(&output);
        assert!(output.status.success(), "{command:?}: {said}");
        (log::read(&path), said)
    }
}

/// All that a program said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
