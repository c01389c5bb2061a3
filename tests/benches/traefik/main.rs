//! Requests through the real Traefik beside the same without it; and how many fail while replicas come, go and are replaced.
//!
//! `TRAEFIK_BENCH_QUICK=1` takes a third of the time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on has failed"
)]

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use stack::blog::{self, HOST};
use stack::manifests::root;
use stack::replicas::{Replicas, pause};
use stack::traefik::{Setting, Traefik, cluster};

#[path = "../../../app/benches/api/targets.rs"]
#[expect(dead_code, reason = "the API's benchmark notes more")]
mod targets;

/// Connections of load in all.
const CLIENTS: usize = 32;
const PATH: &str = "/api/articles?limit=20";
/// Requests a second while replicas come and go.
const RATE: u32 = 300;

/// Medians of what the rounds measured.
#[derive(Clone, Copy, Debug, Default)]
struct Speed {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn main() {
    let quick = std::env::var_os("TRAEFIK_BENCH_QUICK").is_some();
    let (rounds, seconds) = if quick { (1, 3) } else { (3, 6) };
    let oha = root().join("target/tools/bin/oha");
    assert!(oha.exists(), "{} is missing; `make bench` installs it", oha.display());
    let kube = cluster();
    let mut replicas = Replicas::of(&kube, &[]);
    replicas.start();
    replicas.start();
    let traefik = Traefik::start(&kube, Setting::default());
    traefik.wait();
    println!(
        "Two replicas on SQLite, {CLIENTS} connections, {rounds} rounds of {seconds} s, all on this machine: medians\n"
    );
    let direct: Vec<String> =
        replicas.running.iter().map(|replica| format!("http://{}:{}{PATH}", replica.address, replicas.port)).collect();
    let through = [format!("http://{}{PATH}", traefik.web)];
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        measured[0].push(speed(&oha, &direct, seconds));
        measured[1].push(speed(&oha, &through, seconds));
    }
    println!("{:<18} {:>10} {:>8} {:>8}", "", "requests", "p50", "p99");
    println!("{:<18} {:>10} {:>8} {:>8}", "", "a second", "ms", "ms");
    let [without, with] = measured.map(|rounds| median(&rounds));
    for (name, speed) in [("without Traefik", without), ("through Traefik", with)] {
        println!("{name:<18} {:>10.0} {:>8.2} {:>8.2}", speed.per_second, speed.p50_ms, speed.p99_ms);
    }
    println!("{:<18} {:>9.0}%\n", "ratio", 100.0 * with.per_second / without.per_second);
    let turns = if quick { 1 } else { 3 };
    let outcome = blog::during(traefik.web, RATE, Duration::ZERO, || {
        for _ in 0..turns {
            replicas.start();
            replicas.start();
            std::thread::sleep(Duration::from_secs(3));
            replicas.stop(pause());
            replicas.stop(pause());
            replicas.restart(pause());
        }
    });
    println!(
        "{turns} times 2 -> 4 -> 2 replicas and each replaced, at {RATE} requests a second, one in eight a write:"
    );
    println!("{} requests, {} failed: {}\n", outcome.sent, outcome.failed, outcome.failures);
    let mut targets = targets::Targets::default();
    targets.add(format!("no request of {} failed", outcome.sent), outcome.failed == 0);
    targets.print();
}

/// All of these at once, the connections shared out.
fn speed(oha: &std::path::Path, urls: &[String], seconds: u32) -> Speed {
    let clients = (CLIENTS / urls.len()).to_string();
    let started: Vec<_> = urls
        .iter()
        .map(|url| {
            let mut command = Command::new(oha);
            command.args(["--no-tui", "--output-format", "json", "-c", &clients, "-z", &format!("{seconds}s")]);
            command.args(["-H", &format!("Host: {HOST}"), url]).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let reports: Vec<Value> = started
        .into_iter()
        .map(|child| serde_json::from_slice(&child.wait_with_output().unwrap().stdout).expect("oha's report"))
        .collect();
    let number = |value: &Value| value.as_f64().expect("a number");
    let worst = |field: &str| {
        let all = reports.iter().map(|report| number(&report["latencyPercentiles"][field]) * 1000.0);
        all.fold(0.0, f64::max)
    };
    for report in &reports {
        let statuses = report["statusCodeDistribution"].as_object().expect("statuses");
        assert!(statuses.keys().all(|status| status == "200"), "not all answers are 200: {statuses:?}");
    }
    let per_second = reports.iter().map(|report| number(&report["summary"]["requestsPerSec"])).sum();
    Speed { per_second, p50_ms: worst("p50"), p99_ms: worst("p99") }
}

fn median(rounds: &[Speed]) -> Speed {
    let of = |field: fn(&Speed) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(field).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Speed { per_second: of(|own| own.per_second), p50_ms: of(|own| own.p50_ms), p99_ms: of(|own| own.p99_ms) }
}
