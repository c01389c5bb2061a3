use std::fmt;

use serde::Serialize;

use super::explain::{Explain, Of};
use crate::cluster::{Aim, Autoscaler};
use crate::lookup::{ExternalValue, Instant, Value};
use crate::model::Resource;
use crate::model::quantity::{Milli, Quantity};

/// Within this of the threshold the controller changes nothing, unless it is told another tolerance.
const TOLERANCE: f64 = 0.1;

/// What an autoscaler makes of a metric, of this one alone: with several the largest wins.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The autoscaler, as `shop/web`.
    pub autoscaler: String,
    /// What it compares, in a sentence.
    pub compares: String,
    /// How many replicas it wants by this metric, before its limits, its behaviour and its other metrics.
    pub wants: Option<i64>,
    /// How many there are.
    pub current: i32,
    /// From how many to how many it scales.
    pub limits: (i32, i32),
    /// What the controller saw last.
    pub seen: Option<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minimum, maximum) = self.limits;
        write!(f, "{}: {}", self.autoscaler, self.compares)?;
        match self.wants {
            Some(wants) if wants == i64::from(self.current) => write!(f, ": {wants} replicas, as there are")?,
            Some(wants) => write!(f, ": {wants} replicas wanted, {} there", self.current)?,
            None => {}
        }
        write!(f, " (from {minimum} to {maximum}; its other metrics and its behavior may say otherwise)")?;
        match &self.seen {
            Some(seen) => write!(f, "; its controller saw {seen} last"),
            None => f.write_str("; its controller has seen no value yet"),
        }
    }
}

fn milli(quantity: &str) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "thousandths of more than 2^53 are nobody's threshold")]
    Quantity::parse(quantity).ok().map(|own| own.milli() as f64).filter(|own| *own > 0.0)
}

/// What the autoscalers of the namespace make of these values.
pub(super) fn verdicts(
    autoscalers: &[Autoscaler],
    explain: &Explain,
    of: &Of,
    values: &[Value<'_>],
    instant: &Instant,
) -> Vec<Verdict> {
    let pods = Resource::named(&of.resource).is_some_and(Resource::is_pods);
    let source = if pods { "Pods" } else { "Object" };
    let matching = instant.view.pods(Some(&explain.namespace)).iter();
    let matching = matching.filter(|pod| explain.selector.matches(&pod.labels)).count();
    #[expect(clippy::cast_precision_loss, reason = "thousandths of more than 2^53 are no metric")]
    let total: f64 = values.iter().map(|own| own.quantity.0 as f64).sum();
    let aims = aims(autoscalers, explain, source).filter(|(_, aim)| {
        pods || aim.of.split(',').any(|part| part.rsplit_once('/').is_some_and(|(_, name)| name == of.name))
    });
    let judged = aims.filter_map(|(own, aim)| {
        let threshold = milli(&aim.threshold)?;
        let (compares, wants) = if pods {
            of_pods(total, values.len(), matching.saturating_sub(values.len()), threshold, own.current)
        } else {
            of_object(total, threshold, aim, own.current)
        };
        Some(Verdict::of(own, aim, compares, wants))
    });
    judged.collect()
}

/// What they make of an external metric.
pub(super) fn external(autoscalers: &[Autoscaler], explain: &Explain, values: &[ExternalValue<'_>]) -> Vec<Verdict> {
    #[expect(clippy::cast_precision_loss, reason = "thousandths of more than 2^53 are no metric")]
    let total: f64 = values.iter().map(|own| own.quantity.0 as f64).sum();
    let judged = aims(autoscalers, explain, "External").filter_map(|(own, aim)| {
        let (compares, wants) = of_object(total, milli(&aim.threshold)?, aim, own.current);
        Some(Verdict::of(own, aim, compares, wants))
    });
    judged.collect()
}

fn aims<'a>(
    autoscalers: &'a [Autoscaler],
    explain: &'a Explain,
    source: &'a str,
) -> impl Iterator<Item = (&'a Autoscaler, &'a Aim)> {
    let here = autoscalers.iter().filter(|own| *own.namespace == *explain.namespace);
    here.flat_map(move |own| {
        let aims = own.metrics.iter();
        aims.filter(move |aim| aim.source == source && aim.metric == explain.metric).map(move |aim| (own, aim))
    })
}

impl Verdict {
    fn of(own: &Autoscaler, aim: &Aim, compares: String, wants: Option<i64>) -> Self {
        Self {
            autoscaler: format!("{}/{}", own.namespace, own.name),
            compares,
            wants,
            current: own.current,
            limits: (own.minimum, own.maximum),
            seen: aim.seen.clone(),
        }
    }
}

fn shown(thousandths: f64) -> String {
    Milli::truncated(thousandths / 1000.0).map_or("?".to_owned(), |own| super::page::decimal(&own.to_string()))
}

#[expect(clippy::cast_possible_truncation, reason = "a number of replicas; a float that is too large is cut off")]
fn ceil(replicas: f64) -> i64 {
    // A ratio that is 3 but for the float's last bits is 3.
    (replicas - 1e-9).ceil() as i64
}

/// The mean of the pods that have a value, beside the threshold. Pods without one count as the threshold on the way down
/// and as 0 on the way up; if that turns the direction round, or lands within the tolerance, nothing changes.
#[expect(clippy::cast_precision_loss, reason = "numbers of pods")]
fn of_pods(total: f64, pods: usize, missing: usize, threshold: f64, current: i32) -> (String, Option<i64>) {
    let mean = (total / pods as f64).trunc();
    let ratio = mean / threshold;
    let what =
        format!("the mean of {pods} pods is {}, the threshold {}, the ratio {ratio:.3}", shown(mean), shown(threshold));
    if missing == 0 {
        if (ratio - 1.0).abs() <= TOLERANCE {
            return (format!("{what}, within the tolerance of 10 %"), Some(i64::from(current)));
        }
        return (what, Some(ceil(ratio * pods as f64)));
    }
    let filled = if ratio < 1.0 { total + threshold * missing as f64 } else { total };
    let counted = (pods + missing) as f64;
    let new = (filled / counted).trunc() / threshold;
    let what = format!("{what}; with the {missing} pods that have no value {new:.3}");
    let turned = (ratio < 1.0 && new > 1.0) || (ratio > 1.0 && new < 1.0);
    if turned || (new - 1.0).abs() <= TOLERANCE {
        return (format!("{what}, which changes nothing"), Some(i64::from(current)));
    }
    (what, Some(ceil(new * counted)))
}

/// One value beside the threshold; with `AverageValue`, shared by the replicas.
fn of_object(total: f64, threshold: f64, aim: &Aim, current: i32) -> (String, Option<i64>) {
    let average = aim.kind == "AverageValue";
    let ratio = if average { total / (threshold * f64::from(current.max(1))) } else { total / threshold };
    let each = if average { " for each replica" } else { "" };
    let what = format!("{} beside the threshold {}{each}, the ratio {ratio:.3}", shown(total), shown(threshold));
    if (ratio - 1.0).abs() <= TOLERANCE {
        return (format!("{what}, within the tolerance of 10 %"), Some(i64::from(current)));
    }
    let wants = if average { ceil(total / threshold) } else { ceil(ratio * f64::from(current)) };
    (what, Some(wants))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_judged_as_the_controller_does() {
        // Total and threshold in thousandths, pods with a value and without, replicas; what is wanted.
        let table = [
            ((300_000.0, 3, 0, 50_000.0, 3), 6),
            ((160_000.0, 3, 0, 50_000.0, 3), 3),
            ((30_000.0, 3, 0, 50_000.0, 3), 1),
            // One more pod of which nothing is known: 0 on the way up, the threshold on the way down.
            ((300_000.0, 3, 1, 50_000.0, 4), 6),
            ((160_000.0, 2, 2, 50_000.0, 4), 4),
            ((30_000.0, 3, 3, 50_000.0, 6), 4),
        ];
        for ((total, pods, missing, threshold, current), wanted) in table {
            let (text, wants) = of_pods(total, pods, missing, threshold, current);
            assert_eq!(wants, Some(wanted), "{text}");
        }
    }

    #[test]
    fn an_average_value_is_shared_by_the_replicas() {
        let aim = |kind: &str| Aim {
            source: "External".to_owned(),
            metric: "q".to_owned(),
            of: String::new(),
            kind: kind.to_owned(),
            threshold: "10".to_owned(),
            seen: None,
        };
        assert_eq!(of_object(95_000.0, 10_000.0, &aim("AverageValue"), 2).1, Some(10));
        assert_eq!(of_object(20_000.0, 10_000.0, &aim("Value"), 2).1, Some(4));
        assert_eq!(of_object(10_500.0, 10_000.0, &aim("Value"), 2).1, Some(2), "within the tolerance");
    }
}
