use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::adapter;
use crate::support::kube::objects::{self, Adorn as _};
use crate::support::kube::{Authority, Leaf, Options, base64, rfc3339};
use crate::support::stage::Stage;

/// A cluster in which everything is well: this adapter with two pods to measure, and a metrics-server. Both only say what
/// they would say.
pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) authority: Authority,
}

pub(super) const CUSTOM: &str = "v1beta2.custom.metrics.k8s.io";
pub(super) const RESOURCE: &str = "v1beta1.metrics.k8s.io";
const APIS: [(&str, &str); 3] = [
    ("v1beta1", "custom.metrics.k8s.io"),
    ("v1beta2", "custom.metrics.k8s.io"),
    ("v1beta1", "external.metrics.k8s.io"),
];

/// So long ago that every pod has a value by now.
pub(super) fn ago(minutes: u64) -> Value {
    json!(rfc3339(SystemTime::now() - Duration::from_mins(minutes)))
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        let world = Self { stage: Stage::of(options), authority: Authority::new("metrics-adapter-ca") };
        let kube = &world.stage.kube;
        kube.token("person", "kubernetes-admin", &["system:masters"]);
        world.kubeconfig("person");
        world.server("monitoring", "metrics-adapter", 6443);
        for (version, group) in APIS {
            let own = objects::api_service(version, group, "monitoring", "metrics-adapter");
            kube.put("apiservices", own.label("app.kubernetes.io/name", "metrics-adapter"));
        }
        world.bundle(&world.authority.cert_pem);
        world.serve(&Leaf::server("metrics-adapter", &["metrics-adapter.monitoring.svc"]));
        kube.service_answers("monitoring", "metrics-adapter", custom);
        kube.pod_answers("monitoring", "metrics-adapter-0", |_| (200, status()));
        world.server("kube-system", "metrics-server", 10250);
        kube.put("apiservices", objects::api_service("v1beta1", "metrics.k8s.io", "kube-system", "metrics-server"));
        kube.change("apiservices", "", RESOURCE, |own| own["spec"]["insecureSkipTLSVerify"] = json!(true));
        kube.service_answers("kube-system", "metrics-server", resource);
        kube.grant(&[json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": "metrics-server:system:auth-delegator"},
            "roleRef": {"kind": "ClusterRole", "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "metrics-server"}],
        })]);
        for (version, group) in APIS.into_iter().chain([("v1beta1", "metrics.k8s.io")]) {
            kube.available(&format!("{version}.{group}"), "True", "Passed", "all checks passed");
        }
        world.shop();
        world
    }

    /// Whom the doctor asks as.
    pub(super) fn kubeconfig(&self, token: &str) {
        std::fs::write(self.stage.file("person"), self.stage.kube.kubeconfig(token)).unwrap();
    }

    /// A Service with one ready pod, of a Deployment.
    fn server(&self, namespace: &str, name: &str, port: u16) {
        let (kube, labels) = (&self.stage.kube, json!({"app.kubernetes.io/name": name}));
        kube.put("deployments", objects::deployment(namespace, name, 1, &labels));
        kube.put("services", objects::service(namespace, name, &labels, ("https", 443)));
        let pod = objects::pod(namespace, &format!("{name}-0"), "10.244.0.9", "node1");
        let pod = pod.port(name, "https", port).ready(true).with("/metadata/labels", labels);
        kube.put("pods", pod.with("/spec/serviceAccountName", json!(name)));
        let endpoint = (&*format!("{name}-0"), "10.244.0.9", true);
        kube.put("endpointslices", objects::endpoint_slice(namespace, name, ("https", port), &[endpoint]));
    }

    /// A Deployment with two pods and an autoscaler, which has no complaint.
    fn shop(&self) {
        let (kube, labels) = (&self.stage.kube, json!({"app": "web"}));
        kube.put("deployments", objects::deployment("shop", "web", 2, &labels));
        for name in ["web-1", "web-2"] {
            let pod = objects::pod("shop", name, "10.244.0.20", "node1").container("app", &json!({"cpu": "100m"}));
            let pod = pod.ready(true).with("/metadata/labels", labels.clone()).with("/status/startTime", ago(60));
            kube.put("pods", pod);
        }
        let metrics = json!([
            {"type": "Pods", "pods": {
                "metric": {"name": "http_requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "50"},
            }},
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 75}}},
        ]);
        let hpa = objects::hpa("shop", "web", 2, 9, &metrics).with("/metadata/creationTimestamp", ago(60));
        kube.put("horizontalpodautoscalers", hpa);
        self.condition("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size");
        self.condition("ScalingActive", "True", "ValidMetricFound", "the HPA was able to compute the replica count");
    }

    /// What the controller says of the autoscaler.
    pub(super) fn condition(&self, kind: &str, status: &str, reason: &str, message: &str) {
        self.hpa(|hpa| {
            let mut all = hpa["status"]["conditions"].as_array().cloned().unwrap_or_default();
            all.retain(|own| own["type"] != kind);
            all.push(json!({"type": kind, "status": status, "reason": reason, "message": message}));
            hpa["status"]["conditions"] = json!(all);
        });
    }

    pub(super) fn hpa(&self, change: impl FnOnce(&mut Value)) {
        self.stage.kube.change("horizontalpodautoscalers", "shop", "web", change);
    }

    pub(super) fn api_service(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.stage.kube.change("apiservices", "", name, change);
    }

    /// By what the adapter's certificate is verified.
    pub(super) fn bundle(&self, pem: &str) {
        for (version, group) in APIS {
            self.api_service(&format!("{version}.{group}"), |own| {
                own["spec"]["caBundle"] = json!(base64::encode(pem.as_bytes()));
            });
        }
    }

    /// What the adapter is served with.
    pub(super) fn serve(&self, leaf: &Leaf) {
        let data = json!({
            "ca.crt": base64::encode(self.authority.cert_pem.as_bytes()),
            "tls.crt": base64::encode(self.authority.issue(leaf).cert_pem.as_bytes()),
        });
        let labels = json!({"app.kubernetes.io/managed-by": "metrics-adapter"});
        let metadata = json!({"namespace": "monitoring", "name": "metrics-adapter-tls", "labels": labels});
        self.stage.kube.put("secrets", json!({"metadata": metadata, "type": "Opaque", "data": data}));
    }

    /// No pod is ready behind a Service: its one pod is as it is made here.
    pub(super) fn unready(&self, namespace: &str, name: &str, change: impl FnOnce(Value) -> Value) {
        let kube = &self.stage.kube;
        let endpoint = (&*format!("{name}-0"), "10.244.0.9", false);
        kube.put("endpointslices", objects::endpoint_slice(namespace, name, ("https", 443), &[endpoint]));
        let pod = kube.get("pods", namespace, &format!("{name}-0")).unwrap();
        kube.put("pods", change(pod.ready(false)));
    }

    /// What the doctor prints, what it says on the side, and its exit code.
    pub(super) fn doctor(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        let mut command = adapter(&["doctor", "--kubeconfig"]);
        let out = command.arg(self.stage.file("person")).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&out.stdout), text(&out.stderr), out.status.code())
    }

    /// As [`doctor`](Self::doctor), with the kubeconfig named as kubectl's users name it.
    pub(super) fn doctor_of_the_environment(&self) -> Option<i32> {
        let mut command = adapter(&["doctor"]);
        command.env("KUBECONFIG", self.stage.file("person")).status().unwrap().code()
    }

    /// It names one fault, in one line of a sentence and a cure.
    #[track_caller]
    pub(super) fn names(&self, what: &str, subject: &str, wrong: &str, cure: &str) {
        let (said, aside, code) = self.doctor(&[]);
        assert_eq!(code, Some(1), "{what}: {said}{aside}");
        assert_eq!((said.lines().count(), &*aside), (1, ""), "{what}: {said}{aside}");
        let rest = said.strip_prefix(subject).and_then(|rest| rest.strip_prefix(": "));
        let rest = rest.unwrap_or_else(|| panic!("{what}: not of {subject}: {said}"));
        let (before, after) = rest.rsplit_once(wrong).unwrap_or_else(|| panic!("{what}: no {wrong:?} in {said}"));
        assert!(
            !before.contains(cure) && after.contains("; ") && after.contains(cure),
            "{what}: no {cure:?} in {said}"
        );
    }
}

/// What is broken, how, and what is said: of what, what is wrong, and its cure.
pub(super) type Case = (&'static str, fn(&World), &'static str, &'static str, &'static str);

#[track_caller]
pub(super) fn each_is_named(cases: &[Case]) {
    for (what, spoil, subject, wrong, cure) in cases {
        let world = World::new();
        spoil(&world);
        world.names(what, subject, wrong, cure);
    }
}

fn missing(message: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": "NotFound", "code": 404,
    });
    (404, status)
}

fn listed(group_version: &str, names: &[&str]) -> (u16, Value) {
    let resources: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "singularName": "", "namespaced": true, "kind": "MetricValueList", "verbs": ["get"]}))
        .collect();
    (200, json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

/// A value of custom metrics.
pub(super) fn value(pod: &str, value: &str, at: &Value) -> Value {
    json!({
        "describedObject": {"kind": "Pod", "namespace": "shop", "name": pod, "apiVersion": "v1"},
        "metric": {"name": "http_requests_per_second", "selector": null}, "timestamp": at, "value": value,
    })
}

pub(super) fn values(items: &[Value]) -> (u16, Value) {
    let kind = "MetricValueList";
    (200, json!({"kind": kind, "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {}, "items": items}))
}

/// What this adapter answers.
pub(super) fn custom(path: &str) -> (u16, Value) {
    match path {
        "/apis/custom.metrics.k8s.io/v1beta2" => listed(
            "custom.metrics.k8s.io/v1beta2",
            &["pods/http_requests_per_second", "services/http_requests_per_second"],
        ),
        "/apis/custom.metrics.k8s.io/v1beta1" => {
            listed("custom.metrics.k8s.io/v1beta1", &["pods/http_requests_per_second"])
        }
        "/apis/external.metrics.k8s.io/v1beta1" => listed("external.metrics.k8s.io/v1beta1", &["externalmetrics"]),
        "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/http_requests_per_second?labelSelector=app%3Dweb" =>
        {
            let now = ago(0);
            values(&[value("web-1", "12500m", &now), value("web-2", "10", &now)])
        }
        other => missing(&format!("the server could not find what is asked: {other}")),
    }
}

/// A pod of metrics.k8s.io.
pub(super) fn usage(pod: &str, containers: &[(&str, &str)]) -> Value {
    let usage = |(name, cpu): &(&str, &str)| json!({"name": name, "usage": {"cpu": cpu, "memory": "50Mi"}});
    json!({
        "metadata": {"namespace": "shop", "name": pod}, "timestamp": ago(0), "window": "15s",
        "containers": containers.iter().map(usage).collect::<Vec<_>>(),
    })
}

pub(super) fn usages(items: &[Value]) -> (u16, Value) {
    (200, json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}))
}

/// What metrics-server answers.
pub(super) fn resource(path: &str) -> (u16, Value) {
    match path {
        "/apis/metrics.k8s.io/v1beta1" => listed("metrics.k8s.io/v1beta1", &["nodes", "pods"]),
        "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb" => {
            usages(&[usage("web-1", &[("app", "12345678n")]), usage("web-2", &[("app", "5m")])])
        }
        other => missing(&format!("the server could not find what is asked: {other}")),
    }
}

/// What the adapter's status page says.
pub(super) fn status() -> Value {
    json!({
        "ready": true, "readiness": ["[+]ping ok"], "files": [{"what": "config", "path": "/etc/config.yaml", "problem": null}],
        "targets": [{"pod": "web-1", "state": "up", "error": null}, {"pod": "web-2", "state": "waiting", "error": null}],
        "nodes": [],
        "cluster": {
            "trustProblem": null, "certificate": {"problem": null},
            "apiServices": [{"name": CUSTOM, "problem": null}], "watches": [{"resource": "pods", "problem": null}],
        },
    })
}
