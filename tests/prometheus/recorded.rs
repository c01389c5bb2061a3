//! Whether a change of a recording rule is noticed: each matcher left out, each label of a level, each operator turned
//! round; and the shares over long windows, which are all alike, by what they have in common.

use regex::Regex;
use serde_json::{Value, json};
use stack::manifests::file;
use stack::rules;

use crate::promtool::promtool;

#[test]
fn a_change_of_any_recording_rule_makes_a_test_fail() {
    let rules = rules::of("recorded");
    let (mut unnoticed, mut count) = (Vec::new(), 0);
    for (place, rule) in rules::each(&rules).iter().enumerate().filter(|(_, rule)| long(rule).is_none()) {
        for changed in otherwise(rule["expr"].as_str().unwrap()) {
            count += 1;
            let mut rules = rules.clone();
            let groups = rules["groups"].as_array_mut().unwrap();
            groups.iter_mut().flat_map(|group| group["rules"].as_array_mut().unwrap()).nth(place).unwrap()["expr"] =
                json!(changed);
            if let Some(said) = unseen(&rules) {
                unnoticed.push(format!("{}: {changed}\n{said}", rule["record"]));
            }
        }
    }
    assert!(count > 30, "only {count} changes were thought of");
    assert!(unnoticed.is_empty(), "of {count} changes no test notices:\n{}", unnoticed.join("\n"));
}

/// What to say, if all tests pass all the same, or do not even run.
fn unseen(rules: &Value) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let tests = file("prometheus/tests/recorded.yaml").remove(0);
    for (name, text) in [("rules", rules), ("tests", &tests)] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("recorded.yaml"), text.to_string()).unwrap();
    }
    let (right, said) = promtool(&folder.path().join("tests"), &["test", "rules", "recorded.yaml"]);
    // A rule that cannot be read proves nothing.
    (right || !said.contains("exp:")).then_some(said)
}

/// What is shared of what, and over how long, where that is longer than the rates' five minutes.
fn long(rule: &Value) -> Option<(String, String)> {
    let name = Regex::new("^(namespace_job:http_requests_(?:failed|slow)):ratio_rate([0-9]+[mhd])$").unwrap();
    let found = name.captures(rule["record"].as_str().unwrap())?;
    (&found[2] != "5m").then(|| (found[1].to_owned(), found[2].to_owned()))
}

#[test]
fn a_share_over_a_long_window_is_one_mean_over_another_of_the_window_in_its_name() {
    let rules = rules::of("recorded");
    let mut windows = Vec::new();
    for rule in rules::each(&rules) {
        let Some((part, window)) = long(rule) else { continue };
        let whole = if part.ends_with("failed") { "requests" } else { "requests_timed" };
        let wanted = format!(
            "avg_over_time({part}:rate5m[{window}]) / avg_over_time(namespace_job:http_{whole}:rate5m[{window}])"
        );
        let expr: Vec<&str> = rule["expr"].as_str().unwrap().split_whitespace().collect();
        assert_eq!(expr.join(" "), wanted, "{}", rule["record"]);
        windows.push(window);
    }
    assert_eq!(windows, ["30m", "1h", "2h", "6h", "1d", "3d"].repeat(2));
}

/// The expression, changed in one place at a time.
fn otherwise(expr: &str) -> Vec<String> {
    let mut changed = Vec::new();
    let mut put =
        |at: std::ops::Range<usize>, new: &str| changed.push([&expr[..at.start], new, &expr[at.end..]].concat());
    // A matcher with the comma behind it, or else before it.
    let matcher = Regex::new(r#"[a-z_]+(=~|!~|!=|=)"[^"]*""#).unwrap();
    for found in matcher.find_iter(expr) {
        let (before, behind) = (expr[..found.start()].ends_with(','), expr[found.end()..].starts_with(','));
        let start = found.start() - usize::from(before && !behind);
        put(start..found.end() + usize::from(behind), "");
    }
    let level = Regex::new(r"by \(([a-z_, ]+)\)").unwrap();
    for found in level.captures_iter(expr) {
        let (labels, at) = (&found[1], found.get(1).unwrap().range());
        for gone in labels.split(", ") {
            let rest: Vec<_> = labels.split(", ").filter(|label| *label != gone).collect();
            put(at.clone(), &rest.join(", "));
        }
    }
    for (operator, other) in [(" / ", " * "), (" - ", " + "), ("\n/ ", "\n* ")] {
        for (at, _) in expr.match_indices(operator) {
            put(at..at + operator.len(), other);
        }
    }
    changed
}

#[test]
fn each_place_of_an_expression_is_changed_by_itself() {
    let changed = otherwise("sum by (a, b) (rate(x{c=\"d\",e!~\"f\"}[5m])) / y");
    assert_eq!(
        changed,
        [
            "sum by (a, b) (rate(x{e!~\"f\"}[5m])) / y",
            "sum by (a, b) (rate(x{c=\"d\"}[5m])) / y",
            "sum by (b) (rate(x{c=\"d\",e!~\"f\"}[5m])) / y",
            "sum by (a) (rate(x{c=\"d\",e!~\"f\"}[5m])) / y",
            "sum by (a, b) (rate(x{c=\"d\",e!~\"f\"}[5m])) * y",
        ]
    );
}
