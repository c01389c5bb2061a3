//! The adapter in a cluster: everybody's certificate is verified, and everybody is asked for.

use serde_json::json;

use crate::fleet::Fleet;
use fake_kube::{Authority, Client, FakeKube, Leaf, Options, objects};

/// Whom the load asks as.
pub(crate) const USER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";

/// A Kubernetes API that knows the first pods of a fleet, and what the load needs to be answered.
pub(crate) struct Cluster {
    pub(crate) kube: FakeKube,
    serving: Authority,
    folder: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn of(pods: usize) -> Self {
        Self::with(pods, true)
    }

    /// The same, whose pods do not ask to be scraped.
    pub(crate) fn quiet(pods: usize) -> Self {
        Self::with(pods, false)
    }

    fn with(pods: usize, scraped: bool) -> Self {
        let kube = FakeKube::start(Options::default());
        kube.allow(|spec| spec["user"] == USER);
        kube.put_all(
            "pods",
            (0..pods).map(|pod| {
                let (name, address, shard) = Fleet::pod(pod);
                let mut object = objects::pod("bench", &name, &address.ip().to_string(), "node1");
                object["metadata"]["labels"] = json!({"app": "web", "shard": shard});
                let scrape = scraped.to_string();
                object["metadata"]["annotations"] =
                    json!({"prometheus.io/scrape": scrape, "prometheus.io/port": address.port().to_string()});
                object
            }),
        );
        let token = kube.service_account("monitoring", "metrics-adapter");
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("kubeconfig", &kube.kubeconfig(&token));
        let serving = Authority::new("serving");
        let pair = serving.issue(&Leaf::server("localhost", &["localhost"]));
        write("tls.crt", &pair.cert_pem);
        write("tls.key", &pair.key_pem);
        let proxy = kube.pki().front_proxy_client();
        write("proxy.crt", &proxy.cert_pem);
        write("proxy.key", &proxy.key_pem);
        Self { kube, serving, folder }
    }

    /// The front proxy, before an adapter that listens at `host:port`.
    pub(crate) fn front_proxy(&self, address: &str) -> Client {
        let proxy = self.kube.pki().front_proxy_client();
        let url = format!("https://{address}");
        Client::with_identity(&url, &self.serving.cert_der, None, Some(&proxy)).named("localhost")
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}
