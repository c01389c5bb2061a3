use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use metrics_adapter::clock::Clock;

use crate::aims;
use crate::autoscaler::{Autoscaler, Current, Decision, Hpa, Measured, Metric, Pod, Scale};
use crate::metrics::Metrics;
use crate::replicas::Reader;

/// What the autoscaler last saw and decided.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest {
    pub(super) decision: Option<Decision>,
    /// Each metric's value in parts of what it aims at.
    pub(super) pressures: Vec<Option<f64>>,
    /// The first metric per pod, in its own unit.
    pub(super) per_pod: Option<f64>,
}

/// The autoscaler, its eyes and its memory.
pub(super) struct Scaler {
    autoscaler: Autoscaler,
    metrics: Metrics,
    selector: String,
    reader: Reader,
    clock: Clock,
    pub(super) replicas: i32,
    pub(super) latest: Arc<Mutex<Latest>>,
}

impl Scaler {
    pub(super) fn new(
        autoscaler: Autoscaler,
        metrics: Metrics,
        selector: String,
        reader: Reader,
        clock: Clock,
        replicas: i32,
    ) -> Self {
        Self { autoscaler, metrics, selector, reader, clock, replicas, latest: Arc::default() }
    }

    pub(super) fn hpa(&self) -> &Hpa {
        self.autoscaler.hpa()
    }

    /// Whether a sync would find a value for each metric by now: the adapter has scraped twice, and the CPU that it
    /// measured is not that of the start.
    pub(super) async fn sees(&self) -> bool {
        let (pods, measured, scale) = self.look().await;
        self.autoscaler.clone().sync(scale, &pods, &measured, self.clock.now().wall).error.is_none()
    }

    async fn look(&self) -> (Vec<Pod>, Vec<Measured>, Scale) {
        let pods: Vec<Pod> = self.reader.seen().into_iter().map(|seen| seen.pod).collect();
        let measured = self.metrics.measure(self.hpa(), &self.selector, &pods).await;
        let existing = pods.iter().filter(|pod| !pod.deleted).count();
        let status_replicas = i32::try_from(existing).unwrap_or(i32::MAX);
        (pods, measured, Scale { spec_replicas: self.replicas, status_replicas })
    }

    /// One sync.
    pub(super) async fn sync(&mut self) -> Decision {
        let (pods, measured, scale) = self.look().await;
        let decision = self.autoscaler.sync(scale, &pods, &measured, self.clock.now().wall);
        self.replicas = decision.desired;
        let currents: Vec<Option<Current>> =
            decision.proposals.iter().map(|proposal| proposal.as_ref().ok().map(|own| own.current)).collect();
        let metrics = &self.hpa().metrics;
        let latest = Latest {
            pressures: aims::pressures(metrics, &currents),
            per_pod: metrics.iter().zip(&currents).find_map(|(metric, current)| match (metric, current) {
                (Metric::Pods { .. }, Some(Current::AverageValue(milli))) => Some(aims::units(*milli)),
                _ => None,
            }),
            decision: Some(decision.clone()),
        };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
        decision
    }
}
