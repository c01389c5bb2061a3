use serde_json::Value;

use super::look::{annotation, label, list, name, text};
use super::marks::{ADAPTER, KEPT_BY, MADE_BY, MAKER, PART_OF, STACK};
use super::{Kubectl, KubectlError};

/// What runs, what keeps data, and what is secret.
const KINDS: &str = "deployments,statefulsets,daemonsets,jobs,pods,persistentvolumeclaims,secrets";
/// Not every API server has them.
const REPEATED: &str = "cronjobs.batch";
/// What the walkthrough has a person make by hand, and what a controller makes for the stack's own volumes.
const BY_HAND: [&str; 6] = [
    "real-world-secret",
    "db-secret",
    "traefik-dashboard",
    "traefik-dashboard-login",
    "data-db-0",
    "data-prometheus-0",
];

/// Whether a namespace goes with all that is in it: it was made for the stack, or nothing in it is somebody else's. Its
/// label alone says little: whoever applies a manifest over a namespace that is there writes it.
pub(super) async fn is_whole(kubectl: &Kubectl, namespace: &Value) -> Result<bool, KubectlError> {
    if label(namespace, PART_OF) != STACK {
        return Ok(false);
    }
    if annotation(namespace, MADE_BY) == MAKER {
        return Ok(true);
    }
    let flag = format!("--namespace={}", name(namespace));
    for kinds in [KINDS, REPEATED] {
        let found = match kubectl.json(&["get", kinds, &flag]).await {
            Err(KubectlError::Refused { said, .. }) if said.contains("doesn't have a resource type") => continue,
            found => found?,
        };
        if list(&found, "/items").iter().any(|object| !is_ours(object)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_ours(object: &Value) -> bool {
    label(object, PART_OF) == STACK
        || label(object, KEPT_BY) == ADAPTER
        || !list(object, "/metadata/ownerReferences").is_empty()
        || text(object, "/type") == "kubernetes.io/service-account-token"
        || BY_HAND.contains(&name(object))
}
