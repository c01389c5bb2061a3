//! The HPA of the reader's cluster: decisions of the rehearsal's autoscaler, which are those of the real controller, as the
//! object's status and events.

use std::sync::Arc;
use std::time::Duration;

use fake_kube::FakeKube;
use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::Quantity;
use rehearsal::autoscaler::{
    Api, Autoscaler, Container, Current, Decision, Measured, Options, Phase, Pod, PodReadings, Readiness, Reading,
    SYNC, Sample, Scale, Unmeasured,
};
use serde_json::{Value, json};

use crate::cluster::{Cluster, NAMESPACE, event};

/// What a replica uses without load and for each request a second, in thousandths of a core; and its memory. The
/// document says that these are the reader's own.
const IDLE: i64 = 3;
const OF_A_REQUEST_A_SECOND: f64 = 0.45;
const MEMORY: i64 = 17 << 20;

/// What keeps a metrics API from answering.
#[derive(Clone, Default)]
pub(crate) struct Broken {
    pub(crate) custom: Option<String>,
    pub(crate) resource: Option<String>,
}

pub(crate) struct Scaler {
    autoscaler: Autoscaler,
    /// Seconds since it was made.
    now: i64,
    replicas: i32,
    /// Of all replicas, in requests a second.
    pub(crate) load: f64,
    /// Targets and replicas, as they were last shown.
    shown: Option<(String, i32)>,
    /// When they happened, and what they say.
    events: Vec<(i64, String)>,
}

impl Scaler {
    pub(crate) fn new(manifest: &str, replicas: i32) -> Self {
        let hpa = rehearsal::manifest::hpa(manifest).unwrap();
        let autoscaler = Autoscaler::new(hpa, Options::default());
        Self { autoscaler, now: 0, replicas, load: 0.0, shown: None, events: Vec::new() }
    }

    /// A sync: decides, and lets the cluster follow.
    pub(crate) fn sync(&mut self, cluster: &mut Cluster, broken: &Broken) -> Decision {
        let pods = cluster.running;
        self.now += i64::try_from(SYNC.as_secs()).unwrap();
        let each = self.load / i32::try_from(pods).map(f64::from).unwrap();
        let thousandths = |value: f64| Quantity::parse(&format!("{}m", value.floor())).unwrap().milli();
        let cpu =
            IDLE + Quantity::parse(&format!("{}", (each * OF_A_REQUEST_A_SECOND).floor())).unwrap().milli() / 1000;
        let reading = |milli: i64| {
            let sample = Sample { milli, at: at(self.now), window: Duration::from_secs(15) };
            Reading::Pods(PodReadings { of: vec![Some(sample); pods], strangers: Vec::new() })
        };
        let measured = |api: Api, cause: &Option<String>, milli: i64| -> Measured {
            cause.clone().map_or(Ok(reading(milli)), |cause| Err(Unmeasured::Fetch { api, cause }))
        };
        let measured = [
            measured(Api::Custom, &broken.custom, thousandths(each * 1000.0)),
            measured(Api::Resource, &broken.resource, cpu),
            measured(Api::Resource, &broken.resource, MEMORY * 1000),
        ];
        let scale = Scale { spec_replicas: self.replicas, status_replicas: i32::try_from(pods).unwrap() };
        let decision = self.autoscaler.sync(scale, &vec![pod(); pods], &measured, at(self.now));
        self.replicas = decision.desired;
        self.write(&cluster.kube, &decision);
        self.shown = Some((targets(&decision), decision.desired));
        cluster.kube.change("deployments", NAMESPACE, "real-world", |object| {
            object["spec"]["replicas"] = json!(decision.desired);
        });
        cluster.settle();
        decision
    }

    /// Syncs for so many seconds; the lines that `kubectl get hpa --watch` adds.
    pub(crate) fn watch(&mut self, cluster: &mut Cluster, seconds: i64) -> String {
        // First how it stands.
        let mut rows: Vec<(String, i32, i64)> =
            self.shown.iter().map(|(targets, own)| (targets.clone(), *own, self.now)).collect();
        for _ in 0..seconds / 15 {
            let decision = self.sync(cluster, &Broken::default());
            let targets = targets(&decision);
            if rows.last().is_none_or(|(shown, replicas, _)| (shown, *replicas) != (&targets, decision.current)) {
                rows.push((targets, decision.current, self.now));
            }
        }
        let width = rows.iter().map(|(targets, ..)| targets.len()).max().unwrap_or_default();
        let hpa = self.autoscaler.hpa();
        let line = |row: [&str; 7]| {
            let [name, reference, targets, least, most, replicas, age] = row;
            format!(
                "{name:<14}   {reference:<21}   {targets:<width$}   {least:<7}   {most:<7}   {replicas:<8}   {age}\n"
            )
        };
        let mut text = line(["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]);
        for (targets, replicas, now) in &rows {
            let (least, most) = (hpa.min_replicas.to_string(), hpa.max_replicas.to_string());
            let (replicas, age) = (replicas.to_string(), age(*now));
            text += &line(["real-world-hpa", "Deployment/real-world", targets, &least, &most, &replicas, &age]);
        }
        text
    }

    /// Writes the events anew, each as old as it is by now.
    pub(crate) fn tell(&self, cluster: &Cluster) {
        let object = cluster.kube.get("horizontalpodautoscalers", NAMESPACE, "real-world-hpa").unwrap();
        let involved = json!({
            "kind": "HorizontalPodAutoscaler", "namespace": NAMESPACE, "name": "real-world-hpa",
            "uid": object["metadata"]["uid"], "apiVersion": "autoscaling/v2",
        });
        for (number, (at, message)) in self.events.iter().enumerate() {
            let what = ["Normal", "SuccessfulRescale", "horizontal-pod-autoscaler"];
            let old = Duration::from_secs(u64::try_from(self.now - at).unwrap());
            cluster.kube.put("events", event(number, old, &involved, what, message));
        }
    }

    fn write(&mut self, kube: &FakeKube, decision: &Decision) {
        let conditions: Vec<Value> = decision
            .conditions
            .iter()
            .map(|condition| {
                json!({
                    "type": condition.kind.to_string(), "status": if condition.holds { "True" } else { "False" },
                    "reason": condition.reason, "message": condition.message, "lastTransitionTime": fake_kube::rfc3339(std::time::SystemTime::now()),
                })
            })
            .collect();
        let object = kube.get("horizontalpodautoscalers", NAMESPACE, "real-world-hpa").unwrap();
        let specs = object["spec"]["metrics"].as_array().unwrap();
        let current =
            specs.iter().zip(&decision.proposals).map(|(spec, proposal)| current(spec, proposal.as_ref().ok()));
        let current: Vec<Value> = current.collect();
        kube.change("horizontalpodautoscalers", NAMESPACE, "real-world-hpa", |object| {
            object["status"] = json!({
                "currentReplicas": decision.current, "desiredReplicas": decision.desired,
                "currentMetrics": current, "conditions": conditions,
            });
        });
        if let Some(reason) = &decision.reason {
            self.events.push((self.now, format!("New size: {}; reason: {reason}", decision.desired)));
        }
    }
}

/// As `kubectl get hpa` prints them: the first two.
fn targets(decision: &Decision) -> String {
    let targets = decision.proposals.iter().flatten().map(|proposal| match proposal.current {
        Current::Utilization(percent, _) => format!("cpu: {percent}%/75%"),
        Current::AverageValue(milli) | Current::Value(milli) => format!("{}/50", quantity(milli)),
    });
    format!("{} + 1 more...", targets.take(2).collect::<Vec<_>>().join(", "))
}

fn current(spec: &Value, proposal: Option<&rehearsal::autoscaler::Proposal>) -> Value {
    let Some(proposal) = proposal else { return json!({"type": ""}) };
    let value = match proposal.current {
        Current::Utilization(percent, milli) => json!({"averageUtilization": percent, "averageValue": quantity(milli)}),
        Current::AverageValue(milli) | Current::Value(milli) => json!({"averageValue": quantity(milli)}),
    };
    match spec["type"].as_str() {
        Some("Pods") => json!({"type": "Pods", "pods": {"metric": spec["pods"]["metric"], "current": value}}),
        _ => json!({"type": "Resource", "resource": {"name": spec["resource"]["name"], "current": value}}),
    }
}

/// As Kubernetes writes thousandths.
fn quantity(milli: i64) -> String {
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// As kubectl writes it.
fn age(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 > 0 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}m", seconds / 60),
    }
}

fn at(seconds: i64) -> Wall {
    Wall::from_millis(1_795_348_800_000 + seconds * 1000)
}

/// One that has run for an hour, with the Deployment's requests.
fn pod() -> Pod {
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    Pod {
        name: "real-world".into(),
        phase: Phase::Running,
        deleted: false,
        started: Some(at(-3600)),
        readiness: Some(Readiness { ready: Some(true), since: at(-3590) }),
        containers: Arc::new([Container {
            name: "real-world".into(),
            requests: vec![("cpu".into(), quantity("100m")), ("memory".into(), quantity("128Mi"))],
        }]),
    }
}
