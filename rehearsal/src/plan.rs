//! The autoscaler in virtual time: what an HPA would have done with a load, in seconds instead of a week.
//!
//! The model is plain, so that its results can be worked out by hand: requests are spread evenly over the ready pods; a pod
//! answers at most its capacity; it serves so long after it was asked for; a metric is what it was so long ago. What is
//! scaled down is gone at once.

mod model;

use std::time::Duration;

use metrics_adapter::model::Wall;

use crate::aims;
use crate::autoscaler::{Autoscaler, Decision, Hpa, Metric, Options, SYNC, Scale};
use crate::manifest::Workload;
use crate::profile::Profile;
use crate::report::{Point, Run, Scaling};

pub use model::Model;
use model::World;

/// More pods than anybody plans with; the model has each of them in memory.
pub const MOST_PODS: i32 = 100_000;

/// What an HPA would have done.
#[derive(Clone, Debug)]
pub struct Planned {
    /// For the report.
    pub run: Run,
    /// In numbers.
    pub totals: Totals,
}

/// A plan in numbers. Times are seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// How long it was.
    pub length: f64,
    /// For so long the ready pods could not answer the load.
    pub under: f64,
    /// Requests that were due.
    pub requests: f64,
    /// Requests that no pod had the capacity for.
    pub unanswered: f64,
    /// Pods that served, times their time.
    pub pods: f64,
    /// The part of that which the load did not need.
    pub wasted: f64,
    /// Changes of the replicas.
    pub decisions: usize,
    /// The most pods at once.
    pub most: u32,
}

/// Plays a load through an HPA.
#[must_use]
pub fn plan(name: &str, hpa: Hpa, workload: &Workload, profile: &Profile, model: &Model) -> Planned {
    let first = model.first(&hpa, profile.rate(Duration::ZERO).unwrap_or_default());
    let mut world = World::new(*model, workload, first);
    let mut autoscaler = Autoscaler::new(hpa, Options::default());
    let steps: Vec<Duration> = profile.steps().into_iter().map(|(at, _)| at).collect();
    let mut totals = Totals { length: profile.length().as_secs_f64(), ..Totals::default() };
    let (mut points, mut scalings) = (Vec::new(), Vec::<Scaling>::new());
    let mut now = Duration::ZERO;
    while now < profile.length() {
        let measured = world.measure(&autoscaler.hpa().metrics, profile, now);
        let spec = world.asked();
        let scale = Scale { spec_replicas: spec, status_replicas: spec };
        let decision = autoscaler.sync(scale, world.pods(), &measured, wall(now));
        if decision.reason.is_some() {
            scalings.push(scaling(now, &decision, &steps, model));
        }
        points.push(point(autoscaler.hpa(), &decision, &world, profile, now));
        world.scale(decision.desired, now);
        let next = (now + SYNC).min(profile.length());
        while now < next {
            // Until the rate, or the number of those that serve, is another one.
            world.advance(now);
            let until = world.next_ready(now).unwrap_or(next).min(profile.steady_until(now)).min(next);
            add(&mut totals, &world, profile, now, until.saturating_sub(now));
            now = until;
        }
    }
    totals.decisions = scalings.len();
    let hpa = autoscaler.hpa();
    let run = Run {
        name: name.to_owned(),
        hpa: aims::described(hpa),
        threshold: aims::threshold(hpa),
        metrics: hpa.metrics.iter().map(aims::short).collect(),
        points,
        scalings,
        facts: totals.facts(),
    };
    Planned { run, totals }
}

/// Virtual time has no date; the autoscaler looks back some minutes.
fn wall(now: Duration) -> Wall {
    Wall::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

fn scaling(now: Duration, decision: &Decision, steps: &[Duration], model: &Model) -> Scaling {
    let count = |replicas: i32| u32::try_from(replicas).unwrap_or_default();
    let up = decision.desired > decision.current;
    Scaling {
        at: now,
        from: count(decision.current),
        to: count(decision.desired),
        reason: decision.reason.clone().unwrap_or_default(),
        after_step: steps.iter().skip(1).rfind(|step| **step <= now).map(|step| now.saturating_sub(*step)),
        ready_after: up.then_some(model.startup),
    }
}

fn point(hpa: &Hpa, decision: &Decision, world: &World, profile: &Profile, now: Duration) -> Point {
    let currents: Vec<_> =
        decision.proposals.iter().map(|proposal| proposal.as_ref().ok().map(|own| own.current)).collect();
    let load = profile.rate(now).unwrap_or_default();
    let ready = world.ready();
    Point {
        at: now,
        load,
        served: world.served(load),
        per_pod: (ready > 0).then(|| world.served(load) / f64::from(ready)),
        pressures: aims::pressures(&hpa.metrics, &currents),
        desired: u32::try_from(decision.desired).unwrap_or_default(),
        ready,
        latency: None,
        failed: 0,
    }
}

fn add(totals: &mut Totals, world: &World, profile: &Profile, now: Duration, span: Duration) {
    // In the middle: what changes steadily has its mean there.
    let load = profile.rate(now + span / 2).unwrap_or_default();
    let (ready, seconds) = (world.ready(), span.as_secs_f64());
    let missing = load - world.served(load);
    // A rounding error is no overload.
    if missing > load * 1e-9 {
        totals.under += seconds;
        totals.unanswered += missing * seconds;
    }
    totals.requests += load * seconds;
    totals.pods += f64::from(ready) * seconds;
    totals.wasted += f64::from(ready.saturating_sub(world.needed(load))) * seconds;
    totals.most = totals.most.max(ready);
}

impl Totals {
    fn facts(&self) -> Vec<(String, String)> {
        let hours = |seconds: f64| format!("{:.2} h", seconds / 3600.0);
        let part = |part: f64, whole: f64| {
            if whole > 0.0 { format!("{:.3} %", 100.0 * part / whole) } else { "0 %".to_owned() }
        };
        let facts = [
            ("time", hours(self.length)),
            ("under the needed capacity", format!("{} ({})", span(self.under), part(self.under, self.length))),
            (
                "requests without capacity",
                format!("{:.0} of {:.0} ({})", self.unanswered, self.requests, part(self.unanswered, self.requests)),
            ),
            ("pod-hours", format!("{:.2}", self.pods / 3600.0)),
            ("pod-hours wasted", format!("{:.2} ({})", self.wasted / 3600.0, part(self.wasted, self.pods))),
            ("pods at most", self.most.to_string()),
            ("decisions", self.decisions.to_string()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

fn span(seconds: f64) -> String {
    match seconds {
        _ if seconds < 60.0 => format!("{seconds:.0} s"),
        _ if seconds < 3600.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.2} h", seconds / 3600.0),
    }
}

/// What of an HPA the model takes for the load, in words; none if all is plain.
#[must_use]
pub fn remarks(hpa: &Hpa) -> Vec<String> {
    let remark = |metric: &Metric| match metric {
        Metric::Pods { metric, .. } => Some(format!("{} is taken for the requests per second of a pod", metric.name)),
        Metric::Object { metric, .. } | Metric::External { metric, .. } => {
            Some(format!("{} is taken for the requests per second in all", metric.name))
        }
        Metric::Resource { name, .. } if name != "cpu" && name != "memory" => {
            Some(format!("{name} is never measured: the model has cpu and memory"))
        }
        Metric::Resource { .. } => None,
    };
    hpa.metrics.iter().filter_map(remark).collect()
}
