//! What Traefik may do: each permission is needed, and nothing more is granted.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_kube::{FakeKube, Options};
use serde_json::{Value, json};
use stack::manifests;
use stack::replicas::Replicas;
use stack::traefik::{NAMESPACE, Setting, Traefik, cluster_of};

/// Traefiks at once.
const AT_ONCE: usize = 6;

/// The shipped roles without one permission or one binding.
struct Taken {
    what: String,
    verb: String,
    left: Vec<Value>,
}

fn each() -> Vec<Taken> {
    let all = manifests::file("k8s/traefik/rbac.yaml");
    let mut taken = Vec::new();
    for (place, object) in all.iter().enumerate() {
        let name = format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        if object["kind"].as_str().unwrap().ends_with("Binding") {
            let mut left = all.clone();
            left.remove(place);
            taken.push(Taken { what: name.clone(), verb: String::new(), left });
        }
        for (number, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
            for (resource, verb) in pairs(rule) {
                let mut left = all.clone();
                let rules = left[place]["rules"].as_array_mut().unwrap();
                let split =
                    pairs(&rules.remove(number)).into_iter().filter(|own| *own != (resource.clone(), verb.clone()));
                rules.extend(split.map(|(resource, verb)| {
                    json!({"apiGroups": rule["apiGroups"], "resources": [resource], "verbs": [verb]})
                }));
                taken.push(Taken { what: resource, verb, left });
            }
        }
    }
    taken
}

fn pairs(rule: &Value) -> Vec<(String, String)> {
    let texts = |field: &str| -> Vec<String> {
        rule[field].as_array().unwrap().iter().map(|own| own.as_str().unwrap().to_owned()).collect()
    };
    let (resources, verbs) = (texts("resources"), texts("verbs"));
    resources.iter().flat_map(|own| verbs.iter().map(move |verb| (own.clone(), verb.clone()))).collect()
}

/// Whether requests reach the API, and whether the Ingress has its address.
fn works(traefik: &Traefik, kube: &FakeKube) -> (bool, bool) {
    let routed = traefik.ask("real-world.localhost", "/api/tags").status == 200;
    let ingress = kube.get("ingresses", NAMESPACE, "real-world-service").unwrap();
    (routed, ingress["status"]["loadBalancer"]["ingress"][0]["ip"].is_string())
}

/// A cluster with these roles, and the endpoints of a replica.
fn place(roles: &[Value], verb: &str, endpoints: &Value) -> Arc<FakeKube> {
    // Streaming lists need no `list`; where there are none, it takes one.
    let kube = cluster_of(Options { watch_list: verb != "list", ..Options::default() }, roles);
    kube.put("endpointslices", endpoints.clone());
    kube
}

#[test]
fn without_any_one_permission_of_the_shipped_roles_something_fails() {
    let shipped = manifests::file("k8s/traefik/rbac.yaml");
    let seed = cluster_of(Options::default(), &shipped);
    let mut replicas = Replicas::of(&seed, &[]);
    replicas.start();
    let endpoints = seed.get("endpointslices", NAMESPACE, "real-world-service-x7k2p").unwrap();
    let mut all = each();
    assert_eq!(
        all.len(),
        8 + 1 + 1 + 4 + 1,
        "a Role's permissions, its status, its binding, a ClusterRole's, its binding"
    );
    // Nothing is taken from these two: with streaming lists and without.
    for verb in ["", "list"] {
        all.push(Taken { what: "nothing".to_owned(), verb: verb.to_owned(), left: shipped.clone() });
    }
    let queue = Mutex::new(all);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(taken) = queue.lock().unwrap().pop() else { return };
                    check(&taken, &place(&taken.left, &taken.verb, &endpoints));
                }
            });
        }
    });
}

fn check(taken: &Taken, kube: &FakeKube) {
    let Taken { what, verb, .. } = taken;
    let traefik = Traefik::start(kube, Setting::default());
    let deadline = Instant::now() + Duration::from_mins(1);
    if what == "nothing" {
        while works(&traefik, kube) != (true, true) {
            assert!(
                Instant::now() < deadline,
                "with all of them ({verb}) it does not work:\n{}",
                traefik.process.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(!traefik.process.log().contains("forbidden"), "{}", traefik.process.log());
        return;
    }
    // It has been refused, and has had the time in which it works otherwise.
    let refused =
        if verb.is_empty() { "is forbidden".to_owned() } else { format!("cannot {verb} resource \\\"{what}\\\"") };
    while !traefik.process.log().contains(&refused) {
        assert!(
            Instant::now() < deadline,
            "without {verb} {what} nothing is refused: it is not needed\n{}",
            traefik.process.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    // Without a watch it lists again and again, ever more rarely, and says so each time.
    if verb == "watch" {
        return;
    }
    std::thread::sleep(Duration::from_secs(4));
    assert_ne!(works(&traefik, kube), (true, true), "without {verb} {what} all works:\n{}", traefik.process.log());
}
