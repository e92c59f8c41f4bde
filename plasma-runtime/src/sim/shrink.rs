//! Makes a failing schedule shorter: the minimal failing input of Zeller and Hildebrandt ("Simplifying and Isolating
//! Failure-Inducing Input", IEEE TSE 2002), over the random steps of a seed and its kinds of faults.

use std::collections::BTreeSet;
use std::fmt;

use super::Faults;
use super::plan::Plan;
use super::report::Violation;

/// A shorter schedule of a seed that breaks the same invariant.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The random steps it takes.
    pub steps: u32,
    /// The command that runs it.
    pub replay: String,
    /// What is wrong in it.
    pub violation: Violation,
    /// The run, line by line.
    pub trace: Vec<String>,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "shorter:")?;
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        write!(f, "{}\nreplay with: {}", self.violation, self.replay)
    }
}

/// A smaller plan that fails, after at most `runs` runs; none when the whole run, as it is taken here, does not fail.
pub(super) fn shrink(steps: u32, runs: u32, mut fails: impl FnMut(&Plan) -> bool) -> Option<Plan> {
    let mut left = runs;
    let mut fails = |plan: &Plan| {
        left = left.checked_sub(1)?;
        Some(fails(plan))
    };
    let mut plan = Plan { steps: Some((0..steps).collect()), without: BTreeSet::new() };
    if !fails(&plan)? {
        return None;
    }
    // Kinds of faults first: each that goes makes every later run smaller.
    let mut all = Faults::NONE;
    for (name, _) in all.each() {
        let mut fewer = plan.clone();
        fewer.without.insert(name.to_owned());
        match fails(&fewer) {
            Some(true) => plan = fewer,
            Some(false) => {}
            None => return Some(plan),
        }
    }
    let mut parts = 2;
    loop {
        let kept: Vec<u32> = plan.steps.iter().flatten().copied().collect();
        if kept.is_empty() {
            return Some(plan);
        }
        let size = kept.len().div_ceil(parts);
        let mut smaller = None;
        for part in kept.chunks(size) {
            let rest = kept.iter().filter(|step| !part.contains(step)).copied().collect();
            let fewer = Plan { steps: Some(rest), ..plan.clone() };
            match fails(&fewer) {
                Some(true) => {
                    smaller = Some(fewer);
                    break;
                }
                Some(false) => {}
                None => return Some(plan),
            }
        }
        match smaller {
            Some(fewer) => {
                plan = fewer;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => return Some(plan),
            None => parts = (parts * 2).min(kept.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(plan: &Plan) -> Vec<u32> {
        plan.steps.iter().flatten().copied().collect()
    }

    #[test]
    fn what_is_needed_remains() {
        let needed = [3, 17, 18, 39];
        let fails = |plan: &Plan| needed.iter().all(|step| plan.takes(*step)) && !plan.without.contains("copy");
        let plan = shrink(60, 10_000, fails).unwrap();
        assert_eq!(steps(&plan), needed);
        let mut all = Faults::NONE;
        let others: BTreeSet<_> = all.each().into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(plan.without, others.into_iter().filter(|name| name != "copy").collect());
    }

    #[test]
    fn it_ends_with_its_runs() {
        let mut count = 0;
        let plan = shrink(60, 25, |plan| {
            count += 1;
            plan.takes(59)
        });
        assert_eq!(count, 25);
        assert!(plan.is_some_and(|plan| plan.takes(59)));
        assert_eq!(shrink(60, 25, |_| false), None);
        assert_eq!(steps(&shrink(5, 1_000, |_| true).unwrap()), Vec::<u32>::new());
    }
}
