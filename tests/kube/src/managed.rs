//! Who manages which fields, as far as the server tells of updates that are no server-side applies.

use serde_json::{Map, Value, json};

use super::clock;

/// Notes in `new` that `manager` changed it from `old`.
pub fn note(old: Option<&Value>, new: &mut Value, manager: &str, api_version: &str, subresource: &str) {
    let changed = tree(old.unwrap_or(&Value::Null), new);
    let gone = old.map(|old| tree(new, old)).unwrap_or_default();
    let recorded = old.map(|old| old["metadata"]["managedFields"].clone());
    let mut entries: Vec<Value> = recorded.and_then(|entries| entries.as_array().cloned()).unwrap_or_default();
    let mut own = Map::new();
    entries.retain_mut(|entry| {
        let mine = entry["manager"] == manager
            && entry["operation"] == "Update"
            && entry["subresource"].as_str().unwrap_or_default() == subresource;
        let Some(fields) = entry["fieldsV1"].as_object_mut() else { return true };
        subtract(fields, &gone);
        if mine {
            own = std::mem::take(fields);
            return false;
        }
        subtract(fields, &changed);
        !fields.is_empty()
    });
    add(&mut own, changed);
    if !own.is_empty() {
        let mut entry = json!({
            "manager": manager, "operation": "Update", "apiVersion": api_version, "time": clock::now(),
            "fieldsType": "FieldsV1", "fieldsV1": own,
        });
        if !subresource.is_empty() {
            entry["subresource"] = json!(subresource);
        }
        entries.push(entry);
    }
    new["metadata"]["managedFields"] = Value::Array(entries);
}

/// The fields of `new` that `old` does not have, or not so.
fn tree(old: &Value, new: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in new.as_object().into_iter().flatten() {
        match name.as_str() {
            "kind" | "apiVersion" => {}
            "metadata" => {
                let mut noted = changed(&old[name], value, false).unwrap_or_default();
                for own in
                    ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"]
                {
                    noted.remove(&format!("f:{own}"));
                }
                if !noted.is_empty() {
                    fields.insert("f:metadata".into(), Value::Object(noted));
                }
            }
            // The Go structs of these are no pointers, which have an entry of their own.
            "spec" | "status" => {
                if let Some(noted) = changed(&old[name], value, false).filter(|noted| !noted.is_empty()) {
                    fields.insert(format!("f:{name}"), Value::Object(noted));
                }
            }
            _ if old[name] == *value => {}
            _ => {
                fields.insert(format!("f:{name}"), Value::Object(changed(&old[name], value, true).unwrap_or_default()));
            }
        }
    }
    fields
}

/// None where the value is a leaf: lists count as one.
fn changed(old: &Value, new: &Value, itself: bool) -> Option<Map<String, Value>> {
    let new = new.as_object()?;
    let mut fields = Map::new();
    if itself && !old.is_object() {
        fields.insert(".".into(), json!({}));
    }
    for (name, value) in new {
        if old[name] != *value {
            fields.insert(format!("f:{name}"), Value::Object(changed(&old[name], value, true).unwrap_or_default()));
        }
    }
    Some(fields)
}

fn subtract(from: &mut Map<String, Value>, what: &Map<String, Value>) {
    for (name, taken) in what {
        let Some(Value::Object(fields)) = from.get_mut(name) else { continue };
        let taken = taken.as_object().expect("a tree of objects");
        if !taken.is_empty() {
            subtract(fields, taken);
        }
        if taken.is_empty() || fields.is_empty() {
            from.remove(name);
        }
    }
}

fn add(to: &mut Map<String, Value>, what: Map<String, Value>) {
    for (name, value) in what {
        match (to.get_mut(&name), value) {
            (Some(Value::Object(fields)), Value::Object(more)) => add(fields, more),
            (_, value) => _ = to.insert(name, value),
        }
    }
}
