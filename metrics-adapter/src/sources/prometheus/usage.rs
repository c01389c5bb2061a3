use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tracing::{info, warn};

use super::client::failure;
use super::server::Server;
use crate::clock::Clock;
use crate::cluster::{Inventory, View};
use crate::config::Config;
use crate::kubernetes::Backoff;
use crate::model::{Absence, Answer, Kinds, Moment, QueryFailure, QueryFailureReason, Question, Usage};
use crate::reload;
use crate::rules::{QueryProblem, ResourceRule, ResourceRules};
use crate::store::{ContainerUsage, PodUsage, ResourceUsage};

/// What HPAs and people look at every 15 s need not be newer.
const SHORTEST: Duration = Duration::from_secs(10);
/// Questions take at most this part of the time.
const SHARE: u32 = 20;

/// Asks what pods and nodes use, as `resourceRules` say, whether somebody wants to know or not.
pub(super) struct Usages {
    pub(super) server: Arc<Server>,
    pub(super) config: watch::Receiver<reload::State<Config>>,
    pub(super) kinds: watch::Receiver<Kinds>,
    pub(super) inventory: Inventory,
    pub(super) usage: watch::Sender<Arc<ResourceUsage>>,
    pub(super) clock: Clock,
}

/// What a container or a node uses, as far as it is known: CPU in cores, memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    cpu: Option<f64>,
    memory: Option<f64>,
}

/// By namespace, pod and container.
type Containers = BTreeMap<(Arc<str>, Arc<str>), BTreeMap<Arc<str>, Found>>;
/// By name.
type Nodes = HashMap<Arc<str>, Found>;

/// Sets CPU or memory.
type Put = fn(&mut Found, f64);

impl Usages {
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut failing = false;
        loop {
            let config = Arc::clone(&self.config.borrow_and_update().value);
            let Some(rules) = &config.resource_rules else {
                self.usage.send_if_modified(|usage| {
                    let had = usage.at.is_some() || usage.failure.is_some();
                    *usage = Arc::default();
                    had
                });
                if self.config.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let interval = config.prometheus.as_ref().map_or(SHORTEST, |own| own.interval.max(SHORTEST));
            let began = self.clock.moment();
            let asked = self.ask(rules, began).await;
            let took = self.clock.moment().since(began);
            let pace = interval.max(took * SHARE);
            say(&mut failing, asked.as_ref().err());
            let pause = match asked {
                Ok(usage) => {
                    backoff.succeeded();
                    self.usage.send_replace(Arc::new(ResourceUsage { stale_after: pace * 3, ..usage }));
                    pace.saturating_sub(took)
                }
                Err(failure) => {
                    self.fail(failure);
                    backoff.failed().max(self.server.pause())
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause), if !failing => {}
                () = self.server.rest(pause), if failing => {}
                Ok(()) = self.config.changed() => {}
            }
        }
    }

    /// What was known stays, and grows old.
    fn fail(&self, failure: QueryFailure) {
        self.usage.send_modify(|usage| {
            let ResourceUsage { pods, nodes, at, stale_after, .. } = &**usage;
            let (pods, nodes) = (Arc::clone(pods), nodes.clone());
            *usage =
                Arc::new(ResourceUsage { pods, nodes, at: *at, stale_after: *stale_after, failure: Some(failure) });
        });
    }

    async fn ask(&self, rules: &ResourceRules, at: Moment) -> Result<ResourceUsage, QueryFailure> {
        let (view, kinds) = (self.inventory.current(), self.kinds.borrow().clone());
        let (mut containers, mut nodes) = (Containers::new(), Nodes::new());
        let both: [(&ResourceRule, Put); 2] = [
            (&rules.cpu, |found, value| found.cpu = Some(value)),
            (&rules.memory, |found, value| found.memory = Some(value)),
        ];
        for (rule, put) in both {
            self.containers(rule, put, &kinds, &view, &mut containers).await?;
            self.nodes(rule, put, &kinds, &view, &mut nodes).await?;
        }
        let usage = |found: Found| {
            let (cpu, memory) = found.cpu.zip(found.memory).ok_or(Absence::NoSeries)?;
            usage_of(cpu, memory, at, rules.window)
        };
        let pods = containers.into_iter().map(|((namespace, name), containers)| {
            let containers = containers.into_iter().map(|(name, found)| ContainerUsage { name, usage: usage(found) });
            PodUsage { namespace, name, containers: containers.collect() }
        });
        let nodes = nodes.into_iter().map(|(name, found)| (name, usage(found))).collect();
        Ok(ResourceUsage { pods: pods.collect(), nodes, at: Some(at), ..ResourceUsage::default() })
    }

    async fn containers(
        &self,
        rule: &ResourceRule,
        put: Put,
        kinds: &Kinds,
        view: &View,
        into: &mut Containers,
    ) -> Result<(), QueryFailure> {
        // Where one question cannot be about all, each namespace has its own.
        let asked = match rule.containers(kinds).map_err(wrong)? {
            Some(query) => vec![(None, query)],
            None => {
                let mut queries = Vec::new();
                for (namespace, pods) in by_namespace(view) {
                    let query = rule.containers_of(kinds, &namespace, &pods).map_err(wrong)?;
                    queries.push((Some(namespace), query));
                }
                queries
            }
        };
        let answers = try_join_all(asked.iter().map(|(_, query)| self.query(&query.question))).await?;
        for ((namespace, query), answer) in asked.iter().zip(&answers) {
            for sample in &answer.samples {
                let label = |name: &str| sample.labels.get(name).filter(|value| !value.is_empty());
                let here = namespace.as_deref().or_else(|| label(&query.namespace_label));
                let (Some(namespace), Some(pod), Some(container)) =
                    (here, label(&query.pod_label), label(&rule.container_label))
                else {
                    continue;
                };
                let of_pod = into.entry((namespace.into(), pod.into())).or_default();
                put(of_pod.entry(container.into()).or_default(), sample.value);
            }
        }
        Ok(())
    }

    async fn nodes(
        &self,
        rule: &ResourceRule,
        put: Put,
        kinds: &Kinds,
        view: &View,
        into: &mut Nodes,
    ) -> Result<(), QueryFailure> {
        let (question, label) = match rule.nodes(kinds).map_err(wrong)? {
            Some(query) => query,
            None => {
                let names: Vec<&str> = view.nodes().iter().map(|node| &*node.name).collect();
                if names.is_empty() {
                    return Ok(());
                }
                rule.nodes_named(kinds, &names).map_err(wrong)?
            }
        };
        let answer = self.query(&question).await?;
        for sample in &answer.samples {
            if let Some(name) = sample.labels.get(&label).filter(|name| !name.is_empty()) {
                put(into.entry(name.into()).or_default(), sample.value);
            }
        }
        Ok(())
    }

    async fn query(&self, question: &Question) -> Result<Answer, QueryFailure> {
        self.server.query(question).await
    }
}

fn by_namespace(view: &View) -> BTreeMap<Arc<str>, Vec<&str>> {
    let mut all: BTreeMap<Arc<str>, Vec<&str>> = BTreeMap::new();
    for pod in view.pods(None) {
        all.entry(Arc::clone(&pod.namespace)).or_default().push(&pod.name);
    }
    all
}

fn wrong(QueryProblem(problem): QueryProblem) -> QueryFailure {
    failure(QueryFailureReason::Refused, problem)
}

/// A quantity's part that is not a number is no usage.
fn usage_of(cores: f64, bytes: f64, at: Moment, window: Duration) -> Result<Usage, Absence> {
    let whole = |value: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just compared")]
        (value.is_finite() && value < 9.0e18).then_some(value.round() as u64).ok_or(Absence::NotFinite)
    };
    if cores < 0.0 || bytes < 0.0 {
        return Err(Absence::Negative);
    }
    Ok(Usage { cpu_nanocores: whole(cores * 1e9)?, memory_bytes: whole(bytes)?, swap_bytes: None, at, window })
}

/// A failure that lasts is said when it begins and when it ends.
fn say(failing: &mut bool, failure: Option<&QueryFailure>) {
    match (failure, *failing) {
        (Some(failure), false) => warn!("resourceRules: a query failed: {failure}"),
        (None, true) => info!("resourceRules: the queries are answered again"),
        _ => {}
    }
    *failing = failure.is_some();
}
