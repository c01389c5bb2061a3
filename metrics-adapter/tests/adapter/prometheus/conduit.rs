//! Real conduits under load, scraped by a real Prometheus.

use std::time::Duration;

use crate::conduit::{Conduit, Load};
use crate::support::prometheus::Prometheus;
use crate::support::{Adapter, eventually, quantity};

const RULES: &str = r#"rules:
- seriesQuery: 'http_requests_total{namespace!="",pod!=""}'
  resources: {template: "<<.Resource>>"}
  name: {matches: "^(.*)_total$", as: "${1}_per_second"}
  metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[10s])) by (<<.GroupBy>>)'
"#;

#[test]
fn values_of_conduits_under_load_are_what_promql_says_of_the_same_evaluation() {
    let conduits = [Conduit::start(), Conduit::start()];
    let labels: Vec<String> = (0..2).map(|at| format!("namespace: shop, pod: web-{at}")).collect();
    let targets: Vec<_> = conduits.iter().zip(&labels).map(|(own, labels)| (&*own.metrics, &**labels)).collect();
    let prometheus = Prometheus::scraping(&targets);
    let pods: String = conduits
        .iter()
        .enumerate()
        .map(|(at, own)| format!("- {{name: web-{at}, namespace: shop, url: '{}', services: [web]}}\n", own.metrics))
        .collect();
    let config = format!("prometheus: {{url: '{}', interval: 1s, relistInterval: 1s}}\n{RULES}", prometheus.url());
    let adapter = Adapter::start(Some(&config), &format!("pods:\n{pods}"));
    let _loads: Vec<Load> = conduits.iter().zip([40.0, 90.0]).map(|(own, rate)| Load::at(rate, &own.api)).collect();
    eventually("measured under load", || {
        adapter.value("pods/web-1", "http_requests_per_second").is_some_and(|value| value > 60.0)
    });
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/http_requests_per_second";
    let query = adapter.ops("/status.json").json()["prometheus"]["queries"][0]["query"].as_str().unwrap().to_owned();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(700));
        let items = adapter.get(path).expect(200).json()["items"].take();
        let ours: Vec<f64> =
            items.as_array().unwrap().iter().map(|item| quantity(item["value"].as_str().unwrap())).collect();
        assert_eq!(ours.len(), 2, "{items}");
        // The log tells the millisecond; an item the second of the same.
        let second = items[0]["timestamp"].as_str().unwrap().trim_end_matches('Z');
        let of_that_second: Vec<String> =
            prometheus.evaluations(&query).into_iter().filter(|time| time.starts_with(second)).collect();
        assert!(!of_that_second.is_empty(), "Prometheus evaluated {query} at no time of {second}");
        let directly: Vec<Vec<f64>> = of_that_second
            .iter()
            .map(|time| {
                let mut samples = prometheus.query_at(&query, time);
                samples.sort_by_key(|(labels, _)| labels["pod"].to_string());
                samples.iter().map(|(_, value)| (value * 1000.0).trunc() / 1000.0).collect()
            })
            .collect();
        let same = |own: &Vec<f64>| own.iter().zip(&ours).all(|(own, ours)| (own - ours).abs() < 1e-9);
        assert!(directly.iter().any(same), "{ours:?} is none of {directly:?}, evaluated at {of_that_second:?}");
    }
}
