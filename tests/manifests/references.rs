//! Each name that a manifest gives is the name of something, within what is applied together.

mod environment;
mod pods;
mod rbac;
mod selectors;
mod services;

use serde_json::{Value, json};
use stack::workloads::{Workload, entries, id, kind, name, namespace, selects, workloads};

use crate::bundles::{Bundle, all, bundle};

/// What exists before anything is applied.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Bundles that say in their kustomization's comment that a namespace is there already.
const BEFORE: [(&str, &str); 1] = [("k8s/metrics-adapter/namespaced", "real-world")];

/// One of them says what is wrong within a bundle.
type Check = fn(&World<'_>) -> Vec<String>;

const CHECKS: [Check; 14] = [
    namespaces,
    services::select_pods,
    services::lead_to_ports,
    services::ingresses_lead_to_services,
    services::apis_lead_to_services,
    services::sets_have_services,
    pods::have_accounts,
    pods::mount_what_there_is,
    pods::are_asked_on_their_ports,
    pods::select_themselves,
    environment::is_read_from_what_there_is,
    selectors::select_something,
    selectors::policies_name_ports,
    rbac::binds_what_there_is,
];

/// What is applied together.
pub(crate) struct World<'a> {
    pub(crate) name: &'a str,
    pub(crate) objects: &'a [Value],
}

impl<'a> World<'a> {
    pub(crate) fn of(bundle: &'a Bundle) -> Self {
        Self { name: &bundle.name, objects: &bundle.objects }
    }

    pub(crate) fn find(&self, what: &str, space: &str, called: &Value) -> Option<&'a Value> {
        self.each(what).find(|object| namespace(object) == space && *called == name(object))
    }

    pub(crate) fn each(&self, what: &str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| kind(object) == what)
    }

    pub(crate) fn workloads(&self) -> impl Iterator<Item = Workload<'a>> {
        workloads(self.objects)
    }

    /// Workloads of a namespace whose pods a label selector selects.
    fn selected(&self, space: &str, selector: &Value) -> Vec<Workload<'a>> {
        self.workloads().filter(|one| one.namespace() == space && selects(selector, one.labels())).collect()
    }

    /// Workloads behind a Service.
    fn behind(&self, service: &Value) -> Vec<Workload<'a>> {
        let selector = &service["spec"]["selector"];
        let own = self.workloads().filter(|one| one.namespace() == namespace(service) && one.has(selector));
        own.filter(|_| entries(selector).next().is_some()).collect()
    }

    /// Names and labels of namespaces.
    pub(crate) fn namespaces(&self) -> Vec<(&'a str, Value)> {
        let own = self.each("Namespace").map(|space| (name(space), space["metadata"]["labels"].clone()));
        let before = BEFORE.iter().filter(|(of, _)| *of == self.name).map(|(_, space)| (*space, json!({})));
        let all = own.chain(before).chain(NAMESPACES.map(|space| (space, json!({}))));
        all.map(|(space, mut labels)| {
            labels["kubernetes.io/metadata.name"] = json!(space);
            (space, labels)
        })
        .collect()
    }
}

fn namespaces(world: &World<'_>) -> Vec<String> {
    let known = world.namespaces();
    let unknown = world
        .objects
        .iter()
        .filter(|object| !namespace(object).is_empty() && !known.iter().any(|(space, _)| *space == namespace(object)));
    unknown.map(|object| format!("{}: there is no namespace {}", id(object), namespace(object))).collect()
}

fn problems(bundle: &Bundle) -> Vec<String> {
    let world = World::of(bundle);
    CHECKS.iter().flat_map(|check| check(&world)).collect()
}

#[test]
fn every_reference_leads_somewhere() {
    for bundle in all() {
        let problems = problems(bundle);
        assert!(problems.is_empty(), "{}:\n{}", bundle.name, problems.join("\n"));
    }
}

/// Where it is broken, with what, and what is said of it.
type Break = (&'static str, &'static str, Value, &'static str);

fn breaks() -> Vec<Break> {
    let pod = "/spec/template/spec";
    let at = |rest: &str| -> &'static str { format!("{pod}{rest}").leak() };
    let (api, db, traefik) = (
        "Deployment real-world/real-world",
        "StatefulSet real-world/db",
        "Deployment real-world/traefik-ingress-controller",
    );
    vec![
        (api, "/metadata/namespace", json!("world"), "there is no namespace world"),
        ("Service real-world/db", "/spec/selector/k8s-app", json!("dd"), "selects no pods"),
        (
            "Service real-world/db",
            "/spec/ports/0/targetPort",
            json!("sql"),
            "no container of StatefulSet real-world/db",
        ),
        ("Ingress real-world/real-world-service", "/spec/ingressClassName", json!("nginx"), "no IngressClass nginx"),
        (
            "Ingress real-world/real-world-service",
            "/spec/rules/0/http/paths/0/backend/service/name",
            json!("real-world"),
            "there is no Service real-world",
        ),
        (
            "Ingress real-world/real-world-service",
            "/spec/rules/1/http/paths/0/backend/service/port/name",
            json!("web"),
            "has no port web",
        ),
        ("APIService v1beta1.custom.metrics.k8s.io", "/spec/service/name", json!("x"), "there is no Service x"),
        ("APIService v1beta2.custom.metrics.k8s.io", "/spec/service/port", json!(6443), "has no port 6443"),
        ("APIService v1beta2.custom.metrics.k8s.io", "/spec/version", json!("v1"), "its name would be v1.custom"),
        (db, "/spec/serviceName", json!("postgres"), "there is no Service postgres"),
        (db, "/spec/serviceName", json!("real-world-service"), "does not select its pods"),
        (api, at("/serviceAccountName"), json!("world"), "there is no ServiceAccount world"),
        (db, at("/volumes/0/configMap/name"), json!("db-ini"), "volume init: there is no ConfigMap db-ini"),
        (db, at("/containers/0/volumeMounts/1/name"), json!("initial"), "mounts initial, which is no volume"),
        (db, at("/volumes/2/name"), json!("temporary"), "nobody mounts volume temporary"),
        (traefik, at("/volumes/0/configMap/items/0/key"), json!("traefik.yml"), "has no key traefik.yml"),
        (traefik, at("/volumes/1/secret/optional"), json!(false), "there is no Secret traefik-dashboard"),
        (api, at("/containers/0/readinessProbe/httpGet/port"), json!("opps"), "readinessProbe asks on port opps"),
        (api, "/spec/template/metadata/annotations/prometheus.io~1port", json!("9100"), "is scraped on port 9100"),
        (api, "/spec/selector/matchLabels/k8s-app", json!("world"), "does not select its own pods"),
        (api, at("/topologySpreadConstraints/0/labelSelector/matchLabels/k8s-app"), json!("w"), "spreads other pods"),
        (api, at("/containers/0/env/1/valueFrom/secretKeyRef/name"), json!("secret"), "there is no Secret secret"),
        (api, at("/containers/0/env/1/valueFrom/secretKeyRef/key"), json!("pass"), "has no key pass"),
        (
            "HorizontalPodAutoscaler real-world/real-world-hpa",
            "/spec/scaleTargetRef/name",
            json!("w"),
            "scales Deployment w",
        ),
        (
            "PodDisruptionBudget real-world/real-world",
            "/spec/selector/matchLabels/k8s-app",
            json!("w"),
            "selects no pods",
        ),
        ("NetworkPolicy real-world/db", "/spec/podSelector/matchLabels/k8s-app", json!("w"), "selects no pods"),
        (
            "NetworkPolicy real-world/real-world",
            "/spec/ingress/0/from/0/podSelector/matchLabels/k8s-app",
            json!("traefik"),
            "ingress 0: peer 0 is nobody",
        ),
        (
            "NetworkPolicy real-world/real-world",
            "/spec/ingress/1/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name",
            json!("metrics"),
            "ingress 1: peer 0 is nobody",
        ),
        ("NetworkPolicy real-world/real-world", "/spec/ingress/0/ports/0/port", json!("web"), "has no port web"),
        ("NetworkPolicy real-world/to-db", "/spec/egress/1/ports/0/port", json!(5433), "has no port 5433"),
        ("RoleBinding real-world/traefik-ingress-controller", "/roleRef/name", json!("t"), "there is no Role t"),
        (
            "ClusterRoleBinding traefik-ingress-controller",
            "/subjects/0/name",
            json!("t"),
            "no ServiceAccount real-world/t",
        ),
        ("Role real-world/traefik-ingress-controller", "/metadata/name", json!("t"), "nobody is bound to it"),
    ]
}

#[test]
fn each_reference_that_leads_nowhere_is_found() {
    for (object, pointer, value, said) in breaks() {
        let mut broken = bundle("k8s").clone();
        let found = broken.objects.iter_mut().find(|one| id(one) == object);
        let found = found.unwrap_or_else(|| panic!("there is no {object}"));
        let field = found.pointer_mut(pointer).unwrap_or_else(|| panic!("{object} has no {pointer}"));
        *field = value;
        let problems = problems(&broken);
        assert!(problems.iter().any(|problem| problem.contains(said)), "{object} {pointer}: {said}: {problems:#?}");
    }
}

#[test]
fn a_key_that_the_commands_of_the_cloud_overlay_do_not_make_is_found() {
    let mut broken = bundle("overlays/cloud").clone();
    let secret = broken.objects.iter_mut().find(|one| id(one) == "Secret real-world/real-world-secret").unwrap();
    assert_eq!(secret["data"].as_object().unwrap().len(), 7, "what its comment makes");
    secret["data"].as_object_mut().unwrap().remove("jwt").unwrap();
    let problems = problems(&broken);
    assert_eq!(
        problems,
        ["Deployment real-world/real-world container real-world: JWT_SECRET: Secret real-world-secret has no key jwt"]
    );
}
