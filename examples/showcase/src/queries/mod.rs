//! The queries, by subject. Each function builds one query or a few that belong together, asks the client and the server
//! (they must agree), and prints the rows.
//!
//! A query is a value: it is checked against the tables when it compiles, and does nothing until it is given to
//! `all`, `first`, `one`, `count`, `page`, ..

pub mod conditions;
pub mod expressions;
pub mod groups;
pub mod joins;
pub mod pages;
pub mod related;
pub mod shapes;
pub mod subqueries;

use crate::report::Report;
use crate::world::World;

/// Every query of the tour.
///
/// # Errors
/// Those of the queries, and when a client and the server answer differently.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    conditions::show(world, out).await?;
    expressions::show(world, out).await?;
    joins::show(world, out).await?;
    groups::show(world, out).await?;
    shapes::show(world, out).await?;
    subqueries::show(world, out).await?;
    related::show(world, out).await?;
    pages::show(world, out).await
}
