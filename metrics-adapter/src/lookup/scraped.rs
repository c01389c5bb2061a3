use std::sync::Arc;
use std::time::Duration;

use super::tally::{Tally, pods_that_match};
use super::{Instant, Missing, Value, Wanted, whole_seconds};
use crate::cluster::{Object, Pod};
use crate::config::Rule;
use crate::model::quantity::Milli;
use crate::model::{Absence, GroupResource, Labels, Measurement, ObjectReference, Resource, Selector};
use crate::store::{MetricRecord, Selects};

/// A pod that cannot be read is missed for so long after its last sample: as long as an autoscaler waits before it scales
/// down. Whoever is silent for longer must not keep it from what the others need.
const MISSED: Duration = Duration::from_mins(5);

/// What is measured how: a rule, and which of its series.
#[derive(Debug)]
pub struct Measure<'a> {
    rule: &'a Rule,
    place: usize,
    series: &'a Selector,
    instant: &'a Instant,
}

impl<'a> Measure<'a> {
    /// Measures by the rule at that place.
    #[must_use]
    pub fn new(place: usize, series: &'a Selector, instant: &'a Instant) -> Option<Self> {
        let rule = instant.snapshot.config.rules.get(place)?;
        Some(Self { rule, place, series, instant })
    }

    /// A pod's value. `selects` remembers which series are selected.
    pub fn of(&self, pod: &Pod, selects: &mut dyn FnMut(&Arc<Labels>) -> bool) -> Result<Measurement, Absence> {
        let snapshot = &self.instant.snapshot;
        if pod.target.is_none() {
            return Err(Absence::NoTarget);
        }
        let record = snapshot.record(pod.key).and_then(|record| record.metrics.get(self.place));
        let record = record.ok_or(Absence::NeverScraped)?;
        let selects: Option<&mut Selects<'_>> = if self.series.is_empty() { None } else { Some(selects) };
        record.measurement(self.rule, selects, self.instant.now.moment, snapshot.config.scrape.stale_after)
    }

    pub(super) fn value_of<'o>(&self, pod: &Pod, object: ObjectReference<'o>) -> Result<Value<'o>, Absence> {
        let measured = self.of(pod, &mut MetricRecord::remembering(self.series))?;
        self.value(object, &measured)
    }

    /// The value of several pods together: of the time of the oldest, over the longest window. None, while one is missing
    /// that was counted until lately: those that are left would pass for all of them.
    fn of_all<'p>(
        &self,
        pods: impl Iterator<Item = &'p Arc<Pod>>,
        selects: &mut dyn FnMut(&Arc<Labels>) -> bool,
        tally: &mut Tally,
    ) -> Option<Measurement> {
        let (mut measured, mut missed) = (Vec::new(), false);
        for pod in pods {
            match self.of(pod, selects) {
                Ok(measurement) => measured.push(measurement),
                Err(absence) => {
                    missed |= absence == Absence::Stale && self.is_missed(pod);
                    tally.add_pod(absence, pod, self.instant.snapshot.record(pod.key));
                }
            }
        }
        if missed {
            tally.add_part(measured.len());
            return None;
        }
        let value = self.rule.aggregate.of(measured.iter().map(|own| own.value))?;
        let at = measured.iter().map(|own| own.at).min()?;
        let window = measured.iter().map(|own| own.window).max()?;
        Some(Measurement { value, at, window })
    }

    /// Whether a pod that is ready had a value until lately. One that is not ready is sent nothing that could be counted.
    fn is_missed(&self, pod: &Pod) -> bool {
        let record = self.instant.snapshot.record(pod.key).and_then(|record| record.metrics.get(self.place));
        pod.ready && record.is_some_and(|record| self.instant.now.moment.since(record.at()) < MISSED)
    }

    fn value<'o>(&self, object: ObjectReference<'o>, measured: &Measurement) -> Result<Value<'o>, Absence> {
        let quantity = Milli::nearest(measured.value).ok_or(Absence::NotFinite)?;
        let (at, time) = (measured.at, self.instant.now.wall_of(measured.at));
        Ok(Value { object, at, time, window_seconds: whole_seconds(measured.window), quantity })
    }

    /// The value of an object: that of its pods together.
    fn of_pods_of<'o>(&self, resource: GroupResource, object: &'o Object, tally: &mut Tally) -> Option<Value<'o>> {
        let pods = self.instant.view.pods_of(object);
        let measured = self.of_all(pods, &mut MetricRecord::remembering(self.series), tally)?;
        let reference = ObjectReference { resource, namespace: &object.namespace, name: &object.name };
        self.value(reference, &measured).ok()
    }
}

impl Wanted {
    pub(super) fn scraped<'a>(&'a self, place: usize, instant: &'a Instant) -> Result<Vec<Value<'a>>, Missing> {
        let (resource, measure) = (Resource::named(&self.resource), Measure::new(place, &self.series, instant));
        let (Some(resource), Some(measure)) = (resource, measure) else {
            return Err(Missing::Unknown(self.nothing(&self.resource, "its rule is gone")));
        };
        if let Some(cause) = self.namespace.as_deref().and_then(|namespace| instant.view.outside(namespace)) {
            return Err(Missing::Absent(self.nothing(&self.resource, &cause)));
        }
        match (resource.is_pods(), self.name.as_str()) {
            (true, "*") => self.of_pods(resource, &measure),
            (true, name) => self.of_pod(resource, &measure, name),
            (false, "*") => self.of_objects(resource, &measure),
            (false, name) => self.of_object(resource, &measure, name),
        }
    }

    fn of_pods<'a>(&self, resource: GroupResource, measure: &Measure<'a>) -> Result<Vec<Value<'a>>, Missing> {
        let namespace = self.namespace.as_deref();
        let pods = measure.instant.view.pods(namespace);
        let mut selects = MetricRecord::remembering(measure.series);
        let (mut values, mut tally, mut matching) = (Vec::with_capacity(pods.len()), Tally::default(), 0);
        for pod in pods.iter().filter(|pod| self.labels.matches(&pod.labels)) {
            matching += 1;
            let object = ObjectReference { resource, namespace: &pod.namespace, name: &pod.name };
            let measured = measure.of(pod, &mut selects);
            match measured.and_then(|measured| measure.value(object, &measured)) {
                Ok(value) => values.push(value),
                Err(absence) => tally.add_pod(absence, pod, measure.instant.snapshot.record(pod.key)),
            }
        }
        if values.is_empty() {
            let looked_at = pods_that_match(matching, &self.labels, namespace);
            let cause = if matching == 0 { looked_at } else { tally.explain(&looked_at, measure.series) };
            return Err(Missing::Absent(self.nothing(&self.resource, &cause)));
        }
        Ok(values)
    }

    fn of_pod<'a>(
        &self,
        resource: GroupResource,
        measure: &Measure<'a>,
        name: &str,
    ) -> Result<Vec<Value<'a>>, Missing> {
        let pod = self.existing_pod(measure.instant, name)?;
        let object = ObjectReference { resource, namespace: &pod.namespace, name: &pod.name };
        let measured = measure.of(pod, &mut MetricRecord::remembering(measure.series));
        let value = measured.and_then(|measured| measure.value(object, &measured));
        value.map(|value| vec![value]).map_err(|absence| {
            let mut tally = Tally::default();
            tally.add_pod(absence, pod, measure.instant.snapshot.record(pod.key));
            let of_what = format!("{} {name}", self.resource);
            Missing::Absent(self.nothing(&of_what, &tally.explain("1 pod", &self.series)))
        })
    }

    /// The pod of that name, which must exist.
    pub(super) fn existing_pod<'a>(&self, instant: &'a Instant, name: &str) -> Result<&'a Pod, Missing> {
        let of_what = format!("{} {name}", self.resource);
        let Some(namespace) = &self.namespace else {
            return Err(Missing::Unknown(self.nothing(&of_what, "a pod is asked for in its namespace")));
        };
        instant.view.pod(namespace, name).map(Arc::as_ref).ok_or_else(|| {
            let cause = format!("there is no such pod in namespace {namespace}");
            Missing::Unknown(self.nothing(&of_what, &cause))
        })
    }

    fn of_objects<'a>(&self, resource: GroupResource, measure: &Measure<'a>) -> Result<Vec<Value<'a>>, Missing> {
        let namespace = if resource.namespaced { self.namespace.as_deref() } else { Some("") };
        let objects = measure.instant.view.objects(resource, namespace);
        let mut tally = Tally::default();
        let mut matching = 0;
        let mut values = Vec::new();
        for object in objects.filter(|object| self.labels.matches(&object.labels)) {
            matching += 1;
            values.extend(measure.of_pods_of(resource, object, &mut tally));
        }
        if values.is_empty() {
            let looked_at = self.objects_that_match(matching, resource);
            return Err(Missing::Absent(self.nothing(&self.resource, &tally.explain(&looked_at, measure.series))));
        }
        Ok(values)
    }

    /// `3 services matching team=web`.
    pub(super) fn objects_that_match(&self, matching: usize, resource: GroupResource) -> String {
        let selected = if self.labels.is_empty() { String::new() } else { format!(" matching {}", self.labels) };
        format!("{matching} {resource}{selected}")
    }

    fn of_object<'a>(
        &self,
        resource: GroupResource,
        measure: &Measure<'a>,
        name: &str,
    ) -> Result<Vec<Value<'a>>, Missing> {
        let of_what = format!("{} {name}", self.resource);
        let namespace = match (&self.namespace, resource.namespaced) {
            (Some(namespace), true) => namespace.as_str(),
            (None, true) => {
                let cause = format!("{resource} are asked for in their namespace");
                return Err(Missing::Unknown(self.nothing(&of_what, &cause)));
            }
            (_, false) => "",
        };
        let view = &measure.instant.view;
        let Some(object) = view.object(resource, namespace, name) else {
            let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
            let cause = format!("no such object with pods is known{place}");
            return Err(Missing::Unknown(self.nothing(&of_what, &cause)));
        };
        let mut tally = Tally::default();
        let value = measure.of_pods_of(resource, object, &mut tally);
        value.map(|value| vec![value]).ok_or_else(|| {
            let pods = view.pods_of(object).count();
            let looked_at = format!("it has {pods} pod{}", if pods == 1 { "" } else { "s" });
            Missing::Absent(self.nothing(&of_what, &tally.explain(&looked_at, &self.series)))
        })
    }
}
