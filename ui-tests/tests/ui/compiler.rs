//! Which compiler is at work, and what becomes of the cases with another than the recorded one.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::LazyLock;
use std::{env, fs};

/// The compiler whose words the `.stderr` files hold.
const RECORDED: &str = "1.95";

/// Says that the compiler has this version, to see what happens with another one.
const VERSION: &str = "PLASMA_UI_RUSTC";

/// The folder of the cases that are not compared.
const FOLDER: &str = "PLASMA_UI_FOLDER";

/// Whether the compiler at work says of a case what is recorded: it must be the recorded compiler, and where the text shows
/// a place in the standard library, without the library's source, as the text was recorded.
pub(crate) fn has_its_words(case: &Path) -> bool {
    static RECORDED_NOW: LazyLock<bool> = LazyLock::new(|| is_release_of(RECORDED, &version()));
    static HAS_SOURCE: LazyLock<bool> =
        LazyLock::new(|| Path::new(&rustc("--print=sysroot")).join("lib/rustlib/src/rust/library").exists());
    let of_the_library = || fs::read_to_string(case.with_extension("stderr")).is_ok_and(|text| text.contains("$RUST"));
    *RECORDED_NOW && !(*HAS_SOURCE && of_the_library())
}

/// Whether `1.95.0` is a release of `1.95`. A nightly or a beta of it is not: its words are not settled.
pub(crate) fn is_release_of(recorded: &str, version: &str) -> bool {
    let patch = version.strip_prefix(recorded).and_then(|rest| rest.strip_prefix('.'));
    patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
}

fn version() -> String {
    if let Ok(version) = env::var(VERSION) {
        return version;
    }
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    rustc("--version").split_whitespace().nth(1).expect("rustc prints its version").to_owned()
}

/// What the compiler answers to an option.
fn rustc(option: &str) -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg(option).output().expect("rustc runs");
    String::from_utf8(output.stdout).expect("rustc prints UTF-8").trim_end().to_owned()
}

/// The folder whose cases the child process compiles.
pub(crate) fn folder() -> PathBuf {
    env::var_os(FOLDER).expect("the test that compares nothing runs in a process of its own").into()
}

/// Compiles cases without comparing what the compiler says; each must fail to compile. Returns how the process ended,
/// what it printed, and how many cases failed to compile.
///
/// The cases are copied, and trybuild is told to write what is said beside the copies. That is an environment variable,
/// hence the process of its own.
pub(crate) fn compile_only(cases: &[PathBuf], name: &str) -> (ExitStatus, String, usize) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of the last run can go");
    }
    let copies: Vec<PathBuf> = cases.iter().map(|case| folder.join("fail").join(family_and_name(case))).collect();
    for (case, copy) in cases.iter().zip(&copies) {
        fs::create_dir_all(copy.parent().expect("a case is in a folder")).expect("a folder for the copies");
        fs::copy(case, copy).expect("the case is copied");
    }
    fs::create_dir_all(folder.join("common")).expect("a folder for what the cases include");
    for included in fs::read_dir("common").expect("what the cases include is here") {
        let included = included.expect("a readable folder");
        fs::copy(included.path(), folder.join("common").join(included.file_name())).expect("it is copied");
    }
    let output = Command::new(env::current_exe().expect("the test is a program"))
        .args(["--exact", "cases_that_are_not_compared", "--ignored"])
        .env(FOLDER, &folder)
        .env("TRYBUILD", "overwrite")
        .output()
        .expect("the test runs itself");
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let said: Vec<String> =
        copies.iter().filter_map(|copy| fs::read_to_string(copy.with_extension("stderr")).ok()).collect();
    // A case without what it includes fails too, and says nothing of its mistake.
    assert!(!said.iter().any(|text| text.contains("couldn't read")), "a file that the cases include was not copied");
    (output.status, printed, said.len())
}

fn family_and_name(case: &Path) -> PathBuf {
    let mut parts: Vec<_> = case.components().rev().take(2).collect();
    parts.reverse();
    parts.iter().collect()
}
