//! How the process is seen from outside: its log and its metrics' registry. Each room names and moves its own
//! families; this one installs what records them.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Seconds, for what takes time: from an answer out of memory to a scrape that is given up.
const DURATIONS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0];
/// Seconds, for how old samples are.
const AGES: [f64; 9] = [0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0];
/// How often what histograms have collected is put into their buckets, so that a process that nobody scrapes
/// does not grow.
const UPKEEP: Duration = Duration::from_secs(5);
/// The metrics facade counts in whole numbers, so this is kept as a gauge and declared as what it is.
const FRACTIONAL_COUNTER: &str = "process_cpu_seconds_total";

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text in a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Installs the log, on standard output.
pub fn init_log(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| format!("LOG_LEVEL: `{level}`: {error}"))?;
    let terminal = io::stdout().is_terminal();
    let json = format == LogFormat::Json || (format == LogFormat::Auto && !terminal);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer();
    let installed = if json {
        registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none();
        registry.with(lines.with_ansi(colours).with_target(false)).try_init()
    };
    installed.map_err(|error| format!("log: {error}"))
}

/// The metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] metrics_exporter_prometheus::BuildError);

/// Every metric of the process, as text.
#[derive(Clone, Debug)]
pub struct Registry {
    handle: PrometheusHandle,
    process: Collector,
}

impl Registry {
    /// Becomes the process's recorder. Must be called within the runtime, once.
    pub fn install() -> Result<Self, MetricsError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &DURATIONS)?
            .set_buckets_for_metric(Matcher::Suffix("_freshness_seconds".to_owned()), &AGES)?
            .install_recorder()?;
        let process = Collector::default();
        process.describe();
        describe_gauge!("metrics_adapter_build_info", "Always 1; the labels say what was built.");
        gauge!("metrics_adapter_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let upkeep = handle.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { handle, process })
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        let name = FRACTIONAL_COUNTER;
        self.handle.render().replacen(&format!("# TYPE {name} gauge\n"), &format!("# TYPE {name} counter\n"), 1)
    }
}
