//! Which part of a seed's run is taken: all of it, or what is enough to see a failure.

use std::collections::BTreeSet;
use std::fmt;

use super::Faults;
use crate::error::{Error, ErrorKind, Result};

/// The steps that are taken, and the faults that are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// None takes all.
    pub(super) steps: Option<BTreeSet<u32>>,
    pub(super) without: BTreeSet<String>,
}

impl Plan {
    /// From `PLASMA_SIM_STEPS` and `PLASMA_SIM_WITHOUT`.
    ///
    /// # Errors
    /// [`InvalidArgs`](ErrorKind::InvalidArgs) when one of them cannot be read.
    pub(super) fn from_env() -> Result<Self> {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        let steps = text("PLASMA_SIM_STEPS").map(|text| parse_steps(&text)).transpose()?;
        let without = text("PLASMA_SIM_WITHOUT").map(|text| parse_faults(&text)).transpose()?.unwrap_or_default();
        Ok(Plan { steps, without })
    }

    pub(super) fn takes(&self, step: u32) -> bool {
        self.steps.as_ref().is_none_or(|steps| steps.contains(&step))
    }

    pub(super) fn leave_out(&self, faults: &mut Faults) {
        for (name, value) in faults.each() {
            if self.without.contains(name) {
                *value = 0;
            }
        }
    }
}

fn parse_steps(text: &str) -> Result<BTreeSet<u32>> {
    let wrong =
        || Error::new(ErrorKind::InvalidArgs, format!("PLASMA_SIM_STEPS is a list such as 3,7-9, not `{text}`"));
    let mut steps = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last - first > 1_000_000 {
            return Err(wrong());
        }
        steps.extend(first..=last);
    }
    Ok(steps)
}

fn parse_faults(text: &str) -> Result<BTreeSet<String>> {
    let mut all = Faults::NONE;
    let known = all.each().map(|(name, _)| name);
    text.split(',')
        .map(|name| match known.iter().find(|known| **known == name.trim()) {
            Some(name) => Ok((*name).to_owned()),
            None => Err(Error::new(
                ErrorKind::InvalidArgs,
                format!("PLASMA_SIM_WITHOUT knows no fault `{}`; there are {}", name.trim(), known.join(", ")),
            )),
        })
        .collect()
}

/// As variables of the environment.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(steps) = &self.steps {
            f.write_str("PLASMA_SIM_STEPS=")?;
            let mut rest = steps.iter().copied().peekable();
            let mut separator = "";
            while let Some(first) = rest.next() {
                let mut last = first;
                while rest.next_if_eq(&(last + 1)).is_some() {
                    last += 1;
                }
                match last - first {
                    0 => write!(f, "{separator}{first}")?,
                    _ => write!(f, "{separator}{first}-{last}")?,
                }
                separator = ",";
            }
        }
        if !self.without.is_empty() {
            let without: Vec<_> = self.without.iter().map(String::as_str).collect();
            write!(f, " PLASMA_SIM_WITHOUT={}", without.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        for steps in ["0", "3,7-9", "0-40", "1,3,5-6"] {
            let plan = Plan { steps: Some(parse_steps(steps).unwrap()), without: BTreeSet::new() };
            assert_eq!(plan.to_string(), format!("PLASMA_SIM_STEPS={steps}"));
        }
        let plan = Plan { steps: None, without: parse_faults("copy, drop").unwrap() };
        assert_eq!(plan.to_string(), " PLASMA_SIM_WITHOUT=copy,drop");
        for wrong in ["", "a", "9-3", "1,,2", "-1", "0-4294967295"] {
            assert_eq!(parse_steps(wrong).unwrap_err().kind(), ErrorKind::InvalidArgs, "{wrong}");
        }
        let error = parse_faults("rain").unwrap_err().to_string();
        assert!(error.contains("`rain`") && error.contains("disk_full"), "{error}");
    }
}
