//! The mutation of a key rotation: envelopes are replaced by envelopes of the same values under another key.
//!
//! It is the library's own, so that no application has to write it, and an application that wants it lists it:
//! `mutators(Notes, plasma::Reseal<App>)`. Nothing in it knows a key.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{Checks, Mutation, MutatorArgs, MutatorDef, MutatorSet, RunsIn, Tx};
use crate::crdt::{CrdtKind, Lww, Replica};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::query::ir;
use crate::schema::{Schema, TableDef};
use crate::value::{Envelope, Kind, Value};

/// The library's set of one mutator that re-seals rows, `plasma.reseal`: what
/// `client.rotate_keys(..)` calls. A schema that lists it lets everybody who may update a row, by its policy, replace an
/// envelope in it: leave it out where more than the policy guards such a column.
///
/// ```ignore
/// #[plasma::schema(version = "1", ctx = Caller, tables(Note), mutators(Notes, plasma::Reseal<App>))]
/// pub struct App;
/// ```
pub struct Reseal<S>(PhantomData<fn() -> S>);

impl<S> fmt::Debug for Reseal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reseal")
    }
}

impl<S: Schema> MutatorSet for Reseal<S> {
    type Schema = S;
    const MUTATORS: &'static [MutatorDef] = &[MutatorDef::of::<ResealBatch<S>>()];
}

/// A register can be sealed anew so often without a write between before its time moves on: replicas below this are nobody's.
const MOST_TIMES: u64 = 1 << 16;

/// The most rows of one mutation.
pub(crate) const MOST_ROWS: usize = 1_000;

/// Envelopes to be put in the place of others, in rows of one table.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// SQL name of the table.
    pub(crate) table: String,
    pub(crate) rows: Vec<ResealedRow>,
}

/// The cells of one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResealedRow {
    pub(crate) id: String,
    pub(crate) cells: Vec<ResealedCell>,
}

/// One cell. It is changed only as long as it holds the envelope that was opened: a later write stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResealedCell {
    /// SQL name of the column.
    pub(crate) column: String,
    /// The nonce of the envelope that was opened, which no other envelope of its key has.
    pub(crate) was: [u8; 12],
    /// The same value under the new key.
    pub(crate) envelope: Envelope,
}

/// The arguments of `plasma.reseal`.
pub struct ResealBatch<S> {
    pub(crate) batch: Batch,
    schema: PhantomData<fn() -> S>,
}

impl<S> ResealBatch<S> {
    pub(crate) fn new(batch: Batch) -> Self {
        ResealBatch { batch, schema: PhantomData }
    }
}

impl<S> fmt::Debug for ResealBatch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResealBatch")
            .field("table", &self.batch.table)
            .field("rows", &self.batch.rows.len())
            .finish_non_exhaustive()
    }
}

impl<S: Schema> MutatorArgs for ResealBatch<S> {
    fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self::new)
    }

    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.batch)
    }

    fn check(&self, checks: &mut Checks) {
        let fits = self.batch.rows.len() <= MOST_ROWS;
        checks.check("rows", fits, "len", format!("must have at most {MOST_ROWS} items"));
    }
}

impl<S: Schema> Mutation for ResealBatch<S> {
    type Schema = S;
    const NAME: &'static str = "plasma.reseal";

    fn run<'a>(self, tx: &'a mut Tx<'_, S>, _: &'a S::Ctx) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Batch { table: name, rows } = self.batch;
            let table = S::DEF.tables.iter().copied().find(|table| table.name == name);
            let table = table.ok_or_else(|| invalid(format!("there is no table `{name}`")))?;
            for row in rows {
                reseal(tx, table, row).await?;
            }
            Ok(())
        })
    }
}

impl<S: Schema> RunsIn<S> for ResealBatch<S> {}

async fn reseal<S: Schema>(tx: &mut Tx<'_, S>, table: &'static TableDef, row: ResealedRow) -> Result<()> {
    let statement = tx.statement();
    let id = row.id;
    let has_id = ir::Expr::eq(
        ir::Expr::column(table.name, table.columns[table.id].name),
        ir::Expr::Literal(Value::Text(id.clone())),
    );
    let Some(now) = statement.executor.query(&ir::Query::all(table).filter(has_id)).await?.pop() else { return Ok(()) };
    let mut changes = Vec::new();
    for cell in row.cells {
        let index = table.column_index(&cell.column).filter(|index| is_sealed(table.columns[*index].kind));
        let index = index.ok_or_else(|| invalid(format!("`{}.{}` is no sealed column", table.name, cell.column)))?;
        let column = &table.columns[index];
        if let Some(value) = replaced(column.kind, &now[index], &cell) {
            changes.push(ir::Change { column: column.name, value: ir::Expr::Literal(value) });
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    // Not as an update of the application's: when a row was last touched does not change with its key.
    match statement.executor.write(ir::Write::Update { table, id, changes }, statement.access).await {
        // Out of the caller's sight: as if it were not there.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        written => written.map(drop),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidArgs, message)
}

/// Whether a column holds envelopes that are sealed end to end.
pub(crate) fn is_sealed(kind: Kind) -> bool {
    matches!(kind, Kind::Sealed | Kind::Crdt(CrdtKind::Lww(Kind::Sealed)))
}

/// The envelope in a cell of a sealed column.
pub(crate) fn envelope_in(kind: Kind, value: &Value) -> Option<Envelope> {
    let Value::Json(json) = value else { return None };
    match kind {
        Kind::Sealed => Envelope::from_json(json).ok(),
        _ => serde_json::from_str::<Lww<Envelope>>(json).ok().map(Lww::into_inner),
    }
}

/// What a cell holds after it was re-sealed; nothing when it does not hold the envelope that was opened.
fn replaced(kind: Kind, value: &Value, cell: &ResealedCell) -> Option<Value> {
    if envelope_in(kind, value)?.nonce != cell.was {
        return None;
    }
    let Value::Json(json) = value else { return None };
    let ResealedCell { envelope, .. } = cell;
    let json = match kind {
        Kind::Sealed => envelope.to_json(),
        _ => {
            let register: Lww<Envelope> = serde_json::from_str(json).ok()?;
            // One step after the write it stands for, and by nobody: so every write of a client that has seen that one,
            // which is one step later too or more, comes after this. Sealed anew once more it is still that write's: the
            // time stays, and nobody counts on.
            let times = u64::from_be_bytes(register.written_by().bytes());
            let again = (1..MOST_TIMES).contains(&times);
            let (ts, times) = if again { (register.written_at(), times + 1) } else { (register.written_at() + 1, 1) };
            let resealed = Lww::at(envelope.clone(), ts, Replica::from_bytes(times.to_be_bytes()));
            serde_json::to_string(&resealed).ok()?
        }
    };
    Some(Value::Json(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{KeyId, Timestamp};

    fn envelope(key: &str, nonce: u8) -> Envelope {
        Envelope { key_id: KeyId::new(key).unwrap(), nonce: [nonce; 12], ciphertext: vec![nonce; 20] }
    }

    fn cell(was: u8, to: &Envelope) -> ResealedCell {
        ResealedCell { column: "body".into(), was: [was; 12], envelope: to.clone() }
    }

    #[test]
    fn only_the_envelope_that_was_opened_is_replaced() {
        let (old, new) = (envelope("old", 1), envelope("new", 2));
        let stored = Value::Json(old.to_json());
        assert_eq!(replaced(Kind::Sealed, &stored, &cell(1, &new)), Some(Value::Json(new.to_json())));
        assert_eq!(replaced(Kind::Sealed, &stored, &cell(3, &new)), None);
        assert_eq!(replaced(Kind::Sealed, &Value::Null, &cell(1, &new)), None);
    }

    const KIND: CrdtKind = CrdtKind::Lww(&Kind::Sealed);
    const REGISTER: Kind = Kind::Crdt(KIND);

    #[test]
    fn a_register_follows_the_write_it_stands_for_and_no_other() {
        let (old, new) = (envelope("old", 1), envelope("new", 2));
        let (alice, bob) = (Replica::of_client("alice"), Replica::of_client("bob"));
        let mut register = Lww::new(old);
        register.set(alice, envelope("old", 1), Timestamp::from_millis(1_000));
        let stored = Value::Json(serde_json::to_string(&register).unwrap());
        let Some(Value::Json(json)) = replaced(REGISTER, &stored, &cell(1, &new)) else {
            panic!("it was not re-sealed")
        };
        let resealed: Lww<Envelope> = serde_json::from_str(&json).unwrap();
        assert_eq!(resealed.value(), &new);
        let text = |register: &Lww<Envelope>| serde_json::to_string(register).unwrap();
        let merged = |a: &str, b: &str| {
            let (one, other) = (KIND.merge(a, b).unwrap(), KIND.merge(b, a).unwrap());
            assert_eq!(one, other);
            serde_json::from_str::<Lww<Envelope>>(&one).unwrap().into_inner()
        };
        // It takes the place of what it stands for, in any order.
        assert_eq!(merged(&text(&register), &json), new);
        // A write that saw the old one stands, even by a clock that is behind, in any order.
        let mut edit = register.clone();
        edit.set(bob, envelope("old", 9), Timestamp::from_millis(0));
        assert_eq!(merged(&text(&edit), &json), envelope("old", 9));
        // However often it was sealed anew meanwhile.
        let mut last = json;
        for nonce in 3..9 {
            let stored = Value::Json(last.clone());
            let Some(Value::Json(again)) = replaced(REGISTER, &stored, &cell(nonce - 1, &envelope("newer", nonce)))
            else {
                panic!("it was not re-sealed")
            };
            assert_eq!(merged(&again, &last), envelope("newer", nonce), "the later key");
            assert_eq!(merged(&text(&edit), &again), envelope("old", 9));
            last = again;
        }
    }
}
