//! A cluster for the adapter to run in: a Kubernetes API that lets it do what the shipped roles allow and no more, and
//! who may ask it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::adapter::{Adapter, adapter, quantity};
use super::kube::{Authority, Client, FakeKube, Leaf, Options, Pair, objects};

/// Whom the controller asks as.
pub(crate) const HPA: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
/// The proof's header of the front proxy, and whom it says.
pub(crate) const AS_HPA: &[(&str, &str)] = &[("X-Remote-User", HPA), ("X-Remote-Group", "system:serviceaccounts")];

/// What `kubectl apply -k` would apply of `k8s/metrics-adapter/{variant}`.
pub(crate) fn manifests(variant: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let kubectl = root.join("target/tools/venv/bin/kubectl");
    assert!(kubectl.exists(), "there is no {}: `make tools` installs it", kubectl.display());
    let folder = root.join("k8s/metrics-adapter").join(variant);
    let out = Command::new(kubectl).arg("kustomize").arg(folder).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

static COMPLETE: LazyLock<Vec<Value>> = LazyLock::new(|| manifests("complete"));

/// Those of the manifests that say who may do what.
pub(crate) fn roles(manifests: &[Value]) -> Vec<Value> {
    let kinds = ["ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];
    let role = |own: &&Value| kinds.contains(&own["kind"].as_str().unwrap());
    manifests.iter().filter(role).cloned().collect()
}

/// A cluster.
pub(crate) struct Stage {
    pub(crate) kube: FakeKube,
    pub(crate) token: String,
    serving: Authority,
    folder: TempDir,
}

impl Stage {
    /// With the roles of `k8s/metrics-adapter/complete`.
    pub(crate) fn new() -> Self {
        Self::of(Options::default())
    }

    /// With the roles of `k8s/metrics-adapter/complete`, and an API server that is so.
    pub(crate) fn of(options: Options) -> Self {
        Self::with(options, &roles(&COMPLETE))
    }

    pub(crate) fn with(options: Options, roles: &[Value]) -> Self {
        let kube = FakeKube::start(options);
        for namespace in ["kube-system", "monitoring", "shop", "default"] {
            kube.namespace(namespace);
        }
        let token = kube.service_account("monitoring", "metrics-adapter");
        kube.rbac(roles);
        kube.allow(|spec| spec["user"] == HPA);
        let serving = Authority::new("serving");
        let stage = Self { kube, token, serving, folder: tempfile::tempdir().unwrap() };
        stage.trust(&["front-proxy-client"]);
        let pair = stage.serving.issue(&Leaf::server("metrics-adapter", &["127.0.0.1", "localhost"]));
        std::fs::write(stage.file("serving.crt"), &pair.cert_pem).unwrap();
        std::fs::write(stage.file("serving.key"), &pair.key_pem).unwrap();
        std::fs::write(stage.file("kubeconfig"), stage.kube.kubeconfig(&stage.token)).unwrap();
        std::fs::write(stage.file("token"), &stage.token).unwrap();
        std::fs::write(stage.file("ca.crt"), stage.kube.ca_pem()).unwrap();
        stage
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whom the cluster trusts: its own authorities, and a front proxy of these names.
    pub(crate) fn trust(&self, names: &[&str]) {
        let pki = self.kube.pki();
        let map = objects::extension_apiserver_authentication(&pki.cluster.cert_pem, &pki.front_proxy.cert_pem, names);
        self.kube.put("configmaps", map);
    }

    /// An adapter that serves with a certificate of the tests, and does not wait for anything.
    pub(crate) fn adapter(&self, config: Option<&str>, arguments: &[&str]) -> Adapter {
        let (certificate, key) = (self.file("serving.crt"), self.file("serving.key"));
        let files = ["--tls-cert-file", certificate.to_str().unwrap(), "--tls-private-key-file", key.to_str().unwrap()];
        self.bare_adapter(config, &[&files[..], arguments].concat())
    }

    /// An adapter that makes its own certificate.
    pub(crate) fn bare_adapter(&self, config: Option<&str>, arguments: &[&str]) -> Adapter {
        let folder = tempfile::tempdir().unwrap();
        let mut command = adapter(&["--port", "0", "--ops-port", "0", "--bind-address", "127.0.0.1"]);
        command.args(["--log-format", "json", "--namespace", "monitoring", "--kubeconfig"]);
        command.arg(self.file("kubeconfig")).args(arguments);
        let said = ["--kubelet-certificate-authority", "--kubelet-insecure-tls"];
        if !arguments.iter().any(|own| said.iter().any(|flag| own.starts_with(flag))) {
            command.arg("--kubelet-certificate-authority").arg(self.file("ca.crt"));
        }
        command.arg("--kubelet-token-file").arg(self.file("token"));
        if let Some(config) = config {
            let file = folder.path().join("config.yaml");
            std::fs::write(&file, config).unwrap();
            command.arg("--config").arg(file);
        }
        Adapter::run(command, folder)
    }

    /// What vouches for who listens.
    pub(crate) fn authority(&self) -> &CertificateDer<'static> {
        &self.serving.cert_der
    }

    /// Whoever shows this certificate, or none.
    pub(crate) fn client(&self, adapter: &Adapter, pair: Option<&Pair>) -> Client {
        Client::with_identity(&adapter.api, &self.serving.cert_der, None, pair)
    }

    /// The API server's front proxy.
    pub(crate) fn front_proxy(&self, adapter: &Adapter) -> Client {
        self.client(adapter, Some(&self.kube.pki().front_proxy_client()))
    }

    /// What the HPA's controller is answered, through the front proxy.
    pub(crate) fn ask(&self, adapter: &Adapter, path: &str) -> super::kube::Reply {
        self.front_proxy(adapter).request("GET", path, AS_HPA, b"")
    }

    /// What the HPA's controller is told of `pods/web-1`, `services/web`: requests per second. None is none.
    pub(crate) fn rate(&self, adapter: &Adapter, namespace: &str, object: &str) -> Option<f64> {
        let path =
            format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/{object}/http_requests_per_second");
        let reply = self.ask(adapter, &path);
        (reply.status == 200).then(|| quantity(reply.json()["items"][0]["value"].as_str().unwrap()))
    }

    /// A pod of namespace shop that is scraped at this URL on the loopback: `http://127.0.0.1:port/path`.
    pub(crate) fn scraped_pod(&self, name: &str, url: &str) {
        self.scraped_pod_in("shop", name, url);
    }

    pub(crate) fn scraped_pod_in(&self, namespace: &str, name: &str, url: &str) {
        let uri: ureq::http::Uri = url.parse().unwrap();
        let annotations = json!({
            "prometheus.io/scrape": "true",
            "prometheus.io/port": uri.port_u16().unwrap().to_string(),
            "prometheus.io/path": uri.path(),
        });
        let mut pod = objects::pod(namespace, name, uri.host().unwrap(), "node1");
        pod["metadata"]["labels"] = json!({"app": "web"});
        pod["metadata"]["annotations"] = annotations;
        self.kube.put("pods", pod);
    }
}

/// An adapter in a cluster, that is ready to be asked. Tests add what they ask it.
pub(crate) struct Door {
    pub(crate) stage: Stage,
    pub(crate) adapter: Adapter,
}

impl Door {
    pub(crate) fn open(arguments: &[&str]) -> Self {
        let stage = Stage::new();
        let adapter = stage.adapter(Some(super::FAST), arguments);
        adapter.wait_ready();
        Self { stage, adapter }
    }
}
