use std::sync::Arc;

use super::QueryProblem;
use super::promql::{label_name, literal, quoted, window};
use super::template::{QueryValues, Template, Values};
use crate::model::{Operator, Question, Requirement, Selector};

/// The labels by which a query tells objects apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectLabels {
    /// The label that names the object.
    pub(super) name: Arc<str>,
    /// The label that names its namespace, if it is in one, and if that is another label.
    pub(super) namespace: Option<Arc<str>>,
    /// A label that objects have parts by: the container.
    pub(super) part: Option<Arc<str>>,
}

impl ObjectLabels {
    /// What prometheus-adapter asks for objects of these names.
    pub(super) fn of_some(
        &self,
        template: &Template,
        series: &str,
        namespace: Option<&str>,
        names: &[&str],
        selector: &Selector,
    ) -> Result<Question, QueryProblem> {
        let mut matchers = Matchers::default();
        matchers.select(selector)?;
        if let (Some(label), Some(namespace)) = (&self.namespace, namespace) {
            matchers.add(label, "=", namespace, namespace);
        }
        match names {
            [] => return Err(QueryProblem("no object is asked for".to_owned())),
            [name] => matchers.add(&self.name, "=", name, name),
            names => {
                let pattern = names.iter().map(|name| literal(name)).collect::<Vec<_>>().join("|");
                matchers.add(&self.name, "=~", &pattern, &names.join("|"));
            }
        }
        matchers.question(template, series, self.group_by(false))
    }

    /// What is asked for all objects in all namespaces at once.
    pub(super) fn of_all(
        &self,
        template: &Template,
        series: &str,
        selector: &Selector,
    ) -> Result<Question, QueryProblem> {
        let mut matchers = Matchers::default();
        matchers.select(selector)?;
        for label in self.namespace.iter().chain([&self.name]) {
            matchers.texts.push(format!("{}!=\"\"", label_name(label)));
        }
        matchers.question(template, series, self.group_by(true))
    }

    fn group_by(&self, with_namespace: bool) -> Vec<String> {
        let namespace = self.namespace.as_ref().filter(|_| with_namespace);
        [Some(&self.name), self.part.as_ref(), namespace].into_iter().flatten().map(|label| label_name(label)).collect()
    }
}

/// What is asked for an external metric, of a namespace or of all.
pub(super) fn of_external(
    template: &Template,
    series: &str,
    namespace: Option<(&str, &str)>,
    selector: &Selector,
) -> Result<Question, QueryProblem> {
    let mut matchers = Matchers::default();
    matchers.select(selector)?;
    if let Some((label, namespace)) = namespace {
        matchers.add(label, "=", namespace, namespace);
    }
    matchers.question(template, series, Vec::new())
}

/// `.LabelMatchers` and `.LabelValuesByName`, as they grow.
#[derive(Default)]
struct Matchers {
    texts: Vec<String>,
    values: QueryValues,
}

impl Matchers {
    fn select(&mut self, selector: &Selector) -> Result<(), QueryProblem> {
        selector.requirements().iter().try_for_each(|requirement| self.require(requirement))
    }

    fn require(&mut self, requirement: &Requirement) -> Result<(), QueryProblem> {
        let Requirement { key, operator, values } = requirement;
        let own = || values.first().cloned().unwrap_or_default();
        let pattern = || values.iter().map(|value| literal(value)).collect::<Vec<_>>().join("|");
        let (sign, text) = match operator {
            Operator::Equals => ("=", own()),
            Operator::NotEquals => ("!=", own()),
            Operator::In => ("=~", pattern()),
            Operator::NotIn => ("!~", pattern()),
            Operator::Exists => ("!=", String::new()),
            Operator::DoesNotExist => ("=", String::new()),
            Operator::GreaterThan | Operator::LessThan => {
                return Err(QueryProblem(format!(
                    "`{requirement}`: Prometheus cannot compare labels by size; write `in`, `notin`, `=` or `!=`"
                )));
            }
        };
        self.add(key, sign, &text, &values.join("|"));
        Ok(())
    }

    fn add(&mut self, label: &str, sign: &str, text: &str, value: &str) {
        self.texts.push(format!("{}{sign}{}", label_name(label), quoted(text)));
        // Templates put values between quotes themselves.
        let quoted = quoted(value);
        self.values.label_values.insert(label.to_owned(), quoted[1..quoted.len() - 1].to_owned());
    }

    fn question(mut self, template: &Template, series: &str, group_by: Vec<String>) -> Result<Question, QueryProblem> {
        series.clone_into(&mut self.values.series);
        self.values.label_matchers = self.texts.join(",");
        self.values.group_by = group_by.join(",");
        self.values.group_by_slice = group_by;
        let query = template.fill(Values::Query(&self.values))?;
        if query.trim().is_empty() {
            return Err(QueryProblem(format!("the template `{}` makes an empty query", template.text())));
        }
        let window = window(&query);
        Ok(Question { query: query.into(), window })
    }
}
