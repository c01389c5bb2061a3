//! Objects, pods and answers, made in a line each.

use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::Quantity;
use rehearsal::autoscaler::{
    Api, Autoscaler, ConditionType, Container, Decision, Hpa, Measured, Options, Phase, Pod, PodReadings, Readiness,
    Reading, Sample, Scale, Unmeasured,
};
use rehearsal::manifest;

/// Noon of some day.
pub(crate) const NOON: i64 = 1_795_348_800_000;

pub(crate) fn at(seconds: i64) -> Wall {
    Wall::from_millis(NOON + seconds * 1000)
}

/// An object with that specification below `maxReplicas: 10` and a Deployment.
pub(crate) fn hpa(spec: &str) -> Hpa {
    let text = format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\nspec:\n  \
         scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  maxReplicas: 10\n{spec}"
    );
    manifest::hpa(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"))
}

pub(crate) const REQUESTS: &str =
    "  metrics: [{type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 50}}}]\n";
pub(crate) const CPU: &str =
    "  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]\n";

/// Pods that have run for an hour, each requesting 100m and 100Mi.
pub(crate) fn pods(count: usize) -> Vec<Pod> {
    (0..count).map(|number| pod(&format!("web-{number}"))).collect()
}

pub(crate) fn pod(name: &str) -> Pod {
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    Pod {
        name: name.into(),
        phase: Phase::Running,
        deleted: false,
        started: Some(at(-3600)),
        readiness: Some(Readiness { ready: Some(true), since: at(-3590) }),
        containers: Arc::new([
            Container {
                name: "app".into(),
                requests: vec![("cpu".into(), quantity("80m")), ("memory".into(), quantity("90Mi"))],
            },
            Container {
                name: "side".into(),
                requests: vec![("cpu".into(), quantity("20m")), ("memory".into(), quantity("10Mi"))],
            },
        ]),
    }
}

pub(crate) fn pending(name: &str) -> Pod {
    Pod { phase: Phase::Pending, started: None, readiness: None, ..pod(name) }
}

/// Values in thousandths, measured now over 15 s; none is a pod without one.
pub(crate) fn values(values: &[Option<i64>]) -> Measured {
    let sample = |milli| Sample { milli, at: at(0), window: Duration::from_secs(15) };
    let of = values.iter().map(|value| value.map(sample)).collect();
    Ok(Reading::Pods(PodReadings { of, strangers: Vec::new() }))
}

/// The same value of so many pods, in whole units.
pub(crate) fn each(count: usize, value: i64) -> Measured {
    values(&vec![Some(value * 1000); count])
}

pub(crate) fn total(value: i64) -> Measured {
    Ok(Reading::Totals(vec![value * 1000]))
}

pub(crate) fn missing() -> Measured {
    Err(Unmeasured::Empty(Api::Custom))
}

/// The first sync of a fresh object.
pub(crate) fn first(hpa: Hpa, current: i32, pods: &[Pod], measured: &[Measured]) -> Decision {
    let mut autoscaler = Autoscaler::new(hpa, Options::default());
    autoscaler.sync(Scale { spec_replicas: current, status_replicas: current }, pods, measured, at(0))
}

/// An object that is synced again and again, its pods following each decision at once.
pub(crate) struct Following {
    pub(crate) autoscaler: Autoscaler,
    pub(crate) replicas: i32,
}

impl Following {
    pub(crate) fn new(hpa: Hpa, replicas: i32) -> Self {
        Self { autoscaler: Autoscaler::new(hpa, Options::default()), replicas }
    }

    /// A sync at that second, with as many requests a second in all.
    pub(crate) fn sync(&mut self, second: i64, requests: i64) -> Decision {
        let count = usize::try_from(self.replicas).unwrap();
        let each = requests * 1000 / i64::from(self.replicas);
        let scale = Scale { spec_replicas: self.replicas, status_replicas: self.replicas };
        let decision = self.autoscaler.sync(scale, &pods(count), &[values(&vec![Some(each); count])], at(second));
        self.replicas = decision.desired;
        decision
    }

    /// The sizes after syncs every 15 seconds, the first at that second.
    pub(crate) fn sizes(&mut self, second: i64, loads: &[i64]) -> Vec<i32> {
        (0_i64..).zip(loads).map(|(number, load)| self.sync(second + 15 * number, *load).desired).collect()
    }
}

/// The reason of a condition, and whether it holds.
#[track_caller]
pub(crate) fn reason(decision: &Decision, kind: ConditionType) -> (&'static str, bool) {
    let condition = decision.condition(kind).unwrap_or_else(|| panic!("no {kind} in {decision:?}"));
    (condition.reason, condition.holds)
}
