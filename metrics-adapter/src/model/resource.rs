use std::fmt;

/// A resource that metrics are served for, under the names that Kubernetes has for it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The plural, as in paths: `deployments`.
    pub plural: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// `apiVersion` of its objects: `apps/v1`.
    pub api_version: &'static str,
    /// `kind` of its objects: `Deployment`.
    pub kind: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

macro_rules! resources {
    ($($plural:literal $group:literal $api_version:literal $kind:literal $namespaced:literal)+) => {
        &[$(Resource { plural: $plural, group: $group, api_version: $api_version, kind: $kind, namespaced: $namespaced }),+]
    };
}

/// Every resource that metrics can be asked for: pods themselves, and what groups them. Sorted by the
/// name under which discovery lists them.
pub const RESOURCES: &[Resource] = resources! {
    "daemonsets"   "apps"              "apps/v1"              "DaemonSet"   true
    "deployments"  "apps"              "apps/v1"              "Deployment"  true
    "ingresses"    "networking.k8s.io" "networking.k8s.io/v1" "Ingress"     true
    "jobs"         "batch"             "batch/v1"             "Job"         true
    "namespaces"   ""                  "v1"                   "Namespace"   false
    "nodes"        ""                  "v1"                   "Node"        false
    "pods"         ""                  "v1"                   "Pod"         true
    "replicasets"  "apps"              "apps/v1"              "ReplicaSet"  true
    "services"     ""                  "v1"                   "Service"     true
    "statefulsets" "apps"              "apps/v1"              "StatefulSet" true
};

impl Resource {
    /// The resource that a path names: `services`, `deployments.apps`, or `deployments` alone, since no
    /// two of them share a plural.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let (plural, group) = name.split_once('.').map_or((name, None), |(plural, group)| (plural, Some(group)));
        RESOURCES.iter().find(|own| own.plural == plural && group.is_none_or(|group| group == own.group))
    }

    /// The resource of a kind that has its objects, as in an owner reference.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|own| own.kind == kind)
    }

    /// Whether this is the resource of pods.
    #[must_use]
    pub fn is_pods(&self) -> bool {
        self.plural == "pods"
    }
}

/// As in paths and messages: `services`, `deployments.apps`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => f.write_str(self.plural),
            group => write!(f, "{}.{group}", self.plural),
        }
    }
}

/// Every resource that is known: those of Kubernetes itself, and those that a cluster has besides. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Kinds {}

impl Kinds {
    /// The resource of that name, in singular, plural or short, of a group; an empty group is the core or, if the core has
    /// no such resource, any.
    #[must_use]
    pub fn find(&self, _group: &str, name: &str) -> Option<GroupResource> {
        Resource::named(name)
    }

    /// The resource that a path names: `services`, `deployments.apps`, `widgets.example.com`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<GroupResource> {
        Resource::named(name)
    }
}

/// One of [`RESOURCES`].
pub type GroupResource = &'static Resource;

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectReference<'a> {
    /// What it is.
    pub resource: GroupResource,
    /// Where it is; empty for what is in no namespace.
    pub namespace: &'a str,
    /// What it is called.
    pub name: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_found_by_its_plural_with_or_without_its_group() {
        for (name, kind) in [
            ("pods", "Pod"),
            ("deployments.apps", "Deployment"),
            ("deployments", "Deployment"),
            ("ingresses.networking.k8s.io", "Ingress"),
        ] {
            assert_eq!(Resource::named(name).unwrap().kind, kind);
        }
        for name in ["widgets", "deployments.extensions", "pods.apps", "", "pod", "deployments."] {
            assert_eq!(Resource::named(name), None, "{name}");
        }
        assert_eq!(Resource::of_kind("StatefulSet").unwrap().to_string(), "statefulsets.apps");
    }

    #[test]
    fn no_two_resources_share_a_plural() {
        for pair in RESOURCES.windows(2) {
            assert!(pair[0].plural < pair[1].plural, "{} before {}", pair[0], pair[1]);
        }
    }
}
