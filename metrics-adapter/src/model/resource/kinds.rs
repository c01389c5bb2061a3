use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::built_in::{OTHERS, RESOURCES};
use super::{GroupResource, Resource};

/// Resources live as long as the process, so that each is one pointer everywhere. A cluster has some hundreds; what makes
/// definitions without end must not make memory without end.
const MOST_DISCOVERED: usize = 5_000;
/// Where several groups have a resource of a name, the first of these is meant.
const FIRST_GROUPS: [&str; 6] = ["", "apps", "batch", "autoscaling", "networking.k8s.io", "policy"];
/// And these are meant last: what they have is somewhere else as well.
const LAST_GROUPS: [&str; 4] = ["extensions", "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"];

/// A resource as a cluster's discovery describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DiscoveredResource {
    /// The plural, as in paths.
    pub plural: String,
    /// The singular; where it is empty, the kind in lower case.
    pub singular: String,
    /// Shorter names that kubectl takes.
    pub short_names: Vec<String>,
    /// The API group; empty for the core.
    pub group: String,
    /// The version that the API server prefers: `v1`.
    pub version: String,
    /// `kind` of its objects.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// Every resource that is known: those of Kubernetes itself, and those that a cluster has besides. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Kinds(Arc<Table>);

#[derive(Debug)]
struct Table {
    /// Those that are meant first come first.
    resources: Vec<GroupResource>,
    /// By plural and by singular, in lower case, in that order.
    names: HashMap<&'static str, Vec<GroupResource>>,
    short_names: HashMap<&'static str, GroupResource>,
    left_out: usize,
}

/// What Kubernetes itself has.
impl Default for Kinds {
    fn default() -> Self {
        static BUILT_IN: LazyLock<Kinds> = LazyLock::new(|| Kinds(Arc::new(Table::of(built_in().collect(), 0))));
        BUILT_IN.clone()
    }
}

fn built_in() -> impl Iterator<Item = GroupResource> {
    RESOURCES.iter().chain(OTHERS)
}

impl Kinds {
    /// What Kubernetes itself has, and what a cluster has besides, in the order of its discovery.
    #[must_use]
    pub fn with(discovered: impl IntoIterator<Item = DiscoveredResource>) -> Self {
        let mut resources: Vec<GroupResource> = built_in().collect();
        let mut known: HashSet<(&str, &str)> = resources.iter().map(|own| (own.group, own.plural)).collect();
        let mut left_out = 0;
        for description in discovered {
            if known.contains(&(description.group.as_str(), description.plural.as_str())) {
                continue;
            }
            match intern(description) {
                Some(resource) => {
                    known.insert((resource.group, resource.plural));
                    resources.push(resource);
                }
                None => left_out += 1,
            }
        }
        Self(Arc::new(Table::of(resources, left_out)))
    }

    /// How many resources of the cluster are not known, because there are more than anybody has.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.0.left_out
    }

    /// The resource of that name, in singular, plural or short, of a group; an empty group is the core or, if the core has
    /// no such resource, any. A group that does not exist is the beginning of one: `storage` is `storage.k8s.io`.
    #[must_use]
    pub fn find(&self, group: &str, name: &str) -> Option<GroupResource> {
        let (group, name) = (group.to_ascii_lowercase(), name.to_ascii_lowercase());
        self.long(&group, &name).or_else(|| {
            let short = self.0.short_names.get(name.as_str()).copied();
            short.filter(|own| own.group.starts_with(&group))
        })
    }

    /// The resource that a path names: `services`, `deployments.apps`, `widgets.example.com`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<GroupResource> {
        let name = name.to_ascii_lowercase();
        match name.split_once('.') {
            None => self.long("", &name),
            Some((_, "")) => None,
            Some((name, group)) => self.long(group, name),
        }
    }

    fn long(&self, group: &str, name: &str) -> Option<GroupResource> {
        let named = self.0.names.get(name)?;
        let exact = named.iter().find(|own| own.group == group);
        exact.or_else(|| named.iter().find(|own| own.group.starts_with(group))).copied()
    }

    /// The name that is most like one that no resource has, if one is.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        let name = name.to_ascii_lowercase();
        let distances = self.0.names.keys().map(|known| (strsim::damerau_levenshtein(known, &name), *known));
        let (distance, nearest) = distances.min()?;
        (distance <= 1 + nearest.len() / 4).then_some(nearest)
    }

    /// All of them; those that are meant first come first.
    pub fn iter(&self) -> impl Iterator<Item = GroupResource> {
        self.0.resources.iter().copied()
    }
}

impl Table {
    fn of(mut resources: Vec<GroupResource>, left_out: usize) -> Self {
        resources.sort_by_key(|own| rank(own.group));
        let mut names: HashMap<&str, Vec<GroupResource>> = HashMap::new();
        let mut short_names = HashMap::new();
        for own in &resources {
            names.entry(own.plural).or_default().push(own);
            if own.singular != own.plural {
                names.entry(own.singular).or_default().push(own);
            }
            for short in own.short_names {
                short_names.entry(*short).or_insert(*own);
            }
        }
        Self { resources, names, short_names, left_out }
    }
}

fn rank(group: &str) -> usize {
    let first = FIRST_GROUPS.iter().position(|own| *own == group);
    first.unwrap_or(FIRST_GROUPS.len() + usize::from(LAST_GROUPS.contains(&group)))
}

/// The one resource of that description.
fn intern(description: DiscoveredResource) -> Option<GroupResource> {
    static KNOWN: LazyLock<Mutex<HashMap<DiscoveredResource, GroupResource>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(resource) = known.get(&description) {
        return Some(resource);
    }
    if known.len() >= MOST_DISCOVERED {
        return None;
    }
    let resource = leak(description.clone());
    known.insert(description, resource);
    Some(resource)
}

fn leak(description: DiscoveredResource) -> GroupResource {
    let DiscoveredResource { plural, singular, short_names, group, version, kind, namespaced } = description;
    let singular = if singular.is_empty() { kind.to_ascii_lowercase() } else { singular };
    let api_version = if group.is_empty() { version } else { format!("{group}/{version}") };
    let short_names: Vec<&'static str> = short_names.into_iter().map(|name| &*name.leak()).collect();
    Box::leak(Box::new(Resource {
        plural: plural.leak(),
        singular: singular.leak(),
        short_names: short_names.leak(),
        group: group.leak(),
        api_version: api_version.leak(),
        kind: kind.leak(),
        namespaced,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widget(group: &str, plural: &str) -> DiscoveredResource {
        DiscoveredResource {
            plural: plural.to_owned(),
            singular: String::new(),
            short_names: vec!["wd".to_owned()],
            group: group.to_owned(),
            version: "v1alpha1".to_owned(),
            kind: "Widget".to_owned(),
            namespaced: true,
        }
    }

    #[test]
    fn a_resource_is_found_as_kubernetes_clients_find_it() {
        let kinds = Kinds::default();
        let table = [
            ("", "pod", "pods"),
            ("", "Pods", "pods"),
            ("", "deployment", "deployments.apps"),
            ("apps", "deployments", "deployments.apps"),
            ("networking.k8s.io", "ingress", "ingresses.networking.k8s.io"),
            ("networking", "ingress", "ingresses.networking.k8s.io"),
            ("storage", "storageclass", "storageclasses.storage.k8s.io"),
            ("", "event", "events"),
            ("events", "event", "events.events.k8s.io"),
            ("", "endpoints", "endpoints"),
            ("", "hpa", "horizontalpodautoscalers.autoscaling"),
            ("", "po", "pods"),
            ("", "pvc", "persistentvolumeclaims"),
            ("", "networkpolicy", "networkpolicies.networking.k8s.io"),
        ];
        for (group, name, found) in table {
            assert_eq!(kinds.find(group, name).map(ToString::to_string).as_deref(), Some(found), "{group} {name}");
        }
        for (group, name) in [("", "endpoint"), ("extensions", "ingress"), ("apps", "pods"), ("", ""), ("", "brand")] {
            assert_eq!(kinds.find(group, name), None, "{group} {name}");
        }
    }

    #[test]
    fn a_path_names_a_resource_with_or_without_its_group_but_never_in_short() {
        let kinds = Kinds::with([widget("example.com", "widgets")]);
        for (name, found) in [
            ("pods", "pods"),
            ("pod", "pods"),
            ("deployments", "deployments.apps"),
            ("deployment.apps", "deployments.apps"),
            ("ingresses.networking.k8s.io", "ingresses.networking.k8s.io"),
            ("widgets.example.com", "widgets.example.com"),
        ] {
            assert_eq!(kinds.named(name).map(ToString::to_string).as_deref(), Some(found), "{name}");
        }
        for name in ["po", "pods.apps", "widgets.example.org", "deployments.", ".apps", ""] {
            assert_eq!(kinds.named(name), None, "{name}");
        }
    }

    #[test]
    fn what_a_cluster_has_besides_is_found_and_is_one_resource_for_ever() {
        let described = || [widget("example.com", "widgets"), widget("apps", "deployments")];
        let (kinds, again) = (Kinds::with(described()), Kinds::with(described()));
        let found = kinds.find("", "widget").unwrap();
        assert!(std::ptr::eq(found, again.find("example.com", "wd").unwrap()));
        assert_eq!((found.api_version, found.singular), ("example.com/v1alpha1", "widget"));
        assert_eq!(kinds.named("deployments"), Resource::named("deployments"), "Kubernetes' own stay as they are");
        assert_eq!(Kinds::default().find("", "widget"), None);
    }

    #[test]
    fn the_core_and_its_nearest_groups_are_meant_before_others() {
        let kinds = Kinds::with([
            widget("metrics.k8s.io", "pods"),
            widget("extensions", "gadgets"),
            widget("acme.example.com", "gadgets"),
        ]);
        assert_eq!(kinds.named("pods"), Resource::named("pods"));
        assert_eq!(kinds.named("gadgets").unwrap().group, "acme.example.com");
    }

    #[test]
    fn the_resources_of_scraped_metrics_are_among_them() {
        for own in RESOURCES {
            assert_eq!(Kinds::default().find(own.group, own.singular), Some(own));
        }
        assert_eq!(Kinds::default().nearest("namespaec"), Some("namespace"));
        assert_eq!(Kinds::default().nearest("brand"), None);
    }
}
