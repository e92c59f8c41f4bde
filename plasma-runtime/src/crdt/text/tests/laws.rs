//! The laws of a merge, over random histories of four replicas.

use proptest::prelude::*;

use super::*;

/// What one of four replicas does.
#[derive(Debug, Clone)]
enum Step {
    /// Replaces a part of its text.
    Edit { who: usize, from: usize, len: usize, piece: usize },
    /// Takes in what another one has.
    Merge { who: usize, from: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4usize, 0..40usize, prop_oneof![3 => Just(0usize), 1 => 0..4usize], 0..=PIECES.len())
            .prop_map(|(who, from, len, piece)| Step::Edit { who, from, len, piece }),
        1 => (0..4usize, 0..4usize).prop_map(|(who, from)| Step::Merge { who, from }),
    ]
}

fn history(steps: &[Step]) -> [Text; 4] {
    let mut sites: [Text; 4] = Default::default();
    for step in steps {
        match *step {
            Step::Edit { who, from, len, piece } => {
                let start = from % (chars(&sites[who]) + 1);
                let end = (start + len).min(chars(&sites[who]));
                let text = PIECES.get(piece).copied().unwrap_or_default();
                let mut expected: Vec<char> = sites[who].value().chars().collect();
                expected.splice(start..end, text.chars());
                sites[who].replace(replica(who), start..end, text).unwrap();
                assert_eq!(sites[who].value(), expected.into_iter().collect::<String>());
            }
            Step::Merge { who, from } => sites[who] = merged(&sites[who], &sites[from]),
        }
    }
    sites
}

/// All orders of four.
fn orders() -> Vec<[usize; 4]> {
    let mut all = Vec::new();
    for n in 0..256usize {
        let order = [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6 & 3];
        if (0..4).all(|site| order.contains(&site)) {
            all.push(order);
        }
    }
    assert_eq!(all.len(), 24);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn replicas_agree_in_whatever_order_and_how_often_they_merge(steps in prop::collection::vec(step(), 0..40)) {
        let sites = history(&steps);
        let all = sites.iter().fold(Text::default(), |all, site| merged(&all, site));
        for order in orders() {
            let mut state = sites[order[0]].clone();
            for site in order {
                // Once more than needed, and by way of the wire.
                state.merge(&by_wire(&sites[site]));
                state.merge(&sites[order[0]]);
            }
            prop_assert_eq!(json(&state), json(&all));
        }
    }

    #[test]
    fn a_merge_is_a_join(steps in prop::collection::vec(step(), 0..40)) {
        let [a, b, c, _] = history(&steps);
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        // It only adds: what was merged is in it already.
        let both = merged(&a, &b);
        prop_assert_eq!(merged(&both, &a), both.clone());
        prop_assert_eq!(by_wire(&both), both);
    }

    #[test]
    fn equal_knowledge_is_equal_bytes(steps in prop::collection::vec(step(), 0..40)) {
        for state in history(&steps) {
            prop_assert_eq!(by_wire(&state), state.clone());
            let spelled = json(&state);
            prop_assert!(crate::crdt::CrdtKind::Text.is_canonical(&spelled));
            prop_assert_eq!(Text::from_stored(&spelled).unwrap(), state);
        }
    }
}
