//! The tour runs, says what it should, and is whole.

mod complete;
mod facts;

use std::path::Path;

/// Everything the tour prints, line by line. `SHOWCASE=write cargo test -p showcase` writes the file.
#[tokio::test]
async fn it_prints_what_is_expected() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected.txt");
    let printed = showcase::story::tell().await.expect("the tour runs");
    if std::env::var_os("SHOWCASE").is_some_and(|what| what == "write") {
        std::fs::write(&path, &printed).expect("the file is written");
    }
    let expected = std::fs::read_to_string(&path).expect("expected.txt is there");
    for (number, (printed, expected)) in printed.lines().zip(expected.lines()).enumerate() {
        assert_eq!(printed, expected, "line {} of expected.txt", number + 1);
    }
    assert_eq!(printed, expected, "one is longer than the other");
}
