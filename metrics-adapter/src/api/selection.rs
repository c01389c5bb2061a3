use super::failure::Failure;
use crate::model::{FieldSelector, Selector};

/// What a request's query asks for. What else is in it is passed over, as Kubernetes does.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) labels: Selector,
    pub(super) metric_labels: Selector,
    pub(super) fields: FieldSelector,
    pub(super) watch: bool,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            // Of several the first counts, as for Go: by that it was decided whether this may be answered.
            if seen.iter().any(|own| *own == *name) {
                continue;
            }
            match &*name {
                "labelSelector" => parsed.labels = Selector::parse(&value)?,
                "metricLabelSelector" => parsed.metric_labels = Selector::parse(&value)?,
                "fieldSelector" => parsed.fields = FieldSelector::parse(&value)?,
                "watch" => parsed.watch = !(value == "0" || value.eq_ignore_ascii_case("false")),
                _ => continue,
            }
            seen.push(name.into_owned());
        }
        Ok(parsed)
    }
}
