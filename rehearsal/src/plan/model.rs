use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use metrics_adapter::model::Wall;

use crate::autoscaler::{
    Api, Container, Hpa, Measured, Metric, Phase, Pod, PodReadings, Readiness, Reading, Sample, Unmeasured,
};
use crate::manifest::Workload;
use crate::profile::Profile;

/// What a pod can do, and how late one knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Requests a second that a pod answers at most.
    pub capacity: f64,
    /// From the decision until a pod serves.
    pub startup: Duration,
    /// How old a metric is when it is asked for.
    pub metric_delay: Duration,
    /// Thousandths of a core that a pod uses at its capacity; less in proportion.
    pub cpu_at_capacity: i64,
    /// Bytes that a pod uses.
    pub memory: i64,
    /// Pods at the beginning; none begins with as many as the load needs.
    pub replicas: Option<i32>,
}

/// Over which a metric is measured, as the adapter does by default.
const WINDOW: Duration = Duration::from_secs(10);
/// Pods that are there at the beginning have been there for long.
const LONG_AGO: Duration = Duration::from_hours(1);

impl Model {
    /// How many pods there are at the beginning.
    pub(super) fn first(&self, hpa: &Hpa, load: f64) -> i32 {
        let needed = i32::try_from(self.needed(load)).unwrap_or(i32::MAX);
        self.replicas.unwrap_or_else(|| needed.max(hpa.min_replicas).min(hpa.max_replicas).max(1))
    }

    fn needed(&self, load: f64) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast saturates; rates are positive"
        )]
        let needed = (load / self.capacity - 1e-9).ceil() as u32;
        needed.max(1)
    }
}

/// The pods, and what they did of late.
pub(super) struct World {
    model: Model,
    containers: Arc<[Container]>,
    pods: Vec<Pod>,
    /// When each pod serves.
    serves: Vec<Duration>,
    /// How many served since when; as far back as a metric is late.
    past: VecDeque<(Duration, u32)>,
    now: Duration,
    created: u64,
}

impl World {
    pub(super) fn new(model: Model, workload: &Workload, replicas: i32) -> Self {
        let mut world = Self {
            model,
            containers: Arc::clone(&workload.containers),
            pods: Vec::new(),
            serves: Vec::new(),
            past: VecDeque::new(),
            now: Duration::ZERO,
            created: 0,
        };
        for _ in 0..replicas.max(0) {
            world.add(Duration::ZERO, Duration::ZERO);
        }
        let long_ago = -i64::try_from(LONG_AGO.as_millis()).unwrap_or_default();
        for pod in &mut world.pods {
            pod.started = Some(Wall::from_millis(long_ago));
            pod.readiness = Some(Readiness { ready: Some(true), since: Wall::from_millis(long_ago) });
        }
        world.past.push_back((Duration::ZERO, world.ready()));
        world
    }

    fn add(&mut self, now: Duration, serves: Duration) {
        self.created += 1;
        let ready = serves <= now;
        self.pods.push(Pod {
            name: format!("pod-{}", self.created).into(),
            phase: Phase::Running,
            deleted: false,
            started: Some(super::wall(now)),
            readiness: Some(Readiness { ready: Some(ready), since: super::wall(now) }),
            containers: Arc::clone(&self.containers),
        });
        self.serves.push(serves);
    }

    pub(super) fn pods(&self) -> &[Pod] {
        &self.pods
    }

    pub(super) fn asked(&self) -> i32 {
        i32::try_from(self.pods.len()).unwrap_or(i32::MAX)
    }

    /// Pods that serve now.
    pub(super) fn ready(&self) -> u32 {
        let ready = self.serves.iter().filter(|serves| **serves <= self.now).count();
        u32::try_from(ready).unwrap_or(u32::MAX)
    }

    /// When the next pod serves.
    pub(super) fn next_ready(&self, now: Duration) -> Option<Duration> {
        self.serves.iter().copied().filter(|serves| *serves > now).min()
    }

    pub(super) fn needed(&self, load: f64) -> u32 {
        self.model.needed(load)
    }

    /// Requests a second that are answered.
    pub(super) fn served(&self, load: f64) -> f64 {
        load.min(self.model.capacity * f64::from(self.ready()))
    }

    /// Time passes: who was starting serves.
    pub(super) fn advance(&mut self, now: Duration) {
        let before = self.ready();
        self.now = now;
        for (pod, serves) in self.pods.iter_mut().zip(&self.serves) {
            if let Some(readiness) = &mut pod.readiness
                && readiness.ready != Some(true)
                && *serves <= now
            {
                *readiness = Readiness { ready: Some(true), since: super::wall(*serves) };
            }
        }
        self.remember(before);
    }

    fn remember(&mut self, before: u32) {
        let ready = self.ready();
        if ready != before {
            self.past.push_back((self.now, ready));
        }
        // The last of those that are too old still tells how many there were.
        let oldest = self.now.saturating_sub(self.model.metric_delay);
        while self.past.get(1).is_some_and(|(since, _)| *since <= oldest) {
            self.past.pop_front();
        }
    }

    /// The youngest go first.
    pub(super) fn scale(&mut self, replicas: i32, now: Duration) {
        let before = self.ready();
        self.now = now;
        let replicas = usize::try_from(replicas).unwrap_or_default();
        self.pods.truncate(replicas);
        self.serves.truncate(replicas);
        while self.pods.len() < replicas {
            self.add(now, now + self.model.startup);
        }
        self.remember(before);
    }

    /// What the metrics APIs answer now.
    pub(super) fn measure(&mut self, metrics: &[Metric], profile: &Profile, now: Duration) -> Vec<Measured> {
        self.advance(now);
        // Before the beginning all was as it began.
        let at = now.saturating_sub(self.model.metric_delay);
        let load = profile.rate(at).unwrap_or_default();
        let serving = self.past.iter().rfind(|(since, _)| *since <= at).or(self.past.front());
        let serving = f64::from(serving.map_or(1, |(_, ready)| *ready).max(1));
        let each = load.min(self.model.capacity * serving) / serving;
        metrics.iter().map(|metric| self.one(metric, at, load, each)).collect()
    }

    fn one(&self, metric: &Metric, at: Duration, load: f64, each: f64) -> Measured {
        let share = each / self.model.capacity;
        match metric {
            Metric::Pods { .. } => Ok(self.of_pods(milli(each), at)),
            Metric::Resource { name, .. } if name == "cpu" => {
                #[expect(clippy::cast_precision_loss, reason = "thousandths of cores are few")]
                let used = milli(self.model.cpu_at_capacity as f64 / 1000.0 * share);
                Ok(self.of_pods(used, at))
            }
            Metric::Resource { name, .. } if name == "memory" => {
                Ok(self.of_pods(self.model.memory.saturating_mul(1000), at))
            }
            Metric::Resource { .. } => Err(Unmeasured::Empty(Api::Resource)),
            Metric::Object { .. } | Metric::External { .. } => Ok(Reading::Totals(vec![milli(load)])),
        }
    }

    /// The same of each pod that served then.
    fn of_pods(&self, milli: i64, at: Duration) -> Reading {
        let sample = Sample { milli, at: super::wall(at), window: WINDOW };
        let of = self.serves.iter().map(|serves| (*serves <= at).then_some(sample)).collect();
        Reading::Pods(PodReadings { of, strangers: Vec::new() })
    }
}

fn milli(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "rates are less than 2^53 thousandths")]
    let milli = (value * 1000.0).round() as i64;
    milli
}
