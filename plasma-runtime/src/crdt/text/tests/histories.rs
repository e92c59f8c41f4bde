//! Random histories of clients that edit, and a server that runs their edits again, rejects them, and knows some of the
//! clients by another id later.

use proptest::prelude::*;

use super::bytes::CharId;
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Edit {
        who: usize,
        from: usize,
        len: usize,
        piece: usize,
    },
    /// The server runs the client's next edit.
    Run {
        who: usize,
    },
    Reject {
        who: usize,
    },
    Rename {
        who: usize,
    },
}

fn steps(rejections: bool) -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![3 => Just(0usize), 1 => 0..4usize];
    let edit = (0..3usize, 0..40usize, len, 0..=PIECES.len()).prop_map(|(who, from, len, piece)| Step::Edit {
        who,
        from,
        len,
        piece,
    });
    let run = (0..3usize).prop_map(|who| Step::Run { who });
    let other = (0..3usize, any::<bool>()).prop_map(move |(who, rename)| match (rejections, rename) {
        (false, _) => Step::Run { who },
        (true, false) => Step::Reject { who },
        (true, true) => Step::Rename { who },
    });
    prop::collection::vec(prop_oneof![6 => edit, 4 => run, 1 => other], 0..60)
}

#[derive(Default)]
struct Client {
    id: usize,
    /// Its edits that the server has not run, with what their first runs saw.
    pending: Vec<(Edit, Anchors)>,
    /// What it would hold if there were no server and everybody merged with everybody.
    peer: Text,
}

#[derive(Default)]
struct World {
    server: Text,
    clients: [Client; 3],
}

impl World {
    fn new() -> Self {
        let mut world = World::default();
        for (who, client) in world.clients.iter_mut().enumerate() {
            client.id = who;
        }
        world
    }

    /// What a client sees: its pending edits on top of the server's text.
    fn view(&self, who: usize) -> Text {
        let client = &self.clients[who];
        let mut view = self.server.clone();
        for (edit, seen) in &client.pending {
            view.edit(replica(client.id), edit, Some(seen)).unwrap();
        }
        view
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Edit { who, from, len, piece } => {
                let view = self.view(who);
                let client = &mut self.clients[who];
                client.peer.merge(&self.server);
                let start = from % (chars(&view) + 1);
                let edit = Edit::new(
                    Some(start..(start + len).min(chars(&view))),
                    PIECES.get(piece).copied().unwrap_or_default(),
                );
                let seen = view.anchors(replica(client.id), &edit).unwrap();
                // Rejections are known to no peer; without them the two are always the same, as the property checks.
                if client.peer == view {
                    client.peer.edit(replica(client.id), &edit, None).unwrap();
                }
                client.pending.push((edit, seen));
            }
            Step::Run { who } => {
                let client = &mut self.clients[who];
                if !client.pending.is_empty() {
                    let (edit, seen) = client.pending.remove(0);
                    self.server.edit(replica(client.id), &edit, Some(&seen)).unwrap();
                }
            }
            Step::Reject { who } => {
                let client = &mut self.clients[who];
                if !client.pending.is_empty() {
                    client.pending.remove(0);
                }
            }
            Step::Rename { who } => self.clients[who].id += 10,
        }
    }

    fn finish(&mut self) {
        for who in 0..3 {
            while !self.clients[who].pending.is_empty() {
                self.step(&Step::Run { who });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Running edits again on a server comes to the very bytes to which the clients would have come without one, each
    /// editing its own state and merging.
    #[test]
    fn running_again_is_merging(steps in steps(false)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            for who in 0..3 {
                let peer = merged(&world.clients[who].peer, &world.server);
                prop_assert_eq!(json(&peer), json(&world.view(who)));
            }
        }
        world.finish();
        for client in &world.clients {
            prop_assert_eq!(merged(&client.peer, &world.server), world.server.clone());
        }
    }

    /// Whatever is rejected and whoever changes its id: every state has one spelling, and what a client sees while
    /// nobody else writes is what the server comes to.
    #[test]
    fn rejections_and_other_ids_leave_texts_whole(steps in steps(true)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            prop_assert_eq!(by_wire(&world.server), world.server.clone());
        }
        for who in 0..3 {
            let view = world.view(who);
            while !world.clients[who].pending.is_empty() {
                world.step(&Step::Run { who });
            }
            prop_assert_eq!(&world.server, &view);
        }
    }
}

/// A text beside deleted characters stands between them, and not between the next ones that are left: else its place
/// depends on the order of merges.
#[test]
fn neighbours_are_the_nearest_deleted_or_not() {
    let mut text = Text::default();
    text.push_str(replica(0), "a").unwrap();
    text.push_str(replica(1), "-").unwrap();
    text.push_str(replica(2), "z").unwrap();
    let with_hyphen = text.clone();
    text.delete(1..2).unwrap();
    let (mut a, mut b) = (text.clone(), with_hyphen);
    a.insert(replica(3), 1, "x").unwrap();
    b.insert(replica(4), 1, "y").unwrap();
    b.insert(replica(4), 3, "y").unwrap();
    assert_eq!(merged(&a, &b), merged(&b, &a));
    let anchors = serde_json::to_value(text.anchors(replica(3), &Edit::new(Some(1..1), "x")).unwrap()).unwrap();
    let between = [&anchors["left"], &anchors["right"]];
    let hyphen = serde_json::to_value(CharId(u64::from_be_bytes(replica(1).bytes()) >> 11, 0)).unwrap();
    assert!(between.contains(&&hyphen), "{anchors}");
}
