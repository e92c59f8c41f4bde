//! Writing a unit, and noting it in the history.

use super::world::{World, Writer, key};
use crate::inputs::Entropy;
use crate::protocol::{MutationError, MutationStatus};
use crate::query::lower::Dialect;
use crate::server::ledger::unit::{self, Who};
use crate::server::ledger::{self, Stored};

/// Random bits that are known.
#[derive(Debug)]
struct Mark(i64);

impl Entropy for Mark {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.to_le_bytes());
    }
}

impl World {
    /// Runs statements as one unit. Statements that violate a constraint are skipped.
    pub(super) fn write(&mut self, writer: Writer<'_>, statements: &[String]) {
        let dialect = self.db.dialect();
        self.db.batch(if dialect == Dialect::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" });
        // On Postgres every raw transaction is a unit.
        let unit = self.history.open_unit(writer.is_none() && dialect == Dialect::Sqlite);
        let mark = self.random.next() as i64;
        let who = writer.map(|(group, client)| {
            self.history.groups.insert(client.to_owned(), group.to_owned());
            let acks = self.history.acks.entry(client.to_owned()).or_default();
            Who { group, client, mutation: acks.len() as u64 + 1 }
        });
        if who.is_some() {
            self.db.run(|db| Box::pin(async move { unit::begin(db, who, &mut Mark(mark), 5).await })).unwrap();
        }
        let before = self.head();
        // Where a unit is one position, that is known when it is committed.
        let mut later = Vec::new();
        let mut head = before;
        for sql in statements {
            let tables = self.engine.definition().schema.tables;
            let ran = self.db.try_statement(tables, sql);
            let now = self.head();
            if ran && now > head {
                let state = self.read();
                self.history.note(now, unit, state);
                head = now;
            } else if ran && dialect == Dialect::Postgres {
                later.push(self.read());
            }
        }
        if let Some(who) = who {
            let rejected = statements.is_empty();
            let stored = Stored {
                key: key(who.client, who.mutation),
                status: if rejected { MutationStatus::Rejected } else { MutationStatus::Applied },
                error: rejected.then(|| MutationError {
                    code: "conflict".to_owned(),
                    message: "no".to_owned(),
                    data: Some(serde_json::json!({"a": 1})),
                }),
                effects: None,
            };
            let mut last = before as i64;
            let mut mark = Mark(mark);
            let position = self
                .db
                .run(|db| Box::pin(unit::finish(db, who, &stored, false, true, &mut last, &mut mark, 5)))
                .unwrap();
            if dialect == Dialect::Sqlite && self.head() > head {
                head = self.head();
                let state = self.read();
                self.history.note(head, unit, state);
            }
            let Who { group, client, mutation } = who;
            self.db.run(|db| Box::pin(ledger::advance(db, client, group, mutation, position, 5))).unwrap();
            self.db.run(|db| Box::pin(unit::clear(db))).unwrap();
        }
        self.db.batch("COMMIT");
        if dialect == Dialect::Postgres {
            self.db.run(|db| Box::pin(self.engine.sequence(db))).unwrap();
            head = self.head();
            assert!(head <= before + 1, "one unit is one position");
            if head > before {
                if later.is_empty() {
                    later.push(self.read());
                }
                for state in later {
                    self.history.note(head, unit, state);
                }
            }
        }
        if let Some(who) = who {
            self.history.acks.get_mut(who.client).unwrap().push((who.mutation, head));
        }
    }
}
