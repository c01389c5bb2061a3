use metrics_adapter::model::Wall;

use super::Options;
use super::decision::{ConditionType, Conditions};
use super::history::{History, ago, changed};
use super::spec::{Behavior, Hpa, Policy, PolicyKind, ScalingRules, Select};

const WITHIN: (&str, &str) = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_MANY: (&str, &str) = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: (&str, &str) = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const UP_LIMIT: (&str, &str) =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: (&str, &str) =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");

/// What the metrics ask for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) current: i32,
    pub(super) replicas: i32,
    pub(super) now: Wall,
}

/// What becomes of it: windows first, then rates, minimum and maximum.
pub(super) fn normalize(
    hpa: &Hpa,
    options: &Options,
    history: &mut History,
    conditions: &mut Conditions,
    wanted: Wanted,
) -> i32 {
    let (stabilized, (reason, message)) = match &hpa.behavior {
        None => stabilize_down(options, history, wanted),
        Some(behavior) => stabilize(behavior, options, history, wanted),
    };
    if stabilized == wanted.replicas {
        let message = "recommended size matches current size";
        conditions.set(ConditionType::AbleToScale, true, "ReadyForNewScale", message);
    } else {
        conditions.set(ConditionType::AbleToScale, true, reason, message);
    }
    let asked = Wanted { replicas: stabilized, ..wanted };
    let (desired, (reason, message)) = match &hpa.behavior {
        None => default_limits(hpa, asked),
        Some(behavior) => limits(hpa, behavior, history, asked),
    };
    conditions.set(ConditionType::ScalingLimited, desired != stabilized, reason, message);
    desired
}

const DOWN_STABILIZED: (&str, &str) = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const UP_STABILIZED: (&str, &str) = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);

/// Without `behavior`: nothing below the highest recommendation of the controller's window.
fn stabilize_down(
    options: &Options,
    history: &mut History,
    Wanted { replicas: wanted, now, .. }: Wanted,
) -> (i32, (&'static str, &'static str)) {
    let cutoff = ago(now, options.downscale_stabilization);
    let recent = history.recommendations.iter().filter(|(at, _)| *at >= cutoff).map(|(_, wanted)| *wanted);
    let highest = recent.max().map_or(wanted, |most| most.max(wanted));
    history.recommend(wanted, now, |at| at < cutoff);
    (highest, DOWN_STABILIZED)
}

/// With `behavior`: as near to the current size as both windows allow.
fn stabilize(
    behavior: &Behavior,
    options: &Options,
    history: &mut History,
    Wanted { current, replicas: wanted, now }: Wanted,
) -> (i32, (&'static str, &'static str)) {
    let up_cutoff = ago(now, behavior.up.stabilization.unwrap_or_default());
    let down_cutoff = ago(now, behavior.down.stabilization.unwrap_or(options.downscale_stabilization));
    let (mut lowest, mut highest) = (wanted, wanted);
    for (at, recommendation) in &history.recommendations {
        if *at > up_cutoff {
            lowest = lowest.min(*recommendation);
        }
        if *at > down_cutoff {
            highest = highest.max(*recommendation);
        }
    }
    history.recommend(wanted, now, |at| at < up_cutoff && at < down_cutoff);
    let why = if wanted >= current { UP_STABILIZED } else { DOWN_STABILIZED };
    (current.max(lowest).min(highest), why)
}

/// Without `behavior`: at most twice the size, or four.
fn default_limits(hpa: &Hpa, Wanted { current, replicas: wanted, .. }: Wanted) -> (i32, (&'static str, &'static str)) {
    let limit = current.saturating_mul(2).max(4);
    let (most, why) = if hpa.max_replicas > limit { (limit, UP_LIMIT) } else { (hpa.max_replicas, TOO_MANY) };
    if wanted < hpa.min_replicas {
        (hpa.min_replicas, TOO_FEW)
    } else if wanted > most {
        (most, why)
    } else {
        (wanted, WITHIN)
    }
}

/// With `behavior`: what its policies allow.
fn limits(hpa: &Hpa, behavior: &Behavior, history: &History, asked: Wanted) -> (i32, (&'static str, &'static str)) {
    let Wanted { current, replicas: wanted, .. } = asked;
    if wanted > current {
        let limit = most_up(&behavior.up, history, asked).max(current);
        let (most, why) = if hpa.max_replicas > limit { (limit, UP_LIMIT) } else { (hpa.max_replicas, TOO_MANY) };
        if wanted > most {
            return (most, why);
        }
    } else if wanted < current {
        let limit = most_down(&behavior.down, history, asked).min(current);
        let (least, why) = if hpa.min_replicas < limit { (limit, DOWN_LIMIT) } else { (hpa.min_replicas, TOO_FEW) };
        if wanted < least {
            return (least, why);
        }
    }
    (wanted, WITHIN)
}

/// Where the policy's period began: before what was changed since.
fn period_start(policy: &Policy, history: &History, Wanted { current, now, .. }: Wanted) -> i32 {
    current - changed(&history.ups, policy.period, now) + changed(&history.downs, policy.period, now)
}

fn most_up(rules: &ScalingRules, history: &History, asked: Wanted) -> i32 {
    let allowed = |policy: &Policy| {
        let start = period_start(policy, history, asked);
        match policy.kind {
            PolicyKind::Pods => start.saturating_add(policy.value),
            // Rounded up: one pod and ten percent would never become two.
            PolicyKind::Percent => whole((f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil()),
        }
    };
    let limits = rules.policies.iter().map(allowed);
    let limit = match rules.select {
        Select::Disabled => None,
        Select::Max => limits.max(),
        Select::Min => limits.min(),
    };
    limit.unwrap_or(asked.current)
}

fn most_down(rules: &ScalingRules, history: &History, asked: Wanted) -> i32 {
    let allowed = |policy: &Policy| {
        let start = period_start(policy, history, asked);
        match policy.kind {
            PolicyKind::Pods => start.saturating_sub(policy.value),
            PolicyKind::Percent => whole(f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)),
        }
    };
    let limits = rules.policies.iter().map(allowed);
    let limit = match rules.select {
        Select::Disabled => None,
        Select::Max => limits.min(),
        Select::Min => limits.max(),
    };
    limit.unwrap_or(asked.current)
}

/// Cut to a whole number that a replica count can be.
pub(super) fn whole(value: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a cast saturates; the fraction is meant to go")]
    let whole = value as i32;
    whole
}
