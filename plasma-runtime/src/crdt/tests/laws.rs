//! The laws of a join of a semilattice, for states that real histories lead to.

use proptest::prelude::*;

use super::model::{Deed, Model, REPLICAS, any_history, states};
use crate::crdt::{Crdt, GCounter, Lww, OrSet, PnCounter};
use crate::value::Value;

fn merged<M: Crdt + Clone>(first: &M, rest: &[&M]) -> M {
    let mut all = first.clone();
    rest.iter().for_each(|other| all.merge(other));
    all
}

/// Every order of the replicas.
fn orders() -> Vec<[usize; REPLICAS]> {
    let mut orders = Vec::new();
    for n in 0..REPLICAS.pow(REPLICAS as u32) {
        let mut order = [0; REPLICAS];
        (0..REPLICAS).for_each(|place| order[place] = n / REPLICAS.pow(place as u32) % REPLICAS);
        if (0..REPLICAS).all(|who| order.contains(&who)) {
            orders.push(order);
        }
    }
    assert_eq!(orders.len(), 24);
    orders
}

/// Through JSON and back.
fn sent<M: Model>(state: &M) -> M {
    let json = state.json();
    assert!(M::kind().is_canonical(&json), "{json}");
    let again = M::from_value(Value::Json(json.clone())).unwrap();
    assert_eq!(again.json(), json);
    again
}

fn hold<M: Model>(history: &[(usize, Deed, u8)]) -> Result<(), TestCaseError> {
    let states: Vec<M> = states(history);
    let whole = merged(&states[0], &[&states[1], &states[2], &states[3]]);
    for [a, b, c, d] in orders() {
        let [a, b, c, d] = [a, b, c, d].map(|who| &states[who]);
        // Duplicates, late repetitions, and copies that came over the wire.
        for order in [
            merged(a, &[b, c, d]),
            merged(a, &[b, b, a, c, b, d, d, a]),
            merged(&sent(a), &[&sent(b), &sent(c), &sent(&sent(d)), b]),
            merged(&merged(a, &[b]), &[&merged(c, &[d])]),
            merged(a, &[&merged(b, &[&merged(c, &[d])])]),
            merged(&whole, &[a, d]),
        ] {
            prop_assert_eq!(&order, &whole);
            prop_assert_eq!(order.json(), whole.json());
        }
        prop_assert!(a.is_known_by(a) && a.is_known_by(&merged(a, &[b])) && b.is_known_by(&merged(a, &[b])));
        // The states in columns say the same.
        let kind = M::kind();
        prop_assert_eq!(kind.merge(&a.json(), &b.json()).unwrap(), merged(a, &[b]).json());
        prop_assert_eq!(kind.merge(&a.json(), &a.json()).unwrap(), a.json());
    }
    // Whoever does something knows more afterwards.
    for (at, (who, deed, n)) in history.iter().enumerate().filter(|(_, (_, deed, _))| *deed != Deed::Hear) {
        let mut after = whole.clone();
        after.step(*who, *deed, *n, 1_000 + at);
        prop_assert!(whole.is_known_by(&after));
        prop_assert_eq!(merged(&after, &[&whole]), after);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn of_grow_only_counters(history in any_history()) {
        hold::<GCounter>(&history)?;
    }

    #[test]
    fn of_counters(history in any_history()) {
        hold::<PnCounter>(&history)?;
    }

    #[test]
    fn of_registers(history in any_history()) {
        hold::<Lww<String>>(&history)?;
    }

    #[test]
    fn of_sets(history in any_history()) {
        hold::<OrSet<String>>(&history)?;
    }

    /// What a set forgot can only come back with a state that had it.
    #[test]
    fn of_sets_that_forget(history in any_history()) {
        let mut states: Vec<OrSet<String>> = states(&history);
        let whole = merged(&states[0], &[&states[1], &states[2], &states[3]]);
        // Everybody has everything, and then nobody sends what was removed.
        states.iter_mut().for_each(|state| {
            state.merge(&whole);
            state.state.forget(|_| true);
        });
        for state in &states {
            prop_assert_eq!(state.values(), whole.values());
            prop_assert_eq!(merged(state, &[&states[0], &states[3]]).values(), whole.values());
        }
    }
}
