//! As much of a difference as fits into a page.

use super::context::{Context, Cut};
use super::log::Log;
use super::page::Page;
use super::set::{Set, Sets, Stop};
use crate::error::{Error, Result};
use crate::store::SqlExecutor;

impl Context<'_> {
    /// The largest part of the difference that fits, or nearly; the first unit as a partial set if even that does not.
    /// So many units are known not to fit, or one more than there are.
    pub(super) async fn earlier(
        &self,
        db: &mut dyn SqlExecutor,
        log: &Log,
        sets: &mut Sets<'_>,
        set: &mut Set,
        mut too_many: usize,
    ) -> Result<(Cut, Page, Option<Stop>)> {
        // `fits` units are known to fit (with their page).
        let mut fits: Option<(usize, Page)> = None;
        // Most entries are an operation or none, so begin with as many entries as operations are allowed.
        let room = self.empty_page().room() as u64;
        let entries_until = |units: usize| log.entries_until(log.boundaries[units - 1]) as u64;
        let mut units = (1..too_many).rev().find(|units| entries_until(*units) <= room).unwrap_or(1);
        loop {
            let mut page = self.empty_page();
            set.to = log.boundaries[units - 1];
            let stop = sets.run(db, set, &mut page).await?;
            match (stop, units) {
                (None, _) => {
                    let good_enough = page.room() * 2 <= self.empty_page().room();
                    fits = Some((units, page));
                    if good_enough {
                        break;
                    }
                }
                (Some(stop), 1) => return Ok((log.cut(set.to), page, Some(stop))),
                (Some(_), _) => too_many = units,
            }
            let known = fits.as_ref().map_or(0, |(units, _)| *units);
            if known + 1 >= too_many {
                // Neighbours: the one fits, the other does not.
                break;
            }
            // Twice as far while nothing is known to be too much, then half way.
            units = (known * 2).max(1).min(known + (too_many - known).div_ceil(2)).max(known + 1).min(too_many - 1);
        }
        match fits {
            // Nothing to send until the unit that does not fit: begin with that one, and save the reader a page.
            Some((_, page)) if page.patch.is_empty() && too_many <= log.boundaries.len() => {
                let mut page = self.empty_page();
                set.to = log.boundaries[too_many - 1];
                let stop = sets.run(db, set, &mut page).await?;
                Ok((log.cut(set.to), page, stop))
            }
            Some((units, page)) => {
                set.to = log.boundaries[units - 1];
                Ok((log.cut(set.to), page, None))
            }
            // One unit, and it did not fit: it was answered above.
            None => Err(Error::internal("a difference has neither a first unit nor an end")),
        }
    }
}
