//! metrics.k8s.io: what pods and nodes use, for `kubectl top` and for the HPA's cpu and memory.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::Body;
use super::failure::Failure;
use super::json::{Json, go_duration};
use super::negotiate::Format;
use super::protobuf::Message;
use super::selection::Query;
use super::usage::{Measured, Missing, Uses};
use super::{Api, table};
use crate::cluster::{Node, Pod};
use crate::lookup::Instant;
use crate::model::quantity::{Bytes, Nano};
use crate::model::{Labels, Usage, Wall};

/// An answer of so many pods takes so long to write that other work should not wait for it.
const MANY: usize = 5_000;

pub(super) const API_VERSION: &str = "metrics.k8s.io/v1beta1";

/// What something uses, as it goes onto the wire.
pub(super) struct Item<'a> {
    pub(super) name: &'a str,
    /// Empty for a node.
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
    /// When the answer was made, as metrics-server has it: these objects are not stored.
    pub(super) created: Wall,
    pub(super) time: Wall,
    pub(super) measured: Measured<'a>,
}

impl<'a> Item<'a> {
    fn of_pod(pod: &'a Pod, instant: &'a Instant) -> Result<Self, Missing<'a>> {
        let measured = Measured::of_pod(pod, instant)?;
        Ok(Self::new((&pod.namespace, &pod.name), &pod.labels, measured, instant))
    }

    fn of_node(node: &'a Node, instant: &'a Instant) -> Result<Self, Missing<'a>> {
        let measured = Measured::of_node(node, instant)?;
        Ok(Self::new(("", &node.name), &node.labels, measured, instant))
    }

    fn new(
        (namespace, name): (&'a str, &'a str),
        labels: &'a Labels,
        measured: Measured<'a>,
        instant: &Instant,
    ) -> Self {
        let (created, time) = (instant.now.wall, instant.now.wall_of(measured.at));
        Self { name, namespace, labels, created, time, measured }
    }

    pub(super) fn kind(&self) -> &'static str {
        if matches!(self.measured.uses, Uses::Node(_)) { "NodeMetrics" } else { "PodMetrics" }
    }

    pub(super) fn json_meta(&self, json: &mut Json) {
        json.raw("\"metadata\":{\"name\":").string(self.name);
        if !self.namespace.is_empty() {
            json.raw(",\"namespace\":").string(self.namespace);
        }
        json.raw(",\"creationTimestamp\":\"").plain(self.created).raw("\"");
        if !self.labels.is_empty() {
            json.raw(",\"labels\":").labels(self.labels);
        }
        json.raw("}");
    }

    fn json(&self, json: &mut Json) {
        self.json_meta(json);
        let window = go_duration(self.measured.window);
        json.raw(",\"timestamp\":\"").plain(self.time).raw("\",\"window\":\"").raw(&window).raw("\",");
        let used = |json: &mut Json, usage: &Usage| {
            json.raw("\"usage\":").list('{', '}', quantities(usage).into_iter(), |json, (name, quantity)| {
                json.raw("\"").raw(name).raw("\":\"").raw(&quantity).raw("\"");
            });
        };
        if let Uses::Node(usage) = &self.measured.uses {
            used(json, usage);
            return;
        }
        json.raw("\"containers\":").list('[', ']', self.measured.uses.containers(), |json, (name, usage)| {
            json.raw("{\"name\":").string(name).raw(",");
            used(json, &usage);
            json.raw("}");
        });
    }

    fn protobuf(&self, message: &mut Message) {
        message.object_meta(1, self.name, self.namespace, self.created, self.labels);
        message.time(2, self.time);
        message.duration(3, self.measured.window);
        let used = |message: &mut Message, field: u32, usage: &Usage| {
            for (name, quantity) in quantities(usage) {
                message.nested(field, |entry| {
                    entry.string(1, name);
                    entry.quantity(2, quantity);
                });
            }
        };
        if let Uses::Node(usage) = &self.measured.uses {
            used(message, 4, usage);
            return;
        }
        for (name, usage) in self.measured.uses.containers() {
            message.nested(4, |message| {
                message.string(1, name);
                used(message, 2, &usage);
            });
        }
    }
}

/// Resources in the order of their names: `cpu`, `memory`, `swap`.
pub(super) fn quantities(usage: &Usage) -> Vec<(&'static str, String)> {
    let Usage { cpu_nanocores, memory_bytes, swap_bytes, .. } = *usage;
    let mut all = vec![("cpu", Nano(cpu_nanocores).to_string()), ("memory", Bytes(memory_bytes).to_string())];
    all.extend(swap_bytes.map(|bytes| ("swap", Bytes(bytes).to_string())));
    all
}

/// One object, or a list.
enum Answer<'a> {
    One(Item<'a>),
    List(&'static str, Vec<Item<'a>>),
}

impl Answer<'_> {
    fn respond(&self, format: Format, instant: &Instant, headers: &HeaderMap, uri: &Uri) -> Response {
        let bytes = match format {
            Format::Json => self.json(),
            Format::Protobuf => self.protobuf(),
            Format::Table => table::render(self.items(), "v1"),
            Format::TableV1beta1 => table::render(self.items(), "v1beta1"),
        };
        let mut body = Body::new(bytes, format);
        body.oldest = self.items().iter().map(|item| item.measured.at).min();
        body.respond(headers, uri, &instant.now)
    }

    fn items(&self) -> &[Item<'_>] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::List(_, items) => items,
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut json = Json::with_capacity(128 + self.items().len() * 400);
        match self {
            Self::One(item) => {
                json.type_meta(item.kind(), API_VERSION);
                item.json(&mut json);
            }
            Self::List(kind, items) => {
                json.type_meta(kind, API_VERSION).raw("\"metadata\":{},\"items\":");
                json.list('[', ']', items.iter(), |json, item| {
                    json.raw("{");
                    item.json(json);
                    json.raw("}");
                });
            }
        }
        json.raw("}");
        json.0
    }

    fn protobuf(&self) -> Vec<u8> {
        let mut message = Message::with_capacity(64 + self.items().len() * 300);
        match self {
            Self::One(item) => {
                item.protobuf(&mut message);
                message.enveloped(API_VERSION, item.kind())
            }
            Self::List(kind, items) => {
                message.list_meta(1);
                for item in items {
                    message.nested(2, |message| item.protobuf(message));
                }
                message.enveloped(API_VERSION, kind)
            }
        }
    }
}

/// `…/nodes`
pub(super) async fn list_nodes(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let (format, query) = (Format::of_objects(&headers)?, list_query(&uri, "nodes.metrics.k8s.io")?);
    let instant = api.facts.now();
    let nodes = instant.view.nodes().iter();
    let wanted = nodes.filter(|node| query.labels.matches(&node.labels) && query.fields.matches("", &node.name));
    let items = wanted.filter_map(|node| Item::of_node(node, &instant).ok()).collect();
    Ok(Answer::List("NodeMetricsList", items).respond(format, &instant, &headers, &uri))
}

/// `…/nodes/{name}`
pub(super) async fn get_node(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let format = Format::of_objects(&headers)?;
    let Path(name) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let instant = api.facts.now();
    let nodes = instant.view.nodes();
    let Ok(place) = nodes.binary_search_by(|node| (*node.name).cmp(&*name)) else {
        return Err(Failure::no_such_object("node", &name, None));
    };
    let item = Item::of_node(&nodes[place], &instant);
    let item =
        item.map_err(|missing| Failure::no_such_object("node", &name, Some(&format!("it is there, {missing}"))))?;
    Ok(Answer::One(item).respond(format, &instant, &headers, &uri))
}

/// `…/pods`: of all namespaces.
pub(super) async fn list_all_pods(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    pods(&api, None, &uri, &headers)
}

/// `…/namespaces/{namespace}/pods`
pub(super) async fn list_pods(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path(namespace) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    pods(&api, Some(&namespace), &uri, &headers)
}

fn pods(api: &Api, namespace: Option<&str>, uri: &Uri, headers: &HeaderMap) -> Result<Response, Failure> {
    let (format, query) = (Format::of_objects(headers)?, list_query(uri, "pods.metrics.k8s.io")?);
    let instant = api.facts.now();
    let pods = instant.view.pods(namespace);
    let answer = || {
        let wanted = pods
            .iter()
            .filter(|pod| query.labels.matches(&pod.labels) && query.fields.matches(&pod.namespace, &pod.name));
        let items = wanted.filter_map(|pod| Item::of_pod(pod, &instant).ok()).collect();
        Answer::List("PodMetricsList", items).respond(format, &instant, headers, uri)
    };
    Ok(if pods.len() > MANY { tokio::task::block_in_place(answer) } else { answer() })
}

/// `…/namespaces/{namespace}/pods/{name}`
pub(super) async fn get_pod(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let format = Format::of_objects(&headers)?;
    let Path((namespace, name)) = path.map_err(|error| Failure::bad_request(error.body_text()))?;
    let instant = api.facts.now();
    let Some(pod) = instant.view.pod(&namespace, &name) else {
        return Err(Failure::no_such_object("pods", &name, None));
    };
    let item = Item::of_pod(pod, &instant);
    let item =
        item.map_err(|missing| Failure::no_such_object("pods", &name, Some(&format!("it is there, {missing}"))))?;
    Ok(Answer::One(item).respond(format, &instant, &headers, &uri))
}

fn list_query(uri: &Uri, resource: &str) -> Result<Query, Failure> {
    let query = Query::parse(uri.query())?;
    if query.watch { Err(Failure::no_watch(resource)) } else { Ok(query) }
}

#[cfg(test)]
mod tests;
