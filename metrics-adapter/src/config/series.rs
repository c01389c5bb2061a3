//! What prometheus-adapter's file has: `rules`, `externalRules`, `resourceRules`.

use std::time::Duration;

use super::file::Warnings;
use super::metrics::filled;
use crate::rules::{
    self, LabelOverride, Naming, Pattern, ResourceLabels, ResourceRule, ResourceRules, Schema, SeriesFilter,
    SeriesRule, Template, complaint, window,
};
use crate::yaml::{Fields, Mark, Node, Problem};

/// One of `rules`, or else of `externalRules`.
pub(super) fn rule(node: &Node, path: &str, is_custom: bool, warnings: &mut Warnings) -> Result<SeriesRule, Problem> {
    let mut fields = Fields::of(node, path)?;
    let series_query = fields.required("seriesQuery", |node, path| {
        let query = filled(node, path)?;
        if let Some(complaint) = complaint(&query) {
            warnings.add(node, path, format!("Prometheus 3 will refuse it: {complaint}"));
        }
        Ok(query)
    })?;
    let filters = fields.optional("seriesFilters", |node, path| node.list(path, filter))?.unwrap_or_default();
    let resources = fields.optional("resources", resources)?;
    let naming = fields.optional("name", naming)?;
    let metrics_query = fields.required("metricsQuery", |node, path| query(node, path, warnings))?;
    let allow_negative = fields.optional("allowNegative", Node::boolean_of_yaml_1_1)?.unwrap_or(is_custom);
    fields.end()?;
    let naming = match naming {
        Some(naming) => naming,
        None => Naming::new(None, None).map_err(|problem| Problem::new(node.at(), path, problem))?,
    };
    let (resources, namespaced) = resources.unwrap_or_default();
    let namespaced = namespaced.unwrap_or(true);
    let line = node.at().line;
    Ok(SeriesRule { line, series_query, filters, resources, naming, metrics_query, namespaced, allow_negative })
}

fn filter(node: &Node, path: &str) -> Result<SeriesFilter, Problem> {
    let mut fields = Fields::of(node, path)?;
    let is = fields.optional("is", pattern)?;
    let is_not = fields.optional("isNot", pattern)?;
    let found = match (is, is_not) {
        (Some(pattern), None) => SeriesFilter { pattern, is: true },
        (None, Some(pattern)) => SeriesFilter { pattern, is: false },
        (Some(_), Some(_)) => {
            return Err(Problem::new(fields.at(), path, "`is` and `isNot` in one filter; write two filters"));
        }
        (None, None) => return Err(Problem::new(fields.at(), path, "`is` or `isNot` is missing")),
    };
    fields.end()?;
    Ok(found)
}

fn pattern(node: &Node, path: &str) -> Result<Pattern, Problem> {
    node.parsed(path, Pattern::parse)
}

fn naming(node: &Node, path: &str) -> Result<Naming, Problem> {
    let mut fields = Fields::of(node, path)?;
    let not_empty = |text: &String| !text.is_empty();
    let matches = fields.optional("matches", |node, path| match node.text(path)?.as_str() {
        "" => Ok(None),
        _ => pattern(node, path).map(Some),
    })?;
    let expands = fields.optional("as", Node::text)?.filter(not_empty);
    let naming = Naming::new(matches.flatten(), expands).map_err(|problem| Problem::new(fields.at(), path, problem))?;
    fields.end()?;
    Ok(naming)
}

/// Which labels name objects, and whether an external metric is of namespaces, if that is said.
fn resources(node: &Node, path: &str) -> Result<(ResourceLabels, Option<bool>), Problem> {
    let mut fields = Fields::of(node, path)?;
    let template = fields.optional("template", |node, path| {
        let text = node.text(path)?;
        if text.is_empty() {
            Ok(None)
        } else {
            template(node, path, Schema::Label).map(|template| Some((node.at(), template)))
        }
    })?;
    let overrides = fields.optional("overrides", |node, path| node.entries(path, label_override))?.unwrap_or_default();
    let namespaced = fields.optional("namespaced", Node::boolean_of_yaml_1_1)?;
    let (at, template) = template.flatten().map_or((fields.at(), None), |(at, template)| (at, Some(template)));
    let labels = ResourceLabels::new(template, overrides)
        .map_err(|problem| Problem::new(at, fields.path_of("template"), problem))?;
    fields.end()?;
    Ok((labels, namespaced))
}

fn label_override(label: &str, at: Mark, node: &Node, path: &str) -> Result<LabelOverride, Problem> {
    if label.is_empty() {
        return Err(Problem::new(at, path, "a label has a name"));
    }
    let mut fields = Fields::of(node, path)?;
    let group = fields.optional("group", Node::text)?.unwrap_or_default();
    let resource = fields.required("resource", filled)?;
    fields.end()?;
    Ok(LabelOverride { label: label.into(), group, resource })
}

fn template(node: &Node, path: &str, schema: Schema) -> Result<Template, Problem> {
    filled(node, path)?;
    node.parsed(path, |text| Template::parse(text, schema))
}

fn query(node: &Node, path: &str, warnings: &mut Warnings) -> Result<Template, Problem> {
    let template = template(node, path, Schema::Query)?;
    if let Some(complaint) = template.complaint() {
        warnings.add(
            node,
            path,
            format!("Prometheus 3 will refuse what it makes: {complaint}; it is kept for stores that know more"),
        );
    }
    Ok(template)
}

/// `resourceRules`.
pub(super) fn resource_rules(node: &Node, path: &str, warnings: &mut Warnings) -> Result<ResourceRules, Problem> {
    let mut fields = Fields::of(node, path)?;
    let cpu = fields.required("cpu", |node, path| resource_rule(node, path, warnings))?;
    let memory = fields.required("memory", |node, path| resource_rule(node, path, warnings))?;
    let given = fields.optional("window", prometheus_duration)?;
    fields.end()?;
    let queries = [&cpu, &memory].into_iter().flat_map(|rule| [&rule.container_query, &rule.node_query]);
    let longest = queries.map(|query| window(query.text())).max();
    Ok(ResourceRules { cpu, memory, window: given.or(longest).unwrap_or_default() })
}

fn resource_rule(node: &Node, path: &str, warnings: &mut Warnings) -> Result<ResourceRule, Problem> {
    let mut fields = Fields::of(node, path)?;
    let container_query = fields.required("containerQuery", |node, path| query(node, path, warnings))?;
    let node_query = fields.required("nodeQuery", |node, path| query(node, path, warnings))?;
    let resources = fields.optional("resources", resources)?.unwrap_or_default();
    let container_label = fields.optional("containerLabel", filled)?;
    fields.end()?;
    let container_label = container_label.map_or_else(|| "container".into(), Into::into);
    Ok(ResourceRule { container_label, container_query, node_query, resources: resources.0 })
}

/// A duration as Prometheus writes it.
fn prometheus_duration(node: &Node, path: &str) -> Result<Duration, Problem> {
    node.parsed(path, |text| {
        let known = rules::duration(text).filter(|given| !given.is_zero());
        known.ok_or_else(|| format!("`{text}` is not a duration; write it as 30s, 1m or 1h30m"))
    })
}

#[cfg(test)]
mod tests;
