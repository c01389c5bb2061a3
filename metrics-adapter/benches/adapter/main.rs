//! What the adapter costs and how soon it tells, with a synthetic fleet of targets on this machine.
//!
//! `make bench` runs it. `cargo bench --package metrics-adapter --bench adapter -- prometheus` runs a part alone: `scraping`,
//! `step`, `prometheus` or `autoscalers`. With `ADAPTER_BENCH_QUICK=1` each measurement takes a few seconds, for trying out the
//! benchmark; its figures are then worth little.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "nobody waits for a line of text")]
#![allow(clippy::cast_precision_loss, reason = "these numbers are small")]

mod adapter;
mod asked;
mod fleet;
mod guarded;
mod hpas;
mod load;
#[path = "../../../app/benches/api/process.rs"]
#[expect(dead_code, reason = "the API's benchmark uses the rest")]
mod process;
#[path = "../../tests/adapter/support/prometheus.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod prometheus;
mod step;
#[path = "../../../app/benches/api/targets.rs"]
#[expect(dead_code, reason = "the API's benchmark uses the rest")]
mod targets;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use adapter::Adapter;
use fleet::Fleet;
use guarded::Cluster;
use process::Memory;
use targets::Targets;

/// The daily work: a namespace of this many pods.
const PODS: usize = 1_000;
const MANY_PODS: usize = 5_000;
const CLIENTS: u32 = 10;

/// How long things take, in seconds.
struct Times {
    settle: u64,
    idle: u64,
    load: u32,
    hpas: u64,
}

const FULL: Times = Times { settle: 60, idle: 30, load: 8, hpas: 600 };
const QUICK: Times = Times { settle: 15, idle: 10, load: 2, hpas: 60 };

fn main() {
    // Run by `cargo test --benches`, it has nothing to do.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let quick = std::env::var_os("ADAPTER_BENCH_QUICK").is_some();
    let times = if quick { QUICK } else { FULL };
    rlimit::increase_nofile_limit(1 << 20).unwrap();
    println!("all on one machine, over loopback: adapter, targets and load share its {} cores", said_by("nproc", &[]));
    let mut targets = Targets::default();
    let parts = ["scraping", "step", "prometheus", "autoscalers"];
    let chosen: Vec<&str> =
        parts.into_iter().filter(|part| std::env::args().any(|argument| argument == *part)).collect();
    let measured = |part: &str| chosen.is_empty() || chosen.contains(&part);
    if measured("scraping") || measured("step") {
        let fleet = Fleet::start(MANY_PODS);
        if measured("scraping") {
            one_namespace(&fleet, &times, &mut targets);
            many_pods(&times, &mut targets);
        }
        if measured("step") {
            steps(&fleet, &mut targets);
        }
    }
    if measured("prometheus") {
        asked::measure(&times, &mut targets);
    }
    if measured("autoscalers") {
        autoscalers(&times, &mut targets);
    }
    println!();
    targets.print();
}

/// How soon a step in load is told.
fn steps(fleet: &Fleet, targets: &mut Targets) {
    for (config, name, mean, worst) in
        [(None, "every 5 s, over 10 s", 12.0, 15.0), (Some(step::SECOND), "every 1 s, over 5 s", 6.0, 7.0)]
    {
        let times = step::response(fleet, config);
        let average = times.iter().sum::<f64>() / times.len() as f64;
        let longest = times.iter().copied().fold(0.0, f64::max);
        println!(
            "\nFrom a step in a pod's load to 90 % of it in an answer, scraping {name}: {average:.1} s on average, \
             {longest:.1} s at worst, of {}",
            times.len()
        );
        targets.add(format!("step, {name}: {average:.1} s <= {mean} s on average"), average <= mean);
        targets.add(format!("step, {name}: {longest:.1} s <= {worst} s at worst"), longest <= worst);
    }
}

/// What many autoscalers cost the API server.
fn autoscalers(times: &Times, targets: &mut Targets) {
    let minutes = times.hpas.div_ceil(60);
    let asked = hpas::ask(Duration::from_secs(times.hpas));
    println!("\n{} autoscalers asking every 15 s for {minutes} min: {} questions", hpas::HPAS, asked.answers);
    println!("the API server was asked for {} LISTs and {} reviews", asked.lists, asked.reviews);
    targets.add(format!("LISTs: {}", asked.lists), asked.lists == 0);
    let most = asked.most as u64;
    targets.add(format!("reviews of a question in {minutes} min: {most} <= {minutes}"), most <= minutes.max(1));
}

/// Scraping alone, then under questions.
fn one_namespace(fleet: &Fleet, times: &Times, targets: &mut Targets) {
    let adapter = Adapter::start(PODS, None, true);
    let (memory, cpu) = at_rest(&adapter, times);
    println!("\n{PODS} pods of {} kB each, scraped every 5 s", fleet.exposition_bytes() / 1000);
    println!("memory {:.1} MiB, {:.1} at its peak; {:.3} of a core", memory.now, memory.peak, cpu);
    targets.add(format!("memory of {PODS} pods < 30 MiB: {:.1} MiB", memory.now), memory.now < 30.0);
    targets.add(format!("scraping {PODS} pods < 0.1 of a core: {cpu:.3}"), cpu < 0.1);
    let unguarded = load::ask(&adapter, load::ONE, "application/json", "gzip", times.load);
    drop(adapter);

    // As in a cluster: the front proxy's certificate is verified, and the API server is asked whether it may.
    let cluster = Cluster::of(PODS);
    let adapter = Adapter::guarded(&cluster);
    println!("\n{CLIENTS} clients over TLS, meanwhile, behind a front proxy whose certificate and rights are verified");
    println!("{:34}{:>9}{:>9}{:>9}{:>7}{:>9}{:>18}", "", "answers", "p50", "p99", "", "answer", "CPU us an answer");
    println!("{:34}{:>9}{:>9}{:>9}{:>7}{:>9}{:>9}{:>7}", "", "a second", "ms", "ms", "errors", "kB", "server", "load");
    for (name, accept, encoding) in [
        ("all pods, 50 selectors, JSON", "application/json", "identity"),
        ("… JSON, gzip", "application/json", "gzip"),
        ("… protobuf", "application/vnd.kubernetes.protobuf", "identity"),
        ("… protobuf, gzip", "application/vnd.kubernetes.protobuf", "gzip"),
    ] {
        let row = load::ask(&adapter, load::STAR, accept, encoding, times.load);
        row.print(name);
        let (rate, p99) = (row.per_second, row.p99);
        targets.add(format!("{name}: {rate:.0} >= 1000 a second"), rate >= 1000.0 && row.errors == 0.0);
        targets.add(format!("{name}: p99 {p99:.1} ms < 20 ms"), p99 < 20.0);
    }
    for (name, accept) in
        [("one pod, JSON", "application/json"), ("one pod, protobuf", "application/vnd.kubernetes.protobuf")]
    {
        let row = load::ask(&adapter, load::ONE, accept, "gzip", times.load);
        row.print(name);
        targets.add(
            format!("{name}: {:.0} >= 10000 a second", row.per_second),
            row.per_second >= 10_000.0 && row.errors == 0.0,
        );
    }
    unguarded.print("the same, without a cluster, JSON");
    let asked = cluster.kube.count("create", "subjectaccessreviews");
    println!("the API server was asked {asked} times whether that is allowed");
    targets.add(format!("reviews for one asker and {PODS} pods in this time: {asked} <= 110"), asked <= 110);
    println!("prometheus-adapter 0.12, measured elsewhere on such a machine: all pods 6.2 a second, p50 1980 ms;");
    println!("one pod 699 a second, p50 12 ms, p99 56 ms");
    let memory = adapter.memory();
    println!("memory after that: {:.1} MiB, {:.1} at its peak", memory.now, memory.peak);
}

fn many_pods(times: &Times, targets: &mut Targets) {
    let adapter = Adapter::start(MANY_PODS, None, true);
    let (memory, cpu) = at_rest(&adapter, times);
    println!("\n{MANY_PODS} pods, scraped every 5 s");
    println!("memory {:.1} MiB, {:.1} at its peak; {:.3} of a core", memory.now, memory.peak, cpu);
    let down = adapter.metric("metrics_adapter_targets{source=\"scrape\",state=\"down\"}");
    println!("targets that could not be scraped: {down}");
    targets.add(format!("memory of {MANY_PODS} pods < 120 MiB: {:.1} MiB", memory.now), memory.now < 120.0);
}

/// What it holds after a while, and the part of a core that it uses, while nobody asks.
fn at_rest(adapter: &Adapter, times: &Times) -> (Memory, f64) {
    sleep(Duration::from_secs(times.settle));
    let (started, before) = (Instant::now(), adapter.cpu_seconds());
    sleep(Duration::from_secs(times.idle));
    let cpu = (adapter.cpu_seconds() - before) / started.elapsed().as_secs_f64();
    (adapter.memory(), cpu)
}

/// Waits until something holds.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "not {what} in time");
        sleep(Duration::from_millis(50));
    }
}

/// What a command prints.
fn said_by(command: &str, arguments: &[&str]) -> String {
    let out = Command::new(command).args(arguments).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}
