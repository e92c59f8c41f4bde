//! What the pending mutations have touched, kept from one pull to the next.
//!
//! Whether a pull meets a pending mutation is asked of what all of them have read and written. Reading that anew from the
//! outbox at every pull would cost more with every pending mutation, so the engine keeps it. It is a memory of the
//! store and no state of its own: it is dropped when another connection has written to the store, when the store has
//! taken another client id (the ids begin anew), and when mutations run again.
//!
//! Mutations that are acknowledged stay in it, which makes it too wide, never too narrow: it is read anew when what they
//! touched would send a pull the full way.

use super::footprint::Footprint;
use super::identity::Meta;
use super::outbox::id_value;
use super::rows::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::TableDef;
use crate::value::{Kind, Row, Value};

/// What the mutations with ids above `from` up to `to` touched.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    known: Option<Known>,
    /// Nothing but this engine has written to the store since the last look.
    pub(crate) alone: bool,
}

#[derive(Debug)]
struct Known {
    /// SQLite's mark of writes by other connections.
    data_version: i64,
    client_id: String,
    from: u64,
    to: u64,
    /// Those up to here have left the outbox.
    gone: u64,
    touched: Footprint,
}

impl Pending {
    /// Brings it up to date. Returns whether mutations are pending after `last`; none when it cannot be told what they
    /// read.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub(crate) fn look(&mut self, writer: &mut Writer<'_>, meta: &Meta, last: u64) -> Result<Option<bool>> {
        let data_version = data_version(writer)?;
        let known = self.known.take().filter(|known| {
            known.data_version == data_version
                && known.client_id == meta.client_id
                && known.from <= last.max(known.gone)
        });
        self.alone = known.is_some();
        let mut known = known.unwrap_or_else(|| Known {
            data_version,
            client_id: meta.client_id.clone(),
            from: last,
            to: last,
            gone: last,
            touched: Footprint::default(),
        });
        let last = last.max(known.gone);
        let after = known.to.max(last);
        let sql = "SELECT id, reads FROM _plasma_outbox WHERE id > ?1 ORDER BY id";
        for row in writer.query(sql, &[id_value(after)], &[Kind::BigInt, Kind::Text])? {
            let [id, reads] = <[Value; 2]>::try_from(row).map_err(|_| damaged())?;
            let Some(reads) = reads.as_text().and_then(Footprint::from_json) else { return Ok(None) };
            known.to = super::outbox::id_from(&id);
            known.touched.merge(reads);
        }
        if known.to > after {
            // A cascade writes rows that it does not read by their ids.
            let sql = "SELECT table_name, row_id FROM _plasma_effects WHERE mid > ?1";
            for row in writer.query(sql, &[id_value(after)], &[Kind::Text; 2])? {
                let [Value::Text(table), Value::Text(id)] = <[Value; 2]>::try_from(row).map_err(|_| damaged())? else {
                    return Err(damaged());
                };
                known.touched.row(writer.texts.of(&table)?.table, &id);
            }
        }
        let rest = known.to > last;
        self.known = Some(known);
        Ok(Some(rest))
    }

    /// Forgets what mutations up to `last` touched; false when there is nothing to forget.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage).
    pub(crate) fn narrow(&mut self, writer: &mut Writer<'_>, meta: &Meta, last: u64) -> Result<bool> {
        let last = self.known.as_ref().map_or(last, |known| known.gone.max(last));
        if self.known.as_ref().is_some_and(|known| known.from >= last) {
            return Ok(false);
        }
        let alone = self.alone;
        self.known = None;
        let known = self.look(writer, meta, last)?;
        self.alone = alone;
        Ok(known.is_some())
    }

    /// Those up to `last` have left the outbox.
    pub(crate) fn dropped(&mut self, last: u64) {
        if let Some(known) = &mut self.known {
            known.gone = known.gone.max(last);
        }
    }

    /// Whether one of them read or wrote this row by its id, or may have.
    pub(crate) fn touches(&self, table: &TableDef, id: &str) -> bool {
        self.known.as_ref().is_none_or(|known| known.touched.has_row(table, id))
    }

    /// Whether one of them read or wrote a row that was one of `images` and becomes another of them.
    pub(crate) fn meets(&self, table: &TableDef, id: &str, images: &[Option<&[Value]>]) -> bool {
        self.known.as_ref().is_none_or(|known| known.touched.meets(table, id, images))
    }
}

/// <https://www.sqlite.org/pragma.html#pragma_data_version>
fn data_version(writer: &mut Writer<'_>) -> Result<i64> {
    let rows: Vec<Row> = writer.query("PRAGMA data_version", &[], &[Kind::BigInt])?;
    rows.first().and_then(|row| row.first()).and_then(Value::as_int).ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::new(ErrorKind::Storage, "what the pending mutations touched cannot be read")
}
