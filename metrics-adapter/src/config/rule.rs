use std::time::Duration;

use crate::model::Selector;

/// One metric that is served, and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The metric's name in the custom metrics API.
    pub name: String,
    /// The name of the samples it is made of.
    pub series: String,
    /// How samples become a value.
    pub kind: Kind,
    /// Which of the series count.
    pub select: Selector,
    /// How the values of several series, and then of several pods, become one.
    pub aggregate: Aggregate,
    /// Whether values below zero are values.
    pub allow_negative: bool,
    /// What it is, for the status page.
    pub description: Option<String>,
}

/// How samples become a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its growth a second, over the window.
    Counter {
        /// What the rate is taken over.
        window: Duration,
    },
    /// The last sample as it is.
    Gauge,
}

/// How several values become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// All of them together.
    #[default]
    Sum,
    /// Their mean.
    Average,
    /// The largest.
    Maximum,
    /// The smallest.
    Minimum,
}

impl Kind {
    /// As in the configuration file.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Counter { .. } => "counter",
            Self::Gauge => "gauge",
        }
    }
}

impl Aggregate {
    /// As in the configuration file.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Average => "average",
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Sum, Self::Average, Self::Maximum, Self::Minimum];
        all.into_iter()
            .find(|own| own.label() == text)
            .ok_or_else(|| format!("`{text}` is none of sum, average, maximum, minimum"))
    }

    /// One value of several; none of none.
    pub fn of(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let mut count = 0.0;
        let combined = values.inspect(|_| count += 1.0).reduce(|one, other| match self {
            Self::Sum | Self::Average => one + other,
            Self::Maximum => one.max(other),
            Self::Minimum => one.min(other),
        });
        if self == Self::Average { combined.map(|sum| sum / count) } else { combined }
    }
}

impl Rule {
    /// The rate of conduit's requests: what is served without a configuration file.
    pub(super) fn http_requests_per_second() -> Self {
        Self {
            name: "http_requests_per_second".to_owned(),
            series: "http_requests_total".to_owned(),
            kind: Kind::Counter { window: super::file::WINDOW },
            select: Selector::default(),
            aggregate: Aggregate::Sum,
            allow_negative: false,
            description: Some("HTTP requests that were answered, a second".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_become_one_as_the_rule_says() {
        let of = |aggregate: Aggregate| aggregate.of([3.0, 1.0, 2.0].into_iter());
        assert_eq!(of(Aggregate::Sum), Some(6.0));
        assert_eq!(of(Aggregate::Average), Some(2.0));
        assert_eq!(of(Aggregate::Maximum), Some(3.0));
        assert_eq!(of(Aggregate::Minimum), Some(1.0));
        assert_eq!(Aggregate::Average.of(std::iter::empty()), None, "no value is not zero");
    }
}
