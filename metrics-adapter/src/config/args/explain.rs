use std::path::PathBuf;

use clap::Args;
use hyper::Uri;

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The metric's name.
    pub metric: String,
    /// The namespace that the autoscaler is in.
    #[arg(long, short)]
    pub namespace: String,
    /// Of what: pods, pod/web-1, service/web, deploy/web, namespace, or external.
    #[arg(long = "for", value_name = "WHAT", default_value = "pods")]
    pub of: String,
    /// Which pods or objects, as app=web: the selector of what the autoscaler scales. Of external metrics, which series.
    #[arg(long, short = 'l', default_value = "", hide_default_value = true)]
    pub selector: String,
    /// Which series, as method=GET: the metric's selector in the autoscaler.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub metric_selector: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the adapter is.
    #[command(flatten)]
    pub place: AdapterArgs,
}

/// Where a running adapter is found.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
pub struct AdapterArgs {
    /// The operators' pages of a running adapter, as http://127.0.0.1:9000, which kubectl port-forward makes; by default
    /// http://127.0.0.1:8101, where one without a cluster has them.
    #[arg(long, env = "ADAPTER_URL", value_name = "URL", conflicts_with = "kubeconfig")]
    pub adapter: Option<Uri>,
    /// Find the adapter in a cluster, and ask through its API server.
    #[arg(long, env = "KUBECONFIG_FILE", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}
