//! Texts against what was specified of collaborative lists before and apart from YATA: the strong list specification
//! (Attiya, Burckhardt, Gotsman, Morrison, Yang, Zawirski: *Specification and Complexity of Collaborative Text Editing*,
//! PODC 2016). A text holds exactly the characters that its replica knows to be inserted and not to be deleted; an
//! insertion stands where its author put it; and there is one order of all characters, which every text at every time
//! agrees with. The model knows sets and lists of characters, and nothing of documents.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const SITES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// Puts so many new characters in the place of a part of the text.
    Edit { who: usize, from: usize, len: usize, count: usize },
    /// Takes in what another one has.
    Hear { who: usize, from: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..SITES, 0..30usize, prop_oneof![2 => Just(0usize), 1 => 0..5usize], 0..4usize)
            .prop_map(|(who, from, len, count)| Step::Edit { who, from, len, count }),
        1 => (0..SITES, 0..SITES).prop_map(|(who, from)| Step::Hear { who, from }),
    ]
}

/// One replica, and what it knows.
#[derive(Default)]
struct Site {
    text: Text,
    inserted: BTreeSet<char>,
    deleted: BTreeSet<char>,
}

/// Characters that come once each, of one and of two units of UTF-16 by turns.
fn fresh(count: &mut u32) -> char {
    *count += 1;
    let base = if (*count).is_multiple_of(2) { 0xe000 } else { 0x1_0000 };
    char::from_u32(base + *count).expect("a character")
}

/// The order of characters, as far as any text has shown it.
#[derive(Default)]
struct Order(BTreeSet<(char, char)>);

impl Order {
    fn read(&mut self, text: &str) {
        let chars: Vec<char> = text.chars().collect();
        for (at, first) in chars.iter().enumerate() {
            for later in &chars[at + 1..] {
                assert!(!self.0.contains(&(*later, *first)), "two characters changed places");
                self.0.insert((*first, *later));
            }
        }
    }

    /// Whether one order has all of these pairs: nothing comes before itself.
    fn is_one(&self) -> bool {
        let mut before: BTreeMap<char, usize> = BTreeMap::new();
        for (first, later) in &self.0 {
            before.entry(*first).or_default();
            *before.entry(*later).or_default() += 1;
        }
        let mut ready: Vec<char> = before.iter().filter(|(_, count)| **count == 0).map(|(c, _)| *c).collect();
        let mut placed = 0;
        while let Some(first) = ready.pop() {
            placed += 1;
            for (_, later) in self.0.range((first, '\0')..=(first, char::MAX)) {
                let count = before.get_mut(later).expect("known");
                *count -= 1;
                if *count == 0 {
                    ready.push(*later);
                }
            }
        }
        placed == before.len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("PLASMA_DEEP").is_some() { 2_000 } else { 60 }))]

    #[test]
    fn a_text_is_a_list_by_its_specification(steps in prop::collection::vec(step(), 0..50)) {
        let mut sites: [Site; SITES] = Default::default();
        let (mut order, mut count) = (Order::default(), 0);
        for step in steps {
            match step {
                Step::Edit { who, from, len, count: more } => {
                    let site = &mut sites[who];
                    let mut model: Vec<char> = site.text.value().chars().collect();
                    let start = from % (model.len() + 1);
                    let end = (start + len).min(model.len());
                    let new: String = (0..more).map(|_| fresh(&mut count)).collect();
                    site.text.replace(replica(who), start..end, &new).unwrap();
                    site.inserted.extend(new.chars());
                    site.deleted.extend(model.splice(start..end, new.chars()));
                    prop_assert_eq!(site.text.value(), model.into_iter().collect::<String>());
                }
                Step::Hear { who, from } => {
                    let other = &sites[from];
                    let (text, inserted, deleted) = (other.text.clone(), other.inserted.clone(), other.deleted.clone());
                    sites[who].text.merge(&text);
                    sites[who].inserted.extend(inserted);
                    sites[who].deleted.extend(deleted);
                }
            }
            for site in &sites {
                let chars: BTreeSet<char> = site.text.value().chars().collect();
                prop_assert_eq!(chars.len(), super::chars(&site.text), "a character came twice");
                prop_assert_eq!(&chars, &site.inserted.difference(&site.deleted).copied().collect());
                order.read(site.text.value());
            }
        }
        prop_assert!(order.is_one());
    }
}
