//! What there is: the documents by which clients find the APIs.
//!
//! They are made from the configuration and from what Prometheus listed last, and answered at once, whatever sources do. They are never
//! empty: clients warn at each command of a group that has no resource.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Api;
use super::answer::document;
use super::failure::Failure;
use super::negotiate::{Clause, choose};
use crate::lookup;
use crate::model::RESOURCES;

/// Groups with their versions, the preferred one first.
const GROUPS: [(&str, &[&str]); 3] = [
    ("metrics.k8s.io", &["v1beta1"]),
    ("custom.metrics.k8s.io", &["v1beta2", "v1beta1"]),
    ("external.metrics.k8s.io", &["v1beta1"]),
];

const JSON: &str = "application/json";
const AGGREGATED_V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const AGGREGATED_V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// What is served of them.
fn offered(api: &Api) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let all = GROUPS.into_iter();
    let resource_metrics = api.resource_metrics;
    all.filter(move |(group, _)| *group != "metrics.k8s.io" || resource_metrics)
}

/// A resource of a group version, as both kinds of discovery describe it.
struct Entry {
    name: String,
    /// Other names by which kubectl finds it.
    singular: &'static str,
    namespaced: bool,
    kind: &'static str,
    verbs: &'static [&'static str],
}

fn entries(group: &str, api: &Api) -> Vec<Entry> {
    let of = |name: String, namespaced, kind, verbs| Entry { name, singular: "", namespaced, kind, verbs };
    let catalog = api.facts.catalog.current();
    match group {
        "metrics.k8s.io" => {
            let verbs = &["get", "list"];
            vec![of("nodes".to_owned(), false, "NodeMetrics", verbs), of("pods".to_owned(), true, "PodMetrics", verbs)]
        }
        "custom.metrics.k8s.io" => {
            let mut offered = lookup::offered(&api.facts.store.current().config, &catalog);
            if offered.is_empty() {
                let none = || "no_metric_is_configured".to_owned();
                offered.extend(RESOURCES.iter().map(|own| (own, own.namespaced, none())));
            }
            let metrics = offered.into_iter();
            metrics
                .map(|(own, namespaced, metric)| of(format!("{own}/{metric}"), namespaced, "MetricValueList", &["get"]))
                .collect()
        }
        _ => {
            let mut names = lookup::offered_external(&catalog);
            if names.is_empty() {
                names.push("externalmetrics".to_owned());
            }
            names.into_iter().map(|name| of(name, true, "ExternalMetricValueList", &["get"])).collect()
        }
    }
}

/// `/apis`
pub(super) async fn groups(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Failure> {
    let offer = |clause: &Clause<'_>| match clause.media_type {
        JSON if clause.has("g", "apidiscovery.k8s.io") && clause.has("as", "APIGroupDiscoveryList") => {
            let versions = [("v2", AGGREGATED_V2), ("v2beta1", AGGREGATED_V2BETA1)];
            versions.into_iter().find(|(version, _)| clause.has("v", version)).map(|(_, content_type)| content_type)
        }
        JSON | "application/*" | "*/*" if !clause.transforms() => Some(JSON),
        _ => None,
    };
    let content_type = choose(&headers, offer)?;
    let body = match content_type {
        AGGREGATED_V2 => aggregated(&api, "v2"),
        AGGREGATED_V2BETA1 => aggregated(&api, "v2beta1"),
        _ => json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": offered(&api).map(|(name, versions)| group_document(name, versions)).collect::<Vec<_>>(),
        }),
    };
    Ok(document(&headers, body.to_string().into_bytes(), content_type))
}

fn group_document(name: &str, versions: &[&str]) -> Value {
    let all: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": all, "preferredVersion": all.first()})
}

fn aggregated(api: &Api, version: &str) -> Value {
    let items = offered(api).map(|(group, versions)| {
        let resources = aggregated_resources(&entries(group, api));
        let versions: Vec<Value> = versions
            .iter()
            .map(|version| json!({"version": version, "resources": resources, "freshness": "Current"}))
            .collect();
        json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
    });
    let api_version = format!("apidiscovery.k8s.io/{version}");
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items.collect::<Vec<_>>()})
}

/// A metric is listed under the resource that it is of, which is no resource of this group itself.
fn aggregated_resources(entries: &[Entry]) -> Vec<Value> {
    let response = |kind: &str| json!({"group": "", "version": "", "kind": kind});
    let mut resources: Vec<Value> = Vec::new();
    for entry in entries {
        let scope = if entry.namespaced { "Namespaced" } else { "Cluster" };
        let Some((parent, subresource)) = entry.name.split_once('/') else {
            resources.push(json!({
                "resource": entry.name, "responseKind": response(entry.kind), "scope": scope,
                "singularResource": entry.singular, "verbs": entry.verbs,
            }));
            continue;
        };
        if resources.last().is_none_or(|last| last["resource"] != parent) {
            // Old clients cannot read a parent without a kind; an empty one they can.
            resources.push(json!({
                "resource": parent, "responseKind": response(""), "scope": scope, "singularResource": "",
                "verbs": [], "subresources": [],
            }));
        }
        if let Some(subresources) = resources.last_mut().and_then(|last| last["subresources"].as_array_mut()) {
            subresources.push(json!({
                "subresource": subresource, "responseKind": response(entry.kind), "verbs": entry.verbs,
            }));
        }
    }
    resources
}

/// `/apis/{group}`
pub(super) async fn group(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Ok(Path(name)) = path else { return Err(Failure::no_such_path()) };
    let found = offered(&api).find(|(group, _)| *group == name).ok_or_else(Failure::no_such_path)?;
    let mut body = group_document(found.0, found.1);
    body["kind"] = json!("APIGroup");
    body["apiVersion"] = json!("v1");
    Ok(document(&headers, body.to_string().into_bytes(), JSON))
}

/// `/apis/{group}/{version}`
pub(super) async fn group_version(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Ok(Path((group, version))) = path else { return Err(Failure::no_such_path()) };
    let known = offered(&api).any(|(own, versions)| own == group && versions.contains(&version.as_str()));
    if !known {
        return Err(Failure::no_such_path());
    }
    let resources: Vec<Value> = entries(&group, &api)
        .into_iter()
        .map(|entry| {
            json!({
                "name": entry.name, "singularName": entry.singular, "namespaced": entry.namespaced,
                "kind": entry.kind, "verbs": entry.verbs,
            })
        })
        .collect();
    let group_version = format!("{group}/{version}");
    let body =
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
    Ok(document(&headers, body.to_string().into_bytes(), JSON))
}

/// `/`: the paths, as Kubernetes' servers list them.
pub(super) async fn root(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let mut paths = vec!["/apis".to_owned()];
    for (group, versions) in offered(&api) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    paths.sort_unstable();
    document(&headers, json!({"paths": paths}).to_string().into_bytes(), JSON)
}

/// `/version`: of this program.
pub(super) async fn version() -> Response {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let body = json!({
        "major": major, "minor": minor, "gitVersion": concat!("v", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "",
        "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, platform()),
    });
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], body.to_string()).into_response()
}

/// The architecture, as Go calls it.
fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The same for the same bytes, on every replica.
pub(super) fn entity_tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    let first = hasher.finish();
    hasher.write_usize(body.len());
    format!("\"{first:016X}{:016X}\"", hasher.finish())
}
