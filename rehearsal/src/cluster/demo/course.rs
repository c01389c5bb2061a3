use std::time::Duration;

use crate::aims;
use crate::autoscaler::{Hpa, Options};
use crate::profile::Profile;

/// The rates of the walkthrough, and what a rest is.
const RATES: [u32; 4] = [20, 140, 240, 480];
const QUICK: [u32; 3] = [20, 140, 240];
const REST: u32 = 20;

/// The load's steps, each with the replicas that it should end with.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) steps: Vec<Step>,
    pub(super) profile: Profile,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) rate: u32,
    pub(super) from: Duration,
    pub(super) until: Duration,
    /// What the HPA's arithmetic makes of it; none where it is awaited instead: after the last one.
    pub(super) expected: u32,
}

impl Course {
    /// Steps of that length, then a rest that may take so long.
    pub(super) fn of(hpa: &Hpa, quick: bool, step: Duration, rest: Duration) -> Option<Self> {
        let rates: &[u32] = if quick { &QUICK } else { &RATES };
        let mut replicas = small(hpa.min_replicas);
        let mut steps = Vec::new();
        for (number, rate) in (0..).zip(rates) {
            replicas = following(hpa, *rate, replicas);
            steps.push(Step { rate: *rate, from: step * number, until: step * (number + 1), expected: replicas });
        }
        let parts = steps.iter().map(|own| format!("{}@{}", own.rate, time(step)));
        let parts = parts.chain([format!("{REST}@{}", time(rest))]);
        let profile = format!("steps:{}", parts.collect::<Vec<_>>().join(",")).parse().ok()?;
        Some(Self { steps, profile })
    }

    /// When the rest begins.
    pub(super) fn rests(&self) -> Duration {
        self.steps.last().map(|step| step.until).unwrap_or_default()
    }

    /// `20, 140, 240 and 480`
    pub(super) fn rates(&self) -> String {
        self.steps.iter().map(|step| step.rate.to_string()).collect::<Vec<_>>().join(", ")
    }
}

/// `150s`, as a load writes it.
fn time(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

fn small(replicas: i32) -> u32 {
    u32::try_from(replicas).unwrap_or_default()
}

/// How many replicas the metric per pod asks for at that rate: those that there are, if each has what it aims at, give or
/// take a tenth.
fn following(hpa: &Hpa, rate: u32, replicas: u32) -> u32 {
    let Some(threshold) = aims::threshold(hpa) else { return replicas };
    let ratio = f64::from(rate) / f64::from(replicas.max(1)) / threshold;
    if (ratio - 1.0).abs() <= Options::default().tolerance {
        return replicas;
    }
    let (min, max) = (small(hpa.min_replicas), small(hpa.max_replicas));
    // Downwards nothing happens before the window is over.
    let wanted = (1..=max).find(|count| f64::from(*count) * threshold >= f64::from(rate)).unwrap_or(max);
    wanted.max(replicas).clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    fn replicas(quick: bool, from: &str, to: &str) -> Vec<u32> {
        let text = include_str!("../../../../k8s/real-world-hpa.yaml").replace(from, to);
        let course =
            Course::of(&manifest::hpa(&text).unwrap(), quick, Duration::from_secs(150), Duration::from_mins(12));
        course.unwrap().steps.iter().map(|step| step.expected).collect()
    }

    #[test]
    fn the_walkthroughs_rates_make_the_walkthroughs_replicas() {
        assert_eq!(replicas(false, "", ""), [2, 3, 5, 10]);
        assert_eq!(replicas(true, "", ""), [2, 3, 5]);
    }

    #[test]
    fn what_is_expected_follows_the_threshold_and_the_bounds_of_the_object() {
        assert_eq!(replicas(false, "averageValue: \"50\"", "averageValue: \"100\""), [2, 2, 3, 5]);
        assert_eq!(replicas(false, "maxReplicas: 10", "maxReplicas: 4"), [2, 3, 4, 4]);
    }
}
