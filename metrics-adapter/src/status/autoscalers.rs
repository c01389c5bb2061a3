use std::fmt::Write as _;

use crate::cluster::{Aim, Autoscaler};
use crate::model::quantity::Quantity;

/// A number of replicas of an autoscaler.
type Count = fn(&Autoscaler) -> i32;
/// A quantity of one of its metrics.
type Quantities = fn(&Aim) -> Option<&str>;

/// A family of metrics: its name, and what it is.
struct Family(&'static str, &'static str);

const MAXIMUM: Family = Family("spec_max_replicas", "The most replicas that it may scale to.");
const MINIMUM: Family = Family("spec_min_replicas", "The fewest replicas that it may scale to.");
const CURRENT: Family = Family(
    "status_current_replicas",
    "The replicas that its target is to have, as the HPA found it: those of the scale, whether or not they are there.",
);
const DESIRED: Family = Family("status_desired_replicas", "The replicas that it wants.");
const THRESHOLD: Family = Family("spec_target_metric", "The thresholds of its metrics, in their own units or percent.");
const SEEN: Family = Family("status_target_metric", "What it saw last of its metrics, in their own units or percent.");
const CONDITION: Family = Family("status_condition", "Its conditions: 1 for the status that each has.");
const INFO: Family = Family("info", "Always 1; the labels say what it scales.");

/// The autoscalers of a cluster as metrics, in the Prometheus text format, under the names that kube-state-metrics has
/// for them. They are written anew each time, so that an autoscaler that is gone leaves nothing behind.
#[must_use]
pub fn exposition(autoscalers: &[Autoscaler]) -> String {
    let mut text = Exposition(String::new());
    if autoscalers.is_empty() {
        return text.0;
    }
    let counts: [(Family, Count); 4] = [
        (MAXIMUM, |own| own.maximum),
        (MINIMUM, |own| own.minimum),
        (CURRENT, |own| own.current),
        (DESIRED, |own| own.desired),
    ];
    for (family, of) in counts {
        text.family(&family);
        for own in autoscalers {
            text.sample(&family, own, &[], f64::from(of(own)));
        }
    }
    let values: [(Family, Quantities); 2] =
        [(THRESHOLD, |aim| Some(&aim.threshold)), (SEEN, |aim| aim.seen.as_deref())];
    for (family, of) in values {
        text.family(&family);
        for own in autoscalers {
            for aim in &own.metrics {
                let Some(value) = of(aim).and_then(number) else { continue };
                let kind = match &*aim.kind {
                    "Utilization" => "utilization",
                    "AverageValue" => "average",
                    _ => "value",
                };
                let labels = [("metric_name", &*aim.metric), ("metric_target_type", kind), ("of", &*aim.of)];
                let given = labels.iter().filter(|(name, value)| *name != "of" || !value.is_empty());
                text.sample(&family, own, &given.copied().collect::<Vec<_>>(), value);
            }
        }
    }
    text.family(&CONDITION);
    for own in autoscalers {
        for condition in &own.conditions {
            for status in ["true", "false", "unknown"] {
                let is = condition.status.eq_ignore_ascii_case(status);
                let labels = [("condition", &*condition.kind), ("status", status)];
                text.sample(&CONDITION, own, &labels, f64::from(u8::from(is)));
            }
        }
    }
    text.family(&INFO);
    for own in autoscalers {
        let (kind, name) = own.scales.split_once('/').unwrap_or_default();
        text.sample(&INFO, own, &[("scaletargetref_kind", kind), ("scaletargetref_name", name)], 1.0);
    }
    text.0
}

/// A quantity, or percent, as a number.
fn number(text: &str) -> Option<f64> {
    let milli = Quantity::parse(text).ok()?.milli();
    #[expect(clippy::cast_precision_loss, reason = "a float is what Prometheus has")]
    let milli = milli as f64;
    Some(milli / 1000.0)
}

struct Exposition(String);

impl Exposition {
    fn family(&mut self, Family(name, help): &Family) {
        let name = format!("kube_horizontalpodautoscaler_{name}");
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    fn sample(&mut self, Family(name, _): &Family, own: &Autoscaler, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.0, "kube_horizontalpodautoscaler_{name}{{namespace=");
        self.quoted(&own.namespace);
        self.0.push_str(",horizontalpodautoscaler=");
        self.quoted(&own.name);
        for (name, value) in labels {
            let _ = write!(self.0, ",{name}=");
            self.quoted(value);
        }
        let _ = writeln!(self.0, "}} {value}");
    }

    fn quoted(&mut self, text: &str) {
        self.0.push('"');
        for character in text.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Condition;

    #[test]
    fn autoscalers_are_metrics_under_the_names_that_dashboards_know() {
        let aim = |metric: &str, kind: &str, threshold: &str, seen: Option<&str>| Aim {
            source: "Pods".to_owned(),
            metric: metric.to_owned(),
            of: String::new(),
            kind: kind.to_owned(),
            threshold: threshold.to_owned(),
            seen: seen.map(str::to_owned),
        };
        let own = Autoscaler {
            namespace: "shop".into(),
            name: "web".into(),
            scales: "Deployment/web".to_owned(),
            minimum: 2,
            maximum: 9,
            current: 3,
            desired: 4,
            metrics: vec![aim("rps", "AverageValue", "60", Some("72500m")), aim("cpu", "Utilization", "80", None)],
            conditions: vec![Condition {
                kind: "ScalingActive".to_owned(),
                status: "False".to_owned(),
                reason: String::new(),
                message: String::new(),
            }],
        };
        let text = exposition(&[own]);
        let web = "namespace=\"shop\",horizontalpodautoscaler=\"web\"";
        for line in [
            format!("kube_horizontalpodautoscaler_spec_max_replicas{{{web}}} 9"),
            format!("kube_horizontalpodautoscaler_status_desired_replicas{{{web}}} 4"),
            format!(
                "kube_horizontalpodautoscaler_spec_target_metric{{{web},metric_name=\"rps\",metric_target_type=\"average\"}} 60"
            ),
            format!(
                "kube_horizontalpodautoscaler_spec_target_metric{{{web},metric_name=\"cpu\",metric_target_type=\"utilization\"}} 80"
            ),
            format!(
                "kube_horizontalpodautoscaler_status_target_metric{{{web},metric_name=\"rps\",metric_target_type=\"average\"}} 72.5"
            ),
            format!(
                "kube_horizontalpodautoscaler_status_condition{{{web},condition=\"ScalingActive\",status=\"false\"}} 1"
            ),
            format!(
                "kube_horizontalpodautoscaler_status_condition{{{web},condition=\"ScalingActive\",status=\"true\"}} 0"
            ),
            format!(
                "kube_horizontalpodautoscaler_info{{{web},scaletargetref_kind=\"Deployment\",scaletargetref_name=\"web\"}} 1"
            ),
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        assert_eq!(exposition(&[]), "");
    }
}
