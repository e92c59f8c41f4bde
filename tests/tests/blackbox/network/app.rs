//! The application of the network runs, after the workload of `nurturenature/jepsen-powersync`: transactions that read
//! all of 100 registers and write four of them, the greatest value wins. And what shows a lost or a doubled effect.

use plasma::prelude::*;

use crate::sim::schema::Caller;

/// Registers, by number.
pub(super) const REGISTERS: i64 = 100;
/// Counters, by number.
pub(super) const COUNTERS: i64 = 4;

/// Never goes down.
#[plasma::table(name = "registers", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    pub id: Id<Register>,
    pub value: i64,
}

/// How many entries name it.
#[plasma::table(name = "tallies", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    pub id: Id<Tally>,
    pub n: i64,
}

/// The audit, append-only: one row per transaction that took effect.
#[plasma::table(name = "entries", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: Id<Entry>,
    /// The device, and the number of the transaction on it.
    pub device: i64,
    pub n: i64,
    /// The newest entry of another device that the writer saw.
    pub after: Option<String>,
}

#[plasma::schema(version = "network-1", ctx = Caller, tables(Register, Tally, Entry), mutators(Transactions))]
#[derive(Debug)]
pub struct App;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Transact {
    pub entry: Id<Entry>,
    pub device: i64,
    pub n: i64,
    pub after: Option<String>,
    pub registers: Vec<i64>,
    pub value: i64,
    pub tally: i64,
}

#[derive(Debug)]
pub struct Transactions;

#[plasma::mutators(App)]
impl Transactions {
    /// A run too many shows: the entry is there already and the tally counts it again.
    pub async fn transact(tx: &mut plasma::Tx<'_, App>, _caller: &Caller, args: Transact) -> plasma::Result<()> {
        let registers = tx.all(Register::select().order_by(Register::id.asc())).await?;
        for number in args.registers {
            let id = Id::derive(number);
            let register = registers.iter().find(|register| register.id == id);
            let register = register.ok_or_else(|| plasma::Error::not_found("no such register"))?;
            if register.value < args.value {
                tx.update(id).set(Register::value.to(args.value)).await?;
            }
        }
        let entry = NewEntry { device: args.device, n: args.n };
        let entry = entry.with(Entry::after.to(args.after)).with_id(args.entry);
        tx.insert(entry).on_conflict_ignore().await?;
        let tally: Id<Tally> = Id::derive(args.tally);
        let before = tx.get(tally).await?.ok_or_else(|| plasma::Error::not_found("no such tally"))?;
        tx.update(tally).set(Tally::n.to(before.n + 1)).await
    }
}

/// The rows that are there from the beginning.
pub(super) fn seed() -> String {
    let rows = |table: &str, column: &str, ids: Vec<String>| {
        let rows: Vec<String> = ids.iter().map(|id| format!("('{id}', 0)")).collect();
        format!("INSERT INTO {table} (id, {column}) VALUES {};", rows.join(", "))
    };
    let registers = (0..REGISTERS).map(|number| Id::<Register>::derive(number).to_string()).collect();
    let tallies = (0..COUNTERS).map(|number| Id::<Tally>::derive(number).to_string()).collect();
    rows("registers", "value", registers) + &rows("tallies", "n", tallies)
}
