//! What the adapter answers, asked of a real one before two real replicas.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::Value;
use stack::processes::{Process, eventually, free_port, get};
use tempfile::TempDir;

use crate::cluster::REPLICA_SET;

const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/real-world/pods/*/http_requests_per_second\
                    ?labelSelector=k8s-app%3Dreal-world";

pub(crate) struct Adapter {
    processes: Vec<Process>,
    folder: TempDir,
    address: SocketAddr,
    /// The operators' ports of the replicas.
    ops: Vec<u16>,
}

impl Adapter {
    /// Before two replicas that were asked nothing.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = Ipv4Addr::LOCALHOST;
        let ops: Vec<u16> = (0..2).map(|_| free_port(local.into())).collect();
        let file = |name: String| folder.path().join(name);
        let mut processes = Vec::new();
        for port in &ops {
            let mut conduit = Process::ours("conduit");
            conduit.env("BIND_ADDRESS", "127.0.0.1").env("PORT", "0").env("OPS_PORT", port.to_string());
            conduit.env("DATA_FILE", file(format!("{port}.sqlite3")));
            processes.push(Process::start(conduit, &file(format!("{port}.log"))));
        }
        let [port, own_ops] = [(); 2].map(|()| free_port(local.into()));
        let mut adapter = Self { processes, folder, address: (local, port).into(), ops };
        adapter.scrape("/metrics");
        let mut command = Process::ours("metrics-adapter");
        command.args(["--standalone", "--port", &port.to_string(), "--ops-port", &own_ops.to_string(), "--targets"]);
        command.arg(adapter.targets_file());
        adapter.processes.push(Process::start(command, &adapter.folder.path().join("adapter.log")));
        adapter
    }

    fn targets_file(&self) -> PathBuf {
        self.folder.path().join("targets.yaml")
    }

    /// From now on the pods are scraped at that path; the adapter follows the file.
    pub(crate) fn scrape(&self, path: &str) {
        let pods = ["4qqsc", "kf85d"].iter().zip(&self.ops).map(|(suffix, ops)| {
            format!(
                "- {{name: {REPLICA_SET}-{suffix}, namespace: real-world, url: 'http://127.0.0.1:{ops}{path}', labels: {{k8s-app: real-world}}}}\n"
            )
        });
        std::fs::write(self.targets_file(), format!("pods:\n{}", pods.collect::<String>())).unwrap();
    }

    /// The answer of two replicas, in the form of `kubectl get --raw`.
    pub(crate) fn values(&self) -> String {
        // A rate over ten seconds takes so long.
        let whole = |item: &Value| item["windowSeconds"] == 10;
        let all = |items: &Vec<Value>| items.len() == 2 && items.iter().all(whole);
        self.ask(PODS, |answer| answer["items"].as_array().is_some_and(all)).0
    }

    /// The message of the answer, when it says so.
    pub(crate) fn message(&self, selector: &str, said: &str) -> String {
        let path = if selector.is_empty() { PODS.to_owned() } else { format!("{PODS}&metricLabelSelector={selector}") };
        let (_, answer) =
            self.ask(&path, |answer| answer["message"].as_str().is_some_and(|message| message.contains(said)));
        answer["message"].as_str().unwrap().to_owned()
    }

    /// The answer as it came, which is what `kubectl` prints, and read.
    fn ask(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> (String, Value) {
        eventually(path, || {
            let answer = get(self.address, "localhost", path, &[]);
            let read = serde_json::from_str(&answer.body).ok().filter(&wanted)?;
            Some((answer.body, read))
        })
    }
}
