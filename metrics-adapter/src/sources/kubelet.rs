//! Kubelets: what nodes and the containers on them use. Each node's `/metrics/resource` is read once a
//! resolution, over a connection that is kept, at a place of its own in the interval.

mod access;
mod place;
mod read;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::{StatusCode, Uri};
use metrics::{counter, histogram};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout_at};
use tracing::{info, warn};

use super::buffers::Buffers;
use super::schedule::{LARGE, first};
use crate::clock::Clock;
use crate::cluster::{Inventory, Node, View};
use crate::config::Config;
use crate::model::{FailureReason, KubeletBatch, KubeletScrape, LEFT_OUT, Moment, ScrapeFailure, Selector};
use crate::reload;
use crate::store::Report;

use access::Access;

/// Where a pod finds who vouches for the cluster's kubelets.
pub const SERVICE_ACCOUNT_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
/// Kubelets measure every 10 to 15 seconds; asked more often than this they have nothing new.
pub const FINEST_RESOLUTION: Duration = Duration::from_secs(5);
/// The longest that one reading may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Within this time everybody is read first: an adapter that was started just now is waited for.
const OPENING: Duration = Duration::from_secs(5);
/// What a kubelet has measured is the same for this long, so that whoever was just read for the first time is not
/// read again any sooner.
const NEWS: Duration = Duration::from_secs(10);
/// How long a view rests before it is looked at: in a large cluster something changes all the time, and seldom nodes.
const REST: Duration = Duration::from_secs(1);
/// So many lines about failing kubelets are logged in [`LOGGED_WITHIN`]: what is wrong with all of them need not be
/// said thousands of times.
const MOST_LOGGED: u64 = 20;
const LOGGED_WITHIN: Duration = Duration::from_mins(1);

/// How kubelets are reached.
#[derive(Clone, Debug)]
pub struct KubeletSettings {
    /// How often each is read.
    pub resolution: Duration,
    /// Any certificate will do.
    pub insecure_tls: bool,
    /// The types of a node's addresses, the best first.
    pub address_types: Vec<String>,
    /// Certificates of authorities that vouch for kubelets, PEM; a pod's own by default. Followed.
    pub certificate_authority: Option<PathBuf>,
    /// The port.
    pub port: u16,
    /// The port is the one that a node says, if it says one.
    pub use_node_status_port: bool,
    /// Nodes whose labels it does not select are left out.
    pub node_selector: Selector,
    /// The token to show them. Followed.
    pub token_file: Option<PathBuf>,
}

impl Default for KubeletSettings {
    fn default() -> Self {
        Self {
            resolution: Duration::from_secs(15),
            insecure_tls: false,
            address_types: ["InternalIP", "ExternalIP", "Hostname"].map(str::to_owned).into(),
            certificate_authority: None,
            port: 10250,
            use_node_status_port: false,
            node_selector: Selector::default(),
            token_file: None,
        }
    }
}

impl KubeletSettings {
    /// Whether a node's kubelet is read at all.
    #[must_use]
    pub fn reads(&self, node: &Node) -> bool {
        let (label, value) = LEFT_OUT;
        node.labels.get(label) != Some(value) && self.node_selector.matches(&node.labels)
    }
}

/// Reads the kubelets of all nodes, unless the configuration has Prometheus say what is used.
#[derive(Debug)]
pub struct Kubelets {
    settings: KubeletSettings,
    inventory: Inventory,
    access: Access,
    config: watch::Receiver<reload::State<Config>>,
    reports: mpsc::Sender<Report>,
    clock: Clock,
}

/// What the readings of all nodes share.
#[derive(Debug)]
struct Shared {
    access: Access,
    resolution: Duration,
    timeout: Duration,
    buffers: Buffers,
    reports: mpsc::Sender<Report>,
    clock: Clock,
    log: Log,
}

/// A node that is read: where, or why nowhere, and the task that does it.
type Reading = (Result<Uri, String>, JoinHandle<()>);

impl Kubelets {
    /// Whoever reads the nodes of an inventory. Called on a runtime, which follows the files that settings name. An
    /// error says which flag is wrong.
    pub fn new(
        settings: KubeletSettings,
        inventory: Inventory,
        config: watch::Receiver<reload::State<Config>>,
        reports: mpsc::Sender<Report>,
        clock: Clock,
    ) -> Result<Self, String> {
        if settings.resolution < FINEST_RESOLUTION {
            let given = settings.resolution;
            return Err(format!("--metric-resolution: {given:?} is less than {FINEST_RESOLUTION:?}"));
        }
        let access = Access::new(&settings, clock)?;
        Ok(Self { settings, inventory, access, config, reports, clock })
    }

    /// Reads for ever.
    pub async fn run(self) {
        for reason in FailureReason::ALL {
            counter!("metrics_adapter_collect_failures_total", "source" => "kubelet", "reason" => reason.label())
                .absolute(0);
        }
        if self.settings.insecure_tls {
            warn!("--kubelet-insecure-tls: whoever answers for a kubelet is believed, whatever its certificate");
        }
        let Self { settings, mut inventory, mut config, access, reports, clock } = self;
        let shared = Arc::new(Shared {
            access,
            resolution: settings.resolution,
            timeout: settings.resolution.min(LONGEST),
            buffers: Buffers::default(),
            reports,
            clock,
            log: Log::default(),
        });
        let mut readings = HashMap::new();
        loop {
            // Prometheus says what is used, if the configuration has queries for that.
            let resting = config.borrow_and_update().value.resource_rules.is_some();
            let view = if resting { Arc::default() } else { inventory.current() };
            follow(&view, &settings, &mut readings, &shared).await;
            sleep(REST).await;
            tokio::select! {
                _ = inventory.changed() => {}
                Ok(()) = config.changed() => {}
            }
        }
    }
}

/// Starts to read who is new or has moved, and stops to read who is gone.
async fn follow(
    view: &View,
    settings: &KubeletSettings,
    readings: &mut HashMap<Arc<str>, Reading>,
    shared: &Arc<Shared>,
) {
    let wanted = view.nodes().iter().filter(|node| settings.reads(node));
    let wanted: HashMap<&Arc<str>, _> = wanted.map(|node| (&node.name, place::of(node, settings))).collect();
    let is_other =
        |(name, (place, _)): (&Arc<str>, &Reading)| (wanted.get(name) != Some(place)).then(|| Arc::clone(name));
    let others: Vec<Arc<str>> = readings.iter().filter_map(is_other).collect();
    for name in others {
        if let Some((_, task)) = readings.remove(&name) {
            // What it still has to say must not come after its node was forgotten.
            task.abort();
            let _ = task.await;
        }
        if !wanted.contains_key(&name) {
            let _ = shared.reports.send(Report::ForgetNode(name)).await;
        }
    }
    for (name, place) in wanted {
        if !readings.contains_key(name) {
            let task = tokio::spawn(read_for_ever(Arc::clone(shared), Arc::clone(name), place.clone()));
            readings.insert(Arc::clone(name), (place, task));
        }
    }
}

async fn read_for_ever(shared: Arc<Shared>, node: Arc<str>, place: Result<Uri, String>) {
    let key = hash(&node);
    let opening = u64::try_from(OPENING.min(shared.resolution).as_nanos()).unwrap_or(u64::MAX);
    let mut next = shared.clock.moment().after(Duration::from_nanos(key % opening));
    let mut soonest = NEWS.min(shared.resolution);
    let mut failing = false;
    loop {
        sleep_until(shared.clock.instant_of(next)).await;
        let started = shared.clock.moment();
        let (at, outcome) = match &place {
            // In a box of its own, so that a task that sleeps is small.
            Ok(uri) => Box::pin(shared.read(uri, started)).await,
            Err(problem) => {
                (started, Err(ScrapeFailure { reason: FailureReason::Connection, problem: problem.clone() }))
            }
        };
        let took = shared.clock.moment().since(started);
        shared.tell(&node, took, outcome.as_ref().err(), &mut failing);
        let batch = KubeletBatch { node: Arc::clone(&node), at, took, resolution: shared.resolution, outcome };
        if shared.reports.send(Report::Kubelet(batch)).await.is_err() {
            return;
        }
        let now = shared.clock.moment();
        next = first(key, shared.resolution, now).max(now.after(std::mem::take(&mut soonest)));
    }
}

/// The same in every process: each node has its place in the interval.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Shared {
    /// One reading: when its answer began to arrive, or when it was given up, and what came of it.
    async fn read(&self, uri: &Uri, started: Moment) -> (Moment, Result<KubeletScrape, ScrapeFailure>) {
        let deadline = self.clock.instant_of(started.after(self.timeout));
        let (fetcher, authorization) = (self.access.fetcher(), self.access.authorization());
        let mut body = self.buffers.take();
        let mut answered: Option<(Moment, StatusCode)> = None;
        let arrived = |status| answered = Some((self.clock.moment(), status));
        let fetched = timeout_at(deadline, fetcher.fetch_as(authorization.as_deref(), uri, &mut body, arrived)).await;
        let outcome = match fetched {
            Ok(Ok(page)) if body.len() > LARGE => tokio::task::block_in_place(|| read::read(&body, page.dialect)),
            Ok(Ok(page)) => read::read(&body, page.dialect),
            Ok(Err(failure)) => Err(self.access.advise(failure, answered.map(|(_, status)| status))),
            Err(_) => Err(super::fetch::timed_out(self.timeout)),
        };
        self.buffers.give_back(body);
        (answered.map_or_else(|| self.clock.moment(), |(at, _)| at), outcome)
    }

    /// Moves the metrics; a failure that lasts is logged when it begins and when it ends.
    fn tell(&self, node: &str, took: Duration, failure: Option<&ScrapeFailure>, failing: &mut bool) {
        histogram!("metrics_adapter_collect_duration_seconds", "source" => "kubelet").record(took);
        match failure {
            Some(ScrapeFailure { reason, problem }) => {
                counter!("metrics_adapter_collect_failures_total", "source" => "kubelet", "reason" => reason.label())
                    .increment(1);
                if !std::mem::replace(failing, true) && self.log.allows(self.clock.moment()) {
                    warn!(node, reason = reason.label(), "kubelet cannot be read: {problem}");
                }
            }
            None if std::mem::take(failing) && self.log.allows(self.clock.moment()) => {
                info!(node, "kubelet can be read again");
            }
            None => {}
        }
    }
}

/// What was logged about kubelets in the current span of time.
#[derive(Debug, Default)]
struct Log {
    span: AtomicU64,
    lines: AtomicU64,
}

impl Log {
    fn allows(&self, now: Moment) -> bool {
        let span = now.since(Moment::default()).as_secs() / LOGGED_WITHIN.as_secs();
        if self.span.swap(span, Ordering::Relaxed) != span {
            self.lines.store(0, Ordering::Relaxed);
        }
        let lines = self.lines.fetch_add(1, Ordering::Relaxed);
        if lines == MOST_LOGGED {
            warn!("more kubelets began or ceased to fail within this minute; the status page names them");
        }
        lines < MOST_LOGGED
    }
}

#[cfg(test)]
mod tests;
