//! What prometheus-adapter 0.12 offered and answered, replayed against ours: the same files on the same series.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{adapter, shop};
use crate::support::kube::Reply;
use crate::support::prometheus::{Prometheus, recorded};
use crate::support::quantity;

/// Answers that differ, and the row of the README's table of differences that says so.
const DIFFERENT: &[(&str, &str)] = &[
    ("pods/gone-9/http_requests_per_second", "a pod that is gone"),
    ("/ratio", "NaN, infinity"),
    ("namespaces/*/namespace_quota", "`namespaces/*/m`"),
    ("namespaces/shop/namespace_quota", "`namespaces/shop/m`"),
    ("namespaces/empty/queue_depth_external", "an external metric without a series"),
    ("namespaces/empty/http_requests_rate_total", "an external metric without a series"),
];

/// Counters as they stand, whose value is another at each time.
const RAW: [&str; 2] = ["latency_seconds_count", "latency_seconds_sum"];

#[test]
fn rules_with_overrides_offer_and_answer_the_same() {
    replay("1-overrides", &["queue", "balance"]);
}

#[test]
fn rules_with_templates_and_filters_offer_and_answer_the_same() {
    replay("2-templates-filters", &["done"]);
}

#[test]
fn rules_with_queries_of_their_own_and_external_rules_offer_and_answer_the_same() {
    replay("3-queries", &["latency_p90_seconds"]);
}

#[test]
fn resource_rules_answer_the_same() {
    replay("4-resource", &[]);
}

fn replay(name: &str, offered: &[&str]) {
    let prometheus = Prometheus::of(&recorded("series.prom.template"));
    let stage = shop();
    let adapter = adapter(&stage, &recorded(&format!("{name}.yaml")), &prometheus);
    for metric in offered {
        let group = "/apis/custom.metrics.k8s.io/v1beta2";
        let list = stage.ask(&adapter, group).text();
        assert!(list.contains(metric), "{metric} is not offered: {list}");
    }
    if name == "4-resource" {
        // Readiness never waits for a source.
        let path = "/apis/metrics.k8s.io/v1beta1/nodes/node-b";
        crate::support::eventually("usage", || stage.ask(&adapter, path).status == 200);
    }
    let mut same = 0;
    for line in recorded(&format!("{name}.answers.jsonl")).lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let (path, theirs) = (recorded["path"].as_str().unwrap(), &recorded["answer"]);
        // It does not serve a group that no rule is of; ours says in each what there is.
        if theirs["paths"].is_array() {
            continue;
        }
        let encoded = path.replace('*', "%2A");
        let ours = stage.ask(&adapter, &encoded);
        if let Some((_, row)) = DIFFERENT.iter().find(|(part, _)| path.split('?').next().unwrap().ends_with(part)) {
            assert!(differences().contains(row), "the README does not list {row:?}");
            assert_is_right(path, &ours);
            continue;
        }
        compare(path, theirs, &ours);
        same += 1;
    }
    assert!(same > 5, "only {same} answers were compared");
}

/// The README's table of differences.
fn differences() -> &'static str {
    include_str!("../../../README.md").split("## Differences that are meant").nth(1).unwrap()
}

/// Where prometheus-adapter's answer is not to be imitated.
fn assert_is_right(path: &str, ours: &Reply) {
    if path.ends_with("pods/*/ratio") {
        assert_eq!(values(&ours.json()), [("web-1".to_owned(), "125m".to_owned())].into(), "{path}");
    } else if path.ends_with("pods/web-1/ratio") || path.ends_with("namespace_quota") {
        assert_eq!(ours.status, 200, "{path}: {}", ours.text());
    } else {
        assert_eq!(ours.status, 404, "{path}: {}", ours.text());
    }
}

fn compare(path: &str, theirs: &Value, ours: &Reply) {
    let json = ours.json();
    assert_eq!(json["kind"], theirs["kind"], "{path}: {json}");
    match theirs["kind"].as_str().unwrap() {
        "Status" => {
            assert_eq!((&json["code"], &json["reason"]), (&theirs["code"], &theirs["reason"]), "{path}: {json}");
        }
        "APIResourceList" => assert_eq!(resources(&json), resources(theirs), "{path}"),
        "MetricValueList" if RAW.iter().any(|metric| path.ends_with(metric)) => {
            let names = |json: &Value| values(json).into_keys().collect::<Vec<_>>();
            assert_eq!(names(&json), names(theirs), "{path}");
        }
        "MetricValueList" | "ExternalMetricValueList" => {
            let (own, their) = (values(&json), values(theirs));
            assert_eq!(own.keys().collect::<Vec<_>>(), their.keys().collect::<Vec<_>>(), "{path}: {json}");
            for ((of, own), their) in own.iter().zip(their.values()) {
                // Theirs was a live rate, ours is that of a history without a flaw.
                let (own, their) = (quantity(own), quantity(their));
                assert!((own - their).abs() <= their.abs() * 0.001 + 0.0011, "{path}: {of} is {own}, not {their}");
            }
            for item in json["items"].as_array().unwrap() {
                assert!(item["timestamp"].is_string(), "{path}: {item}");
            }
        }
        "PodMetricsList" | "NodeMetricsList" => {
            let (own, their) = (json["items"].as_array().unwrap(), theirs["items"].as_array().unwrap());
            assert_eq!(own.len(), their.len(), "{path}: {json}");
            own.iter().zip(their).for_each(|(own, their)| compare_usage(path, own, their));
        }
        "PodMetrics" | "NodeMetrics" => compare_usage(path, &json, theirs),
        other => panic!("{other}"),
    }
}

fn compare_usage(path: &str, own: &Value, their: &Value) {
    for pointer in ["/metadata/name", "/metadata/namespace", "/metadata/labels", "/window"] {
        assert_eq!(own.pointer(pointer), their.pointer(pointer), "{path} {pointer}: {own}");
    }
    let containers = |json: &Value| -> BTreeMap<String, Value> {
        let all = json["containers"].as_array().cloned().unwrap_or_default().into_iter();
        let mut all: BTreeMap<_, _> =
            all.map(|own| (own["name"].as_str().unwrap().to_owned(), own["usage"].clone())).collect();
        if !json["usage"].is_null() {
            all.insert("the node".to_owned(), json["usage"].clone());
        }
        all
    };
    let (own, their) = (containers(own), containers(their));
    assert_eq!(own.keys().collect::<Vec<_>>(), their.keys().collect::<Vec<_>>(), "{path}");
    for ((name, own), their) in own.iter().zip(their.values()) {
        assert_eq!(own["memory"], their["memory"], "{path} {name}");
        let cores = |usage: &Value| {
            let text = usage["cpu"].as_str().unwrap();
            let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len()));
            number.parse::<f64>().unwrap()
                * match unit {
                    "n" => 1e-9,
                    "u" => 1e-6,
                    "m" => 1e-3,
                    _ => 1.0,
                }
        };
        assert!((cores(own) - cores(their)).abs() < 0.0011, "{path} {name}: {own} {their}");
    }
}

fn resources(list: &Value) -> Vec<(String, bool)> {
    let all = list["resources"].as_array().unwrap().iter();
    let mut all: Vec<_> =
        all.map(|own| (own["name"].as_str().unwrap().to_owned(), own["namespaced"].as_bool().unwrap())).collect();
    all.sort();
    all
}

/// The values of a list, by what they are of.
fn values(list: &Value) -> BTreeMap<String, String> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("no list: {list}")).iter();
    let of = |item: &Value| match item["describedObject"]["name"].as_str() {
        Some(name) => name.to_owned(),
        None => item["metricLabels"].to_string(),
    };
    items.map(|item| (of(item), item["value"].as_str().unwrap().to_owned())).collect()
}
