//! Who is meant: by an autoscaler, by a budget, by a policy.

use serde_json::{Value, json};
use stack::workloads::{Workload, each, id, namespace, selects};

use super::World;

pub(super) fn select_something(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for hpa in world.each("HorizontalPodAutoscaler") {
        let target = &hpa["spec"]["scaleTargetRef"];
        let kind = target["kind"].as_str().unwrap();
        let found = world.find(kind, namespace(hpa), &target["name"]);
        if found.is_none_or(|found| found["apiVersion"] != target["apiVersion"]) {
            problems.push(format!("{} scales {kind} {}, and there is none", id(hpa), target["name"].as_str().unwrap()));
        }
    }
    for budget in world.each("PodDisruptionBudget") {
        problems.extend(nobody(world, budget, &budget["spec"]["selector"]));
    }
    for policy in world.each("NetworkPolicy") {
        problems.extend(nobody(world, policy, &policy["spec"]["podSelector"]));
        for (direction, rule, peers, _) in rules(policy) {
            let strangers = peers.iter().enumerate().filter(|(_, peer)| !exists(world, policy, peer));
            problems.extend(
                strangers.map(|(number, peer)| {
                    format!("{} {direction} {rule}: peer {number} is nobody: {peer}", id(policy))
                }),
            );
        }
    }
    problems
}

fn nobody(world: &World<'_>, object: &Value, selector: &Value) -> Option<String> {
    let selected = world.selected(namespace(object), selector);
    selected.is_empty().then(|| format!("{} selects no pods: {selector}", id(object)))
}

/// Direction, number, peers and ports of each rule of a policy.
fn rules(policy: &Value) -> Vec<(&'static str, usize, Vec<&Value>, &Value)> {
    let of = |direction: &'static str, peers: &'static str| {
        let rules = each(&policy["spec"][direction]).enumerate();
        rules.map(move |(number, rule)| (direction, number, each(&rule[peers]).collect(), &rule["ports"]))
    };
    of("ingress", "from").chain(of("egress", "to")).collect()
}

/// Workloads that a peer of a policy may be.
fn meant<'a>(world: &World<'a>, policy: &Value, peer: &Value) -> Vec<Workload<'a>> {
    let spaces = spaces(world, policy, peer);
    let pods = peer.get("podSelector").cloned().unwrap_or_else(|| json!({}));
    spaces.iter().flat_map(|space| world.selected(space, &pods)).collect()
}

fn spaces<'a>(world: &World<'a>, policy: &'a Value, peer: &Value) -> Vec<&'a str> {
    match peer.get("namespaceSelector") {
        None => vec![namespace(policy)],
        Some(selector) => {
            let known = world.namespaces().into_iter();
            known.filter(|(_, labels)| selects(selector, labels)).map(|(space, _)| space).collect()
        }
    }
}

fn exists(world: &World<'_>, policy: &Value, peer: &Value) -> bool {
    if peer.get("ipBlock").is_some() {
        return true;
    }
    match peer.get("podSelector") {
        None => !spaces(world, policy, peer).is_empty(),
        Some(_) => !meant(world, policy, peer).is_empty(),
    }
}

/// Into pods: theirs are the ports. Out of them: the ports are those of who is meant, if anybody is.
pub(super) fn policies_name_ports(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for policy in world.each("NetworkPolicy") {
        for (direction, rule, peers, ports) in rules(policy) {
            let reached: Vec<Workload<'_>> = if direction == "ingress" {
                world.selected(namespace(policy), &policy["spec"]["podSelector"])
            } else {
                peers.iter().flat_map(|peer| meant(world, policy, peer)).collect()
            };
            for port in each(ports).map(|port| &port["port"]) {
                let deaf = reached.iter().filter(|workload| workload.port(port).is_none());
                let text = port.as_str().map_or_else(|| port.to_string(), str::to_owned);
                problems.extend(deaf.map(|workload| {
                    format!("{} {direction} {rule}: {} has no port {text}", id(policy), workload.id())
                }));
            }
        }
    }
    problems
}
