//! The HPA's controller: the rehearsal's decisions, which are the real one's, on the requests that arrive.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fake_kube::{FakeKube, rfc3339};
use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::Quantity;
use rehearsal::autoscaler::{
    Autoscaler, Container, Current, Decision, Measured, Options, Phase, Pod, PodReadings, Proposal, Readiness, Reading,
    SYNC, Sample, Scale,
};
use serde_json::{Value, json};

use crate::acting::{NAMESPACE, tell};
use crate::visited::Visited;

pub(crate) const HPA: &str = "real-world-hpa";
/// Requests are counted over this time.
const WINDOW: Duration = Duration::from_secs(2);
/// What a machine that is busy with something else sends a second is near the rate and not exactly it.
const NEAR: f64 = 50.0;

pub(crate) struct Scaler {
    visited: Option<Arc<Visited>>,
    pace: f64,
    autoscaler: Autoscaler,
    /// The specification that it follows.
    spec: Value,
    began: Instant,
    synced: Option<Instant>,
    counts: VecDeque<(Instant, u64)>,
    events: usize,
}

impl Scaler {
    /// On a clock that runs so many times as fast.
    pub(crate) fn new(kube: &FakeKube, pace: f64, visited: Option<Arc<Visited>>) -> Self {
        let object = kube.get("horizontalpodautoscalers", NAMESPACE, HPA).unwrap();
        Self {
            visited,
            pace,
            autoscaler: autoscaler(&object, pace),
            spec: object["spec"].clone(),
            began: Instant::now(),
            synced: None,
            counts: VecDeque::new(),
            events: 0,
        }
    }

    /// A sync, if its time has come.
    pub(crate) fn step(&mut self, kube: &FakeKube) {
        let rate = self.rate();
        if self.synced.is_some_and(|synced| synced.elapsed() < SYNC.div_f64(self.pace)) {
            return;
        }
        let Some(object) = kube.get("horizontalpodautoscalers", NAMESPACE, HPA) else { return };
        let Some(deployment) = kube.get("deployments", NAMESPACE, "real-world") else { return };
        self.synced = Some(Instant::now());
        if object["spec"] != self.spec {
            self.spec = object["spec"].clone();
            self.autoscaler = autoscaler(&object, self.pace);
        }
        let count = |value: &Value| value.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        let pods = count(&deployment["status"]["readyReplicas"]);
        if pods == 0 {
            return;
        }
        let asked = i32::try_from(count(&deployment["spec"]["replicas"])).unwrap();
        let decision = self.decide(asked, pods, rate);
        if decision.desired != asked {
            kube.change("deployments", NAMESPACE, "real-world", |object| {
                object["spec"]["replicas"] = json!(decision.desired);
            });
        }
        write(kube, &object, &decision);
        if let Some(reason) = &decision.reason {
            self.events += 1;
            let message = format!("New size: {}; reason: {reason}", decision.desired);
            let event = format!("{HPA}.{:05}", self.events);
            tell(kube, &event, ("HorizontalPodAutoscaler", HPA), "SuccessfulRescale", &message);
        }
    }

    /// Requests a second, near enough.
    fn rate(&mut self) -> f64 {
        let Some(visited) = &self.visited else { return 0.0 };
        let now = Instant::now();
        self.counts.push_back((now, visited.asked()));
        while self.counts.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.counts.pop_front();
        }
        let (since, before) = self.counts[0];
        let grown = u32::try_from(visited.asked() - before).unwrap();
        let rate = f64::from(grown) / now.duration_since(since).max(WINDOW).as_secs_f64();
        (rate / NEAR).round() * NEAR
    }

    fn decide(&mut self, asked: i32, pods: usize, rate: f64) -> Decision {
        let now = Wall::from_millis(1_795_348_800_000 + i64::try_from(self.began.elapsed().as_millis()).unwrap());
        let each = rate / f64::from(u32::try_from(pods).unwrap());
        let milli = |text: String| Quantity::parse(&text).unwrap().milli();
        let values = [milli(format!("{}m", (each * 1000.0).floor())), 10, milli("17Mi".to_owned())];
        let measured = values.map(|milli| -> Measured {
            let sample = Sample { milli, at: now, window: Duration::from_secs(1) };
            Ok(Reading::Pods(PodReadings { of: vec![Some(sample); pods], strangers: Vec::new() }))
        });
        let scale = Scale { spec_replicas: asked, status_replicas: i32::try_from(pods).unwrap() };
        self.autoscaler.sync(scale, &vec![pod(); pods], &measured, now)
    }
}

fn autoscaler(object: &Value, pace: f64) -> Autoscaler {
    let hpa = rehearsal::manifest::hpa(&object.to_string()).unwrap_or_else(|problem| panic!("{problem}: {object}"));
    Autoscaler::new(hpa.paced(pace), Options::default().paced(pace))
}

fn write(kube: &FakeKube, object: &Value, decision: &Decision) {
    let conditions = decision.conditions.iter().map(|condition| {
        json!({
            "type": condition.kind.to_string(), "status": if condition.holds { "True" } else { "False" },
            "reason": condition.reason, "message": condition.message, "lastTransitionTime": rfc3339(SystemTime::now()),
        })
    });
    let conditions: Vec<Value> = conditions.collect();
    let specs = object["spec"]["metrics"].as_array().unwrap();
    let current = specs.iter().zip(&decision.proposals).map(|(spec, proposal)| current(spec, proposal.as_ref().ok()));
    let current: Vec<Value> = current.collect();
    kube.change("horizontalpodautoscalers", NAMESPACE, HPA, |object| {
        object["status"] = json!({
            "currentReplicas": decision.current, "desiredReplicas": decision.desired, "currentMetrics": current,
            "conditions": conditions,
        });
    });
}

fn current(spec: &Value, proposal: Option<&Proposal>) -> Value {
    let Some(proposal) = proposal else { return json!({"type": ""}) };
    let value = match proposal.current {
        Current::Utilization(percent, milli) => {
            json!({"averageUtilization": percent, "averageValue": format!("{milli}m")})
        }
        Current::AverageValue(milli) | Current::Value(milli) => json!({"averageValue": format!("{milli}m")}),
    };
    match spec["type"].as_str() {
        Some("Pods") => json!({"type": "Pods", "pods": {"metric": spec["pods"]["metric"], "current": value}}),
        _ => json!({"type": "Resource", "resource": {"name": spec["resource"]["name"], "current": value}}),
    }
}

/// One that has run for an hour, with the Deployment's requests.
fn pod() -> Pod {
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    let at = |seconds: i64| Wall::from_millis(1_795_348_800_000 + seconds * 1000);
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
