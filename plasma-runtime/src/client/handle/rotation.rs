//! Rotation of keys: what an old key sealed is sealed anew with another one.
//!
//! The rows themselves say what is left to do: those that hold an envelope of the old key. So there is nothing that could
//! get out of step with them; a rotation that was interrupted goes on where it is, and rows that come later, from a client
//! that still seals with the old key, are found like all others. The store remembers which rotations were begun.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Client;
use crate::client::identity;
use crate::client::outcomes::OutcomeStatus;
use crate::client::runtime::Core;
use crate::crypto::{KeyId, Purpose, SealScope, open};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::reseal::{Batch, ResealedCell, ResealedRow, envelope_in, is_sealed};
use crate::mutate::{Mutation as _, Place, RegisteredIn, Reseal, ResealBatch};
use crate::schema::{ColumnDef, InSchema, Schema, TableDef};
use crate::store::SqlConnection;
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value};

/// How far the rotation of a key is, on this client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationProgress {
    /// The key that is to go.
    pub old: KeyId,
    /// The key that takes its place.
    pub new: KeyId,
    /// Cells that were sealed anew since the rotation was begun, on this client.
    pub resealed: u64,
    /// Cells that this client sees and that hold a value of the old key, or will again when a pending mutation is
    /// refused.
    pub left: u64,
    /// Of those: cells that this user may not write. Somebody who may has to seal them anew.
    pub refused: u64,
    /// Of those: cells that do not open with the old key.
    pub unopened: u64,
    /// Mutations of this client that the server has not confirmed and that carry a value of the old key or take one away,
    /// or that ended without effect and are kept to be retried.
    pub pending: u64,
}

impl RotationProgress {
    /// Whether this client needs the old key no longer: no row that it sees holds a value of it, and every write of its
    /// own that carried or replaced one is confirmed by the server.
    ///
    /// This says nothing about others. A client that is offline may still hold mutations sealed with the old key, and they
    /// arrive when it comes back; rows that this user may not see may hold values of it; so do backups and the server's
    /// change log until it is compacted. So forget a key where it is used to *seal* at once, and where it is used to *open*
    /// only when every client that had it has synced since; until then ask again, and rotate again when something came.
    pub const fn can_forget(&self) -> bool {
        self.left == 0 && self.pending == 0
    }
}

/// What the store remembers of a rotation, in `_plasma_meta`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Begun {
    new: KeyId,
    resealed: u64,
    refused: u64,
    unopened: u64,
}

/// What the keys of `_plasma_meta` with a rotation begin with.
const PREFIX: &str = "rotation:";
/// Rows that are sealed anew in one mutation, and so in one turn of the writer.
const BATCH_ROWS: usize = 64;
/// Where a batch ends before that, bytes of ciphertext: well within what a push may carry.
const BATCH_BYTES: usize = 256 << 10;
/// Times the tables are gone through in one call, while others may still write with the old key.
const PASSES: usize = 3;

/// Rows that were found with envelopes of the old key.
type Found = Vec<(Uuid, Vec<(&'static ColumnDef, crate::value::Envelope)>)>;

impl<S: Schema> Client<S> {
    /// Seals everything anew that this client sees and that the old key sealed, in every table: some rows at a time, each
    /// time as an ordinary mutation (`plasma.reseal`), to which the policies apply as to any other. The schema lists
    /// that mutation: `mutators(.., plasma::Reseal<App>)`. A row that somebody changes meanwhile keeps that change.
    ///
    /// Call it in a task of its own: other work of the client goes on between the steps. Dropped half-way, or ended with
    /// the program, it goes on where it was when it is called again; [`rotations`](Self::rotations) knows what was begun.
    /// New values must be sealed with the new key already: make it current in the keyring first, and keep the old one in it
    /// until [`can_forget`](RotationProgress::can_forget), with what is said there about other clients.
    ///
    /// # Errors
    /// [`Encryption`](ErrorKind::Encryption) when the keyring does not hold both keys, or the new one is used up;
    /// [`Config`](ErrorKind::Config) without a keyring; [`Storage`](ErrorKind::Storage);
    /// [`Closed`](ErrorKind::Closed).
    // Boxed futures: of an `async fn`, a bound that does not hold is reported several times.
    pub fn rotate_keys<'a>(&'a self, old: &'a KeyId, new: &'a KeyId) -> BoxFuture<'a, Result<RotationProgress>>
    where
        Reseal<S>: RegisteredIn<S>,
    {
        Box::pin(self.rotate(S::DEF.tables, old, new))
    }

    /// [`rotate_keys`](Self::rotate_keys) for the rows of one table.
    ///
    /// # Errors
    /// Those of `rotate_keys`.
    pub fn reseal<'a, T: InSchema<S>>(
        &'a self,
        old: &'a KeyId,
        new: &'a KeyId,
    ) -> BoxFuture<'a, Result<RotationProgress>>
    where
        Reseal<S>: RegisteredIn<S>,
    {
        Box::pin(async move { self.rotate(&[T::DEF], old, new).await })
    }

    /// The rotations that were begun on this store and of which the old key cannot be forgotten yet, as they stand.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage), [`Closed`](ErrorKind::Closed).
    pub async fn rotations(&self) -> Result<Vec<RotationProgress>> {
        let work = |core: &mut Core| {
            let mut all = Vec::new();
            for (key, value) in identity::all(&mut *core.store)? {
                let Some(old) = key.strip_prefix(PREFIX) else { continue };
                let progress = progress::<S>(core, &KeyId::new(old)?, read(&value)?)?;
                if !progress.can_forget() {
                    all.push(progress);
                }
            }
            Ok(all)
        };
        self.inner.shared.turn(work).await
    }

    async fn rotate(&self, tables: &[&'static TableDef], old: &KeyId, new: &KeyId) -> Result<RotationProgress> {
        let keyring = self.inner.keyring.as_deref().ok_or_else(no_keyring)?;
        if old == new {
            return Err(Error::new(ErrorKind::Config, "a key cannot take its own place"));
        }
        for key in [old, new] {
            if keyring.key(key).is_none() {
                return Err(Error::new(ErrorKind::Encryption, format!("the keyring does not hold the key `{key}`")));
            }
        }
        let mut begun = self.inner.shared.turn(|core| begin(core, old, new)).await?;
        let refused = self.refused_before().await?;
        for _ in 0..PASSES {
            // Counted anew by each pass: what could not be done may be possible now.
            (begun.refused, begun.unopened) = (0, 0);
            let before = begun.resealed;
            for table in tables {
                self.pass(table, old, &mut begun, &refused).await?;
            }
            if begun.resealed == before {
                break;
            }
        }
        let work = |core: &mut Core| {
            let progress = progress::<S>(core, old, begun.clone())?;
            let kept = (!progress.can_forget()).then(|| write(&begun));
            identity::set(&mut *core.store, &format!("{PREFIX}{old}"), kept.as_deref())?;
            Ok(progress)
        };
        self.inner.shared.turn(work).await
    }

    /// Goes through a table once.
    async fn pass(&self, table: &'static TableDef, old: &KeyId, begun: &mut Begun, refused: &Refused) -> Result<()> {
        let columns: Vec<&'static ColumnDef> = table.columns.iter().filter(|column| is_sealed(column.kind)).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let found = self.inner.shared.read(|store| find(store, table, &columns, old, &after)).await?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            after = last.to_string();
            let (mut together, mut bytes) = (Vec::new(), 0);
            for (id, cells) in found {
                if refused.alone.contains(&(table.name.to_owned(), id.to_string())) {
                    begun.refused += cells.len() as u64;
                    continue;
                }
                let row = self.sealed_anew(table, id, cells, begun).await?;
                if refused.together.contains(&(table.name.to_owned(), id.to_string())) {
                    self.put(table, vec![row], old, begun).await?;
                    continue;
                }
                bytes += row.cells.iter().map(|cell| cell.envelope.ciphertext.len()).sum::<usize>();
                together.push(row);
                if bytes > BATCH_BYTES {
                    self.put(table, std::mem::take(&mut together), old, begun).await?;
                    bytes = 0;
                }
            }
            self.put(table, together, old, begun).await?;
        }
    }

    /// Opens the cells of a row and seals what was in them with the new key.
    async fn sealed_anew(
        &self,
        table: &'static TableDef,
        id: Uuid,
        cells: Vec<(&'static ColumnDef, crate::value::Envelope)>,
        begun: &mut Begun,
    ) -> Result<ResealedRow> {
        let keyring = self.inner.keyring.as_deref().ok_or_else(no_keyring)?;
        let (row, mut opened) = (id.to_string(), Vec::new());
        for (column, envelope) in cells {
            let scope = SealScope { table: table.name, column: column.name, row: &row };
            match open(Purpose::Sealed, keyring, scope, &envelope) {
                Ok(plain) => opened.push((column.name, envelope.nonce, Zeroizing::new(plain))),
                Err(_) => begun.unopened += 1,
            }
        }
        let new = &begun.new;
        let seal = |seal: &mut dyn crate::mutate::Seal| {
            let cell = |(column, was, plain): (&'static str, [u8; 12], Zeroizing<Vec<u8>>)| {
                let place = Place { table: table.name, row: id, column };
                let envelope = seal.seal_bytes(&place, Some(new), &plain)?;
                Ok(ResealedCell { column: column.to_owned(), was, envelope })
            };
            opened.into_iter().map(cell).collect::<Result<Vec<_>>>()
        };
        Ok(ResealedRow { id: row, cells: self.sealing(seal).await? })
    }

    /// Issues rows as one mutation; when that is refused, in smaller ones, so that one row that may not be written does
    /// not stand in the way of others.
    async fn put(
        &self,
        table: &'static TableDef,
        rows: Vec<ResealedRow>,
        old: &KeyId,
        begun: &mut Begun,
    ) -> Result<()> {
        let mut waiting = vec![rows];
        while let Some(mut rows) = waiting.pop() {
            rows.retain(|row| !row.cells.is_empty());
            let cells: u64 = rows.iter().map(|row| row.cells.len() as u64).sum();
            if cells == 0 {
                continue;
            }
            let batch = ResealBatch::<S>::new(Batch { table: table.name.to_owned(), rows: rows.clone() });
            match self.mutate(batch).await {
                Ok(_) => {
                    begun.resealed += cells;
                    let kept = write(begun);
                    let key = format!("{PREFIX}{old}");
                    self.inner.shared.turn(|core| identity::set(&mut *core.store, &key, Some(&kept))).await?;
                }
                Err(error) if !error.is_refusal() && error.kind() != ErrorKind::TooLarge => return Err(error),
                Err(_) if rows.len() > 1 => {
                    let rest = rows.split_off(rows.len() / 2);
                    waiting.extend([rest, rows]);
                }
                Err(_) if cells > 1 => {
                    let ResealedRow { id, cells } = rows.remove(0);
                    waiting
                        .extend(cells.into_iter().map(|cell| vec![ResealedRow { id: id.clone(), cells: vec![cell] }]));
                }
                Err(_) => begun.refused += 1,
            }
        }
        Ok(())
    }

    /// The rows whose re-sealing the server refused. Those of a batch are tried again alone.
    async fn refused_before(&self) -> Result<Refused> {
        let mut refused = Refused::default();
        for outcome in self.outcomes().await? {
            if outcome.name != ResealBatch::<S>::NAME || outcome.status != OutcomeStatus::Rejected {
                continue;
            }
            let args = outcome.args.as_deref().and_then(|args| serde_json::from_str::<Batch>(args).ok());
            let Some(Batch { table, rows }) = args else { continue };
            // What the policy refused stays refused; a key that the server did not allow, say, it may allow by now.
            let alone = rows.len() == 1 && outcome.error.as_ref().is_some_and(|error| error.code == "unauthorized");
            let into = if alone { &mut refused.alone } else { &mut refused.together };
            into.extend(rows.into_iter().map(|row| (table.clone(), row.id)));
            if !alone {
                self.dismiss(outcome.key).await?;
            }
        }
        Ok(refused)
    }
}

/// Rows, by table and id, whose re-sealing the server refused.
#[derive(Debug, Default)]
struct Refused {
    /// Each as the only one of its mutation.
    alone: BTreeSet<(String, String)>,
    /// With others.
    together: BTreeSet<(String, String)>,
}

fn no_keyring() -> Error {
    Error::new(ErrorKind::Config, "the client has no keyring: give it one with `.keyring(..)`")
}

fn read(begun: &str) -> Result<Begun> {
    serde_json::from_str(begun).map_err(|error| {
        Error::new(ErrorKind::Storage, "what the store remembers of a rotation is damaged").with_source(error)
    })
}

fn write(begun: &Begun) -> String {
    serde_json::to_string(begun).expect("a key's id and three numbers are JSON")
}

/// Remembers that the rotation was begun; takes up what one to the same key has done.
fn begin(core: &mut Core, old: &KeyId, new: &KeyId) -> Result<Begun> {
    let key = format!("{PREFIX}{old}");
    let known = identity::all(&mut *core.store)?.remove(&key).map(|begun| read(&begun)).transpose()?;
    let resealed = known.filter(|known| known.new == *new).map_or(0, |known| known.resealed);
    let begun = Begun { new: new.clone(), resealed, refused: 0, unopened: 0 };
    identity::set(&mut *core.store, &key, Some(&write(&begun)))?;
    Ok(begun)
}

/// What every stored envelope of the key has in it and nothing else: envelopes have one spelling.
fn needle(key: &KeyId) -> String {
    let id = serde_json::to_string(key).expect("a key's id is text");
    format!("\"keyId\":{id},\"nonce\":")
}

/// The next rows of a table with envelopes of the key, by id.
fn find(
    store: &mut dyn SqlConnection,
    table: &'static TableDef,
    columns: &[&'static ColumnDef],
    key: &KeyId,
    after: &str,
) -> Result<Found> {
    let names: Vec<String> = columns.iter().map(|column| quote(column.name)).collect();
    let holds: Vec<String> = names.iter().map(|name| format!("instr({name}, ?2) > 0")).collect();
    let sql = format!(
        "SELECT \"id\", {} FROM {} WHERE \"id\" > ?1 AND ({}) ORDER BY \"id\" LIMIT {BATCH_ROWS}",
        names.join(", "),
        quote(table.name),
        holds.join(" OR ")
    );
    let kinds: Vec<Kind> = std::iter::once(Kind::Id).chain(columns.iter().map(|column| column.kind)).collect();
    let rows = store.query(&sql, &[after.into(), needle(key).into()], &kinds)?;
    let row = |mut row: Row| {
        let values = row.split_off(1);
        let id = row[0].as_text().and_then(|id| Uuid::parse_str(id).ok())?;
        let sealed = columns.iter().zip(&values).filter_map(|(column, value)| {
            envelope_in(column.kind, value)
                .filter(|envelope| envelope.key_id == *key)
                .map(|envelope| (*column, envelope))
        });
        Some((id, sealed.collect()))
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// How far a rotation is, by what is in the store now.
fn progress<S: Schema>(core: &mut Core, old: &KeyId, begun: Begun) -> Result<RotationProgress> {
    let queued = core.engine.outbox(&mut *core.store)?;
    let outcomes = core.engine.outcomes(&mut *core.store)?;
    let (store, needle) = (&mut *core.store, needle(old));
    let mut left = 0;
    for table in S::DEF.tables {
        for column in table.columns.iter().filter(|column| is_sealed(column.kind)) {
            let name = quote(column.name);
            let sql = format!("SELECT count(*) FROM {} WHERE instr({name}, ?1) > 0", quote(table.name));
            left += count(store, &sql, &needle)?;
        }
    }
    // What pending mutations changed, as it was before: it comes back when they are refused.
    left += count(store, "SELECT count(*) FROM _plasma_effects WHERE instr(before, ?1) > 0", &needle)?;
    // Pages of a set that is not complete are not looked into: they may hold anything.
    let staged = count(store, "SELECT count(*) FROM _plasma_inbox WHERE ?1 <> ''", &needle)?;
    let carries = |name: &str, args: &str| name == ResealBatch::<S>::NAME || args.contains(&needle);
    let waiting = queued.iter().filter(|queued| carries(&queued.name, &queued.args)).count() as u64;
    let kept = outcomes.iter().filter_map(|outcome| outcome.args.as_deref()).filter(|args| args.contains(&needle));
    Ok(RotationProgress {
        old: old.clone(),
        new: begun.new,
        resealed: begun.resealed,
        left,
        refused: begun.refused,
        unopened: begun.unopened,
        pending: waiting + staged + kept.count() as u64,
    })
}

fn count(store: &mut dyn SqlConnection, sql: &str, needle: &str) -> Result<u64> {
    let rows = store.query(sql, &[needle.into()], &[Kind::BigInt])?;
    let count = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}
