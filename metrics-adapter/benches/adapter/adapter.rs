use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::guarded::Cluster;
use crate::process::{self, Memory};

/// The real adapter on the first pods of a fleet. Killed when dropped.
pub(crate) struct Adapter {
    child: Child,
    /// `127.0.0.1:port` of the APIs.
    pub(crate) api: String,
    /// `127.0.0.1:port` of the operators' pages.
    pub(crate) ops: String,
    agent: ureq::Agent,
    /// The front proxy's certificate and key, which the load must show.
    pub(crate) proxy: Option<(String, String)>,
    _folder: tempfile::TempDir,
}

impl Adapter {
    pub(crate) fn start(pods: usize, config: Option<&str>, tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
        command.env_clear().args(["--standalone", "--port", "0", "--ops-port", "0", "--log-format", "json"]);
        command.arg("--targets").arg(write("targets.yaml", &Fleet::targets_file(pods)));
        if tls {
            command.arg("--tls-cert-file").arg(write("tls.crt", &made.cert.pem()));
            command.arg("--tls-private-key-file").arg(write("tls.key", &made.signing_key.serialize_pem()));
        }
        if let Some(config) = config {
            command.arg("--config").arg(write("config.yaml", config));
        }
        Self::run(command, None, folder)
    }

    /// In a cluster, whose pods it scrapes.
    pub(crate) fn guarded(cluster: &Cluster) -> Self {
        Self::in_cluster(cluster, tempfile::tempdir().unwrap(), &[])
    }

    /// In a cluster, with a configuration that has a Prometheus asked.
    pub(crate) fn asking(cluster: &Cluster, config: &str, url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, config).unwrap();
        let path = path.display().to_string();
        Self::in_cluster(cluster, folder, &["--config", &path, "--prometheus-url", url])
    }

    fn in_cluster(cluster: &Cluster, folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
        command.env_clear().args(["--port", "0", "--ops-port", "0", "--log-format", "json"]);
        command.args(["--bind-address", "127.0.0.1", "--namespace", "monitoring", "--resource-metrics", "false"]);
        command.args(["--kubeconfig", &cluster.file("kubeconfig"), "--tls-cert-file", &cluster.file("tls.crt")]);
        command.args(["--tls-private-key-file", &cluster.file("tls.key")]);
        let proxy = Some((cluster.file("proxy.crt"), cluster.file("proxy.key")));
        command.args(arguments);
        Self::run(command, proxy, folder)
    }

    fn run(mut command: Command, proxy: Option<(String, String)>, folder: tempfile::TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |field: &str| loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if let Some(address) = line[field].as_str() {
                return address.to_owned();
            }
        };
        let (api, ops) = (address("api"), address("ops"));
        // Whoever writes a log must be read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let adapter = Self { child, api, ops, agent: ureq::Agent::new_with_defaults(), proxy, _folder: folder };
        while adapter.agent.get(format!("http://{}/readyz", adapter.ops)).call().is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
        adapter
    }

    /// What a listener answers, without TLS.
    pub(crate) fn get(&self, listener: &str, path: &str) -> String {
        let mut answer = self.agent.get(format!("http://{listener}{path}")).call().unwrap();
        answer.body_mut().with_config().limit(100 << 20).read_to_string().unwrap()
    }

    /// One of its own metrics.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.get(&self.ops, "/metrics");
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or(f64::NAN)
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(&self.child.id().to_string())
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::of(&self.child.id().to_string())
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
