//! What rules have in common, and what `promtool` says of them.

use std::collections::BTreeSet;

use regex::Regex;
use stack::manifests::{file, root};
use stack::rules;

use crate::promtool::{ALERTS, promtool};

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() {
    for name in rules::names("rules") {
        let (right, said) = promtool(&root().join("prometheus/rules"), &["check", "rules", &format!("{name}.yaml")]);
        assert!(right && !said.contains("duplicate"), "rules/{name}.yaml: {said}");
    }
}

#[test]
fn every_test_of_a_rule_passes() {
    for name in rules::names("tests") {
        let (right, said) = promtool(&root().join("prometheus/tests"), &["test", "rules", &format!("{name}.yaml")]);
        assert!(right, "tests/{name}.yaml: {said}");
    }
}

#[test]
fn a_recording_rule_is_named_level_metric_operations() {
    let name = Regex::new("^[a-z]+(_[a-z]+)*:[a-z]+(_[a-z]+)*:[a-z]+[a-z0-9_]*$").unwrap();
    for rule in rules::all().iter().filter_map(|rule| rule["record"].as_str()) {
        assert!(name.is_match(rule), "{rule} is not level:metric:operations");
    }
}

#[test]
fn every_recording_rule_has_a_test_of_its_arithmetic() {
    let tests = ["recorded", "objectives"].map(|name| file(&format!("prometheus/tests/{name}.yaml")).remove(0));
    let asked: Vec<_> = tests
        .iter()
        .flat_map(|file| file["tests"].as_array().unwrap())
        .flat_map(|test| test["promql_expr_test"].as_array().unwrap())
        .map(|test| test["expr"].as_str().unwrap())
        .collect();
    let whole = |name: &str| Regex::new(&format!("(^|[^a-z0-9_:]){name}($|[^a-z0-9_:])")).unwrap();
    for rule in rules::all().iter().filter_map(|rule| rule["record"].as_str()) {
        let name = whole(rule);
        assert!(asked.iter().any(|expr| name.is_match(expr)), "no test in prometheus/tests asks for {rule}");
    }
}

#[test]
fn every_alert_is_tested_silent_one_evaluation_before_it_is_tested_firing() {
    for name in ALERTS {
        let tests = file(&format!("prometheus/tests/{name}.yaml")).remove(0);
        let rules = rules::of(name);
        let alerts: BTreeSet<_> = rules::each(&rules).iter().filter_map(|rule| rule["alert"].as_str()).collect();
        for alert in alerts {
            let fires = tests["tests"].as_array().unwrap().iter().any(|test| silent_then_firing(test, alert));
            assert!(fires, "tests/{name}.yaml: no test shows {alert} silent, and 15s later firing");
        }
    }
}

fn silent_then_firing(test: &serde_json::Value, alert: &str) -> bool {
    let asked: Vec<_> =
        test["alert_rule_test"].as_array().unwrap().iter().filter(|at| at["alertname"] == alert).collect();
    let count = |at: &serde_json::Value| at["exp_alerts"].as_array().unwrap().len();
    let time = |at: &serde_json::Value| seconds(at["eval_time"].as_str().unwrap());
    asked.windows(2).any(|pair| count(pair[0]) == 0 && count(pair[1]) > 0 && time(pair[0]) + 15 == time(pair[1]))
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_read() {
    for rule in rules::all().iter().filter(|rule| rule["alert"].is_string()) {
        let alert = rule["alert"].as_str().unwrap();
        let severity = &rule["labels"]["severity"];
        assert!(severity == "page" || severity == "ticket", "{alert}: severity is {severity}, not page or ticket");
        assert!(rule["for"].is_string(), "{alert}: has no `for`");
        for annotation in ["summary", "description"] {
            assert!(rule["annotations"][annotation].is_string(), "{alert}: has no {annotation}");
        }
        let expected = format!("{{{{ $externalLabels.runbooks }}}}#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], expected, "{alert}: runbook_url");
    }
}

/// A length of time as Prometheus writes it.
pub(crate) fn seconds(text: &str) -> u64 {
    let part = Regex::new("([0-9]+)([smhd])").unwrap();
    let unit = |unit: &str| match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 86400,
    };
    part.captures_iter(text).map(|part| part[1].parse::<u64>().unwrap() * unit(&part[2])).sum()
}
