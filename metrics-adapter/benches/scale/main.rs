//! The adapter in a cluster as large as Kubernetes allows: 5,000 nodes with 30 pods each, made up on this machine. A
//! fake API server tells of them, 5,000 fake kubelets are read over TLS every 15 seconds, and meanwhile an HPA in each
//! namespace asks every 15 seconds.
//!
//! `make bench-scale` runs it, in about two minutes. With `SCALE_BENCH_QUICK=1` there are 500 nodes, for trying out the
//! benchmark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::format_push_string, reason = "nobody waits for a line of text")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "these numbers are small")]

mod adapter;
mod api;
mod kubelets;
mod load;
mod pki;
#[path = "../../../app/benches/api/process.rs"]
#[expect(dead_code, reason = "the API's benchmark uses the rest")]
mod process;
#[path = "../../../app/benches/api/targets.rs"]
#[expect(dead_code, reason = "the API's benchmark uses the rest")]
mod targets;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use adapter::Adapter;
use api::Api;
use kubelets::Kubelets;
use pki::Pki;
use targets::Targets;

/// How often each kubelet is read.
const RESOLUTION: Duration = Duration::from_secs(15);
/// Kubelets are measured over so many rounds.
const ROUNDS: u32 = 3;
/// Longer than this is not waited for what should come.
const PATIENCE: Duration = Duration::from_mins(1);

/// What there is.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    pods_a_node: usize,
    namespaces: usize,
}

const FULL: Size = Size { nodes: 5_000, pods_a_node: 30, namespaces: 2_500 };
const QUICK: Size = Size { nodes: 500, ..FULL };

impl Size {
    fn pods(self) -> usize {
        self.nodes * self.pods_a_node
    }

    /// Of the pod by its number; the pods of one namespace are on many nodes.
    fn namespace_of(self, pod: usize) -> usize {
        pod % self.namespaces
    }
}

fn main() {
    // Run by `cargo test --benches`, it has nothing to do.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let size = if std::env::var_os("SCALE_BENCH_QUICK").is_some() { QUICK } else { FULL };
    rlimit::increase_nofile_limit(1 << 20).unwrap();
    println!("all on one machine, over loopback: adapter, cluster and load share its {} cores", said_by("nproc", &[]));
    println!("{} nodes, {} pods of one container, {} namespaces", size.nodes, size.pods(), size.namespaces);
    let mut targets = Targets::default();
    measure(size, &mut targets);
    println!();
    targets.print();
}

fn measure(size: Size, targets: &mut Targets) {
    let pki = Pki::new();
    let kubelets = Kubelets::start(size, &pki);
    let api = Api::start(size, &pki);
    let started = Instant::now();
    let adapter = Adapter::start(&pki, &api, &kubelets);
    let (inventory, ready) = adapter.wait_ready(started);
    println!("\nknows what exists after {:.1} s, is ready after {:.1} s", inventory.as_secs_f64(), ready.as_secs_f64());
    wait_for(started, "every pod's usage", || load::known(&adapter, &pki, size) == size.pods());
    println!("knows what every pod uses after {:.1} s", started.elapsed().as_secs_f64());

    kubelets.begin();
    let (own, began, before) = (std::process::id().to_string(), Instant::now(), adapter.cpu_seconds());
    let own_before = process::cpu_seconds(&own);
    let row = load::ask(&adapter, &pki, size, RESOLUTION * ROUNDS + RESOLUTION / 3);
    let elapsed = began.elapsed().as_secs_f64();
    let (cpu, others) = (adapter.cpu_seconds() - before, process::cpu_seconds(&own) - own_before);
    let (rounds, memory) = (kubelets.end(), adapter.memory());

    println!("\nover {elapsed:.0} s:");
    println!(
        "{:34}{:>9.0} a second, of {} kB each",
        "kubelets read",
        rounds.readings as f64 / elapsed,
        rounds.kilobytes
    );
    println!("{:34}{:>9.3} s, {:.3} s at most", "from one reading to the next, p50", rounds.median, rounds.longest);
    println!("{:34}{:>9.0} a second, of {:.1} kB each", "HPAs that ask", row.answers as f64 / elapsed, row.kilobytes);
    println!("{:34}{:>9.2} ms, p99 {:.2} ms, {:.2} ms at most", "their answers, p50", row.p50, row.p99, row.longest);
    println!("{:34}{:>9.3} of a core", "the adapter uses", cpu / elapsed);
    println!("{:34}{:>9.3} of a core", "the cluster and the load use", others / elapsed);
    println!("{:34}{:>9.0} MiB, {:.0} at its peak", "memory", memory.now, memory.peak);
    let (took, bytes) = load::all(&adapter, &pki);
    let (took, bytes, peak) = (took.as_secs_f64(), bytes as f64 / 1e6, adapter.memory().peak);
    println!("{:34}{took:>9.2} s, {bytes:.1} MB; then {peak:.0} MiB at its peak", "all pods in one answer");
    println!("{:34}{:>9}, {} reviews", "LISTs, watches", format!("{}, {}", api.lists(), api.watches()), api.reviews());

    let slack = Duration::from_millis(500).as_secs_f64();
    let most = RESOLUTION.as_secs_f64() + slack;
    let least = rounds.least;
    targets.add(
        format!(
            "every kubelet read every 15 s: {least} times in {elapsed:.0} s, {:.2} s apart at most",
            rounds.longest
        ),
        least >= ROUNDS as usize && rounds.longest <= most,
    );
    let failures = adapter.sum("metrics_adapter_collect_failures_total{source=\"kubelet\"");
    targets.add(format!("no reading failed: {failures} did"), failures == 0.0);
    targets.add(format!("p99 of a namespace's pods < 20 ms: {:.2} ms", row.p99), row.p99 < 20.0);
    targets.add(format!("no wrong answer: {}", row.wrong), row.wrong == 0);
    targets.add(format!("memory < 1 GiB: {:.0} MiB at its peak", memory.peak), memory.peak < 1024.0);
    targets.add(format!("oldest sample in an answer < 35 s: {:.1} s", row.oldest), row.oldest < 35.0);
    targets.add(format!("no LIST while watches stream: {}", api.lists()), api.lists() == 0);
}

#[track_caller]
fn wait_for(started: Instant, what: &str, mut there: impl FnMut() -> bool) {
    while !there() {
        assert!(started.elapsed() < PATIENCE, "{what} is not known after {PATIENCE:?}");
        sleep(Duration::from_millis(500));
    }
}

/// What a command prints.
fn said_by(command: &str, arguments: &[&str]) -> String {
    let out = Command::new(command).args(arguments).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}
