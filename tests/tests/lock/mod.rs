//! `plasma.lock` as people use it: a crate of its own, real cargo, one step after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The aliases of the guide.
const ALIASES: &str = r#"
[alias]
plasma-lock = ["--config", "env.PLASMA_LOCK='write'", "test", "plasma_lock"]
plasma-relock = ["--config", "env.PLASMA_LOCK='replace'", "test", "plasma_lock"]
"#;

struct Crate {
    folder: tempfile::TempDir,
    target: PathBuf,
}

impl Crate {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = tests.parent().expect("the repository");
        let manifest = format!(
            "[workspace]\n\n[package]\nname = \"locked\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\ndoctest = false\n\n[dependencies]\n\
             plasma = {{ path = {:?}, default-features = false }}\n\n[profile.dev]\ndebug = false\n",
            root.join("plasma")
        );
        fs::create_dir_all(folder.path().join("src")).expect("a folder");
        fs::create_dir_all(folder.path().join(".cargo")).expect("a folder");
        fs::write(folder.path().join("Cargo.toml"), manifest).expect("a manifest");
        fs::write(folder.path().join(".cargo/config.toml"), ALIASES).expect("a configuration");
        fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("the versions of this repository");
        // Kept from run to run: the dependencies are built once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lock");
        Crate { folder, target }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the schema of this version with these columns.
    fn schema(&self, version: &str, columns: &str) {
        let source = format!(
            "#![deny(warnings)]\nuse plasma::prelude::*;\n\n#[plasma::table(name = \"todos\", auth = open)]\npub struct \
             Todo {{\n    pub id: Id<Todo>,\n    {columns}\n}}\n\n#[plasma::schema(version = \"{version}\", \
             tables(Todo))]\npub struct App;\n"
        );
        fs::write(self.path("src/lib.rs"), source).expect("a source");
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.path("plasma.lock")).expect("the lock")
    }

    /// Runs cargo; whether it worked, and what it said.
    fn cargo(&self, arguments: &[&str], mode: Option<&str>) -> (bool, String) {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).args(["--offline", "--quiet"]).current_dir(self.folder.path());
        command.env("CARGO_TARGET_DIR", &self.target).env_remove("PLASMA_LOCK").env_remove("CARGO_MANIFEST_DIR");
        command.env("RUST_BACKTRACE", "0").env("CARGO_TERM_COLOR", "never");
        if let Some(mode) = mode {
            command.env("PLASMA_LOCK", mode);
        }
        let output = command.output().expect("cargo runs");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), said)
    }

    #[track_caller]
    fn passes(&self, arguments: &[&str], mode: Option<&str>) -> String {
        let (worked, said) = self.cargo(arguments, mode);
        assert!(worked, "{said}");
        said
    }

    /// The step fails and says all of this.
    #[track_caller]
    fn fails(&self, arguments: &[&str], mode: Option<&str>, says: &[&str]) {
        let (worked, said) = self.cargo(arguments, mode);
        assert!(!worked, "it worked: {said}");
        for text in says {
            assert!(said.contains(text), "{text:?} is not in: {said}");
        }
    }
}

const BUILD: &[&str] = &["test", "--no-run"];
const TEST: &[&str] = &["test", "plasma_lock"];

#[test]
fn a_schema_and_its_lock_through_three_versions() {
    let app = Crate::new();

    // Without a lock, everything goes.
    app.schema("1", "pub title: String, pub points: i32,");
    app.passes(TEST, None);
    assert!(!app.path("plasma.lock").exists(), "nobody asked for a lock");

    // The lock is written, and noticed although nothing else changed.
    let said = app.passes(TEST, Some("write"));
    assert!(said.contains("plasma.lock: schema `App` version \"1\" added"), "{said}");
    let first = app.lock();
    assert!(first.ends_with("  table todos\n    id: id\n    points: int\n    title: text\n"), "{first}");
    app.passes(TEST, None);

    // What breaks programs with version 1 does not compile, neither to write the lock.
    app.schema("1", "pub title: String, pub points: i64,");
    let refused = [
        "schema `App` version \"1\" changed since it was locked in `plasma.lock`:",
        "`todos.points`: int -> bigint",
        "bump `version` and run `PLASMA_LOCK=write cargo test plasma_lock`",
    ];
    app.fails(BUILD, None, &refused);
    app.fails(TEST, Some("write"), &refused);
    assert_eq!(app.lock(), first);

    // With another version it does, and the test asks for the lock.
    app.schema("2", "pub title: String, pub points: i64,");
    app.passes(BUILD, None);
    app.fails(TEST, None, &["`plasma.lock` has no version \"2\" of schema `App`"]);
    app.passes(&["plasma-lock"], None);
    let second = app.lock();
    assert!(second.starts_with(&first) && second.contains("points: bigint"), "{second}");
    app.passes(TEST, None);

    // Additions compile, and the test asks for them.
    app.schema("2", "pub title: String, pub points: i64, pub note: Option<String>,");
    app.passes(BUILD, None);
    app.fails(TEST, None, &["has changed since it was locked", "+ todos.note: text null"]);
    app.passes(TEST, Some("write"));
    assert!(app.lock().starts_with(&first) && app.lock().contains("note: text null"));

    // A version that nobody has is replaced by those who say so.
    app.schema("2", "pub title: String, pub points: bool,");
    app.fails(BUILD, None, &["`todos.note`: removed", "`todos.points`: bigint -> bool"]);
    app.passes(&["plasma-relock"], None);
    let third = app.lock();
    assert!(third.starts_with(&first) && third.contains("points: bool") && !third.contains("note"), "{third}");
    app.passes(TEST, None);

    // The lock is among the files cargo watches: a change of it alone is noticed.
    fs::write(app.path("plasma.lock"), format!("{third}<<<<<<< HEAD\n")).expect("written");
    app.fails(BUILD, None, &[&format!("plasma.lock:{}: an unresolved merge conflict", third.lines().count() + 1)]);
    fs::remove_file(app.path("plasma.lock")).expect("removed");
    app.passes(TEST, None);

    // A lock that comes with a checkout is noticed by the test, and from then on by the build.
    fs::write(app.path("plasma.lock"), &third).expect("written");
    app.fails(TEST, None, &["`plasma.lock` was not there when this was compiled: run the test again"]);
    app.passes(TEST, None);
    app.schema("2", "pub title: String,");
    app.fails(BUILD, None, &["`todos.points`: removed"]);
}
