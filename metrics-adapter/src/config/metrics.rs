use std::sync::Arc;

use super::file::{WINDOW, Warnings, duration};
use super::{Aggregate, Kind, Rule, ScrapeSettings};
use crate::model::{GroupResource, Kinds, Question, Selector};
use crate::rules::{ExternalQueryRule, QueryRule, complaint, window};
use crate::yaml::{Fields, Mark, Node, Problem};

/// What only a metric that is scraped has.
const OF_SCRAPED: [&str; 5] = ["series", "type", "window", "select", "aggregate"];
/// What only a metric that Prometheus is asked for has.
const OF_ASKED: [&str; 2] = ["query", "resources"];

/// `metrics`: those that are scraped, and those that Prometheus is asked for.
pub(super) fn read(
    node: &Node,
    path: &str,
    scrape: &ScrapeSettings,
    warnings: &mut Warnings,
) -> Result<(Vec<Rule>, Vec<QueryRule>), Problem> {
    let (mut rules, mut queries, mut seen) = (Vec::new(), Vec::new(), Seen::default());
    node.list(path, |node, path| {
        let first = |fields: &[&'static str]| fields.iter().copied().find(|field| node.get(field).is_some());
        let problem = |what: String| Err(Problem::new(node.at(), path, format!("{what}: {ONE_OR_THE_OTHER}")));
        match (first(&OF_SCRAPED), first(&OF_ASKED)) {
            (Some(scraped), Some(asked)) => return problem(format!("`{scraped}` and `{asked}`")),
            (Some(_), None) => {
                let rule = rule(node, path, scrape)?;
                seen.add(&rule.name, node, path)?;
                rules.push(rule);
            }
            (None, Some(_)) => {
                let query = query_rule(node, path, warnings)?;
                seen.add(&query.name, node, path)?;
                queries.push(query);
            }
            (None, None) => {
                check_names(node, path)?;
                return problem("neither `series` nor `query`".to_owned());
            }
        }
        Ok(())
    })?;
    Ok((rules, queries))
}

/// Of an entry that is neither: it may be that its fields are written wrong.
fn check_names(node: &Node, path: &str) -> Result<(), Problem> {
    let mut fields = Fields::of(node, path)?;
    for field in OF_SCRAPED.into_iter().chain(OF_ASKED).chain(["name", "allowNegative", "description"]) {
        fields.optional(field, |_, _| Ok(()))?;
    }
    fields.end()
}

const ONE_OR_THE_OTHER: &str =
    "a metric is either scraped, by `series` and `type`, or asked of Prometheus, by `query` and `resources`";

/// The names that there were, and where.
#[derive(Default)]
struct Seen(Vec<(String, usize)>);

impl Seen {
    fn add(&mut self, name: &str, node: &Node, path: &str) -> Result<(), Problem> {
        if let Some((_, line)) = self.0.iter().find(|(own, _)| own == name) {
            let problem = format!("`{name}` is served by the rule in line {line} already");
            return Err(Problem::new(node.at(), path, problem));
        }
        self.0.push((name.to_owned(), node.at().line));
        Ok(())
    }
}

fn query_rule(node: &Node, path: &str, warnings: &mut Warnings) -> Result<QueryRule, Problem> {
    let mut fields = Fields::of(node, path)?;
    let name = fields.required("name", metric_name)?;
    let question = fields.required("query", |node, path| question(node, path, warnings))?;
    let resources = fields.optional("resources", |node, path| {
        let labels = node.entries(path, label)?;
        if labels.is_empty() {
            return Err(Problem::new(
                node.at(),
                path,
                "names no label; write one, as {namespace: namespaces, pod: pods}",
            ));
        }
        Ok(labels)
    })?;
    let allow_negative = fields.optional("allowNegative", Node::boolean)?.unwrap_or(false);
    let description = fields.optional("description", Node::text)?;
    fields.end()?;
    let labels = resources.unwrap_or_else(|| {
        let kinds = Kinds::default();
        let label = |(label, plural): (&str, &str)| Some((label.into(), kinds.named(plural)?));
        [("namespace", "namespaces"), ("pod", "pods")].into_iter().filter_map(label).collect()
    });
    let namespace_label =
        labels.iter().find(|(_, resource)| resource.is_namespaces()).map(|(label, _)| Arc::clone(label));
    Ok(QueryRule { name, question, namespace_label, labels, allow_negative, description })
}

/// `label: resource` or `label: resource.group`.
fn label(label: &str, at: Mark, node: &Node, path: &str) -> Result<(Arc<str>, GroupResource), Problem> {
    if label.is_empty() {
        return Err(Problem::new(at, path, "a label has a name"));
    }
    let resource = node.parsed(path, |text| {
        let kinds = Kinds::default();
        let (name, group) = text.split_once('.').unwrap_or((text, ""));
        kinds.find(group, name).ok_or_else(|| {
            let hint = kinds.nearest(name).map_or_else(
                || {
                    "one of Kubernetes' own is needed here; others can be named in `rules`, by `resources.overrides`"
                        .to_owned()
                },
                |nearest| format!("did you mean `{nearest}`?"),
            );
            format!("`{text}` is no resource; {hint}")
        })
    })?;
    Ok((label.into(), resource))
}

/// `externalMetrics`.
pub(super) fn read_external(
    node: &Node,
    path: &str,
    warnings: &mut Warnings,
) -> Result<Vec<ExternalQueryRule>, Problem> {
    let mut seen = Seen::default();
    node.list(path, |node, path| {
        let mut fields = Fields::of(node, path)?;
        let name = fields.required("name", metric_name)?;
        let question = fields.required("query", |node, path| question(node, path, warnings))?;
        let namespace_label = fields.optional("namespaceLabel", filled)?.map(Into::into);
        let allow_negative = fields.optional("allowNegative", Node::boolean)?.unwrap_or(false);
        let description = fields.optional("description", Node::text)?;
        fields.end()?;
        seen.add(&name, node, path)?;
        Ok(ExternalQueryRule { name, question, namespace_label, allow_negative, description })
    })
}

/// A query; one that is no PromQL is kept, since there are stores that know more.
fn question(node: &Node, path: &str, warnings: &mut Warnings) -> Result<Question, Problem> {
    let query = filled(node, path)?;
    if let Some(complaint) = complaint(&query) {
        warnings.add(
            node,
            path,
            format!("Prometheus 3 will refuse it: {complaint}; it is kept for stores that know more"),
        );
    }
    Ok(Question { window: window(&query), query: query.into() })
}

/// A text that is not empty.
pub(super) fn filled(node: &Node, path: &str) -> Result<String, Problem> {
    node.parsed(path, |text| if text.trim().is_empty() { Err("is empty") } else { Ok(text.to_owned()) })
}

fn rule(node: &Node, path: &str, scrape: &ScrapeSettings) -> Result<Rule, Problem> {
    let mut fields = Fields::of(node, path)?;
    let name = fields.required("name", metric_name)?;
    let series = fields.required("series", metric_name)?;
    let is_counter = fields.required("type", |node, path| {
        node.parsed(path, |text| match text {
            "counter" => Ok(true),
            "gauge" => Ok(false),
            other => Err(format!("`{other}` is neither counter nor gauge")),
        })
    })?;
    let window = fields.optional("window", duration)?;
    let select = fields.optional("select", |node, path| node.parsed(path, Selector::parse))?;
    let aggregate = fields.optional("aggregate", |node, path| node.parsed(path, Aggregate::parse))?;
    let allow_negative = fields.optional("allowNegative", Node::boolean)?.unwrap_or(false);
    let description = fields.optional("description", Node::text)?;
    let problem = |field: &str, problem: String| Err(Problem::new(fields.at(), fields.path_of(field), problem));
    let kind = match (is_counter, window) {
        (true, None) => Kind::Counter { window: WINDOW.max(scrape.interval * 2) },
        (true, Some(window)) if window < scrape.interval => {
            return problem(
                "window",
                format!(
                    "{window:?} is shorter than the interval of {:?}: a rate needs two scrapes within it",
                    scrape.interval
                ),
            );
        }
        (true, Some(window)) => Kind::Counter { window },
        (false, None) => Kind::Gauge,
        (false, Some(_)) => return problem("window", "a gauge has none; it is read as it is".to_owned()),
    };
    if is_counter && allow_negative {
        return problem("allowNegative", "a counter never falls; only a gauge can be negative".to_owned());
    }
    fields.end()?;
    let (select, aggregate) = (select.unwrap_or_default(), aggregate.unwrap_or_default());
    Ok(Rule { name, series, kind, select, aggregate, allow_negative, description })
}

fn metric_name(node: &Node, path: &str) -> Result<String, Problem> {
    node.parsed(path, |text| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
        let first = text.bytes().next().is_some_and(|byte| inner(byte) && !byte.is_ascii_digit());
        if first && text.bytes().all(inner) {
            Ok(text.to_owned())
        } else {
            Err(format!("`{text}` is not a metric's name: letters, digits, `_` and `:`, and no digit first"))
        }
    })
}

#[cfg(test)]
mod tests;
