//! Where the binaries are.

use std::path::{Path, PathBuf};

/// The folder with `initdb` and `postgres`: `PLASMA_POSTGRES_BIN`, the newest of Debian's, one on `PATH`, or what
/// `scripts/install-postgres` has fetched.
pub fn bin_dir() -> Option<PathBuf> {
    let complete = |dir: &Path| dir.join("initdb").exists() && dir.join("postgres").exists();
    if let Some(named) = std::env::var_os("PLASMA_POSTGRES_BIN") {
        return Some(PathBuf::from(named)).filter(|dir| complete(dir));
    }
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, dir)| complete(dir))
        .collect();
    debian.sort();
    let newest = debian.pop().map(|(_, dir)| dir);
    newest
        .or_else(|| std::env::split_paths(&std::env::var_os("PATH")?).find(|dir| complete(dir)))
        .or_else(|| Some(cache()?.join("plasma-postgres/bin")).filter(|dir| complete(dir)))
}

fn cache() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
}
