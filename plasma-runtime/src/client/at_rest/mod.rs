//! Columns that are sealed in the client's file ([`AtRest`](crate::schema::AtRest)), and what the client's own tables say
//! about them.
//!
//! The border is the connection ([`cells`](crate::store::cells)): statements that write such a cell seal it, temporary
//! views in front of the tables open it. Queries, effects, rebase and live queries work on plain values and know nothing.
//! What the key is, and whether there is one, is settled when the store is opened ([`Opening`]).

mod cipher;
mod opening;
mod places;
#[cfg(feature = "encryption")]
mod rotate;

pub use cipher::AtRestCipher;
pub(crate) use opening::{Opening, lend, prepare, settle};
pub(crate) use places::{drop_views, sealing};
#[cfg(feature = "encryption")]
pub(crate) use rotate::rotate;

use super::identity::{self, keys};
use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlConnection;
use crate::value::Kind;

/// Before a commit that has sealed something: the key must still be the store's, and what it seals is counted.
///
/// # Errors
/// [`Config`](ErrorKind::Config) when another process has given the store another key.
pub(crate) fn count(store: &mut dyn SqlConnection) -> Result<()> {
    let Some(cells) = store.cells().filter(|cells| cells.is_on()) else { return Ok(()) };
    let Some(more) = cells.to_be_counted() else { return Ok(()) };
    let own = cells.key_id();
    let sql = "SELECT value ->> '$.keyId' FROM _plasma_meta WHERE key = ?1";
    let stored = store.query(sql, &[keys::AT_REST.into()], &[Kind::Text])?;
    if stored.first().and_then(|row| row.first()?.as_text()) != Some(own.as_str()) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("the store is no longer encrypted with the key `{own}`: open it again with the new one"),
        ));
    }
    if more > 0 {
        let counted = identity::number(store, keys::AT_REST_COUNT)?.saturating_add(more);
        identity::set(store, keys::AT_REST_COUNT, Some(&counted.to_string()))?;
    }
    Ok(())
}
