//! The rules of a schema that need no types.

use quote::ToTokens;
use syn::Path;

use super::model::Schema;
use crate::errors::Errors;
use crate::{messages, tokens};

/// Checks the lists.
pub(crate) fn schema(schema: &Schema, errors: &mut Errors) {
    listed_once("table", &schema.tables, errors);
    listed_once("the set of mutators", &schema.mutators, errors);
}

fn listed_once(what: &str, paths: &[Path], errors: &mut Errors) {
    let written: Vec<String> = paths.iter().map(|path| path.to_token_stream().to_string()).collect();
    for (index, path) in paths.iter().enumerate() {
        if written[..index].contains(&written[index]) {
            errors.at(path, messages::listed_twice(what, &tokens::spelled(path)));
        }
    }
}
