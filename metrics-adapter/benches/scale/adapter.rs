use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;
use crate::kubelets::Kubelets;
use crate::pki::Pki;
use crate::process::{self, Memory};
use crate::{PATIENCE, RESOLUTION};

/// The real adapter. Killed when dropped.
pub(crate) struct Adapter {
    child: Child,
    /// Of the APIs, on loopback.
    pub(crate) api: SocketAddr,
    ops: SocketAddr,
    agent: ureq::Agent,
    _folder: tempfile::TempDir,
}

impl Adapter {
    pub(crate) fn start(pki: &Pki, api: &Api, kubelets: &Kubelets) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let authority = write("ca.crt", &pki.authority);
        let (certificate, key) = pki.pem("localhost");
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: bench\n\
             clusters: [{{name: bench, cluster: {{server: 'https://{}', certificate-authority: {}}}}}]\n\
             users: [{{name: bench, user: {{token: secret}}}}]\n\
             contexts: [{{name: bench, context: {{cluster: bench, user: bench, namespace: monitoring}}}}]\n",
            api.address,
            authority.display(),
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
        command.env_clear().args(["--port", "0", "--ops-port", "0", "--log-format", "json"]);
        command.args(["--bind-address", "127.0.0.1"]);
        command.arg("--kubeconfig").arg(write("kubeconfig", &kubeconfig));
        command.arg("--kubelet-port").arg(kubelets.port.to_string());
        command.arg("--kubelet-certificate-authority").arg(&authority);
        command.arg("--kubelet-token-file").arg(write("token", "secret"));
        command.arg("--metric-resolution").arg(format!("{}s", RESOLUTION.as_secs()));
        command.arg("--tls-cert-file").arg(write("tls.crt", &certificate));
        command.arg("--tls-private-key-file").arg(write("tls.key", &key));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |field: &str| loop {
            let line: Value = serde_json::from_str(&lines.next().expect("the adapter runs").unwrap()).unwrap();
            if let Some(address) = line[field].as_str() {
                return address.parse().unwrap();
            }
        };
        let (api, ops) = (address("api"), address("ops"));
        // Whoever writes a log must be read; what is wrong in it is shown.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if !line.contains("\"level\":\"INFO\"") {
                    eprintln!("adapter: {line}");
                }
            }
        });
        Self { child, api, ops, agent: ureq::Agent::new_with_defaults(), _folder: folder }
    }

    /// When it knew what exists, and when it was ready.
    pub(crate) fn wait_ready(&self, started: Instant) -> (Duration, Duration) {
        let mut inventory = None;
        loop {
            let url = format!("http://{}/readyz?verbose", self.ops);
            let config = self.agent.get(url).config().http_status_as_error(false).build();
            let mut answer = config.call().unwrap();
            let text = answer.body_mut().read_to_string().unwrap();
            if text.contains("[+]inventory ok") {
                inventory.get_or_insert(started.elapsed());
            }
            if answer.status() == 200 {
                return (inventory.unwrap_or_default(), started.elapsed());
            }
            assert!(started.elapsed() < PATIENCE, "not ready: {text}");
            sleep(Duration::from_millis(100));
        }
    }

    /// One of its own metrics, over all series that begin so.
    pub(crate) fn sum(&self, series: &str) -> f64 {
        let mut answer = self.agent.get(format!("http://{}/metrics", self.ops)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let values = text.lines().filter(|line| line.starts_with(series));
        values.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
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
