//! What happens: a few days in two workshops. Each chapter calls mutators on devices that are sometimes offline, and says
//! what came of it.

mod days;
mod refusals;

use plasma::prelude::*;

use crate::queries;
use crate::report::Report;
use crate::schema::{Comment, Customer, Job, Part};
use crate::world::World;

/// Tells it, in a folder of its own that is gone afterwards.
///
/// # Errors
/// When something goes otherwise than it should.
pub async fn tell() -> plasma::Result<String> {
    let folder = tempfile::tempdir().map_err(plasma::Error::fault)?;
    let world = World::open(folder.path()).await?;
    let mut out = Report::default();
    let cast = live(&world, &mut out).await?;
    refusals::meet(&world, &cast, &mut out).await?;
    queries::show(&world, &mut out).await?;
    for client in world.clients() {
        client.close().await;
    }
    Ok(out.into_text())
}

/// The days that go well, alone.
///
/// # Errors
/// When one does not.
pub async fn live(world: &World, out: &mut Report) -> plasma::Result<Cast> {
    days::live(world, out).await
}

/// The rows the chapters speak of.
#[derive(Debug)]
pub struct Cast {
    /// Parts, by the number on the box.
    pub parts: Vec<(&'static str, Id<Part>)>,
    /// Customers, by name.
    pub customers: Vec<(&'static str, Id<Customer>)>,
    /// Jobs, by title.
    pub jobs: Vec<(&'static str, Id<Job>)>,
    /// What Ada said first.
    pub glass: Id<Comment>,
}

fn find<T>(list: &[(&'static str, Id<T>)], name: &str) -> plasma::Result<Id<T>> {
    let found = list.iter().find(|(other, _)| *other == name);
    found.map(|(_, id)| *id).ok_or_else(|| plasma::Error::internal(format!("nothing is called {name}")))
}

impl Cast {
    /// A part.
    ///
    /// # Errors
    /// When there is none.
    pub fn part(&self, sku: &str) -> plasma::Result<Id<Part>> {
        find(&self.parts, sku)
    }

    /// A customer.
    ///
    /// # Errors
    /// When there is none.
    pub fn customer(&self, name: &str) -> plasma::Result<Id<Customer>> {
        find(&self.customers, name)
    }

    /// A job.
    ///
    /// # Errors
    /// When there is none.
    pub fn job(&self, title: &str) -> plasma::Result<Id<Job>> {
        find(&self.jobs, title)
    }
}
