//! One binary for every case: `fail/<family>/<mistake>.rs` makes one mistake and gives one error; `pass/*.rs` are the
//! passing twins.
//!
//! `TRYBUILD=overwrite cargo test -p plasma-ui-tests` accepts what the recorded compiler says; read the difference. With
//! another compiler the cases are compiled and counted, and not compared.

mod compiler;
mod mistakes;

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn cases() {
    provide_locks();
    let (compared, others): (Vec<_>, Vec<_>) = files("rs").into_iter().partition(|case| compiler::has_its_words(case));
    {
        let cases = trybuild::TestCases::new();
        cases.pass("pass/*.rs");
        compared.iter().for_each(|case| cases.compile_fail(case));
    }
    if !others.is_empty() {
        let (status, printed, failed) = compiler::compile_only(&others, "uncompared");
        assert!(status.success(), "{status}\n{printed}");
        assert_eq!(failed, others.len());
    }
}

/// What `cases` does in a process of its own with what it does not compare.
#[test]
#[ignore = "a part of `cases`"]
fn cases_that_are_not_compared() {
    let cases = trybuild::TestCases::new();
    // So that trybuild builds and does not only check: constants of generic functions are evaluated late.
    cases.pass("pass/names.rs");
    cases.compile_fail(compiler::folder().join("fail/*/*.rs"));
}

#[test]
fn only_releases_of_the_recorded_compiler_are_compared() {
    let is = |version| compiler::is_release_of("1.95", version);
    assert!(is("1.95.0") && is("1.95.12"));
    assert!(
        !is("1.96.0") && !is("1.9.0") && !is("1.950.0") && !is("1.95.0-nightly") && !is("1.95.0-beta.3") && !is("1.95")
    );
}

#[test]
fn a_case_that_compiles_fails_with_any_compiler() {
    let case = PathBuf::from("pass/names.rs");
    let wrong = PathBuf::from("fail/sealed/compared_with_text.rs");
    let (status, printed, failed) = compiler::compile_only(std::slice::from_ref(&wrong), "uncompared_and_wrong");
    assert!(status.success() && failed == 1, "{status}\n{printed}");
    let (status, printed, failed) = compiler::compile_only(&[wrong, case], "uncompared_and_right");
    assert!(!status.success() && failed == 1, "{status}\n{printed}");
}

/// Each family of mistakes has a program that does the same things right.
#[test]
fn every_family_has_its_passing_twin() {
    for family in fs::read_dir("fail").expect("the cases are here") {
        let family = family.expect("a readable folder").file_name();
        let twin = Path::new("pass").join(&family).with_extension("rs");
        assert!(twin.exists(), "there is no {}", twin.display());
    }
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
        "projections/of_a_struct_that_is_no_table.stderr",
        2,
        "the derive looks the columns up by their names, and the query has no such table: neither knows of the other",
    ),
    (
        "queries/conditions_joined_by_an_operator_of_rust.stderr",
        3,
        "`&&` is of the language: it asks both of its sides for a `bool`, and is one itself",
    ),
    (
        "relations/any_where_has_is_meant.stderr",
        2,
        "`any` is about another table in two ways: its condition and where it stands are both wrong",
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
    assert!(checked >= 300, "only {checked} cases were found");
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
