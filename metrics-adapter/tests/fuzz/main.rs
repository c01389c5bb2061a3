//! Whatever the bytes, parsers end, say what is wrong, and never panic: a bounded run, the same each time, of the
//! targets that `make fuzz` runs without bounds and guided by coverage.
//!
//! `FUZZ_SEED` and `FUZZ_CASES` vary it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "nobody waits for a line of text")]

mod mutation;
mod targets;

use mutation::Mutation;

/// Cases of each target.
const CASES: u64 = 200_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Runs a target on what becomes of these seeds and words. A failure prints the input.
#[track_caller]
fn run(target: fn(&[u8]), seeds: &[&[u8]], words: &[&str]) {
    let (seed, cases) = (setting("FUZZ_SEED", 1), setting("FUZZ_CASES", CASES));
    let mut mutation = Mutation::new(seed, seeds, words);
    let check = |input: &[u8]| {
        let outcome = std::panic::catch_unwind(|| target(input));
        if let Err(panic) = outcome {
            println!("FUZZ_SEED={seed}: the input was b\"{}\"", input.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    };
    for input in seeds {
        check(input);
    }
    for _ in 0..cases {
        check(&mutation.next());
    }
}

#[test]
fn expositions() {
    let conduit = include_bytes!("../fixtures/conduit/metrics.prom");
    let kubelet = include_bytes!("../fixtures/kubelet/metrics-resource.prom");
    let openmetrics =
        b"# TYPE a counter\na_total{x=\"1\"} 1 1.5 # {trace=\"t\"} 0.5 1.25\na_created{x=\"1\"} 1e9\n# EOF\n";
    let odd = b"a{b=\"c\\\"}\\n\\\\\",d=\"{,#\"} NaN -5\r\n{\"quoted.name\",e=\"f\"} +Inf\n# HELP a b\nx 1";
    let seeds: [&[u8]; 4] = [&conduit[..3000], &kubelet[..2000], openmetrics, odd];
    let words =
        ["{", "}", "\"", "\\", "\n", "\r\n", "=", ",", "#", "# TYPE ", "# EOF\n", "NaN", "+Inf", "1e999", "\u{0}", "é"];
    run(targets::exposition, &seeds, &words);
}

#[test]
fn selectors() {
    let seeds: [&[u8]; 4] = [
        b"app=web,tier in (a,b),!gone",
        b"a notin (x,,y),b!=c,d",
        b"size>5,size<10",
        b"metadata.name=web-1,metadata.namespace!=x",
    ];
    let words =
        ["in", "notin", "(", ")", ",", "=", "==", "!=", "!", ">", "<", " ", "example.com/", "a", "-", "\u{0}", "é"];
    run(targets::selector, &seeds, &words);
}

#[test]
fn quantities() {
    let seeds: [&[u8]; 5] = [b"1500m", b"-2.5Gi", b"1e3", b"0.000000001", b"9223372036854775807"];
    let words =
        ["n", "u", "m", "k", "Ki", "E", "Ei", "e", "e-", "e+99", ".", "+", "-", "0", "9", "00000000000000000000"];
    run(targets::quantity, &seeds, &words);
}

#[test]
fn configurations() {
    let seeds: [&[u8]; 3] = [
        b"scrape: {interval: 2s, timeout: 1s, bodyLimit: 1Mi, tls: {caFile: /ca.pem}}\nmetrics:\n- name: a\n  series: b_total\n  type: counter\n  window: 10s\n  select: x in (y)\n",
        b"metrics: [{name: q, series: q, type: gauge, aggregate: maximum, allowNegative: true, description: \"x\"}]\n",
        b"a: &a [1, 2]\nb: *a\nc: |\n  text\n? d\n: e\n",
    ];
    let words = [
        "\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "? ",
        "|",
        ">",
        "'",
        "\"",
        "#",
        "---\n",
        "...\n",
        "!!str ",
        "\t",
        "\u{0}",
        "\u{feff}",
        "null",
        "18446744073709551616s",
        "1e9999",
        "metrics",
        "scrape",
        "\r",
        "%YAML 1.2\n",
    ];
    run(targets::configuration, &seeds, &words);
}

#[test]
fn targets_files() {
    let seeds: [&[u8]; 2] = [
        b"pods:\n- name: a\n  namespace: b\n  url: http://127.0.0.1:1/metrics\n  labels: {x: y}\n  owner: Deployment/d\n  services: [s]\n  started: 2026-01-01T00:00:00Z\n",
        b"pods: []\nobjects:\n- {resource: services, namespace: n, name: m, labels: {a: b}}\n",
    ];
    let words = [
        "\n",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "name",
        "http://",
        "https://u:p@h",
        "::1",
        "%",
        "Deployment/",
        "\u{0}",
        "é",
    ];
    run(targets::targets_file, &seeds, &words);
}

#[test]
fn documents_that_are_made_to_hurt_are_refused_at_once() {
    let deep = [
        "- ".repeat(100_000),
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "a:\n ".repeat(20_000),
        "? ".repeat(50_000),
        (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        "&a ".repeat(50_000),
        "!".repeat(100_000),
        format!("a: {}", "\"".repeat(100_001)),
        "- - - - - - - -\n".repeat(10_000),
        "'".repeat(200_001),
        "a: *a\n".repeat(10_000),
    ];
    for text in deep {
        let started = std::time::Instant::now();
        targets::configuration(text.as_bytes());
        let took = started.elapsed().as_secs();
        assert!(took < 5, "{took} s for {:?}…", &text[..40]);
    }
}
