mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::client::{Client, failure};
use super::pace::Pace;
use super::poll::is_another;
use super::server::{Server, rest};
use crate::clock::Clock;
use crate::cluster::{Inventory, View};
use crate::config::Config;
use crate::kubernetes::Backoff;
use crate::model::{Answer, Kinds, QueryFailure, QueryFailureReason, Question};
use crate::reload;
use crate::rules::{ContainersQuery, QueryProblem, ResourceRule, ResourceRules};
use crate::store::{Answered, NodeUsages, PodUsage, ResourceUsage};

use reading::{Containers, Nodes, Quantity, Read};

/// What HPAs and people look at every 15 s need not be newer.
const SHORTEST: Duration = Duration::from_secs(10);
/// So many of these old, an answer is none any more, if `staleAfter` is less: one may fail, and one may be late.
const PACES: u32 = 3;

/// Asks what pods and nodes use, as `resourceRules` say, whether somebody wants to know or not.
pub(super) struct Usages {
    pub(super) server: Arc<Server>,
    pub(super) config: watch::Receiver<reload::State<Config>>,
    pub(super) kinds: watch::Receiver<Kinds>,
    pub(super) inventory: Inventory,
    pub(super) usage: watch::Sender<Arc<ResourceUsage>>,
    pub(super) clock: Clock,
}

/// A part of what is published, with queries of its own.
trait Part {
    /// As the log calls it.
    const WHAT: &str;
    type Value: Default + Send;

    fn ask(
        usages: &Usages,
        rules: &ResourceRules,
    ) -> impl Future<Output = Result<Read<Self::Value>, QueryFailure>> + Send;

    fn of(usage: &mut ResourceUsage) -> &mut Answered<Self::Value>;
}

struct Pods;

struct OfNodes;

/// A question about the containers of a namespace, or of all.
type AboutContainers = (Option<Arc<str>>, ContainersQuery);

/// The same with its answer.
type OfContainers = (Option<Arc<str>>, ContainersQuery, Answer);

impl Part for Pods {
    const WHAT: &str = "containers";
    type Value = Arc<[PodUsage]>;

    async fn ask(usages: &Usages, rules: &ResourceRules) -> Result<Read<Self::Value>, QueryFailure> {
        let (cpu, memory) = tokio::try_join!(usages.containers(&rules.cpu), usages.containers(&rules.memory))?;
        let mut containers = Containers::default();
        for (quantity, rule, answers) in [(Quantity::Cpu, &rules.cpu, &cpu), (Quantity::Memory, &rules.memory, &memory)]
        {
            for (namespace, query, answer) in answers {
                containers.absorb(quantity, namespace.as_deref(), query, &rule.container_label, answer);
            }
        }
        let answers = cpu.iter().chain(&memory).map(|(.., answer)| answer);
        Ok(Read::of(answers, usages.clock.moment(), |at| containers.into_pods(at, rules.window)))
    }

    fn of(usage: &mut ResourceUsage) -> &mut Answered<Self::Value> {
        &mut usage.pods
    }
}

impl Part for OfNodes {
    const WHAT: &str = "nodes";
    type Value = Arc<NodeUsages>;

    async fn ask(usages: &Usages, rules: &ResourceRules) -> Result<Read<Self::Value>, QueryFailure> {
        let (cpu, memory) = tokio::try_join!(usages.nodes(&rules.cpu), usages.nodes(&rules.memory))?;
        let mut nodes = Nodes::default();
        for (quantity, answered) in [(Quantity::Cpu, &cpu), (Quantity::Memory, &memory)] {
            if let Some((label, answer)) = answered {
                nodes.absorb(quantity, label, answer);
            }
        }
        let answers = cpu.iter().chain(&memory).map(|(_, answer)| answer);
        Ok(Read::of(answers, usages.clock.moment(), |at| nodes.into_usage(at, rules.window)))
    }

    fn of(usage: &mut ResourceUsage) -> &mut Answered<Self::Value> {
        &mut usage.nodes
    }
}

impl Usages {
    /// What is wrong with the queries of pods is no matter of nodes.
    pub(super) async fn run(self) {
        tokio::join!(self.keep::<Pods>(), self.keep::<OfNodes>());
    }

    /// Keeps a part up to date.
    async fn keep<P: Part>(&self) {
        let (mut configs, mut clients) = (self.config.clone(), self.server.clients());
        let mut changes = self.server.changes();
        let mut asked: Option<Arc<Client>> = None;
        let (mut backoff, mut logged) = (Backoff::default(), false);
        let mut pace = Pace::default();
        loop {
            let config = Arc::clone(&configs.borrow_and_update().value);
            let client = clients.borrow_and_update().clone();
            changes.mark_unchanged();
            if config.resource_rules.is_none() || is_another(asked.as_deref(), client.as_deref()) {
                self.publish(|usage| *P::of(usage) = Answered::default());
                pace = Pace::default();
            }
            asked.clone_from(&client);
            let (Some(rules), Some(client)) = (&config.resource_rules, client) else {
                tokio::select! {
                    Ok(()) = configs.changed() => continue,
                    Ok(()) = clients.changed() => continue,
                    else => return,
                }
            };
            let interval = client.settings().interval.max(SHORTEST);
            let outcome = tokio::select! {
                outcome = P::ask(self, rules) => outcome,
                Ok(()) = clients.changed() => continue,
            };
            say(&self.server, P::WHAT, &mut logged, outcome.as_ref().err());
            let failing = outcome.is_err();
            let pause = match outcome {
                Ok(Read { value, at, took }) => {
                    backoff.succeeded();
                    let stale_after = client.settings().stale_after.max(SHORTEST * PACES);
                    let answered = Answered { value, at: Some(at), stale_after, failure: None };
                    self.publish(|usage| *P::of(usage) = answered);
                    pace.after(took, interval, stale_after).saturating_sub(self.clock.moment().since(at))
                }
                Err(failure) => {
                    // What was known stays, and grows old.
                    self.publish(|usage| P::of(usage).failure = Some(failure));
                    self.server.pause().unwrap_or_else(|| backoff.failed())
                }
            };
            tokio::select! {
                () = sleep(pause), if !failing => {}
                () = rest(&mut changes, pause), if failing => {}
                Ok(()) = configs.changed() => {}
                Ok(()) = clients.changed() => {}
            }
        }
    }

    fn publish(&self, change: impl FnOnce(&mut ResourceUsage)) {
        self.usage.send_modify(|usage| {
            let mut next = ResourceUsage::clone(usage);
            change(&mut next);
            *usage = Arc::new(next);
        });
    }

    async fn containers(&self, rule: &ResourceRule) -> Result<Vec<OfContainers>, QueryFailure> {
        let kinds = self.kinds.borrow().clone();
        let asked = questions_of_containers(rule, &kinds, &self.inventory.current()).map_err(wrong)?;
        let answers = try_join_all(asked.iter().map(|(_, query)| self.server.query_again(&query.question))).await?;
        Ok(asked.into_iter().zip(answers).map(|((namespace, query), answer)| (namespace, query, answer)).collect())
    }

    /// The answer, and the label that names nodes in it; none where there is nothing to ask.
    async fn nodes(&self, rule: &ResourceRule) -> Result<Option<(Arc<str>, Answer)>, QueryFailure> {
        let kinds = self.kinds.borrow().clone();
        let Some((question, label)) = question_of_nodes(rule, &kinds, &self.inventory.current()).map_err(wrong)? else {
            return Ok(None);
        };
        Ok(Some((label, self.server.query_again(&question).await?)))
    }
}

/// A failure that lasts is said when it begins and when it ends; that nothing can be asked is said elsewhere.
fn say(server: &Server, what: &str, logged: &mut bool, failure: Option<&QueryFailure>) {
    match failure {
        Some(failure) if !*logged && server.pause().is_none() => {
            warn!("resourceRules: a query for {what} failed: {failure}");
            *logged = true;
        }
        None if std::mem::take(logged) => info!("resourceRules: the queries for {what} are answered again"),
        _ => {}
    }
}

/// One question about all; where that cannot be, one for each namespace, and the namespace.
fn questions_of_containers(
    rule: &ResourceRule,
    kinds: &Kinds,
    view: &View,
) -> Result<Vec<AboutContainers>, QueryProblem> {
    if let Some(query) = rule.containers(kinds)? {
        return Ok(vec![(None, query)]);
    }
    let mut names: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
    for pod in view.pods(None) {
        names.entry(&pod.namespace).or_default().push(&pod.name);
    }
    let asked = names.into_iter().map(|(namespace, pods)| {
        let query = rule.containers_of(kinds, namespace, &pods)?;
        Ok((Some(Arc::clone(namespace)), query))
    });
    asked.collect()
}

/// The question about all nodes and the label that names them; none where it must name each, and there is none.
fn question_of_nodes(
    rule: &ResourceRule,
    kinds: &Kinds,
    view: &View,
) -> Result<Option<(Question, Arc<str>)>, QueryProblem> {
    if let Some(query) = rule.nodes(kinds)? {
        return Ok(Some(query));
    }
    let names: Vec<&str> = view.nodes().iter().map(|node| &*node.name).collect();
    if names.is_empty() { Ok(None) } else { rule.nodes_named(kinds, &names).map(Some) }
}

fn wrong(QueryProblem(problem): QueryProblem) -> QueryFailure {
    failure(QueryFailureReason::Refused, problem)
}
