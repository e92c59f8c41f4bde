//! The program, run for real: its story, and two devices with a server by hand.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs `notes` with these arguments in a folder; what it prints.
fn notes(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_notes")).current_dir(folder).args(arguments).output().expect("runs");
    let said = String::from_utf8(output.stdout).expect("text");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{complaint}");
    said
}

#[test]
fn the_story_ends_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = notes(folder.path(), &[]);
    assert!(said.contains("not a word of it in the clear"), "{said}");
}

/// A server that is killed with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_devices_and_a_server_that_knows_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let mut child = Command::new(env!("CARGO_BIN_EXE_notes"))
        .current_dir(here)
        .args(["serve", "--listen", "127.0.0.1:0", "--db", "server.db"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
    let _server = Server(child);
    let url = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
    let device = |store: &str, arguments: &[&str]| {
        let mut all = vec!["--server", &url, "--keys", "keys.json", "--store", store];
        all.extend(arguments);
        notes(here, &all)
    };
    device("phone.db", &["add", "Surprise party", "chocolate cake"]);
    device("phone.db", &["tag", "Surprise party", "birthday"]);
    device("laptop.db", &["sync"]);
    device("laptop.db", &["like", "Surprise party"]);
    device("phone.db", &["sync"]);
    let listed = device("phone.db", &["list", "--tag", "Birthday"]);
    assert!(listed.contains("Surprise party #birthday (1 likes)") && listed.contains("chocolate cake"), "{listed}");
    assert_eq!(device("phone.db", &["list", "--tag", "work"]), "no notes\n");

    // Rotated, the old key thrown away: the other device reads with the new file of keys.
    let rotated = device("phone.db", &["rotate"]);
    assert!(rotated.contains("3 texts sealed with key-2") && rotated.contains("in step"), "{rotated}");
    let over = device("phone.db", &["rotations"]);
    assert!(!over.contains("still needed"), "{over}");
    device("phone.db", &["forget", "key-1"]);
    device("laptop.db", &["sync"]);
    assert_eq!(device("laptop.db", &["list"]), listed);

    let dump = notes(here, &["dump", "--db", "server.db"]);
    assert!(dump.contains("\"keyId\":\"key-2\"") && dump.contains("== notes (1 rows)"), "{dump}");
    for secret in ["Surprise", "chocolate", "birthday"] {
        assert!(!dump.contains(secret), "{secret}");
        for file in ["server.db", "server.db-wal", "phone.db", "laptop.db"] {
            let bytes = std::fs::read(here.join(file)).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in {file}");
        }
    }
}
