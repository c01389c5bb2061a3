use std::collections::HashMap;
use std::sync::Arc;

use super::labels::ResolvedLabels;
use super::outcome::{Outcomes, Refusal, RuleOutcome};
use super::promql::is_series_name;
use super::query::{ObjectLabels, of_external};
use super::separable::Separable;
use super::template::Template;
use super::{ListedSeries, Query, QueryProblem, SeriesRule};
use crate::model::{GroupResource, Kinds, Question, Selector};

/// Resources whose objects are in no namespace though a series of theirs may name one.
const NEVER_NAMESPACED: [&str; 3] = ["namespaces", "nodes", "persistentvolumes"];

/// The metrics that rules make of series.
#[derive(Debug, Default)]
pub struct Offers {
    custom: HashMap<Arc<str>, Vec<Arc<Offer>>>,
    /// Sorted by resource and name.
    sorted: Vec<Arc<Offer>>,
    external: HashMap<Arc<str>, Arc<ExternalOffer>>,
    /// Sorted by name.
    sorted_external: Vec<Arc<ExternalOffer>>,
    outcomes: Vec<RuleOutcome>,
    external_outcomes: Vec<RuleOutcome>,
}

/// A metric of a resource.
#[derive(Debug)]
pub struct Offer {
    /// The metric's name.
    pub metric: Arc<str>,
    /// What it is of.
    pub resource: GroupResource,
    /// Whether it is asked for in a namespace.
    pub namespaced: bool,
    /// The rule, by its place.
    pub rule: usize,
    /// The series that it is made of.
    pub series: Arc<str>,
    template: Template,
    labels: ObjectLabels,
    /// Whether one question can be about all objects.
    for_all: bool,
}

/// An external metric.
#[derive(Debug)]
pub struct ExternalOffer {
    /// The metric's name.
    pub metric: Arc<str>,
    /// The rule, by its place.
    pub rule: usize,
    /// The series that it is made of.
    pub series: Arc<str>,
    template: Template,
    /// Whether a namespace sees only its own.
    namespaced: bool,
    /// The label of namespaces, if there is one.
    namespace_label: Option<Arc<str>>,
    /// Where the rule begins.
    line: usize,
}

impl Offers {
    /// What the rules make of what was listed for each of them, in their order. Where several rules offer the same, the
    /// last counts, as for prometheus-adapter.
    #[must_use]
    pub fn of(
        rules: &[SeriesRule],
        listed: &[&[ListedSeries]],
        external: &[SeriesRule],
        external_listed: &[&[ListedSeries]],
        kinds: &Kinds,
    ) -> Self {
        let mut offers = Self::default();
        let mut outcomes = Outcomes::default();
        for (place, rule) in rules.iter().enumerate() {
            let listed = listed.get(place).copied().unwrap_or_default();
            offers.add_custom(place, rule, listed, kinds, &mut outcomes);
        }
        offers.outcomes = outcomes.finish();
        let mut outcomes = Outcomes::default();
        for (place, rule) in external.iter().enumerate() {
            let listed = external_listed.get(place).copied().unwrap_or_default();
            offers.add_external(place, rule, listed, kinds, &mut outcomes);
        }
        offers.external_outcomes = outcomes.finish();
        offers.sort();
        offers
    }

    fn add_custom(
        &mut self,
        place: usize,
        rule: &SeriesRule,
        listed: &[ListedSeries],
        kinds: &Kinds,
        outcomes: &mut Outcomes,
    ) {
        let mut labels = rule.resources.resolve(kinds);
        let mut separable = Separable::default();
        outcomes.begin(labels.problems());
        for series in in_order(listed) {
            let metric = match metric(rule, series) {
                Ok(metric) => metric,
                Err(refusal) => {
                    outcomes.refuse(&series.name, refusal);
                    continue;
                }
            };
            let resources = labels.of_series(&series.labels);
            if resources.is_empty() {
                outcomes.refuse(&series.name, Refusal::NoResource);
                continue;
            }
            outcomes.offer(&metric);
            let namespace = resources.iter().find(|(own, _)| own.is_namespaces()).map(|(_, label)| Arc::clone(label));
            for (resource, name) in resources {
                let never = resource.group.is_empty() && NEVER_NAMESPACED.contains(&resource.plural);
                let namespace = namespace.clone().filter(|_| !never);
                let namespaced = namespace.is_some();
                let labels = ObjectLabels { name, namespace, part: None };
                let for_all = is_series_name(&series.name) && separable.is(&rule.metrics_query, &labels);
                let (metric, series) = (Arc::clone(&metric), Arc::clone(&series.name));
                let template = rule.metrics_query.clone();
                let offer = Offer { metric, resource, namespaced, rule: place, series, template, labels, for_all };
                self.put(Arc::new(offer), outcomes);
            }
        }
    }

    fn put(&mut self, offer: Arc<Offer>, outcomes: &mut Outcomes) {
        let same = |own: &Arc<Offer>| own.resource == offer.resource && own.namespaced == offer.namespaced;
        let all = self.custom.entry(Arc::clone(&offer.metric)).or_default();
        match all.iter_mut().find(|own| same(own)) {
            None => all.push(offer),
            Some(own) => {
                outcomes.override_by(
                    (own.rule, &own.series),
                    (offer.rule, &offer.series),
                    &own.metric,
                    Some(own.resource),
                );
                *own = offer;
            }
        }
    }

    fn add_external(
        &mut self,
        place: usize,
        rule: &SeriesRule,
        listed: &[ListedSeries],
        kinds: &Kinds,
        outcomes: &mut Outcomes,
    ) {
        let mut labels = rule.resources.resolve(kinds);
        outcomes.begin(labels.problems());
        for series in in_order(listed) {
            let metric = match metric(rule, series) {
                Ok(metric) => metric,
                Err(refusal) => {
                    outcomes.refuse(&series.name, refusal);
                    continue;
                }
            };
            outcomes.offer(&metric);
            let offer = ExternalOffer {
                metric: Arc::clone(&metric),
                rule: place,
                series: Arc::clone(&series.name),
                template: rule.metrics_query.clone(),
                namespaced: rule.namespaced,
                namespace_label: namespace_label(&mut labels, series, kinds),
                line: rule.line,
            };
            if let Some(own) = self.external.insert(metric, Arc::new(offer)) {
                outcomes.override_by((own.rule, &own.series), (place, &series.name), &own.metric, None);
            }
        }
    }

    fn sort(&mut self) {
        self.sorted = self.custom.values().flatten().cloned().collect();
        self.sorted.sort_by(|one, other| {
            let key = |own: &'_ Arc<Offer>| (own.resource.plural, own.resource.group, own.namespaced);
            key(one).cmp(&key(other)).then_with(|| one.metric.cmp(&other.metric))
        });
        self.sorted_external = self.external.values().cloned().collect();
        self.sorted_external.sort_by(|one, other| one.metric.cmp(&other.metric));
    }

    /// The metric of a resource.
    #[must_use]
    pub fn custom(&self, metric: &str, resource: GroupResource, namespaced: bool) -> Option<&Arc<Offer>> {
        let all = self.custom.get(metric)?;
        all.iter().find(|own| own.resource == resource && own.namespaced == namespaced)
    }

    /// The external metric.
    #[must_use]
    pub fn external(&self, metric: &str) -> Option<&Arc<ExternalOffer>> {
        self.external.get(metric)
    }

    /// All metrics of resources, sorted by resource and name.
    pub fn all_custom(&self) -> impl Iterator<Item = &Arc<Offer>> {
        self.sorted.iter()
    }

    /// All external metrics, sorted by name.
    pub fn all_external(&self) -> impl Iterator<Item = &Arc<ExternalOffer>> {
        self.sorted_external.iter()
    }

    /// What became of each of the `rules`, in their order.
    #[must_use]
    pub fn outcomes(&self) -> &[RuleOutcome] {
        &self.outcomes
    }

    /// What became of each of the `externalRules`, in their order.
    #[must_use]
    pub fn external_outcomes(&self) -> &[RuleOutcome] {
        &self.external_outcomes
    }
}

/// By name and labels, whatever the order that Prometheus lists them in: which of several counts must not change.
fn in_order(listed: &[ListedSeries]) -> Vec<&ListedSeries> {
    let mut series: Vec<&ListedSeries> = listed.iter().collect();
    series.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
    series
}

/// The metric's name, or why there is none.
fn metric(rule: &SeriesRule, series: &ListedSeries) -> Result<Arc<str>, Refusal> {
    if !rule.filters.iter().all(|filter| filter.passes(&series.name)) {
        return Err(Refusal::Filter);
    }
    match rule.naming.name(&series.name) {
        None => Err(Refusal::Name),
        Some(name) if name.is_empty() => Err(Refusal::EmptyName),
        Some(name) if name == *series.name => Ok(Arc::clone(&series.name)),
        Some(name) => Ok(name.into()),
    }
}

fn namespace_label(labels: &mut ResolvedLabels<'_>, series: &ListedSeries, kinds: &Kinds) -> Option<Arc<str>> {
    let own = labels.of_series(&series.labels).into_iter().find(|(resource, _)| resource.is_namespaces());
    own.map(|(_, label)| label).or_else(|| labels.label(kinds.named("namespaces")?))
}

impl Offer {
    /// What is asked once for all objects in all namespaces. None if the query does not allow that: its value for one
    /// object would be another.
    #[must_use]
    pub fn of_all(&self, selector: &Selector) -> Option<Result<Query, QueryProblem>> {
        let asked = self.for_all.then(|| self.labels.of_all(&self.template, &self.series, selector))?;
        Some(asked.map(|question| self.query(question, self.labels.namespace.clone())))
    }

    /// What prometheus-adapter would ask for these objects.
    pub fn of_some(&self, namespace: Option<&str>, names: &[&str], selector: &Selector) -> Result<Query, QueryProblem> {
        let asked = self.labels.of_some(&self.template, &self.series, namespace, names, selector);
        asked.map(|question| self.query(question, None))
    }

    fn query(&self, question: Question, namespace_label: Option<Arc<str>>) -> Query {
        Query { question, name_label: Arc::clone(&self.labels.name), namespace_label }
    }
}

impl ExternalOffer {
    /// What is asked for a namespace.
    pub fn ask(&self, namespace: &str, selector: &Selector) -> Result<Question, QueryProblem> {
        let of = match (self.namespaced, &self.namespace_label) {
            (false, _) => None,
            (true, Some(label)) => Some((&**label, namespace)),
            (true, None) => {
                return Err(QueryProblem(format!(
                    "the rule in line {} does not say which label names namespaces: write `resources: {{overrides: {{LABEL: \
                     {{resource: namespace}}}}}}`, or `resources: {{namespaced: false}}` if every namespace may see all of it",
                    self.line
                )));
            }
        };
        of_external(&self.template, &self.series, of, selector)
    }
}
