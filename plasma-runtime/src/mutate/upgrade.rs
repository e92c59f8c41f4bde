//! Mutations that a program with an earlier version of the schema made.

use std::borrow::Cow;
use std::panic::catch_unwind;

use super::MutatorDef;
use crate::error::{Error, ErrorKind, Result, panic_message};

/// Turns the arguments that a program with another version of the schema made into those of today: the version's name
/// and the arguments. A version it does not know it returns as it is.
pub type UpgradeFn = fn(&str, serde_json::Value) -> Result<serde_json::Value>;

impl MutatorDef {
    /// The wire names that call it: today's first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The arguments of a mutation made under version `made_by` of the schema, as the mutator takes them under version
    /// `version`. None in place of `made_by` stands for the same version.
    ///
    /// # Errors
    /// [`InvalidArgs`](ErrorKind::InvalidArgs) when they are no JSON, or the upgrade panics; else its own.
    pub(crate) fn upgraded<'a>(&self, version: &str, made_by: Option<&str>, args: &'a str) -> Result<Cow<'a, str>> {
        let (Some(upgrade), Some(made_by)) = (self.upgrade, made_by.filter(|made_by| *made_by != version)) else {
            return Ok(Cow::Borrowed(args));
        };
        let invalid = |message: String| Error::new(ErrorKind::InvalidArgs, message);
        let args =
            serde_json::from_str(args).map_err(|error| invalid(format!("the arguments cannot be read: {error}")))?;
        let upgraded = catch_unwind(|| upgrade(made_by, args)).map_err(|panic| {
            let words = panic_message(&*panic).unwrap_or("the panic carries no message").to_owned();
            invalid(format!("the arguments of version \"{made_by}\" cannot be upgraded: the upgrade panicked"))
                .with_source(words)
        })??;
        Ok(Cow::Owned(upgraded.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seconds(from: &str, mut args: Value) -> Result<Value> {
        match from {
            "1" => {
                let minutes = args["minutes"].as_i64().ok_or_else(|| Error::not_found("no minutes"))?;
                args["seconds"] = json!(minutes * 60);
                Ok(args)
            }
            "0" => panic!("nobody has that"),
            _ => Ok(args),
        }
    }

    #[test]
    fn only_what_another_version_made_is_upgraded() {
        let mutator = MutatorDef {
            name: "wait",
            aliases: &["sleep"],
            server_only: false,
            upgrade: Some(seconds),
            run: |_, _, _, _| Box::pin(async { Ok(()) }),
        };
        assert_eq!(mutator.names().collect::<Vec<_>>(), ["wait", "sleep"]);
        let args = r#"{"minutes": 2}"#;
        for own in [None, Some("2")] {
            assert_eq!(mutator.upgraded("2", own, args).expect("not touched"), args);
        }
        let upgraded = mutator.upgraded("2", Some("1"), args).expect("upgraded");
        assert_eq!(serde_json::from_str::<Value>(&upgraded).expect("JSON"), json!({ "minutes": 2, "seconds": 120 }));
        assert_eq!(mutator.upgraded("2", Some("1"), "{}").expect_err("its own error").kind(), ErrorKind::NotFound);
        for (from, args) in [("0", "{}"), ("1", "{")] {
            assert_eq!(mutator.upgraded("2", Some(from), args).expect_err(from).kind(), ErrorKind::InvalidArgs);
        }
        let plain = MutatorDef { upgrade: None, ..mutator };
        assert_eq!(plain.upgraded("2", Some("1"), "{").expect("serde's to judge"), "{");
    }
}
