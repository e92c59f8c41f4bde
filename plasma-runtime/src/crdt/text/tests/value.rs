//! What edits do, and what they refuse.

use super::*;
use crate::ErrorKind;

fn text(value: &str) -> Text {
    let mut text = Text::default();
    text.push_str(replica(0), value).unwrap();
    text
}

#[test]
fn an_empty_text_has_one_spelling() {
    assert_eq!(json(&Text::default()), r#"{"text":"","doc":"AAA="}"#);
    assert_eq!(by_wire(&Text::default()), Text::default());
}

#[test]
fn positions_count_characters() {
    let mut state = text("a\u{1f600}e\u{301}\u{4e16}z");
    state.insert(replica(0), 2, "|").unwrap();
    assert_eq!(state.value(), "a\u{1f600}|e\u{301}\u{4e16}z");
    // The accent alone: it is a character of its own.
    state.delete(4..5).unwrap();
    assert_eq!(state.value(), "a\u{1f600}|e\u{4e16}z");
    state.replace(replica(0), 1..3, "b").unwrap();
    assert_eq!(state.value(), "abe\u{4e16}z");
    assert_eq!(by_wire(&state), state);
}

#[test]
fn typing_in_a_row_is_one_run() {
    let mut state = Text::default();
    for c in "a sentence that somebody types".chars() {
        state.push_str(replica(0), &c.to_string()).unwrap();
    }
    assert_eq!(state, text("a sentence that somebody types"));
}

#[test]
fn what_two_insert_at_one_place_stays_together() {
    for (first, second) in [(0, 1), (1, 0)] {
        let (mut a, mut b) = (text("()"), text("()"));
        for (at, c) in "hello".chars().enumerate() {
            a.insert(replica(first), 1 + at, &c.to_string()).unwrap();
        }
        for c in "WORLD".chars().rev() {
            b.insert(replica(second), 1, &c.to_string()).unwrap();
        }
        a.merge(&b);
        assert!(["(helloWORLD)", "(WORLDhello)"].contains(&a.value()), "{}", a.value());
    }
}

#[test]
fn what_one_deletes_and_another_extends() {
    let base = text("one two three");
    let (mut a, mut b) = (base.clone(), base.clone());
    a.delete(4..8).unwrap();
    b.insert(replica(1), 7, " and a half").unwrap();
    a.merge(&b);
    assert_eq!(a.value(), "one  and a halfthree");
}

#[test]
fn both_delete_the_same_once() {
    let base = text("abcdef");
    let (mut a, mut b) = (base.clone(), base.clone());
    a.delete(1..4).unwrap();
    b.delete(2..5).unwrap();
    a.merge(&b);
    assert_eq!(a.value(), "af");
}

#[test]
fn refusals_are_typed_and_change_nothing() {
    let mut state = text("a\u{1f600}c");
    let before = state.clone();
    let backwards = Range { start: 2, end: 1 };
    let errors = [
        state.insert(replica(0), 4, "x").unwrap_err(),
        state.delete(2..4).unwrap_err(),
        state.delete(backwards).unwrap_err(),
        state.insert(replica(0), usize::MAX, "x").unwrap_err(),
        state.insert(replica(0), 0, "\0").unwrap_err(),
        state.push_str(replica(0), &"x".repeat(MAX_TEXT)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    }
    assert_eq!(state, before);
    state.insert(replica(0), 3, "!").unwrap();
    state.delete(4..4).unwrap();
    assert_eq!(state.value(), "a\u{1f600}c!");
}

#[test]
fn a_text_of_the_greatest_length_can_be_shortened() {
    let mut state = text(&"x".repeat(MAX_TEXT));
    assert!(state.push_str(replica(0), "y").is_err());
    state.delete(0..1).unwrap();
    state.push_str(replica(0), "y").unwrap();
    assert_eq!(state.value().len(), MAX_TEXT);
}
