//! Whether one query can be about all objects: whether each object's value in its answer is the value that a query about that
//! object alone would give. It is, where everything that the query does keeps the samples of different objects apart. What
//! is not known to do so is taken not to, and then objects are named as prometheus-adapter names them.

mod carried;
mod functions;
mod walk;

use std::collections::HashMap;

use super::promql::is_label_name;
use super::query::ObjectLabels;
use super::syntax;
use super::template::{LabelValues, Template};
use crate::model::Selector;
use carried::Carried;
use walk::Walk;

/// A label that no query names: a selector that must have it is one that `.LabelMatchers` was put into.
const PLACE: &str = "place_of_the_label_matchers";
/// Stands for the series of a rule, each of which has one name.
const SERIES: &str = "series_of_the_rule";

/// Whether one question can be about all objects, as it was found out for one template, by the labels that objects have.
#[derive(Debug, Default)]
pub(super) struct Separable(HashMap<ObjectLabels, bool>);

impl Separable {
    /// Whether a query that the template makes can be about all objects with these labels. The template is the same each
    /// time.
    pub(super) fn is(&mut self, template: &Template, labels: &ObjectLabels) -> bool {
        if let Some(known) = self.0.get(labels) {
            return *known;
        }
        let found = keeps_apart(template, labels).unwrap_or(false);
        self.0.insert(labels.clone(), found);
        found
    }
}

fn keeps_apart(template: &Template, labels: &ObjectLabels) -> Option<bool> {
    let keys: Vec<&str> =
        [Some(&labels.name), labels.namespace.as_ref()].into_iter().flatten().map(|key| &**key).collect();
    // A value that the template puts in by itself would be missing.
    let values = match template.label_values() {
        LabelValues::Named(named) => named.iter().any(|label| keys.contains(&label.as_str())),
        LabelValues::Any => true,
    };
    if values || template.decides() || !keys.iter().all(|key| is_label_name(key)) {
        return None;
    }
    let place = Selector::parse(PLACE).ok()?;
    let some = labels.of_some(template, SERIES, Some("a"), &["b"], &place).ok()?;
    let all = labels.of_all(template, SERIES, &place).ok()?;
    let (some, all) = (syntax::parse(&some.query).ok()?, syntax::parse(&all.query).ok()?);
    let keeps_apart = Walk { keys: &keys, place: PLACE }.keeps_apart(&all);
    let carried = Carried { keys: &keys }.labels(&some)??;
    Some(keeps_apart && carried.contains(&*labels.name))
}

#[cfg(test)]
mod tests;
