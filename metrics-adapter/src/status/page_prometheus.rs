use super::page::{Filter, MOST_ROWS, Page};
use super::prometheus::{PrometheusReport, QueryReport, RuleReport};

/// More metrics of a rule than anybody reads; /status.json has all.
const MOST_NAMES: usize = 30;

impl Page {
    pub(super) fn prometheus(&mut self, prometheus: &PrometheusReport, filter: &Filter) {
        self.raw("<h2>Prometheus <small>").text(&prometheus.url).raw("; asked every ").text(&prometheus.interval);
        self.raw("; answers are good for ").text(&prometheus.stale_after);
        self.raw(match prometheus.up {
            Some(true) => "</small> <span class=\"state up\">✓ up</span></h2>",
            Some(false) => "</small> <span class=\"state down\">✗ down</span></h2>",
            None => "</small> <span class=\"state waiting\">… not asked yet</span></h2>",
        });
        if let Some(error) = &prometheus.error {
            self.raw("<div class=\"banner\" role=\"alert\"><strong>Prometheus gives no answer.</strong> Its metrics ");
            self.raw("have no value once their last answer is too old.<br><code>").text(error.reason).raw(": ");
            self.text(&error.problem).raw("</code></div>");
        }
        self.queries(&prometheus.queries, filter);
        if !prometheus.rules.is_empty() {
            self.rules(&prometheus.rules, filter);
        }
    }

    fn queries(&mut self, queries: &[QueryReport], filter: &Filter) {
        let shown: Vec<_> = queries.iter().filter(|own| filter.holds(&[&own.metric, &own.query])).collect();
        if shown.is_empty() {
            let none = if queries.is_empty() {
                "Nobody asks for a metric of Prometheus. A query is sent while somebody asks for its metric, and for five \
                 minutes after."
            } else {
                "No query matches the filter."
            };
            self.raw("<div class=\"card empty\">").raw(none).raw("</div>");
            return;
        }
        self.raw("<table><thead><tr><th scope=\"col\">Metric</th><th scope=\"col\">Query</th>");
        self.raw("<th scope=\"col\" class=\"number\">Demand</th><th scope=\"col\" class=\"number\">Last answer</th>");
        self.raw("</tr></thead><tbody>");
        for own in shown.iter().take(MOST_ROWS) {
            self.query(own);
        }
        self.raw("</tbody></table>");
        if shown.len() > MOST_ROWS {
            self.format(format_args!("<p class=\"soft\">{} more queries.</p>", shown.len() - MOST_ROWS));
        }
    }

    fn query(&mut self, own: &QueryReport) {
        self.raw("<tr><td><strong>").text(&own.metric).raw("</strong></td><td data-name=\"\"><code>").text(&own.query);
        self.raw("</code></td><td class=\"number\" data-name=\"demand\">");
        self.format(format_args!("asked {} times, last {:.0} s ago", own.asked, own.asked_seconds_ago));
        self.raw("</td><td class=\"number\" data-name=\"answer\">");
        match (own.samples, own.answered_seconds_ago, own.duration_seconds) {
            (Some(samples), Some(age), Some(took)) => {
                let stale = if own.stale { ", too old" } else { "" };
                self.format(format_args!("{samples} samples, {age:.1} s old{stale}, took {:.1} ms", took * 1e3))
            }
            _ => self.raw("none yet"),
        };
        self.format(format_args!("<br><span class=\"soft\">{} of {} failed", own.failures, own.attempts));
        if own.window_seconds > 0.0 {
            self.format(format_args!("; over {} s", own.window_seconds));
        }
        self.raw("</span></td></tr>");
        if let Some(error) = &own.error {
            self.raw("<tr class=\"more\"><td colspan=\"4\" class=\"problem\">").raw(error.reason).raw(": ");
            self.text(&error.problem).raw("</td></tr>");
        }
        for warning in &own.warnings {
            self.raw("<tr class=\"more\"><td colspan=\"4\" class=\"odd\">").text(warning).raw("</td></tr>");
        }
    }

    fn rules(&mut self, rules: &[RuleReport], filter: &Filter) {
        self.raw("<h2>Rules <small>what their series queries found, and the metrics that they offer</small></h2>");
        let matching = |own: &&RuleReport| {
            filter.holds(&[&own.series_query]) || own.metrics.iter().any(|metric| filter.holds(&[metric]))
        };
        let shown: Vec<_> = rules.iter().filter(matching).take(MOST_ROWS).collect();
        if shown.is_empty() {
            self.raw("<div class=\"card empty\">No rule matches the filter.</div>");
            return;
        }
        self.raw("<table><thead><tr><th scope=\"col\">Rule</th><th scope=\"col\">Metrics</th>");
        self.raw("<th scope=\"col\" class=\"number\">Series</th></tr></thead><tbody>");
        for own in shown {
            self.rule(own);
        }
        self.raw("</tbody></table>");
    }

    fn rule(&mut self, own: &RuleReport) {
        self.raw("<tr><td><code>").text(&own.series_query).raw("</code><br><span class=\"soft\">").raw(own.kind);
        self.format(format_args!(", line {}</span></td><td data-name=\"\">", own.line));
        if own.metrics.is_empty() {
            self.raw("<span class=\"soft\">none</span>");
        }
        let names = own.names_with_resources();
        for (at, (metric, resources)) in names.iter().take(MOST_NAMES).enumerate() {
            self.raw(if at > 0 { "<br>" } else { "" }).raw("<code>").text(metric).raw("</code>");
            if !resources.is_empty() {
                self.raw(" <span class=\"soft\">of ").text(&resources.join(", ")).raw("</span>");
            }
        }
        if names.len() > MOST_NAMES {
            self.format(format_args!("<br><span class=\"soft\">and {} more</span>", names.len() - MOST_NAMES));
        }
        self.raw("</td><td class=\"number\" data-name=\"series\">");
        match (own.series, own.listed_seconds_ago) {
            (Some(series), Some(age)) => {
                self.format(format_args!("{series}<br><span class=\"soft\">listed {age:.0} s ago</span>"))
            }
            _ => self.raw("not listed yet"),
        };
        self.raw("</td></tr>");
        if let Some(error) = &own.error {
            self.raw("<tr class=\"more\"><td colspan=\"3\" class=\"problem\">").raw(error.reason).raw(": ");
            self.text(&error.problem).raw("</td></tr>");
        }
        for problem in &own.problems {
            self.raw("<tr class=\"more\"><td colspan=\"3\" class=\"odd\">").text(problem).raw("</td></tr>");
        }
    }
}
