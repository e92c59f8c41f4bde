//! Cards that everybody may read, made and taken away in pairs: an open table whose deletes matter.

use std::sync::Arc;

use plasma::prelude::*;
use plasma::sim::{AuditTable, Call, Principal, Rng, Rows, Workload};
use plasma_runtime::schema::Definition;
use plasma_runtime::value::Row;
use serde_json::json;

#[derive(Debug, Clone, PartialEq)]
pub struct Caller;

#[plasma::table(name = "cards", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub id: Id<Card>,
    pub twin: String,
    pub title: String,
}

/// One row per mutation that took effect.
#[plasma::table(name = "turns", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub id: Id<Turn>,
}

#[plasma::schema(version = "cards-1", ctx = Caller, tables(Card, Turn), mutators(Cards))]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Deal {
    pub turn: Id<Turn>,
    pub id: Id<Card>,
    pub twin: Id<Card>,
    pub title: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Take {
    pub turn: Id<Turn>,
    pub id: String,
    pub twin: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Rename {
    pub turn: Id<Turn>,
    pub id: String,
    pub twin: String,
    pub title: String,
}

#[derive(Debug)]
pub struct Cards;

/// The turn is written first, so that the end of a mutation is an entry that a later one replaces.
#[plasma::mutators(App)]
impl Cards {
    pub async fn deal(tx: &mut Tx<'_>, _: &Caller, args: Deal) -> plasma::Result<()> {
        tx.insert(NewTurn {}.with_id(args.turn)).await?;
        let (id, twin) = (args.id.to_string(), args.twin.to_string());
        tx.insert(NewCard { twin, title: args.title.clone() }.with_id(args.id)).await?;
        tx.insert(NewCard { twin: id, title: args.title }.with_id(args.twin)).await?;
        Ok(())
    }

    pub async fn take(tx: &mut Tx<'_>, _: &Caller, args: Take) -> plasma::Result<()> {
        tx.insert(NewTurn {}.with_id(args.turn)).await?;
        tx.delete_where(Card::twin.eq(args.twin)).await?;
        tx.delete_where(Card::twin.eq(args.id)).await?;
        Ok(())
    }

    pub async fn rename(tx: &mut Tx<'_>, _: &Caller, args: Rename) -> plasma::Result<()> {
        tx.insert(NewTurn {}.with_id(args.turn)).await?;
        tx.update_where(Card::twin.eq(args.twin)).set(Card::title.to(args.title.clone())).await?;
        tx.update_where(Card::twin.eq(args.id)).set(Card::title.to(args.title)).await?;
        Ok(())
    }
}

/// The cards as a workload.
#[derive(Debug, Clone, Copy)]
pub struct OnCards;

fn text(row: &Row, name: &str) -> String {
    row[Card::DEF.column_index(name).expect("a column")].as_text().unwrap_or_default().to_owned()
}

impl Workload for OnCards {
    fn definition(&self) -> Definition {
        App::definition()
    }

    fn principal(&self, user: usize) -> Principal {
        Principal { group: format!("user{user}"), ctx: Arc::new(Caller) }
    }

    fn audit(&self) -> Option<AuditTable> {
        Some(AuditTable { table: Turn::DEF })
    }

    fn next(&self, _: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let cards = rows.all(Card::DEF)?;
        let nonce = rng.uuid();
        let (turn, title) = (nonce.to_string(), format!("t{}", rng.below(9)));
        let card = if rng.chance(35) { None } else { rng.pick(&cards) };
        let (name, args) = match card {
            None => (
                "cards.deal",
                json!({ "turn": turn, "id": rng.uuid().to_string(), "twin": rng.uuid().to_string(), "title": title }),
            ),
            Some(card) => {
                let (id, twin) = (text(card, "id"), text(card, "twin"));
                if rng.chance(50) {
                    ("cards.take", json!({ "turn": turn, "id": id, "twin": twin }))
                } else {
                    ("cards.rename", json!({ "turn": turn, "id": id, "twin": twin, "title": title }))
                }
            }
        };
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit: Some(nonce) }))
    }

    /// Twins come and go together, and have one title.
    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        let cards = rows.all(Card::DEF).map_err(|error| format!("cannot be read: {error}"))?;
        for card in &cards {
            let twin = cards.iter().find(|other| text(other, "id") == text(card, "twin"));
            if twin.is_none_or(|twin| text(twin, "title") != text(card, "title")) {
                return Err(format!("the card {} has no twin like it", text(card, "id")));
            }
        }
        Ok(())
    }
}
