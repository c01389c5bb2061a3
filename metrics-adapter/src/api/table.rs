//! What `kubectl get podmetrics` prints: a `meta.k8s.io` Table, its columns those of metrics-server.

use super::json::{Json, go_duration};
use super::resource::{Item, quantities};

/// Resources that have a column, if any item has them.
const RESOURCES: [&str; 3] = ["cpu", "memory", "swap"];

pub(super) fn render(items: &[Item<'_>], version: &str) -> Vec<u8> {
    // A pod's row is of all its containers together.
    let used = |item: &Item<'_>| item.measured.uses.total().map_or_else(Vec::new, |usage| quantities(&usage));
    let rows: Vec<_> = items.iter().map(|item| (item, used(item))).collect();
    let swaps = rows.iter().any(|(_, quantities)| quantities.iter().any(|(name, _)| *name == "swap"));
    // Without any item it is not known what they would have had.
    let resources = if swaps { &RESOURCES[..] } else { &RESOURCES[..2] };
    let mut json = Json::with_capacity(1024 + items.len() * 512);
    json.type_meta("Table", &format!("meta.k8s.io/{version}")).raw("\"metadata\":{},\"columnDefinitions\":");
    let named = [("Name", "name", "Name of the resource")].into_iter();
    let columns = named.chain(resources.iter().map(|name| (*name, "quantity", ""))).chain([("Window", "duration", "")]);
    json.list('[', ']', columns, |json, (name, format, description)| {
        json.raw("{\"name\":").string(name).raw(",\"type\":\"string\",\"format\":").string(format);
        json.raw(",\"description\":").string(description).raw(",\"priority\":0}");
    });
    json.raw(",\"rows\":").list('[', ']', rows.iter(), |json, (item, quantities)| {
        let quantity = |name: &str| quantities.iter().find(|(own, _)| *own == name).map_or("", |(_, text)| text);
        json.raw("{\"cells\":[").string(item.name);
        for name in resources {
            json.raw(",").string(quantity(name));
        }
        json.raw(",").string(&go_duration(item.measured.window));
        json.raw("],\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/")
            .raw(version)
            .raw("\",");
        item.json_meta(json);
        json.raw("}}");
    });
    json.raw("}");
    json.0
}
