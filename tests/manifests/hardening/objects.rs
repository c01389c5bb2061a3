//! What holds for every object.

use serde_json::Value;
use stack::workloads::{Workload, each, entries, kind, namespace};

use super::{API, Check, DB, Rule, TRAEFIK};
use crate::references::World;

/// Kinds that belong to the whole and to no part of it.
const OF_ALL: [&str; 3] = ["Namespace", "ResourceQuota", "LimitRange"];
/// Kinds that are in no namespace.
const OF_THE_CLUSTER: [&str; 6] =
    ["Namespace", "ClusterRole", "ClusterRoleBinding", "IngressClass", "APIService", "PriorityClass"];
/// Fields that Kubernetes has deprecated, anywhere in an object.
const DEPRECATED: [&str; 7] = [
    "externalIPs",
    "loadBalancerIP",
    "serviceAccount",
    "clusterName",
    "targetCPUUtilizationPercentage",
    "rollbackTo",
    "gitRepo",
];
/// What annotations, node labels and keys said before fields did.
const OLD_NAMES: [&str; 6] = [
    "kubernetes.io/ingress.class",
    "seccomp.security.alpha.kubernetes.io",
    "container.apparmor.security.beta.kubernetes.io",
    "scheduler.alpha.kubernetes.io",
    "beta.kubernetes.io/",
    "failure-domain.beta.kubernetes.io/",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "says-what-it-is",
        why: "`kubectl get all -l app.kubernetes.io/part-of=conduit` has to find it, and the name whose it is.",
        check: Check::Object(labels),
        breaks: &[
            ("Service real-world/db", "/metadata/labels/app.kubernetes.io~1part-of", ""),
            ("ConfigMap real-world/traefik", "/metadata/labels/app.kubernetes.io~1component", ""),
            ("Namespace real-world", "/metadata/labels/app.kubernetes.io~1part-of", "\"other\""),
        ],
    },
    Rule {
        name: "pods-say-what-they-are",
        why: "Pods are what is looked for by label when something is wrong.",
        check: Check::Pods(|_, workload| missing(workload.labels(), &["name", "component", "part-of"])),
        breaks: &[(DB, "/spec/template/metadata/labels/app.kubernetes.io~1name", "")],
    },
    Rule {
        name: "selects-what-never-changes",
        why: "A selector cannot be changed: a version in it means to delete and begin again.",
        check: Check::Pods(stable),
        breaks: &[
            (API, "/spec/selector/matchLabels/app.kubernetes.io~1version", "\"1.0.0\""),
            (TRAEFIK, "/spec/selector/matchLabels", "{\"helm.sh/chart\": \"traefik\"}"),
        ],
    },
    Rule {
        name: "says-its-namespace",
        why: "Applied with another context it would land anywhere.",
        check: Check::Object(|_, object| {
            let cluster = OF_THE_CLUSTER.contains(&kind(object));
            match (cluster, namespace(object)) {
                (false, "" | "default") => vec!["it names no namespace of its own".to_owned()],
                (true, space) if !space.is_empty() => vec![format!("a {} is in no namespace", kind(object))],
                _ => Vec::new(),
            }
        }),
        breaks: &[
            ("Service real-world/db", "/metadata/namespace", ""),
            ("ConfigMap real-world/traefik", "/metadata/namespace", "\"default\""),
            ("IngressClass traefik", "/metadata/namespace", "\"real-world\""),
        ],
    },
    Rule {
        name: "nothing-deprecated",
        why: "What is deprecated is gone some day, and an upgrade is a bad day to hear of it.",
        check: Check::Object(|_, object| {
            let mut found = Vec::new();
            deprecated(object, "", &mut found);
            found
        }),
        breaks: &[
            ("Service real-world/traefik-ingress-service", "/spec/externalIPs", "[\"10.0.0.1\"]"),
            ("Service real-world/traefik-ingress-service", "/spec/loadBalancerIP", "\"10.0.0.1\""),
            (API, "/spec/template/spec/serviceAccount", "\"real-world\""),
            (
                "Ingress real-world/traefik-web-ui",
                "/metadata/annotations",
                "{\"kubernetes.io/ingress.class\": \"traefik\"}",
            ),
            (DB, "/spec/template/spec/nodeSelector", "{\"beta.kubernetes.io/os\": \"linux\"}"),
            ("PodDisruptionBudget real-world/real-world", "/apiVersion", "\"policy/v1beta1\""),
        ],
    },
    Rule {
        name: "links-only-where-read",
        why: "A variable for each Service of the namespace is noise, and some of it is read by mistake, as DB_PORT.",
        check: Check::Pods(|_, workload| {
            let linked = workload.spec()["enableServiceLinks"] != false;
            if linked { vec!["it gets a variable for each Service".to_owned()] } else { Vec::new() }
        }),
        breaks: &[
            (DB, "/spec/template/spec/enableServiceLinks", ""),
            (TRAEFIK, "/spec/template/spec/enableServiceLinks", "true"),
        ],
    },
];

fn missing(labels: &Value, wanted: &[&str]) -> Vec<String> {
    let valid = |value: &str| {
        let inside = value.trim_matches(|c: char| c.is_ascii_alphanumeric());
        !value.is_empty() && value.len() <= 63 && inside.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let label = |name: &str| labels[format!("app.kubernetes.io/{name}")].as_str().unwrap_or_default();
    let absent = wanted.iter().filter(|name| !valid(label(name)));
    let mut problems: Vec<String> = absent.map(|name| format!("it has no label app.kubernetes.io/{name}")).collect();
    if wanted.contains(&"part-of") && !["", "conduit"].contains(&label("part-of")) {
        problems.push(format!("it is part of {}", label("part-of")));
    }
    problems
}

fn labels(_: &World<'_>, object: &Value) -> Vec<String> {
    let wanted: &[&str] = if OF_ALL.contains(&kind(object)) { &["part-of"] } else { &["name", "component", "part-of"] };
    missing(&object["metadata"]["labels"], wanted)
}

fn stable(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let selector = &workload.0["spec"]["selector"];
    let labels = entries(&selector["matchLabels"]).map(|(label, _)| label);
    let named = each(&selector["matchExpressions"]).filter_map(|one| one["key"].as_str());
    let known = ["k8s-app", "app.kubernetes.io/name"];
    labels.chain(named).filter(|label| !known.contains(label)).map(|label| format!("it selects by {label}")).collect()
}

fn deprecated(value: &Value, place: &str, found: &mut Vec<String>) {
    if place == ".apiVersion" && value.as_str().is_some_and(|text| text.contains("alpha") || text.contains("beta")) {
        found.push(format!("its version is {value}"));
    }
    for (key, inner) in entries(value) {
        let place = format!("{place}.{key}");
        if DEPRECATED.contains(&key) || OLD_NAMES.iter().any(|old| key.contains(old)) {
            found.push(format!("{place} is deprecated"));
        }
        deprecated(inner, &place, found);
    }
    for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
        deprecated(inner, &format!("{place}[{number}]"), found);
    }
}
