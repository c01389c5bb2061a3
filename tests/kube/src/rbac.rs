//! Role-based access control, as the real authorizer evaluates it.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
}

/// What is asked for. Without a resource it is about the path.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    pub verb: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub path: String,
}

/// A cluster's roles and bindings.
pub struct Rbac {
    /// By kind, namespace and name.
    roles: HashMap<(String, String, String), Value>,
    bindings: Vec<Value>,
}

impl Rbac {
    /// What every cluster has.
    pub fn new() -> Self {
        let mut rbac = Self { roles: HashMap::new(), bindings: Vec::new() };
        for manifest in built_in() {
            rbac.add(&manifest);
        }
        rbac
    }

    /// Takes roles and bindings, replacing those of the same name; other kinds are not its business.
    pub fn add(&mut self, manifest: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &manifest["metadata"];
        let kind = text(&manifest["kind"]);
        match kind.as_str() {
            "ClusterRole" | "Role" => {
                let namespace = if kind == "Role" { text(&metadata["namespace"]) } else { String::new() };
                self.roles.insert((kind, namespace, text(&metadata["name"])), manifest.clone());
            }
            "ClusterRoleBinding" | "RoleBinding" => {
                let same = |other: &Value| {
                    other["kind"] == manifest["kind"]
                        && other["metadata"]["name"] == metadata["name"]
                        && other["metadata"]["namespace"] == metadata["namespace"]
                };
                self.bindings.retain(|other| !same(other));
                self.bindings.push(manifest.clone());
            }
            _ => {}
        }
    }

    /// The reason to allow it, if there is one.
    pub fn allows(&self, user: &User, asked: &Attributes) -> Option<String> {
        if user.groups.iter().any(|group| group == "system:masters") {
            return Some(String::new());
        }
        self.bindings.iter().find_map(|binding| {
            let own = binding["metadata"]["namespace"].as_str().unwrap_or_default();
            let everywhere = binding["kind"] == "ClusterRoleBinding";
            if !everywhere && (own.is_empty() || own != asked.namespace) {
                return None;
            }
            let subject = binding["subjects"].as_array()?.iter().find(|subject| is(subject, user, own))?;
            let role = &binding["roleRef"];
            let (kind, name) = (role["kind"].as_str()?, role["name"].as_str()?);
            let namespace = if kind == "Role" { own } else { "" };
            let rules = self.rules(kind, namespace, name);
            rules.iter().any(|rule| covers(rule, asked, everywhere)).then(|| {
                let who = subject["name"].as_str().unwrap_or_default();
                let whose = subject["kind"].as_str().unwrap_or_default();
                let who = if whose == "ServiceAccount" {
                    format!("{who}/{}", subject["namespace"].as_str().unwrap_or(own))
                } else {
                    who.to_owned()
                };
                let binding_name = binding["metadata"]["name"].as_str().unwrap_or_default();
                let (bound, by) = if everywhere {
                    (binding_name.to_owned(), "ClusterRoleBinding")
                } else {
                    (format!("{binding_name}/{own}"), "RoleBinding")
                };
                format!("RBAC: allowed by {by} {bound:?} of {kind} {name:?} to {whose} {who:?}")
            })
        })
    }

    /// Of a role itself, or of those that it aggregates.
    fn rules(&self, kind: &str, namespace: &str, name: &str) -> Vec<&Value> {
        let Some(role) = self.roles.get(&(kind.to_owned(), namespace.to_owned(), name.to_owned())) else {
            return Vec::new();
        };
        let mut rules: Vec<&Value> = role["rules"].as_array().into_iter().flatten().collect();
        for selector in role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten() {
            let wanted = selector["matchLabels"].as_object().expect("roles are aggregated by matchLabels here");
            let chosen = self.roles.iter().filter(|((kind, _, other), role)| {
                let labels = &role["metadata"]["labels"];
                kind == "ClusterRole" && other != name && wanted.iter().all(|(key, value)| labels[key] == *value)
            });
            for (_, role) in chosen {
                let other = role["metadata"]["name"].as_str().unwrap_or_default();
                rules.extend(self.rules("ClusterRole", "", other));
            }
        }
        rules
    }
}

fn is(subject: &Value, user: &User, namespace: &str) -> bool {
    let Some(name) = subject["name"].as_str() else { return false };
    match subject["kind"].as_str() {
        Some("User") => user.name == name,
        Some("Group") => user.groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            // Only a RoleBinding's subject has a namespace by default: its own. The real server refuses the other.
            let of = subject["namespace"].as_str().unwrap_or(namespace);
            !of.is_empty() && user.name == format!("system:serviceaccount:{of}:{name}")
        }
        _ => false,
    }
}

fn covers(rule: &Value, asked: &Attributes, everywhere: bool) -> bool {
    let has = |field: &str, wanted: &str| {
        rule[field].as_array().is_some_and(|all| all.iter().any(|one| one == "*" || one == wanted))
    };
    if !has("verbs", &asked.verb) {
        return false;
    }
    if asked.resource.is_empty() {
        let urls = rule["nonResourceURLs"].as_array();
        return everywhere
            && urls.into_iter().flatten().filter_map(Value::as_str).any(|url| match url.strip_suffix('*') {
                Some(prefix) => asked.path.starts_with(prefix),
                None => asked.path == url,
            });
    }
    let resources = rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let named = rule["resourceNames"].as_array();
    let whole = match asked.subresource.as_str() {
        "" => asked.resource.clone(),
        subresource => format!("{}/{subresource}", asked.resource),
    };
    let every = format!("*/{}", asked.subresource);
    has("apiGroups", &asked.group)
        && resources
            .into_iter()
            .any(|one| one == "*" || one == whole || (!asked.subresource.is_empty() && one == every))
        && named.is_none_or(|names| names.is_empty() || names.iter().any(|name| *name == asked.name))
}

fn built_in() -> Vec<Value> {
    let cluster_role =
        |name: &str, rules: Value| json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules});
    let aggregated = |name: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
        json!({
            "kind": "ClusterRole", "metadata": {"name": name},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]},
        })
    };
    let bound = |role: &str, groups: &[&str]| {
        let subjects: Vec<Value> = groups.iter().map(|group| json!({"kind": "Group", "name": group})).collect();
        json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": role}, "subjects": subjects,
            "roleRef": {"kind": "ClusterRole", "name": role},
        })
    };
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    vec![
        cluster_role(
            "cluster-admin",
            json!([
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]},
            ]),
        ),
        cluster_role(
            "system:auth-delegator",
            json!([
                {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            ]),
        ),
        cluster_role(
            "system:basic-user",
            json!([
                {
                    "apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
                    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                },
                {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
            ]),
        ),
        cluster_role("system:discovery", json!([{"nonResourceURLs": discovery, "verbs": ["get"]}])),
        cluster_role("system:public-info-viewer", json!([{"nonResourceURLs": public, "verbs": ["get"]}])),
        aggregated("view"),
        aggregated("edit"),
        aggregated("admin"),
        bound("cluster-admin", &["system:masters"]),
        bound("system:basic-user", &["system:authenticated"]),
        bound("system:discovery", &["system:authenticated"]),
        bound("system:public-info-viewer", &["system:authenticated", "system:unauthenticated"]),
        json!({
            "kind": "Role",
            "metadata": {"name": "extension-apiserver-authentication-reader", "namespace": "kube-system"},
            "rules": [{
                "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"],
                "resourceNames": ["extension-apiserver-authentication"],
            }],
        }),
    ]
}
