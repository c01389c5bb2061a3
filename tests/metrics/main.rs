//! The closed circle of names: what our programs register is documented, and what is written anywhere is somebody's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod others;
mod registered;
mod written;

use std::collections::BTreeSet;

use others::OTHERS;
use registered::Registered;
use stack::manifests::text;
use stack::rules;
use written::Place;

/// Where people read what a metric is.
const DOCUMENTS: [&str; 3] = ["app/README.md", "metrics-adapter/README.md", "metrics-adapter/docs/prometheus.md"];

#[test]
fn every_metric_that_is_registered_is_documented() {
    let documents = DOCUMENTS.map(text).join("\n");
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

/// The names of a place that nobody registers, records or defines.
fn nobodys(place: &Place, registered: &Registered, recorded: &BTreeSet<String>) -> Vec<String> {
    let known = |name: &String| {
        registered.has(name)
            || recorded.contains(name)
            || place.defined.contains(name)
            || OTHERS.iter().any(|(other, ..)| other == name)
    };
    place.names.iter().filter(|name| !known(name)).map(|name| format!("{}: {name}", place.file)).collect()
}

fn recorded() -> BTreeSet<String> {
    rules::all().iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_name_that_is_written_is_one_that_somebody_has() {
    let (registered, recorded, places) = (Registered::read(), recorded(), written::places());
    let names: usize = places.iter().map(|place| place.names.len()).sum();
    assert!(names > 150, "only {names} names were found");
    let unknown: Vec<String> = places.iter().flat_map(|place| nobodys(place, &registered, &recorded)).collect();
    assert!(unknown.is_empty(), "nobody has\n{}", unknown.join("\n"));
}

/// A test that no name can fail is none.
#[test]
fn a_slip_of_the_pen_is_found_in_a_query_and_in_a_document() {
    let (registered, recorded) = (Registered::read(), recorded());
    let found = |place: &Place| nobodys(place, &registered, &recorded);
    let query = "htp_requests_total / db_up + traefik_entrypoint_request_total + namespace_pod:http_requests:rate1";
    let wanted = ["htp_requests_total", "namespace_pod:http_requests:rate1", "traefik_entrypoint_request_total"];
    assert_eq!(found(&written::asked("a query", query)), wanted.map(|name| format!("a query: {name}")));
    let words = "`db_pol_connections`, `db_pool_connections`, container_cpu_usage_second_total, namespace_pod:http_request:rate1m, a_word";
    let wanted = ["container_cpu_usage_second_total", "db_pol_connections", "namespace_pod:http_request:rate1m"];
    assert_eq!(found(&written::read("a document", words)), wanted.map(|name| format!("a document: {name}")));
}

#[test]
fn what_other_programs_have_is_asked_for_and_is_on_their_recorded_page() {
    let places = written::places();
    for (name, program, page) in OTHERS {
        assert!(places.iter().any(|place| place.names.contains(name)), "nobody asks for {name} ({program}) any more");
        let has = |page: &str| text(page).lines().any(|line| line.split(['{', ' ']).next() == Some(name));
        assert!(page.is_none_or(has), "{program} has no {name} on {page:?}");
    }
}
