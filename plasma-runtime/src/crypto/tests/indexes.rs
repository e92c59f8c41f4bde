use super::blind::{blind, normal};
use super::*;

#[test]
fn an_index_is_of_one_key_table_and_column() {
    let other = Dek::generate(&mut Seeded(9));
    let all = [
        normal(&key(), "notes", "title", "x"),
        normal(&other, "notes", "title", "x"),
        normal(&key(), "note", "title", "x"),
        normal(&key(), "notes", "body", "x"),
        normal(&key(), "notest", "itle", "x"),
        normal(&key(), "notes", "title", "y"),
        normal(&key(), "notes", "title", ""),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other != one), "{at}");
    }
}

#[test]
fn what_differs_without_meaning_has_one_index() {
    let index = |text| normal(&key(), "t", "c", text);
    for (a, b) in [
        ("Alice", " alice\t\u{2003}"),
        // Precomposed, and with a combining mark.
        ("\u{e9}t\u{e9}", "E\u{301}te\u{301}"),
        // The Angstrom sign is the letter.
        ("\u{212b}", "\u{e5}"),
        // Only the lower case has a composed form: j with a caron.
        ("J\u{30c}", "\u{1f0}"),
    ] {
        assert_eq!(index(a), index(b), "{a} {b}");
    }
    for (a, b) in [("a b", "a  b"), ("stra\u{df}e", "strasse"), ("a", "\u{e1}")] {
        assert_ne!(index(a), index(b), "{a} {b}");
    }
    assert_ne!(blind(&key(), "t", "c", b"Alice"), blind(&key(), "t", "c", b"alice"));
}

/// No index is a key, or a part of what another use of the key shows.
#[test]
fn each_use_has_a_key_of_its_own() {
    let place = length_prefixed(&[b"", b""]);
    let uses: Vec<_> = [
        vec![&b"plasma sealed 1"[..]],
        vec![b"plasma at rest 1"],
        vec![b"plasma blind index 1", &place],
        vec![b"plasma blind index 1"],
        vec![],
    ]
    .iter()
    .map(|info| *key().derive(info))
    .chain([*key().expose()])
    .collect();
    for (at, one) in uses.iter().enumerate() {
        assert!(!uses[..at].contains(one), "{at}");
    }
}
