use metrics_adapter::model::Wall;
use metrics_adapter::model::quantity::Quantity;

use super::behavior::whole;
use super::decision::{Current, Proposal};
use super::history::ago;
use super::pods::{Phase, Pod};
use super::reading::{Measured, PodReadings, Reading, Sample, Unmeasured};
use super::spec::{Hpa, Metric, MetricName, ResourceTarget, TotalTarget};
use super::{Options, Scale};

/// What all metrics of a sync are computed with.
pub(super) struct Calculator<'a> {
    pub(super) hpa: &'a Hpa,
    pub(super) options: &'a Options,
    pub(super) scale: Scale,
    pub(super) pods: &'a [Pod],
    pub(super) now: Wall,
}

/// A metric from which nothing follows.
pub(super) struct Failure {
    /// The condition's reason.
    pub(super) reason: &'static str,
    /// What happened.
    pub(super) message: String,
    /// What the sync's error says before it.
    pub(super) context: String,
}

/// How far from 1 is still 1.
#[derive(Clone, Copy)]
struct Tolerances {
    down: f64,
    up: f64,
}

impl Tolerances {
    fn hold(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

const UNREADY: &str = "did not receive metrics for targeted pods (pods might be unready)";
const NO_PODS: &str = "no pods returned by selector while calculating replica count";

/// How pods count for a metric.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its value counts.
    Counts(i64),
    /// It has no value.
    Missing,
    /// It does not work yet; its value, if any, does not count.
    Unready,
    /// It goes away or failed.
    Ignored,
}

impl Calculator<'_> {
    pub(super) fn propose(&self, metric: &Metric, measured: &Measured) -> Result<Proposal, Failure> {
        let (reason, context) = match metric {
            Metric::Resource { name, container: None, .. } => {
                ("FailedGetResourceMetric", format!("failed to get {name} resource metric value"))
            }
            Metric::Resource { container: Some(container), .. } => {
                ("FailedGetContainerResourceMetric", format!("failed to get {container} container metric value"))
            }
            Metric::Pods { .. } => ("FailedGetPodsMetric", "failed to get pods metric value".to_owned()),
            Metric::Object { metric, target, .. } => {
                let inner = match target {
                    TotalTarget::Value(_) => String::new(),
                    TotalTarget::AverageValue(_) => format!(": failed to get {} object metric", metric.name),
                };
                ("FailedGetObjectMetric", format!("failed to get object metric value{inner}"))
            }
            Metric::External { metric: MetricName { name, .. }, target } => {
                let inner = match target {
                    TotalTarget::Value(_) => format!("failed to get external metric {name}"),
                    TotalTarget::AverageValue(_) => format!("failed to get {name} external metric"),
                };
                ("FailedGetExternalMetric", format!("failed to get {name} external metric value: {inner}"))
            }
        };
        let proposed = match metric {
            Metric::Resource { name, container, target } => {
                self.resource(name, container.as_deref(), *target, measured)
            }
            Metric::Pods { metric, average } => match measured {
                Ok(Reading::Pods(readings)) => self.plain(readings, average.milli(), None),
                Ok(Reading::Totals(_)) => Err(UNREADY.to_owned()),
                Err(cause) => Err(format!("unable to get metric {}: {cause}", metric.name)),
            },
            Metric::Object { described, metric, target } => {
                // The order of the last two is the controller's.
                let failed = |cause: &Unmeasured| {
                    format!(
                        "unable to get metric {}: {} on {} {}/{cause}",
                        metric.name, described.kind, self.hpa.namespace, described.name
                    )
                };
                let usage = measured.as_ref().map_err(failed).map(|reading| match reading {
                    Reading::Totals(totals) => totals.first().copied().unwrap_or_default(),
                    Reading::Pods(_) => 0,
                });
                match target {
                    TotalTarget::Value(value) => usage.and_then(|usage| self.value(usage, *value)),
                    TotalTarget::AverageValue(average) => usage.map(|usage| self.average(usage, *average)),
                }
            }
            Metric::External { metric, target } => self.external(metric, *target, measured),
        };
        match proposed {
            Ok((replicas, current)) => Ok(Proposal { replicas, metric: metric.described(), current }),
            Err(message) => Err(Failure { reason, message, context }),
        }
    }

    fn tolerances(&self) -> Tolerances {
        let behavior = self.hpa.behavior.as_ref();
        let own = self.options.tolerance;
        Tolerances {
            down: behavior.and_then(|behavior| behavior.down.tolerance).unwrap_or(own),
            up: behavior.and_then(|behavior| behavior.up.tolerance).unwrap_or(own),
        }
    }

    fn standings(&self, readings: &PodReadings, cpu: bool) -> Vec<Standing> {
        let mut of = readings.of.iter();
        self.pods.iter().map(|pod| self.standing(pod, of.next().copied().flatten(), cpu)).collect()
    }

    fn standing(&self, pod: &Pod, sample: Option<Sample>, cpu: bool) -> Standing {
        match pod.phase {
            _ if pod.deleted => return Standing::Ignored,
            Phase::Failed => return Standing::Ignored,
            Phase::Pending => return Standing::Unready,
            Phase::Running | Phase::Succeeded => {}
        }
        let Some(sample) = sample else { return Standing::Missing };
        if cpu && self.warming_up(pod, sample) { Standing::Unready } else { Standing::Counts(sample.milli) }
    }

    /// Whether a pod's CPU is that of its start.
    fn warming_up(&self, pod: &Pod, sample: Sample) -> bool {
        let (Some(started), Some(readiness)) = (pod.started, pod.readiness) else { return true };
        let initializing = started > ago(self.now, self.options.cpu_initialization_period);
        if initializing {
            // One whole window since it last turned ready.
            readiness.ready == Some(false) || ago(sample.at, sample.window) < readiness.since
        } else {
            readiness.ready == Some(false) && started > ago(readiness.since, self.options.initial_readiness_delay)
        }
    }

    fn resource(
        &self,
        name: &str,
        container: Option<&str>,
        target: ResourceTarget,
        measured: &Measured,
    ) -> Result<(i32, Current), String> {
        let what = match target {
            ResourceTarget::Utilization(_) => "utilization",
            ResourceTarget::AverageValue(_) => "usage",
        };
        let failed = |cause: String| format!("failed to get {name} {what}: {cause}");
        let readings = match measured {
            Ok(Reading::Pods(readings)) => readings,
            Ok(Reading::Totals(_)) => return Err(failed(UNREADY.to_owned())),
            Err(cause) => return Err(failed(format!("unable to get metrics for resource {name}: {cause}"))),
        };
        match target {
            ResourceTarget::AverageValue(average) => self.plain(readings, average.milli(), Some(name)),
            ResourceTarget::Utilization(percent) => self.utilization(readings, percent, name, container),
        }
        .map_err(failed)
    }

    /// The percentage of what is requested, aimed at `target`.
    fn utilization(
        &self,
        readings: &PodReadings,
        target: i32,
        resource: &str,
        container: Option<&str>,
    ) -> Result<(i32, Current), String> {
        if self.pods.is_empty() {
            return Err(NO_PODS.to_owned());
        }
        let standings = self.standings(readings, resource == "cpu");
        let counted = standings.iter().filter(|standing| matches!(standing, Standing::Counts(_))).count();
        if counted == 0 && readings.strangers.is_empty() {
            return Err(UNREADY.to_owned());
        }
        let requests = self.pods.iter().map(|pod| pod.request(resource, container)).collect::<Result<Vec<_>, _>>()?;
        let used = |filled: &dyn Fn(Standing, i64) -> Option<i64>| {
            let mut sums = (0_i64, 0_i64, 0_i64);
            for (standing, request) in standings.iter().zip(&requests) {
                let value = match standing {
                    Standing::Counts(value) => Some(*value),
                    other => filled(*other, *request),
                };
                if let Some(value) = value {
                    sums = (sums.0.wrapping_add(value), sums.1.wrapping_add(*request), sums.2 + 1);
                }
            }
            sums
        };
        let percentage = |(usage, requested, _): (i64, i64, i64)| {
            // Without a request among those that have values there is nothing to be a part of.
            let percent = usage.saturating_mul(100).checked_div(requested);
            percent.map(|percent| i32::try_from(percent).unwrap_or(i32::MAX))
        };
        let sums = used(&|_, _| None);
        let Some(utilization) = percentage(sums) else {
            return Err("no metrics returned matched known pods".to_owned());
        };
        let current = Current::Utilization(utilization, sums.0 / sums.2.max(1));
        let ratio = f64::from(utilization) / f64::from(target);
        let fallback = i64::from(target.max(100));
        let fill = Fill::of(&standings, ratio);
        if fill.nothing() {
            return Ok((self.of_ready(ratio, counted), current));
        }
        let sums = used(&|standing, request| match standing {
            Standing::Missing if ratio < 1.0 => Some(request.saturating_mul(fallback) / 100),
            Standing::Missing if ratio > 1.0 => Some(0),
            Standing::Unready if fill.unready => Some(0),
            _ => None,
        });
        let Some(utilization) = percentage(sums) else {
            return Err("no metrics returned matched known pods".to_owned());
        };
        let filled = f64::from(utilization) / f64::from(target);
        let entries = usize::try_from(sums.2).unwrap_or_default() + readings.strangers.len();
        Ok((self.of_filled(ratio, filled, entries), current))
    }

    /// The mean over pods, aimed at `target` thousandths.
    fn plain(&self, readings: &PodReadings, target: i64, resource: Option<&str>) -> Result<(i32, Current), String> {
        if self.pods.is_empty() {
            return Err(NO_PODS.to_owned());
        }
        let standings = self.standings(readings, resource == Some("cpu"));
        let mut sum = readings.strangers.iter().fold(0_i64, |sum, value| sum.wrapping_add(*value));
        let mut entries = readings.strangers.len();
        let mut counted = 0;
        let mut missing = 0;
        let mut unready = 0;
        for standing in &standings {
            match standing {
                Standing::Counts(value) => {
                    sum = sum.wrapping_add(*value);
                    counted += 1;
                }
                Standing::Missing => missing += 1,
                Standing::Unready => unready += 1,
                Standing::Ignored => {}
            }
        }
        entries += counted;
        let Some(mean) = mean(sum, entries) else { return Err(UNREADY.to_owned()) };
        let current = Current::AverageValue(mean);
        let ratio = quotient(mean, target);
        let fill = Fill::of(&standings, ratio);
        if fill.nothing() {
            return Ok((self.of_ready(ratio, counted), current));
        }
        // At exactly 1 those without a value stay out.
        if ratio < 1.0 {
            sum = sum.wrapping_add(target.saturating_mul(i64::try_from(missing).unwrap_or(i64::MAX)));
            entries += missing;
        } else if ratio > 1.0 {
            entries += missing;
        }
        if fill.unready {
            entries += unready;
        }
        let filled = quotient(sum / i64::try_from(entries).unwrap_or(i64::MAX), target);
        Ok((self.of_filled(ratio, filled, entries), current))
    }

    /// Where every pod has a value.
    fn of_ready(&self, ratio: f64, counted: usize) -> i32 {
        if self.tolerances().hold(ratio) { self.scale.spec_replicas } else { whole((ratio * float(counted)).ceil()) }
    }

    /// Where values were filled in: they must not turn the direction round.
    fn of_filled(&self, ratio: f64, filled: f64, entries: usize) -> i32 {
        let current = self.scale.spec_replicas;
        let turned = (ratio < 1.0 && filled > 1.0) || (ratio > 1.0 && filled < 1.0);
        if self.tolerances().hold(filled) || turned {
            return current;
        }
        let replicas = whole((filled * float(entries)).ceil());
        let against = (filled < 1.0 && replicas > current) || (filled > 1.0 && replicas < current);
        if against { current } else { replicas }
    }

    /// A total aimed at as it is.
    fn value(&self, usage: i64, target: Quantity) -> Result<(i32, Current), String> {
        let ratio = quotient(usage, target.milli());
        let current = self.scale.spec_replicas;
        let replicas = if current == 0 {
            whole(ratio.ceil())
        } else if self.tolerances().hold(ratio) {
            current
        } else if self.pods.is_empty() {
            return Err(format!("unable to calculate ready pods: {NO_PODS}"));
        } else {
            let ready = self.pods.iter().filter(|pod| pod.is_ready()).count();
            whole((ratio * float(ready)).ceil())
        };
        Ok((replicas, Current::Value(usage)))
    }

    /// A total aimed at per replica.
    fn average(&self, usage: i64, target: Quantity) -> (i32, Current) {
        let replicas = self.scale.status_replicas;
        let target = target.milli();
        let ratio = real(usage) / (real(target) * f64::from(replicas));
        let proposed = if self.tolerances().hold(ratio) { replicas } else { whole(quotient(usage, target).ceil()) };
        #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
        let each = (real(usage) / f64::from(replicas)).ceil() as i64;
        (proposed, Current::AverageValue(each))
    }

    fn external(
        &self,
        metric: &MetricName,
        target: TotalTarget,
        measured: &Measured,
    ) -> Result<(i32, Current), String> {
        let failed = |cause: &Unmeasured| {
            let selector = metric.selector_text();
            format!("unable to get external metric {}/{}/{selector}: {cause}", self.hpa.namespace, metric.name)
        };
        let values: &[i64] = match measured.as_ref().map_err(failed)? {
            Reading::Totals(values) => values,
            Reading::Pods(_) => &[],
        };
        match target {
            TotalTarget::Value(value) => {
                self.value(values.iter().fold(0, |sum, value| sum.saturating_add(*value)), value)
            }
            TotalTarget::AverageValue(average) => {
                let mut usage = 0_i64;
                for value in values {
                    usage = usage.wrapping_add(*value);
                    // The controller takes a negative sum for one that grew past what it can hold.
                    if usage < 0 {
                        let (replicas, _) = self.average(i64::MAX, average);
                        return Ok((replicas, Current::AverageValue(i64::MAX)));
                    }
                }
                Ok(self.average(usage, average))
            }
        }
    }
}

/// What is filled in for pods that have no value that counts.
struct Fill {
    missing: bool,
    unready: bool,
}

impl Fill {
    fn of(standings: &[Standing], ratio: f64) -> Self {
        Self {
            missing: standings.contains(&Standing::Missing),
            unready: ratio > 1.0 && standings.contains(&Standing::Unready),
        }
    }

    fn nothing(&self) -> bool {
        !self.missing && !self.unready
    }
}

/// Cut to whole thousandths; none of none.
fn mean(sum: i64, entries: usize) -> Option<i64> {
    sum.checked_div(i64::try_from(entries).ok()?)
}

#[expect(clippy::cast_precision_loss, reason = "the controller loses it too")]
fn real(value: i64) -> f64 {
    value as f64
}

fn quotient(value: i64, target: i64) -> f64 {
    real(value) / real(target)
}

#[expect(clippy::cast_precision_loss, reason = "pods are few")]
fn float(count: usize) -> f64 {
    count as f64
}
