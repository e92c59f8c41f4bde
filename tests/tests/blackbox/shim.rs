//! Libraries that are preloaded into the processes under test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the one with this source in `tools`; none (said loudly) where there is no C compiler.
pub(crate) fn build(source: &str, folder: &Path) -> Option<PathBuf> {
    let library = folder.join(source).with_extension("so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(source);
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => {
            panic!("{} does not compile: {}", source.display(), String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => {
            // Past the test runner's capture, so that `scripts/test` counts it.
            let line = format!("!!! SKIPPED: no C compiler, so nothing was done to the calls of a process ({error})\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("the terminal takes a line");
            None
        }
    }
}
