//! Everything that somebody may apply: each kustomization, and each with the components that can be added to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use stack::manifests::{documents, file, kustomized, root, tool};
use stack::workloads::id;

/// What stands in no kustomization, because it is applied by itself or by no `kubectl`.
pub(crate) const LOOSE: [(&str, &str); 4] = [
    ("k8s/real-world-rquota-1-blocks.yaml", "a step of the walkthrough, before the quota that stays"),
    ("k8s/real-world-rquota-2-three.yaml", "a step of the walkthrough, before the quota that stays"),
    ("k8s/real-world-seed.yaml", "a Job, for who wants articles to read"),
    (KIND, "for kind, which makes the cluster"),
];
const KIND: &str = "k8s/kind.yaml";

/// Kustomizations that are applied where `k8s` is already, and say so.
const PARTS: [&str; 3] = ["prometheus", "overlays/kind/prometheus", "grafana"];

/// Components that a kustomization has no use for.
const SENSELESS: [(&str, &str, &str); 2] = [
    ("k8s/metrics-adapter/namespaced", "k8s/metrics-adapter/components/resource-metrics", "kubelets tell of all pods"),
    ("k8s/metrics-adapter/namespaced", "k8s/metrics-adapter/components/kubelet-insecure-tls", "it asks no kubelet"),
];

/// What is applied at once, and what was made by hand before.
#[derive(Clone)]
pub(crate) struct Bundle {
    /// `overlays/kind + k8s/components/tiny`.
    pub(crate) name: String,
    pub(crate) objects: Vec<Value>,
}

/// A folder with a kustomization.yaml.
pub(crate) struct Folder {
    /// From the repository's root.
    pub(crate) path: String,
    pub(crate) content: Value,
}

impl Folder {
    pub(crate) fn is_component(&self) -> bool {
        self.content["kind"] == "Component"
    }

    /// What it takes in: files and folders, from the repository's root.
    pub(crate) fn parts(&self) -> Vec<String> {
        let listed = ["resources", "components"].into_iter().flat_map(|list| list_of(&self.content[list]));
        let patches = list_of(&self.content["patches"]).map(|patch| &patch["path"]);
        let generated = list_of(&self.content["configMapGenerator"]).flat_map(|map| list_of(&map["files"]));
        let names = listed.chain(patches).chain(generated).filter_map(Value::as_str);
        names.map(|name| relative(&Path::new(&self.path).join(name))).collect()
    }
}

fn list_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The path from the repository's root, without `..`.
fn relative(path: &Path) -> String {
    let full = root().join(path);
    let full = full.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    full.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// Files under a folder, from the repository's root; what is built or hidden is none of ours.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = relative(&entry.path());
        if entry.file_name().to_str().unwrap().starts_with('.') || ["target", "data"].contains(&&*path) {
            continue;
        }
        if entry.path().is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

pub(crate) fn is_yaml(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "yaml")
}

/// All YAML in the places where manifests are.
pub(crate) fn yaml_files() -> Vec<String> {
    let places = ["k8s", "overlays", "prometheus", "grafana"].into_iter().filter(|place| root().join(place).exists());
    places.flat_map(files).filter(|path| is_yaml(path)).collect()
}

pub(crate) fn folders() -> &'static [Folder] {
    static ALL: OnceLock<Vec<Folder>> = OnceLock::new();
    ALL.get_or_init(|| {
        let kustomizations = files("").into_iter().filter(|path| path.ends_with("/kustomization.yaml"));
        let read = |path: String| {
            let [content]: [Value; 1] = file(&path).try_into().unwrap();
            Folder { path: path.trim_end_matches("/kustomization.yaml").to_owned(), content }
        };
        kustomizations.map(read).collect()
    })
}

/// A folder and everything that it takes in, with what those take in.
fn contains(path: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([path.to_owned()]);
    if let Some(folder) = folders().iter().find(|folder| folder.path == path) {
        all.extend(folder.parts().iter().flat_map(|part| contains(part)));
    }
    all
}

/// Which components can be added: those of the adapter where the adapter is, the others where the API is.
fn addable(base: &Folder) -> Vec<&'static str> {
    let inside = contains(&base.path);
    let components = folders().iter().filter(|folder| folder.is_component()).map(|folder| &*folder.path);
    let has_its_place = |component: &str| match component.split_once("/components/").map(|(place, _)| place) {
        Some("k8s/metrics-adapter") => inside.contains("k8s/metrics-adapter/base"),
        Some(place) => inside.contains(place),
        None => false,
    };
    let senseless = |component: &str| SENSELESS.iter().any(|(at, what, _)| (*at, *what) == (&base.path, component));
    components.filter(|one| has_its_place(one) && !inside.contains(*one) && !senseless(one)).collect()
}

/// Every one of them, printed once.
pub(crate) fn all() -> &'static [Bundle] {
    static ALL: OnceLock<Vec<Bundle>> = OnceLock::new();
    ALL.get_or_init(|| {
        let bases = folders().iter().filter(|folder| !folder.is_component());
        let mut bundles: Vec<Bundle> = bases.flat_map(with_each_set_of_components).collect();
        let base = bundles.iter().find(|bundle| bundle.name == "k8s").unwrap().clone();
        for part in bundles.iter_mut().filter(|bundle| PARTS.iter().any(|part| bundle.name.starts_with(part))) {
            part.objects.extend(base.objects.iter().cloned());
            if part.name.starts_with("grafana") {
                part.objects.extend(kustomized("prometheus"));
            }
        }
        bundles.extend(LOOSE.iter().filter(|(path, _)| *path != KIND).map(|(path, _)| beside(&base, path)));
        bundles
    })
}

/// What was printed of this folder, or of this with components, by its name.
pub(crate) fn bundle(name: &str) -> &'static Bundle {
    all().iter().find(|bundle| bundle.name == name).unwrap_or_else(|| panic!("nobody can apply {name}"))
}

/// A file applied after a kustomization: it takes the place of what has its name.
fn beside(base: &Bundle, path: &str) -> Bundle {
    let later = file(path);
    let names: BTreeSet<String> = later.iter().map(id).collect();
    let mut objects: Vec<Value> = base.objects.iter().filter(|object| !names.contains(&id(object))).cloned().collect();
    objects.extend(later);
    Bundle { name: format!("{} + {path}", base.name), objects }
}

fn with_each_set_of_components(base: &Folder) -> Vec<Bundle> {
    let components = addable(base);
    let by_hand: Vec<Value> = contains(&base.path).iter().flat_map(|folder| made_by_hand(folder)).collect();
    let sets = 0..1_usize << components.len();
    let print = |set: usize| {
        let chosen: Vec<&str> =
            (0..components.len()).filter(|at| set >> at & 1 == 1).map(|at| components[at]).collect();
        let mut objects = if chosen.is_empty() { kustomized(&base.path) } else { composed(&base.path, &chosen) };
        objects.extend(by_hand.clone());
        Bundle { name: [&[&*base.path], &*chosen].concat().join(" + "), objects }
    };
    sets.map(print).collect()
}

/// As somebody's own kustomization would compose it.
fn composed(base: &str, components: &[&str]) -> Vec<Value> {
    let place = tempfile::tempdir_in(root().join("target")).unwrap();
    let up = |path: &str| format!("../../{path}");
    let components: Vec<String> = components.iter().map(|component| up(component)).collect();
    let content = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [up(base)], "components": components,
    });
    std::fs::write(place.path().join("kustomization.yaml"), content.to_string()).unwrap();
    kustomized(&relative(place.path()))
}

/// The Secrets that a kustomization's comment tells to make before it is applied: what its own commands make.
pub(crate) fn made_by_hand(folder: &str) -> Vec<Value> {
    let path = root().join(folder).join("kustomization.yaml");
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let comments: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('#')).collect();
    let commands = comments.join("\n").replace("\\\n", " ");
    let makes = commands.lines().map(str::trim).filter(|line| line.starts_with("kubectl create secret "));
    makes.map(dry_run).collect()
}

fn dry_run(command: &str) -> Value {
    let kubectl = tool("kubectl");
    let path = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let line = format!("{command} --dry-run=client --output=yaml");
    let out = Command::new("sh").args(["-euc", &line]).env("PATH", path).output().unwrap();
    assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
    documents(&String::from_utf8(out.stdout).unwrap()).remove(0)
}
