use std::fmt::Write as _;

use k8s_openapi::api::autoscaling::v2::{CrossVersionObjectReference, MetricIdentifier, MetricSpec};
use kube::core::Selector;

use super::super::MetricsApi;
use super::target::{Scaled, kind_of};
use crate::model::DiscoveredResource;

/// What is wrong, and what mends it.
type Wrong = (String, String);

/// What the autoscalers' controller asks for one metric.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) api: MetricsApi,
    /// In words.
    pub(super) what: String,
    /// With its query.
    pub(super) path: String,
    /// What discovery calls it, where that lists metrics.
    pub(super) listed: Option<String>,
    pub(super) of: Of,
}

/// What the values are of.
#[derive(Debug)]
pub(super) enum Of {
    /// Of each pod; of CPU or memory, this one, of all containers or of one.
    Pods { resource: Option<String>, container: Option<String> },
    /// Of one object.
    Object,
    /// Of nothing in the cluster.
    External,
}

impl Question {
    pub(super) fn of(
        metric: &MetricSpec,
        api: MetricsApi,
        version: &str,
        scaled: &Scaled,
        kinds: Option<&[DiscoveredResource]>,
    ) -> Result<Self, Wrong> {
        let base = format!("/apis/{}/{version}/namespaces/{}", api.group(), scaled.namespace);
        let pods = ("labelSelector", scaled.selector.clone());
        let resource = metric.resource.as_ref().map(|own| (&own.name, None));
        let container = metric.container_resource.as_ref().map(|own| (&own.name, Some(own.container.clone())));
        if let Some((name, container)) = resource.or(container) {
            let whose = container.as_ref().map(|name| format!("container {name} of ")).unwrap_or_default();
            return Ok(Self {
                api,
                what: format!("{name} of {whose}pods {}", scaled.selector),
                path: format!("{base}/pods?{}", query(&[pods])),
                listed: None,
                of: Of::Pods { resource: Some(name.clone()), container },
            });
        }
        if let Some(own) = &metric.pods {
            let metric = &own.metric.name;
            return Ok(Self {
                api,
                what: format!("metric {metric} of pods {}", scaled.selector),
                path: format!("{base}/pods/%2A/{}?{}", escaped(metric), query(&[pods, labels(&own.metric)?])),
                listed: Some(format!("pods/{metric}")),
                of: Of::Pods { resource: None, container: None },
            });
        }
        if let Some(own) = &metric.object {
            return Self::of_object(api, &base, &own.described_object, &own.metric, kinds);
        }
        let Some(own) = &metric.external else {
            return Err((
                format!("its metric of type {} says nothing more", metric.type_),
                "say which metric it is".to_owned(),
            ));
        };
        let metric = &own.metric.name;
        let labels = ("labelSelector", labels(&own.metric)?.1);
        Ok(Self {
            api,
            what: format!("external metric {metric}"),
            path: format!("{base}/{}?{}", escaped(metric), query(&[labels])),
            listed: None,
            of: Of::External,
        })
    }

    fn of_object(
        api: MetricsApi,
        base: &str,
        object: &CrossVersionObjectReference,
        metric: &MetricIdentifier,
        kinds: Option<&[DiscoveredResource]>,
    ) -> Result<Self, Wrong> {
        let name = &metric.name;
        let what = format!("metric {name} of {} {}", object.kind, object.name);
        let query = query(&[labels(metric)?]);
        let (path, listed) = if object.kind == "Namespace" {
            (format!("{base}/metrics/{}?{query}", escaped(name)), Some(format!("namespaces/{name}")))
        } else {
            let resource = match kind_of(object, kinds)? {
                Some(kind) if kind.group.is_empty() => kind.plural.clone(),
                Some(kind) => format!("{}.{}", kind.plural, kind.group),
                // What kinds there are could not be seen: most are called so.
                None => format!("{}s", object.kind.to_lowercase()),
            };
            let path = format!("{base}/{resource}/{}/{}?{query}", escaped(&object.name), escaped(name));
            (path, Some(format!("{resource}/{name}")))
        };
        Ok(Self { api, what, path: path.trim_end_matches('?').to_owned(), listed, of: Of::Object })
    }

    /// The same for one pod by its name.
    pub(super) fn of_one(&self, pod: &str) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        match &self.of {
            Of::Pods { resource: Some(_), .. } => format!("{path}/{pod}"),
            _ => path.replace("/pods/%2A/", &format!("/pods/{pod}/")),
        }
    }
}

/// Which series are wanted, as a parameter.
fn labels(metric: &MetricIdentifier) -> Result<(&'static str, String), Wrong> {
    let selector = metric.selector.clone().unwrap_or_default();
    let selector: Selector = selector.try_into().map_err(|error| {
        (
            format!("the selector of its metric {} is none: {error}", metric.name),
            "correct spec.metrics[].selector".to_owned(),
        )
    })?;
    Ok(("metricLabelSelector", selector.to_string()))
}

/// Of the parameters that say something.
fn query(parameters: &[(&'static str, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

/// As a part of a path.
fn escaped(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => path.push(char::from(byte)),
            // Writing to a string cannot fail.
            other => _ = write!(path, "%{other:02X}"),
        }
    }
    path
}
