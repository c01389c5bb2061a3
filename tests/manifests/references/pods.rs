//! What a pod is given and asked.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stack::workloads::{Workload, each, id, selects};

use super::World;

pub(super) fn have_accounts(world: &World<'_>) -> Vec<String> {
    let missing = world.workloads().filter_map(|workload| {
        let account = &workload.spec()["serviceAccountName"];
        let found = world.find("ServiceAccount", workload.namespace(), account).is_some();
        let called = account.as_str().unwrap_or("by no name");
        (!found).then(|| format!("{}: there is no ServiceAccount {called}", workload.id()))
    });
    missing.collect()
}

pub(super) fn mount_what_there_is(world: &World<'_>) -> Vec<String> {
    world.workloads().flat_map(|workload| [mounts(workload), sources(world, workload)].concat()).collect()
}

fn mounts(workload: Workload<'_>) -> Vec<String> {
    let claimed = each(&workload.0["spec"]["volumeClaimTemplates"]).map(|claim| &claim["metadata"]["name"]);
    let volumes: BTreeSet<&str> = each(&workload.spec()["volumes"])
        .map(|volume| &volume["name"])
        .chain(claimed)
        .filter_map(Value::as_str)
        .collect();
    let mounted: BTreeSet<&str> = workload
        .containers()
        .flat_map(|container| each(&container["volumeMounts"]))
        .filter_map(|mount| mount["name"].as_str())
        .collect();
    let unknown =
        mounted.difference(&volumes).map(|name| format!("{} mounts {name}, which is no volume", workload.id()));
    let unused = volumes.difference(&mounted).map(|name| format!("{}: nobody mounts volume {name}", workload.id()));
    unknown.chain(unused).collect()
}

/// `ConfigMaps` and Secrets behind volumes, and the keys that are taken out of them.
fn sources(world: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for volume in each(&workload.spec()["volumes"]) {
        let (kind, source, field) = match (volume.get("configMap"), volume.get("secret")) {
            (Some(map), _) => ("ConfigMap", map, "name"),
            (_, Some(secret)) => ("Secret", secret, "secretName"),
            _ => continue,
        };
        let place = format!("{} volume {}", workload.id(), volume["name"].as_str().unwrap());
        let keys: Vec<&Value> = each(&source["items"]).map(|item| &item["key"]).collect();
        problems.extend(absent(world, workload, &place, (kind, &source[field], source), &keys));
    }
    problems
}

/// What is missing of a `ConfigMap` or Secret (its kind, its name, the reference to it) and its keys.
pub(super) fn absent(
    world: &World<'_>,
    workload: Workload<'_>,
    place: &str,
    (kind, called, reference): (&str, &Value, &Value),
    keys: &[&Value],
) -> Vec<String> {
    let name = called.as_str().unwrap_or_default();
    match world.find(kind, workload.namespace(), called) {
        None if reference["optional"] == true => Vec::new(),
        None => vec![format!("{place}: there is no {kind} {name}")],
        Some(source) => {
            let has = |key: &str| ["data", "stringData", "binaryData"].iter().any(|data| !source[data][key].is_null());
            let keys = keys.iter().filter_map(|key| key.as_str()).filter(|key| !has(key));
            keys.map(|key| format!("{place}: {kind} {name} has no key {key}")).collect()
        }
    }
}

pub(super) fn are_asked_on_their_ports(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for workload in world.workloads() {
        for container in workload.containers() {
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let port = ["httpGet", "tcpSocket", "grpc"].iter().find_map(|way| container[probe][way].get("port"));
                let unknown = port.filter(|port| workload.port(port).is_none());
                let said = |port: &Value| format!("{}: its {probe} asks on port {}", workload.id(), text(port));
                problems.extend(unknown.map(said));
            }
        }
        let scraped = workload.template()["metadata"]["annotations"]["prometheus.io/port"].as_str();
        let unknown = scraped.filter(|port| workload.port(&json!(port.parse::<u64>().unwrap_or(0))).is_none());
        problems.extend(unknown.map(|port| format!("{} is scraped on port {port}, which it has not", workload.id())));
    }
    problems
}

fn text(port: &Value) -> String {
    format!("{}, which it has not", port.as_str().map_or_else(|| port.to_string(), str::to_owned))
}

pub(super) fn select_themselves(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for workload in world.workloads() {
        let selector = &workload.0["spec"]["selector"];
        if !selects(selector, workload.labels()) {
            problems.push(format!("{} does not select its own pods", workload.id()));
        }
        // What two select, both count as theirs, and each deletes what the other makes.
        let others = world.workloads().filter(|other| {
            !selector.is_null() && other.id() != workload.id() && other.namespace() == workload.namespace()
        });
        let shared = others.filter(|other| selects(selector, other.labels()));
        problems.extend(shared.map(|other| format!("{} selects pods of {}", workload.id(), id(other.0))));
        for spread in each(&workload.spec()["topologySpreadConstraints"]) {
            if !selects(&spread["labelSelector"], workload.labels()) {
                problems.push(format!(
                    "{} spreads other pods than its own: {}",
                    workload.id(),
                    spread["labelSelector"]
                ));
            }
        }
    }
    problems
}
