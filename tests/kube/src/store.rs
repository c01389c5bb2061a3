//! What the API server keeps: objects, and how they came to be.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::clock;
use super::resources::Resource;

/// Namespace, empty if there is none, and name.
pub type Key = (String, String);

/// An object at one resource version, without kind and apiVersion.
pub struct Item {
    pub version: u64,
    pub value: Value,
    json: OnceLock<String>,
}

impl Item {
    fn new(version: u64, mut value: Value) -> Arc<Self> {
        value["metadata"]["resourceVersion"] = json!(version.to_string());
        Arc::new(Self { version, value, json: OnceLock::new() })
    }

    /// As the same object is sent when it leaves at a later version.
    pub fn at(&self, version: u64) -> Arc<Self> {
        Self::new(version, self.value.clone())
    }

    /// Written once, however many ask.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| self.value.to_string())
    }
}

#[derive(Clone)]
pub struct Change {
    pub version: u64,
    pub key: Key,
    pub old: Option<Arc<Item>>,
    pub new: Option<Arc<Item>>,
}

#[derive(Default)]
struct Kept {
    objects: BTreeMap<Key, Arc<Item>>,
    history: Vec<Change>,
}

/// The rest of a list that is read in pieces.
pub type Snapshot = Arc<Vec<(Key, Arc<Item>)>>;

pub struct Store {
    pub version: u64,
    /// No watch may begin before.
    pub floor: u64,
    kept: HashMap<&'static str, Kept>,
    snapshots: BTreeMap<(u64, String), Snapshot>,
}

impl Store {
    pub fn new() -> Self {
        // A cluster that is up has written something already.
        Self { version: 100, floor: 0, kept: HashMap::new(), snapshots: BTreeMap::new() }
    }

    pub fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Item>> {
        self.kept.get(resource.name)?.objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// All, or those of a namespace.
    pub fn list(&self, resource: &Resource, namespace: &str) -> Vec<(Key, Arc<Item>)> {
        let Some(kept) = self.kept.get(resource.name) else { return Vec::new() };
        let first = (namespace.to_owned(), String::new());
        let own = kept.objects.range(first..).take_while(|(key, _)| namespace.is_empty() || key.0 == namespace);
        own.map(|(key, item)| (key.clone(), Arc::clone(item))).collect()
    }

    /// What happened after a version.
    pub fn since(&self, resource: &Resource, version: u64) -> Vec<Change> {
        let Some(kept) = self.kept.get(resource.name) else { return Vec::new() };
        let first = kept.history.partition_point(|change| change.version <= version);
        kept.history[first..].to_vec()
    }

    /// Writes as it is said, but for what only the server assigns.
    pub fn write(&mut self, resource: &'static Resource, key: Key, mut value: Value) -> Arc<Item> {
        self.version += 1;
        let version = self.version;
        let kept = self.kept.entry(resource.name).or_default();
        let old = kept.objects.get(&key).cloned();
        complete(&mut value, &key, resource, old.as_deref());
        let item = Item::new(version, value);
        kept.objects.insert(key.clone(), Arc::clone(&item));
        kept.history.push(Change { version, key, old, new: Some(Arc::clone(&item)) });
        item
    }

    /// What a dry run would have written.
    pub fn imagine(resource: &Resource, key: &Key, mut value: Value, old: Option<&Item>) -> Arc<Item> {
        complete(&mut value, key, resource, old);
        let mut item = Item { version: 0, value, json: OnceLock::new() };
        match old {
            Some(old) => item.value["metadata"]["resourceVersion"] = json!(old.version.to_string()),
            None => _ = item.value["metadata"].as_object_mut().map(|metadata| metadata.remove("resourceVersion")),
        }
        Arc::new(item)
    }

    pub fn remove(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Item>> {
        let kept = self.kept.get_mut(resource.name)?;
        let old = kept.objects.remove(key)?;
        self.version += 1;
        kept.history.push(Change { version: self.version, key: key.clone(), old: Some(Arc::clone(&old)), new: None });
        Some(old)
    }

    /// As if etcd had been compacted now: nobody can begin before. Open watches go on, so the history itself stays.
    pub fn compact(&mut self) {
        self.floor = self.version;
        self.snapshots.clear();
    }

    /// Other objects' writes move the version too: a bookmark can tell of it.
    pub fn advance(&mut self, by: u64) {
        self.version += by;
    }

    pub fn keep_snapshot(&mut self, version: u64, of: &str, rest: Snapshot) {
        self.snapshots.insert((version, of.to_owned()), rest);
        while self.snapshots.len() > 64 {
            self.snapshots.pop_first();
        }
    }

    pub fn snapshot(&self, version: u64, of: &str) -> Option<Snapshot> {
        self.snapshots.get(&(version, of.to_owned())).cloned()
    }
}

/// Gives the object what the server assigns, unless it has it.
fn complete(value: &mut Value, key: &Key, resource: &Resource, old: Option<&Item>) {
    let fields = value.as_object_mut().expect("an object");
    fields.remove("kind");
    fields.remove("apiVersion");
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let metadata = metadata.as_object_mut().expect("metadata is an object");
    metadata.insert("name".into(), json!(key.1));
    if resource.namespaced {
        metadata.insert("namespace".into(), json!(key.0));
    }
    let before = |field: &str| old.map(|old| old.value["metadata"][field].clone()).filter(|value| !value.is_null());
    set_default(metadata, "uid", || before("uid").unwrap_or_else(|| json!(uid())));
    set_default(metadata, "creationTimestamp", || before("creationTimestamp").unwrap_or_else(|| json!(clock::now())));
}

fn set_default(fields: &mut Map<String, Value>, name: &str, value: impl FnOnce() -> Value) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value());
    }
}

/// A random UUID.
pub fn uid() -> String {
    let random = RandomState::new();
    let (a, b) = (random.hash_one(1), random.hash_one(2));
    let (c, d) = ((a >> 16) & 0xffff, a & 0xfff);
    format!("{:08x}-{c:04x}-4{d:03x}-{:04x}-{:012x}", a >> 32, 0x8000 | (b >> 50), b & 0xffff_ffff_ffff)
}
