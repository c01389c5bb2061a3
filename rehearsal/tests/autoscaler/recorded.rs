//! What the controller of Kubernetes 1.36.2 decided on random scenarios. `decisions.jsonl` has one in each line: what it
//! was given, its first status, and its events.

use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::{Milli, Quantity};
use rehearsal::autoscaler::{
    Api, Autoscaler, Container, Current, Decision, Measured, Metric, Options, Phase, Pod, PodReadings, Readiness,
    Reading, Sample, Scale, Unmeasured,
};
use rehearsal::manifest;
use serde_json::{Value, json};

const WINDOW: Duration = Duration::from_secs(15);

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn wall(value: &Value) -> Wall {
    Wall::parse(text(value)).unwrap()
}

/// A pod that was never scheduled has no times.
fn time(value: &Value) -> Option<Wall> {
    (!value.is_null()).then(|| wall(value))
}

fn pods(scenario: &Value) -> Vec<Pod> {
    let pods = scenario["pods"].as_array().unwrap().iter();
    pods.map(|pod| {
        let cpu = Quantity::parse(&format!("{}m", pod["cpu_request_m"])).unwrap();
        let memory = Quantity::parse(text(&pod["memory_request"])).unwrap();
        Pod {
            name: text(&pod["name"]).into(),
            phase: match text(&pod["phase"]) {
                "Running" => Phase::Running,
                "Pending" => Phase::Pending,
                "Failed" => Phase::Failed,
                other => panic!("phase {other}"),
            },
            deleted: false,
            started: time(&pod["start_time"]),
            readiness: time(&pod["ready_transition"]).map(|since| Readiness { ready: pod["ready"].as_bool(), since }),
            containers: Arc::new([Container {
                name: "c".into(),
                requests: vec![("cpu".into(), cpu), ("memory".into(), memory)],
            }]),
        }
    })
    .collect()
}

fn of_pods(
    pods: &[Pod],
    now: Wall,
    values: &Value,
    object: &Value,
    sample: impl Fn(&Value) -> (i64, i64),
    api: Api,
) -> Measured {
    let Some(values) = values.as_object() else {
        // Without values for pods the recorder's API answered with the object's, under a name that is no pod's: the
        // status of these scenarios shows it.
        return Ok(Reading::Pods(PodReadings { of: vec![None; pods.len()], strangers: vec![number(object)] }));
    };
    if values.is_empty() {
        return Err(Unmeasured::Empty(api));
    }
    let of = pods.iter().map(|pod| {
        let (milli, age) = sample(values.get(&*pod.name)?);
        // The API's times are whole seconds.
        let at = Wall::from_millis((now.millis() / 1000 - age) * 1000);
        Some(Sample { milli, at, window: WINDOW })
    });
    Ok(Reading::Pods(PodReadings { of: of.collect(), strangers: Vec::new() }))
}

fn measured(scenario: &Value, metric: &Metric, pods: &[Pod], now: Wall) -> Measured {
    let answers = &scenario["metrics"];
    let object = &answers["object"];
    match metric {
        Metric::Resource { name, .. } => {
            let value = |sample: &Value| match name.as_str() {
                "cpu" => (number(&sample["cpu_m"]), number(&sample["age"])),
                _ => (number(&sample["memory"]) * 1000, number(&sample["age"])),
            };
            of_pods(pods, now, &answers["resource"], object, value, Api::Resource)
        }
        Metric::Pods { .. } => of_pods(pods, now, &answers["pods"], object, |sample| (number(sample), 0), Api::Custom),
        Metric::Object { .. } => totals(object, Api::Custom),
        Metric::External { .. } => totals(&answers["external"], Api::External),
    }
}

fn totals(answer: &Value, api: Api) -> Measured {
    match answer {
        Value::Null => Err(Unmeasured::Fetch { api, cause: "not found".to_owned() }),
        Value::Array(values) if values.is_empty() => Err(Unmeasured::Empty(api)),
        Value::Array(values) => Ok(Reading::Totals(values.iter().map(number).collect())),
        value => Ok(Reading::Totals(vec![number(value)])),
    }
}

/// The metric's value as it stands in the object's status.
fn status(current: Current) -> Value {
    match current {
        Current::AverageValue(milli) => json!({"averageValue": Milli(milli).to_string()}),
        Current::Value(milli) => json!({"value": Milli(milli).to_string()}),
        Current::Utilization(percent, milli) => {
            json!({"averageUtilization": percent, "averageValue": Milli(milli).to_string()})
        }
    }
}

struct Replayed {
    decision: Decision,
    hpa: rehearsal::autoscaler::Hpa,
}

fn replay(scenario: &Value) -> Replayed {
    let id = text(&scenario["id"]);
    let object = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h", "namespace": id}, "spec": scenario["hpa"],
    });
    let hpa = manifest::hpa(&object.to_string()).unwrap_or_else(|problem| panic!("{id}: {problem}"));
    let now = wall(&scenario["decided_at"]);
    let mut pods = pods(scenario);
    // The ReplicaSet's controller ran beside: it had replaced what failed, and no node took the replacement.
    let failed = pods.iter().filter(|pod| pod.phase == Phase::Failed);
    let replacements: Vec<Pod> = failed
        .map(|pod| Pod {
            phase: Phase::Pending,
            name: format!("{}-again", pod.name).into(),
            readiness: None,
            ..pod.clone()
        })
        .collect();
    pods.extend(replacements);
    let measured: Vec<_> = hpa.metrics.iter().map(|metric| measured(scenario, metric, &pods, now)).collect();
    let current = i32::try_from(number(&scenario["current"])).unwrap();
    let mut autoscaler = Autoscaler::new(hpa.clone(), Options::default());
    let scale = Scale { spec_replicas: current, status_replicas: current };
    Replayed { decision: autoscaler.sync(scale, &pods, &measured, now), hpa }
}

#[test]
fn every_recorded_decision_comes_out_the_same() {
    let recorded = include_str!("decisions.jsonl");
    let mut checked = 0;
    for line in recorded.lines() {
        let scenario: Value = serde_json::from_str(line).unwrap();
        let id = text(&scenario["id"]);
        let Replayed { decision, hpa } = replay(&scenario);
        let events: Vec<&str> = scenario["events"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(decision.events, events, "{id}: events");
        let recorded = &scenario["status"];
        // An object outside of its own limits was seen one sync later, when it was within them.
        if recorded["currentReplicas"] != scenario["current"] {
            assert_eq!(decision.desired, hpa.min_replicas, "{id}");
            checked += 1;
            continue;
        }
        // An object whose metrics were never read has no desired size yet.
        if decision.proposals.iter().any(Result::is_ok) {
            assert_eq!(i64::from(decision.desired), number(&recorded["desiredReplicas"]), "{id}: desired");
        } else {
            assert_eq!(decision.desired, decision.current, "{id}: nothing was measured");
        }
        assert_eq!(decision.reason.is_some(), recorded.get("lastScaleTime").is_some(), "{id}: scaled at all");
        let mut conditions: Vec<_> = decision
            .conditions
            .iter()
            .map(|condition| {
                json!({
                    "type": condition.kind.to_string(), "status": if condition.holds { "True" } else { "False" },
                    "reason": condition.reason, "message": condition.message,
                })
            })
            .collect();
        conditions.sort_by_key(|condition| text(&condition["type"]).to_owned());
        let mut wanted = recorded["conditions"].as_array().unwrap().clone();
        wanted.sort_by_key(|condition| text(&condition["type"]).to_owned());
        assert_eq!(conditions, wanted, "{id}: conditions");
        let currents = recorded["currentMetrics"].as_array().unwrap();
        for (proposal, recorded) in decision.proposals.iter().zip(currents) {
            let source = recorded.as_object().unwrap().values().find_map(|source| source.get("current"));
            let own = proposal.as_ref().ok().map(|proposal| status(proposal.current));
            assert_eq!(own.as_ref(), source, "{id}: the metric's value");
        }
        checked += 1;
    }
    assert!(checked >= 90, "{checked}");
}
