//! The rooms of the house import only the rooms below them, as the drawing in `lib.rs` says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../../app/tests/house/rooms.rs"]
mod rooms;

use std::path::Path;

/// From the top down; rooms of one line do not know each other.
const FLOORS: [&[&str]; 8] = [
    &["command"],
    &["stage", "plan", "cluster"],
    &["adapter"],
    &["replicas"],
    &["door", "load", "metrics", "process", "report"],
    &["manifest", "aims"],
    &["autoscaler"],
    &["profile"],
];

#[test]
fn no_room_imports_one_beside_or_above_it() {
    let imports = rooms::imports_go_down(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &FLOORS);
    assert!(imports > 30, "only {imports} imports were found: does this test still read the code?");
}
