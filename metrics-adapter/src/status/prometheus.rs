use std::collections::BTreeMap;

use serde::Serialize;

use super::report::ErrorReport;
use crate::lookup::Instant;
use crate::model::{Moment, QueryFailure};
use crate::rules::{ListedSeries, Refusal, RuleOutcome, SeriesRule};
use crate::store::{Asked, RuleListing};

/// So many of a rule's series are named.
const NAMES: usize = 12;

/// Prometheus: the rules that say what it is asked, and what it is asked at present.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusReport {
    /// Where it is.
    pub url: String,
    /// Whether the last request succeeded; none, as long as there was none.
    pub up: Option<bool>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    /// The time from one answer to the next, as `5s`.
    pub interval: String,
    /// The age from which an answer is none, as `15s`.
    pub stale_after: String,
    /// The rules of prometheus-adapter's kind.
    pub rules: Vec<RuleReport>,
    /// What it is asked at present, sorted by what for.
    pub queries: Vec<QueryReport>,
}

/// A rule of prometheus-adapter's kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleReport {
    /// `rules` or `externalRules`.
    pub kind: &'static str,
    /// The line of the file that it begins in.
    pub line: usize,
    /// Which series it is about.
    pub series_query: String,
    /// How many series it found; none, before the first listing.
    pub series: Option<usize>,
    /// The names of some of them.
    pub names: Vec<String>,
    /// The metrics that it offers, as `pods/http_requests_per_second`.
    pub metrics: Vec<String>,
    /// The age of the last listing that succeeded, in seconds.
    pub listed_seconds_ago: Option<f64>,
    /// Why the last failed.
    pub error: Option<ErrorReport>,
    /// What is odd about it.
    pub problems: Vec<String>,
}

/// A question that somebody asks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryReport {
    /// The metric that it is asked for, as `pods/http_requests_per_second`.
    pub metric: String,
    /// What Prometheus is asked.
    pub query: String,
    /// How often somebody asked since the first.
    pub asked: u64,
    /// When somebody asked last, in seconds before now.
    pub asked_seconds_ago: f64,
    /// How often Prometheus was asked.
    pub attempts: u64,
    /// How often that failed.
    pub failures: u64,
    /// The age of its last answer, in seconds.
    pub answered_seconds_ago: Option<f64>,
    /// How long that took, in seconds.
    pub duration_seconds: Option<f64>,
    /// How many samples it had.
    pub samples: Option<usize>,
    /// Whether it is too old.
    pub stale: bool,
    /// What the values are taken over, in seconds.
    pub window_seconds: f64,
    /// Why the last attempt failed.
    pub error: Option<ErrorReport>,
    /// What Prometheus said is odd about it.
    pub warnings: Vec<String>,
}

impl RuleReport {
    /// The metrics, each with the resources that it is offered of.
    pub(super) fn names_with_resources(&self) -> Vec<(&str, Vec<&str>)> {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for metric in &self.metrics {
            let (resource, name) = metric.rsplit_once('/').unwrap_or(("", metric));
            names.entry(name).or_default().extend(Some(resource).filter(|own| !own.is_empty()));
        }
        names.into_iter().collect()
    }
}

impl From<&QueryFailure> for ErrorReport {
    fn from(failure: &QueryFailure) -> Self {
        Self { reason: failure.reason.label(), problem: failure.problem.clone() }
    }
}

impl RuleReport {
    fn of(
        kind: &'static str,
        rule: &SeriesRule,
        listing: &RuleListing,
        outcome: Option<&RuleOutcome>,
        metrics: Vec<String>,
        now: Moment,
    ) -> Self {
        let count = |series: &[ListedSeries]| series.iter().map(|own| own.count).sum();
        let mut names: Vec<String> = listing.series.iter().map(|own| own.name.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(NAMES);
        Self {
            kind,
            line: rule.line,
            series_query: rule.series_query.clone(),
            series: listing.listed.map(|_| count(&listing.series)),
            names,
            metrics,
            listed_seconds_ago: listing.listed.map(|(at, _)| now.since(at).as_secs_f64()),
            error: listing.failure.as_ref().map(ErrorReport::from),
            problems: outcome.map(problems).unwrap_or_default(),
        }
    }
}

/// What is odd about a rule: what is wrong with it, and what of its series became no metric of its own.
fn problems(outcome: &RuleOutcome) -> Vec<String> {
    // What filters keep out is as it was meant.
    let odd = outcome.refused.iter().filter(|(_, why)| matches!(why, Refusal::EmptyName | Refusal::NoResource));
    let refused = odd.take(NAMES).map(|(series, why)| format!("{series} makes no metric: {why}"));
    let overridden = outcome.overridden.iter().take(NAMES).map(|own| {
        let of = own.resource.map_or(String::new(), |resource| format!("{resource}/"));
        format!("{of}{} of {} is made of {} instead, by a later rule or series", own.metric, own.series, own.by_series)
    });
    outcome.problems.iter().cloned().chain(overridden).chain(refused).collect()
}

impl QueryReport {
    fn of(asked: &Asked, now: Moment) -> Self {
        let state = asked.state();
        let answer = state.answer.as_ref();
        Self {
            metric: asked.what.to_string(),
            query: asked.question.query.to_string(),
            asked: asked.times(),
            asked_seconds_ago: now.since(asked.last_asked()).as_secs_f64(),
            attempts: state.attempts,
            failures: state.failures,
            answered_seconds_ago: answer.map(|own| now.since(own.at).as_secs_f64()),
            duration_seconds: answer.map(|own| own.took.as_secs_f64()),
            samples: answer.map(|own| own.samples.len()),
            stale: answer.is_some() && state.fresh(now).is_none(),
            window_seconds: asked.question.window.as_secs_f64(),
            error: state.failure.as_ref().map(ErrorReport::from),
            warnings: answer.map(|own| own.warnings.clone()).unwrap_or_default(),
        }
    }
}

/// The rules, with what they found and offer.
pub(super) fn rules(instant: &Instant) -> Vec<RuleReport> {
    let (catalog, now) = (&instant.catalog, instant.now.moment);
    let custom = catalog.config.series_rules.iter().zip(&catalog.custom).enumerate().map(|(place, (rule, listing))| {
        let offers = catalog.offers.all_custom().filter(|own| own.rule == place);
        let metrics = offers.map(|own| format!("{}/{}", own.resource, own.metric)).collect();
        RuleReport::of("rules", rule, listing, catalog.offers.outcomes().get(place), metrics, now)
    });
    let external = catalog.config.external_rules.iter().zip(&catalog.external).enumerate();
    let external = external.map(|(place, (rule, listing))| {
        let offers = catalog.offers.all_external().filter(|own| own.rule == place);
        let metrics = offers.map(|own| own.metric.to_string()).collect();
        RuleReport::of("externalRules", rule, listing, catalog.offers.external_outcomes().get(place), metrics, now)
    });
    custom.chain(external).collect()
}

/// What is asked at present.
pub(super) fn queries(asked: &[std::sync::Arc<Asked>], now: Moment) -> Vec<QueryReport> {
    let mut queries: Vec<QueryReport> = asked.iter().map(|own| QueryReport::of(own, now)).collect();
    queries.sort_by(|one, other| (&one.metric, &one.query).cmp(&(&other.metric, &other.query)));
    queries
}
