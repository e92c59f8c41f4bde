//! The `todo` program, driven as a person would: commands, exit codes, what the terminal says.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::child::{Serving, todo_program, todo_serve};
use crate::place::Place;

struct User<'t> {
    name: &'static str,
    folder: &'t Path,
    server: Option<String>,
}

impl User<'_> {
    fn store(&self) -> PathBuf {
        self.folder.join(format!("{}.db", self.name))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(todo_program());
        if let Some(server) = &self.server {
            command.args(["--server", server]);
        }
        command.args(["--user", self.name, "--store"]).arg(self.store()).args(arguments).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// What a command that has to work says.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{} {arguments:?}: {output:?}", self.name);
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a command that has to fail says, on both channels.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{} {arguments:?}: {output:?}", self.name);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn two_people_share_a_list(place: Place) {
    let Some(data) = place.data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let server = Serving::todo(&data);
    let url = Some(format!("http://{}", server.address));
    let alice = User { name: "alice", folder: folder.path(), server: url.clone() };
    let bob = User { name: "bob", folder: folder.path(), server: url };

    assert!(alice.says(&["add", "Groceries", "milk"]).contains("the server has it"));
    assert!(alice.says(&["share", "Groceries", "bob"]).contains("the server has it"));
    assert!(alice.says(&["share", "Groceries", "bob"]).contains("the server has it"), "sharing again changes nothing");
    assert!(bob.says(&["lists"]).contains("no lists yet"), "bob has not pulled");
    bob.says(&["sync"]);
    assert!(bob.says(&["lists"]).contains("Groceries (of alice, shared with bob)"));
    bob.says(&["done", "milk"]);
    alice.says(&["sync"]);
    assert!(alice.says(&["lists"]).contains("[x] milk"));
    alice.says(&["rename", "milk", "oat milk"]);
    alice.says(&["done", "oat milk", "--undo"]);
    assert!(alice.says(&["lists"]).contains("[ ] oat milk"));

    let refused = bob.fails(&["share", "Groceries", "eve"]);
    assert!(refused.contains("only the owner"), "{refused}");
    assert!(bob.fails(&["done", "no such thing"]).contains("no such thing"));
    assert!(alice.fails(&["add", "Groceries", &"y".repeat(201)]).contains("200"));

    alice.says(&["unshare", "Groceries", "bob"]);
    bob.says(&["sync"]);
    assert!(bob.says(&["lists"]).contains("no lists yet"), "the list left bob's device");
    alice.says(&["rm", "oat milk"]);
    alice.says(&["rm", "Groceries"]);
    assert!(alice.says(&["lists"]).contains("no lists yet"));

    let stranger = User { name: "bob", folder: folder.path(), server: None };
    let wrong = Command::new(todo_program())
        .args(["--user", "carol", "--store"])
        .arg(stranger.store())
        .arg("lists")
        .output()
        .expect("the program runs");
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("bob"), "{wrong:?}");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn a_device_works_offline_and_goes_up_later(place: Place) {
    let Some(data) = place.data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut alice = User { name: "alice", folder: folder.path(), server: None };
    assert!(alice.says(&["add", "Groceries", "milk"]).contains("saved on this device"));
    assert!(alice.says(&["lists"]).contains("[ ] milk"));
    assert_eq!(alice.says(&["outbox"]).lines().count(), 2);
    assert!(alice.says(&["status"]).contains("queued: 2"));
    assert!(alice.fails(&["sync"]).contains("--server"));

    // A server that is not there: the change is kept, and the program says so.
    alice.server = Some("http://127.0.0.1:9".to_owned());
    assert!(alice.says(&["add", "Groceries", "bread"]).contains("goes up later"));

    let server = Serving::todo(&data);
    alice.server = Some(format!("http://{}", server.address));
    assert!(alice.says(&["--offline", "add", "Groceries", "tea"]).contains("saved on this device"));
    alice.says(&["sync"]);
    assert_eq!(alice.says(&["outbox"]), "");
    assert!(alice.says(&["status"]).contains("queued: 0"));

    // Another device of hers has it all.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let tablet = User { name: "alice", folder: elsewhere.path(), server: alice.server.clone() };
    tablet.says(&["sync"]);
    let lists = tablet.says(&["lists"]);
    for title in ["milk", "bread", "tea"] {
        assert!(lists.contains(title), "{title} is missing in {lists}");
    }
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn watch_follows_what_others_write(place: Place) {
    let Some(data) = place.data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let server = Serving::todo(&data);
    let url = Some(format!("http://{}", server.address));
    let alice = User { name: "alice", folder: folder.path(), server: url.clone() };
    alice.says(&["add", "Groceries", "milk"]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let tablet = User { name: "alice", folder: elsewhere.path(), server: url };
    let mut watching = Running(alice.command(&["watch"]).stdout(Stdio::piped()).spawn().expect("the program runs"));
    let mut lines = BufReader::new(watching.0.stdout.take().expect("a pipe")).lines();
    let mut until = |wanted: &str| {
        let deadline = Instant::now() + Duration::from_secs(60);
        for line in lines.by_ref() {
            if line.expect("text").contains(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "`{wanted}` did not appear in time");
        }
        panic!("watch ended before `{wanted}` appeared");
    };
    until("milk");
    tablet.says(&["sync"]);
    tablet.says(&["add", "Groceries", "eggs"]);
    until("eggs");
}

/// The server ends in order on both signals, also while a long poll is held.
#[cfg(unix)]
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
fn serve_stops_on_signals(place: Place) {
    for signal in ["-TERM", "-INT"] {
        let Some(data) = place.data() else { return };
        let mut serving =
            Running(todo_serve(&data).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program runs"));
        let mut said = String::new();
        BufReader::new(serving.0.stdout.take().expect("a pipe")).read_line(&mut said).expect("a line");
        assert!(said.starts_with("listening on http://127.0.0.1:"), "{said}");
        let killed = Command::new("kill").args([signal, &serving.0.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        assert!(serving.0.wait().expect("ends").success(), "{signal} is an orderly end");
    }
}

#[test]
fn the_demo_ends_well() {
    let output = Command::new(todo_program()).stdin(Stdio::null()).output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let story = String::from_utf8(output.stdout).expect("text");
    for told in ["whole milk, 2 l", "only the owner", "killed (SIGKILL)", "everybody agrees"] {
        assert!(story.contains(told), "the story does not tell `{told}`:\n{story}");
    }
}
