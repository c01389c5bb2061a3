use fake_kube::Fate;
use serde_json::json;

use crate::world::{APP, MONITORING, World, until};

#[test]
fn status_shows_everything_and_says_that_all_is_well() {
    let world = World::new();
    world.up("60s").succeeded();
    let targets = json!({"targets": [{"namespace": APP, "pod": "a", "state": "up"}, {"namespace": APP, "pod": "b", "state": "up"}]});
    for number in 0..2 {
        let targets = targets.clone();
        let pod = format!("metrics-adapter-6b7f9d5c4-{number:05}");
        world.kube.pod_answers(MONITORING, &pod, move |_| (200, targets.clone()));
    }
    let certificate = fake_kube::base64::encode(world.kube.ca_pem().as_bytes());
    let name = json!({"namespace": MONITORING, "name": "metrics-adapter-tls"});
    world.kube.put("secrets", json!({"metadata": name, "data": {"tls.crt": certificate}}));
    let ended = world.run(&["status"]).succeeded();
    for line in [
        "db-0",
        "http_requests_per_second",
        "2 replicas, 2 wanted, from 2 to 10",
        "v1beta2.custom.metrics.k8s.io",
        "2 of 2 pods are scraped",
        "metrics-adapter-tls: valid for ",
        "All is well.",
    ] {
        assert!(ended.out.contains(line), "{line:?} is not in:\n{}", ended.out);
    }
    let password = "get secret traefik-dashboard-login";
    assert!(ended.out.contains(password), "{}", ended.out);
    world.kube.remove("secrets", APP, "traefik-dashboard-login");
    let by_hand = world.run(&["status"]).succeeded();
    assert!(
        by_hand.out.contains(", with the login that you made") && !by_hand.out.contains(password),
        "{}",
        by_hand.out
    );
}

#[test]
fn status_names_what_is_not_well() {
    let world = World::new();
    world.up("60s").succeeded();
    world.controllers.fate("metrics-adapter", Fate::Crashes("no".to_owned()));
    world.kube.change("statefulsets", APP, "db", |db| db["spec"]["replicas"] = json!(0));
    let quota = "exceeded quota: real-world-rquota".to_owned();
    world.controllers.fate("real-world", Fate::Refused(quota));
    until("the HPA is blind", || {
        world.kube.get("horizontalpodautoscalers", APP, "real-world-hpa").unwrap()["status"]["currentMetrics"].is_null()
    });
    let ended = world.run(&["status"]);
    assert_eq!(ended.code, Some(2), "{}", ended.said());
    for line in [
        "Not well",
        ": CrashLoopBackOff",
        "the database: it is scaled to 0 replicas",
        "the API: 0 of 2 ready (",
        "is forbidden: exceeded quota: real-world-rquota",
        "the HPA is not active: unable to get metric",
        "APIService v1beta2.custom.metrics.k8s.io: endpoints for",
    ] {
        assert!(ended.out.contains(line), "{line:?} is not in:\n{}", ended.out);
    }
}

#[test]
fn status_of_an_empty_cluster_says_how_to_begin() {
    let ended = World::new().run(&["status"]);
    assert_eq!((ended.code, ended.out.contains("`make up` brings it")), (Some(2), true), "{}", ended.said());
}

/// The adapter's doctor, as a stub: it has tests of its own.
fn doctor(world: &World, ends: u8) -> crate::world::Ended {
    world.program("metrics-adapter", &format!("echo 'no fault found'; exit {ends}\n"));
    let adapter = world.path("metrics-adapter");
    world.run(&["doctor", "--adapter", adapter.to_str().unwrap()])
}

#[test]
fn the_doctor_finds_nothing_where_nothing_is_wrong() {
    let world = World::new();
    world.up("60s").succeeded();
    let ended = doctor(&world, 0);
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    assert_eq!(world.calls_of("metrics-adapter"), ["doctor --verbose --namespace real-world --context fake"]);
}

#[test]
fn what_a_person_may_not_see_is_told_of_as_such_and_the_rest_is_shown() {
    let world = World::new();
    world.up("60s").succeeded();
    let hidden = ["nodes", "apiservices", "ingressclasses", "secrets"];
    world.kube.failing(403, move |call| hidden.contains(&call.resource.as_str()));
    let ended = world.run(&["status"]);
    for line in
        ["nodes that you may not list", "db-0", "unknown: you may not list them", "a login that you may not read"]
    {
        assert!(ended.out.contains(line), "{line:?} is not in:\n{}", ended.said());
    }
    let ended = doctor(&world, 0);
    for line in ["well   pods", "unseen secrets: ", "unseen nodes: you may not list them", "unseen apiservices: "] {
        assert!(ended.out.contains(line), "{line:?} is not in:\n{}", ended.said());
    }
    world.run(&["up"]).failed(&["you may not list nodes, ingressclasses, apiservices", "cluster-admin"]);
}

#[test]
fn a_doctor_of_the_adapters_that_does_not_end_is_given_up() {
    let world = World::new();
    world.up("60s").succeeded();
    world.program("metrics-adapter", "exec sleep 100\n");
    let adapter = world.path("metrics-adapter");
    let ended = world.run(&["doctor", "--patience", "1s", "--adapter", adapter.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2), "{}", ended.said());
    for line in ["the adapter's doctor is not done after 1s (it asks the API server", "well   pods"] {
        assert!(ended.out.contains(line), "{line:?} is not in:\n{}", ended.out);
    }
}

#[test]
fn the_doctor_names_each_fault_and_its_cure() {
    let world = World::new();
    world.up("60s").succeeded();
    world.controllers.fate("real-world", Fate::NoImage);
    world.kube.change("persistentvolumeclaims", APP, "data-db-0", |claim| claim["status"]["phase"] = json!("Pending"));
    world.kube.change("resourcequotas", APP, "real-world-rquota", |quota| quota["spec"]["hard"]["pods"] = json!("6"));
    world.kube.remove("ingressclasses", "", "traefik");
    world.kube.change("statefulsets", MONITORING, "prometheus", |own| own["spec"]["replicas"] = json!(0));
    world.kube.remove("secrets", APP, "db-secret");
    until("the API's pods fail and the quota is small", || {
        let quota = world.kube.get("resourcequotas", APP, "real-world-rquota").unwrap();
        let api = world.kube.get("deployments", APP, "real-world").unwrap();
        quota["status"]["hard"]["pods"] == "6" && api["status"]["readyReplicas"] == 0
    });
    let ended = doctor(&world, 1);
    assert_eq!(ended.code, Some(2), "{}", ended.said());
    for line in [
        "wrong  metrics",
        "ImagePullBackOff",
        "Prometheus: it is scaled to 0 replicas; `kubectl scale --replicas=1 --namespace=monitoring statefulset/prometheus`",
        "wrong  the database's volume: it is not bound",
        "db-secret is missing",
        "real-world-rquota has no room for 8 more replicas: pods ends first",
        "there is no IngressClass traefik",
    ] {
        assert!(ended.out.contains(line), "{line:?} is not in:\n{}", ended.out);
    }
}
