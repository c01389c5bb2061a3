use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::duration;
use crate::model::Selector;

/// In a cluster.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
#[command(next_help_heading = "In a cluster")]
pub struct ClusterArgs {
    /// How the API server is reached; by default as the service account of the pod that this runs in.
    #[arg(long, env = "KUBECONFIG_FILE", value_name = "FILE", conflicts_with = "standalone")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespaces whose pods, services and autoscalers are watched, separated by commas; without it, all. With
    /// it, a Role in each of them does instead of a ClusterRole.
    #[arg(long, env = "NAMESPACES", value_delimiter = ',', value_parser = namespace, conflicts_with = "standalone")]
    pub namespaces: Vec<String>,
    /// The namespace that this runs in, where its Service and its Secret are; by default that of the service
    /// account.
    #[arg(long, env = "POD_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
    /// The Service that APIServices point at; the certificate is made out to it.
    #[arg(long, env = "SERVICE_NAME", default_value = "metrics-adapter", value_name = "NAME")]
    pub service_name: String,
    /// The Secret that replicas share their certificate in.
    #[arg(long, env = "SECRET_NAME", default_value = "metrics-adapter-tls", value_name = "NAME")]
    pub secret_name: String,
    /// How long a certificate is valid that this makes; it is renewed when two thirds of that are over. Its authority
    /// is valid four times as long.
    #[arg(long, env = "CERTIFICATE_LIFETIME", default_value = "90d", value_parser = lifetime)]
    pub certificate_lifetime: Duration,
    /// Take over APIServices of the metrics APIs that point at somebody else, as metrics-server's. Without this they are
    /// left alone.
    #[arg(long, env = "TAKE_OVER", conflicts_with = "standalone")]
    pub take_over: bool,
    /// Serve metrics.k8s.io, for kubectl top and for CPU and memory of HPAs, from the kubelets. Off where the cluster
    /// keeps its metrics-server.
    #[arg(long, env = "RESOURCE_METRICS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL", num_args = 0..=1, require_equals = false, default_missing_value = "true")]
    pub resource_metrics: bool,
}

/// How kubelets are read. The flags are named as metrics-server's.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Kubelets")]
pub struct KubeletArgs {
    /// The time from one reading of a kubelet to the next; 5s at least.
    #[arg(long, env = "METRIC_RESOLUTION", default_value = "15s", value_parser = resolution)]
    pub metric_resolution: Duration,
    /// Do not verify kubelets' certificates: whoever answers at a node's address is believed, and is sent the service
    /// account's token. For clusters whose kubelets sign their own.
    #[arg(long, env = "KUBELET_INSECURE_TLS")]
    pub kubelet_insecure_tls: bool,
    /// The types of a node's addresses that are tried, in this order.
    #[arg(long, env = "KUBELET_PREFERRED_ADDRESS_TYPES", value_delimiter = ',', default_value = "InternalIP,ExternalIP,Hostname",
        value_parser = ["InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"], value_name = "TYPES")]
    pub kubelet_preferred_address_types: Vec<String>,
    /// Who vouches for kubelets' certificates, PEM, followed; by default the cluster's authority.
    #[arg(long, env = "KUBELET_CERTIFICATE_AUTHORITY", value_name = "FILE", conflicts_with = "kubelet_insecure_tls")]
    pub kubelet_certificate_authority: Option<PathBuf>,
    /// The token that kubelets are shown, followed; by default the service account's.
    #[arg(long, env = "KUBELET_TOKEN_FILE", value_name = "FILE")]
    pub kubelet_token_file: Option<PathBuf>,
    /// The port of kubelets.
    #[arg(long, env = "KUBELET_PORT", default_value_t = 10250)]
    pub kubelet_port: u16,
    /// Use the port that each node names in its status instead.
    #[arg(long, env = "KUBELET_USE_NODE_STATUS_PORT")]
    pub kubelet_use_node_status_port: bool,
    /// Only nodes with these labels are read. Nodes labelled metrics-adapter/scrape=false never are.
    #[arg(long, env = "NODE_SELECTOR", default_value = "", value_parser = selector, value_name = "SELECTOR", hide_default_value = true)]
    pub node_selector: Selector,
}

pub(super) fn namespace(text: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.len() <= 63 && text.bytes().all(inner) {
        Ok(text.to_owned())
    } else {
        Err("is not a namespace's name: at most 63 lower-case letters, digits and -".to_owned())
    }
}

fn selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text).map_err(|error| error.to_string())
}

fn resolution(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        given if given < Duration::from_secs(5) => {
            Err("5s is the least: kubelets measure every 10 to 15 s themselves".to_owned())
        }
        given => Ok(given),
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Err(error) => Err(format!("{error}; write it as 90d")),
        Ok(given) if given < Duration::from_secs(10) || given > Duration::from_hours(24 * 3650) => {
            Err("must be at least 10s, and at most ten years".to_owned())
        }
        Ok(given) => Ok(given),
    }
}
