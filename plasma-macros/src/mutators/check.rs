//! The rules of a set that need no types.

use super::model::Set;
use crate::errors::Errors;
use crate::messages;

/// Checks the mutators against each other.
pub(crate) fn set(set: &Set, errors: &mut Errors) {
    // Of two that are compiled under conditions only one may be there; if both are, the compiler finds them.
    let always: Vec<_> = set.mutators.iter().filter(|mutator| mutator.cfg.is_empty()).collect();
    for (index, mutator) in always.iter().enumerate() {
        let before = &always[..index];
        if let Some(args) = mutator.args_name()
            && let Some(other) = before.iter().find(|other| other.args_name().as_ref() == Some(&args))
        {
            errors.at(&mutator.args, messages::args_used_twice(&args, &other.name));
        } else if before.iter().any(|other| other.name == mutator.name) {
            errors.at_span(mutator.name_span, messages::same_mutator_name(&mutator.name));
        }
        for (position, (alias, span)) in mutator.aliases.iter().enumerate() {
            let taken = always.iter().any(|other| other.name == *alias)
                || before.iter().any(|other| other.aliases.iter().any(|(other, _)| other == alias))
                || mutator.aliases[..position].iter().any(|(other, _)| other == alias);
            if taken {
                errors.at_span(*span, messages::alias_taken(alias));
            }
        }
    }
}
