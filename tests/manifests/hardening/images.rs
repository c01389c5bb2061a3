//! Where the names of images stand.

use std::collections::BTreeMap;

use stack::manifests::file;
use stack::workloads::{each, workloads};

use crate::bundles::{all, folders, yaml_files};

/// The Job stands in no kustomization that could give it a tag; it has to be that of the API.
const TWICE: [(&str, &str); 1] = [("conduit", "k8s/real-world-seed.yaml")];

/// Each version that is written, by image: the file, and the version.
fn written() -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut add = |image: &str, version: &str, path: &str| {
        found.entry(image.to_owned()).or_default().push((path.to_owned(), version.to_owned()));
    };
    for path in yaml_files().into_iter().filter(|path| !path.ends_with("kustomization.yaml")) {
        let objects = file(&path);
        for container in workloads(&objects).flat_map(stack::workloads::Workload::containers) {
            if let Some((image, version)) = container["image"].as_str().and_then(|image| image.rsplit_once(':')) {
                add(image, version, &path);
            }
        }
    }
    for folder in folders() {
        for image in each(&folder.content["images"]) {
            let version = image["newTag"].as_str().or_else(|| image["digest"].as_str());
            if let (Some(name), Some(version)) = (image["name"].as_str(), version) {
                add(name, version, &folder.path);
            }
        }
    }
    found
}

#[test]
fn each_images_version_is_written_in_one_place() {
    let written = written();
    for wanted in ["conduit", "metrics-adapter", "postgres", "traefik"] {
        assert!(written.contains_key(wanted), "nobody says which {wanted} it is: {written:?}");
    }
    for (image, places) in &written {
        let (_, version) = &places[0];
        assert!(places.iter().all(|(_, other)| other == version), "{image} is of several versions: {places:?}");
        let counted = places.iter().filter(|(path, _)| !TWICE.contains(&(image, path)));
        assert_eq!(counted.count(), 1, "{image} is written in {places:?}");
    }
    for (image, path) in TWICE {
        assert!(written[image].iter().any(|(at, _)| at == path), "{path} names {image} no more: take it off the list");
    }
}

#[test]
fn all_that_is_applied_runs_the_versions_of_this_repository() {
    let own = format!(":{}", env!("CARGO_PKG_VERSION"));
    for bundle in all() {
        for container in workloads(&bundle.objects).flat_map(stack::workloads::Workload::containers) {
            let image = container["image"].as_str().unwrap();
            let ours = ["conduit:", "metrics-adapter:"].iter().any(|name| image.contains(name));
            assert!(!ours || image.ends_with(&own), "{}: {image} is not of {own}", bundle.name);
        }
    }
}
