//! The metrics that rules are about: each is one that somebody has.

use std::path::Path;

use regex::Regex;
use stack::manifests::root;
use stack::rules;

/// What no code of ours registers: of Prometheus, of the kubelets, and of Traefik, as those write them.
const OF_OTHERS: [&str; 6] = [
    "up",
    "prometheus_config_last_reload_successful",
    "traefik_entrypoint_requests_total",
    "container_memory_working_set_bytes",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
];

/// All Rust below a folder.
fn source(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| {
        if path.is_dir() { source(&path) } else { String::from_utf8(std::fs::read(path).unwrap()).unwrap_or_default() }
    };
    entries.map(text).collect()
}

#[test]
fn every_metric_that_a_rule_asks_for_is_registered_by_somebody() {
    let code = ["app/src", "metrics-adapter/src"].map(|folder| source(&root().join(folder))).concat();
    let resource = std::fs::read_to_string(root().join("metrics-adapter/tests/fixtures/kubelet/metrics-resource.prom"));
    let resource = resource.unwrap();
    // A name followed by a selector or a range, or alone on its side of an operator; functions are followed by `(`.
    let name = Regex::new(r"\b([a-z]+_[a-z_]+|up)\b(?:\{|\[|\)| (?:==|-|/|or))").unwrap();
    let recorded = Regex::new("[a-z_]+:[a-z_]+:[a-z0-9_]+").unwrap();
    let mut seen = 0;
    for rule in rules::all() {
        let expr = recorded.replace_all(rule["expr"].as_str().unwrap(), "1").into_owned();
        for name in name.captures_iter(&expr).map(|found| found[1].to_owned()) {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            let part = family.strip_prefix("kube_horizontalpodautoscaler_").unwrap_or(family);
            let registered = code.contains(&format!("\"{part}\"")) || OF_OTHERS.contains(&&*name);
            let read = resource.lines().any(|line| line.starts_with(&format!("{name}{{")));
            assert!(registered || read, "{}{}: nobody has {name}", rule["alert"], rule["record"]);
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} names were found in the rules");
}
