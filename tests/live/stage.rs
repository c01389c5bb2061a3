//! Everything at work together: replicas on Postgres and on SQLite, Traefik, the adapter in a cluster, an HPA, load with
//! failures in it, and Prometheus on the shipped configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fake_kube::{Client, ContainerModel, FakeKube, FakeKubelets, NodeModel, PodModel, objects};
use serde_json::{Value, json};
use stack::blog;
use stack::manifests::{self, find, kustomized, root};
use stack::postgres::Postgres;
use stack::processes::{Process, eventually, free_port};
use stack::replicas::Replicas;
use stack::traefik::{NAMESPACE, Setting, Traefik, cluster};
use tempfile::TempDir;

use crate::prometheus::Prometheus;

const MONITORING: &str = "monitoring";

pub(crate) struct Stage {
    pub(crate) prometheus: Prometheus,
    _alive: (Replicas, Replicas, Traefik, Adapter),
}

impl Stage {
    /// When it is returned, everything has happened that the dashboards show.
    pub(crate) fn play() -> Self {
        let kube = cluster();
        let postgres = Postgres::start("a-password-of-the-administrator");
        let port = postgres.port.to_string();
        let mut shared = Replicas::of(
            &kube,
            &[
                ("DB_HOST", "127.0.0.1"),
                ("DB_SERVICE_PORT", &port),
                ("DB_USER", "postgres"),
                ("DB_NAME", "phoenix"),
                ("DB_PASSWORD", "a-password-of-the-administrator"),
                ("JWT_SECRET", "an-example-secret-of-at-least-32-bytes"),
            ],
        );
        shared.start();
        shared.start();
        let traefik = Traefik::start(&kube, Setting::default());
        traefik.wait();
        // One on the other database; nobody asks it through Traefik.
        let mut alone = Replicas::of(&Arc::new(FakeKube::start(fake_kube::Options::default())), &[]);
        alone.first = 11;
        alone.start();
        let adapter = Adapter::start(&kube, &shared);
        let pods: Vec<(String, SocketAddr, &str)> = shared
            .running
            .iter()
            .map(|own| (own.name.clone(), (own.address, shared.ops).into(), "real-world"))
            .chain(alone.running.iter().map(|own| (own.name.clone(), (own.address, alone.ops).into(), "real-world")))
            .chain([("traefik-ingress-controller-68994b879-fjwm6".to_owned(), traefik.ops, "traefik")])
            .collect();
        let mut pods: Vec<_> = pods.into_iter().map(|(pod, at, name)| (NAMESPACE, pod, at, name)).collect();
        pods.push((MONITORING, "metrics-adapter-5d8c7b6f4-x2x2x".to_owned(), adapter.ops, "metrics-adapter"));
        let prometheus = Prometheus::start(&pods);
        // The API server's watches break, as they do when it is replaced.
        kube.away();
        std::thread::sleep(Duration::from_secs(2));
        kube.back();
        let outcome = blog::during(traefik.web, 60, Duration::from_secs(12), || {
            for _ in 0..12 {
                adapter.ask();
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        assert_eq!(outcome.failed, 0, "{}", outcome.failures);
        // The database goes away, and each request is answered with 503.
        drop(postgres);
        let outcome = blog::asked(traefik.web, 20, Duration::from_secs(6));
        assert!(outcome.failed > 0, "no request failed without a database");
        adapter.ask();
        std::thread::sleep(Duration::from_secs(3));
        Self { prometheus, _alive: (shared, alone, traefik, adapter) }
    }
}

/// The adapter as its Deployment starts it.
struct Adapter {
    _process: Process,
    api: SocketAddr,
    ops: SocketAddr,
    kube: Arc<FakeKube>,
    _kubelets: FakeKubelets,
    _folder: TempDir,
}

impl Adapter {
    fn start(kube: &Arc<FakeKube>, replicas: &Replicas) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all = kustomized("k8s/metrics-adapter/complete");
        kube.grant(&all);
        for namespace in [MONITORING, "kube-system"] {
            kube.namespace(namespace);
        }
        for object in all.iter().filter(|object| object["kind"] == "APIService") {
            kube.put("apiservices", object.clone());
        }
        let pki = kube.pki();
        let map = objects::extension_apiserver_authentication(
            &pki.cluster.cert_pem,
            &pki.front_proxy.cert_pem,
            &["front-proxy-client"],
        );
        kube.put("configmaps", map);
        let token = kube.service_account(MONITORING, "metrics-adapter");
        kube.token("asks", "somebody", &["system:masters"]);
        let kubelets = FakeKubelets::start(pki);
        kubelets.token(&token, true);
        let containers = |name: &str| {
            vec![ContainerModel::new("real-world", 3.0, 17 << 20)].into_iter().map(|own| (name.to_owned(), own)).next()
        };
        let models = replicas.running.iter().filter_map(|own| containers(&own.name));
        let models = models.map(|(name, container)| PodModel::new(NAMESPACE, &name, vec![container])).collect();
        kubelets.set("node1", &NodeModel::new(9.0, 1 << 30, models));
        kube.put("nodes", objects::node("node1", &[("InternalIP", &kubelets.address("node1").to_string())]));
        put_pods(kube, replicas);
        let [api, ops] =
            [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into()))));
        let (config, kubeconfig) = (folder.path().join("token"), folder.path().join("kubeconfig"));
        std::fs::write(&kubeconfig, kube.kubeconfig(&token)).unwrap();
        std::fs::write(&config, &token).unwrap();
        let mut command = Process::ours("metrics-adapter");
        command.args(["serve", "--bind-address", "127.0.0.1", "--namespace", MONITORING, "--kubelet-insecure-tls"]);
        command.args(["--port", &api.port().to_string(), "--ops-port", &ops.port().to_string()]);
        command.args(["--kubelet-port", &kubelets.port().to_string(), "--kubelet-token-file"]).arg(&config);
        command.arg("--kubeconfig").arg(&kubeconfig);
        command.arg("--config").arg(root().join("k8s/metrics-adapter/base/config.yaml"));
        let process = Process::start(command, &folder.path().join("log"));
        let adapter =
            Self { _process: process, api, ops, kube: Arc::clone(kube), _kubelets: kubelets, _folder: folder };
        eventually("the adapter gets ready", || {
            (stack::processes::get(ops, "ops", "/readyz", &[]).status == 200).then_some(())
        });
        adapter
    }

    /// As the HPA does, and as somebody who asks for what is not there.
    fn ask(&self) {
        let service = self.kube.get("apiservices", "", "v1beta2.custom.metrics.k8s.io").expect("the APIService");
        let bundle = service["spec"]["caBundle"].as_str().expect("the adapter has written its authority into it");
        let ca = fake_kube::pki::certificate(&fake_kube::base64::decode(bundle).unwrap());
        let client =
            Client::new(&format!("https://{}", self.api), &ca, Some("asks")).named("metrics-adapter.monitoring.svc");
        for path in [
            "custom.metrics.k8s.io/v1beta2/namespaces/real-world/pods/*/http_requests_per_second",
            "custom.metrics.k8s.io/v1beta2/namespaces/real-world/pods/*/nothing_of_that_name",
            "metrics.k8s.io/v1beta1/namespaces/real-world/pods",
            "metrics.k8s.io/v1beta1/nodes",
        ] {
            client.get(&format!("/apis/{path}"));
        }
    }
}

/// The pods of the replicas, and the HPA with what the controller has written into it.
fn put_pods(kube: &FakeKube, replicas: &Replicas) {
    let all = manifests::file("k8s/real-world-deployment.yaml");
    let deployment = find(&all, "Deployment", "real-world");
    kube.put("deployments", deployment.clone());
    for own in &replicas.running {
        let mut pod = objects::pod(NAMESPACE, &own.name, &own.address.to_string(), "node1");
        pod["metadata"]["labels"] = deployment["spec"]["template"]["metadata"]["labels"].clone();
        pod["metadata"]["annotations"] = deployment["spec"]["template"]["metadata"]["annotations"].clone();
        pod["metadata"]["annotations"]["prometheus.io/port"] = json!(replicas.ops.to_string());
        kube.put("pods", pod);
    }
    let mut hpa = manifests::file("k8s/real-world-hpa.yaml")[0].clone();
    let current = |name: &str, value: Value| json!({"type": "Resource", "resource": {"name": name, "current": value}});
    let condition =
        |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "ItIsSo", "message": "as it is"});
    hpa["status"] = json!({
        "currentReplicas": 2, "desiredReplicas": 2,
        "currentMetrics": [
            {"type": "Pods", "pods": {"metric": {"name": "http_requests_per_second"}, "current": {"averageValue": "30"}}},
            current("cpu", json!({"averageUtilization": 20, "averageValue": "20m"})), current("memory", json!({"averageValue": "17Mi"})),
        ],
        "conditions": [condition("AbleToScale", "True"), condition("ScalingActive", "True"), condition("ScalingLimited", "False")],
    });
    kube.put("horizontalpodautoscalers", hpa);
}
