//! An HPA's metrics against what they aim at: for lines, tables and drawings.

use metrics_adapter::model::quantity::{Milli, Quantity};

use crate::autoscaler::{Current, Decision, Hpa, Metric, ResourceTarget, TotalTarget};

/// Thousandths as a number.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for drawing")]
pub fn units(milli: i64) -> f64 {
    milli as f64 / 1000.0
}

fn share(milli: i64, target: Quantity) -> f64 {
    units(milli) / units(target.milli())
}

/// Each metric's value in parts of what it aims at; none without a value.
#[must_use]
pub fn pressures(metrics: &[Metric], currents: &[Option<Current>]) -> Vec<Option<f64>> {
    let values = metrics.iter().zip(currents).map(|(metric, current)| match (metric, (*current)?) {
        (Metric::Resource { target: ResourceTarget::Utilization(target), .. }, Current::Utilization(percent, _)) => {
            Some(f64::from(percent) / f64::from(*target))
        }
        (
            Metric::Resource { target: ResourceTarget::AverageValue(target), .. }
            | Metric::Pods { average: target, .. }
            | Metric::Object { target: TotalTarget::AverageValue(target), .. }
            | Metric::External { target: TotalTarget::AverageValue(target), .. },
            Current::AverageValue(milli),
        )
        | (
            Metric::Object { target: TotalTarget::Value(target), .. }
            | Metric::External { target: TotalTarget::Value(target), .. },
            Current::Value(milli),
        ) => Some(share(milli, *target)),
        _ => None,
    });
    values.collect()
}

/// The column TARGETS of `kubectl get hpa`, with all metrics.
#[must_use]
pub fn targets(hpa: &Hpa, decision: &Decision) -> String {
    let mut proposals = decision.proposals.iter();
    let columns = hpa.metrics.iter().map(|metric| {
        let current = proposals.next().and_then(|proposal| proposal.as_ref().ok()).map(|own| own.current);
        let value = match current {
            Some(Current::Utilization(percent, _)) => format!("{percent}%"),
            Some(Current::AverageValue(milli) | Current::Value(milli)) => Milli(milli).to_string(),
            None => "<unknown>".to_owned(),
        };
        match metric {
            Metric::Resource { name, target: ResourceTarget::Utilization(target), .. } => {
                format!("{name}: {value}/{target}%")
            }
            Metric::Resource { name, target: ResourceTarget::AverageValue(target), .. } => {
                format!("{name}: {value}/{}", written(*target))
            }
            Metric::Pods { average, .. } => format!("{value}/{}", written(*average)),
            Metric::Object { target, .. } | Metric::External { target, .. } => match target {
                TotalTarget::Value(target) => format!("{value}/{}", written(*target)),
                TotalTarget::AverageValue(target) => format!("{value}/{} (avg)", written(*target)),
            },
        }
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// A target in the suffix that a person would have written: a whole number of Mi or Gi as that.
#[must_use]
pub fn written(quantity: Quantity) -> String {
    const GIGA: i128 = 1 << 30;
    const MEGA: i128 = 1 << 20;
    let whole = quantity.nanos() / 1_000_000_000;
    if quantity.nanos() % 1_000_000_000 == 0 && whole >= MEGA {
        for (unit, suffix) in [(GIGA, "Gi"), (MEGA, "Mi")] {
            if whole % unit == 0 {
                return format!("{}{suffix}", whole / unit);
            }
        }
    }
    quantity.to_string()
}

/// The HPA in words: what it holds between which numbers.
#[must_use]
pub fn described(hpa: &Hpa) -> String {
    let metrics: Vec<String> = hpa.metrics.iter().map(|metric| format!("{} {}", short(metric), aim(metric))).collect();
    format!("{}: {} to {} replicas; {}", hpa.name, hpa.min_replicas, hpa.max_replicas, metrics.join(", "))
}

/// A metric's name.
#[must_use]
pub fn short(metric: &Metric) -> String {
    match metric {
        Metric::Resource { name, container: None, .. } => name.clone(),
        Metric::Resource { name, container: Some(container), .. } => format!("{name} of {container}"),
        Metric::Pods { metric, .. } | Metric::External { metric, .. } => metric.name.clone(),
        Metric::Object { described, metric, .. } => format!("{} of {}", metric.name, described.name),
    }
}

fn aim(metric: &Metric) -> String {
    match metric {
        Metric::Resource { target: ResourceTarget::Utilization(percent), .. } => format!("{percent} %"),
        Metric::Resource { target: ResourceTarget::AverageValue(average), .. } | Metric::Pods { average, .. } => {
            written(*average)
        }
        Metric::Object { target, .. } | Metric::External { target, .. } => match target {
            TotalTarget::Value(value) => format!("{} in all", written(*value)),
            TotalTarget::AverageValue(average) => written(*average),
        },
    }
}

/// What the first metric per pod aims at.
#[must_use]
pub fn threshold(hpa: &Hpa) -> Option<f64> {
    hpa.metrics.iter().find_map(|metric| match metric {
        Metric::Pods { average, .. } => Some(units(average.milli())),
        _ => None,
    })
}
