use std::time::Duration;

use crate::autoscaler::Decision;
use crate::profile::Profile;
use crate::report::{Point, Scaling, thinned};

/// Three hours, a point each second.
const MOST_POINTS: usize = 10_800;

/// What happened when, since the load began.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) points: Vec<Point>,
    pub(super) scalings: Vec<Scaling>,
    steps: Vec<Duration>,
}

impl Timeline {
    pub(super) fn new(profile: Option<&Profile>) -> Self {
        let steps = profile.map(|profile| profile.steps().into_iter().map(|(at, _)| at).collect()).unwrap_or_default();
        Self { steps, ..Self::default() }
    }

    /// How it stood. A run without an end is kept ever more coarsely.
    pub(super) fn keep(&mut self, point: Point) {
        if self.points.len() >= MOST_POINTS {
            self.points = thinned(&self.points, MOST_POINTS / 2);
        }
        self.points.push(point);
    }

    /// A change of the replicas was decided.
    pub(super) fn decided(&mut self, at: Duration, decision: &Decision) {
        let Some(reason) = &decision.reason else { return };
        // The load's begin is no step: there was nothing before.
        let step = self.steps.iter().skip(1).rfind(|step| **step <= at);
        let count = |replicas: i32| u32::try_from(replicas).unwrap_or_default();
        self.scalings.push(Scaling {
            at,
            from: count(decision.current),
            to: count(decision.desired),
            reason: reason.clone(),
            after_step: step.map(|step| at.saturating_sub(*step)),
            ready_after: None,
        });
    }

    /// So many serve now: a decision upwards that waited for that is carried out. One that another one overtook stays
    /// open; downwards there is nothing to wait for.
    pub(super) fn serving(&mut self, at: Duration, ready: usize) {
        if let Some(last) = self.scalings.last_mut()
            && last.ready_after.is_none()
            && last.to > last.from
            && usize::try_from(last.to).is_ok_and(|to| to == ready)
        {
            last.ready_after = Some(at.saturating_sub(last.at));
        }
    }
}
