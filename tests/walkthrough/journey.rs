//! The document's commands, one after the other, as a reader runs them.

use crate::adapter::Adapter;
use crate::autoscaling::{Broken, Scaler};
use crate::cluster::Cluster;
use crate::document::Step;

/// What a reader sees of a command.
pub(crate) enum Shown {
    /// This.
    Exactly(String),
    /// Something of the reader's own, which other tests look at.
    Own,
}

pub(crate) struct Journey {
    pub(crate) cluster: Cluster,
    adapter: Adapter,
    scaler: Option<Scaler>,
    broken: Broken,
    /// Seconds that the load lasts which was begun and not yet watched.
    begun: Option<i64>,
}

/// Discovery leaves out a group that nobody answers for, and the controller finds no version of it.
const CUSTOM_UNAVAILABLE: &str = "no known available metric versions found";
const RESOURCE_UNAVAILABLE: &str = "the server is currently unable to handle the request (get pods.metrics.k8s.io)";

impl Journey {
    pub(crate) fn begin() -> Self {
        let (cluster, adapter) = (Cluster::empty(), Adapter::start());
        Self { cluster, adapter, scaler: None, broken: Broken::default(), begun: None }
    }

    pub(crate) fn take(&mut self, step: &Step) -> Shown {
        let command = step.command.as_str();
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["cat" | "echo", ..] | ["kubectl", "get", "replicasets", ..] => Shown::Exactly(self.cluster.run(command)),
            ["kubectl", "get", "--raw", ..] => Shown::Exactly(self.adapter.values()),
            ["kubectl", "get", "hpa", .., "--watch"] => Shown::Exactly(self.watch()),
            ["kubectl", "delete", "namespace", ..] => Shown::Own,
            ["kubectl", "describe", "hpa", ..] => {
                self.scale();
                Shown::Exactly(self.cluster.run(command))
            }
            ["kubectl", "apply" | "scale" | "delete" | "describe", ..] => {
                let output = self.cluster.run(command);
                self.cluster.settle();
                self.notice(command);
                Shown::Exactly(output)
            }
            ["make", "load", rate, length, ..] => {
                let rate = rate.strip_prefix("RATE=").and_then(|rate| rate.parse().ok());
                self.scaler.as_mut().expect("an HPA").load = rate.expect("RATE=140");
                let minutes = length.strip_prefix("FOR=").and_then(|time| time.strip_suffix('m'));
                self.begun = Some(minutes.and_then(|minutes| minutes.parse::<i64>().ok()).expect("FOR=3m") * 60);
                Shown::Exactly(String::new())
            }
            ["kubectl", "annotate", ..] => {
                let (_, path) = command.rsplit_once("prometheus.io/path=").expect("the annotation");
                self.adapter.scrape(path);
                self.broken.custom = (path != "/metrics").then(|| self.adapter.message("", "4qqsc failed"));
                Shown::Own
            }
            ["kubectl", "patch", "hpa", ..] => {
                assert!(command.contains(r#""matchLabels":{"status":"2xx"}"#), "{command}");
                self.adapter.scrape("/metrics");
                self.adapter.values();
                self.broken.custom = Some(self.adapter.message("status%3D2xx", "status=2xx"));
                Shown::Exactly(self.cluster.run(command))
            }
            _ => Shown::Own,
        }
    }

    /// What of the commands that were run is the HPA's business.
    fn notice(&mut self, command: &str) {
        if command == "kubectl apply -f k8s/real-world-hpa.yaml" {
            self.broken = Broken::default();
            if self.scaler.is_none() {
                let manifest = stack::manifests::text("k8s/real-world-hpa.yaml");
                self.scaler = Some(Scaler::new(&manifest, i32::try_from(self.cluster.running).unwrap()));
            }
        }
        if command.contains("deployment/metrics-adapter") {
            let stopped = command.contains("--replicas=0");
            let said = |message: &str| stopped.then(|| message.to_owned());
            self.broken = Broken { custom: said(CUSTOM_UNAVAILABLE), resource: said(RESOURCE_UNAVAILABLE) };
        }
    }

    /// So many syncs as pass before somebody describes the object.
    fn scale(&mut self) {
        let Some(scaler) = &mut self.scaler else { return };
        let syncs = self.begun.take().map_or(1, |seconds| seconds / 15);
        for _ in 0..syncs {
            scaler.sync(&mut self.cluster, &self.broken);
        }
        scaler.tell(&self.cluster);
    }

    fn watch(&mut self) -> String {
        let scaler = self.scaler.as_mut().expect("an HPA");
        // Without load it takes five minutes until anything happens, and some more until nothing does.
        let seconds = self.begun.take().unwrap_or_else(|| {
            scaler.load = 0.0;
            600
        });
        scaler.watch(&mut self.cluster, seconds)
    }
}
