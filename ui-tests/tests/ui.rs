//! One binary for every case: `fail/<family>/<mistake>.rs` makes one mistake and gives one error; `pass/*.rs` are the
//! passing twins.
//!
//! `TRYBUILD=overwrite cargo test -p plasma-ui-tests` accepts what the pinned compiler says; read the difference.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn cases() {
    provide_locks();
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*/*.rs");
}

/// The cases are compiled in a crate of their own that trybuild writes; `lock = "locks/.."` is looked for there.
fn provide_locks() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder of the target directory");
    let folder = target.join("tests/trybuild").join(env!("CARGO_PKG_NAME")).join("locks");
    fs::create_dir_all(&folder).expect("a folder for the locks");
    for lock in fs::read_dir("locks").expect("the locks are here") {
        let lock = lock.expect("a readable folder");
        fs::copy(lock.path(), folder.join(lock.file_name())).expect("the lock is copied");
    }
}

/// Cases with more than one error, and why that cannot be helped.
const SEVERAL_ERRORS: &[(&str, usize, &str)] = &[
    (
        "declaration/field_without_type.stderr",
        2,
        "the compiler reports broken syntax before the macro runs; the macro must still say why it emits nothing",
    ),
    (
        "mutators/one_type_for_two_sets.stderr",
        2,
        "two blocks cannot see each other, and each of the two impls a mutation has conflicts",
    ),
    (
        "writes/set_with_two_arguments.stderr",
        2,
        "the compiler checks the bound of the first argument although their number is wrong; that one says what to write",
    ),
];

#[test]
fn one_mistake_is_one_error() {
    let mut checked = 0;
    for case in files("stderr") {
        let text = fs::read_to_string(&case).expect("the file was listed");
        let errors = text
            .lines()
            .filter(|line| line.starts_with("error") && !line.starts_with("error: aborting due to"))
            .filter(|line| !line.starts_with("error: could not compile"))
            .count();
        let name = case.strip_prefix("fail").expect("listed under fail").display().to_string();
        let allowed = SEVERAL_ERRORS.iter().find(|(listed, ..)| *listed == name).map_or(1, |(_, count, _)| *count);
        assert_eq!(errors, allowed, "{name} gives {errors} errors:\n{text}");
        checked += 1;
    }
    assert!(checked >= 36, "only {checked} cases were found");
}

#[test]
fn every_case_says_what_it_expects() {
    let sources = files("rs");
    let expectations = files("stderr");
    let stems = |files: &[PathBuf]| files.iter().map(|file| file.with_extension("")).collect::<Vec<_>>();
    assert_eq!(stems(&sources), stems(&expectations));
    for (listed, _, reason) in SEVERAL_ERRORS {
        assert!(Path::new("fail").join(listed).exists(), "{listed} is listed and gone");
        assert!(!reason.is_empty());
    }
}

/// The files of all families with this extension, sorted.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for family in fs::read_dir("fail").expect("the cases are here") {
        for case in fs::read_dir(family.expect("a readable folder").path()).expect("a family is a folder") {
            let path = case.expect("a readable file").path();
            if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
