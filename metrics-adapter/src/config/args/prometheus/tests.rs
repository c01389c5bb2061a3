use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    prometheus: PrometheusArgs,
}

fn apply(file: &str, flags: &[&str]) -> Result<Config, String> {
    let line = Line::try_parse_from(std::iter::once(&"adapter").chain(flags)).map_err(|error| error.to_string())?;
    line.prometheus.apply(Config::parse(file)?)
}

const FILE: &str = "prometheus: {url: 'http://file', method: POST, relistInterval: 2m, maxAge: 5m, bearerTokenFile: /file, \
                    headers: {A: file, B: file}, tls: {caFile: /file, certFile: /file, keyFile: /file}}";

type Change = fn(&mut PrometheusSettings);

#[test]
fn each_flag_wins_over_the_file() {
    let in_file = apply(FILE, &[]).unwrap().prometheus.unwrap();
    let cases: [(&[&str], Change); 8] = [
        (&["--prometheus-url", "https://flag/prefix/"], |own| own.url = "https://flag/prefix".parse().unwrap()),
        (&["--prometheus-verb", "GET"], |own| own.method = Method::GET),
        (&["--metrics-relist-interval", "10m"], |own| {
            own.relist_interval = Duration::from_mins(10);
            own.max_age = Duration::from_mins(10);
        }),
        (&["--metrics-max-age", "1h"], |own| own.max_age = Duration::from_hours(1)),
        (&["--prometheus-token-file", "/flag"], |own| own.bearer_token_file = Some("/flag".into())),
        (&["--prometheus-ca-file", "/flag"], |own| own.ca_file = Some("/flag".into())),
        (&["--prometheus-client-tls-cert-file", "/c", "--prometheus-client-tls-key-file", "/k"], |own| {
            own.client_certificate = Some(("/c".into(), "/k".into()));
        }),
        (&["--prometheus-header", "B=x=y", "--prometheus-header", "C=flag"], |own| {
            own.headers = ["A=file", "B=x=y", "C=flag"].map(|text| header(text).unwrap()).into();
        }),
    ];
    for (flags, change) in cases {
        let mut expected = in_file.clone();
        change(&mut expected);
        assert_eq!(apply(FILE, flags).unwrap().prometheus, Some(expected), "{flags:?}");
    }
}

#[test]
fn a_flag_alone_says_where_prometheus_is() {
    let rules = "rules: [{seriesQuery: up, metricsQuery: up}]";
    let settings = apply(rules, &["--prometheus-url=http://flag"]).unwrap().prometheus.unwrap();
    assert_eq!(settings, PrometheusSettings::at("http://flag".parse().unwrap()));
    let settings = apply("prometheus: {interval: 1s}", &["--prometheus-url=http://flag"]).unwrap().prometheus.unwrap();
    assert_eq!((settings.interval, settings.url), (Duration::from_secs(1), "http://flag".parse().unwrap()));
    assert_eq!(apply("scrape: {}", &[]).unwrap().prometheus, None, "what needs none has none");
}

#[test]
fn what_needs_a_prometheus_and_has_none_is_told_both_ways_to_give_it() {
    let rule = "{seriesQuery: up, metricsQuery: up}";
    let resources = "{containerQuery: a, nodeQuery: b}";
    let table = [
        (format!("rules: [{rule}]"), "rules"),
        (format!("externalRules: [{rule}]"), "externalRules"),
        (format!("resourceRules: {{cpu: {resources}, memory: {resources}}}"), "resourceRules"),
        ("metrics: [{name: a, query: up}]".to_owned(), "a query in metrics"),
        ("externalMetrics: [{name: a, query: up}]".to_owned(), "externalMetrics"),
        ("prometheus: {interval: 1s}".to_owned(), "prometheus"),
    ];
    for (file, section) in table {
        let says = format!(
            "{section}: nothing says where Prometheus is: write `prometheus: {{url: http://prometheus.monitoring:9090}}` into the \
             file, or give --prometheus-url (PROMETHEUS_URL)"
        );
        assert_eq!(apply(&file, &[]).unwrap_err(), says);
    }
    assert!(apply("scrape: {}", &["--prometheus-verb=GET"]).unwrap_err().starts_with("prometheus: nothing says"));
}

#[test]
fn flags_that_are_wrong_or_contradict_the_file_are_refused() {
    let table: [(&[&str], &str); 7] = [
        (&["--prometheus-url=prometheus:9090"], "begins with neither http:// nor https://"),
        (&["--prometheus-header=abc"], "`abc` has no `=`; write NAME=VALUE"),
        (&["--prometheus-header=Authorization=x"], "credentials are read from files"),
        (&["--prometheus-verb=PUT"], "`PUT` is neither POST nor GET"),
        (&["--metrics-max-age=0s"], "must be more than zero"),
        (&["--prometheus-client-tls-cert-file=a"], "--prometheus-client-tls-key-file"),
        (&["--metrics-max-age=30s"], "prometheus.maxAge, with the flags: 30s is shorter than relistInterval, 120s"),
    ];
    for (flags, problem) in table {
        let told = apply(FILE, flags).unwrap_err();
        assert!(told.contains(problem), "{flags:?}: {told}");
    }
    let basic = "prometheus: {url: 'http://p', basicAuth: {username: a, passwordFile: b}}";
    assert!(apply(basic, &["--prometheus-token-file=/t"]).unwrap_err().contains("contradict each other"));
}
