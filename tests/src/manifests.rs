//! The manifests, as a cluster is given them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The repository's.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// What `make tools` installs by that name.
pub fn tool(name: &str) -> PathBuf {
    let tool = root().join("target/tools/venv/bin").join(name);
    assert!(tool.exists(), "there is no {}: `make tools` installs it", tool.display());
    tool
}

/// What `kubectl apply -k` would apply of this folder, which is named from the repository's root: `k8s`.
pub fn kustomized(folder: &str) -> Vec<Value> {
    let out = Command::new(tool("kubectl")).arg("kustomize").arg(root().join(folder)).output().unwrap();
    assert!(out.status.success(), "{folder}: {}", String::from_utf8_lossy(&out.stderr));
    documents(&String::from_utf8(out.stdout).unwrap())
}

/// What `kubectl apply -f` would apply of this file.
pub fn file(path: &str) -> Vec<Value> {
    documents(&text(path))
}

/// A file of the repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder with that extension, named from the repository's root.
pub fn files(folder: &str, extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> =
        names.filter(|name| name.ends_with(&format!(".{extension}"))).map(|name| format!("{folder}/{name}")).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no file .{extension}");
    files
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// The object of that kind and name.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}
