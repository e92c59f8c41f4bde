//! Which crates an application takes in with plasma: the tree is compared with a list in the repository, so that a new
//! one is seen in review. `PLASMA_BLESS=1 cargo test -p plasma-tests dependencies` rewrites the lists.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The crates of `plasma` with these features on 64-bit Linux, for running and for building, each once.
fn crates(features: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["tree", "--locked", "--offline", "--package", "plasma", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--target", "x86_64-unknown-linux-gnu"])
        .args(features)
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    // A line is `name vVERSION ..`; one that was printed before ends with `(*)`.
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let versions = versions.entry(name).or_default();
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    let count: usize = versions.values().map(Vec::len).sum();
    let mut list = format!("# {count} crates\n");
    for (name, versions) in versions {
        list.push_str(name);
        // Which versions is in Cargo.lock; that there are two is news.
        if versions.len() > 1 {
            list.push_str(&format!(" in {} versions", versions.len()));
        }
        list.push('\n');
    }
    list
}

fn compare(name: &str, features: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dependencies").join(name);
    let found = crates(features);
    if env::var_os("PLASMA_BLESS").is_some() {
        fs::write(&path, &found).expect("the list can be written");
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (found_lines, listed_lines) = (lines(&found), lines(&listed));
    let new: Vec<_> = found_lines.iter().filter(|line| !listed_lines.contains(line)).collect();
    let gone: Vec<_> = listed_lines.iter().filter(|line| !found_lines.contains(line)).collect();
    assert!(
        found == listed,
        "the crates are not those of {name}: new {new:?}, gone {gone:?}; when that is meant, \
         `PLASMA_BLESS=1 cargo test -p plasma-tests dependencies`"
    );
}

#[test]
fn dependencies_of_the_default_features() {
    compare("default.txt", &[]);
}

#[test]
fn dependencies_of_a_client_alone() {
    compare("client.txt", &["--no-default-features", "--features", "client,sqlite"]);
}
