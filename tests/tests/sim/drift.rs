//! Mutators that look at more than they are given: each is found, and the harness without them finds nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plasma::future::BoxFuture;
use plasma::prelude::*;
use plasma::sim::{AuditTable, Call, Faults, Principal, Rng, Rows, Settings, Sim, Workload};
use plasma_runtime::mutate::{ErasedCtx, Executor, RunFn, TxMeta};
use plasma_runtime::schema::Definition;

use super::schema::{App, Bump, Caller, Counter, Counters, Entry, NewEntry};
use super::workload::Lists;

/// The lists with another body for `counters.bump`.
struct With(RunFn);

impl Workload for With {
    fn definition(&self) -> Definition {
        let mut definition = Lists.definition();
        let bump = definition.mutators.iter_mut().find(|mutator| mutator.name == "counters.bump");
        bump.expect("the lists count").run = self.0;
        definition
    }
    fn principal(&self, user: usize) -> Principal {
        Lists.principal(user)
    }
    fn next(&self, user: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        Lists.next(user, rows, rng)
    }
    fn seed(&self) -> Vec<String> {
        Lists.seed()
    }
    fn audit(&self) -> Option<AuditTable> {
        Lists.audit()
    }
}

/// Every call sees another number, on whichever side it runs.
static CALLS: AtomicU64 = AtomicU64::new(0);

macro_rules! bump {
    (|$tx:ident, $caller:ident, $args:ident| $body:expr) => {{
        fn run<'t>(
            executor: &'t mut dyn Executor,
            meta: &'t TxMeta,
            ctx: &'t ErasedCtx,
            args: &'t str,
        ) -> BoxFuture<'t, plasma::Result<()>> {
            Box::pin(async move {
                let $args: Bump = serde_json::from_str(args).expect("the lists write their arguments");
                let $caller: &Caller = ctx.downcast_ref().expect("the context of the lists");
                let mut tx = plasma::Tx::<App>::new(executor, meta);
                let $tx = &mut tx;
                $body
            })
        }
        With(run)
    }};
}

async fn audit(
    tx: &mut plasma::Tx<'_, App>,
    caller: &Caller,
    args: &Bump,
    after: Option<String>,
) -> plasma::Result<()> {
    let entry = NewEntry { user: caller.user.clone() };
    tx.insert(entry.with(Entry::after.to(after)).with_id(args.step.id)).await?;
    Ok(())
}

fn sim(workload: With) -> Sim {
    Sim::new(Arc::new(workload) as Arc<dyn Workload>).twice_every(0).faults(Faults::ORDINARY)
}

fn finds(workload: With) {
    // A replay is a third run, and would find it, too.
    let settings = Settings { replay_checks: 0, ..Settings::default() };
    let report = sim(workload).settings(settings).faults(Faults::ORDINARY).seeds(0..40).stop_at_first_failure().run();
    let Some(failure) = report.failures.first() else { panic!("not found in {} seeds", report.seeds) };
    eprintln!("found after {} seeds: {}", report.seeds, failure.violation);
    assert_eq!(failure.violation.invariant, "I23", "{}", failure.violation);
    assert!(failure.violation.message.contains("`counters.bump`"), "{}", failure.violation);
}

#[test]
fn a_global_variable_in_a_written_value() {
    finds(bump!(|tx, caller, args| {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        audit(tx, caller, &args, Some(call.to_string())).await
    }));
}

#[test]
fn a_random_id() {
    finds(bump!(|tx, caller, args| {
        audit(tx, caller, &args, None).await?;
        tx.insert(NewEntry { user: caller.user.clone() }.with_id(Id::from_uuid(uuid::Uuid::new_v4()))).await?;
        Ok(())
    }));
}

#[test]
fn a_branch_on_the_weather() {
    finds(bump!(|tx, caller, args| {
        audit(tx, caller, &args, None).await?;
        if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            tx.update(args.id).set(Counter::name.to("counter7")).await?;
        }
        Ok(())
    }));
}

/// What the envelope gives is the same everywhere, what only one side knows is not held against the mutator, and the
/// server may do what it likes on its own account.
#[test]
fn what_a_mutator_is_given_is_no_drift() {
    let report = sim(bump!(|tx, caller, args| {
        let dice = tx.random_below(6) + 1;
        audit(tx, caller, &args, Some(format!("{dice} {}", tx.now().millis()))).await?;
        if let Some(mut trusted) = tx.trusted() {
            let salt: u64 = trusted.random();
            let counter = args.id;
            trusted.update(counter).set(Counter::name.to(format!("counter{salt}"))).await?;
        }
        if dice == 1 && tx.is_server() {
            tx.update(args.id).set(Counter::n.to(7)).await?;
        }
        Ok(())
    }))
    .seeds(0..60)
    .run();
    // The counter is no longer what the lists' own rules say, which these workloads leave out.
    report.assert_passed();
    report.assert_reached(&[plasma::sim::Rare::EffectsCompared]);
    let _ = Counters;
}
