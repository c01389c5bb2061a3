//! What a person reads.

use std::time::Duration;

use super::Settings;
use crate::adapter::Addresses;
use crate::aims;
use crate::autoscaler::{Metric, SYNC};
use crate::replicas::{self, Seen};
use crate::report::{Scaling, clock};

/// What a person can try meanwhile; each line is true.
pub(super) fn introduction(settings: &Settings, base: &str, adapter: Addresses, replicas: &[Seen]) -> Vec<String> {
    let namespace = &settings.hpa.namespace;
    let status = format!("http://{}/", adapter.ops);
    let adapter = format!("http://{}", adapter.api);
    let ops = replicas.iter().find_map(|own| own.ops);
    let metric = settings.hpa.metrics.iter().find_map(|metric| match metric {
        Metric::Pods { metric, .. } => Some(metric.name.clone()),
        _ => None,
    });
    let metric = metric.unwrap_or_else(|| "http_requests_per_second".to_owned());
    let mut lines = vec![
        String::new(),
        format!("{} in namespace {namespace}: {}", settings.workload.name, aims::described(&settings.hpa)),
        "While it runs, try in another terminal:".to_owned(),
        format!("  curl -s '{base}/api/articles?limit=1'"),
        format!("  kubectl -s {adapter} top pods -n {namespace}"),
        format!(
            "  kubectl -s {adapter} get --raw '/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/pods/*/{metric}'"
        ),
        format!("  the adapter's status page: {status}"),
    ];
    if let Some(ops) = ops {
        lines.push(format!("  a replica's metrics:       http://{ops}/metrics"));
    }
    lines.push(format!("Logs and data: {}", settings.folder.display()));
    lines.push(String::new());
    lines
}

/// Above the lines of the syncs.
pub(super) fn header(pace: f64) -> String {
    let clock = if (pace - 1.0).abs() < f64::EPSILON {
        "the autoscaler's clock is the real one".to_owned()
    } else {
        format!(
            "the autoscaler's clock runs {pace} times as fast: a sync every {:.1} s, windows and policies alike",
            SYNC.as_secs_f64() / pace
        )
    };
    format!("{clock}\nCLOCK   TIME  TARGETS                                             MINPODS MAXPODS REPLICAS  WHY")
}

pub(super) fn told(event: &replicas::Event) -> String {
    use replicas::Event;
    match event {
        Event::Ready(name, api, _) => format!("  replica {name} serves on {api}"),
        Event::Died(name, how) => format!("  replica {name} died ({how}) and is started again"),
        Event::Failed(name, problem) => format!("  replica {name} cannot be started, it is tried again: {problem}"),
        Event::Draining(name) => format!("  replica {name} gets no new requests and drains"),
        Event::Gone(name, true) => format!("  replica {name} is gone"),
        Event::Gone(name, false) => format!("  replica {name} did not stop within its grace and was killed"),
    }
}

/// A decision, at the end.
pub(super) fn scaling(scaling: &Scaling, pace: f64) -> String {
    let span = |what: &str, span: Option<Duration>| {
        span.map_or_else(String::new, |span| {
            let seconds = span.as_secs_f64();
            format!("; {what} {seconds:.1} s ({:.0} s on the autoscaler's clock)", seconds * pace)
        })
    };
    format!(
        "{:>5}  {} -> {}  {}{}{}",
        clock(scaling.at),
        scaling.from,
        scaling.to,
        scaling.reason,
        span("decided after", scaling.after_step),
        span("ready after", scaling.ready_after)
    )
}
