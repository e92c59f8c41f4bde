//! Compiles every code block of the book, and checks that the book is whole.

/// The tables that the book's examples use: those of `examples/todo`.
#[path = "../examples/todo/src/app.rs"]
pub mod app;

macro_rules! chapters {
    ($($name:ident = $path:literal),* $(,)?) => {
        /// The pages whose code blocks are compiled.
        pub const PAGES: &[&str] = &[$($path),*];
        $(
            #[doc = include_str!($path)]
            #[allow(dead_code)]
            mod $name {}
        )*
    };
}

chapters! {
    readme = "../README.md",
    introduction = "introduction.md",
    tables = "guide/tables.md",
    schema_versions = "guide/schema-versions.md",
    queries = "guide/queries.md",
    joins = "guide/joins.md",
    mutators = "guide/mutators.md",
    writes = "guide/writes.md",
    crdt = "crdt.md",
    determinism = "guide/determinism.md",
    policies = "guide/policies.md",
    client = "guide/client.md",
    encryption = "encryption.md",
    server = "guide/server.md",
    operations = "operations.md",
    testing = "guide/testing.md",
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn pages(folder: &Path, found: &mut Vec<String>, prefix: &str) {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let entry = entry.expect("the entry can be read");
            let name = entry.file_name().into_string().expect("file names are text");
            if entry.path().is_dir() {
                pages(&entry.path(), found, &format!("{prefix}{name}/"));
            } else if name.ends_with(".md") {
                found.push(format!("{prefix}{name}"));
            }
        }
    }

    #[test]
    fn every_page_is_in_the_summary_or_a_decision() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let summary = std::fs::read_to_string(root.join("SUMMARY.md")).expect("SUMMARY.md");
        let decisions = std::fs::read_to_string(root.join("decisions/README.md")).expect("decisions/README.md");
        let mut found = Vec::new();
        pages(root, &mut found, "");
        for page in found {
            let listed = match page.strip_prefix("decisions/") {
                Some("README.md") | None => page == "SUMMARY.md" || summary.contains(&format!("({page})")),
                Some(decision) => decisions.contains(&format!("({decision})")),
            };
            assert!(listed, "{page} is listed nowhere");
        }
    }

    #[test]
    fn every_page_with_rust_is_compiled() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        pages(root, &mut found, "");
        for page in found {
            let text = std::fs::read_to_string(root.join(&page)).expect("the page");
            if text.lines().any(|line| line.starts_with("```rust")) {
                assert!(super::PAGES.contains(&page.as_str()), "{page} has Rust code that no test compiles");
            }
        }
    }

    #[test]
    fn links_between_pages_lead_somewhere() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        pages(root, &mut found, "");
        for page in found {
            let path = root.join(&page);
            let text = std::fs::read_to_string(&path).expect("the page");
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let target = link.split('#').next().unwrap_or_default();
                if target.is_empty() || target.contains("://") || target.contains('<') {
                    continue;
                }
                assert!(path.parent().expect("a folder").join(target).exists(), "{page} links to {target}");
            }
        }
    }

    /// What a name in the column "test" of the capabilities stands for: a folder, a file, or a file and a function in it.
    fn exists(repository: &Path, name: &str) -> bool {
        let (place, function) = match name.split_once("::") {
            Some((place, function)) => (place, Some(function)),
            None => (name, None),
        };
        let place = place.split_whitespace().next().unwrap_or_default();
        let runtime = repository.join("plasma-runtime/src");
        let roots = [repository.join(place), runtime.join(place), runtime.join(format!("{place}.rs"))];
        let Some(found) = roots.iter().find(|path| path.exists()) else {
            return false;
        };
        let Some(function) = function else {
            return true;
        };
        let text = std::fs::read_to_string(found).unwrap_or_default();
        text.split("#[test]").chain(text.split("#[tokio::test")).skip(1).any(|after| {
            let heading = after.split('{').next().unwrap_or_default();
            heading.contains(&format!("fn {function}("))
        })
    }

    #[test]
    fn every_capability_names_tests_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = root.parent().expect("the repository");
        let text = std::fs::read_to_string(root.join("capabilities.md")).expect("capabilities.md");
        let mut counts = [("done", 0), ("partly", 0), ("later", 0)];
        for line in text.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, id, _, _, tests, status, _] = cells[..] else {
                continue;
            };
            let word = status.split(':').next().unwrap_or_default();
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == word) {
                *count += 1;
            } else {
                assert!(id == "id" || id.starts_with("---"), "{id} has the status {status:?}");
                continue;
            }
            if word == "later" {
                assert!(tests.is_empty(), "{id} is for later and names a test");
                continue;
            }
            let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
            assert!(!names.is_empty(), "{id} is {word} and names no test");
            for name in names {
                assert!(exists(repository, name), "{id} names the test {name}, which does not exist");
            }
        }
        let [(_, done), (_, partly), (_, later)] = counts;
        let line = format!("{done} done, {partly} partly, {later} later");
        assert!(text.contains(&line), "the head of the page should say: {line}");
    }
}
