//! The `HorizontalPodAutoscaler`'s decisions, as kube-controller-manager 1.36 takes them: pure, given the object, the
//! pods, what was measured, and the time.
//!
//! ```text
//! measured ──> replicas      one metric's proposal, missing and unready pods filled in
//!                 │          the largest proposal wins; a failing metric forbids scaling down
//!                 └─> behavior   stabilization windows, policies, minimum and maximum ──> Decision
//! ```
//!
//! The controller's flags have their defaults ([`Options`]); its words are kept, so that what is read here is what
//! `kubectl describe hpa` says. Times are given by the caller and may be virtual.

mod behavior;
mod decision;
mod history;
mod pods;
mod reading;
mod replicas;
mod spec;

use std::time::Duration;

use metrics_adapter::model::Wall;

pub use decision::{Condition, ConditionType, Current, Decision, Proposal};
pub use history::History;
pub use pods::{Container, Phase, Pod, Readiness};
pub use reading::{Api, Measured, PodReadings, Reading, Sample, Unmeasured};
pub use spec::{
    Behavior, Hpa, LabelSelector, Metric, MetricName, Operator, Policy, PolicyKind, Requirement, ResourceTarget,
    ScalingRules, Select, TargetReference, TotalTarget,
};

use decision::{Conditions, Outcome};

/// The time between two syncs: `--horizontal-pod-autoscaler-sync-period`.
pub const SYNC: Duration = Duration::from_secs(15);

/// The flags of kube-controller-manager that decide; the defaults are its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// `--horizontal-pod-autoscaler-tolerance`: how far a ratio may be from 1 without anything changing.
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`: for so long after its start a pod's CPU counts only if
    /// it is ready and was measured since.
    pub cpu_initialization_period: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`: a pod that was last seen turning unready so soon after
    /// its start has never been ready.
    pub initial_readiness_delay: Duration,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`: the window downwards where `behavior` names none.
    pub downscale_stabilization: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            cpu_initialization_period: Duration::from_mins(5),
            initial_readiness_delay: Duration::from_secs(30),
            downscale_stabilization: Duration::from_mins(5),
        }
    }
}

impl Options {
    /// The same on a clock that runs so many times as fast.
    #[must_use]
    pub fn paced(self, pace: f64) -> Self {
        Self {
            tolerance: self.tolerance,
            cpu_initialization_period: self.cpu_initialization_period.div_f64(pace),
            initial_readiness_delay: self.initial_readiness_delay.div_f64(pace),
            downscale_stabilization: self.downscale_stabilization.div_f64(pace),
        }
    }
}

/// What the scale subresource of the target says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// How many replicas are asked for.
    pub spec_replicas: i32,
    /// How many there are.
    pub status_replicas: i32,
}

/// One HPA and what the controller remembers of it.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    hpa: Hpa,
    options: Options,
    history: History,
    conditions: Conditions,
}

impl Autoscaler {
    /// An HPA that was just created.
    #[must_use]
    pub fn new(hpa: Hpa, options: Options) -> Self {
        Self { hpa, options, history: History::default(), conditions: Conditions::default() }
    }

    /// The object that it follows.
    #[must_use]
    pub fn hpa(&self) -> &Hpa {
        &self.hpa
    }

    /// One sync. `measured` has one entry for each metric of the object, in its order; what the pods' readings say
    /// stands at the pod's place in `pods`. The decision is taken for carried out: a change goes into the history.
    pub fn sync(&mut self, scale: Scale, pods: &[Pod], measured: &[Measured], now: Wall) -> Decision {
        let current = scale.spec_replicas;
        self.conditions.set(
            ConditionType::AbleToScale,
            true,
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        self.history.begin(current, now);
        if current == 0 && self.hpa.min_replicas != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            self.conditions.set(ConditionType::ScalingActive, false, "ScalingDisabled", message);
            return self.unchanged(current, Vec::new(), Vec::new(), None);
        }
        if current > self.hpa.max_replicas {
            let reason = "Current number of replicas above Spec.MaxReplicas";
            return self.rescale(current, self.hpa.max_replicas, reason.to_owned(), Outcome::default(), now);
        }
        if current < self.hpa.min_replicas {
            let reason = "Current number of replicas below Spec.MinReplicas";
            return self.rescale(current, self.hpa.min_replicas, reason.to_owned(), Outcome::default(), now);
        }
        let (outcome, wanted) = self.propose(scale, pods, measured, now);
        let Some((wanted, metric)) = wanted else {
            return self.unchanged(current, outcome.events, outcome.proposals, outcome.error);
        };
        let reason = match wanted.cmp(&current) {
            std::cmp::Ordering::Greater => format!("{metric} above target"),
            std::cmp::Ordering::Less => "All metrics below target".to_owned(),
            std::cmp::Ordering::Equal => String::new(),
        };
        let desired = behavior::normalize(
            &self.hpa,
            &self.options,
            &mut self.history,
            &mut self.conditions,
            behavior::Wanted { current, replicas: wanted, now },
        );
        if desired == current {
            return self.unchanged(current, outcome.events, outcome.proposals, outcome.error);
        }
        self.rescale(current, desired, reason, outcome, now)
    }

    /// What each metric proposes, and the largest proposal with its metric's name; none if it may not be followed.
    fn propose(
        &mut self,
        scale: Scale,
        pods: &[Pod],
        measured: &[Measured],
        now: Wall,
    ) -> (Outcome, Option<(i32, String)>) {
        let mut outcome = Outcome::default();
        let mut best: Option<(i32, String)> = None;
        let mut first_failure = None;
        let mut failures = 0;
        let calculator = replicas::Calculator { hpa: &self.hpa, options: &self.options, scale, pods, now };
        for (metric, measured) in self.hpa.metrics.iter().zip(measured) {
            match calculator.propose(metric, measured) {
                Ok(proposal) => {
                    // A proposal of nothing is replaced even by one that is no larger.
                    if best.as_ref().is_none_or(|(most, _)| *most == 0 || proposal.replicas > *most) {
                        best = Some((proposal.replicas, proposal.metric.clone()));
                    }
                    outcome.proposals.push(Ok(proposal));
                }
                Err(failure) => {
                    failures += 1;
                    outcome.events.push(failure.message.clone());
                    first_failure.get_or_insert((failure.reason, failure.message.clone(), failure.context));
                    outcome.proposals.push(Err(failure.message));
                }
            }
        }
        let all = self.hpa.metrics.len();
        if let Some((reason, message, context)) = first_failure {
            let error =
                format!("invalid metrics ({failures} invalid out of {all}), first error is: {context}: {message}");
            // What failed might have asked for more than what is known.
            if failures >= all || best.as_ref().is_none_or(|(most, _)| *most < scale.spec_replicas) {
                let message = format!("the HPA was unable to compute the replica count: {message}");
                self.conditions.set(ConditionType::ScalingActive, false, reason, message);
                outcome.events.push(error.clone());
                outcome.error = Some(error);
                return (outcome, None);
            }
            outcome.error = Some(error);
        }
        let (_, metric) = best.get_or_insert_default();
        let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
        self.conditions.set(ConditionType::ScalingActive, true, "ValidMetricFound", message);
        // Nothing below zero is wanted.
        (outcome, best.map(|(wanted, metric)| (wanted.max(0), metric)))
    }

    fn unchanged(
        &self,
        current: i32,
        events: Vec<String>,
        proposals: Vec<Result<Proposal, String>>,
        error: Option<String>,
    ) -> Decision {
        let conditions = self.conditions.all();
        Decision { current, desired: current, reason: None, conditions, events, proposals, error }
    }

    fn rescale(&mut self, current: i32, desired: i32, reason: String, outcome: Outcome, now: Wall) -> Decision {
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        self.conditions.set(ConditionType::AbleToScale, true, "SucceededRescale", message);
        self.history.scaled(self.hpa.behavior.as_ref(), current, desired, now);
        let mut events = outcome.events;
        events.push(format!("New size: {desired}; reason: {reason}"));
        Decision {
            current,
            desired,
            reason: Some(reason),
            conditions: self.conditions.all(),
            events,
            proposals: outcome.proposals,
            error: outcome.error,
        }
    }
}
