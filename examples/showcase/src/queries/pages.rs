//! Page after page, by the last row of the page before: rows that come and go move no page.

use plasma::prelude::*;
use plasma::query::AnyQuery;
use plasma::{Cursor, Page};

use crate::report::Report;
use crate::schema::Job;
use crate::world::World;

/// Conditions, order and limit are said first, `after` last. Without a cursor it is the first page.
fn agenda(size: u64, after: Option<Cursor>) -> AnyQuery<String> {
    let jobs = Job::select().order_by(Job::booked.desc()).order_by(Job::title.asc()).limit(size).project(Job::title);
    jobs.after(after)
}

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Pages");
    let mut cursor: Option<Cursor> = None;
    let mut pages = 0;
    loop {
        let Page { rows, next } = world.ben.page(agenda(3, cursor)).await?;
        pages += 1;
        out.list(&format!("page {pages}"), rows);
        // A cursor is opaque text that may travel in a link.
        let Some(next) = next else { break };
        cursor = Some(next.to_string().parse()?);
    }
    // A mapped query has pages too.
    let shout = world.ben.page(agenda(2, None).map(|title| title.to_uppercase()).after(None)).await?;
    out.list("the first two, loudly", shout.rows);
    Ok(())
}
