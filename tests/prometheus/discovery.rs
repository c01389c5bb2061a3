//! The real file on the real Prometheus: whom it asks, under which labels, and what it keeps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use stack::manifests::file;

use crate::server::{Prometheus, rewritten, target, target_until};

/// Its address, its labels, and whether it must have answered.
type Target = (String, Value, bool);

#[test]
fn the_file_is_run_with_the_relabelling_that_a_cluster_is_given() {
    let (before, after) = (file("prometheus/prometheus.yml").remove(0), rewritten(&tempfile::tempdir().unwrap(), 1, 2));
    let jobs = |config: &Value| config["scrape_configs"].as_array().unwrap().clone();
    for (before, after) in jobs(&before).iter().zip(jobs(&after)) {
        for field in ["job_name", "relabel_configs", "metric_relabel_configs", "metrics_path"] {
            assert_eq!(before[field], after[field], "{field} of {}", before["job_name"]);
        }
    }
}

#[test]
fn exactly_what_should_be_scraped_is_and_under_its_labels() {
    let port = target();
    let prometheus = Prometheus::start(port);
    let expected = expected(port);
    let targets = prometheus.eventually("targets", |own| {
        let targets = own.ask("targets", &[])?;
        let active = targets["activeTargets"].as_array()?;
        let asked = active.iter().all(|target| target["health"] != "unknown");
        (asked && active.len() >= expected.len()).then_some(targets)
    });
    let active = targets["activeTargets"].as_array().unwrap();
    let own = |target: &Value| target["labels"]["job"] == "prometheus";
    let found: BTreeSet<_> = active.iter().filter(|target| !own(target)).map(in_short).collect();
    let wanted: BTreeSet<_> = expected.iter().map(|(url, labels, _)| format!("{url} {labels}")).collect();
    assert_eq!(found, wanted);
    assert_eq!(active.len(), wanted.len() + 1, "each once, and itself: {active:#?}");
    for target in active {
        let silent = expected.iter().any(|(url, _, answers)| target["scrapeUrl"] == url.as_str() && !answers);
        assert!(silent || target["health"] == "up", "{target:#}");
    }
    let dropped = targets["droppedTargets"].as_array().unwrap().iter();
    let dropped: BTreeSet<_> =
        dropped.filter_map(|own| own["discoveredLabels"]["__meta_kubernetes_pod_name"].as_str()).collect();
    let wanted = ["db-0", "has-failed", "has-succeeded", "initial", "port-by-name", "says-no", "without-port"];
    assert_eq!(dropped, BTreeSet::from(wanted));
}

fn in_short(target: &Value) -> String {
    format!("{} {}", target["scrapeUrl"].as_str().unwrap(), target["labels"])
}

fn expected(port: u16) -> Vec<Target> {
    let at = format!("127.0.0.1:{port}");
    let pod = |url: &str, namespace: &str, pod: &str, job: &str| {
        let instance = url.split('/').nth(2).unwrap();
        let labels = json!({"instance": instance, "job": job, "namespace": namespace, "node": "node-1", "pod": pod});
        (url.to_owned(), labels, !url.starts_with("https") && !url.contains('['))
    };
    let kubelet = |path: &str, job: &str| {
        let labels = json!({"instance": "node-1", "job": job, "node": "node-1"});
        (format!("http://{at}/metrics/{path}"), labels, true)
    };
    vec![
        pod(&format!("http://{at}/metrics"), "real-world", "real-world-a", "real-world"),
        pod(&format!("http://{at}/metrics"), "real-world", "traefik-a", "traefik"),
        pod(&format!("http://{at}/metrics"), "monitoring", "metrics-adapter-a", "metrics-adapter"),
        pod(&format!("http://{at}/stats"), "real-world", "other-path", "other"),
        pod(&format!("http://{at}/metrics"), "real-world", "no-path", "other"),
        pod(&format!("https://{at}/metrics"), "real-world", "other-scheme", "other"),
        pod(&format!("http://[fd00::7]:{port}/metrics"), "real-world", "of-ipv6", "other"),
        kubelet("resource", "kubelet-resource"),
        kubelet("cadvisor", "kubelet-cadvisor"),
    ]
}

/// Its last value would be there for five minutes otherwise.
#[test]
fn what_a_kubelet_tells_of_no_more_ends_with_the_next_scrape() {
    let gone = Arc::new(AtomicBool::new(false));
    let prometheus = Prometheus::start(target_until(&gone));
    let series = |own: &Prometheus| {
        ["container_cpu_usage_seconds_total", "container_cpu_cfs_periods_total"]
            .map(|name| own.series(&format!("{name}{{pod=\"p\"}}")).len())
    };
    prometheus.eventually("series of the pod", |own| (series(own) == [1, 1]).then_some(()));
    gone.store(true, Ordering::Relaxed);
    prometheus.eventually("the end of them", |own| (series(own) == [0, 0]).then_some(()));
}

#[test]
fn what_nothing_looks_at_is_not_kept_and_every_rule_can_be_evaluated() {
    let prometheus = Prometheus::start(target());
    let kept = prometheus.eventually("series of the kubelets", |own| {
        let jobs = ["kubelet-resource", "kubelet-cadvisor"]
            .map(|job| own.series(&format!("{{job=\"{job}\",__name__=~\"(container|node|machine)_.*\"}}")));
        jobs.iter().all(|job| !job.is_empty()).then(|| jobs.concat())
    });
    let kept: BTreeSet<_> = kept.iter().map(|own| format!("{} {}", own["__name__"], own["namespace"])).collect();
    let wanted = [
        r#""container_cpu_cfs_periods_total" "real-world""#,
        r#""container_cpu_cfs_throttled_periods_total" "real-world""#,
        r#""container_cpu_usage_seconds_total" "real-world""#,
        r#""container_memory_working_set_bytes" "monitoring""#,
        r#""node_cpu_usage_seconds_total" null"#,
    ];
    assert_eq!(kept, wanted.map(str::to_owned).into());

    let hpa = prometheus.eventually("series of the adapter's", |own| {
        let found = own.series("kube_horizontalpodautoscaler_info{job=\"metrics-adapter\"}");
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(hpa.len(), 1, "{hpa:?}");
    assert_eq!(hpa[0]["namespace"], "shop", "of the HPA, not of the adapter: {}", hpa[0]);
    assert_eq!(hpa[0].get("exported_namespace"), None, "{}", hpa[0]);

    prometheus.eventually("evaluations of all rules", |own| {
        let rules = own.ask("rules", &[])?;
        let groups = rules["groups"].as_array()?.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let states: Vec<_> = groups.collect();
        let wrong: Vec<_> = states.iter().filter(|rule| rule["health"] == "err").collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        (states.len() > 40 && states.iter().all(|rule| rule["health"] == "ok")).then_some(())
    });
}
