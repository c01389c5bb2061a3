//! The paths of the API server that are about no object.

use serde_json::{Value, json};

use super::resources::{RESOURCES, Resource};
use super::scales;
use super::server::Shared;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// All groups with all of their resources at once, for who accepts that; content type and body.
pub fn aggregated(shared: &Shared, path: &str, accept: &str) -> Option<(&'static str, String)> {
    if !shared.options.aggregated_discovery || !accept.split(',').any(|own| own.trim() == AGGREGATED) {
        return None;
    }
    let items: Vec<Value> = match path.trim_matches('/') {
        "api" => vec![json!({"versions": [aggregated_version("")]})],
        "apis" => {
            let mut groups: Vec<&str> = groups().collect();
            groups.dedup();
            let own = groups
                .into_iter()
                .map(|group| json!({"metadata": {"name": group}, "versions": [aggregated_version(group)]}));
            own.chain(registered(shared)).collect()
        }
        _ => return None,
    };
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    Some((AGGREGATED, list.to_string()))
}

/// Groups of aggregated servers. What they list stays out, as that of a server does which was never reached.
fn registered(shared: &Shared) -> Vec<Value> {
    let services = super::resources::named("apiservices");
    let all = shared.store.lock().unwrap().list(services, "");
    let foreign = all.into_iter().filter(|(_, item)| !item.value["spec"]["service"].is_null());
    let group = |item: &Value| {
        let version = json!({"version": item["spec"]["version"], "freshness": "Stale"});
        json!({"metadata": {"name": item["spec"]["group"]}, "versions": [version]})
    };
    foreign.map(|(_, item)| group(&item.value)).collect()
}

fn aggregated_version(group: &str) -> Value {
    let resources = RESOURCES.iter().filter(|resource| resource.group == group);
    let version = resources.clone().next().map_or("v1", |resource| resource.version);
    let resources: Vec<Value> = resources.map(aggregated_resource).collect();
    json!({"version": version, "resources": resources, "freshness": "Current"})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut subresources = Vec::new();
    for (name, has, response) in [
        ("scale", scales::has(resource), kind("autoscaling", "v1", "Scale")),
        ("status", resource.status, kind("", "", resource.kind)),
    ] {
        if has {
            let verbs = ["get", "patch", "update"];
            subresources.push(json!({"subresource": name, "responseKind": response, "verbs": verbs}));
        }
    }
    let mut entry = json!({
        "resource": resource.name, "responseKind": kind("", "", resource.kind), "verbs": VERBS,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.kind.to_lowercase(),
    });
    let short = short_names(resource.name);
    if !short.is_empty() {
        entry["shortNames"] = json!(short);
    }
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}

fn short_names(resource: &str) -> &'static [&'static str] {
    match resource {
        "pods" => &["po"],
        "nodes" => &["no"],
        "services" => &["svc"],
        "namespaces" => &["ns"],
        "configmaps" => &["cm"],
        "serviceaccounts" => &["sa"],
        "daemonsets" => &["ds"],
        "deployments" => &["deploy"],
        "replicasets" => &["rs"],
        "statefulsets" => &["sts"],
        "horizontalpodautoscalers" => &["hpa"],
        "ingresses" => &["ing"],
        "resourcequotas" => &["quota"],
        "limitranges" => &["limits"],
        "events" => &["ev"],
        "networkpolicies" => &["netpol"],
        "poddisruptionbudgets" => &["pdb"],
        _ => &[],
    }
}

/// Content type and body.
pub fn document(path: &str) -> Option<(&'static str, String)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let document = match segments[..] {
        ["healthz" | "livez" | "readyz"] => return Some(("text/plain; charset=utf-8", "ok".to_owned())),
        ["version"] => json!({
            "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
            "minCompatibilityMinor": "35", "gitVersion": "v1.36.2", "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean", "buildDate": "2026-06-01T00:00:00Z", "goVersion": "go1.26.0", "compiler": "gc",
            "platform": "linux/amd64",
        }),
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
        }),
        ["apis"] => {
            let mut groups: Vec<&str> = groups().collect();
            groups.dedup();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.into_iter().map(group).collect::<Vec<_>>()})
        }
        ["apis", name] if groups().any(|group| group == name) => {
            let mut document = group(name);
            document["kind"] = json!("APIGroup");
            document["apiVersion"] = json!("v1");
            document
        }
        ["api", version] => return resources("", version),
        ["apis", group, version] => return resources(group, version),
        _ => return None,
    };
    Some(("application/json", document.to_string()))
}

fn groups() -> impl Iterator<Item = &'static str> {
    RESOURCES.iter().map(|resource| resource.group).filter(|group| !group.is_empty())
}

fn group(name: &str) -> Value {
    let version = RESOURCES.iter().find(|resource| resource.group == name).map_or("v1", |resource| resource.version);
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str) -> Option<(&'static str, String)> {
    let served = RESOURCES.iter().filter(|resource| resource.group == group && resource.version == version);
    let entries: Vec<Value> = served
        .map(|resource| {
            json!({
                "name": resource.name, "singularName": resource.kind.to_lowercase(), "namespaced": resource.namespaced,
                "kind": resource.kind, "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            })
        })
        .collect();
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": entries});
    (!entries.is_empty()).then(|| ("application/json", list.to_string()))
}
