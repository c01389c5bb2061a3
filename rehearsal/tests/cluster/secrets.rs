use serde_json::json;

use crate::world::{APP, World};

const MADE: [(&str, &str); 5] = [
    ("real-world-secret", "password"),
    ("real-world-secret", "jwt"),
    ("db-secret", "password"),
    ("traefik-dashboard-login", "password"),
    ("traefik-dashboard", "users"),
];

#[test]
fn no_secret_is_in_any_output_argument_or_file() {
    let world = World::new();
    world.controllers.fate("metrics-adapter", fake_kube::Fate::NoImage);
    let mut said = world.up("6s").said();
    world.controllers.fate("metrics-adapter", fake_kube::Fate::Ready(std::time::Duration::ZERO));
    said += &world.up("60s").succeeded().said();
    said += &world.run(&["status"]).said();
    let secrets = MADE.map(|(name, key)| (name, world.secret(name, key).unwrap_or_else(|| panic!("no {name}/{key}"))));
    said += &world.down().succeeded().said();
    let files = ["state.json", "kustomization.yaml"]
        .map(|name| std::fs::read_to_string(world.path("data").join(name)).unwrap_or_default());
    for (name, secret) in secrets {
        assert!(secret.len() >= 32, "{name} is short: {} characters", secret.len());
        let encoded = fake_kube::base64::encode(secret.as_bytes());
        for (place, text) in [("an output", &said), ("an argument", &world.calls()), ("a file", &files.concat())] {
            assert!(!text.contains(&secret) && !text.contains(&encoded), "{name} is in {place}");
        }
    }
}

#[test]
fn those_that_are_there_stay_and_those_that_are_not_are_made() {
    let world = World::new();
    world.up("60s").succeeded();
    let values = || MADE.map(|(name, key)| world.secret(name, key));
    let before = values();
    world.up("60s").succeeded();
    assert_eq!(values(), before, "a second `up` made other secrets");
    world.kube.remove("secrets", APP, "traefik-dashboard");
    world.up("60s").succeeded();
    let after = values();
    assert_eq!(after[..3], before[..3]);
    assert_ne!(after[3..], before[3..], "the login was not made anew, so nobody knows it");
}

#[test]
fn the_walkthroughs_secrets_are_refused_before_anything_is_done() {
    let world = World::new();
    let labels = json!({"app.kubernetes.io/part-of": "conduit"});
    world.kube.put("namespaces", json!({"metadata": {"name": APP, "labels": labels}, "status": {"phase": "Active"}}));
    let jwt = "dGhlLXdhbGt0aHJvdWdoLXNob3dzLXRoaXMtc2VjcmV0LXRvLWV2ZXJ5Ym9keQ==";
    world
        .kube
        .put("secrets", json!({"metadata": {"namespace": APP, "name": "real-world-secret"}, "data": {"jwt": jwt}}));
    world.up("5s").failed(&["real-world-secret is the walkthrough's", "`make down`"]);
}

#[test]
fn a_volume_whose_password_is_lost_is_not_given_another() {
    let world = World::new();
    world.up("60s").succeeded();
    world.kube.remove("secrets", APP, "db-secret");
    world.up("5s").failed(&["the database's volume is there, and its passwords are gone", "save its data"]);
}
