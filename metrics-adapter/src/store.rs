//! What was measured. One writer takes in what sources collected and publishes snapshots; readers take the
//! current snapshot, which never changes, and keep it for as long as they need it.
//!
//! Invariant: no reader waits for the writer, and no value is computed twice: a pod's rates are computed
//! when its samples arrive, not when somebody asks.

mod catalog;
mod counter;
mod demand;
mod gauge;
mod interner;
mod kubelet;
mod node;
mod record;
mod resource;
mod usage;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::config::{Config, Kind};
use crate::model::{Batch, KubeletBatch, Now, PodKey, Usage};
use crate::reload;

pub use catalog::{Catalog, CatalogReader, PrometheusState, RuleListing};
pub use demand::{Asked, AskedState, Demand};
pub use node::{ContainerUsage, NodeRecord, PodUsage};
pub use record::{MetricRecord, PodRecord, Selects, SeriesValue, TargetState};
pub use resource::{Answered, NodeUsages, ResourceUsage};

use counter::CounterHistory;
use gauge::GaugeHistory;
use interner::Interner;
use kubelet::{Names, NodeHistory};
use record::Records;
use usage::UsageHistory;

/// What sources tell the store.
#[derive(Debug)]
pub enum Report {
    /// A target was read, or could not be.
    Batch(Batch),
    /// A pod is gone, or is scraped no more.
    Forget(PodKey),
    /// What the machine uses.
    Machine(Arc<str>, Usage),
    /// A node's kubelet was read, or could not be.
    Kubelet(KubeletBatch),
    /// A node is gone, or its kubelet is read no more.
    ForgetNode(Arc<str>),
}

/// All that was measured up to one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Each snapshot has its own number.
    pub generation: u64,
    /// What the records were computed by: their metrics stand in the order of its rules.
    pub config: Arc<Config>,
    /// By pod.
    pub pods: Arc<HashMap<PodKey, Arc<PodRecord>>>,
    /// By name.
    pub nodes: Arc<HashMap<Arc<str>, Arc<NodeRecord>>>,
}

impl Snapshot {
    /// What a pod's target gave.
    #[must_use]
    pub fn record(&self, pod: PodKey) -> Option<&PodRecord> {
        self.pods.get(&pod).map(Arc::as_ref)
    }

    /// What a node's kubelet gave.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeRecord> {
        self.nodes.get(name).map(Arc::as_ref)
    }
}

/// Reads what was measured.
#[derive(Clone, Debug)]
pub struct Reader(watch::Receiver<Arc<Snapshot>>);

impl Reader {
    /// The newest snapshot.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow())
    }
}

/// Takes in what was collected. There is one.
#[derive(Debug)]
pub struct Writer {
    histories: HashMap<PodKey, History>,
    interner: Interner,
    nodes: HashMap<Arc<str>, NodeHistory>,
    names: Names,
    next: Snapshot,
    changed: bool,
    published: watch::Sender<Arc<Snapshot>>,
}

/// What is remembered of a pod.
#[derive(Debug)]
struct History {
    rules: Vec<RuleHistory>,
    usage: UsageHistory,
    records: Records,
}

#[derive(Debug)]
enum RuleHistory {
    Counter(CounterHistory),
    Gauge(GaugeHistory),
}

/// Names the families of this room.
pub fn describe_metrics() {
    describe_gauge!("metrics_adapter_pods_measured", "Pods that something was measured of.");
    describe_gauge!("metrics_adapter_targets", "Targets whose last collection succeeded (up) or failed (down).");
    describe_gauge!("metrics_adapter_points", "Points of series that are kept to compute values from.");
    describe_gauge!("metrics_adapter_label_sets", "Different label texts that series have.");
}

impl Writer {
    /// A writer that has measured nothing yet, and its reader.
    #[must_use]
    pub fn new(config: Arc<Config>) -> (Self, Reader) {
        let next = Snapshot { generation: 0, config, pods: Arc::default(), nodes: Arc::default() };
        let (published, reader) = watch::channel(Arc::new(next.clone()));
        let writer = Self {
            histories: HashMap::new(),
            interner: Interner::default(),
            nodes: HashMap::new(),
            names: Names::default(),
            next,
            changed: false,
            published,
        };
        (writer, Reader(reader))
    }

    /// Takes in one report.
    pub fn take(&mut self, report: Report, now: &Now) {
        match report {
            Report::Batch(batch) => self.absorb(batch, now),
            Report::Forget(pod) => {
                self.histories.remove(&pod);
                Arc::make_mut(&mut self.next.pods).remove(&pod);
            }
            Report::Machine(name, usage) => {
                let stale_after = self.next.config.scrape.stale_after;
                let record = NodeRecord::of_machine(self.next.node(&name), usage, stale_after);
                Arc::make_mut(&mut self.next.nodes).insert(name, Arc::new(record));
            }
            Report::Kubelet(batch) => {
                let name = Arc::clone(&batch.node);
                let history = self.nodes.entry(Arc::clone(&name)).or_default();
                let record = history.absorb(batch, &mut self.names, now);
                Arc::make_mut(&mut self.next.nodes).insert(name, record);
            }
            Report::ForgetNode(name) => {
                self.nodes.remove(&name);
                Arc::make_mut(&mut self.next.nodes).remove(&name);
                if self.nodes.is_empty() {
                    count_targets("kubelet", 0, 0);
                }
            }
        }
        self.changed = true;
    }

    fn absorb(&mut self, batch: Batch, now: &Now) {
        let config = &self.next.config;
        if batch.generation != config.generation {
            return;
        }
        let history = self.histories.entry(batch.pod).or_insert_with(|| History::new(config));
        let record = history.absorb(batch.at, batch.took, batch.outcome, &mut self.interner, now, config);
        Arc::make_mut(&mut self.next.pods).insert(batch.pod, Arc::new(record));
    }

    /// Goes on by another configuration. Histories begin anew: a rule that is the same loses ten seconds,
    /// and no value is ever computed from samples that different rules chose.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        let same_rules = config.rules == self.next.config.rules;
        let same_pace = config.scrape.interval == self.next.config.scrape.interval;
        if !(same_rules && same_pace) {
            self.histories.clear();
            self.next.pods = Arc::default();
        }
        self.next.config = config;
        self.changed = true;
    }

    /// Lets readers see what was taken in since the last time.
    pub fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.next.generation += 1;
        self.published.send_replace(Arc::new(self.next.clone()));
        self.interner.forget_unused();
        self.names.forget_unused();
        self.measure();
    }

    fn measure(&self) {
        let points: usize = self.histories.values().map(History::points).sum();
        let of_nodes: usize = self.nodes.values().map(NodeHistory::points).sum();
        let down = self.next.pods.values().filter(|record| record.target.failure.is_some()).count();
        count_targets("scrape", self.next.pods.len(), down);
        if !self.nodes.is_empty() {
            let nodes = self.nodes.keys().filter_map(|name| self.next.node(name));
            count_targets("kubelet", self.nodes.len(), nodes.filter(|node| node.target.failure.is_some()).count());
        }
        gauge!("metrics_adapter_pods_measured").set(count(self.next.pods.len()));
        gauge!("metrics_adapter_points").set(count(points + of_nodes));
        gauge!("metrics_adapter_label_sets").set(count(self.interner.len()));
    }

    /// Takes in reports and publishes snapshots until nobody reports any more.
    pub async fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        mut config: watch::Receiver<reload::State<Config>>,
        clock: Clock,
    ) {
        let mut pace = publishing_pace(&self.next.config);
        loop {
            tokio::select! {
                biased;
                Ok(()) = config.changed() => {
                    let config = Arc::clone(&config.borrow_and_update().value);
                    if config.generation != self.next.config.generation {
                        pace = publishing_pace(&config);
                        self.reconfigure(config);
                        self.publish();
                    }
                }
                _ = pace.tick() => self.publish(),
                report = reports.recv() => match report {
                    Some(report) => self.take(report, &clock.now()),
                    None => return,
                },
            }
        }
    }
}

/// Often enough that nobody waits long for what was collected; rarely enough that answers made from one
/// snapshot serve many who ask.
fn publishing_pace(config: &Config) -> tokio::time::Interval {
    let period = (config.scrape.interval / 20).clamp(Duration::from_millis(20), Duration::from_millis(200));
    let mut pace = interval(period);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

impl History {
    fn new(config: &Config) -> Self {
        let interval = config.scrape.interval;
        let rules = config.rules.iter().map(|rule| match rule.kind {
            Kind::Counter { window } => RuleHistory::Counter(CounterHistory::new(window, interval)),
            Kind::Gauge => RuleHistory::Gauge(GaugeHistory::default()),
        });
        Self { rules: rules.collect(), usage: UsageHistory::new(interval), records: Records::default() }
    }

    fn absorb(
        &mut self,
        at: crate::model::Moment,
        took: Duration,
        outcome: Result<crate::model::Scrape, crate::model::ScrapeFailure>,
        interner: &mut Interner,
        now: &Now,
        config: &Config,
    ) -> PodRecord {
        let scrape = match outcome {
            Ok(scrape) => scrape,
            Err(failure) => return self.records.failed(at, took, failure),
        };
        let restarted = self.usage.absorb(&scrape, at);
        let mut metrics = Vec::with_capacity(self.rules.len());
        let mut duplicates = 0;
        for (place, history) in self.rules.iter_mut().enumerate() {
            let samples = scrape.samples.iter().filter(|sample| sample.rule as usize == place);
            let (record, twice) = match history {
                RuleHistory::Counter(history) => history.absorb(at, restarted, samples, &scrape.text, interner, now),
                RuleHistory::Gauge(history) => history.absorb(at, samples, &scrape.text, interner, now),
            };
            duplicates += twice;
            metrics.push(record.aggregated(&config.rules[place]));
        }
        self.records.succeeded(at, took, &scrape, metrics, self.usage.current(), duplicates)
    }

    fn points(&self) -> usize {
        let points = |history: &RuleHistory| match history {
            RuleHistory::Counter(history) => history.points(),
            RuleHistory::Gauge(history) => history.points(),
        };
        self.rules.iter().map(points).sum()
    }
}

fn count_targets(source: &'static str, all: usize, down: usize) {
    gauge!("metrics_adapter_targets", "source" => source, "state" => "up").set(count(all - down));
    gauge!("metrics_adapter_targets", "source" => source, "state" => "down").set(count(down));
}

fn count(things: usize) -> f64 {
    u32::try_from(things).map_or(f64::INFINITY, f64::from)
}
