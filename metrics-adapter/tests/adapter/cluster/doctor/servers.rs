//! What the API server, the authorizer and the adapter itself say of an API, each time that something is wrong.

use serde_json::{Value, json};

use super::world::{CUSTOM, RESOURCE, World, custom, resource, status};

const APISERVICE: &str = "APIService v1beta2.custom.metrics.k8s.io";
const POD: &str = "pod monitoring/metrics-adapter-0";

#[test]
fn what_the_aggregator_says_is_told_with_its_cure() {
    let url = "failing or missing response from https://10.96.0.10:443/apis/custom.metrics.k8s.io/v1beta2: ";
    for (reason, message, cure) in [
        (
            "FailedDiscoveryCheck",
            "Get \"https://10.96.0.10:443/\": context deadline exceeded",
            "reach the pods at TCP 6443",
        ),
        ("FailedDiscoveryCheck", "dial tcp 10.244.0.9:6443: i/o timeout", "a firewall rule"),
        (
            "FailedDiscoveryCheck",
            "dial tcp 10.244.0.9:6443: connect: connection refused",
            "listen with TLS on port 6443",
        ),
        (
            "FailedDiscoveryCheck",
            "bad status from https://10.96.0.10:443/: 401",
            "extension-apiserver-authentication-reader",
        ),
        ("FailedDiscoveryCheck", "bad status from https://10.96.0.10:443/: 403", "system:auth-delegator"),
        (
            "FailedDiscoveryCheck",
            "bad status from https://10.96.0.10:443/: 500",
            "kubectl -n monitoring logs service/metrics-adapter",
        ),
        (
            "FailedDiscoveryCheck",
            "x509: certificate signed by unknown authority",
            "write its authority into the caBundle",
        ),
        (
            "FailedDiscoveryCheck",
            "x509: certificate has expired or is not yet valid",
            "delete secret metrics-adapter-tls",
        ),
        (
            "FailedDiscoveryCheck",
            "x509: certificate is valid for a, not b",
            "made out to metrics-adapter.monitoring.svc",
        ),
        ("MissingEndpoints", "endpoints for service/metrics-adapter in \"monitoring\" have no addresses", "get pods"),
        ("ServiceNotFound", "service/metrics-adapter in \"monitoring\" is not present", "puts it back"),
    ] {
        let world = World::new();
        world.stage.kube.available(CUSTOM, "False", reason, &format!("{url}{message}"));
        world.names(message, APISERVICE, message, cure);
    }
    let cases: [(u16, Value, &str, &str); 4] = [
        (503, json!("service unavailable"), "is answered with 503: service unavailable", "logs"),
        (404, json!("404 page not found"), "is not served: 404 page not found", "serves something else"),
        (200, json!({"kind": "Pod"}), "no list of resources", "point the APIService at a metrics server"),
        (200, json!("<html>"), "what is not understood", "logs"),
    ];
    for (status, body, wrong, cure) in cases {
        let world = World::new();
        world.stage.kube.service_answers("monitoring", "metrics-adapter", move |_| (status, body.clone()));
        world.names(wrong, APISERVICE, wrong, cure);
    }
    let world = World::new();
    world.stage.kube.service_answers("monitoring", "metrics-adapter", |path| match path {
        "/apis/custom.metrics.k8s.io/v1beta2" => {
            (200, json!({"resources": [{"name": "pods/no_metric_is_configured"}]}))
        }
        other => custom(other),
    });
    world.names("nothing is configured", APISERVICE, "lists no metric", "edit configmap metrics-adapter");
}

#[test]
fn who_may_not_what_they_must_is_named() {
    let world = World::new();
    world.stage.kube.allow(|_| false);
    world.names(
        "the controller",
        "ServiceAccount kube-system/horizontal-pod-autoscaler",
        "may not get pods/http_requests_per_second.custom.metrics.k8s.io in namespace shop",
        "--resource='*.custom.metrics.k8s.io'",
    );
    let account = "ServiceAccount monitoring/metrics-adapter";
    for (kind, name, wrong, cure) in [
        (
            "ClusterRoleBinding",
            "metrics-adapter:system:auth-delegator",
            "may not create subjectaccessreviews.authorization.k8s.io",
            "--clusterrole=system:auth-delegator --serviceaccount=monitoring:metrics-adapter",
        ),
        (
            "RoleBinding",
            "metrics-adapter-auth-reader",
            "may not watch configmaps in namespace kube-system",
            "--role=extension-apiserver-authentication-reader --serviceaccount=monitoring:metrics-adapter",
        ),
        (
            "ClusterRoleBinding",
            "metrics-adapter",
            "may not list pods",
            "kubectl apply -k k8s/metrics-adapter puts it back",
        ),
    ] {
        let world = World::new();
        let mut binding = json!({"kind": kind, "metadata": {"name": name}, "subjects": [], "roleRef": {"kind": "ClusterRole", "name": "x"}});
        if kind == "RoleBinding" {
            binding["metadata"]["namespace"] = json!("kube-system");
        }
        world.stage.kube.grant(&[binding]);
        world.names(name, account, wrong, cure);
    }
    // Where it serves usage it must be let to the kubelets.
    let world = World::new();
    world.api_service(RESOURCE, |own| {
        own["metadata"]["labels"] = json!({"app.kubernetes.io/name": "metrics-adapter"});
        own["spec"]["service"] = json!({"namespace": "monitoring", "name": "metrics-adapter", "port": 443});
    });
    world.stage.kube.service_answers("monitoring", "metrics-adapter", |path| {
        if path.contains("/metrics.k8s.io") { resource(path) } else { custom(path) }
    });
    assert_eq!(world.doctor(&[]), (String::new(), String::new(), Some(0)));
    let role = json!({"kind": "ClusterRole", "metadata": {"name": "metrics-adapter-resource-metrics"}, "rules": []});
    world.stage.kube.grant(&[role]);
    world.names(
        "kubelets",
        account,
        "may not get nodes/metrics",
        "kubectl apply -k k8s/metrics-adapter/complete puts it back",
    );
    // Where it is to look at one namespace, it need not see the others.
    let world = World::new();
    let nobody =
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "metrics-adapter"}, "subjects": [], "roleRef": {}});
    let role = json!({"kind": "ClusterRole", "metadata": {"name": "pods"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]});
    let account = json!({"kind": "ServiceAccount", "namespace": "monitoring", "name": "metrics-adapter"});
    let binding = json!({
        "kind": "RoleBinding", "metadata": {"namespace": "shop", "name": "pods"}, "subjects": [account],
        "roleRef": {"kind": "ClusterRole", "name": "pods"},
    });
    world.stage.kube.grant(&[nobody, role, binding]);
    world.stage.kube.change("pods", "monitoring", "metrics-adapter-0", |pod| {
        pod["spec"]["containers"][0]["args"] = json!(["serve", "--namespaces=shop"]);
    });
    assert_eq!(world.doctor(&[]).2, Some(0));
}

#[test]
fn what_the_adapter_says_of_its_sources_is_told() {
    let down =
        |place: &str| json!({"pod": place, "name": place, "state": "down", "error": {"problem": "connection refused"}});
    let cases: [(&str, Value, &str, &str); 10] = [
        ("ready", json!(false), "is not ready", "log"),
        (
            "files",
            json!([{"path": "/etc/config.yaml", "problem": "line 2: unknown key"}]),
            "/etc/config.yaml is wrong, and what it said before is in force: line 2: unknown key",
            "edit configmap",
        ),
        ("cluster", json!({"trustProblem": "the API server answered 403"}), "the API server answered 403", "logs"),
        ("cluster", json!({"watches": [{"resource": "pods", "problem": "gone"}]}), "pods: gone", "logs"),
        (
            "cluster",
            json!({"apiServices": [{"name": "v1", "problem": "could not be changed"}]}),
            "v1: could not be changed",
            "logs",
        ),
        (
            "prometheus",
            json!({"url": "http://prom:9090", "up": false, "error": {"reason": "connection", "problem": "no such host"}}),
            "Prometheus at http://prom:9090 gives it nothing: no such host",
            "see that Prometheus runs",
        ),
        (
            "prometheus",
            json!({"url": "http://prom:9090", "up": true, "rules": [
                {"kind": "rules", "line": 7, "seriesQuery": "x{", "error": {"reason": "refused", "problem": "parse error"}},
            ]}),
            "rules, line 7: the series of \"x{\" cannot be listed: parse error",
            "mend its seriesQuery",
        ),
        (
            "prometheus",
            json!({"url": "http://prom:9090", "up": true, "queries": [
                {"metric": "pods/m", "query": "sum(", "error": {"reason": "refused", "problem": "parse error"}},
            ]}),
            "the query for pods/m fails: parse error",
            "mend its query",
        ),
        (
            "targets",
            json!([down("web-1"), down("web-2")]),
            "none of its 2 targets can be read, as web-1: connection refused",
            "prometheus.io/port",
        ),
        (
            "nodes",
            json!([down("node1")]),
            "none of its 1 kubelets can be read, as node1: connection refused",
            "KUBELET_INSECURE_TLS",
        ),
    ];
    for (field, value, wrong, cure) in cases {
        let world = World::new();
        world.stage.kube.pod_answers("monitoring", "metrics-adapter-0", move |_| {
            let mut page = status();
            page[field] = value.clone();
            (200, page)
        });
        world.names(field, POD, wrong, cure);
    }
    // That the page cannot be read breaks nothing.
    let world = World::new();
    world.stage.kube.pod_answers("monitoring", "metrics-adapter-0", |_| (502, json!("no")));
    let (said, aside, code) = world.doctor(&[]);
    assert_eq!((&*said, code), ("", Some(0)));
    assert!(aside.contains("status page of pod monitoring/metrics-adapter-0 was not looked at; --verbose"), "{aside}");
}
