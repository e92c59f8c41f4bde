//! Whole states that a mutator stores: merged with what is there, never put in its place.

use super::register::Register;
use super::{ADDITION_BITS, Cell, set};
use crate::crdt::CrdtKind;
#[cfg(feature = "text")]
use crate::crdt::Text;
#[cfg(feature = "text")]
use crate::error::Error;
use crate::error::Result;

/// The state after another one was merged into it; none is there in a new row.
pub(super) fn given(present: Option<&str>, given: &str, cell: &Cell<'_>) -> Result<String> {
    match cell.kind() {
        CrdtKind::Lww(_) => register(present, given, cell),
        CrdtKind::OrSet(_) => set(present, given, cell),
        #[cfg(feature = "text")]
        CrdtKind::Text => text(present, given),
        kind => match present {
            Some(present) => kind.merge(present, given),
            None => kind.canonical(given),
        },
    }
}

/// A state may come from a client's arguments: its time is held to the same bound as that of a write.
fn register(present: Option<&str>, given: &str, cell: &Cell<'_>) -> Result<String> {
    let kind = cell.kind();
    let given = kind.canonical(given)?;
    let there = present.map(Register::read).transpose()?.map_or(0, |register| register.ts);
    let mut register = Register::read(&given)?;
    let latest = cell.latest(there);
    let given = match register.ts > latest {
        true => {
            register.ts = latest;
            cell.meta.note(|record| record.told("time", &latest.to_string()));
            register.write()?
        }
        false => given,
    };
    present.map_or(Ok(given.clone()), |present| kind.merge(present, &given))
}

/// What is there has seen everything. So a tag that it does not have was removed since, unless this mutation made it.
fn set(present: Option<&str>, given: &str, cell: &Cell<'_>) -> Result<String> {
    let mut given = set::read(&cell.kind().canonical(given)?)?;
    let Some(present) = present else { return Ok(set::write(given, cell)) };
    let mut there = set::read(present)?;
    let (replica, mutation) = (cell.replica(), cell.mutation());
    given.keep(|element, tag| {
        there.tags(element).contains(tag) || (tag.replica == replica && tag.seq >> ADDITION_BITS == mutation)
    });
    there.merge(&given);
    Ok(set::write(there, cell))
}

/// A state may come from a client's arguments: it is held to the bounds that edits are held to.
#[cfg(feature = "text")]
fn text(present: Option<&str>, given: &str) -> Result<String> {
    let kind = CrdtKind::Text;
    let state = present.map_or_else(|| kind.canonical(given), |present| kind.merge(present, given))?;
    // Deletions may have brought what is there beyond them.
    if present != Some(state.as_str()) {
        let read = Text::from_stored(&state)
            .map_err(|error| Error::internal("the state of a text is damaged").with_source(error))?;
        read.within_limits()?;
    }
    Ok(state)
}
