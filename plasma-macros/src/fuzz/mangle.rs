//! The ways to break an item.

use proc_macro2::{Delimiter, TokenTree};

use super::Case;
use super::corpus::Corpus;
use super::rng::Rng;
use super::tree::{self, Tree};

/// One case of a macro: a starting point with some mistakes; one in 50 without any.
pub(super) fn case(rng: &mut Rng, corpus: &Corpus, name: &str) -> Case {
    let starts = corpus.of(name);
    let mut case = starts.clone().nth(rng.below(starts.count())).expect("below their number").clone();
    if rng.one_in(50) {
        return case;
    }
    loop {
        let in_options = !case.options.is_empty() && rng.one_in(4);
        let item_is_derive = matches!(name, "Column" | "Projection" | "Rejection");
        if !item_is_derive && rng.one_in(12) {
            add_option(rng, corpus, &mut case.options);
        } else {
            mistake(rng, corpus, if in_options { &mut case.options } else { &mut case.item });
        }
        if rng.one_in(2) {
            return case;
        }
    }
}

fn mistake(rng: &mut Rng, corpus: &Corpus, trees: &mut Vec<Tree>) {
    let count = tree::count(trees);
    if count == 0 {
        trees.push(rng.pick(&corpus.words).clone());
        return;
    }
    // Mistakes of meaning leave an item that Rust parses; those of form mostly do not.
    match rng.below(16) {
        0 => change(rng, trees, |list, index| drop(list.remove(index))),
        1 => change(rng, trees, |list, index| list.insert(index, list[index].clone())),
        2 => {
            let other = rng.below(count);
            change(rng, trees, |list, index| {
                let other = other % list.len();
                list.swap(index, other);
            });
        }
        3 => {
            let word = rng.pick(&corpus.words).clone();
            change(rng, trees, |list, index| list[index] = word.clone());
        }
        4 => {
            let word = rng.pick(&corpus.words).clone();
            change(rng, trees, |list, index| list.insert(index, word.clone()));
        }
        5 => {
            let spliced = splice(rng, corpus);
            change(rng, trees, |list, index| drop(list.splice(index..=index, spliced.clone())));
        }
        6 => {
            let delimiter = *rng.pick(&[Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None]);
            change_kind(rng, trees, is_group, |list, index| {
                if let Tree::Group(changed, _) = &mut list[index] {
                    *changed = delimiter;
                }
            });
        }
        7 => change_kind(rng, trees, is_group, |list, index| {
            if let Tree::Group(_, inner) = &mut list[index] {
                inner.clear();
            }
        }),
        8 => {
            let group = rng.pick(&corpus.groups).clone();
            change_kind(rng, trees, is_group, |list, index| list[index] = group.clone());
        }
        // Same kind of token: another literal, another name.
        9 => {
            let word = word_like(rng, corpus, is_literal);
            change_kind(rng, trees, is_literal, |list, index| list[index] = word.clone());
        }
        10 | 11 => {
            let word = word_like(rng, corpus, is_ident);
            change_kind(rng, trees, is_ident, |list, index| list[index] = word.clone());
        }
        // What a macro of the application does to a fragment it passes on.
        12 => change(rng, trees, |list, index| {
            let wrapped = list[index].clone();
            list[index] = Tree::Group(Delimiter::None, vec![wrapped]);
        }),
        // An attribute more, before a token.
        _ => {
            let mut options = rng.pick(&corpus.options).clone();
            if rng.one_in(3) {
                options.extend(tree::parse(","));
                options.extend(rng.pick(&corpus.options).clone());
            }
            let helper = *rng.pick(&[
                "column",
                "column",
                "arg",
                "from",
                "serde",
                "mutator",
                "projection",
                "rejection",
                "doc",
                "derive",
                "cfg",
            ]);
            let mut attribute = tree::parse(helper);
            match rng.below(10) {
                0 => {}
                1 => attribute.extend(tree::parse("= \"text\"")),
                _ => attribute.push(Tree::Group(Delimiter::Parenthesis, options)),
            }
            let mut whole = tree::parse("#");
            whole.push(Tree::Group(Delimiter::Bracket, attribute));
            change_kind(rng, trees, starts_member, |list, index| drop(list.splice(index..index, whole.clone())));
        }
    }
}

/// One option more, at the end or instead of another.
fn add_option(rng: &mut Rng, corpus: &Corpus, options: &mut Vec<Tree>) {
    if !options.is_empty() {
        options.extend(tree::parse(","));
    }
    options.extend(rng.pick(&corpus.options).clone());
}

/// Some neighbouring tokens of another item, of any macro.
fn splice(rng: &mut Rng, corpus: &Corpus) -> Vec<Tree> {
    let mut source = rng.pick(corpus.all()).1.item.clone();
    let length = 1 + rng.below(6);
    let mut position = rng.below(tree::count(&source));
    tree::at(&mut source, &mut position, &mut |list, index| list[index..list.len().min(index + length)].to_vec())
        .unwrap_or_default()
}

fn change(rng: &mut Rng, trees: &mut Vec<Tree>, mut change: impl FnMut(&mut Vec<Tree>, usize)) {
    let mut position = rng.below(tree::count(trees));
    tree::at(trees, &mut position, &mut change);
}

/// Changes one token of this kind, if there is one.
fn change_kind(
    rng: &mut Rng,
    trees: &mut Vec<Tree>,
    kind: fn(&Tree) -> bool,
    mut change: impl FnMut(&mut Vec<Tree>, usize),
) {
    let mut places = Vec::new();
    find(trees, kind, &mut 0, &mut places);
    if !places.is_empty() {
        let mut position = *rng.pick(&places);
        tree::at(trees, &mut position, &mut change);
    }
}

fn find(trees: &[Tree], kind: fn(&Tree) -> bool, position: &mut usize, places: &mut Vec<usize>) {
    for tree in trees {
        places.extend(kind(tree).then_some(*position));
        *position += 1;
        if let Tree::Group(_, inner) = tree {
            find(inner, kind, position, places);
        }
    }
}

fn word_like(rng: &mut Rng, corpus: &Corpus, kind: fn(&Tree) -> bool) -> Tree {
    loop {
        let word = rng.pick(&corpus.words);
        if kind(word) {
            return word.clone();
        }
    }
}

fn is_group(tree: &Tree) -> bool {
    matches!(tree, Tree::Group(..))
}

fn is_literal(tree: &Tree) -> bool {
    matches!(tree, Tree::Leaf(TokenTree::Literal(_)))
}

fn is_ident(tree: &Tree) -> bool {
    matches!(tree, Tree::Leaf(TokenTree::Ident(_)))
}

/// Words that a field, a fn or an item starts with most of the time.
fn starts_member(tree: &Tree) -> bool {
    matches!(tree, Tree::Leaf(TokenTree::Ident(word)) if word == "pub" || word == "struct" || word == "enum")
}
