//! Plans, against cases that were worked out by hand.

use std::fmt::Write as _;
use std::fs;

use crate::support::*;

const HEAD: &str = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\nspec:\n  \
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  minReplicas: 2\n  maxReplicas: 10\n";
const REQUESTS: &str =
    "  metrics: [{type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 50}}}]\n";

struct Plan {
    output: String,
    report: String,
}

#[track_caller]
fn plan(hpas: &[&str], arguments: &[&str]) -> Plan {
    let folder = folder(&[]);
    let mut command = rehearse();
    command.current_dir(&folder).arg("plan");
    for (number, hpa) in hpas.iter().enumerate() {
        let name = format!("hpa-{number}.yaml");
        fs::write(folder.path().join(&name), format!("{HEAD}{hpa}")).unwrap();
        command.args([if number == 0 { "--hpa" } else { "--compare" }, &name]);
    }
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Plan { output: text(&output.stdout), report: fs::read_to_string(folder.path().join("data/plan.html")).unwrap() }
}

impl Plan {
    fn decisions(&self) -> Vec<&str> {
        let lines = self.output.lines().filter(|line| line.contains(" -> "));
        lines.map(|line| line.split("  pods metric").next().unwrap().split("  All").next().unwrap().trim()).collect()
    }

    #[track_caller]
    fn fact(&self, name: &str) -> Vec<&str> {
        let line = self
            .output
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("no {name} in\n{}", self.output));
        line[name.len()..].split("  ").map(str::trim).filter(|value| !value.is_empty()).collect()
    }
}

#[test]
fn a_step_becomes_replicas_when_metrics_and_pods_are_there() {
    // Syncs are at 0, 15, 30, … The step to 200 is at 60 s; at 60 s the metric is of 50 s, at 75 s of 65 s. 200 over 2
    // pods are 100 each, twice the threshold: 4 pods, which serve from 83 s on. For 23 s the load is more than
    // 2 x 60, by 80 a second.
    let plan = plan(
        &[REQUESTS],
        &["--load", "steps:90@60s,200@60s", "--pod-capacity", "120", "--startup", "8s", "--metric-delay", "10s"],
    );
    assert_eq!(plan.decisions(), ["1:15    2 -> 4"]);
    assert_eq!(plan.fact("under the needed capacity"), ["0 s (0.000 %)"], "two pods answer 240");
    assert_eq!(plan.fact("decisions"), ["1"]);
    let plan = self::plan(
        &[REQUESTS],
        &["--load", "steps:90@60s,200@60s", "--pod-capacity", "60", "--startup", "8s", "--metric-delay", "10s"],
    );
    // At its capacity of 60 a pod serves no more: 60 each are 1.2 times the threshold, 2.4: 3 pods from 83 s on, which
    // leave 20 a second. At 90 s the metric is of 80 s, and only two of the three have it: 120 over three pods are 40,
    // which would turn the direction round: nothing. At 105 s 60 each of three: 3.6, 4 pods, from 113 s on.
    assert_eq!(plan.decisions(), ["1:15    2 -> 3", "1:45    3 -> 4"]);
    assert_eq!(plan.fact("under the needed capacity"), ["53 s (44.167 %)"]);
    assert_eq!(plan.fact("requests without capacity"), ["2440 of 17400 (14.023 %)"], "23 s x 80 and 30 s x 20");
    assert_eq!(plan.fact("pods at most"), ["4"]);
    // 2 pods for 83 s, 3 for 30 s, 4 for 7 s.
    assert_eq!(plan.fact("pod-hours"), ["0.08"]);
}

#[test]
fn what_serves_more_than_is_needed_is_wasted() {
    // Two pods where one would do, for an hour.
    let plan = plan(&[REQUESTS], &["--load", "steps:40@1h", "--pod-capacity", "100"]);
    assert_eq!(plan.fact("pod-hours  "), ["2.00"]);
    assert_eq!(plan.fact("pod-hours wasted"), ["1.00 (50.000 %)"]);
    assert!(plan.decisions().is_empty());
}

#[test]
fn without_a_window_downwards_it_shrinks_at_the_next_sync() {
    let behavior = "  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}\n";
    let plan = plan(&[&format!("{REQUESTS}{behavior}")], &["--load", "steps:300@1m,90@1m", "--pod-capacity", "100"]);
    // It begins with the three pods that 300 need at 100 each: 100 each ask for six.
    assert_eq!(plan.decisions(), ["0:00    3 -> 6", "1:15    6 -> 2"]);
}

#[test]
fn two_hpas_stand_side_by_side() {
    let cpu =
        "  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 90}}}]\n";
    let plan = plan(&[REQUESTS, cpu], &["--load", "steps:90@2m,400@10m", "--pod-capacity", "100", "--summary"]);
    assert_eq!(plan.fact("pods at most"), ["8", "5"], "50 a pod, or 90 % of what 100 a pod use");
    assert_eq!(plan.fact("time").len(), 2);
    assert!(plan.decisions().is_empty(), "a summary has no decisions");
    assert!(plan.report.contains("hpa-0.yaml") && plan.report.contains("hpa-1.yaml"));
}

#[test]
fn a_week_of_a_recorded_load_is_planned() {
    // As Prometheus and jq write it: a sample each five minutes.
    let mut csv = String::new();
    for number in 0..2016 {
        let rate = 200 + 150 * (number % 288) / 288;
        writeln!(csv, "{},\"{rate}\"", 1_795_345_200 + 300 * number).unwrap();
    }
    let folder = folder(&[("week.csv", &csv)]);
    let file = folder.path().join("week.csv");
    let plan = plan(&[REQUESTS], &["--load", file.to_str().unwrap(), "--pod-capacity", "80"]);
    assert_eq!(plan.fact("time"), ["168.00 h"]);
    let last = plan.decisions().last().unwrap().to_string();
    assert!(last.starts_with("6d"), "{last}");
    assert!(plan.report.len() < 1_000_000, "a report of {} bytes", plan.report.len());
}

#[test]
fn a_load_is_repeated_for_as_long_as_one_likes() {
    let plan = plan(&[REQUESTS], &["--load", "sine:50..400@1h", "--for", "3h", "--pod-capacity", "80", "--summary"]);
    assert_eq!(plan.fact("time"), ["3.00 h"]);
    let requests: f64 = plan.fact("requests without capacity")[0]
        .split(" of ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((requests - 225.0 * 10_800.0).abs() < 1000.0, "{requests}");
}

#[test]
fn what_the_model_takes_for_the_load_is_said() {
    let external = "  metrics: [{type: External, external: {metric: {name: jobs}, target: {type: AverageValue, averageValue: 50}}}]\n";
    let plan = plan(&[external], &["--load", "steps:90@1m,400@5m", "--pod-capacity", "100"]);
    assert!(plan.output.contains("Note: jobs is taken for the requests per second in all."), "{}", plan.output);
    assert_eq!(plan.fact("pods at most"), ["8"]);
}

#[test]
fn what_is_shorter_than_a_second_counts_for_what_it_is() {
    for (load, expected) in [
        ("steps:1000@500ms,0@500ms", "1800000"),
        ("steps:0@500ms,1000@500ms", "1800000"),
        ("steps:1000@1500ms,0@500ms", "2700000"),
    ] {
        let plan = plan(&[REQUESTS], &["--load", load, "--for", "1h", "--pod-capacity", "200", "--summary"]);
        let requests = plan.fact("requests without capacity")[0]
            .split(" of ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(requests, expected, "{load}");
    }
    // A pod that serves after half a second: three of four for that time, at 90 a second each.
    let plan = plan(
        &[REQUESTS],
        &[
            "--load",
            "steps:360@1m",
            "--pod-capacity",
            "90",
            "--replicas",
            "3",
            "--startup",
            "500ms",
            "--metric-delay",
            "0s",
        ],
    );
    assert_eq!(plan.fact("requests without capacity"), ["45 of 21600 (0.208 %)"]);
}
