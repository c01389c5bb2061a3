//! What a reader needs: cores, and the images where the cluster finds them.

use serde_json::Value;
use stack::manifests::{kustomized, root};
use stack::quota::Usage;

use crate::document::Document;

/// What the pods of a kustomization ask for with so many replicas of the API.
fn asked(folder: &str, replicas: i64) -> i64 {
    let all = kustomized(folder);
    let workloads = all.iter().filter(|one| matches!(one["kind"].as_str(), Some("Deployment" | "StatefulSet")));
    let of = |one: &Value| {
        let number =
            if one["metadata"]["name"] == "real-world" { Some(replicas) } else { one["spec"]["replicas"].as_i64() };
        Usage::of_pod(&one["spec"]["template"]["spec"]).get("requests.cpu") * number.expect("a number of replicas")
    };
    workloads.map(of).sum()
}

#[test]
fn the_cores_it_takes_are_what_the_pods_ask_for() {
    let text = Document::read().text;
    let kind = 950;
    assert!(text.contains(&format!("kind asks for {kind}m itself")));
    let (walkthrough, whole) = (asked("k8s", 10), asked("overlays/kind", 10));
    assert!(text.contains(&format!("{walkthrough}m are asked for then, {whole}m with Prometheus and Grafana")));
    assert!(whole + kind < 3000, "three cores do not hold {whole}m and {kind}m");
    assert_eq!(
        (asked("k8s", 4) + kind, asked("k8s", 5) + kind),
        (2000, 2100),
        "on two, the load ends at four replicas"
    );
}

#[test]
fn the_files_that_name_an_image_are_named() {
    let text = Document::read().text;
    let row = text.lines().find(|line| line.starts_with("| your own |")).expect("a registry of one's own");
    let named: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
    let mut with: Vec<String> = Vec::new();
    let mut folders = vec![root().join("k8s")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                if text.contains("image: conduit:") || text.contains("\nimages:\n") {
                    with.push(path.strip_prefix(root().join("k8s")).unwrap().display().to_string());
                }
            }
        }
    }
    with.sort();
    assert_eq!(with.len(), named.len(), "{with:?} name images, {named:?} are told");
    assert!(named.iter().all(|name| with.iter().any(|path| path == name)), "{with:?} name images, {named:?} are told");
}
