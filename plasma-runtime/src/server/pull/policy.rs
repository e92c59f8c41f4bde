//! The caller's policies for one pull: rules bound to the context, analysed, and named by keyed digests.

mod digest;

use std::collections::BTreeMap;

use self::digest::Digest;
use super::super::ServerEngine;
use super::super::edges::{self, Analysis};
use super::page;
use crate::error::Result;
use crate::mutate::ErasedCtx;
use crate::protocol::PatchOp;
use crate::query::ir::Expr;
use crate::schema::{Lens, TableDef, View};

/// With more tables than this, one digest stands for all of them: a cookie has at most 4 KiB.
const DIGESTS: usize = 40;

/// The member of [`Policies::digests`] that stands for all tables.
const ALL: &str = "*";

/// What the caller may read.
#[derive(Debug)]
pub(super) struct Policies {
    /// The synced tables, in order of their names: the order pages go through them.
    pub(super) tables: Vec<TablePolicy>,
    /// Keyed digests of the bound rules, as cookies carry them.
    pub(super) digests: BTreeMap<String, String>,
}

/// What the caller may read of one table.
#[derive(Debug)]
pub(super) struct TablePolicy {
    pub(super) table: &'static TableDef,
    /// The rule; none when everybody may read every row.
    pub(super) rule: Option<Rule>,
    /// What the caller's version of the schema knows of the table.
    pub(super) view: View,
}

/// A read rule, bound to the caller.
#[derive(Debug)]
pub(super) struct Rule {
    /// As the application made it: for SQL.
    pub(super) sql: Expr,
    /// The same for the evaluation in memory.
    pub(super) memory: Expr,
    /// What it depends on.
    pub(super) analysis: Analysis,
}

impl TablePolicy {
    /// A `put` of this row, which is in wire form, as the caller knows it.
    pub(super) fn put(&self, id: &str, wire: String) -> Result<PatchOp> {
        if !self.view.is_narrow() {
            return page::put(self.table.name, id, wire);
        }
        page::put(self.table.name, id, self.view.project(&wire)?.into_owned())
    }
}

impl Policies {
    /// Binds the policies of the synced tables that the caller's version of the schema knows.
    pub(super) fn bind(engine: &ServerEngine, ctx: &ErasedCtx, key: &[u8], lens: &Lens) -> Result<Self> {
        let mut tables = Vec::new();
        let mut digests = BTreeMap::new();
        for table in engine.definition.schema.synced() {
            let Some(view) = lens.view(table.name).cloned() else { continue };
            let rules = if table.open { None } else { engine.rules(ctx, table)? };
            let rule = rules.map(|rules| Rule {
                analysis: edges::analyse(table, &rules.read),
                memory: edges::tied(&rules.read),
                sql: rules.read,
            });
            if let Some(rule) = &rule {
                digests.insert(table.name.to_owned(), digest::of_rule(key, table, &rule.sql)?);
                edges::warn_once(table, &rule.analysis);
            }
            tables.push(TablePolicy { table, rule, view });
        }
        tables.sort_by_key(|policy| policy.table.name);
        if digests.len() > DIGESTS {
            let mut all = Digest::new(key)?;
            for (table, digest) in &digests {
                all.text(table);
                all.text(digest);
            }
            digests = BTreeMap::from([(ALL.to_owned(), all.finish())]);
        }
        Ok(Policies { tables, digests })
    }

    /// The tables whose digest is not the one in `known`.
    pub(super) fn changed(&self, known: &BTreeMap<String, String>) -> Vec<String> {
        let differs = |name: &str| known.get(name) != self.digests.get(name);
        if differs(ALL) {
            return self.tables.iter().map(|policy| policy.table.name.to_owned()).collect();
        }
        let names = self.tables.iter().map(|policy| policy.table.name);
        names.filter(|name| differs(name)).map(str::to_owned).collect()
    }

    /// `known`, with the digests that are not today's made void: the set has pages made under different policies.
    pub(super) fn void_changed(&self, mut known: BTreeMap<String, String>) -> BTreeMap<String, String> {
        for (name, digest) in &mut known {
            if self.digests.get(name) != Some(digest) {
                digest.clear();
            }
        }
        for name in self.digests.keys() {
            known.entry(name.clone()).or_default();
        }
        known
    }
}
