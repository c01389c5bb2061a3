//! Services and what leads to them.

use serde_json::Value;
use stack::workloads::{each, id, name, namespace};

use super::World;

pub(super) fn select_pods(world: &World<'_>) -> Vec<String> {
    let lonely = world.each("Service").filter(|service| world.behind(service).is_empty());
    lonely.map(|service| format!("{} selects no pods: {}", id(service), service["spec"]["selector"])).collect()
}

pub(super) fn lead_to_ports(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for service in world.each("Service") {
        for port in each(&service["spec"]["ports"]) {
            let target = if port["targetPort"].is_null() { &port["port"] } else { &port["targetPort"] };
            let deaf = world.behind(service).into_iter().filter(|workload| workload.port(target).is_none());
            problems.extend(deaf.map(|workload| {
                format!("{} port {}: no container of {} has port {target}", id(service), port["port"], workload.id())
            }));
        }
    }
    problems
}

/// Whether a Service has this port, by name or number.
fn has_port(service: &Value, wanted: &Value) -> bool {
    each(&service["spec"]["ports"]).any(|port| port["name"] == *wanted || port["port"] == *wanted)
}

pub(super) fn ingresses_lead_to_services(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for ingress in world.each("Ingress") {
        let class = &ingress["spec"]["ingressClassName"];
        if world.find("IngressClass", "", class).is_none() {
            problems.push(format!("{}: there is no IngressClass {}", id(ingress), class.as_str().unwrap_or("at all")));
        }
        let rules = each(&ingress["spec"]["rules"]).flat_map(|rule| each(&rule["http"]["paths"]));
        for backend in rules.map(|path| &path["backend"]["service"]) {
            let port = backend["port"].get("name").unwrap_or(&backend["port"]["number"]);
            let called = backend["name"].as_str().unwrap_or_default();
            match world.find("Service", namespace(ingress), &backend["name"]) {
                None => problems.push(format!("{}: there is no Service {called}", id(ingress))),
                Some(service) if !has_port(service, port) => {
                    problems.push(format!("{}: Service {called} has no port {}", id(ingress), plain(port)));
                }
                Some(_) => {}
            }
        }
    }
    problems
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn apis_lead_to_services(world: &World<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for api in world.each("APIService") {
        let (spec, to) = (&api["spec"], &api["spec"]["service"]);
        let named = format!("{}.{}", plain(&spec["version"]), plain(&spec["group"]));
        if named != name(api) {
            problems.push(format!("{}: its name would be {named}", id(api)));
        }
        let port = to.get("port").cloned().unwrap_or_else(|| 443.into());
        match world.find("Service", to["namespace"].as_str().unwrap_or_default(), &to["name"]) {
            None => problems.push(format!("{}: there is no Service {}", id(api), plain(&to["name"]))),
            Some(service) if !has_port(service, &port) => {
                problems.push(format!("{}: {} has no port {port}", id(api), id(service)));
            }
            Some(_) => {}
        }
    }
    problems
}

pub(super) fn sets_have_services(world: &World<'_>) -> Vec<String> {
    let wrong = world.workloads().filter_map(|set| {
        let called = set.0["spec"].get("serviceName")?;
        match world.find("Service", set.namespace(), called) {
            None => Some(format!("{}: there is no Service {}", set.id(), plain(called))),
            Some(service) if !set.has(&service["spec"]["selector"]) => {
                Some(format!("{}: {} does not select its pods", set.id(), id(service)))
            }
            Some(_) => None,
        }
    });
    wrong.collect()
}
