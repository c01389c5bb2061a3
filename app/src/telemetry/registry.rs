use std::time::Duration;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::runtime::Runtime;

/// Seconds, for everything that takes time here: from half a millisecond, which a page takes, to
/// ten seconds, past which nobody waits.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often what histograms have collected is put into their buckets, so that a process that nobody
/// scrapes does not grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// Counters of fractions of a second. The metrics facade counts in whole numbers, so they are kept as
/// gauges and declared as what they are.
const FRACTIONAL_COUNTERS: [&str; 2] = ["process_cpu_seconds_total", "tokio_worker_busy_seconds_total"];

/// The metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] metrics_exporter_prometheus::BuildError);

/// Every metric of the process, as text.
#[derive(Clone, Debug)]
pub struct Registry {
    handle: PrometheusHandle,
    process: Collector,
    runtime: Runtime,
}

impl Registry {
    /// Becomes the process's recorder. Must be called within the runtime, once.
    pub fn install() -> Result<Self, MetricsError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &BUCKETS)?
            .install_recorder()?;
        let process = Collector::default();
        process.describe();
        let runtime = Runtime::current();
        Runtime::describe();
        describe_gauge!("conduit_build_info", "Always 1; the labels say what was built.");
        gauge!("conduit_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle, process, runtime })
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.runtime.collect();
        let mut text = self.handle.render();
        for name in FRACTIONAL_COUNTERS {
            text = text.replacen(&format!("# TYPE {name} gauge\n"), &format!("# TYPE {name} counter\n"), 1);
        }
        text
    }
}
