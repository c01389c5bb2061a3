//! What kustomize makes of the folders, and that nothing is left lying beside them.

use std::collections::BTreeSet;

use stack::manifests::root;

use crate::bundles::{LOOSE, all, bundle, folders, is_yaml, yaml_files};

#[test]
fn every_kustomization_and_every_set_of_components_can_be_printed() {
    let names: BTreeSet<&str> = all().iter().map(|bundle| &*bundle.name).collect();
    assert_eq!(names.len(), all().len(), "each once");
    for wanted in [
        "k8s",
        "k8s + k8s/components/tiny",
        "k8s + k8s/components/tiny + k8s/metrics-adapter/components/kubelet-insecure-tls \
         + k8s/metrics-adapter/components/resource-metrics",
        "k8s/metrics-adapter",
        "k8s/metrics-adapter/base + k8s/metrics-adapter/components/resource-metrics",
        "k8s/metrics-adapter/namespaced",
        "overlays/cloud",
        "overlays/cloud + k8s/components/tiny",
        "overlays/kind + k8s/components/tiny",
    ] {
        assert!(names.contains(wanted), "{wanted} is not among {names:#?}");
    }
    for bundle in all() {
        assert!(!bundle.objects.is_empty(), "{}: nothing is applied", bundle.name);
    }
}

#[test]
fn every_manifest_is_applied_by_some_kustomization_or_is_known_to_be_applied_by_itself() {
    let listed: BTreeSet<String> = folders().iter().flat_map(crate::bundles::Folder::parts).collect();
    let folders: BTreeSet<&str> = folders().iter().map(|folder| &*folder.path).collect();
    for path in yaml_files() {
        let kustomization = path.strip_suffix("/kustomization.yaml").is_some_and(|folder| folders.contains(folder));
        let loose = LOOSE.iter().any(|(loose, _)| *loose == path);
        assert!(
            !(loose && listed.contains(&path)),
            "{path} is in a kustomization: take it off the list of what is not"
        );
        let is_a_manifest = std::fs::read_to_string(root().join(&path)).unwrap().contains("\nkind: ");
        assert!(
            kustomization || loose || listed.contains(&path) || !is_a_manifest,
            "{path} is in no kustomization.yaml; who applies it?"
        );
    }
    for (path, _) in LOOSE {
        assert!(root().join(path).exists(), "{path} is gone: take it off the list");
    }
}

#[test]
fn the_walkthroughs_files_applied_one_by_one_are_what_the_kustomization_applies_at_once() {
    let whole = &bundle("k8s").objects;
    let folder = folders().iter().find(|folder| folder.path == "k8s").unwrap();
    for path in folder.parts().iter().filter(|path| is_yaml(path)) {
        for mut object in stack::manifests::file(path) {
            if object["kind"] == "Deployment" && object["metadata"]["name"] == "real-world" {
                // The one thing that a component changes.
                object["spec"].as_object_mut().unwrap().remove("replicas").unwrap();
            }
            assert!(whole.contains(&object), "{path}: {} is not applied as it stands", stack::workloads::id(&object));
        }
    }
}

#[test]
fn no_deployment_that_an_hpa_owns_says_how_many_replicas_there_are() {
    for bundle in all() {
        for hpa in bundle.objects.iter().filter(|object| object["kind"] == "HorizontalPodAutoscaler") {
            let target = &hpa["spec"]["scaleTargetRef"]["name"];
            let owned = bundle
                .objects
                .iter()
                .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == *target);
            let owned = owned.unwrap_or_else(|| panic!("{}: there is no Deployment {target}", bundle.name));
            assert!(owned["spec"]["replicas"].is_null(), "{}: applied again, {target} loses its replicas", bundle.name);
        }
    }
}
