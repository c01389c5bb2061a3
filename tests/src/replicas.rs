//! Replicas of the API, started and stopped as a kubelet does, with the endpoints that the cluster has of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fake_kube::FakeKube;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifests::{self, find};
use crate::processes::{PATIENCE, Process, eventually, free_port, get};

const NAMESPACE: &str = "real-world";
const SLICE: &str = "real-world-service-x7k2p";

/// One of them.
pub struct Replica {
    pub name: String,
    pub process: Process,
    pub address: IpAddr,
}

/// All of them. Each has an address of the loopback for itself, and the ports that all have.
pub struct Replicas {
    kube: Arc<FakeKube>,
    folder: TempDir,
    environment: Vec<(String, String)>,
    pub port: u16,
    pub ops: u16,
    /// The last byte of the first one's address.
    pub first: u8,
    started: u8,
    pub running: Vec<Replica>,
}

impl Replicas {
    /// None yet. What is not told which database to use shares a file.
    pub fn of(kube: &Arc<FakeKube>, environment: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let (first, folder) = (IpAddr::from(Ipv4Addr::new(127, 0, 1, 1)), tempfile::tempdir().unwrap());
        let mut environment: Vec<(String, String)> = environment.iter().map(own).collect();
        if environment.is_empty() {
            environment.push(("DATA_FILE".into(), folder.path().join("shared.sqlite3").display().to_string()));
        }
        let (port, ops) = (free_port(first), free_port(first));
        Self { kube: Arc::clone(kube), folder, environment, port, ops, first: 1, started: 0, running: Vec::new() }
    }

    /// Starts one, and has it in the endpoints when it is ready.
    pub fn start(&mut self) {
        self.started += 1;
        let name = format!("real-world-746bdc6575-{:05}", self.first + self.started - 1);
        let address = IpAddr::from(Ipv4Addr::new(127, 0, 1, self.first + self.started - 1));
        let mut command = Process::ours("conduit");
        command.env("BIND_ADDRESS", address.to_string()).env("PORT", self.port.to_string());
        command.env("OPS_PORT", self.ops.to_string()).env("LOG_LEVEL", "warn");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = Process::start(command, &self.log(&name));
        eventually(&name, || (get((address, self.ops).into(), "ops", "/readyz", &[]).status == 200).then_some(()));
        self.running.push(Replica { name, process, address });
        self.tell(&[]);
    }

    fn log(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The first one goes: out of the endpoints, a pause, SIGTERM, and then it is waited for.
    pub fn stop(&mut self, pause: Duration) {
        let mut replica = self.running.remove(0);
        self.tell(&[&replica]);
        std::thread::sleep(pause);
        replica.process.terminate();
        let status = replica.process.ended();
        assert!(status.success(), "{} ended with {status}: {}", replica.name, replica.process.log());
        self.tell(&[]);
    }

    /// The first one dies, and the cluster hears of it afterwards.
    pub fn lose(&mut self) {
        let mut replica = self.running.remove(0);
        replica.process.kill();
        self.tell(&[]);
    }

    /// Each is replaced, a new one before an old one.
    pub fn restart(&mut self, pause: Duration) {
        for _ in 0..self.running.len() {
            self.start();
            self.stop(pause);
        }
    }

    /// Where the metrics are.
    pub fn operators(&self) -> Vec<SocketAddr> {
        self.running.iter().map(|replica| (replica.address, self.ops).into()).collect()
    }

    /// The endpoints, as the controller writes them.
    fn tell(&self, leaving: &[&Replica]) {
        let endpoint = |replica: &Replica, leaves: bool| {
            json!({
                "addresses": [replica.address.to_string()],
                "conditions": {"ready": !leaves, "serving": true, "terminating": leaves},
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": replica.name}, "nodeName": "node1",
            })
        };
        let all = self.running.iter().map(|replica| endpoint(replica, false));
        let endpoints: Vec<Value> = all.chain(leaving.iter().map(|replica| endpoint(replica, true))).collect();
        self.kube.put("endpointslices", slice("real-world-service", SLICE, ("http", self.port), &endpoints));
    }
}

/// The endpoints of a Service of the namespace.
pub fn slice(service: &str, name: &str, (port_name, port): (&str, u16), endpoints: &[Value]) -> Value {
    json!({
        "metadata": {"namespace": NAMESPACE, "name": name, "labels": {
            "kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }},
        "addressType": "IPv4", "endpoints": endpoints,
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    })
}

/// How long a replica serves on, after it was told to go: the Deployment's preStop.
pub fn pause() -> Duration {
    let all = manifests::file("k8s/real-world-deployment.yaml");
    let container = &find(&all, "Deployment", "real-world")["spec"]["template"]["spec"]["containers"][0];
    let seconds = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().expect("preStop.sleep.seconds");
    assert!(Duration::from_secs(seconds) < PATIENCE);
    Duration::from_secs(seconds)
}
