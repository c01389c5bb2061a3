use std::sync::Arc;

use super::answers::check;
use super::asked::no_answer;
use super::tally::{Reason, Tally};
use super::{Facts, Instant, Missing, PATIENCE, listing_trouble, no_such_metric, offered_external, whole_seconds};
use crate::model::quantity::Milli;
use crate::model::{Labels, Moment, QueryFailure, Question, Selector, Wall};
use crate::store::{Asked, AskedState};

/// An external metric, as a namespace asks for it.
#[derive(Clone, Debug)]
pub struct External {
    /// The namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// Which series.
    pub series: Selector,
}

/// How an external metric is served.
#[derive(Debug)]
pub struct ServedExternal {
    /// The question.
    pub asked: Arc<Asked>,
    /// What became of it.
    pub state: AskedState,
    allow_negative: bool,
    as_prometheus_adapter: bool,
    /// By which label a namespace sees its own alone.
    namespace_label: Option<Arc<str>>,
    /// Whether the answer has more series than were asked for.
    select: bool,
}

/// A value of an external metric.
#[derive(Debug)]
pub struct ExternalValue<'a> {
    /// Its labels.
    pub labels: &'a Labels,
    /// Its age counts from here.
    pub at: Moment,
    /// When it was evaluated.
    pub time: Wall,
    /// What it was taken over, in whole seconds; 0 if it was read off at one moment.
    pub window_seconds: i64,
    /// The value.
    pub quantity: Milli,
}

impl External {
    /// How it is served. A question that Prometheus was never asked before is asked, and its answer waited for.
    pub async fn served(&self, facts: &Facts, instant: &Instant) -> Result<ServedExternal, Missing> {
        let catalog = &instant.catalog;
        let query = catalog.config.external_queries.iter().find(|own| own.name == self.metric);
        let (question, allow_negative, namespace_label, select) = match query {
            Some(own) => (own.question.clone(), own.allow_negative, own.namespace_label.clone(), true),
            None => {
                let (question, allow_negative) = self.offer(instant)?;
                (question, allow_negative, None, false)
            }
        };
        let refused =
            |failure: QueryFailure| Missing::Absent(self.nothing(&format!("Prometheus is not asked: {failure}")));
        let asked = facts
            .demand
            .ask(&question, &self.namespace, || format!("external/{}", self.metric), instant.now.moment)
            .map_err(refused)?;
        let state = match asked.state() {
            state if state.attempts > 0 => state,
            _ => asked.tried(PATIENCE).await,
        };
        let as_prometheus_adapter = query.is_none();
        Ok(ServedExternal { asked, state, allow_negative, as_prometheus_adapter, namespace_label, select })
    }

    fn offer(&self, instant: &Instant) -> Result<(Question, bool), Missing> {
        let catalog = &instant.catalog;
        let Some(offer) = catalog.offers.external(&self.metric) else {
            let cause = no_such_metric(&self.metric, offered_external(catalog), listing_trouble(catalog));
            return Err(Missing::Unknown(self.nothing(&cause)));
        };
        let question = offer.ask(&self.namespace, &self.series);
        let question = question.map_err(|problem| Missing::Absent(self.nothing(&problem.to_string())))?;
        let rule = catalog.config.external_rules.get(offer.rule);
        Ok((question, rule.is_some_and(|rule| rule.allow_negative)))
    }

    /// The values, in Prometheus's order: never none.
    pub fn values<'a>(&self, served: &'a ServedExternal, instant: &Instant) -> Result<Vec<ExternalValue<'a>>, Missing> {
        let Some(answer) = served.state.fresh(instant.now.moment) else {
            return Err(Missing::Absent(self.nothing(&no_answer(&served.state))));
        };
        let own = |labels: &Labels| match &served.namespace_label {
            Some(label) => labels.get(label) == Some(&self.namespace),
            None => true,
        };
        let selected = |labels: &Labels| !served.select || self.series.matches(labels);
        let (mut values, mut tally, mut looked_at) = (Vec::new(), Tally::default(), 0);
        let window_seconds = whole_seconds(served.asked.question.window);
        for sample in answer.samples.iter().filter(|sample| own(&sample.labels) && selected(&sample.labels)) {
            looked_at += 1;
            let quantity = check(sample.value, served.allow_negative).and_then(|value| {
                let quantity =
                    if served.as_prometheus_adapter { Milli::truncated(value) } else { Milli::nearest(value) };
                quantity.ok_or(crate::model::Absence::NotFinite)
            });
            match quantity {
                Ok(quantity) => values.push(ExternalValue {
                    labels: &sample.labels,
                    at: answer.at,
                    time: sample.time,
                    window_seconds,
                    quantity,
                }),
                Err(absence) => tally.add(Reason::Asked(absence)),
            }
        }
        match (values.is_empty(), looked_at) {
            (false, _) => Ok(values),
            (true, 0) => {
                let with = if self.series.is_empty() { String::new() } else { format!(" with {}", self.series) };
                let cause = format!("Prometheus has no series{with} for namespace {}", self.namespace);
                Err(Missing::Absent(self.nothing(&cause)))
            }
            (true, all) => {
                let cause = tally.explain(&format!("{all} series"), &Selector::default());
                Err(Missing::Absent(self.nothing(&cause)))
            }
        }
    }

    fn nothing(&self, cause: &str) -> String {
        format!("the server could not find the metric {} for external metrics: {cause}", self.metric)
    }
}
