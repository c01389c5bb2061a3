use metrics_adapter::model::Selector;
use metrics_adapter::model::quantity::Quantity;
use metrics_adapter::yaml::{Fields, Node, Problem};

use super::name::{label, resource as resource_name, segment};
use super::reference;
use super::refusal::{at_least, forbidden, invalid, required, unsupported};
use crate::autoscaler::{LabelSelector, Metric, MetricName, Operator, Requirement, ResourceTarget, TotalTarget};

const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

/// Reads a metric's source.
type ReadMetric = fn(&Node, &str) -> Result<Metric, Problem>;

pub(super) fn metric(node: &Node, path: &str) -> Result<Metric, Problem> {
    let mut fields = Fields::of(node, path)?;
    let kind = fields.required("type", |node, path| {
        node.parsed(path, |text| {
            TYPES.iter().find(|known| **known == text).copied().ok_or_else(|| unsupported(text, &TYPES))
        })
    })?;
    let mut source = None;
    let mut second = None;
    let sources: [(&'static str, &str, ReadMetric); 5] = [
        ("resource", "Resource", resource),
        ("containerResource", "ContainerResource", container_resource),
        ("pods", "Pods", pods),
        ("object", "Object", object_metric),
        ("external", "External", external),
    ];
    for (name, own, read) in sources {
        let read = |node: &Node, path: &str| {
            if own == kind {
                read(node, path).map(Some)
            } else {
                second.get_or_insert_with(|| forbidden(node, path, "must populate the given metric source only"));
                Ok(None)
            }
        };
        source = fields.optional(name, read)?.flatten().or(source);
    }
    fields.end()?;
    if let Some(problem) = second {
        return Err(problem);
    }
    source.ok_or_else(|| {
        let mut name = kind.to_owned();
        name[..1].make_ascii_lowercase();
        required(node, &format!("{path}.{name}"), "must populate information for the given metric source")
    })
}

/// A `MetricTarget`: what of it is there.
#[derive(Default)]
struct Target {
    kind: String,
    value: Option<Quantity>,
    average: Option<Quantity>,
    utilization: Option<i32>,
}

fn target(node: &Node, path: &str) -> Result<Target, Problem> {
    let positive = |node: &Node, path: &str| {
        let quantity = node.parsed(path, Quantity::parse)?;
        if quantity.nanos() > 0 { Ok(quantity) } else { Err(invalid(node, path, quantity, "must be positive")) }
    };
    let mut fields = Fields::of(node, path)?;
    let kind = fields.required("type", |node, path| {
        node.parsed(path, |text| match text {
            "Utilization" | "Value" | "AverageValue" => Ok(text.to_owned()),
            _ => Err(format!("Invalid value: \"{text}\": must be either Utilization, Value, or AverageValue")),
        })
    })?;
    let value = fields.optional("value", positive)?;
    let average = fields.optional("averageValue", positive)?;
    let utilization =
        fields.optional("averageUtilization", |node, path| at_least(node, path, 1, "must be greater than 0"))?;
    fields.end()?;
    Ok(Target { kind, value, average, utilization })
}

fn identifier(node: &Node, path: &str) -> Result<MetricName, Problem> {
    let mut fields = Fields::of(node, path)?;
    let name = fields.required("name", segment)?;
    let selector = fields.optional("selector", label_selector)?;
    fields.end()?;
    Ok(MetricName { name, selector })
}

fn label_selector(node: &Node, path: &str) -> Result<LabelSelector, Problem> {
    let mut fields = Fields::of(node, path)?;
    let mut labels = fields.optional("matchLabels", Node::pairs)?.unwrap_or_default();
    labels.sort();
    let expressions =
        fields.optional("matchExpressions", |node, path| node.list(path, requirement))?.unwrap_or_default();
    fields.end()?;
    let selector = LabelSelector { labels, expressions };
    // The API's own grammar has the last word on names and values.
    Selector::parse(&selector.query()).map_err(|error| Problem::new(node.at(), path, error.to_string()))?;
    Ok(selector)
}

fn requirement(node: &Node, path: &str) -> Result<Requirement, Problem> {
    let mut fields = Fields::of(node, path)?;
    let key = fields.required("key", Node::text)?;
    let operator = fields.required("operator", |node, path| {
        node.parsed(path, |text| match text {
            "In" => Ok(Operator::In),
            "NotIn" => Ok(Operator::NotIn),
            "Exists" => Ok(Operator::Exists),
            "DoesNotExist" => Ok(Operator::DoesNotExist),
            _ => Err(format!("Invalid value: \"{text}\": not a valid selector operator")),
        })
    })?;
    let values = fields.optional("values", |node, path| node.list(path, Node::text))?.unwrap_or_default();
    let path = fields.path_of("values");
    fields.end()?;
    match (operator, values.is_empty()) {
        (Operator::In | Operator::NotIn, true) => {
            Err(required(node, &path, "must be specified when `operator` is 'In' or 'NotIn'"))
        }
        (Operator::Exists | Operator::DoesNotExist, false) => {
            Err(forbidden(node, &path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
        }
        _ => Ok(Requirement { key, operator, values }),
    }
}

fn resource_target(node: &Node, path: &str) -> Result<ResourceTarget, Problem> {
    let found = target(node, path)?;
    match (found.utilization, found.average) {
        (Some(percent), None) => Ok(ResourceTarget::Utilization(percent)),
        (None, Some(average)) => Ok(ResourceTarget::AverageValue(average)),
        (None, None) => {
            let path = format!("{path}.averageUtilization");
            Err(required(node, &path, "must set either a target raw value or a target utilization"))
        }
        (Some(_), Some(_)) => {
            let path = format!("{path}.averageValue");
            Err(forbidden(node, &path, "may not set both a target raw value and a target utilization"))
        }
    }
}

fn resource(node: &Node, path: &str) -> Result<Metric, Problem> {
    let mut fields = Fields::of(node, path)?;
    let name = fields.required("name", segment)?;
    let target = fields.required("target", resource_target)?;
    fields.end()?;
    Ok(Metric::Resource { name, container: None, target })
}

fn container_resource(node: &Node, path: &str) -> Result<Metric, Problem> {
    let mut fields = Fields::of(node, path)?;
    let name = fields.required("name", resource_name)?;
    let container = fields.required("container", label)?;
    let target = fields.required("target", resource_target)?;
    fields.end()?;
    Ok(Metric::Resource { name, container: Some(container), target })
}

fn pods(node: &Node, path: &str) -> Result<Metric, Problem> {
    let mut fields = Fields::of(node, path)?;
    let metric = fields.required("metric", identifier)?;
    let average = fields.required("target", |node, path| {
        let why = "must specify a positive target averageValue";
        target(node, path)?.average.ok_or_else(|| required(node, &format!("{path}.averageValue"), why))
    })?;
    fields.end()?;
    Ok(Metric::Pods { metric, average })
}

fn object_metric(node: &Node, path: &str) -> Result<Metric, Problem> {
    let mut fields = Fields::of(node, path)?;
    let described = fields.required("describedObject", reference)?;
    let metric = fields.required("metric", identifier)?;
    let target = fields.required("target", |node, path| {
        let found = target(node, path)?;
        match (found.kind.as_str(), found.value, found.average) {
            ("Value", Some(value), _) => Ok(TotalTarget::Value(value)),
            ("AverageValue", _, Some(average)) => Ok(TotalTarget::AverageValue(average)),
            (_, None, None) => {
                let path = format!("{path}.averageValue");
                Err(required(node, &path, "must set either a target value or averageValue"))
            }
            (kind, ..) => {
                let why = format!("the API server takes it, the controller then finds no target of type {kind}");
                Err(Problem::new(node.at(), format!("{path}.type"), why))
            }
        }
    })?;
    fields.end()?;
    Ok(Metric::Object { described, metric, target })
}

fn external(node: &Node, path: &str) -> Result<Metric, Problem> {
    let mut fields = Fields::of(node, path)?;
    let metric = fields.required("metric", identifier)?;
    let target = fields.required("target", |node, path| {
        let found = target(node, path)?;
        match (found.value, found.average) {
            (Some(value), None) => Ok(TotalTarget::Value(value)),
            (None, Some(average)) => Ok(TotalTarget::AverageValue(average)),
            (None, None) => {
                let path = format!("{path}.averageValue");
                Err(required(node, &path, "must set either a target value for metric or a per-pod target"))
            }
            (Some(_), Some(_)) => {
                let path = format!("{path}.value");
                Err(forbidden(node, &path, "may not set both a target value for metric and a per-pod target"))
            }
        }
    })?;
    fields.end()?;
    Ok(Metric::External { metric, target })
}
