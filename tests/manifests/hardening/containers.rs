//! What a container is made of and given.

use std::collections::BTreeSet;

use metrics_adapter::model::quantity::Quantity;
use serde_json::Value;
use stack::workloads::{Workload, each};

use super::{ADAPTER, API, Check, DB, Rule, SEED, TRAEFIK};
use crate::references::World;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "read-only-root",
        why: "What breaks in finds no place to put anything; what a program writes is in a volume, with a limit.",
        check: Check::Container(|container| {
            let wrong = container["securityContext"]["readOnlyRootFilesystem"] != true;
            if wrong { vec!["it may write to its root".to_owned()] } else { Vec::new() }
        }),
        breaks: &[
            (API, "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", ""),
            (TRAEFIK, "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", "false"),
        ],
    },
    Rule {
        name: "requests-and-limits",
        why: "A quota refuses pods that say nothing, the HPA divides by the request, and what has no limit takes its node down.",
        check: Check::Container(resources),
        breaks: &[
            (API, "/spec/template/spec/containers/0/resources", ""),
            (DB, "/spec/template/spec/containers/0/resources/limits/memory", ""),
            (SEED, "/spec/template/spec/containers/0/resources/requests/cpu", ""),
            (TRAEFIK, "/spec/template/spec/containers/0/resources/requests/memory", "\"1Gi\""),
        ],
    },
    Rule {
        name: "pinned-image",
        why: "What is tested is what runs: a tag that moves changes it overnight.",
        check: Check::Container(image),
        breaks: &[
            (TRAEFIK, "/spec/template/spec/containers/0/image", "\"traefik\""),
            (API, "/spec/template/spec/containers/0/image", "\"registry:5000/conduit\""),
            (DB, "/spec/template/spec/containers/0/image", "\"postgres:latest\""),
            (ADAPTER, "/spec/template/spec/containers/0/image", "\"metrics-adapter:stable\""),
        ],
    },
    Rule {
        name: "pulled-if-not-present",
        why: "Images that were loaded onto a node, as kind's are, are in no registry.",
        check: Check::Container(|container| match container["imagePullPolicy"].as_str() {
            Some("IfNotPresent") => Vec::new(),
            other => vec![format!("its image is pulled {}", other.unwrap_or("as the tag has it"))],
        }),
        breaks: &[(API, "/spec/template/spec/containers/0/imagePullPolicy", "\"Always\"")],
    },
    Rule {
        name: "no-secret-in-plain-sight",
        why: "Whoever may read a Deployment reads its environment and its arguments.",
        check: Check::Container(secrets),
        breaks: &[
            (API, "/spec/template/spec/containers/0/env/1", "{\"name\": \"DB_PASSWORD\", \"value\": \"x\"}"),
            (DB, "/spec/template/spec/containers/0/args", "[\"--password=x\"]"),
        ],
    },
    Rule {
        name: "variables-once",
        why: "The last one wins, and nobody sees it.",
        check: Check::Container(|container| repeated(container, "env", "variable")),
        breaks: &[(API, "/spec/template/spec/containers/0/env/-", "{\"name\": \"DB_HOST\", \"value\": \"other\"}")],
    },
    Rule {
        name: "ports-once-and-named",
        why: "Services, probes and policies name ports.",
        check: Check::Container(|container| {
            let unnamed = each(&container["ports"]).filter(|port| port["name"].is_null());
            let unnamed = unnamed.map(|port| format!("port {} has no name", port["containerPort"]));
            repeated(container, "ports", "port").into_iter().chain(unnamed).collect()
        }),
        breaks: &[
            (API, "/spec/template/spec/containers/0/ports/1/name", "\"http\""),
            (API, "/spec/template/spec/containers/0/ports/1/name", ""),
        ],
    },
    Rule {
        name: "unprivileged-ports",
        why: "Who is not root cannot listen below 1024 everywhere.",
        check: Check::Container(|container| {
            let low = each(&container["ports"]).filter(|port| port["containerPort"].as_u64().unwrap() < 1024);
            low.map(|port| format!("it listens on {}", port["containerPort"])).collect()
        }),
        breaks: &[(TRAEFIK, "/spec/template/spec/containers/0/ports/0/containerPort", "80")],
    },
    Rule {
        name: "sized-scratch",
        why: "Without a limit an emptyDir fills its node.",
        check: Check::Pods(scratch),
        breaks: &[(DB, "/spec/template/spec/volumes/2/emptyDir", "{}")],
    },
];

fn resources(container: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for resource in ["cpu", "memory"] {
        let of = |side: &str| {
            let amount = container["resources"][side][resource].as_str().and_then(|text| Quantity::parse(text).ok());
            amount.ok_or_else(|| format!("its {side} say no {resource}"))
        };
        match (of("requests"), of("limits")) {
            (Ok(request), Ok(limit)) if request > limit => {
                problems.push(format!("it asks for more {resource} than it may have"));
            }
            (request, limit) => problems.extend([request, limit].into_iter().filter_map(Result::err)),
        }
    }
    problems
}

/// A digest, or a tag that begins as a version does.
fn image(container: &Value) -> Vec<String> {
    let image = container["image"].as_str().unwrap();
    let last = image.rsplit('/').next().unwrap();
    let tag = last.split_once(':').map_or("", |(_, tag)| tag);
    let version = tag.trim_start_matches('v').contains('.')
        && tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    if image.contains("@sha256:") || version { Vec::new() } else { vec![format!("its image is {image}")] }
}

fn secrets(container: &Value) -> Vec<String> {
    let is_secret = |name: &str| {
        let name = name.to_lowercase();
        let is_a_name = name.ends_with("name") || name.ends_with("file");
        ["password", "secret", "token", "credential", "private"].iter().any(|word| name.contains(word)) && !is_a_name
    };
    let variables = each(&container["env"]).filter(|variable| !variable["value"].is_null());
    let names = variables.map(|variable| variable["name"].as_str().unwrap());
    let arguments = ["args", "command"].into_iter().flat_map(|list| each(&container[list])).filter_map(Value::as_str);
    let flags = arguments.filter_map(|argument| argument.strip_prefix("--")?.split_once('=').map(|(flag, _)| flag));
    names.chain(flags).filter(|name| is_secret(name)).map(|name| format!("it is told {name}")).collect()
}

fn repeated(container: &Value, list: &str, what: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = each(&container[list]).filter_map(|one| one["name"].as_str());
    names.filter(|name| !seen.insert(*name)).map(|name| format!("it has {what} {name} twice")).collect()
}

fn scratch(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let volumes = each(&workload.spec()["volumes"]).filter(|volume| volume["emptyDir"].is_object());
    let unlimited = volumes.filter(|volume| volume["emptyDir"]["sizeLimit"].is_null());
    unlimited.map(|volume| format!("its emptyDir {} has no limit", volume["name"])).collect()
}
