use std::time::Duration;

use super::watching::Seen;
use crate::report::{Point, Scaling};

/// What happened when, since the load began.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) points: Vec<Point>,
    pub(super) scalings: Vec<Scaling>,
    last: Option<Seen>,
    /// What the load did since the last point.
    load: Span,
}

/// The load, since the cluster was last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) due: f64,
    pub(super) served: f64,
    pub(super) latency: Option<(Duration, Duration)>,
    pub(super) failed: u64,
}

impl Record {
    /// The load of a second: kept until the next point. Failures add up, the rest is the latest.
    pub(super) fn loaded(&mut self, span: Span) {
        let failed = self.load.failed + span.failed;
        self.load = Span { failed, latency: span.latency.or(self.load.latency), ..span };
    }

    /// How the cluster stands. If the HPA has decided something since, its place among the scalings.
    pub(super) fn saw(&mut self, at: Duration, seen: &Seen, last_step: Option<Duration>) -> Option<usize> {
        let load = std::mem::take(&mut self.load);
        self.points.push(Point {
            at,
            load: load.due,
            served: load.served,
            per_pod: seen.per_pod,
            pressures: seen.pressures.clone(),
            desired: seen.desired,
            ready: seen.ready,
            latency: load.latency,
            failed: load.failed,
        });
        let before = self.last.replace(seen.clone());
        let decided = before.filter(|before| before.desired != seen.desired).map(|before| {
            self.scalings.push(Scaling {
                at,
                from: before.desired,
                to: seen.desired,
                reason: seen.able.clone(),
                after_step: last_step.map(|step| at.saturating_sub(step)),
                ready_after: None,
            });
            self.scalings.len() - 1
        });
        // One that another one overtook stays open.
        if let Some(last) = self.scalings.last_mut()
            && last.ready_after.is_none()
            && last.to > last.from
            && last.to == seen.ready
        {
            last.ready_after = Some(at.saturating_sub(last.at));
        }
        decided
    }

    pub(super) fn last(&self) -> Option<&Seen> {
        self.last.as_ref()
    }
}
