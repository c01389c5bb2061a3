//! The command line and the environment, as clap reads them.

mod cluster;
mod doctor;
mod explain;
mod prometheus;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub use cluster::{ClusterArgs, KubeletArgs};
pub use doctor::DoctorArgs;
pub use explain::{AdapterArgs, ExplainArgs};
pub use prometheus::PrometheusArgs;

/// The metrics-adapter: requests per second for the HorizontalPodAutoscaler, usage for kubectl top.
///
/// It scrapes pods itself and serves custom.metrics.k8s.io, metrics.k8s.io and external.metrics.k8s.io.
/// Every option can be given as the environment variable named beside it; a flag wins.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
#[command(name = "metrics-adapter", version, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a command: serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The commands beside the default.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the APIs (the default).
    Serve(Box<ServeArgs>),
    /// Check a configuration file and say in words what it does: each rule, the query that it sends for an example, and
    /// with a Prometheus the series that it finds and the metrics that it offers. Exits with 1 if the file is wrong, or if
    /// a rule finds nothing.
    CheckConfig {
        /// The file.
        file: PathBuf,
        /// Ask this Prometheus, in the way that the file says.
        #[arg(long, value_name = "URL")]
        prometheus: Option<hyper::Uri>,
    },
    /// Ask a running adapter where a metric's value comes from: the rule, the query or the targets, the last value and its
    /// age, why each pod counts or does not, and what autoscalers make of it.
    Explain(ExplainArgs),
    /// Read a target as the adapter would, twice, and say what it would give.
    Scrape(ScrapeArgs),
    /// Name the first broken link between pods' metrics and HPAs, and its cure; exits with 1 if there is one. Also
    /// where another metrics server than this is installed. It changes nothing.
    Doctor(DoctorArgs),
}

/// Options of `scrape`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
pub struct ScrapeArgs {
    /// Where the target's metrics are, as http://127.0.0.1:9000/metrics.
    pub url: hyper::Uri,
    /// The configuration, if it is not the built-in one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The time between the two readings that rates are computed from.
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub wait: Duration,
}

/// Options of `serve`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
pub struct ServeArgs {
    /// The configuration file: which metrics there are, and how targets are scraped. Followed while the
    /// adapter runs. Without one, http_requests_per_second is served from http_requests_total.
    #[arg(long, env = "CONFIG_FILE", value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// In a cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How kubelets are read.
    #[command(flatten)]
    pub kubelet: KubeletArgs,
    /// How Prometheus is asked.
    #[command(flatten)]
    pub prometheus: PrometheusArgs,
    /// Without a cluster.
    #[command(flatten)]
    pub standalone: StandaloneArgs,
    /// Where the adapter listens.
    #[command(flatten)]
    pub listeners: ListenerArgs,
    /// How it stops.
    #[command(flatten)]
    pub drain: DrainArgs,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Without a cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Without a cluster")]
pub struct StandaloneArgs {
    /// Run without a cluster: pods come from a file, nobody is asked who they are, and only this machine is
    /// answered.
    #[arg(long, env = "STANDALONE", requires = "targets")]
    pub standalone: bool,
    /// The targets file: the pods, what groups them, and where their metrics are. Followed.
    #[arg(long, env = "TARGETS_FILE", value_name = "FILE", requires = "standalone")]
    pub targets: Option<PathBuf>,
    /// The name of this machine as a node; by default its host name.
    #[arg(long, env = "NODE_NAME")]
    pub node_name: Option<String>,
}

/// Where the adapter listens.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
#[command(next_help_heading = "Listeners")]
pub struct ListenerArgs {
    /// Address that both listeners bind. In a cluster every one is, by default; without a cluster it must be a
    /// loopback address, and is 127.0.0.1 by default.
    #[arg(long, env = "BIND_ADDRESS")]
    pub bind_address: Option<IpAddr>,
    /// Port of the APIs; 0 takes a free one and prints it. By default 6443, without a cluster 8100.
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
    /// Port of the status page, metrics and probes; 0 takes a free one and prints it. By default 9000, without a
    /// cluster 8101.
    #[arg(long, env = "OPS_PORT")]
    pub ops_port: Option<u16>,
    /// Serve the APIs over TLS with this certificate, PEM, followed. In a cluster one is made without it, and put into
    /// APIServices; with it, their caBundle is yours to set.
    #[arg(long, env = "TLS_CERT_FILE", value_name = "FILE", requires = "tls_private_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// The certificate's key, PEM.
    #[arg(long, env = "TLS_PRIVATE_KEY_FILE", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_private_key_file: Option<PathBuf>,
    /// Connections to the APIs at once; further ones wait in the kernel's queue.
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
}

/// How it stops.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Stopping")]
pub struct DrainArgs {
    /// How long requests in flight may take after SIGTERM before they are cut off.
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub drain_timeout: Duration,
}

/// How it logs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogArgs {
    /// Lines for people or JSON for machines; `auto` is text in a terminal and JSON elsewhere.
    #[arg(long, env = "LOG_FORMAT", value_parser = ["auto", "text", "json"], default_value = "auto")]
    pub log_format: String,
    /// What is logged: a level, or levels by module as in `info,metrics_adapter::sources=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

impl ListenerArgs {
    /// Where the APIs and the operators' pages are. Without a cluster nobody is asked who they are.
    pub fn addresses(&self, standalone: bool) -> Result<(SocketAddr, SocketAddr), String> {
        let (loopback, every) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let address = self.bind_address.unwrap_or(if standalone { loopback } else { every });
        let port = self.port.unwrap_or(if standalone { 8100 } else { 6443 });
        let ops_port = self.ops_port.unwrap_or(if standalone { 8101 } else { 9000 });
        if standalone && !address.is_loopback() {
            return Err(format!(
                "BIND_ADDRESS: {address} is not a loopback address; with --standalone nobody is asked who they are, \
                 so only this machine may ask: 127.0.0.1 or ::1"
            ));
        }
        if port == ops_port && port != 0 {
            return Err(format!("PORT, OPS_PORT: both are {port}; the two listeners need one each"));
        }
        Ok((SocketAddr::new(address, port), SocketAddr::new(address, ops_port)))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Err(error) => Err(format!("{error}; write it as 500ms, 10s or 2m")),
        Ok(given) if given.is_zero() || given > Duration::from_hours(24) => {
            Err("must be more than zero, and at most 24h".to_owned())
        }
        Ok(given) => Ok(given),
    }
}
