use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::failure::Failure;
use crate::cluster::Pod;
use crate::model::{Absence, FieldSelector, Selector};
use crate::store::PodRecord;

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

/// Why pods have no value: so many of each reason.
#[derive(Debug, Default)]
pub(super) struct Tally {
    absent: BTreeMap<Absence, usize>,
    /// A pod whose last scrape failed, and how.
    failed: Option<String>,
}

impl Tally {
    pub(super) fn add(&mut self, absence: Absence, pod: &Pod, record: Option<&PodRecord>) {
        *self.absent.entry(absence).or_default() += 1;
        if let Some(failure) = record.and_then(|record| record.target.failure.as_ref())
            && self.failed.is_none()
        {
            self.failed =
                Some(format!("the last scrape of {} failed: {}: {}", pod.name, failure.reason, failure.problem));
        }
    }

    /// The cause, after what was looked at: `3 pods match app=web`.
    pub(super) fn explain(&self, looked_at: &str, metric_labels: &Selector) -> String {
        let mut text = looked_at.to_owned();
        match self.absent.iter().next() {
            Some((absence, _)) if self.absent.len() == 1 => {
                text.push_str(", ");
                text.push_str(absence.explain_all());
            }
            _ => {
                for (at, (absence, pods)) in self.absent.iter().enumerate() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{} {pods} {}", if at == 0 { ":" } else { "," }, absence.explain());
                }
            }
        }
        if !metric_labels.is_empty() && self.absent.contains_key(&Absence::NoSeries) {
            let _ = write!(text, " (with {metric_labels})");
        }
        if let Some(failed) = &self.failed {
            let _ = write!(text, "; {failed}");
        }
        text
    }
}

/// `3 pods match app=web in namespace shop`, `1 pod is in namespace shop`.
pub(super) fn pods_that_match(pods: usize, labels: &Selector, namespace: Option<&str>) -> String {
    let count = match pods {
        0 => "no pods".to_owned(),
        1 => "1 pod".to_owned(),
        pods => format!("{pods} pods"),
    };
    let place = namespace.map_or(String::new(), |namespace| format!(" in namespace {namespace}"));
    match (labels.is_empty(), pods) {
        (true, 1) => format!("{count} is{place}"),
        (true, _) => format!("{count} are{place}"),
        (false, 1) => format!("{count} matches {labels}{place}"),
        (false, _) => format!("{count} match {labels}{place}"),
    }
}
