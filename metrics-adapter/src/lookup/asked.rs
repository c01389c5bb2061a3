use std::sync::Arc;

use super::answers::{Index, check};
use super::tally::{Reason, Tally, pods_that_match};
use super::{
    Facts, Instant, Missing, PATIENCE, Value, Wanted, listing_trouble, no_such_metric, offered, whole_seconds,
};
use crate::model::quantity::Milli;
use crate::model::{Absence, Answer, GroupResource, ObjectReference, QueryFailure, Question, Selector};
use crate::rules::{Offer, Query, QueryRule};
use crate::store::{Asked, AskedState};

/// A metric that Prometheus is asked for.
#[derive(Debug)]
pub struct AskedMetric {
    /// The question.
    pub asked: Arc<Asked>,
    /// What became of it.
    pub state: AskedState,
    /// How the answer is read.
    pub reading: Reading,
    /// The resource that is asked about.
    pub resource: GroupResource,
    index: Option<Index>,
}

/// How an answer is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The rule, in words.
    pub rule: Arc<str>,
    /// The label that names the object.
    pub name_label: Arc<str>,
    /// The label that names its namespace; without one the answer is about one namespace alone, or about none.
    pub namespace_label: Option<Arc<str>>,
    /// Whether the answer is about objects of all namespaces.
    pub shared: bool,
    /// Whether values below zero are values.
    pub allow_negative: bool,
    /// Whether this is a rule of prometheus-adapter's, whose values are read as it reads them: cut off after thousandths,
    /// and of several the last.
    pub as_prometheus_adapter: bool,
    /// The series that were asked for, where the query could not be told.
    pub series: Selector,
}

/// The labels of a query that name objects. What is counted by namespace alone is of namespaces; beside another
/// resource the namespace only says where that is.
pub(super) fn resources_of(query: &QueryRule) -> impl Iterator<Item = &(Arc<str>, GroupResource)> {
    let others = query.labels.iter().any(|(_, resource)| resource.plural != "namespaces");
    query.labels.iter().filter(move |(_, resource)| !others || resource.plural != "namespaces")
}

impl AskedMetric {
    /// After the first attempt, or after some patience.
    pub(super) async fn tried(mut self) -> Self {
        if self.state.attempts == 0 {
            self.state = self.asked.tried(PATIENCE).await;
        }
        let Reading { name_label, namespace_label, .. } = &self.reading;
        self.index = self.state.answer.as_ref().map(|answer| Index::of(answer, name_label, namespace_label.as_ref()));
        self
    }

    /// An object's value, if the answer is good and has one.
    pub(super) fn value_of<'o>(&self, object: ObjectReference<'o>, instant: &Instant) -> Result<Value<'o>, Absence> {
        let answer = self.state.fresh(instant.now.moment).ok_or(Absence::Stale)?;
        self.value(answer, object)
    }

    fn value<'o>(&self, answer: &Answer, object: ObjectReference<'o>) -> Result<Value<'o>, Absence> {
        let Reading { allow_negative, as_prometheus_adapter, series, .. } = &self.reading;
        let index = self.index.as_ref().ok_or(Absence::NoSeries)?;
        let mut samples =
            index.of_object(answer, object.namespace, object.name).filter(|sample| series.matches(&sample.labels));
        let sample = if *as_prometheus_adapter {
            samples.next_back()
        } else {
            let first = samples.next();
            if samples.next().is_some() {
                return Err(Absence::Ambiguous);
            }
            first
        };
        let sample = sample.ok_or(Absence::NoSeries)?;
        let value = check(sample.value, *allow_negative)?;
        let quantity = if *as_prometheus_adapter { Milli::truncated(value) } else { Milli::nearest(value) };
        let quantity = quantity.ok_or(Absence::NotFinite)?;
        let window_seconds = whole_seconds(self.asked.question.window);
        Ok(Value { object, at: answer.at, time: sample.time, window_seconds, quantity })
    }
}

/// Why a question has no answer that is good now.
pub(super) fn no_answer(state: &AskedState) -> String {
    match (&state.failure, &state.answer) {
        (Some(failure), _) => format!("Prometheus gave no answer: {failure}"),
        (None, Some(_)) => "Prometheus's last answer is too old".to_owned(),
        (None, None) => format!("Prometheus has not answered within {PATIENCE:?}; its answer is waited for"),
    }
}

impl Wanted {
    /// What Prometheus is asked for it; from now on it is.
    pub(super) fn asked_metric(
        &self,
        resource: GroupResource,
        facts: &Facts,
        instant: &Instant,
    ) -> Result<AskedMetric, Missing> {
        let (question, reading) = match self.query_rule(resource, instant) {
            Some(found) => found,
            None => self.offer(resource, instant)?,
        };
        let refused = |failure: QueryFailure| {
            Missing::Absent(self.nothing(&self.resource, &format!("Prometheus is not asked: {failure}")))
        };
        let asked = facts
            .demand
            .ask(
                &question,
                self.namespace.as_deref().unwrap_or_default(),
                || format!("{resource}/{}", self.metric),
                instant.now.moment,
            )
            .map_err(refused)?;
        let state = asked.state();
        Ok(AskedMetric { asked, state, reading, resource, index: None })
    }

    /// As an entry of `metrics` that is plain PromQL has it.
    fn query_rule(&self, resource: GroupResource, instant: &Instant) -> Option<(Question, Reading)> {
        let query = instant.catalog.config.queries.iter().find(|own| own.name == self.metric)?;
        let (name_label, _) = resources_of(query).find(|(_, own)| *own == resource)?;
        let namespace_label = query.namespace_label.clone().filter(|_| resource.namespaced);
        let reading = Reading {
            rule: format!("the query of `{}` in `metrics`; {name_label} names the {resource}", query.name).into(),
            name_label: Arc::clone(name_label),
            shared: namespace_label.is_some(),
            namespace_label,
            allow_negative: query.allow_negative,
            as_prometheus_adapter: false,
            series: self.series.clone(),
        };
        Some((query.question.clone(), reading))
    }

    /// As a rule of prometheus-adapter's has it.
    fn offer(&self, resource: GroupResource, instant: &Instant) -> Result<(Question, Reading), Missing> {
        let offers = &instant.catalog.offers;
        let here = self.namespace.is_some();
        // Objects of all namespaces may be asked for where one query tells each from those of the others.
        let elsewhere = || {
            let offer = offers.custom(&self.metric, resource, true).filter(|_| self.name == "*");
            offer.filter(|own| own.of_all(&self.series).is_some())
        };
        let offer = offers.custom(&self.metric, resource, here);
        // What is in no namespace may be asked for in one, where its series name none.
        let nowhere = || if resource.namespaced { None } else { offers.custom(&self.metric, resource, false) };
        let Some(offer) = offer.or_else(|| if here { nowhere() } else { elsewhere() }) else {
            return Err(Missing::Unknown(self.nothing(&self.resource, &self.not_offered(resource, instant))));
        };
        let (query, shared) = match offer.of_all(&self.series) {
            Some(query) => (query, true),
            None => (self.of_some(offer, resource, instant)?, false),
        };
        let query = query.map_err(|problem| Missing::Absent(self.nothing(&self.resource, &problem.to_string())))?;
        let Query { question, name_label, namespace_label } = query;
        let rule = instant.catalog.config.series_rules.get(offer.rule);
        let how = if shared { "one query for all" } else { "a query for each set of objects" };
        let words = rule.map_or(String::new(), |rule| {
            format!("line {}, {}: series {}; {how}", rule.line, rule.series_query, offer.series)
        });
        let reading = Reading {
            rule: words.into(),
            name_label,
            namespace_label,
            shared,
            allow_negative: rule.is_none_or(|rule| rule.allow_negative),
            as_prometheus_adapter: true,
            series: Selector::default(),
        };
        Ok((question, reading))
    }

    /// What prometheus-adapter would ask: it names each object.
    fn of_some(
        &self,
        offer: &Offer,
        resource: GroupResource,
        instant: &Instant,
    ) -> Result<Result<Query, crate::rules::QueryProblem>, Missing> {
        let namespace = self.namespace.as_deref().filter(|_| offer.namespaced);
        if self.name != "*" {
            return Ok(offer.of_some(namespace, &[&self.name], &self.series));
        }
        let names: Vec<&str> = if resource.is_pods() {
            let pods = instant.view.pods(self.namespace.as_deref()).iter();
            pods.filter(|pod| self.labels.matches(&pod.labels)).map(|pod| &*pod.name).collect()
        } else {
            let place = if resource.namespaced { self.namespace.as_deref() } else { Some("") };
            let objects = instant.view.objects(resource, place);
            objects.filter(|own| self.labels.matches(&own.labels)).map(|own| &*own.name).collect()
        };
        if names.is_empty() {
            let cause = if resource.is_pods() {
                pods_that_match(0, &self.labels, self.namespace.as_deref())
            } else {
                self.objects_that_match(0, resource)
            };
            return Err(Missing::Absent(self.nothing(&self.resource, &cause)));
        }
        Ok(offer.of_some(namespace, &names, &self.series))
    }

    fn not_offered(&self, resource: GroupResource, instant: &Instant) -> String {
        let in_namespaces = instant.catalog.offers.custom(&self.metric, resource, true);
        if self.namespace.is_none() && in_namespaces.is_some() {
            return format!("{resource} are asked for in their namespace");
        }
        let all = offered(&instant.snapshot.config, &instant.catalog);
        let others: Vec<String> =
            all.iter().filter(|(_, _, name)| *name == self.metric).map(|(own, ..)| own.to_string()).collect();
        if !others.is_empty() {
            return format!("it is served for {}", others.join(", "));
        }
        let names = all.into_iter().filter(|(own, ..)| *own == resource).map(|(.., name)| name).collect();
        no_such_metric(&self.metric, names, listing_trouble(&instant.catalog))
    }

    pub(super) fn answered<'a>(
        &'a self,
        metric: &'a AskedMetric,
        instant: &'a Instant,
    ) -> Result<Vec<Value<'a>>, Missing> {
        let one = self.name != "*";
        let of_what = if one { format!("{} {}", self.resource, self.name) } else { self.resource.clone() };
        let resource = metric.resource;
        if one && resource.is_pods() && self.namespace.is_some() {
            self.existing_pod(instant, &self.name)?;
        }
        let Some(answer) = metric.state.fresh(instant.now.moment) else {
            return Err(Missing::Absent(self.nothing(&of_what, &no_answer(&metric.state))));
        };
        let objects = self.objects(metric, answer, instant)?;
        let (mut values, mut tally) = (Vec::with_capacity(objects.len()), Tally::default());
        for object in &objects {
            match metric.value(answer, *object) {
                Ok(value) => values.push(value),
                Err(absence) => tally.add(Reason::Asked(absence)),
            }
        }
        if values.is_empty() {
            let looked_at = match (one, resource.is_pods()) {
                (true, _) => format!("1 {}", resource.kind.to_lowercase()),
                (false, true) => pods_that_match(objects.len(), &self.labels, self.namespace.as_deref()),
                (false, false) => self.objects_that_match(objects.len(), resource),
            };
            let cause = if objects.is_empty() { looked_at } else { tally.explain(&looked_at, &self.series) };
            return Err(Missing::Absent(self.nothing(&of_what, &cause)));
        }
        Ok(values)
    }

    /// The objects that are asked about.
    fn objects<'a>(
        &'a self,
        metric: &'a AskedMetric,
        answer: &'a Answer,
        instant: &'a Instant,
    ) -> Result<Vec<ObjectReference<'a>>, Missing> {
        let resource = metric.resource;
        if self.name != "*" {
            let namespace = self.namespace.as_deref().unwrap_or_default();
            return Ok(vec![ObjectReference { resource, namespace, name: &self.name }]);
        }
        if resource.is_pods() {
            let pods = instant.view.pods(self.namespace.as_deref()).iter();
            let wanted = pods.filter(|pod| self.labels.matches(&pod.labels));
            return Ok(wanted
                .map(|pod| ObjectReference { resource, namespace: &pod.namespace, name: &pod.name })
                .collect());
        }
        let place = if resource.namespaced { self.namespace.as_deref() } else { Some("") };
        let known = instant.view.objects(resource, place);
        let known = known.filter(|own| self.labels.matches(&own.labels));
        let known: Vec<_> =
            known.map(|own| ObjectReference { resource, namespace: &own.namespace, name: &own.name }).collect();
        if !known.is_empty() {
            return Ok(known);
        }
        if !self.labels.is_empty() {
            let cause =
                format!("no {resource} with the labels {} are known here; they are asked for by name", self.labels);
            return Err(Missing::Absent(self.nothing(&self.resource, &cause)));
        }
        // Of these it is not known which exist: those that Prometheus has, then.
        let names = metric.index.as_ref().map(|index| index.names(answer, self.namespace.as_deref()));
        let here = self.namespace.as_deref().filter(|_| resource.namespaced).unwrap_or_default();
        let shared = metric.reading.namespace_label.is_some();
        Ok(names
            .unwrap_or_default()
            .into_iter()
            .map(|(own, name)| ObjectReference { resource, namespace: if shared { own } else { here }, name })
            .collect())
    }
}
