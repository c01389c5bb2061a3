use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::config::Config;
use crate::model::{Kinds, Selector};
use crate::rules::{ListedSeries, Offers};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/prometheus-adapter");

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap()
}

/// The series of the recordings: names, and the names of their labels.
fn recorded_series() -> Vec<ListedSeries> {
    let text = fixture("series.prom.template");
    let mut all = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, _) = rest.split_once("} ").unwrap();
        let labels = labels.split(',').map(|label| label.split_once('=').unwrap().0.into());
        let labels: BTreeSet<Arc<str>> = labels.collect();
        all.insert((name, labels));
    }
    let listed = |(name, labels): (&str, BTreeSet<_>)| ListedSeries {
        name: name.into(),
        labels: labels.into_iter().collect(),
        count: 1,
    };
    all.into_iter().map(listed).collect()
}

/// Those that a rule's query finds, as Prometheus would.
fn found(rule: &SeriesRule, all: &[ListedSeries]) -> Vec<ListedSeries> {
    let (name, inside) = rule.series_query.split_once('{').unwrap_or((&rule.series_query, "}"));
    let matchers: Vec<&str> = inside.trim_end_matches('}').split(',').filter(|matcher| !matcher.is_empty()).collect();
    let fits = |series: &&ListedSeries| {
        let has = |label: &str| series.labels.iter().any(|own| **own == *label);
        (name.is_empty() || *series.name == *name)
            && matchers.iter().all(|matcher| match matcher.split_once("=~") {
                Some(("__name__", pattern)) => Pattern::parse(pattern.trim_matches('"')).unwrap().matches(&series.name),
                Some((label, _)) => has(label),
                None => has(matcher.split_once("!=").unwrap().0),
            })
    };
    all.iter().filter(fits).cloned().collect()
}

fn offers(config: &Config) -> Offers {
    let all = recorded_series();
    let listed = |rules: &[SeriesRule]| rules.iter().map(|rule| found(rule, &all)).collect::<Vec<_>>();
    let (custom, external) = (listed(&config.series_rules), listed(&config.external_rules));
    let (custom, external): (Vec<&[_]>, Vec<&[_]>) =
        (custom.iter().map(Vec::as_slice).collect(), external.iter().map(Vec::as_slice).collect());
    Offers::of(&config.series_rules, &custom, &config.external_rules, &external, &Kinds::default())
}

/// What prometheus-adapter listed of an API: the names, and whether they are asked for in namespaces.
fn recorded_list(file: &str, path: &str) -> BTreeSet<(String, bool)> {
    let text = fixture(file);
    let answers = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let list = answers.into_iter().find(|answer| answer["path"] == path).unwrap();
    let resources = list["answer"]["resources"].as_array().cloned().unwrap_or_default();
    resources
        .iter()
        .map(|own| (own["name"].as_str().unwrap().to_owned(), own["namespaced"].as_bool().unwrap()))
        .collect()
}

#[test]
fn the_metrics_are_those_that_prometheus_adapter_listed() {
    for file in ["1-overrides", "2-templates-filters", "3-queries", "4-resource"] {
        let config = Config::parse(&fixture(&format!("{file}.yaml"))).unwrap();
        assert_eq!(config.warnings(), [""; 0]);
        assert!(config.rules.is_empty(), "their file alone counts");
        let offers = offers(&config);
        let answers = format!("{file}.answers.jsonl");
        let custom = offers.all_custom().map(|own| (format!("{}/{}", own.resource, own.metric), own.namespaced));
        assert_eq!(
            custom.collect::<BTreeSet<_>>(),
            recorded_list(&answers, "/apis/custom.metrics.k8s.io/v1beta2"),
            "{file}"
        );
        let external: BTreeSet<_> = offers.all_external().map(|own| (own.metric.to_string(), true)).collect();
        assert_eq!(external, recorded_list(&answers, "/apis/external.metrics.k8s.io/v1beta1"), "{file}");
    }
}

#[test]
fn negative_values_count_for_objects_and_not_for_external_metrics_unless_the_rule_says_otherwise() {
    let rule = |more: &str| format!("[{{seriesQuery: a, metricsQuery: b{more}}}]");
    let read = |more: &str| {
        let config = Config::parse(&format!("rules: {0}\nexternalRules: {0}\n", rule(more))).unwrap();
        (config.series_rules[0].allow_negative, config.external_rules[0].allow_negative)
    };
    assert_eq!(read(""), (true, false));
    assert_eq!(read(", allowNegative: yes"), (true, true));
    assert_eq!(read(", allowNegative: off"), (false, false));
}

#[test]
fn metrics_stand_beside_rules_if_the_file_has_both() {
    let rules = "rules: [{seriesQuery: a, metricsQuery: b}]\n";
    assert_eq!(Config::parse(rules).unwrap().rules.len(), 0);
    assert_eq!(Config::parse("rules: []").unwrap().rules.len(), 0);
    let both = format!("{rules}metrics: [{{name: a, series: b, type: gauge}}]\n");
    let config = Config::parse(&both).unwrap();
    assert_eq!((config.rules.len(), config.series_rules.len()), (1, 1));
    assert_eq!(Config::parse("prometheus: {url: 'http://p'}").unwrap().rules.len(), 1, "the default");
}

#[test]
fn the_documented_sample_is_refused_for_each_of_its_mistakes_and_then_loads() {
    let refused = |text: &str| Config::parse(text).unwrap_err();
    let text = fixture("sample-as-documented.yaml");
    assert_eq!(
        refused(&text),
        "line 5, column 41: while parsing a block mapping, did not find expected key; a `,` at the end of a line: between lines \
         there is none; take it away"
    );
    let text = text.replace("},\n", "}\n");
    assert_eq!(
        refused(&text),
        "line 9, column 70: invalid trailing content after double-quoted scalar; a `\"` within `\"…\"` ends the text; write '…' \
         around it instead"
    );
    let quoted = |line: &str| match line.split_once("metricsQuery: \"") {
        Some((before, query)) => format!("{before}metricsQuery: '{}'\n", query.strip_suffix('"').unwrap()),
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(quoted).collect();
    assert_eq!(refused(&text), "line 29, column 3: rules[3].metricQuery: unknown key; did you mean `metricsQuery`?");
    let config = Config::parse(&text.replace("metricQuery", "metricsQuery")).unwrap();
    assert_eq!((config.series_rules.len(), config.external_rules.len()), (4, 2));
    assert!(config.external_rules[0].namespaced && !config.external_rules[1].namespaced);
    let kinds = Kinds::default();
    let cheddar = ListedSeries { name: "cheddar".into(), labels: ["brand".into(), "sharp".into()].into(), count: 1 };
    let none: &[ListedSeries] = &[];
    let offers = Offers::of(&config.series_rules, &[none, none, none, &[cheddar]], &[], &[], &kinds);
    assert_eq!(offers.all_custom().count(), 0);
    assert_eq!(
        offers.outcomes()[3].problems,
        [
            "resources.overrides.brand: there is no resource `brand` in the group `cheese.io`; the cluster has none of that name, \
          or its definition is not there yet"
        ]
    );
}

#[test]
fn the_walkthroughs_file_loads_and_asks_what_prometheus_adapter_asks() {
    let config = Config::parse(&fixture("walkthrough.yaml")).unwrap();
    let labels = ["instance", "kubernetes_namespace", "kubernetes_pod_name"].map(Into::into).into();
    let listed = [ListedSeries { name: "http_requests_total".into(), labels, count: 3 }];
    let offers = Offers::of(&config.series_rules, &[&listed], &[], &[], &Kinds::default());
    let names: Vec<_> = offers.all_custom().map(|own| format!("{}/{}", own.resource, own.metric)).collect();
    assert_eq!(names, ["namespaces/http_requests_per_second", "pods/http_requests_per_second"]);
    let pods = Kinds::default().named("pods").unwrap();
    let offer = offers.custom("http_requests_per_second", pods, true).unwrap();
    let query = offer.of_some(Some("default"), &["a", "b"], &Selector::default()).unwrap();
    assert_eq!(
        &*query.question.query,
        "sum(rate(http_requests_total{kubernetes_namespace=\"default\",kubernetes_pod_name=~\"a|b\"}[2m])) by \
         (kubernetes_pod_name)"
    );
    assert_eq!((&*query.name_label, query.question.window), ("kubernetes_pod_name", Duration::from_mins(2)));
}

#[test]
fn kube_prometheus_file_loads_and_asks_what_prometheus_adapter_asks() {
    let config = Config::parse(&fixture("kube-prometheus.yaml")).unwrap();
    assert_eq!(config.warnings(), [""; 0]);
    let (rules, kinds) = (config.resource_rules.unwrap(), Kinds::default());
    assert_eq!(rules.window, Duration::from_mins(5));
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let query = rules.cpu.containers_of(&kinds, "shop", &["a", "b"]).unwrap();
    assert_eq!(
        squeezed(&query.question.query),
        "sum by (pod,container) ( irate ( container_cpu_usage_seconds_total{namespace=\"shop\",pod=~\"a|b\",container!=\"\",\
         pod!=\"\"}[120s] ) )"
    );
    assert_eq!((&*query.pod_label, &*query.namespace_label), ("pod", "namespace"));
    let query = rules.cpu.containers(&kinds).unwrap().unwrap();
    assert_eq!(
        squeezed(&query.question.query),
        "sum by (pod,container,namespace) ( irate ( container_cpu_usage_seconds_total{namespace!=\"\",pod!=\"\",container!=\"\",\
         pod!=\"\"}[120s] ) )"
    );
    assert!(rules.memory.containers(&kinds).unwrap().is_some() && rules.memory.nodes(&kinds).unwrap().is_some());
    assert!(rules.cpu.nodes(&kinds).unwrap().is_none(), "it joins series that are of no node");
    let (question, label) = rules.memory.nodes_named(&kinds, &["n-1"]).unwrap();
    assert_eq!(
        squeezed(&question.query),
        "sum by (instance) ( node_memory_MemTotal_bytes{job=\"node-exporter\",instance=\"n-1\"} - \
         node_memory_MemAvailable_bytes{job=\"node-exporter\",instance=\"n-1\"} ) or sum by (instance) ( \
         windows_cs_physical_memory_bytes{job=\"windows-exporter\",instance=\"n-1\"} - \
         windows_memory_available_bytes{job=\"windows-exporter\",instance=\"n-1\"} )"
    );
    assert_eq!(&*label, "instance");
}

#[test]
fn without_a_window_resource_rules_have_the_longest_range_of_their_queries() {
    let rule = |range: &str| format!("{{containerQuery: 'rate(a[{range}])', nodeQuery: 'b'}}");
    let config = Config::parse(&format!("resourceRules: {{cpu: {}, memory: {}}}", rule("90s"), rule("1m"))).unwrap();
    let rules = config.resource_rules.unwrap();
    assert_eq!((rules.window, &*rules.cpu.container_label), (Duration::from_secs(90), "container"));
    let problem = rules.cpu.containers_of(&Kinds::default(), "shop", &["a"]).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "resourceRules do not say which label names pods: write `resources: {overrides: {LABEL: {resource: pods}}}`"
    );
}

#[test]
fn every_mistake_is_named_with_its_line_and_what_to_write_instead() {
    let table = [
        ("{metricsQuery: a}", "`seriesQuery` is missing"),
        ("{seriesQuery: a}", "`metricsQuery` is missing"),
        ("{seriesQuery: '', metricsQuery: a}", ".seriesQuery: is empty"),
        ("{seriesQuery: a, metricsQuery: ' '}", ".metricsQuery: is empty"),
        (
            "{seriesQuery: a, metricsQuery: b, seriesFilter: []}",
            ".seriesFilter: unknown key; did you mean `seriesFilters`?",
        ),
        ("{seriesQuery: a, metricsQuery: b, seriesFilters: [{}]}", ".seriesFilters[0]: `is` or `isNot` is missing"),
        (
            "{seriesQuery: a, metricsQuery: b, seriesFilters: [{is: a, isNot: b}]}",
            ".seriesFilters[0]: `is` and `isNot` in one filter; write two filters",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, seriesFilters: [{is: '(a'}]}",
            ".seriesFilters[0].is: `(a` is no regular expression: unclosed group",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, name: {matches: '*'}}",
            ".name.matches: `*` is no regular expression: repetition operator missing expression",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, name: {matches: '(a)(b)'}}",
            ".name: `as` is missing: `matches` has 2 groups; write which are the name, as \"${1}\"",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, resources: {template: 'kube_<<.Group>>'}}",
            ".resources.template: `kube_<<.Group>>` does not name the resource; write `<<.Resource>>` where its name stands",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, resources: {template: '<<.Resorce>>'}}",
            ".resources.template: character 3: `.Resorce` is not known; did you mean `.Resource`?",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, resources: {overrides: {x: {group: apps}}}}",
            ".resources.overrides.x: `resource` is missing",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, resources: {overrides: {x: {resource: pod}, x: {resource: node}}}}",
            ".resources.overrides.x: given twice, first in line 2",
        ),
        (
            "{seriesQuery: a, metricsQuery: b, resources: {namespaced: maybe}}",
            ".resources.namespaced: expected true or false, found `maybe`",
        ),
        (
            "{seriesQuery: a, metricsQuery: 'sum(<<.Series>>{<<.LabelMatcher>>})'}",
            ".metricsQuery: character 19: `.LabelMatcher` is not known; did you mean `.LabelMatchers`?",
        ),
    ];
    for section in ["rules", "externalRules"] {
        for (rule, problem) in table {
            let told = Config::parse(&format!("{section}:\n- {rule}\n")).unwrap_err();
            let (place, told) = told.split_once(&format!(": {section}[0]")).unwrap_or_else(|| panic!("{told}"));
            assert!(place.starts_with("line 2, column "), "{place}");
            assert_eq!(told.strip_prefix(": ").unwrap_or(told), problem, "{rule}");
        }
    }
    let table = [
        ("{memory: {containerQuery: a, nodeQuery: b}}", "`cpu` is missing"),
        ("{cpu: {nodeQuery: b}}", ".cpu: `containerQuery` is missing"),
        ("{cpu: {containerQuery: a, nodeQuery: ''}}", ".cpu.nodeQuery: is empty"),
        (
            "{cpu: {containerQuery: a, nodeQuery: b}, memory: {containerQuery: a, nodeQuery: b}, window: 1 min}",
            ".window: `1 min` is not a duration; write it as 30s, 1m or 1h30m",
        ),
    ];
    for (rules, problem) in table {
        let told = Config::parse(&format!("resourceRules: {rules}")).unwrap_err();
        let (_, told) = told.split_once("resourceRules").unwrap();
        assert_eq!(told.strip_prefix(": ").unwrap_or(told), problem, "{rules}");
    }
}

#[test]
fn queries_that_are_no_promql_are_kept_and_warned_of() {
    let config = Config::parse(
        "rules:\n- {seriesQuery: 'a{b', metricsQuery: 'sum(<<.Series>>'}\n- {seriesQuery: a, metricsQuery: 'b <<index .GroupBySlice 4>>'}\n\
         metrics:\n- {name: a, query: 'range_median(a[5m])'}\n",
    )
    .unwrap();
    let warnings = config.warnings();
    let begins = [
        "line 5, column 20: metrics[0].query: Prometheus 3 will refuse it: ",
        "line 2, column 17: rules[0].seriesQuery: Prometheus 3 will refuse it: ",
        "line 2, column 38: rules[0].metricsQuery: Prometheus 3 will refuse what it makes: ",
        "line 3, column 34: rules[1].metricsQuery: Prometheus 3 will refuse what it makes: the template `b <<index .GroupBySlice 4>>`: character 5: `index`: 4 is out of range",
    ];
    assert_eq!(warnings.len(), begins.len(), "{warnings:#?}");
    for (warning, begin) in warnings.iter().zip(begins) {
        assert!(warning.starts_with(begin) && !warning.contains('\n'), "{warning}");
    }
}
