//! What our programs register, read where they do.

use std::collections::BTreeMap;
use std::path::Path;

use stack::manifests::root;

/// What names of our own begin with.
pub(crate) const OURS: [&str; 6] =
    ["conduit_", "db_", "http_", "kube_horizontalpodautoscaler_", "metrics_adapter_", "tokio_"];

/// By name, whether it is a histogram.
pub(crate) struct Registered(BTreeMap<String, bool>);

impl Registered {
    pub(crate) fn read() -> Self {
        let described = regex::Regex::new(r#"describe_(counter|gauge|histogram)!\(\s*"([a-z_]+)""#).unwrap();
        let mut names = BTreeMap::new();
        for folder in ["app/src", "metrics-adapter/src"] {
            for_each_source(&root().join(folder), &mut |text| {
                for found in described.captures_iter(text) {
                    names.insert(found[2].to_owned(), &found[1] == "histogram");
                }
            });
        }
        // Written out by hand, as kube-state-metrics names them.
        let family = regex::Regex::new(r#"Family\(\s*"([a-z_]+)""#).unwrap();
        let text = stack::manifests::text("metrics-adapter/src/status/autoscalers.rs");
        for found in family.captures_iter(&text) {
            names.insert(format!("kube_horizontalpodautoscaler_{}", &found[1]), false);
        }
        Self(names)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is a series of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().filter_map(|suffix| name.strip_suffix(suffix));
        self.0.contains_key(name) || of_histogram.into_iter().any(|name| self.0.get(name) == Some(&true))
    }
}

fn for_each_source(folder: &Path, visit: &mut dyn FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_source(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&std::fs::read_to_string(&path).unwrap());
        }
    }
}
