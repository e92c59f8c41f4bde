//! The list of mistakes in the README: each has its case, with the first line the compiler says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How many mistakes the list has.
const MISTAKES: u32 = 64;

/// One row: `| 5 | what is wrong | declaration/unknown_column_option | what is said |`.
struct Entry {
    number: u32,
    file: String,
    says: String,
}

fn entries(readme: &str) -> Vec<Entry> {
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| {
        let mut cells = row.trim_end_matches('|').split(" | ").map(str::trim);
        let number = cells.next()?.parse().ok()?;
        let (_, file, says) = (cells.next()?, cells.next()?, cells.next()?);
        Some(Entry { number, file: file.trim_matches('`').to_owned(), says: says.to_owned() })
    })
    .collect()
}

#[test]
fn every_mistake_of_the_list_has_its_case() {
    let readme = fs::read_to_string("README.md").expect("the list is in the README");
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for Entry { number, file, says } in entries(&readme) {
        *seen.entry(number).or_default() += 1;
        if file.starts_with("comes with ") {
            assert!(says.is_empty(), "{number} comes later and cannot say anything yet");
            continue;
        }
        let case = Path::new("fail").join(&file).with_extension("rs");
        assert!(case.exists(), "{number}: there is no {}", case.display());
        let said = fs::read_to_string(case.with_extension("stderr")).expect("every case has its text");
        let first = said.lines().next().expect("something is said");
        assert_eq!(says, first, "{number}: the README says something else than {file}");
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), (1..=MISTAKES).collect::<Vec<_>>());
}
