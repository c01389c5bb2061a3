use std::fmt::Write as _;

use super::report::{FileReport, MetricReport, NodeReport, Report, TargetReport, ValueReport};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// More rows than anybody reads; a narrower filter shows the others.
pub(super) const MOST_ROWS: usize = 500;
const STATES: [&str; 3] = ["up", "down", "waiting"];

/// What of a report is shown.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What must occur in a metric's or a target's texts, whatever the case.
    pub text: String,
    /// `up`, `down` or `waiting`: targets of that state alone.
    pub state: Option<String>,
}

/// The status page, whole: nothing else is loaded.
#[must_use]
pub fn render(report: &Report, filter: &Filter) -> String {
    let mut page = Page(String::with_capacity(32 << 10));
    let title = if report.ready { "ready" } else { "not ready" };
    page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    page.raw("<link rel=\"icon\" href=\"data:,\"><title>metrics-adapter: ").raw(title).raw("</title>");
    page.raw("<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript><style>").raw(STYLE);
    page.raw("</style></head><body>");
    page.header(report, filter);
    page.raw("<main>");
    page.banners(report);
    page.metrics(report, filter);
    if let Some(prometheus) = &report.prometheus {
        page.prometheus(prometheus, filter);
    }
    page.targets(report, filter);
    if let Some(cluster) = &report.cluster {
        page.autoscalers(cluster, filter);
    }
    page.nodes(&report.nodes);
    if let Some(cluster) = &report.cluster {
        page.cluster(cluster);
    }
    page.files(report);
    page.raw("</main><script>").raw(SCRIPT).raw("</script></body></html>\n");
    page.0
}

impl Filter {
    pub(super) fn holds(&self, texts: &[&str]) -> bool {
        let wanted = self.text.trim().to_lowercase();
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    fn metric(&self, metric: &MetricReport) -> bool {
        self.holds(&[&metric.name, &metric.rule, metric.description.as_deref().unwrap_or_default()])
    }

    fn target(&self, target: &TargetReport) -> bool {
        let error = target.error.as_ref().map_or("", |error| error.problem.as_str());
        let place = format!("{}/{}", target.namespace, target.pod);
        let url = target.url.as_deref().unwrap_or_default();
        self.state.as_deref().is_none_or(|state| state == target.state)
            && self.holds(&[&place, url, &target.labels, error])
    }
}

pub(super) struct Page(String);

impl Page {
    pub(super) fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Text, whatever is in it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    pub(super) fn format(&mut self, arguments: std::fmt::Arguments<'_>) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(arguments);
        self
    }

    fn header(&mut self, report: &Report, filter: &Filter) {
        let (state, word) = if report.ready { ("up", "✓ ready") } else { ("waiting", "… not ready") };
        self.raw("<header><h1>metrics-adapter <span class=\"state ").raw(state).raw("\">").raw(word).raw("</span>");
        self.raw("<small>").text(report.version).raw(", started ").text(&report.started);
        self.raw(", this page is of ").text(&report.now).raw("</small></h1>");
        self.raw("<nav><a href=\"/metrics\">metrics</a><a href=\"/status.json\">this page as JSON</a>");
        self.raw("<a href=\"/readyz?verbose\">readiness</a><a href=\"/livez\">liveness</a></nav>");
        self.raw("<form method=\"get\" action=\"/\" role=\"search\"><input type=\"search\" name=\"filter\" ");
        self.raw("placeholder=\"Filter metrics and targets\" aria-label=\"Filter metrics and targets\" value=\"");
        self.text(&filter.text).raw("\"><select name=\"state\" aria-label=\"State of targets\"><option value=\"\">");
        self.raw("all targets</option>");
        for state in STATES {
            let selected = if filter.state.as_deref() == Some(state) { " selected" } else { "" };
            self.format(format_args!("<option value=\"{state}\"{selected}>{state}</option>"));
        }
        self.raw("</select><button>Filter</button><span class=\"live\" role=\"status\"></span></form></header>");
    }

    fn banners(&mut self, report: &Report) {
        for FileReport { what, problem, loaded, .. } in &report.files {
            if let Some(problem) = problem {
                self.raw("<div class=\"banner\" role=\"alert\"><strong>The ").raw(what);
                self.raw(" file is wrong.</strong> What it said at ").text(loaded);
                self.raw(" stays in force.<br><code>").text(problem).raw("</code></div>");
            }
        }
        for trouble in report.troubles() {
            self.raw("<div class=\"banner\" role=\"alert\"><strong>The API server.</strong> What is known stays in ");
            self.raw("force.<br><code>").text(&trouble).raw("</code></div>");
        }
        if !report.ready {
            self.raw("<div class=\"card\">");
            for line in &report.readiness {
                self.raw("<div><code>").text(line).raw("</code></div>");
            }
            self.raw("</div>");
        }
    }

    fn metrics(&mut self, report: &Report, filter: &Filter) {
        self.raw("<h2>Metrics <small>custom.metrics.k8s.io</small></h2>");
        let shown: Vec<_> = report.metrics.iter().filter(|metric| filter.metric(metric)).collect();
        if shown.is_empty() {
            let none = if report.metrics.is_empty() {
                "The configuration names no metric."
            } else {
                "No metric matches the filter."
            };
            self.raw("<div class=\"card empty\">").raw(none).raw("</div>");
        }
        self.raw("<div class=\"grid\">");
        for metric in shown {
            self.metric(metric);
        }
        self.raw("</div>");
    }

    fn metric(&mut self, metric: &MetricReport) {
        self.raw("<section class=\"card\"><h3><code>").text(&metric.name).raw("</code></h3>");
        if let Some(description) = &metric.description {
            self.raw("<p>").text(description).raw("</p>");
        }
        self.raw("<div class=\"big number\">")
            .text(&metric.total.as_deref().map_or("no value".to_owned(), decimal))
            .raw("</div>");
        self.raw("<dl><dt>Pods</dt><dd>");
        self.format(format_args!("{} of {} have a value", metric.pods_with_value, metric.pods));
        for absent in &metric.absent {
            self.format(format_args!("<br>{} ", absent.pods)).text(absent.reason);
        }
        self.raw("</dd><dt>Oldest</dt><dd>");
        match metric.freshness_seconds {
            Some(seconds) => self.format(format_args!("{seconds:.1} s old")),
            None => self.raw("–"),
        };
        self.raw("</dd><dt>Rule</dt><dd>").text(&metric.rule).raw("</dd><dt>Source</dt><dd>").text(metric.source);
        if let Some(error) = &metric.last_error {
            self.raw("</dd><dt>Last error</dt><dd class=\"problem\">").text(error);
        }
        self.raw("</dd></dl></section>");
    }

    fn targets(&mut self, report: &Report, filter: &Filter) {
        let count = |state: &str| report.targets.iter().filter(|target| target.state == state).count();
        self.raw("<h2>Targets <small>every ").text(&report.scrape.interval).raw("; good for ");
        self.text(&report.scrape.stale_after);
        let counts = STATES.map(|state| format!("{} {state}", count(state)));
        self.raw("; ").text(&counts.join(", ")).raw("</small></h2>");
        let shown: Vec<_> = report.targets.iter().filter(|target| filter.target(target)).collect();
        if shown.is_empty() {
            let none = if report.targets.is_empty() && report.cluster.is_some() {
                "No pod asks to be scraped. Annotate pods with prometheus.io/scrape: \"true\" and prometheus.io/port, or \
                 name them under scrape.pods in the configuration."
            } else if report.targets.is_empty() {
                "The targets file names no pod. Give each pod a name, a namespace and the URL of its metrics."
            } else {
                "No target matches the filter."
            };
            self.raw("<div class=\"card empty\">").raw(none).raw("</div>");
            return;
        }
        self.raw(
            "<table><thead><tr><th scope=\"col\">Pod</th><th scope=\"col\">State</th><th scope=\"col\">Values</th>",
        );
        self.raw("<th scope=\"col\" class=\"number\">Last scrape</th><th scope=\"col\" class=\"number\">Took</th>");
        self.raw("<th scope=\"col\" class=\"number\">Size</th><th scope=\"col\" class=\"number\">CPU, memory</th>");
        self.raw("</tr></thead><tbody>");
        for target in shown.iter().take(MOST_ROWS) {
            self.target(target);
        }
        self.raw("</tbody></table>");
        if shown.len() > MOST_ROWS {
            let more = shown.len() - MOST_ROWS;
            self.format(format_args!("<p class=\"soft\">{more} more match; a narrower filter shows them.</p>"));
        }
    }

    fn target(&mut self, target: &TargetReport) {
        let sign = match target.state {
            "up" => "✓",
            "down" => "✗",
            _ => "…",
        };
        self.raw("<tr><td><strong>")
            .text(&target.pod)
            .raw("</strong><br><span class=\"soft\">")
            .text(&target.namespace);
        self.raw("<br><code>").text(target.url.as_deref().unwrap_or("no target")).raw("</code><br>");
        self.text(&target.labels).raw("</span></td><td><span class=\"state ").raw(target.state).raw("\">").raw(sign);
        self.raw(" ").raw(target.state).raw("</span></td><td data-name=\"\">");
        for (at, value) in target.values.iter().enumerate() {
            self.raw(if at > 0 { "<br>" } else { "" });
            self.value(value);
        }
        let seconds = |seconds: Option<f64>| seconds.map_or("–".to_owned(), |seconds| format!("{seconds:.1} s ago"));
        let millis =
            |seconds: Option<f64>| seconds.map_or("–".to_owned(), |seconds| format!("{:.1} ms", seconds * 1e3));
        let size = target.bytes.zip(target.series);
        let size =
            size.map_or("–".to_owned(), |(bytes, series)| format!("{} kB, {series} series", bytes.div_ceil(1000)));
        let usage = target.cpu.as_deref().zip(target.memory.as_deref());
        let usage = usage.map_or("–".to_owned(), |(cpu, memory)| format!("{cpu}, {memory}"));
        for (name, text) in [
            ("scraped", seconds(target.last_scrape_seconds_ago)),
            ("in", millis(target.duration_seconds)),
            ("size", size),
            ("uses", usage),
        ] {
            self.raw("</td><td class=\"number\" data-name=\"").raw(name).raw("\">").text(&text);
        }
        self.raw("</td></tr>");
        if let Some(error) = &target.error {
            let (failures, attempts) = (target.failures, target.attempts);
            self.raw("<tr class=\"more\"><td colspan=\"7\" class=\"problem\">").raw(error.reason).raw(": ");
            self.text(&error.problem);
            self.format(format_args!(
                " <span class=\"soft\">({failures} of {attempts} scrapes failed)</span></td></tr>"
            ));
        }
        if let Some(warning) = &target.warning {
            self.raw("<tr class=\"more\"><td colspan=\"7\" class=\"odd\">").text(warning).raw("</td></tr>");
        }
    }

    fn value(&mut self, value: &ValueReport) {
        self.raw("<code>").text(&value.metric).raw("</code> ");
        match (&value.value, value.age_seconds, value.window_seconds) {
            (Some(number), Some(age), Some(window)) => {
                self.raw("<strong class=\"number\">").text(&decimal(number)).raw("</strong> <span class=\"soft\">");
                self.format(format_args!("{age:.1} s old"));
                if window > 0.0 {
                    self.format(format_args!(", over {window:.1} s"));
                }
                self.raw("</span>");
            }
            _ => {
                self.raw("<span class=\"soft\">none: ").text(value.absent.unwrap_or("not known")).raw("</span>");
            }
        }
    }

    fn nodes(&mut self, nodes: &[NodeReport]) {
        self.raw("<h2>Nodes <small>metrics.k8s.io</small></h2><div class=\"grid\">");
        // Those with a problem first.
        let (bad, good): (Vec<_>, Vec<_>) = nodes.iter().partition(|node| node.error.is_some());
        for node in bad.into_iter().chain(good).take(MOST_ROWS) {
            self.raw("<section class=\"card\"><h3>").text(&node.name).raw("</h3><dl>");
            for (name, quantity) in [("CPU", &node.cpu), ("Memory", &node.memory), ("Swap", &node.swap)] {
                self.raw("<dt>").raw(name).raw("</dt><dd class=\"number\">");
                self.text(quantity.as_deref().unwrap_or("–")).raw("</dd>");
            }
            if let Some(seconds) = node.last_read_seconds_ago {
                self.format(format_args!(
                    "<dt>Pods</dt><dd>{}</dd><dt>Read</dt><dd>{seconds:.1} s ago</dd>",
                    node.pods
                ));
            }
            self.raw("</dl>");
            if let Some(error) = &node.error {
                self.raw("<p class=\"problem\">").raw(error.reason).raw(": ").text(&error.problem).raw("</p>");
            }
            if let Some(warning) = &node.warning {
                self.raw("<p class=\"odd\">").text(warning).raw("</p>");
            }
            self.raw("</section>");
        }
        if nodes.len() > MOST_ROWS {
            self.format(format_args!("<p class=\"soft\">{} more nodes.</p>", nodes.len() - MOST_ROWS));
        }
        self.raw("</div>");
    }

    fn files(&mut self, report: &Report) {
        self.raw("<h2>Files</h2><div class=\"grid\">");
        for file in &report.files {
            self.raw("<section class=\"card\"><h3>").raw(file.what).raw("</h3><p><code>");
            self.text(file.path.as_deref().unwrap_or("built in; --config names a file")).raw("</code></p><p>read at ");
            self.text(&file.loaded).raw("</p></section>");
        }
        self.raw("</div>");
    }
}

/// A quantity as people read numbers: `190799m` is 190.799.
pub(super) fn decimal(quantity: &str) -> String {
    let milli = quantity.strip_suffix('m').and_then(|milli| milli.parse::<i64>().ok());
    milli.map_or(quantity.to_owned(), |milli| {
        let sign = if milli < 0 { "-" } else { "" };
        format!("{sign}{}.{:03}", milli.unsigned_abs() / 1000, milli.unsigned_abs() % 1000)
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::{AbsentReport, ErrorReport, ScrapeReport};
    use super::*;

    fn target(pod: &str, state: &'static str) -> TargetReport {
        TargetReport {
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            url: Some("http://127.0.0.1:1/metrics".to_owned()),
            labels: "app=web".to_owned(),
            state,
            last_scrape_seconds_ago: Some(1.0),
            duration_seconds: Some(0.002),
            bytes: Some(30_000),
            series: Some(4),
            attempts: 3,
            failures: u64::from(state == "down"),
            error: (state == "down").then(|| ErrorReport { reason: "connection", problem: "<refused>".to_owned() }),
            warning: None,
            values: vec![ValueReport {
                metric: "m".to_owned(),
                value: (state == "up").then(|| "1500m".to_owned()),
                absent: (state != "up").then_some("never scraped successfully"),
                age_seconds: Some(1.0),
                window_seconds: Some(10.0),
            }],
            cpu: None,
            memory: None,
        }
    }

    fn report(targets: Vec<TargetReport>) -> Report {
        Report {
            version: "1.0.0",
            now: "2026-01-01T00:00:00Z".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            ready: true,
            readiness: Vec::new(),
            files: vec![FileReport {
                what: "config",
                path: None,
                loaded: "2026-01-01T00:00:00Z".to_owned(),
                problem: Some("line 3: <b>".to_owned()),
            }],
            scrape: ScrapeReport { interval: "5s".into(), timeout: "3s".into(), stale_after: "15s".into() },
            metrics: vec![MetricReport {
                name: "m".to_owned(),
                description: Some("a metric".to_owned()),
                source: "scrape",
                rule: "growth of m_total".to_owned(),
                pods: 2,
                pods_with_value: 1,
                total: Some("1500m".to_owned()),
                freshness_seconds: Some(1.0),
                absent: vec![AbsentReport { pods: 1, reason: "not scraped twice yet" }],
                last_error: None,
            }],
            targets,
            nodes: Vec::new(),
            prometheus: None,
            cluster: None,
        }
    }

    fn page(report: &Report, text: &str, state: Option<&str>) -> String {
        render(report, &Filter { text: text.to_owned(), state: state.map(str::to_owned) })
    }

    #[test]
    fn nothing_that_a_pod_or_a_person_says_becomes_markup() {
        let page = page(&report(vec![target("<script>alert(1)</script>", "down")]), "\"><img>", None);
        assert!(!page.contains("<script>alert") && !page.contains("<img>") && !page.contains("<refused>"));
        assert!(page.contains("value=\"&quot;&gt;&lt;img&gt;\""), "the filter keeps what was typed");
    }

    #[test]
    fn the_filter_narrows_by_text_and_by_state() {
        let report = report(vec![target("web-1", "up"), target("api-1", "down"), target("db-1", "waiting")]);
        let shows = |text: &str, state: Option<&str>| {
            let page = page(&report, text, state);
            ["web-1", "api-1", "db-1"].map(|pod| page.contains(&format!("<strong>{pod}</strong>")))
        };
        assert_eq!(shows("", None), [true, true, true]);
        assert_eq!(shows("WEB-1", None), [true, false, false]);
        assert_eq!(shows("refused", None), [false, true, false]);
        assert_eq!(shows("shop/db", None), [false, false, true]);
        assert_eq!(shows("", Some("down")), [false, true, false]);
        assert_eq!(shows("web-1", Some("down")), [false, false, false]);
        assert!(page(&report, "nope", None).contains("No target matches the filter."));
    }

    #[test]
    fn what_is_wrong_with_a_file_stands_at_the_top() {
        let page = page(&report(Vec::new()), "", None);
        assert!(page.contains("The config file is wrong.") && page.contains("line 3: &lt;b&gt;"), "{page}");
        assert!(page.contains("The targets file names no pod."));
        assert!(page.contains("1 of 2 have a value<br>1 not scraped twice yet"));
    }

    #[test]
    fn quantities_are_shown_as_decimals() {
        for (quantity, shown) in [("190799m", "190.799"), ("-5m", "-0.005"), ("2k", "2k"), ("0", "0")] {
            assert_eq!(decimal(quantity), shown);
        }
    }

    #[test]
    fn thousands_of_targets_do_not_make_an_endless_page() {
        let targets = (0..700).map(|at| target(&format!("web-{at}"), "up")).collect();
        let page = page(&report(targets), "", None);
        assert_eq!(page.matches("<tr><td><strong>").count(), MOST_ROWS);
        assert!(page.contains("200 more match; a narrower filter shows them."));
    }
}
