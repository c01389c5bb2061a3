//! Names that are written somewhere: rules, dashboards, the HPA, the adapter's configuration, documents.

use std::collections::BTreeSet;

use serde_json::Value;
use stack::manifests;
use stack::promql;

/// A file with the names that it asks for, and those that it defines itself.
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) names: BTreeSet<String>,
    pub(crate) defined: BTreeSet<String>,
}

pub(crate) fn places() -> Vec<Place> {
    let mut places = vec![configuration(), autoscaler()];
    places.extend(manifests::files("prometheus/rules", "yaml").iter().map(rules));
    places.extend(manifests::files("grafana/dashboards", "json").iter().map(dashboard));
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

/// What the HPA asks for is what the adapter's configuration offers.
fn autoscaler() -> Place {
    let offered = &manifests::file("k8s/metrics-adapter/base/config.yaml")[0];
    let defined =
        offered["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap().to_owned());
    let file = "k8s/real-world-hpa.yaml";
    let metrics = manifests::file(file)[0]["spec"]["metrics"].as_array().unwrap().clone();
    let names = metrics.iter().filter_map(|metric| metric["pods"]["metric"]["name"].as_str().map(str::to_owned));
    Place { file: file.to_owned(), names: names.collect(), defined: defined.collect() }
}

fn rules(file: &String) -> Place {
    let mut place = Place { file: file.clone(), names: BTreeSet::new(), defined: BTreeSet::new() };
    for group in manifests::file(file)[0]["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let expression =
                promql::parse(rule["expr"].as_str().unwrap()).unwrap_or_else(|problem| panic!("{file}: {problem}"));
            place.names.extend(promql::metrics(&expression));
        }
    }
    place
}

fn dashboard(file: &String) -> Place {
    let board: Value = serde_json::from_str(&manifests::text(file)).unwrap();
    let mut names = BTreeSet::new();
    queries(&board, &mut |query| {
        let query = promql::at_once(query);
        let expression = promql::parse(&query).unwrap_or_else(|problem| panic!("{file}: {problem}"));
        names.extend(promql::metrics(&expression));
    });
    Place { file: file.clone(), names, defined: BTreeSet::new() }
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

/// Words of code in a document that are shaped like names of series.
fn document(file: &str) -> Place {
    let text = manifests::text(file);
    let word = regex::Regex::new(r"\b[a-z]+(?:_[a-z0-9]+)+\b").unwrap();
    let names = word.find_iter(&text).map(|found| found.as_str()).filter(|name| {
        // What is counted, timed or measured says so at its end.
        ["_total", "_seconds", "_bytes", "_bucket", "_count", "_sum", "_up", "_info", "_in_flight"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    });
    // An example of a configuration gives names of its own.
    let given = regex::Regex::new(r"\bname: ([a-z_0-9]+)").unwrap();
    let defined = given.captures_iter(&text).map(|found| found[1].to_owned()).collect();
    Place { file: file.to_owned(), names: names.map(str::to_owned).collect(), defined }
}
