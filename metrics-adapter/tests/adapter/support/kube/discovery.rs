//! The paths of the API server that are about no object.

use serde_json::{Value, json};

use super::resources::RESOURCES;

/// Content type and body.
pub(crate) fn document(path: &str) -> Option<(&'static str, String)> {
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
