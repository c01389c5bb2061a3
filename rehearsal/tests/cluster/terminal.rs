//! What a person at a terminal sees and types.

use std::time::Duration;

use fake_kube::Fate;

use crate::world::{APP, World};

const UP: [&str; 5] = ["up", "--provider", "context", "--patience", "60s"];

#[test]
fn whoever_is_asked_and_would_rather_stop_presses_ctrl_c() {
    let world = World::new();
    let ended = world.typed(&UP, "Do this in fake? [y/N] ", "\u{3}");
    assert_eq!(ended.code, Some(130), "{}", ended.out);
    assert!(ended.out.contains("Stopped while looking at what is needed."), "{}", ended.out);
    assert!(!world.has("namespaces", "", APP));
}

#[test]
fn whoever_is_asked_and_says_no_has_nothing_done() {
    let world = World::new();
    let ended = world.typed(&UP, "Do this in fake? [y/N] ", "n\n");
    assert!(ended.code == Some(1) && ended.out.contains("nothing was done"), "{}", ended.out);
    assert!(!world.has("namespaces", "", APP));
}

#[test]
fn how_it_stands_is_told_in_one_line_that_is_written_over_and_what_happened_stays() {
    let world = World::new();
    world.controllers.fate("db", Fate::Ready(Duration::from_secs(4)));
    let ended = world.typed(&UP, "Do this in fake? [y/N] ", "y\n");
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    let (over, clear) = ("waiting for the database: ", "\r\u{1b}[K");
    let written: Vec<&str> = ended.out.split(clear).filter(|line| line.contains(over)).collect();
    assert!(!written.is_empty(), "{}", ended.out);
    assert!(written.iter().all(|line| !line.contains('\n')), "a line that says how it stands has stayed: {written:?}");
    assert!(ended.out.contains("] the database: ready, after "), "{}", ended.out);
}
