//! How fast a scrape is read, beside the other parsers on crates.io.
//!
//! `cargo bench --bench exposition`. The rounds of all parsers take turns, so that a noisy neighbour
//! disturbs them alike. The text is conduit's own exposition, repeated with another label value each time.
//!
//! The other two find fewer samples: a label value with a brace in it, such as `/articles/{slug}`, makes them
//! pass over its line in silence.
//!
//! `openmetrics-parser` is left out: it is under the LGPL, which this workspace does not depend on, not even
//! to measure.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on is none")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use metrics_adapter::exposition::{Dialect, Entry, Parser};

const CONDUIT: &str = include_str!("../tests/fixtures/conduit/metrics.prom");
/// The one that the autoscaler lives on.
const FAMILY: &str = "http_requests_total";
/// In bytes, at least.
const SIZE: usize = 1_000_000;
const ROUNDS: usize = 15;
/// A round of a fast parser lasts as long as this, so that the clock's and the scheduler's grain is small.
const ROUND: Duration = Duration::from_millis(40);

struct Contender {
    name: &'static str,
    read: fn(&str),
    /// How many lines it takes for samples.
    found: fn(&str) -> usize,
}

const CONTENDERS: [Contender; 6] = [
    Contender {
        name: "ours, nothing wanted",
        read: |body| read(body, |_| false),
        found: |body| found(body, |_| false),
    },
    Contender {
        name: "ours, one family, as the adapter does",
        read: |body| read(body, |name| name == FAMILY),
        found: |body| found(body, |name| name == FAMILY),
    },
    Contender { name: "ours, everything", read: |body| read(body, |_| true), found: |body| found(body, |_| true) },
    Contender { name: "ours, everything and every label", read: read_with_labels, found: |body| found(body, |_| true) },
    Contender {
        name: "prometheus-parse 0.2.5",
        read: |body| drop(black_box(prometheus_parse::Scrape::parse(owned_lines(body)).unwrap())),
        found: |body| {
            let lines = body.lines().map(prometheus_parse::LineInfo::parse);
            lines.filter(|line| matches!(line, prometheus_parse::LineInfo::Sample { .. })).count()
        },
    },
    Contender {
        name: "prometheus-scrape 0.1.1",
        read: |body| drop(black_box(prometheus_scrape::Scrape::parse(owned_lines(body)).unwrap())),
        found: |body| {
            let lines = body.lines().map(prometheus_scrape::LineInfo::parse);
            lines.filter(|line| matches!(line, prometheus_scrape::LineInfo::Sample { .. })).count()
        },
    },
];

/// The only form in which the other two take a body.
fn owned_lines(body: &str) -> impl Iterator<Item = std::io::Result<String>> {
    body.lines().map(|line| Ok(line.to_owned()))
}

fn read(body: &str, wanted: impl FnMut(&str) -> bool) {
    for entry in Parser::new(body.as_bytes(), Dialect::Prometheus, wanted) {
        black_box(entry.unwrap());
    }
}

fn read_with_labels(body: &str) {
    for entry in Parser::new(body.as_bytes(), Dialect::Prometheus, |_| true) {
        if let Entry::Sample(sample) = black_box(entry.unwrap()) {
            sample.labels.iter().for_each(|label| drop(black_box(label)));
        }
    }
}

fn found(body: &str, wanted: impl FnMut(&str) -> bool) -> usize {
    let entries = Parser::new(body.as_bytes(), Dialect::Prometheus, wanted);
    entries.filter(|entry| matches!(entry, Ok(Entry::Sample(_)))).count()
}

/// The lines of samples.
fn samples(body: &str) -> impl Iterator<Item = &str> {
    body.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Every series once: each repetition has a label `copy` of its own.
fn scrape() -> String {
    let mut body = CONDUIT.to_owned();
    for copy in 1.. {
        if body.len() >= SIZE {
            break;
        }
        for line in samples(CONDUIT) {
            let name = line.find(['{', ' ']).unwrap();
            let (name, rest) = line.split_at(name);
            let labels = rest.strip_prefix('{').map_or_else(|| format!("}}{rest}"), |labels| format!(",{labels}"));
            writeln!(body, "{name}{{copy=\"{copy}\"{labels}").unwrap();
        }
    }
    body
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// Seconds that one reading takes, over a round.
fn round(read: fn(&str), body: &str) -> f64 {
    let (start, mut readings) = (Instant::now(), 0_u32);
    while readings == 0 || start.elapsed() < ROUND {
        read(black_box(body));
        readings += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(readings)
}

fn main() {
    let body = scrape();
    let megabytes = f64::from(u32::try_from(body.len()).unwrap()) / 1e6;
    println!("{megabytes:.2} MB with {} samples, {ROUNDS} rounds in turn\n", samples(&body).count());
    let mut seconds = CONTENDERS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (contender, seconds) in CONTENDERS.iter().zip(&mut seconds) {
            seconds.push(round(contender.read, &body));
        }
    }
    println!("{:<38} {:>11} {:>9} {:>13}", "parser", "median MB/s", "best MB/s", "samples found");
    for (Contender { name, found, .. }, seconds) in CONTENDERS.iter().zip(seconds) {
        let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{name:<38} {:>11.0} {:>9.0} {:>13}", megabytes / median(seconds), megabytes / best, found(&body));
    }
}
