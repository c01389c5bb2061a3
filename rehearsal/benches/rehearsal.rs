//! What `make bench` measures of the rehearsal: a week planned, the front door beside no door, and the load generator.
//! Everything is on this machine and ends by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rehearsal::door::Door;
use rehearsal::load::{Destination, Limits, Load, Same, Summary};
use rehearsal::manifest::{self, Workload};
use rehearsal::plan::{Model, plan};
use rehearsal::profile::Profile;
use tokio::sync::watch;

fn main() {
    // `cargo test --benches` and clippy build this; only `cargo bench` is to run it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut reached = Vec::new();
    planning(&mut reached);
    generator(&mut reached);
    door(&mut reached);
    println!("\ntargets");
    for (what, target, value, good) in &reached {
        println!("  {:<7} {what}: {value}, target {target}", if *good { "reached" } else { "MISSED" });
    }
}

type Reached = Vec<(&'static str, &'static str, String, bool)>;

/// A week at a sync of 15 s, three metrics, a hundred pods at its peak each day.
fn planning(reached: &mut Reached) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/real-world-hpa.yaml");
    let text = std::fs::read_to_string(file).unwrap().replace("maxReplicas: 10", "maxReplicas: 100");
    let profile: Profile = "sine:3000..4900@1d".parse().unwrap();
    let profile = profile.repeated(Duration::from_hours(7 * 24)).unwrap();
    let model = Model {
        capacity: 80.0,
        startup: Duration::from_secs(8),
        metric_delay: Duration::from_secs(10),
        cpu_at_capacity: 100,
        memory: 64 << 20,
        replicas: None,
    };
    println!("plan: a week of {}, a sync every 15 s, three metrics", profile.label());
    let mut best = f64::MAX;
    for _ in 0..5 {
        let hpa = manifest::hpa(&text).unwrap();
        let begun = Instant::now();
        let planned = plan("bench", hpa, &Workload::conduit("real-world"), &profile, &model);
        best = best.min(begun.elapsed().as_secs_f64());
        assert!(planned.totals.most >= 90, "{:?}", planned.totals);
    }
    let syncs = profile.length().as_secs() / 15;
    #[expect(clippy::cast_precision_loss, reason = "syncs of a week are few")]
    let each = best * 1e6 / syncs as f64;
    println!("  {best:.3} s, {syncs} syncs, {each:.1} us each");
    reached.push(("a week planned", "< 1 s", format!("{best:.3} s"), best < 1.0));
}

/// A server that answers each request of up to 4 KiB with the same few bytes.
fn trivial() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn send(address: SocketAddr, rate: u32, seconds: u32) -> (Summary, Vec<u64>) {
    let profile: Profile = format!("steps:{rate}@{seconds}s").parse().unwrap();
    let destination = Destination { authority: address.to_string(), address };
    let traffic = Same { path: "/".to_owned(), authority: address.to_string() };
    let load = Load::start(profile, destination, traffic, Limits::default()).unwrap();
    let mut memory = Vec::new();
    while !load.is_over() {
        std::thread::sleep(Duration::from_secs(1));
        load.measurements().take(1.0);
        memory.push(resident());
    }
    (Summary::of(&load.measurements()), memory)
}

/// KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn generator(reached: &mut Reached) {
    let address = trivial();
    println!("\nload: 5000 requests a second for 60 s against a trivial server");
    let (summary, memory) = send(address, 5_000, 60);
    println!("{summary}");
    assert_eq!(summary.failed(), 0, "{summary}");
    let (usual, _) = summary.delay;
    let late = format!("{:.3} ms", usual.as_secs_f64() * 1e3);
    reached.push(("sent late, 99 of a hundred", "< 1 ms", late, usual < Duration::from_millis(1)));
    // The first seconds fill what stays.
    let (early, last) = (memory[10], *memory.last().unwrap());
    let growth = i64::try_from(last).unwrap() - i64::try_from(early).unwrap();
    println!("  resident after 10 s {early} KiB, after 60 s {last} KiB");
    reached.push(("memory from 10 s to 60 s", "+1 MiB at most", format!("{growth:+} KiB"), growth <= 1024));
}

/// oha, as many requests as it can, straight to the server and through the door.
fn door(reached: &mut Reached) {
    let oha = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/oha");
    let server = trivial();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (_replicas, receiver) = watch::channel(Arc::from([server]));
    let door = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Arc::new(Door::new(receiver)).serve(listener));
        address
    });
    println!("\nfront door: 16 connections, as fast as they can, 5 s each, in turn");
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let [direct, through] = [server, door].map(|address| {
            let output = Command::new(&oha)
                .args(["--no-tui", "-c", "16", "-z", "5s", "--output-format", "json", &format!("http://{address}/")])
                .output()
                .expect("oha, which `make bench` installs");
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["summary"]["successRate"], 1.0, "{report}");
            (
                report["summary"]["requestsPerSec"].as_f64().unwrap(),
                report["latencyPercentiles"]["p50"].as_f64().unwrap() * 1e3,
            )
        });
        let ratio = through.0 / direct.0;
        println!(
            "  direct {:.0}/s, p50 {:.2} ms; through the door {:.0}/s, p50 {:.2} ms: {:.0} %",
            direct.0,
            direct.1,
            through.0,
            through.1,
            ratio * 100.0
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("  the door, its server and oha share the cores; the server alone does next to nothing");
    reached.push(("through the door, of direct", "> 20 %", format!("{:.0} %", ratios[1] * 100.0), ratios[1] > 0.2));
}
