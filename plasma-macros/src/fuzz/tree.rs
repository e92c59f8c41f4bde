//! Tokens in a form that can be changed in place.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A token, or a group of them.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf(TokenTree),
    Group(Delimiter, Vec<Tree>),
}

/// Reads a stream.
pub(super) fn trees(stream: TokenStream) -> Vec<Tree> {
    stream
        .into_iter()
        .map(|tree| match tree {
            TokenTree::Group(group) => Tree::Group(group.delimiter(), trees(group.stream())),
            leaf => Tree::Leaf(leaf),
        })
        .collect()
}

/// Parses text; the caller knows that it is made of tokens.
pub(super) fn parse(text: &str) -> Vec<Tree> {
    trees(text.parse().unwrap_or_else(|error| panic!("`{text}` is no tokens: {error}")))
}

/// Back to a stream.
pub(super) fn stream(trees: &[Tree]) -> TokenStream {
    trees
        .iter()
        .map(|tree| match tree {
            Tree::Leaf(leaf) => leaf.clone(),
            Tree::Group(delimiter, inner) => TokenTree::Group(Group::new(*delimiter, stream(inner))),
        })
        .collect()
}

/// How many tokens there are, groups counted as one and their content.
pub(super) fn count(trees: &[Tree]) -> usize {
    trees
        .iter()
        .map(|tree| match tree {
            Tree::Leaf(_) => 1,
            Tree::Group(_, inner) => 1 + count(inner),
        })
        .sum()
}

/// Runs `change` on the list that has token number `position` (in reading order) and that token's place in the list.
pub(super) fn at<R>(
    trees: &mut Vec<Tree>,
    position: &mut usize,
    change: &mut dyn FnMut(&mut Vec<Tree>, usize) -> R,
) -> Option<R> {
    for index in 0..trees.len() {
        if *position == 0 {
            return Some(change(trees, index));
        }
        *position -= 1;
        if let Tree::Group(_, inner) = &mut trees[index]
            && let Some(done) = at(inner, position, change)
        {
            return Some(done);
        }
    }
    None
}

/// A stream as a list of texts that does not depend on spacing, nor on groups without delimiters, which are not
/// visible in a program.
pub(super) fn flat(stream: TokenStream) -> Vec<String> {
    let mut texts = Vec::new();
    flatten(stream, &mut texts);
    texts
}

fn flatten(stream: TokenStream, texts: &mut Vec<String>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                texts.extend((!open.is_empty()).then(|| open.to_owned()));
                flatten(group.stream(), texts);
                texts.extend((!close.is_empty()).then(|| close.to_owned()));
            }
            leaf => texts.push(leaf.to_string()),
        }
    }
}
