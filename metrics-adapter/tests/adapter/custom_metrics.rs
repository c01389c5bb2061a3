use crate::support::{Adapter, Counter, FAST, Target, eventually, pod};

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// Whether a value is that, but for the noise of timers.
fn near(value: Option<f64>, wanted: f64) -> bool {
    value.is_some_and(|value| (value - wanted).abs() < wanted * 0.1 + 0.5)
}

#[test]
fn a_metric_is_served_for_pods_and_summed_for_all_that_groups_them() {
    let (one, two) = (Counter::target(40.0), Counter::target(60.0));
    let groups = "owner: Deployment/web, services: [web], ingresses: [front]";
    let pods = pod("web-1", &one.url, groups) + &pod("web-2", &two.url, groups);
    let adapter = Adapter::start(Some(FAST), &format!("pods:\n{pods}"));
    let value = |object: &str| adapter.value(object, "http_requests_per_second");
    eventually("right for each pod", || near(value("pods/web-1"), 40.0) && near(value("pods/web-2"), 60.0));
    for object in
        ["services/web", "deployments.apps/web", "deployments/web", "ingresses.networking.k8s.io/front", "metrics"]
    {
        assert!(near(value(object), 100.0), "{object}: {:?}", value(object));
    }
    for path in ["nodes/machine", "nodes/*", "namespaces/shop", "namespaces/*"] {
        let reply = adapter.get(&format!("{CUSTOM}/{path}/http_requests_per_second")).expect(200).json();
        assert_eq!(reply["items"].as_array().unwrap().len(), 1, "{path}: {reply}");
    }
    let all = adapter.get(&format!("{CUSTOM}/pods/*/http_requests_per_second")).expect(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "of all namespaces");
}

#[test]
fn pods_without_a_value_are_left_out_and_when_all_are_the_message_says_why() {
    let good = Counter::target(40.0);
    let other = Target::saying(|| "something_else 1\n".to_owned());
    let pods =
        pod("web-1", &good.url, "") + &pod("web-2", "http://127.0.0.1:1/metrics", "") + &pod("web-3", &other.url, "");
    let adapter = Adapter::start(Some(FAST), &format!("pods:\n{pods}"));
    adapter.wait_ready();
    let star = |query: &str| adapter.get(&format!("{CUSTOM}/namespaces/shop/pods/*/http_requests_per_second{query}"));
    eventually("a value", || star("").status == 200);
    let names: Vec<String> = star("").json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["describedObject"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["web-1"], "never 0 for a pod without a value");

    let message = |path: &str| adapter.get(&format!("{CUSTOM}/namespaces/shop/{path}")).failure(404);
    let gone = message("pods/web-2/http_requests_per_second");
    assert!(gone.starts_with("the server could not find the metric http_requests_per_second for pods web-2: 1 pod, none scraped successfully yet; the last scrape of web-2 failed: connection: "), "{gone}");
    let without = message("pods/web-3/http_requests_per_second");
    assert!(without.ends_with("1 pod, none has this series in its metrics"), "{without}");
    let nobody = message("pods/*/http_requests_per_second?labelSelector=app%3Dnobody");
    assert!(nobody.ends_with("for pods: no pods match app=nobody in namespace shop"), "{nobody}");
    let nothing = message("pods/*/http_requests_per_second?metricLabelSelector=method%3DPUT");
    assert!(
        nothing.contains("3 pods are in namespace shop: 1 never scraped successfully, 2 without this series"),
        "{nothing}"
    );
    assert!(nothing.contains("(with method=PUT)"), "{nothing}");
}

#[test]
fn before_the_second_scrape_the_message_says_that_it_is_awaited() {
    let good = Counter::target(40.0);
    let config = "scrape: {interval: 4s}\n";
    let adapter = Adapter::start(Some(config), &format!("pods:\n{}", pod("web-1", &good.url, "")));
    let path = format!("{CUSTOM}/namespaces/shop/pods/*/http_requests_per_second?labelSelector=app%3Dweb");
    eventually("scraped once", || {
        adapter.get(&path).failure(404).ends_with("1 pod matches app=web in namespace shop, none scraped twice yet")
    });
}
