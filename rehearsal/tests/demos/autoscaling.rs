use std::fs;
use std::sync::Arc;

use serde_json::json;

use crate::acting::{NAMESPACE, tell};
use crate::scene::{Scene, until};
use crate::visited::Visited;

/// 30 times as fast: a sync each half second, a window downwards of ten.
const PACE: f64 = 30.0;

fn scene() -> (Scene, Arc<Visited>) {
    let visited = Arc::new(Visited::start());
    (Scene::with_hpa(PACE, Some(&visited)), visited)
}

fn play(scene: &Scene, patience: &str, more: &[&str]) -> crate::scene::Playing {
    let report = scene.path("report.html");
    let step = if more.contains(&"--step") { vec![] } else { vec!["--step", "6s"] };
    let arguments = [&["--quick", "--report", report.to_str().unwrap()], &step[..], more].concat();
    scene.play("demo-hpa", patience, &arguments)
}

#[test]
fn replicas_follow_the_load_up_and_down_and_the_report_draws_them() {
    let (scene, visited) = scene();
    let ended = play(&scene, "60s", &["--assert", "--url", &visited.url]).end();
    let ended = ended.with(
        0,
        &[
            "real-world-hpa: 2 to 10 replicas",
            "20, 140, 240 requests a second for 6s each",
            "20 requests a second: 2 ready of 2, expected 2, as expected",
            "2 -> 3  pods metric http_requests_per_second above target",
            "140 requests a second: 3 ready of 3, expected 3, as expected",
            "pods metric http_requests_per_second above target",
            "240 requests a second: 5 ready of 5, expected 5, as expected",
            "All metrics below target",
            "failed     0",
            "at 240/s   5 ready of 5, expected 5",
            "; seen after",
            "; ready after",
            "The replicas followed the load, and no request failed.",
        ],
    );
    assert!(ended.said.contains("  per pod "), "a live line of requests a second per pod:\n{}", ended.said);
    let html = fs::read_to_string(scene.path("report.html")).unwrap();
    for part in
        ["Autoscaling in the cluster", "steps:20@6s,140@6s,240@6s,20@", "<svg", "http_requests_per_second above target"]
    {
        assert!(html.contains(part), "the report lacks {part:?}");
    }
}

#[test]
fn without_an_hpa_it_says_how_to_get_one() {
    let scene = Scene::begin();
    let missing = "there is no HorizontalPodAutoscaler real-world-hpa in namespace real-world";
    play(&scene, "2s", &[]).end().with(1, &[missing, "What to do: make up"]);
}

#[test]
fn an_hpa_that_does_not_see_is_told_in_the_words_of_its_condition() {
    let (scene, visited) = scene();
    scene.stop_scaling();
    let message = "unable to fetch metrics from custom metrics API";
    scene.kube.change("horizontalpodautoscalers", NAMESPACE, "real-world-hpa", |hpa| {
        hpa["status"]["conditions"] = json!([
            {"type": "ScalingActive", "status": "False", "reason": "FailedGetPodsMetric", "message": message},
        ]);
    });
    let said = format!("the HPA real-world-hpa sees nothing: ScalingActive False, FailedGetPodsMetric: {message}");
    play(&scene, "1s", &["--url", &visited.url]).end().with(1, &[&said, "What to do: make doctor"]);
    assert_eq!(visited.asked(), 0, "no load is sent to what cannot follow it");
}

#[test]
fn replicas_of_a_load_of_before_are_waited_for_until_they_are_few() {
    let (scene, visited) = scene();
    // Its window holds them.
    scene.stop_scaling();
    let replicas = |count: u64| {
        scene.kube.change("deployments", NAMESPACE, "real-world", |object| object["spec"]["replicas"] = json!(count));
        until("the replicas", || scene.deployment()["status"]["readyReplicas"] == count);
    };
    replicas(4);
    let mut playing = play(&scene, "60s", &["--url", &visited.url]);
    playing.wait_for("waiting for 2 replicas, from which it begins: 4 ready of 2");
    assert_eq!(visited.asked(), 1, "the load began before they were few");
    replicas(2);
    playing.wait_for("Load: ");
}

#[test]
fn an_hpa_that_a_quotas_demonstration_still_holds_is_not_shown() {
    let (scene, visited) = scene();
    scene.kube.change("deployments", NAMESPACE, "real-world", |object| {
        object["metadata"]["annotations"]["conduit/before-demo-quota"] = json!("{}");
    });
    let said = "an earlier `make demo-quota` was cut off, and the HPA real-world-hpa still holds still";
    play(&scene, "2s", &["--url", &visited.url]).end().with(1, &[said, "What to do: `make demo-quota` once more"]);
    assert_eq!(visited.asked(), 0);
}

#[test]
fn an_address_at_which_somebody_else_answers_is_passed_by() {
    let (scene, visited) = scene();
    let other = Visited::start();
    other.fail();
    let address = |visited: &Visited| visited.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    scene.apply("real-world-ingress.yaml");
    scene.kube.change("ingresses", NAMESPACE, "real-world-service", |ingress| {
        ingress["status"] = json!({"loadBalancer": {"ingress": [{"hostname": address(&other)}]}});
    });
    fs::write(scene.path("forwarding"), format!("Forwarding from {} -> 8000\n", address(&visited))).unwrap();
    let mut playing = play(&scene, "2s", &[]);
    playing.wait_for("requests go through `kubectl port-forward`");
    until("the load arrives", || visited.asked() > 20);
}

#[test]
fn a_url_that_does_not_answer_is_named() {
    let (scene, _visited) = scene();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/api/articles");
    play(&scene, "2s", &["--url", &url]).end().with(1, &[&url, "refused", "What to do:", "--url"]);
}

#[test]
fn a_url_that_answers_with_an_error_gets_no_load() {
    let (scene, visited) = scene();
    visited.fail();
    play(&scene, "2s", &["--url", &visited.url]).end().with(1, &["it answers 500", "and 200 is needed"]);
    assert_eq!(visited.asked(), 1);
}

#[test]
fn the_load_goes_to_the_address_of_the_ingress() {
    let (scene, visited) = scene();
    let no_ingress = "there is no Ingress real-world-service in namespace real-world";
    play(&scene, "2s", &[]).end().with(1, &[no_ingress, "--url"]);
    scene.apply("real-world-ingress.yaml");
    let address = visited.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    scene.kube.change("ingresses", NAMESPACE, "real-world-service", |ingress| {
        ingress["status"] = json!({"loadBalancer": {"ingress": [{"hostname": address}]}});
    });
    let mut playing = play(&scene, "2s", &[]);
    playing.wait_for(&format!("to http://real-world.localhost/api/articles ({address})"));
}

#[test]
fn where_traefik_has_no_address_the_load_goes_through_kubectl_and_that_is_said() {
    let (scene, visited) = scene();
    scene.apply("real-world-ingress.yaml");
    let refused = "kubectl port-forward --namespace=real-world --address=127.0.0.1 service/traefik-ingress-service :80";
    play(&scene, "2s", &[]).end().with(1, &[refused, "forwarding: No such file", "What to do:", "--url"]);
    let address = visited.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    fs::write(scene.path("forwarding"), format!("Forwarding from {address} -> 8000\n")).unwrap();
    let mut playing = play(&scene, "2s", &[]);
    playing.wait_for("requests go through `kubectl port-forward`");
    let port = address.rsplit(':').next().unwrap();
    playing.wait_for(&format!("to http://real-world.localhost:{port}/api/articles ({address})"));
    until("the load arrives", || visited.asked() > 20);
}

#[test]
fn a_quota_in_the_way_is_found_in_the_replicasets_event_and_fails_the_assertion() {
    let (scene, visited) = scene();
    scene.apply("real-world-rquota-2-three.yaml");
    let ended = play(&scene, "60s", &["--assert", "--url", &visited.url]).end();
    ended.with(
        2,
        &[
            "the HPA wants more than can be made: pods",
            "240 requests a second: 3 ready of 5, expected 5, NOT as expected",
            "Not as it should be:",
            "240 requests a second: 3 ready of 5, expected 5",
            "pods were not made: exceeded quota: real-world-rquota",
        ],
    );
}

#[test]
fn what_a_quota_refused_before_is_not_taken_for_a_refusal_of_now() {
    let (scene, visited) = scene();
    let old = "Error creating: pods \"real-world-746bdc6575-abcde\" is forbidden: exceeded quota: real-world-rquota";
    tell(&scene.kube, "real-world-746bdc6575.old", ("ReplicaSet", "real-world-746bdc6575"), "FailedCreate", old);
    let mut playing = play(&scene, "60s", &["--url", &visited.url]);
    playing.wait_for("240 requests a second: 5 ready of 5");
    playing.interrupt();
    let ended = playing.end();
    assert!(!ended.said.contains("more than can be made"), "{}", ended.said);
}

#[test]
fn a_request_that_fails_fails_the_assertion() {
    let (scene, visited) = scene();
    let mut playing = play(&scene, "60s", &["--assert", "--step", "1s", "--url", &visited.url]);
    playing.wait_for("Load: ");
    visited.fail();
    playing.end().with(2, &["Not as it should be:", "requests failed"]);
}

#[test]
fn ctrl_c_ends_the_load_and_leaves_a_report() {
    let (scene, visited) = scene();
    let mut playing = play(&scene, "60s", &["--url", &visited.url]);
    playing.wait_for("as expected");
    playing.interrupt();
    playing.end().with(130, &["Report: ", "Stopped; the report has what was seen until then."]);
    let html = fs::read_to_string(scene.path("report.html")).unwrap();
    assert!(html.contains("it was stopped before its end"), "the report does not say so");
    let asked = visited.asked();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(visited.asked(), asked, "the load goes on");
}

#[test]
fn a_cluster_that_is_away_for_a_moment_does_not_end_it() {
    let (scene, visited) = scene();
    let mut playing = play(&scene, "60s", &["--url", &visited.url]);
    playing.wait_for("Load: ");
    scene.kube.away();
    playing.wait_for("the cluster does not answer, the load goes on");
    scene.kube.back();
    playing.wait_for("the cluster answers again");
}

#[test]
fn a_cluster_that_stays_away_ends_it_with_a_report() {
    let (scene, visited) = scene();
    let mut playing = play(&scene, "2s", &["--url", &visited.url]);
    playing.wait_for("Load: ");
    until("the first requests", || visited.asked() > 5);
    scene.kube.away();
    playing.end().with(2, &["Report: ", "Not as it should be:", "the cluster has not answered for 2s"]);
    assert!(scene.path("report.html").is_file());
}
