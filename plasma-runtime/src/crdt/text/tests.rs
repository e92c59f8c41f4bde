mod again;
mod histories;
mod hostile;
mod laws;
mod oracle;
mod value;

use super::*;

/// Characters of one, two, three and four bytes, of one and two units of UTF-16, and ones that combine.
const PIECES: [&str; 8] =
    ["a", "bc", "\u{e9}", "e\u{301}", "\u{4e16}\u{754c}", "\u{1f600}", "x\u{1f468}\u{200d}\u{1f469}y", "\n\"\\"];

fn replica(n: usize) -> Replica {
    // Spread over the numbers, so that their order is not the order of the test.
    Replica::of_client(&format!("client {n}"))
}

fn json(text: &Text) -> String {
    serde_json::to_string(text).unwrap()
}

/// The same state by way of the wire: it has to be in the one spelling.
fn by_wire(text: &Text) -> Text {
    serde_json::from_str(&json(text)).unwrap()
}

fn chars(text: &Text) -> usize {
    text.value().chars().count()
}

fn merged(a: &Text, b: &Text) -> Text {
    let mut merged = a.clone();
    merged.merge(b);
    merged
}
