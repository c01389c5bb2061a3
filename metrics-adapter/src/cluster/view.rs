use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{GroupResource, Labels, PodKey, RESOURCES, Resource};

/// Everything that exists at one moment.
#[derive(Debug, Default)]
pub struct View {
    generation: u64,
    /// Sorted by namespace and name.
    pods: Vec<Arc<Pod>>,
    namespaces: HashMap<Arc<str>, Range<usize>>,
    /// By plural and namespace, which is empty for what is in none.
    objects: HashMap<&'static str, BTreeMap<Arc<str>, ByName>>,
    nodes: Vec<Node>,
    /// The namespaces that are looked at; all, if there is none.
    within: Arc<[String]>,
}

type ByName = BTreeMap<Arc<str>, Object>;

/// A pod.
#[derive(Debug)]
pub struct Pod {
    /// The same for as long as it is the same pod.
    pub key: PodKey,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// The container whose process the target measures; none where kubelets measure containers.
    pub container: Option<Arc<str>>,
    /// The containers that run for as long as it does, sorted: of all of these a kubelet must know what they use.
    pub containers: Containers,
    /// Whether it is ready to serve.
    pub ready: bool,
    /// The node that it runs on, once it does.
    pub node: Option<Arc<str>>,
    /// Where its metrics are.
    pub target: Option<hyper::Uri>,
    /// What keeps it from having a target although it asks for one.
    pub problem: Option<String>,
}

/// Names of containers. Pods of one template share them.
pub type Containers = Arc<[Box<str>]>;

/// What a pod is part of, besides its namespace.
pub type Groups = Vec<(GroupResource, Arc<str>)>;

/// What groups pods: a Service, a Deployment, a Namespace, a Node.
#[derive(Debug)]
pub struct Object {
    /// Its namespace; empty for what is in none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its pods, by their place in the view.
    pods: Vec<usize>,
}

/// A machine.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// Where it can be reached: the type of an address, as `InternalIP`, and the address.
    pub addresses: Vec<(String, String)>,
    /// The port that its kubelet says it listens on.
    pub kubelet_port: Option<u16>,
}

impl View {
    /// Each view has its own number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What to say of a namespace that is not looked at: that there is nothing in it is not known.
    #[must_use]
    pub fn outside(&self, namespace: &str) -> Option<String> {
        let inside = self.within.is_empty() || namespace.is_empty() || self.within.iter().any(|own| own == namespace);
        let which = || format!("namespace {namespace} is not watched: --namespaces names {}", self.within.join(", "));
        (!inside).then(which)
    }

    /// The pods of a namespace, or all, sorted by namespace and name.
    #[must_use]
    pub fn pods(&self, namespace: Option<&str>) -> &[Arc<Pod>] {
        match namespace {
            None => &self.pods,
            Some(namespace) => self.namespaces.get(namespace).map_or(&[], |range| &self.pods[range.clone()]),
        }
    }

    /// One pod.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        let pods = self.pods(Some(namespace));
        pods.binary_search_by(|pod| (*pod.name).cmp(name)).ok().map(|place| &pods[place])
    }

    /// The objects of a resource in a namespace, or in all, sorted by namespace and name. For what is in no
    /// namespace, the namespace is empty.
    pub fn objects(&self, resource: GroupResource, namespace: Option<&str>) -> impl Iterator<Item = &Object> {
        let all = self.objects.get(resource.plural).into_iter().flatten();
        let wanted = all.filter(move |(own, _)| namespace.is_none_or(|namespace| namespace == &***own));
        wanted.flat_map(|(_, objects)| objects.values())
    }

    /// One object.
    #[must_use]
    pub fn object(&self, resource: GroupResource, namespace: &str, name: &str) -> Option<&Object> {
        self.objects.get(resource.plural)?.get(namespace)?.get(name)
    }

    /// The pods of an object.
    pub fn pods_of<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = &'a Arc<Pod>> {
        object.pods.iter().map(|place| &self.pods[*place])
    }

    /// The machines, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

/// Puts a view together.
#[derive(Debug, Default)]
pub struct Builder {
    pods: Vec<(Arc<Pod>, Groups)>,
    labels: HashMap<(&'static str, String, String), Labels>,
    nodes: Vec<Node>,
    within: Arc<[String]>,
}

impl Builder {
    /// Of these namespaces; of all, if there is none.
    #[must_use]
    pub fn within(namespaces: Arc<[String]>) -> Self {
        Self { within: namespaces, ..Self::default() }
    }

    /// Adds a pod, and what it is part of. What is the same as in the view before costs no memory of its own.
    pub fn pod(&mut self, pod: Arc<Pod>, groups: Groups) {
        self.pods.push((pod, groups));
    }

    /// Adds a machine.
    pub fn node(&mut self, node: Node) {
        self.nodes.push(node);
    }

    /// Gives labels to an object, which exists with or without pods.
    pub fn object(&mut self, resource: GroupResource, namespace: &str, name: &str, labels: Labels) {
        self.labels.insert((resource.plural, namespace.to_owned(), name.to_owned()), labels);
    }

    /// The whole.
    #[must_use]
    pub fn build(self) -> View {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let Self { mut pods, labels, mut nodes, within } = self;
        pods.sort_by(|(one, _), (other, _)| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let (pods, groups): (Vec<_>, Vec<_>) = pods.into_iter().unzip();
        let mut view = View { generation, pods, nodes, within, ..View::default() };
        view.group(&groups);
        view.label(labels);
        view
    }
}

impl View {
    fn group(&mut self, groups: &[Groups]) {
        let nodes = self.nodes.iter().map(|node| (Arc::clone(&node.name), node.labels.clone()));
        let nodes = nodes.map(|(name, labels)| (Arc::clone(&name), Object::new("".into(), name, labels)));
        self.objects.entry("nodes").or_default().entry("".into()).or_default().extend(nodes);
        for ((place, pod), groups) in self.pods.iter().enumerate().zip(groups) {
            let range = self.namespaces.entry(Arc::clone(&pod.namespace)).or_insert(place..place);
            range.end = place + 1;
            let own = Resource::of_kind("Namespace").map(|resource| (resource, &pod.namespace));
            for (resource, name) in groups.iter().map(|(resource, name)| (*resource, name)).chain(own) {
                let namespace = if resource.namespaced { Arc::clone(&pod.namespace) } else { "".into() };
                let objects = self.objects.entry(resource.plural).or_default().entry(Arc::clone(&namespace));
                let object = objects.or_default().entry(Arc::clone(name));
                let object = object.or_insert_with(|| Object::new(namespace, Arc::clone(name), Labels::default()));
                // A pod may be named twice as part of the same.
                if object.pods.last() != Some(&place) {
                    object.pods.push(place);
                }
            }
        }
    }

    fn label(&mut self, labels: HashMap<(&'static str, String, String), Labels>) {
        for ((plural, namespace, name), labels) in labels {
            let (namespace, name): (Arc<str>, Arc<str>) = (namespace.into(), name.into());
            let objects = self.objects.entry(plural).or_default().entry(Arc::clone(&namespace)).or_default();
            let object = objects.entry(Arc::clone(&name));
            object.or_insert_with(|| Object::new(namespace, name, Labels::default())).labels = labels;
        }
        debug_assert!(self.objects.keys().all(|plural| RESOURCES.iter().any(|own| own.plural == *plural)));
    }
}

impl Object {
    fn new(namespace: Arc<str>, name: Arc<str>, labels: Labels) -> Self {
        Self { namespace, name, labels, pods: Vec::new() }
    }
}
