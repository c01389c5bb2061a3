use std::time::Duration;

use super::{Config, PodRule, Rule, ScrapeSettings, ScrapeTls, metrics, prometheus, series};
use crate::model::quantity::Quantity;
use crate::yaml::{self, Fields, Node, Problem};

/// The window of a counter that names none: two intervals, so that one scrape may fail.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Scraping more often measures the scraping.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// Nothing here is meant for longer.
const LONGEST: Duration = Duration::from_hours(24);

pub(super) fn parse(text: &str) -> Result<Config, Problem> {
    let root = yaml::load(text)?;
    let mut fields = Fields::of(&root, "")?;
    let mut warnings = Warnings::default();
    let scrape = fields.optional("scrape", scrape)?.unwrap_or_default();
    let metrics = fields.optional("metrics", |node, path| metrics::read(node, path, &scrape, &mut warnings))?;
    let prometheus = fields.optional("prometheus", prometheus::read)?;
    let external =
        fields.optional("externalMetrics", |node, path| metrics::read_external(node, path, &mut warnings))?;
    let series_rules = fields
        .optional("rules", |node, path| node.list(path, |node, path| series::rule(node, path, true, &mut warnings)))?;
    let external_rules = fields.optional("externalRules", |node, path| {
        node.list(path, |node, path| series::rule(node, path, false, &mut warnings))
    })?;
    let resource_rules =
        fields.optional("resourceRules", |node, path| series::resource_rules(node, path, &mut warnings))?;
    fields.end()?;
    let of_prometheus_adapter = series_rules.is_some() || external_rules.is_some() || resource_rules.is_some();
    let (rules, queries) = match metrics {
        Some(metrics) => metrics,
        None if of_prometheus_adapter => (Vec::new(), Vec::new()),
        None => (vec![Rule::http_requests_per_second()], Vec::new()),
    };
    let mut config = Config::with(scrape, rules);
    (config.prometheus, config.without_url) = match prometheus {
        Some((settings, true)) => (Some(settings), None),
        Some((settings, false)) => (None, Some(settings)),
        None => (None, None),
    };
    (config.queries, config.external_queries) = (queries, external.unwrap_or_default());
    config.series_rules = series_rules.unwrap_or_default();
    config.external_rules = external_rules.unwrap_or_default();
    config.resource_rules = resource_rules;
    config.warnings = warnings.0;
    Ok(config)
}

/// What is odd about a file, though it is read: one line each, with its place.
#[derive(Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    pub(super) fn add(&mut self, node: &Node, path: &str, warning: String) {
        self.0.push(Problem::new(node.at(), path, warning).to_string());
    }
}

fn scrape(node: &Node, path: &str) -> Result<ScrapeSettings, Problem> {
    let mut fields = Fields::of(node, path)?;
    let mut settings = ScrapeSettings::default();
    if let Some(interval) = fields.optional("interval", duration)? {
        if interval < SHORTEST_INTERVAL {
            let problem = format!("{interval:?} is too short; {SHORTEST_INTERVAL:?} is the least");
            return Err(Problem::new(fields.at(), fields.path_of("interval"), problem));
        }
        settings.interval = interval;
        settings.timeout = settings.timeout.min(interval);
        settings.stale_after = interval * 3;
    }
    if let Some(timeout) = fields.optional("timeout", duration)? {
        if timeout > settings.interval {
            let problem = format!("{timeout:?} is longer than the interval of {:?}", settings.interval);
            return Err(Problem::new(fields.at(), fields.path_of("timeout"), problem));
        }
        settings.timeout = timeout;
    }
    if let Some(stale_after) = fields.optional("staleAfter", duration)? {
        if stale_after <= settings.interval {
            let problem = format!(
                "{stale_after:?} is no longer than the interval of {:?}: every value would be stale before the next",
                settings.interval
            );
            return Err(Problem::new(fields.at(), fields.path_of("staleAfter"), problem));
        }
        settings.stale_after = stale_after;
    }
    settings.concurrency = fields.optional("concurrency", count)?.unwrap_or(settings.concurrency);
    settings.body_limit = fields.optional("bodyLimit", bytes)?.unwrap_or(settings.body_limit);
    settings.series_limit = fields.optional("seriesLimit", count)?.unwrap_or(settings.series_limit);
    settings.tls = fields.optional("tls", scrape_tls)?.unwrap_or_default();
    settings.pods.annotations = fields.optional("annotations", Node::boolean)?.unwrap_or(true);
    settings.pods.rules = fields.optional("pods", |node, path| node.list(path, PodRule::read))?.unwrap_or_default();
    fields.end()?;
    Ok(settings)
}

fn scrape_tls(node: &Node, path: &str) -> Result<ScrapeTls, Problem> {
    let mut fields = Fields::of(node, path)?;
    let ca_file = fields.optional("caFile", Node::text)?.map(Into::into);
    let insecure_skip_verify = fields.optional("insecureSkipVerify", Node::boolean)?.unwrap_or(false);
    if ca_file.is_some() && insecure_skip_verify {
        return Err(Problem::new(fields.at(), path, "caFile and insecureSkipVerify contradict each other"));
    }
    fields.end()?;
    Ok(ScrapeTls { ca_file, insecure_skip_verify })
}

pub(super) fn duration(node: &Node, path: &str) -> Result<Duration, Problem> {
    node.parsed(path, |text| match humantime::parse_duration(text) {
        Err(error) => Err(format!("`{text}` is not a duration: {error}; write it as 500ms, 10s or 2m")),
        Ok(given) if given.is_zero() => Err("must be more than zero".to_owned()),
        Ok(given) if given > LONGEST => Err(format!("`{text}` is too long; 24h is the most")),
        Ok(given) => Ok(given),
    })
}

pub(super) fn count(node: &Node, path: &str) -> Result<usize, Problem> {
    node.parsed(path, |text| match text.parse() {
        Ok(count) if (1..=1_000_000).contains(&count) => Ok(count),
        _ => Err(format!("`{text}` is not a number from 1 to 1000000")),
    })
}

pub(super) fn bytes(node: &Node, path: &str) -> Result<usize, Problem> {
    node.parsed(path, |text| {
        let quantity = Quantity::parse(text).map_err(|error| error.to_string())?;
        match usize::try_from(quantity.milli() / 1000) {
            Ok(bytes @ 1..=0x4000_0000) => Ok(bytes),
            _ => Err(format!("`{text}` is not between 1 and 1Gi")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Aggregate, Kind};

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = parse("scrape: {interval: 1s}").unwrap();
        assert_eq!(config.scrape.timeout, Duration::from_secs(1), "no longer than the interval");
        assert_eq!(config.scrape.stale_after, Duration::from_secs(3));
        assert_eq!(config.rules, vec![Rule::http_requests_per_second()]);
        let config = parse("metrics:\n- {name: a, series: b, type: counter}\nscrape: {interval: 30s}\n").unwrap();
        assert_eq!(config.rules[0].kind, Kind::Counter { window: Duration::from_mins(1) }, "two intervals at least");
        assert_eq!(parse("metrics: []").unwrap().rules, vec![]);
    }

    #[test]
    fn every_field_is_read() {
        let config = parse(
            "scrape:\n  interval: 2s\n  timeout: 1s\n  concurrency: 8\n  bodyLimit: 1Mi\n  seriesLimit: 100\n  \
             staleAfter: 1m\n  tls: {caFile: /ca.pem, insecureSkipVerify: false}\nmetrics:\n- name: queue_depth\n  \
             series: jobs_waiting\n  type: gauge\n  select: queue in (mail, sms)\n  aggregate: maximum\n  \
             allowNegative: true\n  description: waiting jobs\n- {name: r, series: r_total, type: counter, window: 1m}\n",
        )
        .unwrap();
        let scrape = &config.scrape;
        assert_eq!((scrape.concurrency, scrape.body_limit, scrape.series_limit), (8, 1 << 20, 100));
        assert_eq!(scrape.stale_after, Duration::from_mins(1));
        assert_eq!(scrape.tls.ca_file.as_deref(), Some(std::path::Path::new("/ca.pem")));
        let rule = &config.rules[0];
        assert_eq!((rule.kind, rule.aggregate, rule.allow_negative), (Kind::Gauge, Aggregate::Maximum, true));
        assert_eq!(rule.select.to_string(), "queue in (mail,sms)");
        assert_eq!(config.rules[1].kind, Kind::Counter { window: Duration::from_mins(1) });
        assert_eq!(config.rule("r").unwrap().0, 1);
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_what_to_write_instead() {
        let rule = |rest: &str| format!("metrics:\n- name: a\n  series: b_total\n{rest}");
        let table = [
            ("scarpe: {}".to_owned(), "line 1, column 1: scarpe: unknown key; did you mean `scrape`?"),
            (
                "scrape: {intervall: 1s}".to_owned(),
                "line 1, column 10: scrape.intervall: unknown key; did you mean `interval`?",
            ),
            (
                "scrape: {interval: 5}".to_owned(),
                "line 1, column 20: scrape.interval: `5` is not a duration: time unit needed, for example 5sec or 5ms; write it as 500ms, 10s or 2m",
            ),
            (
                "scrape: {interval: 10ms}".to_owned(),
                "line 1, column 9: scrape.interval: 10ms is too short; 100ms is the least",
            ),
            (
                "scrape: {timeout: 6s}".to_owned(),
                "line 1, column 9: scrape.timeout: 6s is longer than the interval of 5s",
            ),
            (
                "scrape: {staleAfter: 5s}".to_owned(),
                "line 1, column 9: scrape.staleAfter: 5s is no longer than the interval of 5s: every value would be stale before the next",
            ),
            (
                "scrape: {concurrency: 0}".to_owned(),
                "line 1, column 23: scrape.concurrency: `0` is not a number from 1 to 1000000",
            ),
            (
                "scrape: {bodyLimit: 2Gi}".to_owned(),
                "line 1, column 21: scrape.bodyLimit: `2Gi` is not between 1 and 1Gi",
            ),
            (
                "scrape: {bodyLimit: 16MB}".to_owned(),
                "line 1, column 21: scrape.bodyLimit: `16MB` is not a quantity: its suffix is unknown; write it as 1500m, 2k or 50Mi",
            ),
            (
                "scrape: {tls: {caFile: a, insecureSkipVerify: true}}".to_owned(),
                "line 1, column 15: scrape.tls: caFile and insecureSkipVerify contradict each other",
            ),
            (
                "scrape: {tls: {insecureSkipVerify: yes}}".to_owned(),
                "line 1, column 36: scrape.tls.insecureSkipVerify: expected true or false, found `yes`",
            ),
            ("metrics: {name: a}".to_owned(), "line 1, column 10: metrics: expected a list, found a mapping"),
            (rule(""), "line 2, column 3: metrics[0]: `type` is missing"),
            (
                rule("  type: histogram\n"),
                "line 4, column 9: metrics[0].type: `histogram` is neither counter nor gauge",
            ),
            (
                rule("  type: counter\n  window: 2s\n"),
                "line 2, column 3: metrics[0].window: 2s is shorter than the interval of 5s: a rate needs two scrapes within it",
            ),
            (
                rule("  type: gauge\n  window: 10s\n"),
                "line 2, column 3: metrics[0].window: a gauge has none; it is read as it is",
            ),
            (
                rule("  type: counter\n  allowNegative: true\n"),
                "line 2, column 3: metrics[0].allowNegative: a counter never falls; only a gauge can be negative",
            ),
            (
                rule("  type: counter\n  select: a===b\n"),
                "line 5, column 11: metrics[0].select: unable to parse requirement: found '=', expected: identifier",
            ),
            (
                rule("  type: counter\n  aggregate: median\n"),
                "line 5, column 14: metrics[0].aggregate: `median` is none of sum, average, maximum, minimum",
            ),
            (
                rule("  type: counter\n- {name: a, series: c, type: gauge}\n"),
                "line 5, column 3: metrics[1]: `a` is served by the rule in line 2 already",
            ),
            (
                "metrics: [{name: 1a, series: b, type: gauge}]".to_owned(),
                "line 1, column 18: metrics[0].name: `1a` is not a metric's name: letters, digits, `_` and `:`, and no digit first",
            ),
        ];
        for (text, message) in table {
            assert_eq!(parse(&text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
