use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use metrics_adapter::model::quantity::Quantity;

use super::demo::{HpaArgs, QuotaArgs};
use crate::cluster::Provider;
use crate::profile::Profile;

/// The autoscaling loop on one machine: replicas of the API, the metrics-adapter, an HPA and a load, without a cluster.
#[derive(Debug, Parser)]
#[command(name = "rehearse", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Play the loop with real processes (the default)
    Run(Box<RunArgs>),
    /// Say what an HPA would do with a load, in virtual time
    Plan(Box<PlanArgs>),
    /// Send requests at a rate and print what came of them
    Load(LoadArgs),
    /// The stack in a real cluster, through kubectl
    Cluster(ClusterArgs),
    /// Ends the processes of a rehearsal that is gone
    #[command(hide = true, name = crate::process::GUARD)]
    Guard,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The HPA's manifest, autoscaling/v2
    #[arg(long, value_name = "FILE", default_value = "k8s/real-world-hpa.yaml")]
    pub(super) hpa: PathBuf,
    /// The Deployment's manifest, for what its pods request. Without the file: 100m and 128Mi
    #[arg(long, value_name = "FILE", default_value = "k8s/real-world-deployment.yaml")]
    pub(super) deployment: PathBuf,
    /// The load on the autoscaler's clock: steps:RATE@TIME,…  ramp:FROM..TO@TIME  sine:LOW..HIGH@PERIOD
    /// spike:BASE..PEAK@TIME, or a CSV file of time and requests a second
    #[arg(long, value_name = "LOAD", default_value = "steps:20@100s,140@150s,240@150s,480@200s,20@520s")]
    pub(super) profile: Profile,
    /// How many times as fast the autoscaler's clock runs; 1 is the real one
    #[arg(long, default_value_t = 5.0, value_parser = pace)]
    pub(super) pace: f64,
    /// Play the same load again under another HPA, and report both: a manifest, or `cpu` for the same one with its CPU
    /// metric alone
    #[arg(long, value_name = "cpu|FILE")]
    pub(super) compare: Option<String>,
    /// Go on after the load, until Ctrl-C
    #[arg(long)]
    pub(super) keep: bool,
    /// Send nothing, and go on until Ctrl-C: the load is yours
    #[arg(long)]
    pub(super) no_load: bool,
    /// Port of the front door on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8000)]
    pub(super) port: u16,
    /// Port of the metrics-adapter's APIs; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8100)]
    pub(super) adapter_port: u16,
    /// Port of the metrics-adapter's status page; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8101)]
    pub(super) adapter_ops_port: u16,
    /// Where the data, the logs and the report of a run go; those of the run before are replaced, other files are left
    /// alone
    #[arg(long, value_name = "FOLDER", default_value = "data/rehearsal")]
    pub(super) data: PathBuf,
    /// The report; by default report.html among the data
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Articles in the database
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) articles: u32,
}

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The HPA's manifest, autoscaling/v2
    #[arg(long, value_name = "FILE", default_value = "k8s/real-world-hpa.yaml")]
    pub(super) hpa: PathBuf,
    /// The Deployment's manifest, for what its pods request. Without the file: 100m and 128Mi
    #[arg(long, value_name = "FILE", default_value = "k8s/real-world-deployment.yaml")]
    pub(super) deployment: PathBuf,
    /// Another HPA under the same load
    #[arg(long, value_name = "FILE")]
    pub(super) compare: Option<PathBuf>,
    /// The load: steps:RATE@TIME,…  ramp:FROM..TO@TIME  sine:LOW..HIGH@PERIOD  spike:BASE..PEAK@TIME, or a CSV file of time
    /// and requests a second
    #[arg(long, value_name = "LOAD")]
    pub(super) load: Profile,
    /// The load as often as fits into this time, as 7d
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    pub(super) length: Option<Duration>,
    /// Requests a second that a pod can answer
    #[arg(long, value_name = "RPS", value_parser = positive)]
    pub(super) pod_capacity: f64,
    /// From the decision until a pod serves
    #[arg(long, value_name = "TIME", default_value = "8s", value_parser = time)]
    pub(super) startup: Duration,
    /// How old a metric is when the HPA asks for it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(super) metric_delay: Duration,
    /// CPU that a pod uses at its capacity, less in proportion; by default what it requests
    #[arg(long, value_name = "QUANTITY", value_parser = Quantity::parse)]
    pub(super) cpu_at_capacity: Option<Quantity>,
    /// Memory that a pod uses; by default half of what it requests
    #[arg(long, value_name = "QUANTITY", value_parser = Quantity::parse)]
    pub(super) pod_memory: Option<Quantity>,
    /// Pods at the beginning; by default as many as the load needs then
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub(super) replicas: Option<i32>,
    /// Print the numbers without each decision
    #[arg(long)]
    pub(super) summary: bool,
    /// The report
    #[arg(long, value_name = "FILE", default_value = "data/plan.html")]
    pub(super) report: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct LoadArgs {
    /// Where to: `http://host[:port]/path`
    pub(super) url: String,
    /// For the header `Host`, where the URL has an address and the name is another one's
    #[arg(long, value_name = "NAME")]
    pub(super) host: Option<String>,
    /// Requests a second
    #[arg(long, value_name = "RPS", value_parser = positive, conflicts_with = "profile", required_unless_present = "profile")]
    pub(super) rate: Option<f64>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", value_parser = length, default_value = "30s")]
    pub(super) length: Duration,
    /// Load over time instead of a rate, as for `run`
    #[arg(long, value_name = "LOAD")]
    pub(super) profile: Option<Profile>,
    /// A request without an answer for so long has failed
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    pub(super) timeout: Duration,
    /// Requests on their way at once; those that would be more are not sent, and counted
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) in_flight: u32,
}

#[derive(Args, Debug)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    pub(super) command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Bring it up; repeated, finish what is not finished
    Up(Box<UpArgs>),
    /// Take it away, and restore what it displaced
    Down(Box<DownArgs>),
    /// Show everything on one screen; exits with 2 if something is not well
    Status(Place),
    /// Say what is wrong, and what helps; exits with 2 if something is
    Doctor(DoctorArgs),
    /// Run the walkthrough's three quotas, and explain each refusal from what is there
    DemoQuota(QuotaArgs),
    /// Send 140, 240 and 480 requests a second, and show how the replicas follow
    DemoHpa(HpaArgs),
}

/// Where, and with what.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// Of the kubeconfig's contexts this one; by default the one that was worked in last, or the current one
    #[arg(long, value_name = "NAME", env = "CONTEXT")]
    pub(super) context: Option<String>,
    /// kubectl
    #[arg(long, value_name = "PROGRAM", env = "KUBECTL", default_value = "kubectl")]
    pub(super) kubectl: PathBuf,
    /// kind
    #[arg(long, value_name = "PROGRAM", env = "KIND", default_value = "kind")]
    pub(super) kind: PathBuf,
    /// docker or podman; by default whichever is there
    #[arg(long, value_name = "PROGRAM", env = "CONTAINER_TOOL")]
    pub(super) container_tool: Option<PathBuf>,
    /// Ask nothing
    #[arg(long)]
    pub(super) yes: bool,
    /// How long each wait may take, instead of its own limit
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub(super) patience: Option<Duration>,
    /// Where what was made, and the kustomization that was applied, are written down
    #[arg(long, value_name = "FOLDER", default_value = "data/cluster")]
    pub(super) data: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct UpArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Whose cluster; by default one of kind's, if kind and what it needs are installed
    #[arg(long)]
    pub(super) provider: Option<Provider>,
    /// What kind's node is made of, as kindest/node:v1.34.0: which Kubernetes it is; by default kind's own choice
    #[arg(long, value_name = "IMAGE", env = "NODE_IMAGE")]
    pub(super) node_image: Option<String>,
    /// Push the images here, and let the nodes fetch them
    #[arg(long, value_name = "HOST/PATH", env = "REGISTRY")]
    pub(super) registry: Option<String>,
    /// Ask for half of everything; so it is by itself where nodes have less than three cores for pods
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    pub(super) tiny: Option<bool>,
    /// Believe kubelets that sign their own certificates, as kind's are believed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    pub(super) kubelet_insecure_tls: Option<bool>,
}

#[derive(Args, Debug)]
pub(super) struct DownArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Whose cluster; by default the one that was worked in last
    #[arg(long)]
    pub(super) provider: Option<Provider>,
}

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// The program whose doctor follows the metrics; by default the one beside this
    #[arg(long, value_name = "PROGRAM")]
    pub(super) adapter: Option<PathBuf>,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|_| "write a time as 500ms, 30s, 5m or 7d".to_owned())?;
    if time <= Duration::from_hours(24 * 366) { Ok(time) } else { Err("a year is the longest".to_owned()) }
}

/// A time in which something happens.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| if time.is_zero() { Err("expected more than no time".to_owned()) } else { Ok(time) })
}

fn number(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| "expected a number".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    if number > 0.0 && number <= 1e6 {
        Ok(number)
    } else {
        Err("expected a number above 0, at most 1000000".to_owned())
    }
}

fn pace(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    // The adapter scrapes every 100 ms at most.
    if (1.0..=50.0).contains(&number) { Ok(number) } else { Err("expected a number from 1 to 50".to_owned()) }
}
