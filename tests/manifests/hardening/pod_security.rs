//! Pod Security's profile `restricted`, control by control. The namespaces enforce it: what breaks it never starts.

use serde_json::Value;
use stack::workloads::{Workload, each, entries, name};

use super::{API, Check, DB, Rule, SEED, TRAEFIK};
use crate::references::World;

const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];
const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];
const SELINUX: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "namespace-enforces-restricted",
        why: "The API server then refuses what a review overlooks.",
        check: Check::Pods(enforced),
        breaks: &[("Namespace real-world", "/metadata/labels/pod-security.kubernetes.io~1enforce", "\"baseline\"")],
    },
    Rule {
        name: "no-host-namespaces",
        why: "Its node's processes and network are none of a pod's business.",
        check: Check::Pods(host_namespaces),
        breaks: &[
            (API, "/spec/template/spec/hostNetwork", "true"),
            (DB, "/spec/template/spec/hostPID", "true"),
            (SEED, "/spec/template/spec/hostIPC", "true"),
        ],
    },
    Rule {
        name: "no-host-process",
        why: "On Windows it is what privileged is on Linux.",
        check: Check::Pods(host_process),
        breaks: &[(API, "/spec/template/spec/securityContext/windowsOptions", "{\"hostProcess\": true}")],
    },
    Rule {
        name: "not-privileged",
        why: "A privileged container is root on its node.",
        check: Check::Container(|container| {
            found(container["securityContext"]["privileged"] == true, "it is privileged")
        }),
        breaks: &[(API, "/spec/template/spec/containers/0/securityContext/privileged", "true")],
    },
    Rule {
        name: "drops-all-capabilities",
        why: "None of these programs needs what root may do.",
        check: Check::Container(capabilities),
        breaks: &[
            (API, "/spec/template/spec/containers/0/securityContext/capabilities/drop", "[\"NET_RAW\"]"),
            (TRAEFIK, "/spec/template/spec/containers/0/securityContext/capabilities/add", "[\"SYS_ADMIN\"]"),
        ],
    },
    Rule {
        name: "restricted-volumes",
        why: "A path of the node leads out of the container.",
        check: Check::Pods(volumes),
        breaks: &[(DB, "/spec/template/spec/volumes/1", "{\"name\": \"run\", \"hostPath\": {\"path\": \"/run\"}}")],
    },
    Rule {
        name: "no-host-ports",
        why: "A port of the node can be had once, and goes around the policies.",
        check: Check::Container(|container| {
            let ports = each(&container["ports"]).filter(|port| port["hostPort"].as_u64().unwrap_or(0) != 0);
            ports.map(|port| format!("it takes its node's port {}", port["hostPort"])).collect()
        }),
        breaks: &[(TRAEFIK, "/spec/template/spec/containers/0/ports/0/hostPort", "80")],
    },
    Rule {
        name: "no-host-in-probes",
        why: "A kubelet must not be made to call others.",
        check: Check::Container(probe_hosts),
        breaks: &[
            (API, "/spec/template/spec/containers/0/livenessProbe/httpGet/host", "\"10.0.0.1\""),
            (API, "/spec/template/spec/containers/0/lifecycle/preStop", "{\"httpGet\": {\"host\": \"10.0.0.1\"}}"),
        ],
    },
    Rule {
        name: "default-proc-mount",
        why: "An unmasked /proc tells of the node.",
        check: Check::Container(|container| {
            let mount = container["securityContext"]["procMount"].as_str().unwrap_or("Default");
            found(mount != "Default", &format!("its /proc is {mount}"))
        }),
        breaks: &[(API, "/spec/template/spec/containers/0/securityContext/procMount", "\"Unmasked\"")],
    },
    Rule {
        name: "seccomp-profile",
        why: "System calls that nobody needs are where kernels break.",
        check: Check::Pods(seccomp),
        breaks: &[
            (API, "/spec/template/spec/securityContext/seccompProfile", ""),
            (DB, "/spec/template/spec/containers/0/securityContext/seccompProfile", "{\"type\": \"Unconfined\"}"),
        ],
    },
    Rule {
        name: "safe-sysctls",
        why: "The others change the node for all pods on it.",
        check: Check::Pods(sysctls),
        breaks: &[(
            DB,
            "/spec/template/spec/securityContext/sysctls",
            "[{\"name\": \"kernel.msgmax\", \"value\": \"1\"}]",
        )],
    },
    Rule {
        name: "node-confines-it",
        why: "AppArmor and SELinux stay as the node has them.",
        check: Check::Pods(confinement),
        breaks: &[
            (API, "/spec/template/spec/securityContext/appArmorProfile", "{\"type\": \"Unconfined\"}"),
            (API, "/spec/template/spec/containers/0/securityContext/seLinuxOptions", "{\"type\": \"spc_t\"}"),
        ],
    },
    Rule {
        name: "runs-as-non-root",
        why: "Root in a container is root where the container breaks.",
        check: Check::Pods(non_root),
        breaks: &[
            (API, "/spec/template/spec/securityContext/runAsNonRoot", ""),
            (DB, "/spec/template/spec/containers/0/securityContext/runAsNonRoot", "false"),
            (TRAEFIK, "/spec/template/spec/securityContext/runAsUser", "0"),
            (SEED, "/spec/template/spec/containers/0/securityContext/runAsUser", "0"),
        ],
    },
    Rule {
        name: "no-privilege-escalation",
        why: "No program may become more than it was started as.",
        check: Check::Container(|container| {
            found(container["securityContext"]["allowPrivilegeEscalation"] != false, "it may gain privileges")
        }),
        breaks: &[
            (API, "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation", ""),
            (DB, "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation", "true"),
        ],
    },
];

fn found(wrong: bool, problem: &str) -> Vec<String> {
    if wrong { vec![problem.to_owned()] } else { Vec::new() }
}

/// Of the pod and of each container.
fn contexts(workload: Workload<'_>) -> impl Iterator<Item = &Value> {
    std::iter::once(&workload.spec()["securityContext"])
        .chain(workload.containers().map(|container| &container["securityContext"]))
}

fn enforced(world: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let Some(space) = world.each("Namespace").find(|space| name(space) == workload.namespace()) else {
        return vec![format!("namespace {} is not applied with it", workload.namespace())];
    };
    let level = space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].as_str().unwrap_or("privileged");
    found(level != "restricted", &format!("namespace {} enforces {level}", workload.namespace()))
}

fn host_namespaces(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let fields = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| workload.spec()[field] == true);
    fields.map(|field| format!("it has {field}")).collect()
}

fn host_process(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    found(contexts(workload).any(|context| context["windowsOptions"]["hostProcess"] == true), "it is a host process")
}

fn capabilities(container: &Value) -> Vec<String> {
    let capabilities = &container["securityContext"]["capabilities"];
    let drops_all = each(&capabilities["drop"]).any(|one| one == "ALL");
    let adds = each(&capabilities["add"]).filter(|one| *one != "NET_BIND_SERVICE");
    let added = adds.map(|one| format!("it adds {one}"));
    found(!drops_all, "it does not drop ALL").into_iter().chain(added).collect()
}

fn volumes(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let sources = each(&workload.spec()["volumes"]).flat_map(entries).map(|(source, _)| source);
    let wrong = sources.filter(|source| *source != "name" && !VOLUMES.contains(source));
    wrong.map(|source| format!("it has a volume of {source}")).collect()
}

fn probe_hosts(container: &Value) -> Vec<String> {
    let probes = ["startupProbe", "livenessProbe", "readinessProbe"].map(|probe| &container[probe]);
    let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
    let called = probes.into_iter().chain(hooks).flat_map(|one| ["httpGet", "tcpSocket"].map(|way| &one[way]["host"]));
    called.filter(|host| !host.is_null()).map(|host| format!("a probe or hook calls {host}")).collect()
}

fn seccomp(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let of = |context: &Value| context["seccompProfile"]["type"].as_str().map(str::to_owned);
    let pod = of(&workload.spec()["securityContext"]);
    let wrong = workload.containers().filter_map(|container| {
        let own = of(&container["securityContext"]).or_else(|| pod.clone()).unwrap_or_else(|| "missing".to_owned());
        (!["RuntimeDefault", "Localhost"].contains(&&*own)).then(|| format!("its seccomp profile is {own}"))
    });
    wrong.collect()
}

fn sysctls(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let set = each(&workload.spec()["securityContext"]["sysctls"]).filter_map(|one| one["name"].as_str());
    set.filter(|one| !SYSCTLS.contains(one)).map(|one| format!("it sets {one}")).collect()
}

fn confinement(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let wrong = contexts(workload).filter(|context| {
        let linux = &context["seLinuxOptions"];
        let apparmor = context["appArmorProfile"]["type"].as_str().unwrap_or("RuntimeDefault");
        !["RuntimeDefault", "Localhost"].contains(&apparmor)
            || !SELINUX.contains(&linux["type"].as_str().unwrap_or_default())
            || !linux["user"].is_null()
            || !linux["role"].is_null()
    });
    wrong.map(|context| format!("its confinement is its own: {context}")).collect()
}

fn non_root(_: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let pod = &workload.spec()["securityContext"];
    let unsaid = workload.containers().any(|container| {
        let own = &container["securityContext"]["runAsNonRoot"];
        (if own.is_null() { &pod["runAsNonRoot"] } else { own }) != true
    });
    let root = contexts(workload).any(|context| context["runAsUser"] == 0);
    [found(unsaid, "it may run as root"), found(root, "its user is root")].concat()
}
