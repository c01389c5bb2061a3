//! The runbook: a section for each alert, and none that nobody is sent to.

use std::collections::BTreeSet;

use regex::Regex;
use stack::manifests::root;
use stack::rules;

#[test]
fn the_runbook_has_a_section_for_each_alert_and_no_other() {
    let rules = rules::all();
    let alerts: BTreeSet<_> = rules.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    let text = std::fs::read_to_string(root().join("prometheus/runbook.md")).unwrap();
    let sections: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(alerts.iter().copied().collect::<Vec<_>>(), {
        let mut sorted = sections.clone();
        sorted.sort_unstable();
        sorted
    });
}

#[test]
fn each_section_says_what_to_look_at_and_what_to_do() {
    let text = std::fs::read_to_string(root().join("prometheus/runbook.md")).unwrap();
    for section in text.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap();
        for part in ["**Look at**", "**Do**"] {
            assert!(section.contains(part), "prometheus/runbook.md: {name} has no {part}");
        }
    }
}

#[test]
fn every_metric_that_the_runbook_asks_for_is_one_that_a_rule_knows() {
    let text = std::fs::read_to_string(root().join("prometheus/runbook.md")).unwrap();
    let recorded = Regex::new("[a-z_]+:[a-z_]+:[a-z0-9_]+").unwrap();
    let rules = rules::all();
    for name in recorded.find_iter(&text) {
        let known = rules.iter().any(|rule| rule["record"] == name.as_str());
        assert!(known, "prometheus/runbook.md: nothing records {}", name.as_str());
    }
}

/// A cure that applies another variant than the installed one takes its settings back.
#[test]
fn a_command_of_the_runbook_applies_no_kustomization_and_reads_all_of_the_log() {
    let text = std::fs::read_to_string(root().join("prometheus/runbook.md")).unwrap().replace('\n', " ");
    let code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    for command in &code {
        assert!(!command.contains("apply -k") || *command == FOREIGN, "prometheus/runbook.md: {command}");
        // By a selector kubectl gives ten lines of each pod.
        let partly = command.contains(" logs -l ") && !command.contains("--tail=-1");
        assert!(!partly, "prometheus/runbook.md: {command} gives ten lines");
    }
    let files = code.iter().map(|code| code.strip_prefix("kubectl apply -f ").unwrap_or(code));
    let files: Vec<&str> = files.filter(|path| path.starts_with("k8s/") || path.starts_with("prometheus/")).collect();
    assert!(files.len() > 5, "only {files:?}");
    for path in files.iter().map(|path| path.split(' ').next().unwrap()) {
        assert!(root().join(path).exists(), "prometheus/runbook.md: there is no {path}");
    }
}

/// What it warns of.
const FOREIGN: &str = "kubectl apply -k k8s/metrics-adapter";
