//! custom.metrics.k8s.io: a metric of pods, or of what groups them.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::Body;
use super::failure::Failure;
use super::json::{Json, Times};
use super::negotiate::Format;
use super::protobuf::Message;
use super::selection::{Query, Tally, pods_that_match};
use super::{Api, Instant};
use crate::cluster::{Object, Pod};
use crate::config::Rule;
use crate::model::quantity::Milli;
use crate::model::{Absence, GroupResource, Measurement, ObjectReference, RESOURCES, Resource, Selector, Wall};
use crate::store::MetricRecord;

/// The versions of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1beta1,
    V1beta2,
}

impl Version {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "v1beta1" => Ok(Self::V1beta1),
            "v1beta2" => Ok(Self::V1beta2),
            _ => Err(Failure::no_such_path()),
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::V1beta1 => "custom.metrics.k8s.io/v1beta1",
            Self::V1beta2 => "custom.metrics.k8s.io/v1beta2",
        }
    }
}

/// What is asked about.
struct Question {
    version: Version,
    resource: String,
    /// None for what is in no namespace, and for all namespaces.
    namespace: Option<String>,
    /// `*` for all that the selector selects.
    name: String,
    metric: String,
}

type Parameters<T> = Result<Path<T>, PathRejection>;

fn parameters<T>(path: Parameters<T>) -> Result<T, Failure> {
    path.map(|Path(parameters)| parameters).map_err(|error| Failure::bad_request(error.body_text()))
}

/// `…/namespaces/{namespace}/{resource}/{name}/{metric}`
pub(super) async fn of_object(
    State(api): State<Arc<Api>>,
    path: Parameters<(String, String, String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (version, namespace, resource, name, metric) = parameters(path)?;
    let version = Version::parse(&version)?;
    answer(&api, &Question { version, resource, namespace: Some(namespace), name, metric }, &uri, &headers)
}

/// `…/namespaces/{namespace}/metrics/{metric}`: of the namespace itself.
pub(super) async fn of_namespace(
    State(api): State<Arc<Api>>,
    path: Parameters<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (version, name, metric) = parameters(path)?;
    let version = Version::parse(&version)?;
    answer(
        &api,
        &Question { version, resource: "namespaces".to_owned(), namespace: None, name, metric },
        &uri,
        &headers,
    )
}

/// `…/{resource}/{name}/{metric}`: of what is in no namespace, or of all namespaces.
pub(super) async fn of_root_object(
    State(api): State<Arc<Api>>,
    path: Parameters<(String, String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (version, resource, name, metric) = parameters(path)?;
    // `namespaces/shop/m` is, for who decides whether it may be answered, a list of `m` in shop; the metrics of a
    // namespace are at `namespaces/shop/metrics/m`.
    if resource == "namespaces" {
        return Err(Failure::no_such_path());
    }
    let version = Version::parse(&version)?;
    answer(&api, &Question { version, resource, namespace: None, name, metric }, &uri, &headers)
}

fn answer(api: &Api, question: &Question, uri: &Uri, headers: &HeaderMap) -> Result<Response, Failure> {
    let format = Format::of_values(headers)?;
    let instant = api.now();
    let asked = uri.path_and_query().map_or("", |asked| asked.as_str());
    let many = question.name == "*";
    if many && let Some(body) = api.cache.get(asked, format, &instant) {
        return Ok(body.respond(headers, uri, &instant.now));
    }
    let query = Query::parse(uri.query())?;
    let values = question.values(&query, &instant)?;
    let list = List { question, query: &query, values };
    let stale_after = instant.snapshot.config.scrape.stale_after;
    let mut body = Body::new(list.encode(format), format);
    body.oldest = list.values.iter().map(|value| value.at).min();
    body.good_until = body.oldest.map(|oldest| oldest.after(stale_after));
    let body = Arc::new(body);
    if many {
        api.cache.put(asked, format, &instant, &body);
    }
    Ok(body.respond(headers, uri, &instant.now))
}

/// One value, as it goes onto the wire.
struct Value<'a> {
    object: ObjectReference<'a>,
    at: crate::model::Moment,
    time: Wall,
    window_seconds: i64,
    quantity: Milli,
}

impl<'a> Value<'a> {
    fn new(object: ObjectReference<'a>, measured: &Measurement, instant: &Instant) -> Result<Self, Absence> {
        let quantity = Milli::nearest(measured.value).ok_or(Absence::NotFinite)?;
        let millis = measured.window.as_millis();
        // Whole seconds is all there is; a rate was not taken over none.
        let seconds = if millis == 0 { 0 } else { ((millis + 500) / 1000).max(1) };
        let window_seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Ok(Self { object, at: measured.at, time: instant.now.wall_of(measured.at), window_seconds, quantity })
    }
}

/// What is measured how: a rule, and which of its series.
struct Measure<'a> {
    rule: &'a Rule,
    place: usize,
    series: &'a Selector,
    instant: &'a Instant,
}

impl Measure<'_> {
    /// A pod's value. `selects` remembers which series are selected.
    fn of(
        &self,
        pod: &Pod,
        selects: &mut dyn FnMut(&Arc<crate::model::Labels>) -> bool,
    ) -> Result<Measurement, Absence> {
        let snapshot = &self.instant.snapshot;
        if pod.target.is_none() {
            return Err(Absence::NoTarget);
        }
        let record = snapshot.record(pod.key).and_then(|record| record.metrics.get(self.place));
        let record = record.ok_or(Absence::NeverScraped)?;
        let selects: Option<&mut crate::store::Selects<'_>> = if self.series.is_empty() { None } else { Some(selects) };
        record.measurement(self.rule, selects, self.instant.now.moment, snapshot.config.scrape.stale_after)
    }

    /// The value of several pods together: of the time of the oldest, over the longest window.
    fn of_all<'p>(
        &self,
        pods: impl Iterator<Item = &'p Arc<Pod>>,
        selects: &mut dyn FnMut(&Arc<crate::model::Labels>) -> bool,
        tally: &mut Tally,
    ) -> Option<Measurement> {
        let mut measured = Vec::new();
        for pod in pods {
            match self.of(pod, selects) {
                Ok(measurement) => measured.push(measurement),
                Err(absence) => tally.add(absence, pod, self.instant.snapshot.record(pod.key)),
            }
        }
        let value = self.rule.aggregate.of(measured.iter().map(|own| own.value))?;
        let at = measured.iter().map(|own| own.at).min()?;
        let window = measured.iter().map(|own| own.window).max()?;
        Some(Measurement { value, at, window })
    }
}

impl Question {
    fn values<'a>(&'a self, query: &'a Query, instant: &'a Instant) -> Result<Vec<Value<'a>>, Failure> {
        let Some(resource) = Resource::named(&self.resource) else {
            let known: Vec<String> = RESOURCES.iter().map(ToString::to_string).collect();
            let cause = format!("metrics are served for {}", known.join(", "));
            return Err(Failure::not_found(self.nothing(&self.resource, &cause)));
        };
        let config = &instant.snapshot.config;
        let Some((place, rule)) = config.rule(&self.metric) else {
            let known: Vec<&str> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
            let cause = format!("no rule serves it; these are served: {}", known.join(", "));
            return Err(Failure::not_found(self.nothing(&self.resource, &cause)));
        };
        let measure = Measure { rule, place, series: &query.metric_labels, instant };
        match (resource.is_pods(), self.name.as_str()) {
            (true, "*") => self.of_pods(resource, &measure, query),
            (true, name) => self.of_pod(resource, &measure, query, name),
            (false, "*") => self.of_objects(resource, &measure, query),
            (false, name) => self.of_one_object(resource, &measure, query, name),
        }
    }

    /// The words that every client of these APIs knows, and the cause.
    fn nothing(&self, of_what: &str, cause: &str) -> String {
        format!("the server could not find the metric {} for {of_what}: {cause}", self.metric)
    }

    fn of_pods<'a>(
        &self,
        resource: GroupResource,
        measure: &Measure<'a>,
        query: &Query,
    ) -> Result<Vec<Value<'a>>, Failure> {
        let namespace = self.namespace.as_deref();
        let pods = measure.instant.view.pods(namespace);
        let mut selects = MetricRecord::remembering(measure.series);
        let (mut values, mut tally, mut matching) = (Vec::with_capacity(pods.len()), Tally::default(), 0);
        for pod in pods.iter().filter(|pod| query.labels.matches(&pod.labels)) {
            matching += 1;
            let object = ObjectReference { resource, namespace: &pod.namespace, name: &pod.name };
            let measured = measure.of(pod, &mut selects);
            match measured.and_then(|measured| Value::new(object, &measured, measure.instant)) {
                Ok(value) => values.push(value),
                Err(absence) => tally.add(absence, pod, measure.instant.snapshot.record(pod.key)),
            }
        }
        if values.is_empty() {
            let looked_at = pods_that_match(matching, &query.labels, namespace);
            let cause = if matching == 0 { looked_at } else { tally.explain(&looked_at, measure.series) };
            return Err(Failure::absent(self.nothing(&self.resource, &cause)));
        }
        Ok(values)
    }

    fn of_pod<'a>(
        &self,
        resource: GroupResource,
        measure: &Measure<'a>,
        query: &Query,
        name: &str,
    ) -> Result<Vec<Value<'a>>, Failure> {
        let of_what = format!("{} {name}", self.resource);
        let Some(namespace) = &self.namespace else {
            return Err(Failure::not_found(self.nothing(&of_what, "a pod is asked for in its namespace")));
        };
        let Some(pod) = measure.instant.view.pod(namespace, name) else {
            let cause = format!("there is no such pod in namespace {namespace}");
            return Err(Failure::not_found(self.nothing(&of_what, &cause)));
        };
        let object = ObjectReference { resource, namespace: &pod.namespace, name: &pod.name };
        let measured = measure.of(pod, &mut MetricRecord::remembering(measure.series));
        let value = measured.and_then(|measured| Value::new(object, &measured, measure.instant));
        value.map(|value| vec![value]).map_err(|absence| {
            let mut tally = Tally::default();
            tally.add(absence, pod, measure.instant.snapshot.record(pod.key));
            Failure::absent(self.nothing(&of_what, &tally.explain("1 pod", &query.metric_labels)))
        })
    }

    fn of_objects<'a>(
        &self,
        resource: GroupResource,
        measure: &Measure<'a>,
        query: &Query,
    ) -> Result<Vec<Value<'a>>, Failure> {
        let namespace = if resource.namespaced { self.namespace.as_deref() } else { Some("") };
        let objects = measure.instant.view.objects(resource, namespace);
        let mut tally = Tally::default();
        let mut matching = 0;
        let mut values = Vec::new();
        for object in objects.filter(|object| query.labels.matches(&object.labels)) {
            matching += 1;
            values.extend(of_pods_of(resource, object, measure, &mut tally));
        }
        if values.is_empty() {
            let selected = if query.labels.is_empty() { String::new() } else { format!(" matching {}", query.labels) };
            let looked_at = format!("{matching} {resource}{selected}");
            return Err(Failure::absent(self.nothing(&self.resource, &tally.explain(&looked_at, measure.series))));
        }
        Ok(values)
    }

    fn of_one_object<'a>(
        &self,
        resource: GroupResource,
        measure: &Measure<'a>,
        query: &Query,
        name: &str,
    ) -> Result<Vec<Value<'a>>, Failure> {
        let of_what = format!("{} {name}", self.resource);
        let namespace = match (&self.namespace, resource.namespaced) {
            (Some(namespace), true) => namespace.as_str(),
            (None, true) => {
                let cause = format!("{resource} are asked for in their namespace");
                return Err(Failure::not_found(self.nothing(&of_what, &cause)));
            }
            (_, false) => "",
        };
        let view = &measure.instant.view;
        let Some(object) = view.object(resource, namespace, name) else {
            let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
            let cause = format!("no such object with pods is known{place}");
            return Err(Failure::not_found(self.nothing(&of_what, &cause)));
        };
        let mut tally = Tally::default();
        let value = of_pods_of(resource, object, measure, &mut tally);
        value.map(|value| vec![value]).ok_or_else(|| {
            let pods = view.pods_of(object).count();
            let looked_at = format!("it has {pods} pod{}", if pods == 1 { "" } else { "s" });
            Failure::absent(self.nothing(&of_what, &tally.explain(&looked_at, &query.metric_labels)))
        })
    }
}

/// The value of an object: that of its pods together.
fn of_pods_of<'a>(
    resource: GroupResource,
    object: &'a Object,
    measure: &Measure<'a>,
    tally: &mut Tally,
) -> Option<Value<'a>> {
    let pods = measure.instant.view.pods_of(object);
    let measured = measure.of_all(pods, &mut MetricRecord::remembering(measure.series), tally)?;
    let reference = ObjectReference { resource, namespace: &object.namespace, name: &object.name };
    Value::new(reference, &measured, measure.instant).ok()
}

/// A `MetricValueList`.
struct List<'a> {
    question: &'a Question,
    query: &'a Query,
    values: Vec<Value<'a>>,
}

impl List<'_> {
    fn encode(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Protobuf => self.protobuf(),
            _ => self.json(),
        }
    }

    fn json(&self) -> Vec<u8> {
        let Question { version, metric, .. } = self.question;
        // What is the same in each item is put together once.
        let mut name = Json::default();
        match version {
            Version::V1beta1 => name.raw(",\"metricName\":").string(metric),
            Version::V1beta2 => {
                name.raw(",\"metric\":{\"name\":").string(metric).raw(",\"selector\":");
                name.selector(&self.query.metric_labels).raw("}")
            }
        };
        name.raw(",\"timestamp\":\"");
        let mut last = Json::default();
        if *version == Version::V1beta1 {
            last.raw(",\"selector\":").selector(&self.query.metric_labels);
        }
        let window = if *version == Version::V1beta1 { "\",\"window\":" } else { "\",\"windowSeconds\":" };
        let mut times = Times::default();
        let mut json = Json::with_capacity(128 + self.values.len() * 256);
        json.type_meta("MetricValueList", version.api_version()).raw("\"metadata\":{},\"items\":");
        json.list('[', ']', self.values.iter(), |json, value| {
            json.raw("{\"describedObject\":").reference(&value.object);
            json.0.extend_from_slice(&name.0);
            json.raw(times.text(value.time)).raw(window).plain(value.window_seconds);
            json.raw(",\"value\":\"").plain(value.quantity).raw("\"");
            json.0.extend_from_slice(&last.0);
            json.raw("}");
        });
        json.raw("}");
        json.0
    }

    fn protobuf(&self) -> Vec<u8> {
        let Question { version, metric, .. } = self.question;
        let mut list = Message::with_capacity(64 + self.values.len() * 160);
        list.list_meta(1);
        for value in &self.values {
            list.nested(2, |item| {
                item.reference(1, &value.object);
                match version {
                    Version::V1beta1 => item.string(2, metric),
                    Version::V1beta2 => item.nested(2, |identifier| {
                        identifier.string(1, metric);
                        identifier.selector(2, &self.query.metric_labels);
                    }),
                }
                item.time(3, value.time);
                item.varint(4, value.window_seconds);
                item.quantity(5, value.quantity);
                if *version == Version::V1beta1 {
                    item.selector(6, &self.query.metric_labels);
                }
            });
        }
        list.enveloped(version.api_version(), "MetricValueList")
    }
}
