use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::support::kube::objects::{self, Adorn as _};
use crate::support::kube::{FakeKube, Options, Request};
use crate::support::stage::{HPA, Stage, manifests, roles};
use crate::support::{Adapter, Counter, FAST, eventually};

/// Where CPU and memory do not matter.
const NO_KUBELETS: &[&str] = &["--resource-metrics", "false"];
/// Everything that is watched, but for the `ConfigMap` of those who are trusted.
const WATCHED: [&str; 8] = [
    "pods",
    "nodes",
    "services",
    "endpointslices",
    "replicasets",
    "deployments",
    "statefulsets",
    "horizontalpodautoscalers",
];

fn is_measured(stage: &Stage, adapter: &Adapter, pod: &str) -> bool {
    stage.rate(adapter, "shop", &format!("pods/{pod}")).is_some()
}

/// What the adapter says of its watches: their names, and what is wrong with each.
fn problems(adapter: &Adapter) -> Vec<(String, Option<String>)> {
    let watches = adapter.ops("/status.json").expect(200).json()["cluster"]["watches"].take();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    watches.as_array().unwrap().iter().map(|own| (text(&own["resource"]).unwrap(), text(&own["problem"]))).collect()
}

fn is_watch(request: &Request) -> bool {
    request.verb == "watch"
}

/// How all watches are broken.
type Breaks = fn(&FakeKube);

/// The series of a resource.
fn of(family: &str, resource: &str) -> String {
    format!("metrics_adapter_{family}{{resource=\"{resource}\"}}")
}

#[test]
fn a_server_without_streaming_lists_is_asked_for_each_list_once_page_by_page() {
    let target = Counter::target(50.0);
    let stage = {
        let options = Options { watch_list: false, ..Options::default() };
        Stage::with(options, &roles(&manifests("complete")))
    };
    let many = (0..1200).map(|number| objects::pod("shop", &format!("other-{number}"), "192.0.2.1", "node1"));
    stage.kube.put_all("pods", many);
    stage.scraped_pod("web-1", &target.url);
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    eventually("measured", || is_measured(&stage, &adapter, "web-1"));
    let lists = |resource: &str| stage.kube.count("list", resource);
    let pages = stage.kube.tally();
    let pages: Vec<_> = pages.iter().filter(|own| own.verb == "list" && own.resource == "pods").collect();
    assert_eq!(pages.len(), 3, "1,201 pods are three pages of 500: {pages:#?}");
    assert!(pages.iter().all(|page| page.parameter("limit").as_deref() == Some("500")), "{pages:#?}");
    for resource in WATCHED.into_iter().chain(["configmaps"]).filter(|own| *own != "pods") {
        assert_eq!(lists(resource), 1, "{resource}");
    }
    // Once it is known that there are none, they are not asked for again.
    let asks_to_stream = |own: &&Request| own.parameter("sendInitialEvents").is_some();
    let of_names = |own: &&Request| own.resource == "apiservices";
    let tries = stage.kube.tally().iter().filter(|own| asks_to_stream(own) && !of_names(own)).count();
    assert!((1..=9).contains(&tries), "{tries}");
    assert_eq!(adapter.metric("metrics_adapter_lists_total{resource=\"pods\",how=\"list\"}"), Some(1.0));
    // From then on watches say everything.
    stage.kube.reset_tally();
    stage.scraped_pod("web-2", &target.url);
    stage.kube.remove("pods", "shop", "web-1");
    eventually("known", || is_measured(&stage, &adapter, "web-2") && !is_measured(&stage, &adapter, "web-1"));
    assert_eq!(stage.kube.tally().iter().filter(|own| own.verb == "list").count(), 0);
    // Where it was is forgotten: then, and only then, there is another list.
    stage.kube.failing(503, is_watch);
    stage.kube.close_watches();
    eventually("closed", || WATCHED.iter().all(|own| stage.kube.watches(own) == 0));
    stage.scraped_pod("web-3", &target.url);
    stage.kube.remove("pods", "shop", "web-2");
    stage.kube.compact();
    stage.kube.heal();
    eventually("known", || is_measured(&stage, &adapter, "web-3") && !is_measured(&stage, &adapter, "web-2"));
    eventually("watched", || WATCHED.iter().all(|own| stage.kube.watches(own) == 1));
    assert_eq!(lists("pods"), 3);
    assert_eq!(lists("services"), 1);
    assert_eq!(stage.kube.tally().iter().filter(asks_to_stream).count(), 0);
}

#[test]
fn whatever_changes_while_watches_are_broken_is_known_afterwards_without_a_list() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    stage.scraped_pod("web-0", &target.url);
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    eventually("measured", || is_measured(&stage, &adapter, "web-0"));
    // How they break, and whether they begin anew afterwards instead of where they were.
    let table: [(&str, Breaks, bool); 5] = [
        ("as they always end", FakeKube::close_watches, false),
        ("within an event", FakeKube::cut_watches, false),
        ("with the history", FakeKube::expire_watches, true),
        (
            "with the server",
            |kube| {
                kube.away();
                kube.back();
            },
            false,
        ),
        (
            "and are forgotten",
            |kube| {
                kube.close_watches();
                kube.compact();
            },
            true,
        ),
    ];
    let restarts = || adapter.metric(&of("watch_restarts_total", "pods")).unwrap_or_default();
    for (number, (how, breaks, anew)) in table.into_iter().enumerate() {
        let before = restarts();
        stage.kube.reset_tally();
        stage.kube.failing(503, is_watch);
        breaks(&stage.kube);
        eventually(how, || WATCHED.iter().all(|own| stage.kube.watches(own) == 0));
        eventually("said", || problems(&adapter).iter().all(|(_, problem)| problem.is_some()));
        let (old, new) = (format!("web-{number}"), format!("web-{}", number + 1));
        stage.scraped_pod(&new, &target.url);
        stage.kube.remove("pods", "shop", &old);
        if how == "and are forgotten" {
            stage.kube.compact();
        }
        assert!(is_measured(&stage, &adapter, &old), "{how}: what is known stays known");
        stage.kube.heal();
        eventually(how, || is_measured(&stage, &adapter, &new) && !is_measured(&stage, &adapter, &old));
        eventually("watched", || problems(&adapter).iter().all(|(_, problem)| problem.is_none()));
        let tally = stage.kube.tally();
        assert_eq!(tally.iter().filter(|own| own.verb == "list").count(), 0, "{how}");
        let last = tally.iter().rfind(|own| is_watch(own) && own.resource == "pods").unwrap();
        let from_the_start = last.parameter("sendInitialEvents").as_deref() == Some("true");
        assert_eq!(from_the_start, anew, "{how}: {last:?}");
        assert!(restarts() > before, "{how}");
    }
}

#[test]
fn a_watch_that_ends_as_all_watches_do_goes_on_where_it_was_and_is_no_problem() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    stage.scraped_pod("web-1", &target.url);
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    // A watch that ends within a second was none.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    stage.kube.reset_tally();
    stage.kube.close_watches();
    stage.scraped_pod("web-2", &target.url);
    eventually("measured", || is_measured(&stage, &adapter, "web-2"));
    eventually("watched", || WATCHED.iter().all(|own| stage.kube.watches(own) == 1));
    let tally = stage.kube.tally();
    assert!(tally.iter().all(|own| own.verb != "list"), "{tally:#?}");
    assert!(tally.iter().filter(|own| is_watch(own)).all(|own| own.parameter("sendInitialEvents").is_none()));
    assert_eq!(adapter.metric(&of("watch_restarts_total", "pods")), None);
    assert!(problems(&adapter).iter().all(|(_, problem)| problem.is_none()));
}

#[test]
fn while_the_api_server_is_away_what_is_known_is_served_and_everybody_is_told_that_it_is_away() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    for pod in ["web-1", "web-2"] {
        stage.scraped_pod(pod, &target.url);
    }
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    for pod in ["web-1", "web-2"] {
        eventually("measured", || is_measured(&stage, &adapter, pod));
    }
    let masters = [("X-Remote-User", "system:kube-aggregator"), ("X-Remote-Group", "system:masters")];
    let discovery = || {
        let reply = stage.front_proxy(&adapter).request("GET", "/apis/custom.metrics.k8s.io/v1beta2", &masters, b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    discovery();
    stage.kube.away();
    stage.kube.remove("pods", "shop", "web-2");
    stage.scraped_pod("web-3", &target.url);
    eventually("said", || problems(&adapter).iter().all(|(_, problem)| problem.is_some()));
    let scrapes = target.requests.load(Ordering::Relaxed);
    for _ in 0..10 {
        for pod in ["web-1", "web-2"] {
            assert!(is_measured(&stage, &adapter, pod), "{pod}");
        }
        discovery();
        assert_eq!(adapter.ops("/readyz").status, 200);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(target.requests.load(Ordering::Relaxed) >= scrapes + 4, "targets are still scraped");
    assert!(adapter.metric(&of("watch_restarts_total", "pods")).unwrap() >= 1.0);
    assert_eq!(adapter.metric(&of("watch_up", "pods")), Some(0.0));
    let page = adapter.ops("/").expect(200).text();
    assert!(page.contains("The API server.") && page.contains("tries to connect"), "{page}");
    stage.kube.back();
    eventually("known", || is_measured(&stage, &adapter, "web-3") && !is_measured(&stage, &adapter, "web-2"));
    eventually("well", || problems(&adapter).iter().all(|(_, problem)| problem.is_none()));
    assert_eq!(adapter.metric(&of("watch_up", "pods")), Some(1.0));
    assert!(!adapter.ops("/").text().contains("The API server."));
    assert_eq!(adapter.log_lines("can be watched again").len(), problems(&adapter).len());
    assert_eq!(stage.kube.tally().iter().filter(|own| own.verb == "list").count(), 0);
}

/// The shipped roles of one namespace, and the same for another.
fn roles_in(other: &str) -> Vec<Value> {
    let mut all = roles(&manifests("namespaced"));
    let own = all.iter().filter(|role| role["metadata"]["namespace"] == "real-world").cloned();
    let others: Vec<Value> = own.map(|role| role.with("/metadata/namespace", json!(other))).collect();
    assert_eq!(others.len(), 2, "a Role and its binding");
    all.extend(others);
    all
}

#[test]
fn one_namespace_is_watched_with_a_role_in_it_and_nothing_else_is_asked_for() {
    let target = Counter::target(50.0);
    let stage = Stage::with(Options::default(), &roles(&manifests("namespaced")));
    stage.kube.namespace("real-world");
    stage.kube.put("nodes", objects::node("node1", &[("InternalIP", "127.0.0.2")]));
    stage.scraped_pod_in("real-world", "web-1", &target.url);
    stage.scraped_pod_in("shop", "web-1", &target.url);
    let arguments = ["--namespaces", "real-world", "--resource-metrics", "false"];
    let adapter = stage.adapter(Some(FAST), &arguments);
    adapter.wait_ready();
    eventually("measured", || stage.rate(&adapter, "real-world", "pods/web-1").is_some());
    for what in ["pods/*", "pods/web-1", "services/web"] {
        let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/{what}/http_requests_per_second");
        let answer = stage.ask(&adapter, &path).text();
        let cause = "namespace shop is not watched: --namespaces names real-world";
        assert!(answer.contains(cause), "{what}: {answer}");
    }
    assert_eq!(adapter.ops("/status.json").json()["targets"].as_array().unwrap().len(), 1);
    for request in stage.kube.tally() {
        let there = request.path.contains("/namespaces/real-world/");
        let map = request.path == "/api/v1/namespaces/kube-system/configmaps";
        let review = request.verb == "create" && request.path.ends_with("reviews");
        let own_services = request.resource == "apiservices" && request.name.ends_with("metrics.k8s.io");
        assert!(there || map || review || own_services, "{request:#?}");
    }
    let all = problems(&adapter);
    assert!(all.iter().all(|(_, problem)| problem.is_none()), "{all:#?}");
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"pods in real-world") && !names.iter().any(|name| name.starts_with("nodes")), "{names:?}");
}

#[test]
fn of_two_namespaces_it_is_said_which_may_not_be_watched_and_both_are_once_they_may() {
    let target = Counter::target(50.0);
    let stage = Stage::with(Options::default(), &roles(&manifests("namespaced")));
    stage.kube.namespace("real-world");
    for namespace in ["real-world", "shop", "default"] {
        stage.scraped_pod_in(namespace, "web-1", &target.url);
    }
    let arguments = ["--namespaces", "real-world,shop", "--resource-metrics", "false"];
    let adapter = stage.adapter(Some(FAST), &arguments);
    eventually("said", || {
        let text = adapter.ops("/readyz").text();
        text.contains("pods in shop (the API server answered 403: ") && !text.contains("in real-world")
    });
    assert_eq!(adapter.ops("/readyz").status, 503);
    stage.kube.grant(&roles_in("shop"));
    adapter.wait_ready();
    for namespace in ["real-world", "shop"] {
        eventually(namespace, || stage.rate(&adapter, namespace, "pods/web-1").is_some());
    }
    assert_eq!(stage.rate(&adapter, "default", "pods/web-1"), None);
    // What is gone in one is there in the other.
    stage.kube.remove("pods", "shop", "web-1");
    eventually("gone", || stage.rate(&adapter, "shop", "pods/web-1").is_none());
    assert!(stage.rate(&adapter, "real-world", "pods/web-1").is_some());
}

#[test]
fn pods_are_chosen_by_selector_and_the_name_of_a_port_and_again_when_the_file_changes() {
    let target = Counter::target(50.0);
    let port: u16 = target.url.trim_end_matches("/metrics").rsplit(':').next().unwrap().parse().unwrap();
    let stage = Stage::new();
    let pod = |name: &str, app: &str| {
        objects::pod("shop", name, "127.0.0.1", "node1").label("app", app).port("app", "admin", port)
    };
    stage.kube.put_all("pods", [pod("web-1", "web"), pod("api-1", "api")]);
    stage.kube.put("pods", pod("web-2", "web").annotation("prometheus.io/scrape", "false"));
    let choosing = |app: &str| {
        let interval = "interval: 200ms, timeout: 150ms";
        FAST.replace(interval, &format!("{interval}, pods: [{{selector: app={app}, port: admin}}]"))
    };
    let adapter = stage.adapter(Some(&choosing("web")), NO_KUBELETS);
    adapter.wait_ready();
    eventually("measured", || is_measured(&stage, &adapter, "web-1"));
    assert!(!is_measured(&stage, &adapter, "api-1") && !is_measured(&stage, &adapter, "web-2"));
    adapter.replace("config.yaml", &choosing("api"));
    eventually("measured", || is_measured(&stage, &adapter, "api-1") && !is_measured(&stage, &adapter, "web-1"));
    // A port of that name moves.
    let other = Counter::target(500.0);
    let moved: u16 = other.url.trim_end_matches("/metrics").rsplit(':').next().unwrap().parse().unwrap();
    stage.kube.change("pods", "shop", "api-1", |pod| {
        pod["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(moved);
    });
    eventually("moved", || stage.rate(&adapter, "shop", "pods/api-1").is_some_and(|rate| rate > 400.0));
}

#[test]
fn pods_count_while_they_may_answer_and_what_is_wrong_with_their_annotations_is_said() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    let put = |name: &str, change: &dyn Fn(Value) -> Value| {
        stage.scraped_pod(name, &target.url);
        stage.kube.change("pods", "shop", name, |pod| *pod = change(pod.take()));
    };
    put("running", &|pod| pod);
    put("unready", &|pod| pod.ready(false));
    put("terminating", &|pod| pod.terminating());
    put("pending", &|pod| pod.phase("Pending").with("/status/podIP", json!("")));
    put("failed", &|pod| pod.phase("Failed"));
    put("succeeded", &|pod| pod.phase("Succeeded"));
    put("wrong", &|pod| pod.annotation("prometheus.io/port", "70000"));
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    for pod in ["running", "unready", "terminating"] {
        eventually(pod, || is_measured(&stage, &adapter, pod));
    }
    for pod in ["pending", "failed", "succeeded", "wrong"] {
        assert!(!is_measured(&stage, &adapter, pod), "{pod}");
    }
    let wrong = adapter.status_of("wrong");
    let problem = "prometheus.io/port: `70000` is neither a port from 1 to 65535 nor the name of one";
    assert_eq!((&wrong["state"], &wrong["error"]["problem"]), (&json!("down"), &json!(problem)));
    assert!(adapter.ops("/").text().contains("`70000` is neither a port"));
    // They go on.
    stage.kube.change("pods", "shop", "pending", |pod| {
        *pod = pod.take().phase("Running").with("/status/podIP", json!("127.0.0.1"));
    });
    stage.kube.change("pods", "shop", "running", |pod| *pod = pod.take().phase("Succeeded"));
    let port = target.url.trim_end_matches("/metrics").rsplit(':').next().unwrap();
    stage.kube.change("pods", "shop", "wrong", |pod| *pod = pod.take().annotation("prometheus.io/port", port));
    eventually("come", || is_measured(&stage, &adapter, "pending") && is_measured(&stage, &adapter, "wrong"));
    eventually("gone", || !is_measured(&stage, &adapter, "running"));
}

#[test]
fn pods_are_counted_with_whatever_controls_them() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    let labels = json!({"app": "web"});
    stage.kube.put("statefulsets", objects::stateful_set("shop", "db", 2, &labels));
    let owners = [
        ("db-0", "apps/v1", "StatefulSet", "db"),
        ("db-1", "apps/v1", "StatefulSet", "db"),
        ("agent-x", "apps/v1", "DaemonSet", "agent"),
        ("load-x", "batch/v1", "Job", "load"),
        ("own-x", "example.com/v1", "StatefulSet", "own"),
        ("mirror-x", "v1", "Node", "node1"),
    ];
    for (pod, api_version, kind, name) in owners {
        stage.scraped_pod(pod, &target.url);
        stage.kube.change("pods", "shop", pod, |object| {
            *object = object.take().owner(api_version, kind, name, "uid-1");
        });
    }
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    let near = |rate: Option<f64>, wanted: f64| rate.is_some_and(|rate| (rate - wanted).abs() < wanted / 4.0);
    for (object, pods) in [("statefulsets.apps/db", 2.0), ("daemonsets.apps/agent", 1.0), ("jobs.batch/load", 1.0)] {
        eventually(object, || near(stage.rate(&adapter, "shop", object), 50.0 * pods));
    }
    // A controller of the same kind in another group is another.
    assert_eq!(stage.rate(&adapter, "shop", "statefulsets.apps/own"), None);
    assert!(is_measured(&stage, &adapter, "own-x") && is_measured(&stage, &adapter, "mirror-x"));
}

#[test]
fn autoscalers_are_shown_with_what_they_want_and_leave_nothing_behind() {
    let stage = Stage::new();
    let metrics = json!([{"type": "Pods", "pods": {
        "metric": {"name": "http_requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "60"},
    }}]);
    let scaler = objects::hpa("shop", "web", 2, 9, &metrics);
    let condition = json!([{
        "type": "ScalingActive", "status": "False", "reason": "FailedGetPodsMetric", "message": "no <metrics> returned",
    }]);
    stage.kube.put("horizontalpodautoscalers", scaler.with("/status/conditions", condition));
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    let of = |family: &str, more: &str| {
        let series = format!("kube_horizontalpodautoscaler_{family}");
        adapter.metric(&format!("{series}{{namespace=\"shop\",horizontalpodautoscaler=\"web\"{more}}}"))
    };
    eventually("known", || of("spec_max_replicas", "") == Some(9.0));
    assert_eq!(of("spec_min_replicas", ""), Some(2.0));
    let threshold = ",metric_name=\"http_requests_per_second\",metric_target_type=\"average\"";
    assert_eq!(of("spec_target_metric", threshold), Some(60.0));
    assert_eq!(of("status_condition", ",condition=\"ScalingActive\",status=\"false\""), Some(1.0));
    let page = adapter.ops("/").expect(200).text();
    assert!(page.contains("scales Deployment/web"), "{page}");
    assert!(page.contains("FailedGetPodsMetric: no &lt;metrics&gt; returned"), "{page}");
    stage.kube.change("horizontalpodautoscalers", "shop", "web", |own| own["status"]["desiredReplicas"] = json!(5));
    eventually("changed", || of("status_desired_replicas", "") == Some(5.0));
    stage.kube.remove("horizontalpodautoscalers", "shop", "web");
    eventually("gone", || !adapter.ops("/metrics").text().contains("kube_horizontalpodautoscaler"));
    assert!(adapter.ops("/").text().contains("There is no HorizontalPodAutoscaler."));
}

#[test]
fn in_peace_the_api_server_is_asked_for_nothing() {
    let target = Counter::target(50.0);
    let stage = Stage::new();
    stage.scraped_pod("web-1", &target.url);
    let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    eventually("measured", || is_measured(&stage, &adapter, "web-1"));
    stage.kube.reset_tally();
    for number in 0..30 {
        assert!(is_measured(&stage, &adapter, "web-1"));
        // Others' objects change, and pods that nobody scrapes.
        stage.kube.put("pods", objects::pod("shop", &format!("other-{number}"), "192.0.2.1", "node1"));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let tally = stage.kube.tally();
    assert!(tally.is_empty(), "{HPA} is known, and watches are open: {tally:#?}");
}
