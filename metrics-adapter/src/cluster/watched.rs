use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Inventory;
use super::autoscaler::Autoscaler;
use super::shelf::{Key, Shelf};
use super::target::Facts;
use super::templates::{Templates, is_sidecar};
use super::view::{Builder, Containers, Groups, Node, Pod, View};
use crate::clock::Clock;
use crate::config::{Config, PodSettings};
use crate::kubernetes::{self, Connection, Event, Gone, Object, Watch, Watches};
use crate::model::{GroupResource, Labels, Resource};
use crate::reload;

/// What was said waits so long for more, before a view is built of it.
const REST: Duration = Duration::from_millis(100);
/// Building views takes at most this part of the time.
const SHARE: u32 = 10;
const QUEUE: usize = 4096;
/// What answers are made of. Autoscalers are only shown.
const NEEDED: [&str; 7] = ["pods", "nodes", "services", "endpointslices", "replicasets", "deployments", "statefulsets"];

/// What of a cluster is watched.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The namespaces; all, if there is none.
    pub namespaces: Vec<String>,
    /// Whether the nodes are.
    pub nodes: bool,
}

/// Watches a cluster for as long as the process lives.
#[must_use]
pub fn watch_cluster(
    connection: &Connection,
    scope: &Scope,
    watches: &Watches,
    config: watch::Receiver<reload::State<Config>>,
    clock: Clock,
) -> Inventory {
    let (said, hears) = mpsc::channel(QUEUE);
    let start = Start { connection, scope, watches, said };
    start.namespaced(None, Said::Pod);
    start.namespaced(None, Said::Service);
    start.namespaced(Some("kubernetes.io/service-name"), Said::Slice);
    start.namespaced(None, Said::ReplicaSet);
    start.namespaced(None, Said::Deployment);
    start.namespaced(None, Said::StatefulSet);
    start.namespaced(None, Said::Autoscaler);
    if scope.nodes {
        start.one(Api::all(connection.client()), 0, None, "", Said::Node);
    }
    let state = reload::State { value: Arc::new(View::default()), loaded: clock.now().wall, problem: None };
    let (view, viewed) = watch::channel(state);
    let (autoscalers, autoscaled) = watch::channel(Arc::default());
    let synced = Arc::new(AtomicBool::new(false));
    let settings = config.borrow().value.scrape.pods.clone();
    let mut assembler = Assembler {
        state: State::new(&scope.namespaces, usize::from(scope.nodes), settings),
        view,
        autoscalers,
        synced: Arc::clone(&synced),
        clock,
    };
    tokio::spawn(async move { assembler.run(hears, config).await });
    Inventory { targets: viewed, watched: Some(super::Watched { watches: watches.clone(), synced, autoscaled }) }
}

/// What watches say, of which resource, and which of its watches says it.
enum Said {
    Pod(usize, Event<kubernetes::Pod>),
    Node(usize, Event<kubernetes::Node>),
    Service(usize, Event<kubernetes::Service>),
    Slice(usize, Event<kubernetes::EndpointSlice>),
    ReplicaSet(usize, Event<kubernetes::ReplicaSet>),
    Deployment(usize, Event<kubernetes::Deployment>),
    StatefulSet(usize, Event<kubernetes::StatefulSet>),
    Autoscaler(usize, Event<kubernetes::HorizontalPodAutoscaler>),
}

struct Start<'a> {
    connection: &'a Connection,
    scope: &'a Scope,
    watches: &'a Watches,
    said: mpsc::Sender<Said>,
}

impl Start<'_> {
    fn namespaced<K>(&self, labels: Option<&'static str>, said: fn(usize, Event<K>) -> Said)
    where
        K: Object + kube::Resource<Scope = NamespaceResourceScope> + DeserializeOwned,
    {
        if self.scope.namespaces.is_empty() {
            return self.one(Api::all(self.connection.client()), 0, labels, "", said);
        }
        for (place, namespace) in self.scope.namespaces.iter().enumerate() {
            self.one(Api::namespaced(self.connection.client(), namespace), place, labels, namespace, said);
        }
    }

    fn one<K: Object + DeserializeOwned>(
        &self,
        api: Api<K>,
        place: usize,
        labels: Option<&'static str>,
        namespace: &str,
        said: fn(usize, Event<K>) -> Said,
    ) {
        let plural = K::plural(&());
        let name = if namespace.is_empty() { plural.into_owned() } else { format!("{plural} in {namespace}") };
        let watch = Watch { api, labels, fields: None, name, watches: self.watches.clone() };
        let hears = self.said.clone();
        tokio::spawn(watch.run(async move |event| hears.send(said(place, event)).await.map_err(|_| Gone)));
    }
}

/// Puts what watches say together.
struct Assembler {
    state: State,
    view: watch::Sender<reload::State<View>>,
    autoscalers: watch::Sender<Arc<Vec<Autoscaler>>>,
    synced: Arc<AtomicBool>,
    clock: Clock,
}

impl Assembler {
    async fn run(&mut self, mut hears: mpsc::Receiver<Said>, mut config: watch::Receiver<reload::State<Config>>) {
        let mut next = Instant::now();
        let (mut view_changed, mut autoscalers_changed) = (false, false);
        loop {
            let due = (view_changed && self.state.pods.is_complete()) || autoscalers_changed;
            tokio::select! {
                said = hears.recv() => {
                    let Some(said) = said else { return };
                    let changed = if matches!(said, Said::Autoscaler(..)) {
                        &mut autoscalers_changed
                    } else {
                        &mut view_changed
                    };
                    if self.state.take(said) && !std::mem::replace(changed, true) {
                        next = next.max(Instant::now() + REST);
                    }
                }
                Ok(()) = config.changed() => {
                    let settings = config.borrow_and_update().value.scrape.pods.clone();
                    view_changed |= self.state.choose(settings);
                }
                () = sleep_until(next), if due => {
                    let began = Instant::now();
                    if std::mem::take(&mut view_changed) {
                        self.publish();
                    }
                    if std::mem::take(&mut autoscalers_changed) {
                        let all = self.state.autoscalers.iter().map(|(_, autoscaler)| autoscaler.clone()).collect();
                        self.autoscalers.send_replace(Arc::new(all));
                    }
                    next = Instant::now() + REST.max(began.elapsed() * SHARE);
                }
            }
        }
    }

    fn publish(&self) {
        let view = tokio::task::block_in_place(|| self.state.build());
        let loaded = self.clock.now().wall;
        self.view.send_replace(reload::State { value: Arc::new(view), loaded, problem: None });
        if self.state.is_complete() {
            self.synced.store(true, Ordering::Release);
        }
    }
}

/// What is known of a cluster.
struct State {
    /// The namespaces; all, if there is none.
    namespaces: Arc<[String]>,
    settings: PodSettings,
    pods: Shelf<PodEntry>,
    containers: Templates,
    nodes: Shelf<NodeEntry>,
    services: Shelf<Labels>,
    slices: Shelf<Slice>,
    replica_sets: Shelf<(Labels, Option<Owner>)>,
    deployments: Shelf<Labels>,
    stateful_sets: Shelf<Labels>,
    autoscalers: Shelf<Autoscaler>,
}

type Owner = (GroupResource, Arc<str>);

struct PodEntry {
    uid: Box<str>,
    facts: Facts,
    owner: Option<Owner>,
    running: Running,
    pod: Arc<Pod>,
}

/// How a pod runs.
#[derive(Clone, PartialEq)]
struct Running {
    node: Option<Arc<str>>,
    ready: bool,
    containers: Containers,
}

/// What a pod is made of decides; the pod follows from it.
impl PartialEq for PodEntry {
    fn eq(&self, other: &Self) -> bool {
        (&self.uid, &self.facts, &self.owner, &self.running) == (&other.uid, &other.facts, &other.owner, &other.running)
    }
}

#[derive(PartialEq)]
struct NodeEntry {
    labels: Labels,
    addresses: Vec<(String, String)>,
    kubelet_port: Option<u16>,
}

#[derive(PartialEq)]
struct Slice {
    service: Arc<str>,
    pods: Box<[Arc<str>]>,
}

impl State {
    fn new(namespaces: &[String], node_views: usize, settings: PodSettings) -> Self {
        let views = namespaces.len().max(1);
        Self {
            namespaces: namespaces.into(),
            settings,
            pods: Shelf::new(views),
            containers: Templates::default(),
            nodes: Shelf::new(node_views),
            services: Shelf::new(views),
            slices: Shelf::new(views),
            replica_sets: Shelf::new(views),
            deployments: Shelf::new(views),
            stateful_sets: Shelf::new(views),
            autoscalers: Shelf::new(views),
        }
    }

    /// Whether all is known that answers are made of.
    fn is_complete(&self) -> bool {
        self.pods.is_complete()
            && self.nodes.is_complete()
            && self.services.is_complete()
            && self.slices.is_complete()
            && self.replica_sets.is_complete()
            && self.deployments.is_complete()
            && self.stateful_sets.is_complete()
    }

    fn take(&mut self, said: Said) -> bool {
        let (settings, containers) = (&self.settings, &mut self.containers);
        match said {
            Said::Pod(watch, event) => {
                self.pods.take(watch, event, |key, pod| pod_entry(key, pod, settings, containers))
            }
            Said::Node(watch, event) => self.nodes.take(watch, event, |_, node| Some(node_entry(node))),
            Said::Service(watch, event) => self.services.take(watch, event, |_, own| Some(labels(own.metadata))),
            Said::Slice(watch, event) => self.slices.take(watch, event, |_, own| slice(own)),
            Said::ReplicaSet(watch, event) => self.replica_sets.take(watch, event, |_, own| {
                let owner = owner(&own.metadata);
                Some((labels(own.metadata), owner))
            }),
            Said::Deployment(watch, event) => self.deployments.take(watch, event, |_, own| Some(labels(own.metadata))),
            Said::StatefulSet(watch, event) => {
                self.stateful_sets.take(watch, event, |_, own| Some(labels(own.metadata)))
            }
            Said::Autoscaler(watch, event) => {
                self.autoscalers.take(watch, event, |key, own| Some(Autoscaler::of(key, own)))
            }
        }
    }

    /// Goes on with other settings. Whether they are others.
    fn choose(&mut self, settings: PodSettings) -> bool {
        if settings == self.settings {
            return false;
        }
        for (key, entry) in self.pods.iter_mut() {
            entry.pod = Arc::new(pod(key, &entry.uid, &entry.facts, entry.running.clone(), &settings));
        }
        self.settings = settings;
        true
    }

    fn build(&self) -> View {
        let mut builder = Builder::within(Arc::clone(&self.namespaces));
        let known = |kind: &str| Resource::of_kind(kind);
        let mut services: HashMap<(&str, &str), Vec<Arc<str>>> = HashMap::new();
        for ((namespace, _), slice) in self.slices.iter() {
            for pod in &slice.pods {
                services.entry((namespace, pod)).or_default().push(Arc::clone(&slice.service));
            }
        }
        for (key, entry) in self.pods.iter() {
            let mut groups: Groups = Vec::new();
            groups.extend(known("Node").zip(entry.pod.node.clone()));
            if let Some((resource, name)) = &entry.owner {
                groups.push((resource, Arc::clone(name)));
                if resource.kind == "ReplicaSet" {
                    let set = self.replica_sets.get(&(Arc::clone(&key.0), Arc::clone(name)));
                    groups.extend(set.and_then(|(_, owner)| owner.clone()));
                }
            }
            let own = services.remove(&(&*key.0, &*key.1)).unwrap_or_default();
            groups.extend(own.into_iter().filter_map(|name| known("Service").map(|service| (service, name))));
            builder.pod(Arc::clone(&entry.pod), groups);
        }
        let sets = self.replica_sets.iter().map(|(key, (labels, _))| (key, labels));
        let mut objects = |kind: &str, all: &mut dyn Iterator<Item = (&Key, &Labels)>| {
            let Some(resource) = known(kind) else { return };
            for ((namespace, name), labels) in all {
                builder.object(resource, namespace, name, labels.clone());
            }
        };
        objects("Service", &mut self.services.iter());
        objects("ReplicaSet", &mut sets.into_iter());
        objects("Deployment", &mut self.deployments.iter());
        objects("StatefulSet", &mut self.stateful_sets.iter());
        for ((_, name), node) in self.nodes.iter() {
            builder.node(Node {
                name: Arc::clone(name),
                labels: node.labels.clone(),
                addresses: node.addresses.clone(),
                kubelet_port: node.kubelet_port,
            });
        }
        builder.build()
    }
}

fn labels(meta: ObjectMeta) -> Labels {
    meta.labels.unwrap_or_default().into_iter().collect()
}

/// What controls an object, if it is something that metrics are served of.
fn owner(meta: &ObjectMeta) -> Option<Owner> {
    let mut owners = meta.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true))?;
    let resource = Resource::of_kind(&owner.kind)?;
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    (group == resource.group).then(|| (resource, owner.name.as_str().into()))
}

/// What is kept of a pod; nothing, once it has ended.
fn pod_entry(key: &Key, pod: kubernetes::Pod, settings: &PodSettings, containers: &mut Templates) -> Option<PodEntry> {
    let kubernetes::Pod { metadata, spec, status } = pod;
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let owner = owner(&metadata);
    let ready = status.conditions.iter().flatten().any(|own| own.type_ == "Ready" && own.status == "True");
    // One that ends is sent nothing more.
    let ready = ready && metadata.deletion_timestamp.is_none();
    let containers = containers.of(&spec);
    let sidecars = spec.init_containers.unwrap_or_default();
    let sidecars = sidecars.into_iter().filter(is_sidecar);
    let ports = spec.containers.into_iter().chain(sidecars).flat_map(|container| container.ports.unwrap_or_default());
    let ports = ports.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    let ports = ports.filter_map(|port| Some((port.name.map(Into::into), u16::try_from(port.container_port).ok()?)));
    let annotations = metadata.annotations.into_iter().flatten();
    let facts = Facts {
        labels: metadata.labels.into_iter().flatten().collect(),
        annotations: annotations.filter(|(name, _)| name.starts_with("prometheus.io/")).collect(),
        ip: status.pod_ip.filter(|ip| !ip.is_empty()).map(Into::into),
        ports: ports.collect(),
    };
    let uid: Box<str> = metadata.uid.unwrap_or_default().into();
    let node = spec.node_name.filter(|name| !name.is_empty()).map(Into::into);
    let running = Running { node, ready, containers };
    let pod = Arc::new(self::pod(key, &uid, &facts, running.clone(), settings));
    Some(PodEntry { uid, facts, owner, running, pod })
}

fn pod((namespace, name): &Key, uid: &str, facts: &Facts, running: Running, settings: &PodSettings) -> Pod {
    let (target, problem) = match facts.target(namespace, settings) {
        Ok(target) => (target, None),
        Err(problem) => (None, Some(problem)),
    };
    // What listens elsewhere is measured anew.
    let mut hasher = DefaultHasher::new();
    (uid, target.as_ref().map(ToString::to_string)).hash(&mut hasher);
    Pod {
        key: hasher.finish(),
        namespace: Arc::clone(namespace),
        name: Arc::clone(name),
        labels: facts.labels.clone(),
        container: None,
        containers: running.containers,
        ready: running.ready,
        node: running.node,
        target,
        problem,
    }
}

fn node_entry(node: kubernetes::Node) -> NodeEntry {
    let addresses = node.status.addresses.unwrap_or_default().into_iter();
    let endpoint = node.status.daemon_endpoints.and_then(|all| all.kubelet_endpoint);
    NodeEntry {
        labels: labels(node.metadata),
        addresses: addresses.map(|address| (address.type_, address.address)).collect(),
        kubelet_port: endpoint.and_then(|endpoint| u16::try_from(endpoint.port).ok()).filter(|port| *port > 0),
    }
}

/// The pods that answer for a Service, ready or not.
fn slice(slice: kubernetes::EndpointSlice) -> Option<Slice> {
    let mut labels = slice.metadata.labels.unwrap_or_default();
    let service = labels.remove("kubernetes.io/service-name")?.into();
    let refs = slice.endpoints.into_iter().flatten().filter_map(|endpoint| endpoint.target_ref);
    let pods = refs.filter(|own| own.kind.as_deref() == Some("Pod")).filter_map(|own| own.name);
    let mut pods: Vec<Arc<str>> = pods.map(Into::into).collect();
    pods.sort();
    pods.dedup();
    Some(Slice { service, pods: pods.into() })
}

/// Whether a watch tells of what answers are made of.
pub(super) fn is_needed(watch: &str) -> bool {
    NEEDED
        .iter()
        .any(|resource| watch.strip_prefix(resource).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
}
