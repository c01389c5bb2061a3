//! Everything at work together, and each alert and each panel of each dashboard asked of a real Prometheus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod prometheus;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stack::manifests;
use stack::promql::{at_once, looked_at, parse};

use prometheus::Prometheus;
use stage::Stage;

#[test]
fn alerts_and_dashboards_find_the_series_and_the_labels_that_they_speak_of() {
    let stage = Stage::play();
    let mut wrong = Vec::new();
    let (alerts, panels) = (alerts(&stage.prometheus, &mut wrong), panels(&stage.prometheus, &mut wrong));
    assert!(alerts > 10 && panels > 40, "only {alerts} alerts and {panels} queries were found");
    assert!(wrong.is_empty(), "{} of {alerts} alerts and {panels} queries:\n{}", wrong.len(), wrong.join("\n"));
}

/// `{{ $labels.pod }}`, `{{pod}}`.
fn named(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = regex::Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Whether there are series, each with these labels.
fn check(prometheus: &Prometheus, query: &str, labels: &BTreeSet<String>) -> Result<(), String> {
    let series = prometheus.query(query)?;
    if series.is_empty() {
        return Err("no series".to_owned());
    }
    let has = |own: &Value, label: &String| own.get(label).is_some();
    let lacking = labels.iter().find(|label| !series.iter().any(|own| has(own, label)));
    lacking.map_or(Ok(()), |label| Err(format!("no series has the label {label}: {}", series[0])))
}

fn alerts(prometheus: &Prometheus, wrong: &mut Vec<String>) -> usize {
    let mut count = 0;
    for file in manifests::files("prometheus/rules", "yaml") {
        for group in manifests::file(&file)[0]["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                count += 1;
                let expression = parse(rule["expr"].as_str().unwrap()).unwrap();
                let spoken = named(r"\$labels\.(\w+)", &rule["annotations"].to_string());
                for (number, part) in looked_at(&expression).into_iter().enumerate() {
                    // The first side gives an alert its labels; what is absent has those that it was asked for by.
                    let labels = if number == 0 && !expression.to_string().starts_with("absent") {
                        spoken.clone()
                    } else {
                        BTreeSet::new()
                    };
                    if let Err(problem) = check(prometheus, &part.to_string(), &labels) {
                        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
                        wrong.push(format!("{file}: {name}: {problem}: {part}"));
                    }
                }
            }
        }
    }
    count
}

fn panels(prometheus: &Prometheus, wrong: &mut Vec<String>) -> usize {
    let mut count = 0;
    for file in manifests::files("grafana/dashboards", "json") {
        let board: Value = serde_json::from_str(&manifests::text(&file)).unwrap();
        let variables = variables(&board);
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                count += 1;
                let query = with(&at_once(target["expr"].as_str().unwrap()), &variables);
                let labels = named(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"].as_str().unwrap());
                if let Err(problem) = check(prometheus, &query, &labels) {
                    wrong.push(format!("{file}: {}: {problem}: {query}", panel["title"].as_str().unwrap()));
                }
            }
        }
    }
    count
}

/// What a person would choose in this world.
fn variables(board: &Value) -> BTreeMap<String, String> {
    let names = board["templating"]["list"].as_array().unwrap().iter().map(|own| own["name"].as_str().unwrap());
    let chosen = |name: &str| match name {
        "namespace" => "real-world",
        "hpa" => "real-world-hpa",
        _ => ".+",
    };
    names.map(|name| (name.to_owned(), chosen(name).to_owned())).collect()
}

fn with(query: &str, variables: &BTreeMap<String, String>) -> String {
    variables.iter().fold(query.to_owned(), |query, (name, value)| {
        query.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    })
}
