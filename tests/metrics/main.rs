//! The closed circle of names: what our programs register is documented, and what is written anywhere is registered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod registered;
mod written;

use registered::{Registered, ours};

/// Where people read what a metric is.
const DOCUMENTS: [&str; 3] = ["app/README.md", "metrics-adapter/README.md", "metrics-adapter/docs/prometheus.md"];

#[test]
fn every_metric_that_is_registered_is_documented() {
    let documents = DOCUMENTS.map(stack::manifests::text).join("\n");
    let groups: Vec<&str> = documents.split('`').filter_map(|code| code.strip_suffix("_*")).collect();
    let registered = Registered::read();
    assert!(registered.names().count() > 50, "only {} metrics were found", registered.names().count());
    let undocumented: Vec<&str> = registered
        .names()
        .filter(|name| !groups.iter().any(|group| name.starts_with(group)) && !mentions(&documents, name))
        .collect();
    assert!(undocumented.is_empty(), "no word of {undocumented:?} in {DOCUMENTS:?}");
}

/// As a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    let outside = |one: Option<char>| one.is_none_or(|one| !one.is_alphanumeric() && one != '_');
    text.match_indices(name)
        .any(|(at, _)| outside(text[..at].chars().next_back()) && outside(text[at + name.len()..].chars().next()))
}

#[test]
fn every_name_of_ours_that_is_written_is_registered() {
    let registered = Registered::read();
    let mut names = 0;
    let mut unknown = Vec::new();
    for place in written::places() {
        for name in &place.names {
            names += 1;
            if ours(name) && !registered.has(name) && !place.defined.contains(name) {
                unknown.push(format!("{}: {name}", place.file));
            }
        }
    }
    assert!(names > 100, "only {names} names were found");
    assert!(unknown.is_empty(), "nobody registers\n{}", unknown.join("\n"));
}
