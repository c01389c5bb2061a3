//! How pods come, stay and go, so that somebody always answers.

use serde_json::Value;
use stack::workloads::{Workload, each, kind, namespace, selects};

use super::{API, Check, DB, Rule, SEED, TRAEFIK};
use crate::references::World;

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "three-probes",
        why: "Started, alive and ready are three questions: a slow start is not a hang, and who is not ready is not dead.",
        check: Check::Pods(probes),
        breaks: &[
            (API, "/spec/template/spec/containers/0/startupProbe", ""),
            (DB, "/spec/template/spec/containers/0/livenessProbe", ""),
            (TRAEFIK, "/spec/template/spec/containers/0/readinessProbe", ""),
        ],
    },
    Rule {
        name: "alive-is-not-ready",
        why: "Asked the same, all replicas are killed at once for what none of them can help.",
        check: Check::Pods(distinct),
        breaks: &[(API, "/spec/template/spec/containers/0/readinessProbe/httpGet/path", "\"/livez\"")],
    },
    Rule {
        name: "out-of-the-list-before-killed",
        why: "Who does not answer gets no more requests for a while before it is restarted.",
        check: Check::Pods(patience),
        breaks: &[(API, "/spec/template/spec/containers/0/livenessProbe/periodSeconds", "1")],
    },
    Rule {
        name: "two-replicas",
        why: "One may go away, the other answers.",
        check: Check::Pods(replicas),
        breaks: &[
            (TRAEFIK, "/spec/replicas", "1"),
            ("HorizontalPodAutoscaler real-world/real-world-hpa", "/spec/minReplicas", "1"),
        ],
    },
    Rule {
        name: "has-a-budget",
        why: "A node's drain takes all replicas at once otherwise.",
        check: Check::Pods(budget),
        breaks: &[("PodDisruptionBudget real-world/real-world", "/spec/selector/matchLabels/k8s-app", "\"x\"")],
    },
    Rule {
        name: "budget-lets-go",
        why: "A budget that allows nothing, or guards what is not ready, holds up a node's drain for ever.",
        check: Check::Object(lets_go),
        breaks: &[
            ("PodDisruptionBudget real-world/real-world", "/spec/maxUnavailable", "0"),
            ("PodDisruptionBudget real-world/real-world", "/spec/unhealthyPodEvictionPolicy", ""),
        ],
    },
    Rule {
        name: "spread-over-nodes",
        why: "Replicas on one node go with it.",
        check: Check::Pods(spread),
        breaks: &[(API, "/spec/template/spec/topologySpreadConstraints", "")],
    },
    Rule {
        name: "new-before-old",
        why: "A rollout that takes away first serves with less than was asked for.",
        check: Check::Pods(rollout),
        breaks: &[
            (API, "/spec/strategy", ""),
            (TRAEFIK, "/spec/strategy/rollingUpdate/maxUnavailable", "1"),
            (API, "/spec/strategy/type", "\"Recreate\""),
        ],
    },
    Rule {
        name: "serves-while-it-leaves",
        why: "Requests arrive until all have heard that the endpoint is gone.",
        check: Check::Pods(pause),
        breaks: &[(API, "/spec/template/spec/containers/0/lifecycle", "")],
    },
    Rule {
        name: "time-to-leave",
        why: "The grace period counts from before preStop: what is left must do for draining, 25 s at most.",
        check: Check::Pods(grace),
        breaks: &[
            (API, "/spec/template/spec/terminationGracePeriodSeconds", "30"),
            (TRAEFIK, "/spec/template/spec/terminationGracePeriodSeconds", "25"),
        ],
    },
    Rule {
        name: "jobs-end",
        why: "A Job that fails for ever takes a pod's quota for ever, and one that is done lies about.",
        check: Check::Object(jobs),
        breaks: &[
            (SEED, "/spec/backoffLimit", ""),
            (SEED, "/spec/activeDeadlineSeconds", ""),
            (SEED, "/spec/ttlSecondsAfterFinished", ""),
        ],
    },
    Rule {
        name: "on-linux",
        why: "In a cluster with Windows nodes too it would wait there for an image that cannot run.",
        check: Check::Pods(|_, workload| {
            let named = workload.spec()["nodeSelector"]["kubernetes.io/os"] == "linux";
            if named { Vec::new() } else { vec!["it may be put on any node".to_owned()] }
        }),
        breaks: &[(DB, "/spec/template/spec/nodeSelector", "")],
    },
    Rule {
        name: "autoscaler-has-room",
        why: "An autoscaler whose bounds meet does nothing, and says so to nobody.",
        check: Check::Object(bounds),
        breaks: &[("HorizontalPodAutoscaler real-world/real-world-hpa", "/spec/maxReplicas", "2")],
    },
];

fn one(problem: Option<String>) -> Vec<String> {
    problem.into_iter().collect()
}

fn probes(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let serving = each(&workload.spec()["containers"]).filter(|_| !workload.is_job());
    let missing = serving.flat_map(|container| PROBES.into_iter().filter(|probe| container[probe].is_null()));
    missing.map(|probe| format!("it has no {probe}")).collect()
}

/// What a probe asks.
fn question(probe: &Value) -> [&Value; 4] {
    ["httpGet", "tcpSocket", "grpc", "exec"].map(|way| &probe[way])
}

fn distinct(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let serving = each(&workload.spec()["containers"]).filter(|container| !container["livenessProbe"].is_null());
    let same = serving.filter(|one| question(&one["livenessProbe"]) == question(&one["readinessProbe"]));
    same.map(|_| "liveness and readiness ask the same".to_owned()).collect()
}

fn patience(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let seconds =
        |probe: &Value| probe["periodSeconds"].as_u64().unwrap_or(10) * probe["failureThreshold"].as_u64().unwrap_or(3);
    let serving = each(&workload.spec()["containers"]).filter(|container| !container["livenessProbe"].is_null());
    let hasty = serving.filter(|one| seconds(&one["livenessProbe"]) < 2 * seconds(&one["readinessProbe"]));
    let said = |one: &Value| {
        let (dead, gone) = (seconds(&one["livenessProbe"]), seconds(&one["readinessProbe"]));
        format!("it is out of the list after {gone} s and killed after {dead} s")
    };
    hasty.map(said).collect()
}

fn replicas(world: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    if workload.is_job() {
        return Vec::new();
    }
    let scaled = world.each("HorizontalPodAutoscaler").find(|hpa| {
        let target = &hpa["spec"]["scaleTargetRef"];
        namespace(hpa) == workload.namespace()
            && target["name"] == workload.name()
            && target["kind"] == kind(workload.0)
    });
    let count = scaled.map_or(&workload.0["spec"]["replicas"], |hpa| &hpa["spec"]["minReplicas"]);
    one((count.as_u64().unwrap_or(1) < 2).then(|| "there may be one alone".to_owned()))
}

fn budget(world: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let found = world.each("PodDisruptionBudget").any(|budget| {
        namespace(budget) == workload.namespace() && selects(&budget["spec"]["selector"], workload.labels())
    });
    one((!found && !workload.is_job()).then(|| "no PodDisruptionBudget selects it".to_owned()))
}

fn lets_go(_: &World<'_>, budget: &Value) -> Vec<String> {
    let spec = &budget["spec"];
    if kind(budget) != "PodDisruptionBudget" {
        return Vec::new();
    }
    let none = spec["maxUnavailable"].as_u64().is_none_or(|count| count == 0);
    let guards = spec["unhealthyPodEvictionPolicy"] != "AlwaysAllow";
    let stuck = none.then(|| "it lets no pod go for certain".to_owned());
    stuck.into_iter().chain(guards.then(|| "it guards pods that are not ready".to_owned())).collect()
}

fn spread(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let spec = workload.spec();
    let spread = each(&spec["topologySpreadConstraints"]).any(|one| one["topologyKey"] == "kubernetes.io/hostname");
    let apart = !spec["affinity"]["podAntiAffinity"].is_null();
    one((!spread && !apart && !workload.is_job()).then(|| "its replicas may share a node".to_owned()))
}

fn rollout(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let strategy = &workload.0["spec"]["strategy"];
    let rolls = strategy["type"] == "RollingUpdate" && strategy["rollingUpdate"]["maxUnavailable"] == 0;
    one((kind(workload.0) == "Deployment" && !rolls).then(|| format!("its strategy is {strategy}")))
}

/// Seconds that a container's preStop takes.
fn sleep(container: &Value) -> u64 {
    container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0)
}

fn pause(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let hasty = each(&workload.spec()["containers"]).filter(|container| !workload.is_job() && sleep(container) < 5);
    hasty.map(|container| format!("its preStop sleeps for {} s", sleep(container))).collect()
}

fn grace(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    /// What the API and the adapter take at most to drain, and Traefik with its pause.
    const DRAINS: u64 = 25;
    if workload.is_job() {
        return Vec::new();
    }
    let grace = workload.spec()["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    let needed = each(&workload.spec()["containers"]).map(sleep).max().unwrap_or(0) + DRAINS;
    one((grace <= needed).then(|| format!("{needed} s may be needed, and it has {grace} s")))
}

fn jobs(_: &World<'_>, job: &Value) -> Vec<String> {
    let fields = ["backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"];
    let missing = fields.into_iter().filter(|field| kind(job) == "Job" && job["spec"][field].is_null());
    missing.map(|field| format!("it has no {field}")).collect()
}

fn bounds(_: &World<'_>, hpa: &Value) -> Vec<String> {
    let [least, most] = ["minReplicas", "maxReplicas"].map(|bound| hpa["spec"][bound].as_u64().unwrap_or(1));
    one((kind(hpa) == "HorizontalPodAutoscaler" && most <= least).then(|| format!("it has {least} to {most} replicas")))
}
