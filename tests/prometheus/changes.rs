//! Whether the tests of the alerts notice a change: each threshold a twentieth higher and lower, each `for` an evaluation
//! longer and shorter, each yes or no turned round.

use std::sync::Mutex;

use regex::Regex;
use serde_json::{Value, json};
use stack::manifests::file;
use stack::rules;

use crate::promtool::{ALERTS, promtool};
use crate::rules::seconds;

/// How often rules are evaluated, in prometheus.yml and in the tests.
const EVALUATION: u64 = 15;

/// A rule, changed.
struct Change {
    /// The file of rules.
    file: &'static str,
    /// What was changed, for a person.
    what: String,
    /// All rules of the file, this one changed.
    rules: Value,
    /// What the names of its tests begin with: that of the alert and, where there are several of that name, its window.
    tests: String,
}

#[test]
fn a_change_of_any_threshold_or_for_makes_a_test_fail() {
    let changes = Mutex::new(ALERTS.iter().flat_map(|file| of_file(file)).collect::<Vec<_>>());
    let count = changes.lock().unwrap().len();
    let unnoticed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(change) = changes.lock().unwrap().pop() else { break };
                    if let Some(said) = unseen(&change) {
                        unnoticed.lock().unwrap().push(said);
                    }
                }
            });
        }
    });
    let unnoticed = unnoticed.into_inner().unwrap();
    // Every alert has a `for`, which changes twice.
    assert!(count > 100, "only {count} changes were thought of");
    assert!(unnoticed.is_empty(), "of {count} changes no test in prometheus/tests notices:\n{}", unnoticed.join("\n"));
}

/// What to say, if the file's tests pass all the same, or do not even run.
fn unseen(change: &Change) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let test = format!("{}.yaml", change.file);
    for name in ["rules", "tests"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("rules").join(&test), change.rules.to_string()).unwrap();
    // Its own tests alone: an alert is none that another one's tests hold.
    let mut tests = file(&format!("prometheus/tests/{test}")).remove(0);
    let own = |name: &str| name == change.tests || name.starts_with(&format!("{}, ", change.tests));
    tests["tests"].as_array_mut().unwrap().retain(|test| own(test["name"].as_str().unwrap()));
    std::fs::write(folder.path().join("tests").join(&test), tests.to_string()).unwrap();
    let (right, said) = promtool(&folder.path().join("tests"), &["test", "rules", &test]);
    if right {
        return Some(format!("{}: {}", change.file, change.what));
    }
    // A rule that cannot be read proves nothing.
    (!said.contains("exp:")).then(|| format!("{}: {}: {said}", change.file, change.what))
}

fn of_file(file: &'static str) -> Vec<Change> {
    let rules = rules::of(file);
    let mut changes = Vec::new();
    for (place, rule) in rules::each(&rules).iter().enumerate() {
        let alert = rule["alert"].as_str().unwrap();
        let tests = rule["labels"]["window"].as_str().map_or(alert.to_owned(), |window| format!("{alert}, {window}"));
        let mut change = |field: &str, from: &str, to: String| {
            let what = format!("{alert} ({}): {field} {from} -> {to}", rule["labels"]);
            let mut rules = rules.clone();
            let groups = rules["groups"].as_array_mut().unwrap();
            let mut rules_in = groups.iter_mut().flat_map(|group| group["rules"].as_array_mut().unwrap());
            rules_in.nth(place).unwrap()[field] = json!(to);
            changes.push(Change { file, what, rules, tests: tests.clone() });
        };
        let (wait, expr) = (rule["for"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        change("for", wait, format!("{}s", seconds(wait) + EVALUATION));
        change("for", wait, format!("{}s", seconds(wait) - EVALUATION));
        for other in otherwise(expr) {
            change("expr", expr, other);
        }
    }
    changes
}

/// The expression with each of its numbers changed, one at a time.
fn otherwise(expr: &str) -> Vec<String> {
    // What has numbers that are none comes first: texts, ranges and names.
    let token =
        Regex::new(r#""[^"]*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[=<>!]= [01]\b|[<>]=? *[a-z]|[0-9]+(\.[0-9]+)?"#)
            .unwrap();
    let mut changed = Vec::new();
    for token in token.find_iter(expr) {
        let text = token.as_str();
        let mut put = |new: &str| changed.push([&expr[..token.start()], new, &expr[token.end()..]].concat());
        if let Ok(number) = text.parse::<f64>() {
            put(&format!("{}", number * 1.05));
            put(&format!("{}", number * 0.95));
        } else if let Some(rest) = text.strip_prefix("==") {
            put(&format!("!={rest}"));
        } else if text.starts_with(['<', '>']) {
            // What is compared with another series: the other way round.
            put(&text.replace(['<', '>'], if text.starts_with('<') { ">" } else { "<" }));
        }
    }
    changed
}

#[test]
fn numbers_in_texts_ranges_and_names_are_no_thresholds() {
    let changed = otherwise(r#"rate(a_1m{le="0.25"}[5m]) > 2 * 10 and up == 0"#);
    let numbers: Vec<_> = changed.iter().map(|expr| expr.rsplit_once("> ").unwrap().1).collect();
    assert_eq!(
        numbers,
        [
            "2.1 * 10 and up == 0",
            "1.9 * 10 and up == 0",
            "2 * 10.5 and up == 0",
            "2 * 9.5 and up == 0",
            "2 * 10 and up != 0"
        ]
    );
}
