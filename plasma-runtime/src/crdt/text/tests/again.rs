//! Edits that run again, over a text that others have changed.

use super::*;

/// The state of the server, and what a client sees of it: its own edits on top.
struct World {
    server: Text,
    /// The pending edits of each client, with what their first runs saw.
    pending: Vec<Vec<(Edit, Anchors)>>,
}

impl World {
    fn new(value: &str, clients: usize) -> Self {
        let mut server = Text::default();
        server.push_str(replica(99), value).unwrap();
        World { server, pending: vec![Vec::new(); clients] }
    }

    fn seen_by(&self, client: usize) -> Text {
        let mut text = self.server.clone();
        for (edit, seen) in &self.pending[client] {
            text.edit(replica(client), edit, Some(seen)).unwrap();
        }
        text
    }

    fn does(&mut self, client: usize, edit: Edit) {
        let mut text = self.seen_by(client);
        let wire = serde_json::to_string(&text.anchors(replica(client), &edit).unwrap()).unwrap();
        let seen: Anchors = serde_json::from_str(&wire).unwrap();
        // The first run goes by what it saw itself, and so does the run without it.
        let mut plain = text.clone();
        text.edit(replica(client), &edit, Some(&seen)).unwrap();
        plain.edit(replica(client), &edit, None).unwrap();
        assert_eq!(text, plain);
        self.pending[client].push((edit, seen));
    }

    fn inserts(&mut self, client: usize, at: usize, text: &str) {
        self.does(client, Edit::new(Some(at..at), text));
    }

    fn replaces(&mut self, client: usize, range: Range<usize>, text: &str) {
        self.does(client, Edit::new(Some(range), text));
    }

    /// The server runs the next edit of a client, perhaps under another id of it.
    fn runs_as(&mut self, client: usize, id: usize) {
        let (edit, seen) = self.pending[client].remove(0);
        self.server.edit(replica(id), &edit, Some(&seen)).unwrap();
        assert_eq!(by_wire(&self.server), self.server);
    }

    fn runs(&mut self, client: usize) {
        self.runs_as(client, client);
    }

    fn rejects(&mut self, client: usize) {
        self.pending[client].remove(0);
    }
}

#[test]
fn an_edit_lands_beside_the_characters_its_caller_saw() {
    let mut world = World::new("one two three", 2);
    world.inserts(0, 0, "zero ");
    world.replaces(1, 8..13, "3");
    world.runs(0);
    world.runs(1);
    assert_eq!(world.server.value(), "zero one two 3");
}

#[test]
fn later_edits_stand_on_earlier_ones_of_their_client() {
    let mut world = World::new("()", 2);
    for (at, c) in "hello".chars().enumerate() {
        world.inserts(0, 1 + at, &c.to_string());
        world.inserts(1, 1 + at, &c.to_uppercase().to_string());
    }
    world.replaces(0, 1..2, "J");
    let whole = world.seen_by(0);
    assert_eq!(whole.value(), "(Jello)");
    // In turns.
    for _ in 0..5 {
        world.runs(0);
        world.runs(1);
    }
    world.runs(0);
    assert!(["(JelloHELLO)", "(HELLOJello)"].contains(&world.server.value()), "{}", world.server.value());
}

#[test]
fn a_rejected_edit_takes_only_its_own_text_with_it() {
    let mut world = World::new("Dear . Bye.", 1);
    world.inserts(0, 5, "Sir");
    world.inserts(0, 8, " or Madam");
    world.inserts(0, 12, "(!) ");
    world.replaces(0, 9..11, "and");
    assert_eq!(world.seen_by(0).value(), "Dear Sir and (!) Madam. Bye.");
    world.rejects(0);
    // What it typed into the second insertion is still inside that one.
    assert_eq!(world.seen_by(0).value(), "Dear  and (!) Madam. Bye.");
    let expected = world.seen_by(0);
    for _ in 0..3 {
        world.runs(0);
    }
    assert_eq!(world.server, expected);
}

#[test]
fn edits_issued_again_under_another_client_id_find_each_other() {
    let mut world = World::new("<>", 2);
    world.inserts(0, 1, "abc");
    world.inserts(0, 4, "def");
    world.inserts(0, 5, "-");
    world.replaces(0, 2..3, "B");
    world.replaces(0, 6..8, "");
    world.inserts(1, 0, "somebody else ");
    world.runs(0);
    world.runs(1);
    for _ in 0..4 {
        world.runs_as(0, 7);
    }
    assert_eq!(world.server.value(), "somebody else <aBcd->");
    world.inserts(0, 0, "!");
    world.runs_as(0, 7);
    assert_eq!(world.server.value(), "!somebody else <aBcd->");
}

/// A copy of a client writes under the same id, until the server finds out and the client takes another one.
#[test]
fn edits_of_a_forked_client_are_not_taken_for_those_of_its_copy() {
    let mut world = World::new("<>", 1);
    for (at, c) in "abcdef".chars().enumerate() {
        world.inserts(0, 1 + at, &c.to_string());
    }
    world.replaces(0, 3..5, "-");
    world.server.insert(replica(0), 0, "copy: ").unwrap();
    for _ in 0..7 {
        world.runs_as(0, 7);
    }
    assert_eq!(world.server.value(), "copy: <ab-ef>");
}

#[test]
fn a_deletion_takes_what_its_caller_saw_and_no_more() {
    let mut world = World::new("delete me", 2);
    world.replaces(0, 0..9, "");
    world.inserts(1, 7, "only ");
    world.runs(1);
    world.runs(0);
    assert_eq!(world.server.value(), "only ");
}

#[test]
fn without_its_neighbours_an_edit_goes_to_its_position_or_to_the_end() {
    let mut gone = World::new("0123456789", 2);
    gone.inserts(0, 8, "x");
    gone.server = Text::default();
    gone.server.push_str(replica(5), "other").unwrap();
    gone.runs(0);
    assert_eq!(gone.server.value(), "otherx");
    let mut gone = World::new("0123456789", 1);
    gone.inserts(0, 2, "x");
    gone.server = Text::default();
    gone.server.push_str(replica(5), "other").unwrap();
    gone.runs(0);
    assert_eq!(gone.server.value(), "otxher");
}

/// What comes over the wire can place an edit or make it smaller: it adds no text, deletes no more than the mutator does,
/// and harms no document.
#[test]
fn hostile_anchors_do_no_harm() {
    let mut base = Text::default();
    base.push_str(replica(0), "a\u{1f600}b").unwrap();
    base.push_str(replica(1), "cde").unwrap();
    let real = serde_json::to_value(base.anchors(replica(0), &Edit::new(Some(0..2), "N")).unwrap()).unwrap();
    let (zero, one) =
        (real["by"].clone(), serde_json::to_value(base.anchors(replica(1), &Edit::new(None, "")).unwrap()));
    let one = one.unwrap()["by"].clone();
    let ids = [
        serde_json::json!(null),
        serde_json::json!([zero, 0]),
        serde_json::json!([zero, 1]),
        serde_json::json!([zero, 2]),
        serde_json::json!([zero, 3]),
        serde_json::json!([one, 2]),
        serde_json::json!([one, u32::MAX]),
        serde_json::json!([u64::MAX, 0]),
    ];
    let gone = [
        serde_json::json!([]),
        serde_json::json!([[zero, [[0, 100], [0, 100]]], [one, [[0, u32::MAX]]]]),
        serde_json::json!([[zero, [[2, 1]]]]),
        serde_json::json!([[one, [[u32::MAX, u32::MAX], [1, 1], [2, 0]]], [one, [[1, 1]]]]),
    ];
    for left in &ids {
        for right in &ids {
            for gone in &gone {
                for clock in [0, 4, 5, 1 << 20, 1 << 29, u32::MAX] {
                    let seen =
                        serde_json::json!({ "by": zero, "clock": clock, "left": left, "right": right, "gone": gone });
                    let seen: Anchors = serde_json::from_value(seen).unwrap();
                    let mut text = base.clone();
                    text.edit(replica(0), &Edit::new(Some(0..2), "N"), Some(&seen)).unwrap();
                    assert_eq!(text.value().matches('N').count(), 1);
                    assert!((5..=7).contains(&chars(&text)), "{}", text.value());
                    assert!(!text.value().contains('\u{fffd}'));
                    assert_eq!(by_wire(&text), text);
                }
            }
        }
    }
}
