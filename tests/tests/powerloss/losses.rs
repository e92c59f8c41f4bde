//! The power fails at any call of a client or a server.

use std::collections::HashSet;

use plasma::client::Durability;

use super::client::Finder;
use super::disk::Image;
use super::log::Event;
use super::recording::{Recorder, deep, files, put, temporary};
use super::replay::{Effort, Loss, Tally, replay};
use super::server::{self, Heard};
use super::survive::goes_on;

/// What is promised of the mutations for which `mutate` has returned.
fn check_promise(durability: Durability, loss: &Loss<'_>, last: u64) -> Result<(), String> {
    let returned = loss.said("returned ").unwrap_or(0);
    // A mutation may be there before its caller hears of it.
    if last > returned + 1 {
        return Err(format!("{last} are there, {returned} have returned"));
    }
    if durability == Durability::Full && last < returned {
        return Err(format!("{returned} have returned, {last} are there"));
    }
    Ok(())
}

fn client_loses_power(durability: Durability) {
    let Some(recorder) = Recorder::new() else { return };
    let (folder, keep) = (temporary(), temporary());
    let how = if durability == Durability::Full { "full" } else { "normal" };
    let events = recorder.record("parts::client", folder.path(), keep.path(), how);
    let mut finder = Finder::new(durability, u64::MAX);
    let (mut synced, mut gone_on, mut compound) = (HashSet::new(), 0, Vec::new());
    let (mut lost, mut forked, mut rolled_back) = (0, 0, HashSet::new());
    let tally = replay(Image::new(), &events, Effort::sampled(3, 12, 3), 5, |loss| {
        let fail = |why: String| -> ! { panic!("{why}\n{}", loss.place()) };
        let found = finder.find(loss.image).unwrap_or_else(|why| fail(why));
        check_promise(durability, loss, found.last).unwrap_or_else(|why| fail(why));
        lost += u64::from(found.last < loss.said("returned ").unwrap_or(0));
        let Some(kept) = loss.said("server ") else { return };
        // Those that know less than the server are few, and what matters.
        let behind = found.last > 0 && loss.said("flushed ").is_some_and(|flushed| found.last < flushed);
        let new = synced.insert((found.digest, kept));
        if new && (deep() || synced.len() % 5 == 1 || (behind && rolled_back.insert((found.last, kept)))) {
            put(loss.image, finder.store().parent().expect("a folder"));
            let database = keep.path().join(format!("server-{kept}.db"));
            let is_forked = goes_on(&finder.store(), &database, &found, durability).unwrap_or_else(|why| fail(why));
            forked += u32::from(is_forked);
            gone_on += 1;
            compound.push((loss.image.clone(), found.last, loss.place()));
        }
    });
    let again = power_fails_again(&recorder, durability, &compound);
    eprintln!(
        "client, {how}: {tally:?}, {} different, {lost} had lost their tail, {gone_on} synced, {forked} under another id, again: {again:?}",
        finder.distinct()
    );
    assert!(tally.images > 100 && gone_on > 5, "{tally:?}");
    assert_eq!(
        forked > 0,
        durability == Durability::Normal,
        "the server may know more of a client than it knows itself"
    );
    assert_eq!(
        lost > 0,
        durability == Durability::Normal,
        "only with `Normal` a tail may be lost, and then it is seen"
    );
}

/// The power fails while a client opens what the first loss has left, and goes on.
fn power_fails_again(recorder: &Recorder, durability: Durability, found: &[(Image, u64, String)]) -> Tally {
    let mut all = Tally::default();
    let how = if durability == Durability::Full { "full" } else { "normal" };
    let step = if deep() { (found.len() / 40).max(1) } else { (found.len() / 3).max(1) };
    for (image, last, place) in found.iter().step_by(step) {
        let (folder, keep) = (temporary(), temporary());
        put(image, folder.path());
        // As the program finds it, without what is no disk.
        let first = files(folder.path());
        let events = recorder.record("parts::reopen", folder.path(), keep.path(), &format!("{how} {last}"));
        let mut second = Finder::new(durability, *last);
        let tally = replay(first, &events, Effort::sampled(2, 8, 2), 7, |loss| {
            let fail = |why: String| -> ! { panic!("{why}\n{}\nat first: {place}", loss.place()) };
            let store = second.find(loss.image).unwrap_or_else(|why| fail(why)).last;
            let returned = loss.said("returned ").unwrap_or(*last);
            let least = if durability == Durability::Full { returned } else { *last };
            if store < least || store > returned + 1 {
                fail(format!("{last} had survived, {returned} have returned, {store} are there"));
            }
        });
        all.events += tally.events;
        all.points += tally.points;
        all.images += tally.images;
    }
    all
}

#[test]
fn a_client_loses_nothing_with_full() {
    client_loses_power(Durability::Full);
}

#[test]
fn a_client_loses_its_last_mutations_at_most_with_normal() {
    client_loses_power(Durability::Normal);
}

#[test]
fn a_server_loses_nothing_it_has_answered_for() {
    let Some(recorder) = Recorder::new() else { return };
    let (folder, keep, found) = (temporary(), temporary(), temporary());
    let events = recorder.record("parts::server", folder.path(), keep.path(), "full");
    let device = keep.path().join("device.db");
    let (mut tried, mut known) = (HashSet::new(), HashSet::new());
    let tally = replay(Image::new(), &events, Effort::sampled(3, 12, 3), 5, |loss| {
        let heard = Heard {
            sent: loss.said("sent ").unwrap_or(0),
            answered: loss.said("answered ").unwrap_or(0),
            device: loss.marks.iter().any(|mark| mark == "device").then_some(device.as_path()),
        };
        if !known.insert(super::replay::hash(&(loss.image, heard.sent, heard.answered, heard.device))) {
            return;
        }
        put(loss.image, found.path());
        let file = found.path().join("server.db");
        server::check(&file, &heard, &mut tried).unwrap_or_else(|why| panic!("{why}\n{}", loss.place()));
    });
    eprintln!("server: {tally:?}, {} states gone on with", tried.len());
    assert!(tally.images > 100 && tried.len() > 10, "{tally:?}");
}

/// The checks of this file bite on what they are given: a disk that loses a synced write is noticed.
#[test]
fn a_disk_that_lies_is_noticed() {
    let Some(recorder) = Recorder::new() else { return };
    let (folder, keep) = (temporary(), temporary());
    let events = recorder.record("parts::client", folder.path(), keep.path(), "full");
    let lying: Vec<_> = events.into_iter().filter(|event| !matches!(event, Event::Synced { .. })).collect();
    let mut finder = Finder::new(Durability::Full, u64::MAX);
    let mut broken = 0;
    replay(Image::new(), &lying, Effort { stride: 9, between: 40, by_chance: 2 }, 5, |loss| {
        let promise = |last| check_promise(Durability::Full, loss, last);
        broken += u32::from(finder.find(loss.image).and_then(|found| promise(found.last)).is_err());
    });
    assert!(broken > 10, "{broken}");
}
