use std::fmt;

mod built_in;
mod kinds;

pub use built_in::RESOURCES;
pub use kinds::{DiscoveredResource, Kinds};

/// A resource that metrics are served for, under the names that Kubernetes has for it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The plural, as in paths: `deployments`.
    pub plural: &'static str,
    /// The singular: `deployment`.
    pub singular: &'static str,
    /// Shorter names that kubectl takes: `deploy`.
    pub short_names: &'static [&'static str],
    /// The API group; empty for the core.
    pub group: &'static str,
    /// `apiVersion` of its objects: `apps/v1`.
    pub api_version: &'static str,
    /// `kind` of its objects: `Deployment`.
    pub kind: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

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
        self.plural == "pods" && self.group.is_empty()
    }

    /// Whether this is the resource of namespaces.
    #[must_use]
    pub fn is_namespaces(&self) -> bool {
        self.plural == "namespaces" && self.group.is_empty()
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

/// One of [`RESOURCES`], or of [`Kinds`].
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
