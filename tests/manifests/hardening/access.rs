//! Who a pod is, whom it may call, and what roles allow.

use serde_json::Value;
use stack::workloads::{Workload, each, id, kind, namespace, selects};

use super::{ADAPTER, API, Check, DB, Rule, SEED};
use crate::references::World;

const TRAEFIKS_ROLE: &str = "Role real-world/traefik-ingress-controller";
const ADAPTERS_ROLE: &str = "ClusterRole metrics-adapter";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "account-of-its-own",
        why: "What the default account is allowed once, all pods of the namespace are.",
        check: Check::Pods(|world, workload| {
            let account = workload.spec()["serviceAccountName"].as_str().unwrap_or("default");
            let shared = world.workloads().any(|other| {
                other.namespace() == workload.namespace()
                    && other.spec()["serviceAccountName"] == account
                    && other.id() != workload.id()
                    && !workload.is_job()
                    && !other.is_job()
            });
            let wrong = account == "default" || shared || !workload.spec()["serviceAccount"].is_null();
            if wrong { vec![format!("its account is {account}, as somebody else's")] } else { Vec::new() }
        }),
        breaks: &[
            (SEED, "/spec/template/spec/serviceAccountName", ""),
            (API, "/spec/template/spec/serviceAccountName", "\"traefik-ingress-controller\""),
        ],
    },
    Rule {
        name: "no-token",
        why: "Who never calls the API server has no use for a token, and whoever breaks in has.",
        check: Check::Pods(|_, workload| {
            let mounted = workload.spec()["automountServiceAccountToken"] != false;
            if mounted { vec!["a token is mounted".to_owned()] } else { Vec::new() }
        }),
        breaks: &[
            (API, "/spec/template/spec/automountServiceAccountToken", ""),
            (DB, "/spec/template/spec/automountServiceAccountToken", "true"),
        ],
    },
    Rule {
        name: "account-gives-no-token",
        why: "Who uses an account by mistake then gets nothing by it.",
        check: Check::Object(|_, account| {
            let wrong = kind(account) == "ServiceAccount" && account["automountServiceAccountToken"] != false;
            if wrong { vec!["whoever names it gets a token".to_owned()] } else { Vec::new() }
        }),
        breaks: &[("ServiceAccount real-world/db", "/automountServiceAccountToken", "")],
    },
    Rule {
        name: "policy-on-the-way-in",
        why: "A pod that no policy selects can be called by everybody.",
        check: Check::Pods(|world, workload| policed(world, workload, "Ingress")),
        breaks: &[("NetworkPolicy monitoring/metrics-adapter", "/spec/policyTypes", "[\"Egress\"]")],
    },
    Rule {
        name: "policy-on-the-way-out",
        why: "What breaks in then reaches nobody but whom the pod has to.",
        check: Check::Pods(|world, workload| policed(world, workload, "Egress")),
        breaks: &[("NetworkPolicy real-world/default-deny", "/spec/policyTypes", "[\"Ingress\"]")],
    },
    Rule {
        name: "no-wildcards",
        why: "A star allows what nobody has thought of yet.",
        check: Check::Object(|_, role| {
            let lists = ["apiGroups", "resources", "verbs", "nonResourceURLs"];
            let stars = allowed(role).flat_map(|rule| {
                lists.into_iter().filter(|list| each(&rule[*list]).any(|one| one.as_str().unwrap().contains('*')))
            });
            stars.map(|list| format!("it allows all {list}")).collect()
        }),
        breaks: &[(ADAPTERS_ROLE, "/rules/0/verbs", "[\"*\"]"), (TRAEFIKS_ROLE, "/rules/0/resources", "[\"*\"]")],
    },
    Rule {
        name: "no-reading-of-all-secrets",
        why: "Whoever reads the secrets of a namespace is everybody in it.",
        check: Check::Object(|_, role| {
            let all = allowed(role).filter(|rule| {
                has(rule, "resources", &["secrets"])
                    && has(rule, "verbs", &["get", "list", "watch"])
                    && rule["resourceNames"].is_null()
            });
            all.map(|_| "it reads all secrets".to_owned()).collect()
        }),
        breaks: &[
            (ADAPTERS_ROLE, "/rules/0/resources/-", "\"secrets\""),
            ("Role monitoring/metrics-adapter", "/rules/1/resourceNames", ""),
        ],
    },
    Rule {
        name: "no-way-to-more",
        why: "These lead to any right: making pods or tokens, entering pods, a node's whole API, changing roles.",
        check: Check::Object(powers),
        breaks: &[
            (ADAPTERS_ROLE, "/rules/0/verbs/-", "\"create\""),
            (ADAPTERS_ROLE, "/rules/0/resources/-", "\"nodes/proxy\""),
            (ADAPTERS_ROLE, "/rules/0/verbs/-", "\"impersonate\""),
        ],
    },
    Rule {
        name: "no-administrator",
        why: "None of this administers a cluster.",
        check: Check::Object(|_, binding| {
            let role = binding["roleRef"]["name"].as_str().unwrap_or_default();
            let wrong = ["cluster-admin", "admin", "edit"].contains(&role);
            if wrong { vec![format!("{} binds {role}", id(binding))] } else { Vec::new() }
        }),
        breaks: &[("ClusterRoleBinding traefik-ingress-controller", "/roleRef/name", "\"cluster-admin\"")],
    },
    Rule {
        name: "bound-to-accounts",
        why: "A group or a user is many, and nobody here knows whom.",
        check: Check::Object(|_, binding| {
            let others = each(&binding["subjects"]).filter(|subject| subject["kind"] != "ServiceAccount");
            others.map(|subject| format!("it binds {subject}")).collect()
        }),
        breaks: &[(
            "ClusterRoleBinding metrics-adapter",
            "/subjects/0",
            "{\"kind\": \"Group\", \"name\": \"system:authenticated\"}",
        )],
    },
    Rule {
        name: "reached-from-inside",
        why: "One Service is the way in; the others are for the cluster.",
        check: Check::Object(|_, service| {
            let way = service["spec"]["type"].as_str().unwrap_or("ClusterIP");
            let open = kind(service) == "Service" && way != "ClusterIP";
            if open { vec![format!("it is a {way}")] } else { Vec::new() }
        }),
        breaks: &[("Service real-world/db", "/spec/type", "\"NodePort\"")],
    },
    Rule {
        name: "critical-by-quota",
        why: "Outside of kube-system a critical pod starts only where a quota says how many there may be.",
        check: Check::Pods(critical),
        breaks: &[(ADAPTER, "/spec/template/spec/priorityClassName", "\"system-node-critical\"")],
    },
];

fn allowed(role: &Value) -> impl Iterator<Item = &Value> {
    each(if matches!(kind(role), "Role" | "ClusterRole") { &role["rules"] } else { &Value::Null })
}

fn has(rule: &Value, list: &str, words: &[&str]) -> bool {
    each(&rule[list]).any(|one| words.iter().any(|word| one == word))
}

fn policed(world: &World<'_>, workload: Workload<'_>, direction: &str) -> Vec<String> {
    let found = world.each("NetworkPolicy").any(|policy| {
        namespace(policy) == workload.namespace()
            && selects(&policy["spec"]["podSelector"], workload.labels())
            && each(&policy["spec"]["policyTypes"]).any(|one| one == direction)
    });
    if found { Vec::new() } else { vec![format!("no NetworkPolicy of {direction} selects it")] }
}

fn powers(_: &World<'_>, role: &Value) -> Vec<String> {
    const WRITES: [&str; 3] = ["create", "update", "patch"];
    let leads = |rule: &&Value| {
        let makes = has(rule, "resources", &["pods", "serviceaccounts/token", "deployments", "statefulsets", "jobs"])
            && has(rule, "verbs", &WRITES);
        let enters = has(rule, "resources", &["pods/exec", "pods/attach", "pods/portforward", "nodes/proxy"]);
        makes || enters || has(rule, "verbs", &["escalate", "bind", "impersonate"])
    };
    allowed(role).filter(leads).map(|rule| format!("it allows {rule}")).collect()
}

fn critical(world: &World<'_>, workload: Workload<'_>) -> Vec<String> {
    let class = &workload.spec()["priorityClassName"];
    let covered = world.each("ResourceQuota").any(|quota| {
        let scopes = each(&quota["spec"]["scopeSelector"]["matchExpressions"]);
        let mut classes =
            scopes.filter(|scope| scope["scopeName"] == "PriorityClass").flat_map(|scope| each(&scope["values"]));
        namespace(quota) == workload.namespace() && classes.any(|one| one == class)
    });
    if class.is_null() || covered { Vec::new() } else { vec![format!("no quota covers {class}")] }
}
