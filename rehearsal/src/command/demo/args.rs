use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cluster::demo::{self, Patience};
use crate::cluster::{Failure, Kubectl};
use crate::command::args::{Place, length};

/// Where the demonstrations are given.
#[derive(Args, Debug)]
pub(in crate::command) struct ScenePlace {
    #[command(flatten)]
    place: Place,
    /// Where the stack is
    #[arg(long, value_name = "NAME", default_value = "real-world")]
    pub(super) namespace: String,
    /// Between two looks at the cluster
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "2s", hide = true)]
    look: Duration,
}

impl ScenePlace {
    /// In the context that was named, or that the stack was brought up in.
    pub(super) async fn kubectl(&self) -> Result<Kubectl, Failure> {
        let context = self.place.context.clone().filter(|context| !context.is_empty());
        demo::kubectl(Kubectl::new(self.place.kubectl.clone(), context), &self.place.data).await
    }

    /// Whether nobody has to be asked.
    pub(super) async fn is_agreed(&self, kubectl: &Kubectl) -> Result<bool, Failure> {
        Ok(self.place.yes || demo::is_agreed(kubectl, &self.namespace, &self.place.data).await?)
    }

    pub(super) fn patience(&self) -> Patience {
        let usual = Patience { look: self.look, ..Patience::default() };
        self.place.patience.map_or(usual, |time| Patience { pods: time, cluster: time, scale_down: time, ..usual })
    }
}

#[derive(Args, Debug)]
pub(in crate::command) struct QuotaArgs {
    #[command(flatten)]
    pub(super) place: ScenePlace,
    /// The Deployment that is scaled
    #[arg(long, value_name = "NAME", default_value = "real-world")]
    pub(super) deployment: String,
    /// The folder with the three quotas
    #[arg(long, value_name = "FOLDER", default_value = "k8s")]
    pub(super) manifests: PathBuf,
}

#[derive(Args, Debug)]
pub(in crate::command) struct HpaArgs {
    #[command(flatten)]
    pub(super) place: ScenePlace,
    /// The HPA that is shown
    #[arg(long, value_name = "NAME", default_value = "real-world-hpa")]
    pub(super) hpa: String,
    /// Where the load goes; by default to the Ingress real-world-service
    #[arg(long)]
    pub(super) url: Option<String>,
    /// How long each step of the load is; by default 150s, with --quick 75s
    #[arg(long, value_name = "TIME", value_parser = length)]
    step: Option<Duration>,
    /// Without 480 requests a second, which take ten replicas
    #[arg(long)]
    pub(super) quick: bool,
    /// Exit with 2 if the replicas are not as expected, or a request failed
    #[arg(long)]
    pub(super) assert: bool,
    /// The report
    #[arg(long, value_name = "FILE", default_value = "data/cluster/report.html")]
    pub(super) report: PathBuf,
}

impl HpaArgs {
    /// Ten syncs of the HPA, or five.
    pub(super) fn step(&self) -> Duration {
        self.step.unwrap_or(if self.quick { Duration::from_secs(75) } else { Duration::from_secs(150) })
    }
}
