use std::collections::BTreeMap;

use metrics_adapter::model::quantity::{Milli, Quantity};
use serde_json::Value;

use crate::aims;

/// What a quota counts, and what one more pod would make of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Count {
    /// By the quota's name: `requests.cpu`.
    pub(super) resource: String,
    used: Quantity,
    more: Quantity,
    hard: Quantity,
}

/// What pods have to do with a quota, each of what it counts; what pods need nothing of is left out.
pub(super) fn counts(quota: &Value, pod: &Value) -> Vec<Count> {
    let hard = quota["status"]["hard"].as_object().into_iter().flatten();
    let counts = hard.filter_map(|(resource, hard)| {
        let used = parsed(&quota["status"]["used"][resource])?;
        let more = asked(pod, resource)?;
        Some(Count { resource: resource.clone(), used, more, hard: parsed(hard)? })
    });
    counts.collect()
}

fn parsed(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).ok()
}

/// What a pod is counted with: the sum of its containers, or its largest init container.
fn asked(pod: &Value, resource: &str) -> Option<Quantity> {
    if resource == "pods" || resource == "count/pods" {
        return Quantity::parse("1").ok();
    }
    let (list, name) = match resource.split_once('.') {
        Some((list @ ("requests" | "limits"), name @ ("cpu" | "memory"))) => (list, name),
        None if matches!(resource, "cpu" | "memory") => ("requests", resource),
        _ => return None,
    };
    let of = |container: &Value| parsed(&container["resources"][list][name]).map_or(0, Quantity::nanos);
    let all = |key: &str| pod["spec"][key].as_array().into_iter().flatten();
    let sum: i128 = all("containers").map(of).sum();
    let first = all("initContainers").map(of).max().unwrap_or_default();
    quantity(sum.max(first))
}

fn quantity(nanos: i128) -> Option<Quantity> {
    Quantity::parse(&format!("{nanos}n")).ok()
}

impl Count {
    /// With so many more of them.
    fn sum(&self, pods: u64) -> i128 {
        self.used.nanos() + self.more.nanos() * i128::from(pods)
    }

    pub(super) fn fits(&self, pods: u64) -> bool {
        self.sum(pods) <= self.hard.nanos()
    }

    fn written(&self, quantity: Quantity) -> String {
        // Thousandths of a core are how everybody writes these.
        if self.resource.ends_with("cpu") { Milli(quantity.milli()).to_string() } else { aims::written(quantity) }
    }

    /// `requests.cpu      650m + 100m = 750m, more than 500m`
    fn line(&self, pods: u64, width: usize) -> String {
        let times = if pods == 1 { String::new() } else { format!("{pods} x ") };
        let sum = quantity(self.sum(pods)).map_or_else(String::new, |sum| self.written(sum));
        let (used, more, hard) = (self.written(self.used), self.written(self.more), self.written(self.hard));
        let verdict = if self.fits(pods) { "fits in" } else { "is more than" };
        format!("  {:<width$}  {used} used + {times}{more} asked for = {sum}, {verdict} {hard}", self.resource)
    }
}

/// A line for each of what is counted.
pub(super) fn explained(counts: &[Count], pods: u64) -> Vec<String> {
    let width = counts.iter().map(|count| count.resource.len()).max().unwrap_or_default();
    counts.iter().map(|count| count.line(pods, width)).collect()
}

/// Whether so many more are admitted.
pub(super) fn all_fit(counts: &[Count], pods: u64) -> bool {
    counts.iter().all(|count| count.fits(pods))
}

/// What a quota is to show, of the pods that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lesson {
    /// Not even one more.
    Blocks,
    /// One more, and not two.
    OneMore,
}

impl Lesson {
    pub(super) fn is_taught_by(self, counts: &[Count]) -> bool {
        match self {
            Self::Blocks => !all_fit(counts, 1),
            Self::OneMore => all_fit(counts, 1) && !all_fit(counts, 2),
        }
    }

    /// Hard limits that teach it to these pods, where the walkthrough's numbers are for others.
    pub(super) fn fitted(self, counts: &[Count]) -> BTreeMap<String, String> {
        let hard = |count: &Count| {
            let requested = count.resource.starts_with("requests.");
            let nanos = match self {
                // Less than is in use, which a quota lets be.
                Self::Blocks if requested => count.sum(0) - count.more.nanos(),
                Self::OneMore if count.resource != "requests.memory" => count.sum(1),
                Self::Blocks | Self::OneMore => count.sum(2).max(count.hard.nanos()),
            };
            quantity(nanos).map_or_else(String::new, |hard| count.written(hard))
        };
        counts.iter().map(|count| (count.resource.clone(), hard(count))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stage(hard: &str) -> Vec<Count> {
        let quota = json!({"status": {
            "hard": {"requests.cpu": hard, "requests.memory": "1Gi", "pods": "6", "services": "5"},
            "used": {"requests.cpu": "650m", "requests.memory": "640Mi", "pods": "5", "services": "4"},
        }});
        let resources = json!({"requests": {"cpu": "100m", "memory": "128Mi"}});
        counts(&quota, &json!({"spec": {"containers": [{"resources": resources}]}}))
    }

    #[test]
    fn each_number_is_used_and_asked_for_against_hard() {
        let lines = explained(&stage("500m"), 1);
        let expected = [
            "  pods             5 used + 1 asked for = 6, fits in 6",
            "  requests.cpu     650m used + 100m asked for = 750m, is more than 500m",
            "  requests.memory  640Mi used + 128Mi asked for = 768Mi, fits in 1Gi",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_exactly_the_quota_fits_and_one_more_does_not() {
        let counts = stage("750m");
        assert!(all_fit(&counts, 1), "{counts:?}");
        assert!(!all_fit(&counts, 2), "{counts:?}");
    }

    #[test]
    fn the_largest_init_container_counts_where_it_is_larger() {
        let of = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let pod = json!({"spec": {"containers": [of("100m"), of("50m")], "initContainers": [of("200m"), of("10m")]}});
        assert_eq!(asked(&pod, "requests.cpu").map(Quantity::milli), Some(200));
        assert_eq!(asked(&pod, "services"), None);
    }
}
