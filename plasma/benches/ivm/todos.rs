//! The todos of the incremental scenarios and the edits made to them: the table, the rows and the generator that the
//! harnesses of the peers use (`benches/peers/js/bench_util.mjs`), but for ids, which are UUIDs in the same order here.

use plasma::prelude::*;
use plasma_runtime::client::event::{Batch, RowChange};
use plasma_runtime::live::probe::encode;

/// One row.
#[plasma::table(name = "todos", auth = open, index(done, prio), index(owner))]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub done: bool,
    pub owner: String,
    pub prio: i64,
    pub created: i64,
}

/// The caller; nothing asks who that is.
#[derive(Debug, Clone)]
pub struct Ctx;

#[plasma::schema(version = "bench-ivm", ctx = Ctx, tables(Todo), mutators())]
pub struct Todos;

/// The i-th row.
pub fn row(i: usize) -> Todo {
    Todo {
        id: Id::from_u128(0x0190_a1b2_0000_7000_8000_0000_0000_0000 + i as u128),
        title: format!("todo number {i} with some text"),
        done: i % 2 == 1,
        owner: owner(i % 100),
        prio: (i as i64 * 7919) % 1000,
        created: 1_700_000_000_000 + i as i64,
    }
}

/// The n-th owner.
pub fn owner(n: usize) -> String {
    format!("user{n}")
}

/// The linear congruential generator of the harnesses of the peers.
pub struct Random(pub u32);

impl Random {
    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (f64::from(self.0) / 4_294_967_296.0 * n as f64) as usize
    }
}

/// What an edit does to a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any row is done, or open again.
    Done,
    /// Any row gets another rank.
    Prio,
    /// One of forty rows becomes the first of all.
    Window,
    /// Any row gets another owner.
    Owner,
}

/// One edit.
#[derive(Clone)]
pub struct Edit {
    pub old: Todo,
    pub new: Todo,
}

impl Edit {
    /// The k-th edit of a kind. `current` holds it afterwards.
    pub fn make(kind: Kind, k: usize, current: &mut [Todo], random: &mut Random) -> Edit {
        let at = if kind == Kind::Window { 2 * (k % 40) } else { random.below(current.len()) };
        let old = current[at].clone();
        let new = match kind {
            Kind::Done => Todo { done: !old.done, ..old.clone() },
            Kind::Prio => Todo { prio: random.below(1_000) as i64, ..old.clone() },
            Kind::Window => Todo { prio: 5_000 + k as i64, ..row(at) },
            Kind::Owner => Todo { owner: owner(random.below(100)), ..old.clone() },
        };
        current[at] = new.clone();
        Edit { old, new }
    }

    /// As the store tells it to live queries.
    pub fn batch(&self) -> Batch {
        let change = RowChange {
            table: "todos",
            id: self.old.id.to_string(),
            before: Some(encode(self.old.clone())),
            after: Some(encode(self.new.clone())),
        };
        Batch { version: 0, changes: vec![change], all: false }
    }
}
