//! The links from an `APIService` to where values come from, each broken by itself.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::world::{CUSTOM, RESOURCE, World, custom, resource, status};
use crate::support::kube::objects::{self, Adorn as _};
use crate::support::kube::{Authority, Leaf};

const APISERVICE: &str = "APIService v1beta2.custom.metrics.k8s.io";
const SERVICE: &str = "Service monitoring/metrics-adapter";
const POD: &str = "pod monitoring/metrics-adapter-0";

/// What is broken, how, and what is said: of what, what is wrong, and its cure.
type Case = (&'static str, fn(&World), &'static str, &'static str, &'static str);

#[track_caller]
fn each_is_named(cases: &[Case]) {
    for (what, spoil, subject, wrong, cure) in cases {
        let world = World::new();
        spoil(&world);
        world.names(what, subject, wrong, cure);
    }
}

#[test]
fn a_registration_that_leads_nowhere_is_named() {
    each_is_named(&[
        (
            "no APIService",
            |world| {
                world.stage.kube.remove("apiservices", "", CUSTOM);
                world.stage.kube.remove("apiservices", "", "v1beta1.custom.metrics.k8s.io");
            },
            APISERVICE,
            "there is none, and HPA shop/web needs it",
            "kubectl apply -k k8s/metrics-adapter",
        ),
        (
            "no APIService of usage",
            |world| _ = world.stage.kube.remove("apiservices", "", RESOURCE),
            "APIService v1beta1.metrics.k8s.io",
            "there is none, and HPA shop/web needs it",
            "kubectl apply -k k8s/metrics-adapter/complete, or metrics-server",
        ),
        (
            "no Service is named",
            |world| {
                world.api_service(CUSTOM, |own| {
                    own["spec"] = json!({"group": "custom.metrics.k8s.io", "version": "v1beta2"});
                });
            },
            APISERVICE,
            "names no Service",
            "kubectl delete apiservice v1beta2.custom.metrics.k8s.io",
        ),
        (
            "no Service",
            |world| _ = world.stage.kube.remove("services", "monitoring", "metrics-adapter"),
            APISERVICE,
            "points at Service monitoring/metrics-adapter, which does not exist",
            "kubectl apply -k k8s/metrics-adapter puts it back",
        ),
        (
            "no namespace",
            |world| world.api_service(CUSTOM, |own| own["spec"]["service"]["namespace"] = json!("gone")),
            APISERVICE,
            "not even the namespace gone",
            "kubectl delete apiservice v1beta2.custom.metrics.k8s.io",
        ),
        (
            "no port",
            |world| world.api_service(CUSTOM, |own| own["spec"]["service"]["port"] = json!(8443)),
            APISERVICE,
            "calls port 8443 of Service monitoring/metrics-adapter, which has only 443",
            "{\"spec\":{\"service\":{\"port\":443}}}",
        ),
        (
            "metrics-server is gone",
            |world| _ = world.stage.kube.remove("services", "kube-system", "metrics-server"),
            "APIService v1beta1.metrics.k8s.io",
            "points at Service kube-system/metrics-server, which does not exist",
            "install metrics-server again",
        ),
    ]);
}

fn no_endpoints(world: &World) {
    world.stage.kube.remove("endpointslices", "monitoring", "metrics-adapter-2vmmq");
}

fn no_pods(world: &World) {
    no_endpoints(world);
    world.stage.kube.remove("pods", "monitoring", "metrics-adapter-0");
}

/// The one container of the adapter's pod waits, or ended.
fn container(world: &World, status: &Value) {
    world.unready("monitoring", "metrics-adapter", |pod| {
        let own =
            json!({"name": "metrics-adapter", "image": "metrics-adapter:1.0.0", "ready": false, "restartCount": 0});
        let mut own = own;
        own.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        pod.with("/status/containerStatuses", json!([own]))
    });
}

#[test]
fn a_service_without_a_pod_that_is_ready_is_named_with_what_keeps_the_pod() {
    each_is_named(&[
        (
            "nothing is selected",
            |world| {
                no_endpoints(world);
                world
                    .stage
                    .kube
                    .change("services", "monitoring", "metrics-adapter", |own| own["spec"]["selector"] = json!(null));
            },
            SERVICE,
            "selects no pods and has no endpoints",
            "spec.selector",
        ),
        (
            "scaled to nothing",
            |world| {
                no_pods(world);
                world
                    .stage
                    .kube
                    .change("deployments", "monitoring", "metrics-adapter", |own| own["spec"]["replicas"] = json!(0));
            },
            SERVICE,
            "and there is none: Deployment metrics-adapter has 0 replicas",
            "kubectl -n monitoring scale deployment metrics-adapter --replicas=2",
        ),
        (
            "forbidden pods",
            |world| {
                no_pods(world);
                let condition = json!([{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]);
                world.stage.kube.change("deployments", "monitoring", "metrics-adapter", |own| {
                    own["status"]["conditions"] = condition;
                });
            },
            SERVICE,
            "though Deployment metrics-adapter wants some: exceeded quota",
            "kubectl -n monitoring describe replicasets",
        ),
        (
            "no Deployment",
            |world| {
                no_pods(world);
                world.stage.kube.remove("deployments", "monitoring", "metrics-adapter");
            },
            SERVICE,
            "selects pods with app.kubernetes.io/name=metrics-adapter, and there is none",
            "kubectl apply -k k8s/metrics-adapter puts it back",
        ),
        (
            "a port that no pod has",
            |world| {
                let slice = objects::endpoint_slice(
                    "monitoring",
                    "metrics-adapter",
                    ("other", 1),
                    &[("metrics-adapter-0", "10.0.0.1", true)],
                );
                world.stage.kube.put("endpointslices", slice);
            },
            SERVICE,
            "its port 443 goes to https, and none of its pods has a port of that name",
            "targetPort",
        ),
        (
            "no image",
            |world| {
                let message = "Back-off pulling image \"metrics-adapter:1.0.0\"";
                container(world, &json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": message}}}));
            },
            POD,
            "its image metrics-adapter:1.0.0 cannot be pulled (ImagePullBackOff): Back-off pulling image",
            "kind load docker-image metrics-adapter:1.0.0",
        ),
        (
            "no ConfigMap",
            |world| {
                let message = "configmap \"metrics-adapter\" not found";
                container(
                    world,
                    &json!({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}),
                );
            },
            POD,
            "cannot be started (CreateContainerConfigError): configmap \"metrics-adapter\" not found",
            "create what it names",
        ),
        (
            "a crash",
            |world| {
                let last = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
                container(
                    world,
                    &json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last, "restartCount": 7}),
                );
                world.stage.kube.pod_said("monitoring", "metrics-adapter-0", "error: PORT: both are 1\n");
            },
            POD,
            "last with exit code 2 (Error), after 7 restarts; its last words: error: PORT: both are 1",
            "kubectl -n monitoring logs metrics-adapter-0 -c metrics-adapter --previous",
        ),
        (
            "too little memory",
            |world| {
                let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
                container(world, &json!({"state": {"running": {}}, "lastState": last, "restartCount": 3}));
            },
            POD,
            "last with exit code 137 (OOMKilled), after 3 restarts",
            "raise the memory limit of container metrics-adapter",
        ),
        (
            "no room",
            |world| {
                world.unready("monitoring", "metrics-adapter", |pod| {
                    let message = "0/1 nodes are available: 1 Insufficient cpu.";
                    let condition = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]);
                    pod.phase("Pending").with("/status/conditions", condition)
                });
            },
            POD,
            "is put on no node: 0/1 nodes are available: 1 Insufficient cpu.",
            "make room on a node",
        ),
        (
            "not ready, in its own words",
            |world| {
                world.unready("monitoring", "metrics-adapter", |pod| pod);
                world.stage.kube.pod_answers("monitoring", "metrics-adapter-0", |path| match path {
                    "/readyz?verbose" => {
                        (503, json!("[+]ping ok\n[-]inventory failed: waiting for pods\nreadyz check failed\n"))
                    }
                    _ => (404, json!("")),
                });
            },
            POD,
            "is not ready: inventory failed: waiting for pods",
            "describe pod metrics-adapter-0",
        ),
    ]);
}

fn leaf() -> Leaf {
    Leaf::server("metrics-adapter", &["metrics-adapter.monitoring.svc"])
}

#[test]
fn a_certificate_that_the_api_server_cannot_verify_is_named() {
    each_is_named(&[
        (
            "no caBundle",
            |world| {
                world.bundle("");
                world.stage.kube.available(
                    CUSTOM,
                    "False",
                    "FailedDiscoveryCheck",
                    "x509: certificate signed by unknown authority",
                );
            },
            APISERVICE,
            "has no caBundle",
            "let the adapter write it, which kubectl apply -k k8s/metrics-adapter allows",
        ),
        (
            "garbage",
            |world| world.bundle("nothing"),
            APISERVICE,
            "its caBundle holds no certificate",
            "\"path\":\"/spec/caBundle\"",
        ),
        (
            "an authority of the past",
            |world| {
                let now = SystemTime::now();
                let old = Authority::valid("old", now - Duration::from_hours(48), now - Duration::from_hours(24));
                world.bundle(&old.cert_pem);
            },
            APISERVICE,
            "the authority in its caBundle is not valid now",
            "remove it, and the adapter writes it anew",
        ),
        (
            "another authority",
            |world| world.bundle(&Authority::new("other").cert_pem),
            APISERVICE,
            "its caBundle is not of the authority that signed the certificate in Secret monitoring/metrics-adapter-tls",
            "it does within three minutes",
        ),
        (
            "an expired certificate",
            |world| world.serve(&leaf().expired()),
            "Secret monitoring/metrics-adapter-tls",
            "its certificate expired at 20",
            "kubectl -n monitoring delete secret metrics-adapter-tls",
        ),
        (
            "a certificate of the future",
            |world| world.serve(&leaf().not_yet_valid()),
            "Secret monitoring/metrics-adapter-tls",
            "so a clock is wrong",
            "delete secret",
        ),
        (
            "another's certificate",
            |world| world.serve(&Leaf::server("other", &["other.monitoring.svc"])),
            "Secret monitoring/metrics-adapter-tls",
            "its certificate is not made out to metrics-adapter.monitoring.svc",
            "delete secret",
        ),
    ]);
    // Nobody can verify what another holds; an old authority beside one that is valid does no harm.
    let world = World::new();
    let now = SystemTime::now();
    let old = Authority::valid("old", now - Duration::from_hours(48), now - Duration::from_hours(24));
    world.bundle(&format!("{}{}", old.cert_pem, world.authority.cert_pem));
    assert_eq!(world.doctor(&[]).2, Some(0));
}

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
        ("FailedDiscoveryCheck", "bad status from https://10.96.0.10:443/: 500", "the logs of the pods"),
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
        (404, json!("404 page not found"), "is not served: 404 404 page not found", "serves something else"),
        (200, json!({"kind": "Pod"}), "no list of resources", "point the APIService at a metrics server"),
        (200, json!("<html>"), "with something else", "logs"),
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
    let cases: [(&str, Value, &str, &str); 8] = [
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
            json!({"url": "http://prom:9090", "up": false, "failure": "no such host"}),
            "Prometheus at http://prom:9090 gives it nothing: no such host",
            "see that Prometheus runs",
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

#[test]
fn a_second_pod_that_fails_is_a_remark() {
    let world = World::new();
    let pod = objects::pod("kube-system", "metrics-server-1", "10.244.0.10", "node1").phase("Pending").ready(false);
    world.stage.kube.put("pods", pod.label("app.kubernetes.io/name", "metrics-server"));
    world.stage.kube.service_answers("kube-system", "metrics-server", resource);
    let (said, _, code) = world.doctor(&["--verbose"]);
    assert!(code == Some(0) && said.contains("[i] pod kube-system/metrics-server-1: has not started yet"), "{said}");
}
