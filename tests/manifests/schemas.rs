//! Every object against the schemas of Kubernetes, the oldest version that is served and the newest, and as YAML.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use stack::manifests::{documents, file, root, tool};
use stack::workloads::id;

use crate::bundles::{LOOSE, all, folders, is_yaml, yaml_files};

const VERSIONS: [&str; 2] = ["1.33", "1.37"];
/// What Kubernetes has no schemas for: kustomize's and kind's own, and the objects of the Prometheus operator, whose
/// definitions come with it.
const FOREIGN: [&str; 3] = ["kustomize.config.k8s.io/", "kind.x-k8s.io/", "monitoring.coreos.com/"];

fn is_known(object: &Value) -> bool {
    object["apiVersion"].as_str().is_some_and(|version| !FOREIGN.iter().any(|own| version.starts_with(own)))
}

/// What kubernetes-validate says against these objects. It passes a kind that it does not know with a warning: here that
/// is a problem too.
fn problems(objects: &[Value], version: &str) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("objects.yaml");
    // JSON is YAML.
    let text: Vec<String> = objects.iter().map(Value::to_string).collect();
    std::fs::write(&path, text.join("\n---\n")).unwrap();
    validate(&path, objects.len(), version)
}

fn validate(path: &std::path::Path, objects: usize, version: &str) -> Vec<String> {
    let mut command = Command::new(tool("kubernetes-validate"));
    let out = command.args(["--strict", "--kubernetes-version", version]).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let (passed, mut problems): (Vec<String>, Vec<String>) =
        said.lines().map(str::to_owned).partition(|line| line.starts_with("INFO ") && line.contains(" passed for "));
    if passed.len() + problems.len() < objects || (problems.is_empty() && !out.status.success()) {
        problems.push(format!("{} of {objects} objects passed, {}", passed.len(), out.status));
    }
    problems
}

/// Files of manifests, whole ones, in which each document is an object.
fn plain_files() -> Vec<String> {
    let resources = folders().iter().flat_map(|folder| {
        let patches: BTreeSet<&str> = folder.content["patches"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|patch| patch["path"].as_str())
            .collect();
        let is_patch = move |path: &String| patches.iter().any(|patch| path.ends_with(patch));
        folder.parts().into_iter().filter(move |path| is_yaml(path) && !is_patch(path))
    });
    let all = resources.chain(LOOSE.iter().map(|(path, _)| (*path).to_owned()));
    all.filter(|path| file(path).iter().all(is_known)).collect()
}

/// A text in which an object stands twice, or a key.
fn twice(text: &str) -> Option<String> {
    let objects = match serde_saphyr::from_multiple::<Value>(text) {
        Ok(objects) => objects,
        Err(error) => return Some(error.to_string()),
    };
    let mut seen = BTreeSet::new();
    let names = objects.iter().map(|object| format!("{} {}", object["apiVersion"], id(object)));
    names
        .filter(|name| !name.ends_with(' '))
        .find(|name| !seen.insert(name.clone()))
        .map(|name| format!("{name} stands twice"))
}

#[test]
fn every_object_is_valid_in_the_oldest_and_in_the_newest_kubernetes() {
    let known = all().iter().flat_map(|bundle| &bundle.objects).filter(|object| is_known(object));
    let printed: BTreeSet<String> = known.map(Value::to_string).collect();
    let objects: Vec<Value> = printed.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert!(objects.len() > 50, "there are only {}", objects.len());
    for version in VERSIONS {
        let problems = problems(&objects, version);
        assert!(problems.is_empty(), "Kubernetes {version}:\n{}", problems.join("\n"));
    }
}

#[test]
fn every_plain_file_is_valid_by_itself() {
    let files = plain_files();
    assert!(files.len() > 25, "there are only {files:?}");
    for path in files {
        for version in VERSIONS {
            let problems = validate(&root().join(&path), file(&path).len(), version);
            assert!(problems.is_empty(), "{path}, Kubernetes {version}:\n{}", problems.join("\n"));
        }
    }
}

#[test]
fn no_file_says_a_thing_twice() {
    for path in yaml_files() {
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        assert_eq!(twice(&text), None, "{path}");
    }
}

#[test]
fn no_bundle_applies_an_object_twice() {
    for bundle in all() {
        let mut seen = BTreeSet::new();
        for object in &bundle.objects {
            assert!(seen.insert(id(object)), "{}: {} is there twice", bundle.name, id(object));
        }
    }
}

#[test]
fn a_field_that_does_not_exist_is_refused() {
    let mut deployment = file("k8s/traefik/traefik-deployment.yaml");
    assert_eq!(problems(&deployment, "1.37"), [""; 0]);
    deployment[0]["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = json!("Always");
    let said = problems(&deployment, "1.37").join("\n");
    assert!(said.contains("'imagePolicy' was unexpected"), "{said}");
}

#[test]
fn a_kind_and_a_version_that_do_not_exist_are_refused() {
    for (version, kind) in [("v1", "Servise"), ("autoscaling/v2beta1", "HorizontalPodAutoscaler")] {
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
        let said = problems(&[object], "1.37").join("\n");
        assert!(said.contains(&format!("Couldn't find schema for kind {kind}")), "{said}");
    }
}

#[test]
fn a_key_and_an_object_that_stand_twice_are_found() {
    let key = twice("kind: Service\nmetadata:\n  name: a\n  name: b\n").unwrap();
    assert!(key.contains("duplicate"), "{key}");
    let object = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\n";
    assert_eq!(twice(object), None);
    let both = twice(&format!("{object}---\n{object}")).unwrap();
    assert_eq!(both, "\"v1\" Service b/a stands twice");
    assert_eq!(documents(object).len(), 1);
}
