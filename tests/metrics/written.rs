//! Names that are written somewhere: rules, dashboards, the HPA, the adapter's configuration, documents.

use std::collections::BTreeSet;

use serde_json::Value;
use stack::manifests;
use stack::promql;

use crate::others::PREFIXES;
use crate::registered::OURS;

/// A file with the names that it asks for, and those that it defines itself.
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) names: BTreeSet<String>,
    pub(crate) defined: BTreeSet<String>,
}

pub(crate) fn places() -> Vec<Place> {
    let mut places = vec![configuration(), autoscaler()];
    places.extend(manifests::files("prometheus/rules", "yaml").iter().map(|file| rules(file)));
    places.extend(manifests::files("grafana/dashboards", "json").iter().map(|file| dashboard(file)));
    let documents = [
        "README.md",
        "app/README.md",
        "metrics-adapter/README.md",
        "metrics-adapter/docs/prometheus.md",
        "k8s/README.md",
        "prometheus/README.md",
        "prometheus/runbook.md",
        "grafana/README.md",
        "rehearsal/README.md",
    ];
    places.extend(documents.iter().map(|file| document(file)));
    places
}

/// What the adapter's own metrics are made of.
fn configuration() -> Place {
    let file = "k8s/metrics-adapter/base/config.yaml";
    let object = &manifests::file(file)[0];
    let names =
        object["metrics"].as_array().unwrap().iter().map(|metric| metric["series"].as_str().unwrap().to_owned());
    Place { file: file.to_owned(), names: names.collect(), defined: BTreeSet::new() }
}

/// What the adapter's configuration offers.
fn offered() -> BTreeSet<String> {
    let offered = &manifests::file("k8s/metrics-adapter/base/config.yaml")[0];
    offered["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap().to_owned()).collect()
}

/// What the HPA asks for is what is offered.
fn autoscaler() -> Place {
    let file = "k8s/real-world-hpa.yaml";
    let metrics = manifests::file(file)[0]["spec"]["metrics"].as_array().unwrap().clone();
    let names = metrics.iter().filter_map(|metric| metric["pods"]["metric"]["name"].as_str().map(str::to_owned));
    Place { file: file.to_owned(), names: names.collect(), defined: offered() }
}

fn rules(file: &str) -> Place {
    let mut place = Place { file: file.to_owned(), names: BTreeSet::new(), defined: BTreeSet::new() };
    for group in manifests::file(file)[0]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            place.names.extend(asked(file, rule["expr"].as_str().unwrap()).names);
        }
    }
    place
}

/// What a query asks for.
pub(crate) fn asked(file: &str, query: &str) -> Place {
    let expression = promql::parse(query).unwrap_or_else(|problem| panic!("{file}: {problem}"));
    Place { file: file.to_owned(), names: promql::metrics(&expression), defined: BTreeSet::new() }
}

fn dashboard(file: &str) -> Place {
    let board: Value = serde_json::from_str(&manifests::text(file)).unwrap();
    let mut names = BTreeSet::new();
    queries(&board, &mut |query| names.extend(asked(file, &promql::at_once(query)).names));
    // What can be chosen, too.
    let listed = regex::Regex::new(r"^label_values\((.+), \w+\)$").unwrap();
    for variable in board["templating"]["list"].as_array().unwrap() {
        let Some(found) = variable["definition"].as_str().and_then(|query| listed.captures(query)) else { continue };
        names.extend(asked(file, &found[1]).names);
    }
    Place { file: file.to_owned(), names, defined: BTreeSet::new() }
}

fn queries(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            if let Some(query) = fields.get("expr").and_then(Value::as_str) {
                visit(query);
            }
            fields.values().for_each(|value| queries(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, visit)),
        _ => {}
    }
}

fn document(file: &str) -> Place {
    read(file, &manifests::text(file))
}

/// The words of a document that are shaped like names of series: what rules record, and what begins as names do.
pub(crate) fn read(file: &str, text: &str) -> Place {
    let recorded = regex::Regex::new(r"\bnamespace_[a-z]+:[a-z_]+:[a-z_0-9]+\b").unwrap();
    let word = regex::Regex::new(r"\b[a-z]+(?:_[a-z0-9]+)+\b").unwrap();
    let begins = |name: &&str| OURS.iter().chain(&PREFIXES).any(|prefix| name.starts_with(prefix));
    let rest = recorded.replace_all(text, "");
    let names = word.find_iter(&rest).map(|found| found.as_str()).filter(begins);
    let names = names.chain(recorded.find_iter(text).map(|found| found.as_str())).map(str::to_owned).collect();
    // An example of a configuration gives names of its own.
    let given = regex::Regex::new(r"\bname: ([a-z_0-9]+)").unwrap();
    let given = given.captures_iter(text).map(|found| found[1].to_owned());
    Place { file: file.to_owned(), names, defined: given.chain(offered()).collect() }
}
