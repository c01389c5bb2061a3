//! Text that real processes wrote.

use std::collections::BTreeMap;

use super::*;

const CONDUIT: &str = include_str!("../../../tests/fixtures/conduit/metrics.prom");
const RESOURCE: &str = include_str!("../../../tests/fixtures/kubelet/metrics-resource.prom");
const CADVISOR: &str = include_str!("../../../tests/fixtures/kubelet/metrics-cadvisor-excerpt.prom");

pub(super) const ALL: [&str; 3] = [CONDUIT, RESOURCE, CADVISOR];

fn samples<'a>(body: &'a str, wanted: &str) -> Vec<Sample<'a>> {
    let entries = Parser::new(body.as_bytes(), Dialect::Prometheus, |name| name == wanted);
    entries.filter_map(|entry| if let Entry::Sample(sample) = entry.unwrap() { Some(sample) } else { None }).collect()
}

#[test]
fn every_line_of_a_real_exposition_is_read() {
    for body in ALL {
        let (mut types, mut read) = (0, Vec::new());
        for entry in entries(body.as_bytes(), Dialect::Prometheus).unwrap() {
            match entry {
                Entry::Type { .. } => types += 1,
                Entry::Sample(sample) => read.push(sample),
            }
        }
        assert_eq!(types, body.lines().filter(|line| line.starts_with("# TYPE")).count());
        let lines: Vec<_> = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(read.len(), lines.len());
        for (sample, line) in read.iter().zip(lines) {
            let labels = sample.labels.text();
            let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            assert!(line.starts_with(&format!("{}{braced} ", sample.name)), "{line} is {sample:?}");
        }
    }
}

#[test]
fn requests_of_conduit_are_counted_with_their_routes() {
    let samples = samples(CONDUIT, "http_requests_total");
    assert_eq!(samples.len(), CONDUIT.matches("\nhttp_requests_total{").count());
    let of_article = samples.iter().find(|sample| {
        labels(sample) == [("method", "GET".into()), ("route", "/articles/{slug}".into()), ("status", "404".into())]
    });
    let found = of_article.map(|sample| (sample.value.to_bits(), sample.timestamp));
    assert_eq!(found, Some((3_f64.to_bits(), None)));
}

#[test]
fn the_kinds_of_conduit_are_known_without_wanting_anything() {
    let parser = Parser::new(CONDUIT.as_bytes(), Dialect::Prometheus, |_| false);
    let kinds: BTreeMap<_, _> = parser
        .map(|entry| match entry.unwrap() {
            Entry::Type { family, kind } => (family, kind),
            Entry::Sample(sample) => panic!("{sample:?} was not wanted"),
        })
        .collect();
    assert_eq!(kinds.len(), 30);
    assert_eq!(kinds["http_requests_total"], Kind::Counter);
    assert_eq!(kinds["http_requests_in_flight"], Kind::Gauge);
    assert_eq!(kinds["http_request_duration_seconds"], Kind::Histogram);
}

#[test]
fn the_kubelet_says_when_it_measured() {
    let cpu = samples(RESOURCE, "container_cpu_usage_seconds_total");
    assert_eq!(cpu.len(), 6);
    let first = cpu[0];
    assert_eq!((first.value.to_bits(), first.timestamp), (2.083_541_049_f64.to_bits(), Some(1_795_348_114_284)));
    assert_eq!(
        labels(&first),
        [
            ("container", "real-world".into()),
            ("namespace", "real-world".into()),
            ("pod", "real-world-55b95c7b65-7qt4j".into()),
        ]
    );
    let memory = samples(CADVISOR, "container_memory_working_set_bytes");
    let found: Vec<_> = memory.iter().map(|sample| (sample.value.to_bits(), sample.timestamp)).collect();
    assert_eq!(
        found,
        [
            (2_297_856_f64.to_bits(), Some(1_795_348_114_238)),
            (1_712_128_f64.to_bits(), Some(1_795_348_113_955)),
            (0_f64.to_bits(), Some(1_795_348_098_806)),
        ]
    );
    let start = samples(RESOURCE, "container_start_time_seconds");
    assert_eq!(start[0].value.to_bits(), 1.795_348_099_335_736_8e9_f64.to_bits());
}
