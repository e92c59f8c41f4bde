//! `plasma.lock`: text to [`Entry`]s. Strict, because what is overlooked here would be lost when the lock is next
//! written. The format is described in the guide ("Schema versions"); `plasma-runtime` writes it.

use crate::options;

/// The first line of a lock that is neither empty nor a comment.
const FORMAT: &str = "plasma.lock format ";
/// The format this version of plasma reads and writes.
const VERSION: &str = "1";

const KINDS: &[&str] =
    &["id", "text", "int", "bigint", "float", "bool", "blob", "json", "timestamp", "date", "fixed(..)", "file"];
const ACTIONS: &[&str] = &["restrict", "cascade", "set_null"];

/// A version of a schema.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Name of the schema's type.
    pub(crate) schema: String,
    /// The version people see.
    pub(crate) version: String,
    /// Its fingerprint.
    pub(crate) fingerprint: u64,
    /// Its lines, without indentation and with one space between two words.
    pub(crate) shape: String,
}

/// What is wrong with a lock, and in which line (counted from 1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Reads a lock up to the first mistake.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, Mistake> {
    let mut reader = Reader::default();
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        reader.line(line.trim()).map_err(|text| Mistake { line: last, text })?;
    }
    let unfinished = if reader.started { reader.finished_table() } else { Err(no_format("")) };
    unfinished.map_err(|text| Mistake { line: last.max(1), text })?;
    Ok(reader.entries)
}

#[derive(Default)]
struct Reader<'t> {
    started: bool,
    entries: Vec<Entry>,
    /// The tables of the entry so far.
    tables: Vec<&'t str>,
    /// The columns of the table so far.
    columns: Vec<&'t str>,
}

impl<'t> Reader<'t> {
    fn line(&mut self, line: &'t str) -> Result<(), String> {
        // Before everything else: a conflict can stand anywhere, and its markers explain what follows.
        for marker in ["<<<<<<<", "=======", ">>>>>>>", "|||||||"] {
            if line.starts_with(marker) {
                return Err(format!(
                    "an unresolved merge conflict (`{marker}`): keep the versions that were released, then run \
                     `PLASMA_LOCK=write cargo test plasma_lock`"
                ));
            }
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if !self.started {
            self.started = true;
            return match line.strip_prefix(FORMAT) {
                Some(VERSION) => Ok(()),
                Some(other) => Err(format!(
                    "this is format {other}, and this version of plasma knows format {VERSION}: use the version that \
                     wrote it, or a later one"
                )),
                None => Err(no_format(line)),
            };
        }
        if let Some(rest) = line.strip_prefix("schema ") {
            self.finished_table()?;
            return self.schema(rest.trim_start());
        }
        if self.entries.is_empty() {
            return Err(format!("expected `schema NAME version \"..\" fingerprint ..`, found `{line}`"));
        }
        if let Some(rest) = line.strip_prefix("table ") {
            self.finished_table()?;
            return self.table(rest);
        }
        if self.tables.is_empty() {
            return Err(format!("expected `table NAME`, found `{line}`"));
        }
        if let Some(rest) = line.strip_prefix("unique(") {
            return self.unique(rest);
        }
        self.column(line)
    }

    fn schema(&mut self, rest: &str) -> Result<(), String> {
        let entry = schema(rest)
            .ok_or_else(|| format!("expected `schema NAME version \"..\" fingerprint ..`, found `schema {rest}`"))?;
        if self.entries.iter().any(|other| other.schema == entry.schema && other.version == entry.version) {
            return Err(format!("version \"{}\" of schema `{}` stands here twice", entry.version, entry.schema));
        }
        self.entries.push(entry);
        self.tables.clear();
        Ok(())
    }

    fn table(&mut self, rest: &'t str) -> Result<(), String> {
        let mut words = rest.split_whitespace();
        let name = words.next().filter(|name| is_name(name)).ok_or("expected `table NAME`")?;
        match (words.next(), words.next()) {
            (None | Some("local_only"), None) => {}
            (Some(word), _) => {
                return Err(format!("expected `table {name}` or `table {name} local_only`, found `{word}`"));
            }
            (None, Some(_)) => unreachable!("words come in order"),
        }
        if self.tables.contains(&name) {
            return Err(format!("table `{name}` stands here twice"));
        }
        self.tables.push(name);
        self.push(rest, "table ");
        Ok(())
    }

    fn column(&mut self, line: &'t str) -> Result<(), String> {
        let (name, rest) = line
            .split_once(':')
            .map(|(name, rest)| (name.trim_end(), rest))
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| format!("expected `table NAME` or a column such as `title: text`, found `{line}`"))?;
        let mut words = rest.split_whitespace();
        let kind = words.next().unwrap_or_default();
        if !is_kind(kind) {
            return Err(format!("the kind of `{name}` is `{kind}`; expected {}", options::one_of(KINDS)));
        }
        let mut seen: Vec<&str> = Vec::new();
        while let Some(word) = words.next() {
            if seen.contains(&word) {
                return Err(format!("`{word}` stands twice in column `{name}`"));
            }
            seen.push(word);
            match word {
                "null" | "default" | "unique" => {}
                "->" => {
                    words.next().filter(|table| is_name(table)).ok_or("expected the name of a table after `->`")?;
                }
                "on_delete" => {
                    words
                        .next()
                        .filter(|action| ACTIONS.contains(action))
                        .ok_or_else(|| format!("expected {} after `on_delete`", options::one_of(ACTIONS)))?;
                }
                other => {
                    return Err(format!(
                        "unknown word `{other}` in column `{name}`; expected {}",
                        options::one_of(&["null", "default", "unique", "->", "on_delete"])
                    ));
                }
            }
        }
        if self.columns.contains(&name) {
            return Err(format!("column `{name}` stands here twice"));
        }
        self.columns.push(name);
        self.push(rest, &format!("{name}: "));
        Ok(())
    }

    fn unique(&mut self, rest: &str) -> Result<(), String> {
        let names =
            rest.strip_suffix(')').ok_or_else(|| format!("expected `unique(column, ..)`, found `unique({rest}`"))?;
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        if let Some(stranger) = names.iter().find(|name| !self.columns.contains(*name)) {
            return Err(format!("`unique(..)` names the column `{stranger}`, which does not stand above"));
        }
        self.push(&format!("({})", names.join(", ")), "unique");
        Ok(())
    }

    /// Every table has an `id`: a table without one was cut off.
    fn finished_table(&mut self) -> Result<(), String> {
        if let Some(table) = self.tables.last()
            && !self.columns.contains(&"id")
        {
            return Err(format!("table `{table}` ends here without a column `id`"));
        }
        self.columns.clear();
        Ok(())
    }

    /// Adds a line to the shape.
    fn push(&mut self, words: &str, start: &str) {
        let words: Vec<&str> = words.split_whitespace().collect();
        if let Some(entry) = self.entries.last_mut() {
            entry.shape.push_str(start);
            entry.shape.push_str(&words.join(" "));
            entry.shape.push('\n');
        }
    }
}

fn no_format(found: &str) -> String {
    let found = if found.is_empty() { "nothing".to_owned() } else { format!("`{found}`") };
    format!("expected the line `{FORMAT}{VERSION}` first, found {found}")
}

/// `NAME version ".." fingerprint ..`
fn schema(rest: &str) -> Option<Entry> {
    let (name, rest) = rest.split_once(char::is_whitespace)?;
    let rest = rest.trim_start().strip_prefix("version")?.trim_start().strip_prefix('"')?;
    let (version, rest) = rest.split_once('"')?;
    let digits = rest.trim_start().strip_prefix("fingerprint")?.trim();
    let fingerprint = u64::from_str_radix(digits, 16).ok()?;
    let lower = digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    (is_name(name) && !version.is_empty() && digits.len() == 16 && lower).then(|| Entry {
        schema: name.to_owned(),
        version: version.to_owned(),
        fingerprint,
        shape: String::new(),
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn is_kind(kind: &str) -> bool {
    let scale = kind.strip_prefix("fixed(").and_then(|rest| rest.strip_suffix(')'));
    scale.map_or_else(|| KINDS.contains(&kind), |scale| scale.parse::<u8>().is_ok())
}
