//! States made up by hand.

use proptest::prelude::*;

use super::bytes::{CharId, Insertion, Ranges, update};
use super::*;

/// A text with deletions, gaps, several writers and characters of two units.
fn rich() -> Text {
    let mut text = Text::default();
    text.push_str(replica(0), "a\u{1f600}b c\u{1f468}d").unwrap();
    text.insert(replica(1), 3, "\u{1f600}z").unwrap();
    text.delete(1..3).unwrap();
    let seen = text.anchors(replica(2), &Edit::new(Some(1..1), "q")).unwrap();
    let mut seen = serde_json::to_value(seen).unwrap();
    seen["clock"] = 7.into();
    let seen: Anchors = serde_json::from_value(seen).unwrap();
    text.edit(replica(2), &Edit::new(Some(1..1), "q"), Some(&seen)).unwrap();
    assert_eq!(by_wire(&text), text);
    text
}

fn state(text: &str, doc: &[u8]) -> Result<Text, serde_json::Error> {
    serde_json::from_value(serde_json::json!({ "text": text, "doc": STANDARD.encode(doc) }))
}

#[test]
fn a_text_that_is_not_its_documents_is_refused() {
    let text = rich();
    assert!(state(text.value(), &text.doc).is_ok());
    assert!(state(&format!("{}!", text.value()), &text.doc).is_err());
    assert!(state("", &text.doc).is_err());
    for json in [r#"{"text":""}"#, r#"{"text":"","doc":"AAA"}"#, r#"{"text":"","doc":"AAA=","x":1}"#, r#""""#] {
        assert!(serde_json::from_str::<Text>(json).is_err(), "{json}");
    }
}

#[test]
fn blocks_beside_what_is_not_there_are_refused() {
    let beside = |left, right, text: &str| {
        let insertion = Insertion { writer: 5, from: 0, clock: 0, left, right, text };
        state(text, &update(Some(&insertion), &Ranges::new()))
    };
    assert!(beside(None, None, "a\u{1f600}").is_ok());
    // Somebody else's, its own later, itself, and half of its own.
    for id in [CharId(6, 0), CharId(5, 9), CharId(5, 0), CharId(5, 1)] {
        assert!(beside(Some(id), None, "a\u{1f600}").is_err());
        assert!(beside(None, Some(id), "a\u{1f600}").is_err());
    }
    assert!(beside(None, None, "a\0").is_err());
    assert!(beside(None, None, "").is_err());
}

/// Were the characters gone through once for each range, this would not end.
#[test]
fn as_many_ranges_as_a_push_can_hold_are_read_in_one_go() {
    let mut text = Text::default();
    let count = MAX_TEXT as u32 / 4;
    text.push_str(replica(0), &"\u{1f600}".repeat(count as usize)).unwrap();
    let mut seen = serde_json::to_value(text.anchors(replica(1), &Edit::new(Some(0..1), "")).unwrap()).unwrap();
    let writer = seen["gone"][0][0].clone();
    // Half of every character, so that none of them counts against what the mutator deletes.
    let halves: Vec<(u32, u32)> = (0..count).map(|n| (2 * n + 1, 1)).collect();
    seen["gone"] = serde_json::json!([[writer, halves]]);
    let seen: Anchors = serde_json::from_value(seen).unwrap();
    let before = text.clone();
    text.edit(replica(1), &Edit::new(Some(0..1), ""), Some(&seen)).unwrap();
    assert_eq!(text, before);
}

#[test]
fn two_that_stand_beside_each_other_are_refused() {
    // Each says that it stands right of the other: writers 2 and 1, one block each.
    let doc = [2, 1, 2, 0, 0x84, 1, 0, 1, b'b', 1, 1, 0, 0x84, 2, 0, 1, b'a', 0];
    assert!(Blocks::parse(&doc).is_err());
    let doc = [2, 1, 2, 0, 0x84, 1, 0, 1, b'b', 1, 1, 0, 0x04, 1, 1, b't', 1, b'a', 0];
    assert!(state("ab", &doc).is_ok());
}

#[test]
fn a_document_has_one_spelling() {
    let one = [1, 1, 5, 0, 0x04, 1, 1, b't', 2, b'a', b'b', 0];
    assert!(state("ab", &one).is_ok());
    // The same text as two blocks, of which the second follows the first.
    let two = [1, 2, 5, 0, 0x04, 1, 1, b't', 1, b'a', 0x84, 5, 0, 1, b'b', 0];
    assert!(Blocks::parse(&two).is_ok());
    assert!(state("ab", &two).is_err());
}

#[test]
fn states_that_disagree_about_a_character_merge_the_same_both_ways() {
    let one = |text: &str| {
        let insertion = Insertion { writer: 5, from: 0, clock: 0, left: None, right: None, text };
        state(text, &update(Some(&insertion), &Ranges::new())).unwrap()
    };
    let (a, b) = (one("xy"), one("x\u{1f600}z"));
    assert_eq!(merged(&a, &b), merged(&b, &a));
    assert_eq!(by_wire(&merged(&a, &b)), merged(&a, &b));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is let through can be merged and edited; nothing panics.
    #[test]
    fn changed_bytes_are_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..4),
    ) {
        let text = rich();
        let mut doc = text.doc.clone();
        for (at, what, byte) in changes {
            let at = at.index(doc.len());
            match what {
                0 => doc[at] = byte,
                1 => doc[at] = doc[at].wrapping_add(1),
                2 => { doc.remove(at); }
                _ => doc.insert(at, byte),
            }
            prop_assume!(!doc.is_empty());
        }
        let Ok(blocks) = Blocks::parse(&doc) else { return Ok(()) };
        drop(blocks);
        let value = Document::load(&[&doc]).unwrap().text();
        if let Ok(mut changed) = state(&value, &doc) {
            changed.merge(&text);
            prop_assert_eq!(by_wire(&changed), changed.clone());
            changed.push_str(replica(3), "end").unwrap();
            changed.delete(0..1).unwrap();
            prop_assert_eq!(by_wire(&changed), changed);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(doc in prop::collection::vec(prop_oneof![0..8u8, any::<u8>()], 0..40)) {
        if Blocks::parse(&doc).is_ok() {
            let _ = Document::load(&[&doc]).map(|document| document.text());
        }
    }
}
