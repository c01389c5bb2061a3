use std::fmt;
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
    pub(super) serving: Serving,
    pub(super) scalings: Vec<Scaling>,
    steps: Vec<Duration>,
}

/// Replicas that served, over the whole run: points, which a long run thins, would not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Serving {
    /// The fewest and the most at once.
    range: Option<(u32, u32)>,
    seconds: f64,
    pod_seconds: f64,
}

impl Serving {
    fn add(&mut self, ready: u32, seconds: f64) {
        let (least, most) = self.range.unwrap_or((ready, ready));
        self.range = Some((least.min(ready), most.max(ready)));
        self.seconds += seconds;
        self.pod_seconds += f64::from(ready) * seconds;
    }
}

impl fmt::Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.range.unwrap_or_default();
        let average = if self.seconds > 0.0 { self.pod_seconds / self.seconds } else { 0.0 };
        write!(f, "{least} to {most}, {average:.1} on average, {:.0} pod-seconds", self.pod_seconds)
    }
}

impl Timeline {
    pub(super) fn new(profile: Option<&Profile>) -> Self {
        let steps = profile.map(|profile| profile.steps().into_iter().map(|(at, _)| at).collect()).unwrap_or_default();
        Self { steps, ..Self::default() }
    }

    /// How it stood for so many seconds. A run without an end is kept ever more coarsely.
    pub(super) fn keep(&mut self, point: Point, seconds: f64) {
        self.serving.add(point.ready, seconds);
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
    pub(super) fn ready(&mut self, at: Duration, ready: usize) {
        if let Some(last) = self.scalings.last_mut()
            && last.ready_after.is_none()
            && last.to > last.from
            && usize::try_from(last.to).is_ok_and(|to| to == ready)
        {
            last.ready_after = Some(at.saturating_sub(last.at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replicas_of_a_run_are_weighed_by_their_time_however_long_it_was() {
        let mut timeline = Timeline::default();
        // Of the first half, which is thinned, as much counts as of the second.
        for second in 0..u32::try_from(2 * MOST_POINTS).unwrap() {
            let ready = if second < u32::try_from(MOST_POINTS).unwrap() { 2 } else { 4 };
            timeline.keep(Point { ready, ..Point::default() }, 1.0);
        }
        assert!(timeline.points.len() <= MOST_POINTS);
        assert_eq!(timeline.serving.to_string(), "2 to 4, 3.0 on average, 64800 pod-seconds");
        timeline.keep(Point { ready: 1, ..Point::default() }, 64_800.0 / 3.0);
        assert_eq!(timeline.serving.to_string(), "1 to 4, 2.0 on average, 86400 pod-seconds");
        assert_eq!(Serving::default().to_string(), "0 to 0, 0.0 on average, 0 pod-seconds");
    }
}
