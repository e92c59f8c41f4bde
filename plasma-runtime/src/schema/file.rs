//! What files a column takes: `#[column(file(max_size = "5 MiB", mime("image/*")))]`.

use serde_json::json;

use super::{ColumnDef, TableDef};
use crate::error::{Error, Result};
use crate::value::{FileRef, Value};

/// When a client sends the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UploadTime {
    /// As soon as it can (the default).
    #[default]
    Eager,
    /// When somebody asks for them.
    Lazy,
}

/// The limits of a file column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileOptions {
    /// The largest file, in bytes; none for any size.
    pub max_size: Option<u64>,
    /// The media types, such as `image/png` or `image/*`; empty for any.
    pub mime: &'static [&'static str],
    /// A file is never replaced by another one, nor removed from its row.
    pub immutable: bool,
    /// When the bytes are sent.
    pub upload: UploadTime,
}

impl FileOptions {
    /// Refuses a reference to a file beyond the limits of `column`. NULL is within them.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) with the column, the limit and what was found in `data`.
    pub(crate) fn check(&self, table: &TableDef, column: &ColumnDef, value: &Value) -> Result<()> {
        let Some(file) = reference(value)? else { return Ok(()) };
        if let Some(limit) = self.max_size.filter(|limit| file.size() > *limit) {
            let message = format!(
                "`{}.{}` takes files of at most {limit} bytes, this one has {}",
                table.name,
                column.name,
                file.size()
            );
            return Err(beyond(table, column, message, json!({ "max_size": limit, "size": file.size() })));
        }
        if !self.mime.is_empty() && !self.mime.iter().any(|pattern| covers(pattern, file.mime())) {
            let message = format!(
                "`{}.{}` takes files of type `{}`, this one is `{}`",
                table.name,
                column.name,
                self.mime.join("`, `"),
                file.mime()
            );
            return Err(beyond(table, column, message, json!({ "mime": self.mime, "found": file.mime() })));
        }
        Ok(())
    }

    /// Refuses to put `new` in the place of `old` in an immutable column. The same bytes under another media type are the
    /// same file.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) with the column in `data`.
    pub(crate) fn check_change(&self, table: &TableDef, column: &ColumnDef, old: &Value, new: &Value) -> Result<()> {
        if !self.immutable || old == new {
            return Ok(());
        }
        let (Some(old), new) = (reference(old)?, reference(new)?) else { return Ok(()) };
        if new.is_some_and(|new| new.hash() == old.hash()) {
            return Ok(());
        }
        let message = format!("`{}.{}` is immutable: its file is never replaced", table.name, column.name);
        Err(beyond(table, column, message, json!({ "immutable": true })))
    }
}

fn beyond(table: &TableDef, column: &ColumnDef, message: String, limit: serde_json::Value) -> Error {
    Error::validation(message).with_data(json!({ "table": table.name, "column": column.name, "limit": limit }))
}

fn reference(value: &Value) -> Result<Option<FileRef>> {
    match value {
        Value::Json(json) => FileRef::from_canonical_json(json).map(Some),
        _ => Ok(None),
    }
}

/// Whether `pattern` (`image/png`, `image/*`) covers the media type.
fn covers(pattern: &str, mime: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(family) => mime.split_once('/').is_some_and(|(found, _)| found.eq_ignore_ascii_case(family)),
        None => mime.eq_ignore_ascii_case(pattern),
    }
}

impl TableDef {
    /// Refuses a value beyond the limits of its column.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation), naming the column and the limit.
    pub(crate) fn within_limits(&self, column: &ColumnDef, value: &Value) -> Result<()> {
        column.file.map_or(Ok(()), |file| file.check(self, column, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::samples::User;
    use crate::schema::{ColumnType, Id};
    use crate::value::FileHash;

    const IMAGES: FileOptions = FileOptions {
        max_size: Some(10),
        mime: &["image/*", "application/pdf"],
        immutable: true,
        upload: UploadTime::Eager,
    };
    static T: TableDef = TableDef::new("t", &[ColumnDef::of::<Id<User>>("id"), ColumnDef::of::<FileRef>("file")]);

    fn file(bytes: &str, size: u64, mime: &str) -> Value {
        FileRef::new(FileHash::of(bytes.as_bytes()), size, mime).unwrap().into_value().unwrap()
    }

    #[test]
    fn size_and_type_are_limited() {
        let check = |value: Value| IMAGES.check(&T, &T.columns[1], &value).map_err(|error| error.message().to_owned());
        for good in [file("a", 10, "image/png"), file("a", 0, "IMAGE/X"), file("a", 1, "application/pdf"), Value::Null]
        {
            assert_eq!(check(good), Ok(()));
        }
        let large = check(file("a", 11, "image/png")).unwrap_err();
        assert_eq!(large, "`t.file` takes files of at most 10 bytes, this one has 11");
        for bad in ["text/plain", "imagery/png", "application/pdfx"] {
            let message = check(file("a", 1, bad)).unwrap_err();
            assert_eq!(
                message,
                format!("`t.file` takes files of type `image/*`, `application/pdf`, this one is `{bad}`")
            );
        }
        let none = FileOptions { max_size: None, mime: &[], ..IMAGES };
        none.check(&T, &T.columns[1], &file("a", (1 << 53) - 1, "x/y")).unwrap();
    }

    #[test]
    fn an_immutable_file_stays() {
        let change = |old: Value, new: Value| IMAGES.check_change(&T, &T.columns[1], &old, &new).is_ok();
        let (a, b) = (file("a", 1, "image/png"), file("b", 1, "image/png"));
        assert!(change(Value::Null, a.clone()));
        assert!(change(a.clone(), a.clone()));
        assert!(change(a.clone(), file("a", 1, "image/jpeg")));
        assert!(!change(a.clone(), b.clone()));
        assert!(!change(a.clone(), Value::Null));
        let free = FileOptions { immutable: false, ..IMAGES };
        free.check_change(&T, &T.columns[1], &a, &b).unwrap();
    }
}
