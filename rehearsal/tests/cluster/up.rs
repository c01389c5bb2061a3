use crate::world::{APP, MONITORING, World, context, node, until};

#[test]
fn an_empty_cluster_gets_all_of_it_in_order() {
    let world = World::new();
    let ended = world.up("60s").succeeded();
    let order = [
        "The plan, in context fake",
        "1. use the cluster as it is, with 1 node\n",
        "secrets are made",
        "the database: ready",
        "the API: ready",
        "Traefik: ready",
        "the metrics-adapter: ready",
        "the metrics APIs: ready",
        "the HPA: ready",
        "everything is up",
        "Three things to try",
    ];
    let mut rest = ended.out.as_str();
    for line in order {
        rest = rest
            .split_once(line)
            .unwrap_or_else(|| panic!("{line:?} is not there, or not there in order:\n{}", ended.out))
            .1;
    }
    for (resource, namespace, name) in [
        ("horizontalpodautoscalers", APP, "real-world-hpa"),
        ("apiservices", "", "v1beta2.custom.metrics.k8s.io"),
        ("apiservices", "", "v1beta1.metrics.k8s.io"),
        ("ingressclasses", "", "traefik"),
        ("deployments", MONITORING, "metrics-adapter"),
    ] {
        assert!(world.has(resource, namespace, name), "{resource} {namespace}/{name} is missing");
    }
    let api = world.kube.get("deployments", APP, "real-world").unwrap();
    assert_eq!(api["status"]["readyReplicas"], 2, "the HPA's minimum");
    let arguments = &world.kube.get("deployments", MONITORING, "metrics-adapter").unwrap()["spec"]["template"]["spec"]
        ["containers"][0]["args"];
    assert!(
        !arguments.to_string().contains("--kubelet-insecure-tls"),
        "nobody said that kubelets are believed: {arguments}"
    );
}

#[test]
fn the_hpa_is_not_there_before_the_apis_that_it_asks() {
    let world = World::new();
    world.up("60s").succeeded();
    let calls = world.kube.tally();
    let at = |resource: &str| calls.iter().position(|call| call.verb == "create" && call.resource == resource).unwrap();
    assert!(at("secrets") < at("deployments"), "pods start before their secrets");
    assert!(at("deployments") < at("apiservices"), "APIs are registered that nobody answers for");
    assert!(at("apiservices") < at("horizontalpodautoscalers"), "the HPA comes before its metrics");
}

#[test]
fn repeated_it_changes_nothing() {
    let world = World::new();
    world.up("60s").succeeded();
    let version = |resource: &str, namespace: &str, name: &str| {
        world.kube.get(resource, namespace, name).unwrap()["metadata"]["uid"].clone()
    };
    let before = [version("deployments", APP, "real-world"), version("secrets", APP, "real-world-secret")];
    world.kube.reset_tally();
    let again = world.run(&["up", "--provider", "context", "--patience", "60s"]).succeeded();
    assert!(again.out.contains("what an earlier `make up` did"), "{}", again.out);
    let after = [version("deployments", APP, "real-world"), version("secrets", APP, "real-world-secret")];
    assert_eq!(before, after);
    let writes: Vec<String> = world
        .kube
        .tally()
        .iter()
        .filter(|call| ["create", "update", "delete"].contains(&call.verb.as_str()))
        .map(|call| format!("{} {} {}", call.verb, call.resource, call.path))
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");
}

#[test]
fn interrupted_it_says_where_and_goes_on_when_repeated() {
    let world = World::new();
    world.controllers.fate("db", fake_kube::Fate::NeverReady);
    let begun = world.begin(&["up", "--provider", "context", "--yes", "--patience", "50s"]);
    until("the database's pod", || world.has("pods", APP, "db-0"));
    std::thread::sleep(std::time::Duration::from_secs(1));
    let ended = begun.interrupt();
    assert_eq!(ended.code, Some(130), "{}", ended.said());
    assert!(ended.out.contains("Stopped while waiting for the database."), "{}", ended.out);
    assert!(ended.out.contains("`make up` goes on from here, `make down` takes away"), "{}", ended.out);
    world.controllers.fate("db", fake_kube::Fate::Ready(std::time::Duration::ZERO));
    let secret = world.secret("real-world-secret", "password");
    world.run(&["up", "--provider", "context", "--patience", "60s"]).succeeded();
    assert_eq!(secret, world.secret("real-world-secret", "password"));
}

#[test]
fn two_cores_get_half_of_everything() {
    let world = World::new();
    world.kube.put("nodes", node("1900m"));
    let ended = world.up("60s").succeeded();
    assert!(ended.out.contains("components/tiny"), "{}", ended.out);
    let adapter = world.kube.get("deployments", MONITORING, "metrics-adapter").unwrap();
    assert_eq!(adapter["spec"]["replicas"], 1);
}

#[test]
fn images_of_a_registry_are_pushed_and_named() {
    let world = World::new();
    world.program("docker", "exit 0\n");
    let ended = world.run(&[
        "up",
        "--provider",
        "context",
        "--context",
        context(),
        "--yes",
        "--patience",
        "60s",
        "--registry",
        "registry.example/team",
    ]);
    ended.succeeded();
    let docker = world.calls_of("docker");
    assert!(docker.iter().any(|call| call == "push registry.example/team/conduit:1.0.0"), "{docker:#?}");
    let api = world.kube.get("deployments", APP, "real-world").unwrap();
    assert_eq!(api["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/team/conduit:1.0.0");
    let adapter = world.kube.get("deployments", MONITORING, "metrics-adapter").unwrap();
    assert_eq!(
        adapter["spec"]["template"]["spec"]["containers"][0]["image"],
        "registry.example/team/metrics-adapter:1.0.0"
    );
    assert!(!world.kustomization().contains("NodePort"));
}
