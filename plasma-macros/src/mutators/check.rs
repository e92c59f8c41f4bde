//! The rules of a set that need no types.

use super::model::Set;
use crate::errors::Errors;
use crate::messages;

/// Checks the mutators against each other.
pub(crate) fn set(set: &Set, errors: &mut Errors) {
    for (index, mutator) in set.mutators.iter().enumerate() {
        let before = &set.mutators[..index];
        if let Some(args) = mutator.args_name()
            && let Some(other) = before.iter().find(|other| other.args_name().as_ref() == Some(&args))
        {
            errors.at(&mutator.args, messages::args_used_twice(&args, &other.name));
        } else if before.iter().any(|other| other.name == mutator.name) {
            errors.at_span(mutator.name_span, messages::same_mutator_name(&mutator.name));
        }
    }
}
