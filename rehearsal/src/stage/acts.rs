use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Settings;
use super::looking::{Look, Moment};
use super::scaler::{Latest, Scaler};
use super::timeline::Timeline;
use super::words::told;
use crate::adapter;
use crate::aims;
use crate::autoscaler::Decision;
use crate::door::Counts;
use crate::load::{Interval, Load};
use crate::profile::Profile;
use crate::replicas::{self, Reader};
use crate::report::{Point, clock};

/// What is seen and kept while it runs.
pub(super) struct Acts<'a> {
    pub(super) settings: &'a Settings,
    pub(super) timeline: Timeline,
    pub(super) profile: Option<Profile>,
    pub(super) began: Instant,
    pub(super) reader: Reader,
    pub(super) latest: Arc<Mutex<Latest>>,
    /// By the door, when it was last looked at.
    pub(super) answered: u64,
    pub(super) deaths: u32,
    /// The load is over and reported; nothing more is kept.
    pub(super) over: bool,
    pub(super) moment: Moment,
}

impl Acts<'_> {
    pub(super) fn decided(&mut self, scaler: &Scaler, decision: &Decision, look: &mut dyn Look) {
        let at = self.began.elapsed();
        if !self.over {
            self.timeline.decided(at, decision);
        }
        self.timeline.ready(at, self.reader.ready());
        let hpa = scaler.hpa();
        let replicas = if decision.desired == decision.current {
            decision.desired.to_string()
        } else {
            format!("{}->{}", decision.current, decision.desired)
        };
        look.sync(&format!(
            "{:<6} {:>5}  {:<50} {:>8} {:>7} {:>8}  {}",
            format!("{}x", self.settings.pace),
            clock(at),
            aims::targets(hpa, decision),
            hpa.min_replicas,
            hpa.max_replicas,
            replicas,
            decision.why()
        ));
    }

    pub(super) fn replica(&mut self, event: &replicas::Event, look: &mut dyn Look) {
        self.deaths += u32::from(matches!(event, replicas::Event::Died(..)));
        look.line(&told(event));
    }

    pub(super) fn adapter(&mut self, event: &adapter::Event, look: &mut dyn Look) {
        use adapter::Event;
        look.line(&match event {
            Event::Died(how) => {
                self.deaths += 1;
                format!("  the metrics-adapter died ({how}) and will be started again; until then nothing is scaled")
            }
            Event::Back => "  the metrics-adapter serves again".to_owned(),
            Event::Failed(problem) => format!("  the metrics-adapter cannot be started, it is tried again: {problem}"),
            Event::Targets(problem) => format!("  the adapter's targets cannot be written: {problem}"),
        });
    }

    pub(super) fn tick(&mut self, load: Option<&Load>, counts: &Counts, seconds: f64, look: &mut dyn Look) {
        let at = self.began.elapsed();
        let answered = counts.answered.load(Ordering::Relaxed);
        let through = answered.saturating_sub(std::mem::replace(&mut self.answered, answered));
        let interval = load.map(|load| load.measurements().take(seconds));
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let desired = latest.decision.as_ref().map_or(self.settings.hpa.min_replicas, |decision| decision.desired);
        let ready = self.reader.ready();
        let rate = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds;
        let served = interval.as_ref().map_or_else(|| rate(through), |interval| rate(interval.answered));
        let due = self.profile.as_ref().map_or(served, |profile| profile.rate(at).unwrap_or_default());
        let quantiles = interval.as_ref().and_then(Interval::quantiles);
        let failed = interval.as_ref().map_or(0, |interval| interval.errors);
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let small_desired = u32::try_from(desired).unwrap_or_default();
        let point = Point {
            at,
            load: due,
            served,
            per_pod: latest.per_pod.or_else(|| (ready > 0).then(|| served / f64::from(small(ready)))),
            pressures: latest.pressures,
            desired: small_desired,
            ready: small(ready),
            latency: quantiles.map(|quantiles| (quantiles.p50, quantiles.p99)),
            failed,
        };
        if !self.over {
            self.timeline.keep(point, seconds);
        }
        self.moment = Moment {
            elapsed: at,
            length: self.profile.as_ref().map(Profile::length),
            load: due,
            served,
            latency: quantiles,
            failed: self.moment.failed + failed,
            replicas: (small(ready), small_desired),
        };
        look.moment(&self.moment);
    }
}
