use proptest::prelude::*;

use super::*;

/// A second opinion, by the definition: a pattern matches when its first step takes some prefix of the text and the rest
/// matches the rest. Exponential, so for short texts only.
fn by_definition(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|taken| by_definition(&text[taken..], rest)),
        ['_', rest @ ..] => !text.is_empty() && by_definition(&text[1..], rest),
        ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && by_definition(&text[1..], rest),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn both_readings_agree(text in "[abAB%_\\\\\\[\\]*?é]{0,8}", pattern in "[abAB%_\\\\\\[\\]*?é]{0,8}") {
        let (chars, steps): (Vec<_>, Vec<_>) = (text.chars().collect(), pattern.chars().collect());
        prop_assert_eq!(matches(&text, &pattern), by_definition(&chars, &steps), "{} like {}", text, pattern);
    }
}

#[test]
fn examples() {
    for (text, pattern, expected) in [
        ("", "", true),
        ("", "%", true),
        ("", "_", false),
        ("abc", "abc", true),
        ("abc", "ABC", false),
        ("abc", "a%", true),
        ("abc", "%c", true),
        ("abc", "%b%", true),
        ("abc", "a_c", true),
        ("a\u{1f600}c", "a_c", true),
        ("100%", "100\\%", true),
        ("1000", "100\\%", false),
        ("a_b", "a\\_b", true),
        ("axb", "a\\_b", false),
        ("a\\b", "a\\\\b", true),
        ("a\\", "a\\", true),
        ("a", "\\a", true),
        ("[x]", "[x]", true),
        ("x", "[x]", false),
        ("*?", "*?", true),
        ("ab", "*?", false),
        ("aab", "%ab", true),
        ("abab", "%ab", true),
    ] {
        assert_eq!(matches(text, pattern), expected, "{text:?} like {pattern:?}");
    }
}

#[test]
fn hostile_patterns_are_cheap() {
    assert_eq!(glob(&"%".repeat(100_000)), "*");
    let text = "a".repeat(10_000);
    assert!(matches(&text, &"%".repeat(100_000)));
    assert!(!matches(&text, &"%a".repeat(50).replace('a', "ab")));
    assert!(!matches(&text, &format!("{}b", "%a".repeat(200))));
}
