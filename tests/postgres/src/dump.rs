//! Dumps, as operators make and restore them.

use std::process::Command;

use super::{Database, Server, aside, bin_dir};

impl Database {
    /// A dump of it by `pg_dump`: one consistent snapshot, while others write. None, and said so with the loud line of a
    /// skipped test, where the binaries come without that program.
    ///
    /// # Panics
    /// When it fails; when `CI=true` and there is no `pg_dump`.
    pub fn dump(&self) -> Option<String> {
        let Some(program) = bin_dir().map(|dir| dir.join("pg_dump")).filter(|program| program.exists()) else {
            super::skip_for("pg_dump");
            return None;
        };
        let dumped = Command::new(program).args(["--inserts", "--no-owner", "--dbname", &self.url]).output();
        let dumped = dumped.expect("pg_dump can be run");
        assert!(dumped.status.success(), "pg_dump failed: {}", String::from_utf8_lossy(&dumped.stderr));
        Some(String::from_utf8(dumped.stdout).expect("a dump is text"))
    }
}

impl Server {
    /// A fresh database with what a dump holds.
    ///
    /// # Panics
    /// When the dump cannot be restored.
    pub fn restored(&self, dump: &str) -> Database {
        let database = self.database();
        // Lines for the shell of Postgres, not for its server.
        let sql: Vec<&str> = dump.lines().filter(|line| !line.starts_with('\\')).collect();
        aside(|| database.connect().batch_execute(&sql.join("\n")).expect("the dump is restored"));
        database
    }
}
