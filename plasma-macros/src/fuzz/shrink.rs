//! Makes a failing case small.

use super::Case;
use super::tree::{self, Tree};

/// Drops tokens, and the brackets around tokens, while the case still fails.
pub(super) fn smallest(mut case: Case, fails: impl Fn(&Case) -> bool) -> Case {
    loop {
        let before = tree::count(&case.options) + tree::count(&case.item);
        case = pass(case, |case| &mut case.options, &fails);
        case = pass(case, |case| &mut case.item, &fails);
        if tree::count(&case.options) + tree::count(&case.item) == before {
            return case;
        }
    }
}

fn pass(mut case: Case, part: fn(&mut Case) -> &mut Vec<Tree>, fails: &impl Fn(&Case) -> bool) -> Case {
    // Longest runs first: whole fields and options go at once.
    for length in [16, 8, 4, 2, 1] {
        let mut place = 0;
        while place < tree::count(part(&mut case)) {
            let mut smaller = case.clone();
            let dropped = tree::at(part(&mut smaller), &mut { place }, &mut |list, index| {
                let end = list.len().min(index + length);
                list.drain(index..end).count()
            });
            if dropped.is_some() && fails(&smaller) {
                case = smaller;
                continue;
            }
            let mut opened = case.clone();
            let was_group = tree::at(part(&mut opened), &mut { place }, &mut |list, index| {
                let Tree::Group(_, inner) = list[index].clone() else { return false };
                list.splice(index..=index, inner);
                true
            });
            if length == 1 && was_group == Some(true) && fails(&opened) {
                case = opened;
                continue;
            }
            place += 1;
        }
    }
    case
}
