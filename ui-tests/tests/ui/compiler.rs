//! Which compiler is at work, and what becomes of the cases with another than the recorded one.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::{env, fs};

/// The compiler whose words the `.stderr` files hold.
const RECORDED: &str = "1.95";

/// Says that the compiler has this version, to see what happens with another one.
const VERSION: &str = "PLASMA_UI_RUSTC";

/// The folder of the cases that are not compared.
const FOLDER: &str = "PLASMA_UI_FOLDER";

/// Whether the words of the compiler at work can be compared.
pub(crate) fn is_recorded() -> bool {
    is_release_of(RECORDED, &version())
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
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc prints UTF-8");
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    text.split_whitespace().nth(1).expect("rustc prints its version").to_owned()
}

/// The folder whose cases the child process compiles.
pub(crate) fn folder() -> PathBuf {
    env::var_os(FOLDER).expect("the test that compares nothing runs in a process of its own").into()
}

/// Compiles cases without comparing what the compiler says; each must fail to compile. Returns how many did.
///
/// The cases are copied, and trybuild is told to write what is said beside the copies. That is an environment variable,
/// hence the process of its own.
pub(crate) fn compile_only(cases: &[PathBuf], name: &str) -> (ExitStatus, usize) {
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
    fs::copy("common/app.rs", folder.join("common/app.rs")).expect("what the cases include is copied");
    let status = Command::new(env::current_exe().expect("the test is a program"))
        .args(["--exact", "cases_that_are_not_compared", "--ignored"])
        .env(FOLDER, &folder)
        .env("TRYBUILD", "overwrite")
        .status()
        .expect("the test runs itself");
    (status, copies.iter().filter(|copy| copy.with_extension("stderr").exists()).count())
}

fn family_and_name(case: &Path) -> PathBuf {
    let mut parts: Vec<_> = case.components().rev().take(2).collect();
    parts.reverse();
    parts.iter().collect()
}
