use std::path::PathBuf;

use clap::Args;

use super::cluster::namespace;

/// Options of `doctor`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown by --help, where backticks are noise")]
pub struct DoctorArgs {
    /// How the API server is reached, and who asks; by default $KUBECONFIG, ~/.kube/config, or the service account of
    /// the pod that this runs in.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Of the kubeconfig's contexts this one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace whose HPAs are looked at; by default all.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
    /// Look at this API alone; by default at those that are registered or that some HPA needs.
    #[arg(long, value_parser = ["custom", "external", "resource"])]
    pub api: Option<String>,
    /// Go on with the next API or HPA when a link is broken, and name the first broken link of each.
    #[arg(long)]
    pub all: bool,
    /// Print every link that was looked at.
    #[arg(short, long)]
    pub verbose: bool,
    /// Where the adapter's status page is, if it is not to be read through the API server, as http://127.0.0.1:9000.
    #[arg(long, value_name = "URL")]
    pub adapter: Option<hyper::Uri>,
}
