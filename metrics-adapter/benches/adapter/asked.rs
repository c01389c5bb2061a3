//! Metrics of a real Prometheus: what answers cost, what Prometheus is asked, and how long the first who asks waits.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::adapter::Adapter;
use crate::fleet::Fleet;
use crate::guarded::{Cluster, USER};
use crate::prometheus::Prometheus;
use crate::targets::Targets;
use crate::{CLIENTS, PODS, Times, load};

/// prometheus-adapter's file, as it is.
const RULES: &str = r#"rules:
- seriesQuery: 'http_requests_total{namespace!="",pod!=""}'
  resources: {template: "<<.Resource>>"}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'
"#;
/// What is asked every so many seconds, by default.
const RESOLUTION: f64 = 5.0;
const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/bench/pods/%2A/http_requests_per_second";
const HEADERS: [(&str, &str); 2] = [("X-Remote-User", USER), ("X-Remote-Group", "system:serviceaccounts")];
/// First requests, each of a question that nobody has asked before.
const FIRSTS: usize = 20;

pub(crate) fn measure(times: &Times, targets: &mut Targets) {
    let prometheus = Prometheus::of(&series());
    let cluster = Cluster::quiet(PODS);
    let adapter = Adapter::asking(&cluster, RULES, &prometheus.url());
    let mut wire = cluster.front_proxy(&adapter.api).connect().unwrap();
    crate::eventually("listed", || adapter.get(&adapter.ops, "/status.json").contains("pods/http_requests_per_second"));

    let mut firsts: Vec<f64> = (0..FIRSTS)
        .map(|first| {
            let began = Instant::now();
            let path = format!("{METRIC}?metricLabelSelector=route%21%3Dr{first}");
            let answer = wire.request("GET", &path, &HEADERS, b"").unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    firsts.sort_by(f64::total_cmp);
    println!("\nPrometheus with the series of {PODS} pods; the first request of a metric, of {FIRSTS}");
    println!("p50 {:.1} ms, {:.1} ms at worst", firsts[FIRSTS / 2], firsts[FIRSTS - 1]);
    targets.add(format!("first request: {:.0} ms < 1500 ms", firsts[FIRSTS - 1]), firsts[FIRSTS - 1] < 1500.0);

    println!("\n{CLIENTS} clients over TLS, behind a front proxy whose certificate and rights are verified");
    println!("{:34}{:>9}{:>9}{:>9}{:>7}{:>9}{:>18}", "", "answers", "p50", "p99", "", "answer", "CPU us an answer");
    println!("{:34}{:>9}{:>9}{:>9}{:>7}{:>9}{:>9}{:>7}", "", "a second", "ms", "ms", "errors", "kB", "server", "load");
    for (name, path, accept, encoding) in [
        ("all pods, 50 selectors, JSON", load::STAR, "application/json", "identity"),
        ("… protobuf, gzip", load::STAR, "application/vnd.kubernetes.protobuf", "gzip"),
        ("one pod, JSON", load::ONE, "application/json", "gzip"),
        ("one pod, protobuf", load::ONE, "application/vnd.kubernetes.protobuf", "gzip"),
    ] {
        let row = load::ask(&adapter, path, accept, encoding, times.load);
        row.print(name);
        let least = if path == load::ONE { 10_000.0 } else { 1000.0 };
        let (rate, p99) = (row.per_second, row.p99);
        targets.add(format!("Prometheus, {name}: {rate:.0} >= {least} a second"), rate >= least && row.errors == 0.0);
        targets.add(format!("Prometheus, {name}: p99 {p99:.1} ms < 20 ms"), p99 < 20.0);
    }
    // It goes on asking for what was asked of it.
    drop((wire, adapter));
    hundred_autoscalers(times, &prometheus, &cluster, targets);
}

/// The controller's questions of a hundred autoscalers on one metric, and what Prometheus says that it was asked.
fn hundred_autoscalers(times: &Times, prometheus: &Prometheus, cluster: &Cluster, targets: &mut Targets) {
    let adapter = Adapter::asking(cluster, RULES, &prometheus.url());
    let mut wire = cluster.front_proxy(&adapter.api).connect().unwrap();
    crate::eventually("listed", || adapter.get(&adapter.ops, "/status.json").contains("pods/http_requests_per_second"));
    let counted = || prometheus.counter("prometheus_http_requests_total{", "handler=\"/api/v1/query\"");
    let (before, began) = (counted(), Instant::now());
    let span = Duration::from_secs(times.hpas.min(120));
    let (mut next, mut questions) = (Instant::now(), 0_u32);
    while began.elapsed() < span {
        sleep(next.saturating_duration_since(Instant::now()));
        next += Duration::from_secs(15) / crate::hpas::HPAS;
        // Each autoscaler has pods of its own.
        let path = format!("{METRIC}?labelSelector=shard%3Ds{:02}", questions % 50);
        let answer = wire.request("GET", &path, &HEADERS, b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        questions += 1;
    }
    let (asked, seconds) = (counted() - before, began.elapsed().as_secs_f64());
    let periods = (seconds / RESOLUTION).ceil() + 1.0;
    println!(
        "\n{} autoscalers on one metric for {seconds:.0} s: {questions} questions, by its own counter Prometheus was \
         asked {asked} queries, one in {:.1} s",
        crate::hpas::HPAS,
        seconds / asked
    );
    targets.add(format!("queries in {seconds:.0} s: {asked} <= {periods}"), asked <= periods && asked > 0.0);
}

fn series() -> String {
    let mut series = String::new();
    for pod in 0..PODS {
        let (name, ..) = Fleet::pod(pod);
        for method in ["GET", "POST"] {
            let rate = 10 + pod % 90;
            let _ = writeln!(
                series,
                "http_requests_total{{namespace=\"bench\",pod=\"{name}\",method=\"{method}\",route=\"/\"}} {{{{{rate}}}}}"
            );
        }
    }
    series
}
