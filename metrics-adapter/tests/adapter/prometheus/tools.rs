//! It explains itself: check-config, explain, the status page; and it asks no more than it must.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::{adapter, shop};
use crate::support::prometheus::{Prometheus, recorded};
use crate::support::{eventually, pod};

const SERIES: &str = "\
http_requests_total{namespace=\"shop\",pod=\"web-1\",method=\"GET\"} {{7}}
http_requests_total{namespace=\"shop\",pod=\"web-2\",method=\"GET\"} {{11}}
queue_depth{namespace=\"shop\",queue=\"mail\"} 42
";

fn check(config: &str, arguments: &[&str]) -> (Output, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
    let out = command.env_clear().arg("check-config").arg(file.path()).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out, said)
}

#[test]
fn check_config_says_what_each_recorded_file_asks_without_a_prometheus() {
    for (name, said) in [
        ("1-overrides", &["rules, line 2: http_requests_total{namespace", "rate(http_requests_total{", "[1m])"][..]),
        ("2-templates-filters", &["rules, line 2: ", "temperature{"][..]),
        (
            "3-queries",
            &["externalRules, line ", "for queue_depth_external of namespace default:", "namespace=\"default\""][..],
        ),
        ("4-resource", &["resourceRules.cpu, over 60s", "container_memory_working_set_bytes{"][..]),
    ] {
        let (out, text) = check(&recorded(&format!("{name}.yaml")), &[]);
        assert_eq!(out.status.code(), Some(0), "{name}: {text}");
        for said in said {
            assert!(text.contains(said), "{name} lacks {said:?}: {text}");
        }
    }
}

#[test]
fn check_config_says_what_each_rule_finds_in_a_prometheus_and_fails_if_one_finds_nothing() {
    let prometheus = Prometheus::of(SERIES);
    let good = r#"rules:
- seriesQuery: 'http_requests_total{namespace!="",pod!=""}'
  resources: {template: "<<.Resource>>"}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'
"#;
    let (out, text) = check(good, &["--prometheus", &prometheus.url()]);
    assert_eq!(out.status.code(), Some(0), "{text}");
    for said in [
        "finds 2 series: http_requests_total",
        "Prometheus answers with 2 values",
        "offers namespaces/http_requests_per_second, pods/http_requests_per_second",
    ] {
        assert!(text.contains(said), "no {said:?}: {text}");
    }
    let bad = good.to_owned()
        + r#"- seriesQuery: 'nothing_total{pod!=""}'
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: 'queue_depth{queue!=""}'
  seriesFilters: [{is: "^jobs"}]
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
- seriesQuery: 'queue_depth{'
  resources: {template: "<<.Resource>>"}
  metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'
"#;
    let (out, text) = check(&bad, &["--prometheus", &prometheus.url()]);
    assert_eq!(out.status.code(), Some(1), "{text}");
    for said in [
        "finds nothing: Prometheus has no such series",
        "queue_depth makes no metric: seriesFilters keep it out",
        "refused: bad_data: ",
        "3 rules find nothing, or their queries fail",
        "offers namespaces/http_requests_per_second",
    ] {
        assert!(text.contains(said), "no {said:?}: {text}");
    }
    let (out, text) = check(good, &["--prometheus", "http://127.0.0.1:9"]);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("connection: "), "{text}");
}

#[test]
fn one_query_answers_all_autoscalers_namespaces_and_versions_and_it_is_sent_once_an_interval() {
    let prometheus = Prometheus::of(&recorded("series.prom.template"));
    let stage = shop();
    let adapter = adapter(&stage, &recorded("1-overrides.yaml"), &prometheus);
    let asked = || prometheus.counter("prometheus_http_requests_total{", "handler=\"/api/v1/query\"");
    let (before, began) = (asked(), Instant::now());
    while began.elapsed() < Duration::from_secs(12) {
        for version in ["v1beta1", "v1beta2"] {
            for (namespace, selector) in [("shop", "app%3Dweb"), ("shop", "tier%3Dcanary"), ("other", "app%3Dapi")] {
                let path = format!(
                    "/apis/custom.metrics.k8s.io/{version}/namespaces/{namespace}/pods/%2A/http_requests_per_second?labelSelector={selector}"
                );
                let reply = stage.ask(&adapter, &path);
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let sent = asked() - before;
    assert!((2.0..=4.0).contains(&sent), "{sent} queries in 12 s, at an interval of 5 s");
}

#[test]
fn explain_says_where_a_value_comes_from_and_why_each_pod_counts_or_does_not() {
    let prometheus = Prometheus::of(SERIES);
    let config = format!(
        "prometheus: {{url: '{}'}}\n\
         metrics: [{{name: rps, query: 'sum by (namespace, pod) (rate(http_requests_total[1m]))'}}]\n\
         externalMetrics: [{{name: queue, query: 'sum by (queue) (queue_depth)'}}]\n",
        prometheus.url()
    );
    let pods = ["web-1", "web-2", "web-3"].map(|name| pod(name, "http://127.0.0.1:9/metrics", ""));
    let other = "- {name: db-1, namespace: shop, url: 'http://127.0.0.1:9/metrics', labels: {app: db}}\n";
    let adapter = crate::support::Adapter::start(Some(&config), &format!("pods:\n{}{other}", pods.concat()));
    let explain = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-adapter"));
        command.env_clear().args(["explain", "--adapter", &adapter.ops, "-n", "shop"]).args(arguments);
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        (out.status.code(), said)
    };
    let (code, text) = explain(&["rps", "-l", "app=web"]);
    assert_eq!(code, Some(0), "{text}");
    for said in [
        "asks    /apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/rps?labelSelector=app%3Dweb\n",
        "source  prometheus\n",
        "query   sum by (namespace, pod) (rate(http_requests_total[1m]))\n",
        "its last answer has 2 samples",
        "pod web-1 = 7, ",
        "over 60 s",
        "in   web-2  11\n",
        "out  web-3  not in Prometheus's answer\n",
        "out  db-1  its labels are app=db, not app=web\n",
    ] {
        assert!(text.contains(said), "no {said:?}: {text}");
    }
    let (code, text) = explain(&["queue", "--for", "external"]);
    assert!(code == Some(0) && text.contains("{queue=mail} = 42, "), "{text}");
    let (code, text) = explain(&["rsp"]);
    assert!(code == Some(0) && text.contains("no rule serves it; these are served: rps"), "{text}");
    let (code, text) = explain(&["rps", "--for", "wigdet"]);
    assert!(code == Some(2) && text.contains("no resource wigdet is known"), "{text}");
    let json = adapter.ops("/explain.json?metric=rps&namespace=shop&for=pod/web-1").expect(200).json();
    assert_eq!((&json["source"], &json["values"][0]["value"]), (&"prometheus".into(), &"7".into()), "{json}");
}

#[test]
fn the_status_page_shows_each_metric_with_its_demand_its_query_and_its_last_answer() {
    let prometheus = Prometheus::of(SERIES);
    let rules = format!("prometheus: {{url: '{}'}}\n{}", prometheus.url(), recorded("1-overrides.yaml"));
    let pods = ["web-1", "web-2"].map(|name| pod(name, "http://127.0.0.1:9/metrics", ""));
    let adapter = crate::support::Adapter::start(Some(&rules), &format!("pods:\n{}", pods.concat()));
    eventually("a value", || adapter.value("pods/web-1", "http_requests_per_second").is_some());
    let page = adapter.ops("/").expect(200).text();
    for said in [
        "<h2>Prometheus <small>http://127.0.0.1",
        "<strong>pods/http_requests_per_second</strong>",
        "by (pod",
        "2 samples",
        "<code>http_requests_per_second</code> <span class=\"soft\">of namespaces, pods</span>",
        "http_requests_total{namespace!=&quot;&quot;,pod!=&quot;&quot;}",
    ] {
        assert!(page.contains(said), "no {said:?}: {page}");
    }
    let queries = adapter.ops("/status.json").json()["prometheus"]["queries"].take();
    assert!(queries[0]["asked"].as_u64().unwrap() >= 1 && queries[0]["windowSeconds"] == 60.0, "{queries}");
}

#[test]
fn what_the_file_says_of_prometheus_is_followed() {
    let prometheus = Prometheus::of(SERIES);
    let config = |name: &str| {
        format!(
            "prometheus: {{url: '{}'}}\nrules:\n- seriesQuery: 'http_requests_total{{pod!=\"\"}}'\n  \
             resources: {{template: \"<<.Resource>>\"}}\n  name: {{as: {name}}}\n  \
             metricsQuery: 'sum(rate(<<.Series>>{{<<.LabelMatchers>>}}[1m])) by (<<.GroupBy>>)'\n",
            prometheus.url()
        )
    };
    let target = pod("web-1", "http://127.0.0.1:9/metrics", "");
    let adapter = crate::support::Adapter::start(Some(&config("before")), &format!("pods:\n{target}"));
    eventually("before", || adapter.value("pods/web-1", "before") == Some(7.0));
    adapter.replace("config.yaml", &config("after"));
    eventually("after", || adapter.value("pods/web-1", "after") == Some(7.0));
    assert_eq!(adapter.value("pods/web-1", "before"), None);
    let list = adapter.get("/apis/custom.metrics.k8s.io/v1beta2").expect(200).text();
    assert!(list.contains("pods/after") && !list.contains("pods/before"), "{list}");
    adapter.replace("config.yaml", &config("after").replace("metricsQuery", "metricQuery"));
    eventually("the mistake", || adapter.ops("/").text().contains("did you mean `metricsQuery`?"));
    assert_eq!(adapter.value("pods/web-1", "after"), Some(7.0));
}

#[test]
fn series_that_come_later_are_found_soon() {
    let target = crate::support::Target::saying(|| "late_jobs{queue=\"mail\"} 3\n".to_owned());
    let prometheus = Prometheus::scraping(&[]);
    let config = format!(
        "prometheus: {{url: '{}'}}\nrules:\n- seriesQuery: 'late_jobs{{pod!=\"\"}}'\n  \
         resources: {{template: \"<<.Resource>>\"}}\n  \
         metricsQuery: 'sum(<<.Series>>{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)'\n",
        prometheus.url()
    );
    let adapter = crate::support::Adapter::start(Some(&config), &format!("pods:\n{}", pod("web-1", &target.url, "")));
    eventually("listed without a series", || {
        adapter.ops("/status.json").json()["prometheus"]["rules"][0]["series"] == 0
    });
    prometheus.scrape_instead(&target.url, "namespace: shop, pod: web-1");
    eventually("found", || adapter.value("pods/web-1", "late_jobs") == Some(3.0));
}
