//! Prometheus' rules, as the files have them.

use serde_json::Value;

use crate::manifests::{file, root};

/// The names of the files in a folder below `prometheus/`, without `.yaml`, in order.
pub fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join("prometheus").join(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.iter().map(|name| name.strip_suffix(".yaml").expect("YAML alone").to_owned()).collect()
}

/// A file of rules.
pub fn of(name: &str) -> Value {
    file(&format!("prometheus/rules/{name}.yaml")).remove(0)
}

/// The rules of a file.
pub fn each(rules: &Value) -> Vec<&Value> {
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect()
}

/// The rules of all files.
pub fn all() -> Vec<Value> {
    names("rules").iter().flat_map(|name| each(&of(name)).into_iter().cloned().collect::<Vec<_>>()).collect()
}
