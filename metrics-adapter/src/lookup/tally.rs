use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cluster::Pod;
use crate::model::{Absence, Selector};
use crate::store::PodRecord;

/// Why something has no value, in the words of where it would come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Of a target that is scraped.
    Scraped(Absence),
    /// Of an answer of Prometheus's.
    Asked(Absence),
}

impl Reason {
    /// After "2 pods, ".
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Scraped(absence) => absence.explain(),
            Self::Asked(Absence::NotFinite) => "with a value that is no finite number",
            Self::Asked(Absence::Negative) => "with a negative value",
            Self::Asked(Absence::Ambiguous) => "with more than one value in Prometheus's answer",
            Self::Asked(_) => "not in Prometheus's answer",
        }
    }

    /// The same of all of them.
    #[must_use]
    pub fn explain_all(self) -> &'static str {
        match self {
            Self::Scraped(absence) => absence.explain_all(),
            Self::Asked(Absence::NotFinite) => "no value is a finite number",
            Self::Asked(Absence::Negative) => "all values are negative",
            Self::Asked(Absence::Ambiguous) => {
                "each has more than one value in Prometheus's answer; the query must give one, by its labels"
            }
            Self::Asked(_) => "none is in Prometheus's answer",
        }
    }
}

/// Why objects have no value: so many of each reason.
#[derive(Debug, Default)]
pub(super) struct Tally {
    absent: BTreeMap<Reason, usize>,
    /// A pod whose last scrape failed, and how.
    failed: Option<String>,
    /// So many have a value, which does not count without that of the others.
    part: usize,
}

impl Tally {
    pub(super) fn add(&mut self, reason: Reason) {
        *self.absent.entry(reason).or_default() += 1;
    }

    pub(super) fn add_pod(&mut self, absence: Absence, pod: &Pod, record: Option<&PodRecord>) {
        self.add(Reason::Scraped(absence));
        if let Some(failure) = record.and_then(|record| record.target.failure.as_ref())
            && self.failed.is_none()
        {
            self.failed =
                Some(format!("the last scrape of {} failed: {}: {}", pod.name, failure.reason, failure.problem));
        }
    }

    /// Some have a value, but they would pass for all.
    pub(super) fn add_part(&mut self, measured: usize) {
        self.part += measured;
    }

    /// The cause, after what was looked at: `3 pods match app=web`.
    pub(super) fn explain(&self, looked_at: &str, series: &Selector) -> String {
        let mut text = looked_at.to_owned();
        match self.absent.iter().next() {
            Some((reason, _)) if self.absent.len() == 1 && self.part == 0 => {
                text.push_str(", ");
                text.push_str(reason.explain_all());
            }
            _ => {
                for (at, (reason, pods)) in self.absent.iter().enumerate() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{} {pods} {}", if at == 0 { ":" } else { "," }, reason.explain());
                }
            }
        }
        let of_no_series =
            |reason: &Reason| matches!(reason, Reason::Scraped(Absence::NoSeries) | Reason::Asked(Absence::NoSeries));
        if !series.is_empty() && self.absent.keys().any(of_no_series) {
            let _ = write!(text, " (with {series})");
        }
        if self.part > 0 {
            let _ = write!(text, "; the other {} would pass for all", self.part);
        }
        if let Some(failed) = &self.failed {
            let _ = write!(text, "; {failed}");
        }
        text
    }
}

/// `3 pods match app=web in namespace shop`, `1 pod is in namespace shop`.
#[must_use]
pub fn pods_that_match(pods: usize, labels: &Selector, namespace: Option<&str>) -> String {
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
