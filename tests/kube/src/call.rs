//! What a request asks for: the API server's reading of paths, verbs and Accept headers.

use std::collections::HashMap;

use super::rbac::Attributes;
use super::selectors::Selector;
use super::status::Refusal;

/// A request, read but not yet believed.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: String,
    pub version: String,
    pub asked: Attributes,
    /// As the path says; a selector may name another for the authorizer.
    pub name: String,
}

impl Call {
    pub fn read(method: &str, path: &str, query: &str) -> Self {
        let segments: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest): (_, _, &[&str]) = match &segments[..] {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => ("", "", &[]),
        };
        let (namespace, rest): (_, &[&str]) = match rest {
            ["namespaces", name] | ["namespaces", name, "status" | "finalize"] => (*name, rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            _ => ("", rest),
        };
        let (resource, name, subresource) = match rest {
            [] => ("", "", String::new()),
            [resource] => (*resource, "", String::new()),
            // What comes after `proxy` is a path of whom is asked.
            [resource, name, "proxy", ..] => (*resource, *name, "proxy".to_owned()),
            [resource, name, subresource @ ..] => (*resource, *name, subresource.join("/")),
        };
        let asked = Attributes {
            verb: String::new(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            path: path.to_owned(),
        };
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        let mut call = Self { method, path, query, version: version.to_owned(), asked, name: name.to_owned() };
        call.asked.verb.push_str(call.verb());
        if name.is_empty() && matches!(call.asked.verb.as_str(), "list" | "watch" | "deletecollection") {
            // Whether the resource knows the other fields is found out later, from who may ask at all.
            let selector = Selector::parse_fields_only(&call.parameter("fieldSelector"));
            selector.name().unwrap_or_default().clone_into(&mut call.asked.name);
        }
        call
    }

    fn verb(&self) -> &'static str {
        if self.asked.resource.is_empty() {
            return match self.method.as_str() {
                "GET" => "get",
                "HEAD" => "head",
                "POST" => "post",
                "PUT" => "put",
                "PATCH" => "patch",
                "DELETE" => "delete",
                _ => "",
            };
        }
        match (self.method.as_str(), self.name.is_empty()) {
            ("GET" | "HEAD", false) => "get",
            ("GET" | "HEAD", true) if self.flag("watch") == Some(true) => "watch",
            ("GET" | "HEAD", true) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", false) => "delete",
            ("DELETE", true) => "deletecollection",
            _ => "",
        }
    }

    fn parameters(&self) -> HashMap<String, String> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// Empty if absent.
    pub fn parameter(&self, name: &str) -> String {
        self.parameters().remove(name).unwrap_or_default()
    }

    /// What is absent or empty says nothing.
    pub fn flag(&self, name: &str) -> Option<bool> {
        let value = self.parameter(name);
        (!value.is_empty()).then_some(!matches!(value.as_str(), "false" | "0"))
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let text = self.parameter(name);
        if text.is_empty() {
            return Ok(None);
        }
        let error = |_| {
            Refusal::bad_request(format!(
                "{name}: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        };
        text.parse().map(Some).map_err(error)
    }

    pub fn selector(&self, resource: &super::resources::Resource) -> Result<Selector, Refusal> {
        let (labels, fields) = (self.parameter("labelSelector"), self.parameter("fieldSelector"));
        Selector::parse(resource, &labels, &fields).map_err(Refusal::bad_request)
    }
}

/// How the answer is to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Whole,
    /// Only the metadata, as meta.k8s.io/v1 `PartialObjectMetadata`.
    Metadata,
}

impl Form {
    pub fn accepted(accept: &str, verb: &str) -> Result<Self, Refusal> {
        let wanted = if verb == "list" { "PartialObjectMetadataList" } else { "PartialObjectMetadata" };
        let accept = if accept.trim().is_empty() { "*/*" } else { accept };
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            if !matches!(media, "application/json" | "*/*" | "application/*") {
                continue;
            }
            let parameters: HashMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
            match parameters.get("as") {
                None => return Ok(Self::Whole),
                Some(form) => {
                    let meta = parameters.get("g") == Some(&"meta.k8s.io") && parameters.get("v") == Some(&"v1");
                    if meta && *form == wanted {
                        return Ok(Self::Metadata);
                    }
                }
            }
        }
        Err(Refusal::not_acceptable())
    }
}

/// Undoes percent-encoding in a path, where a plus is a plus.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%' && after.len() >= 2)
            .then(|| std::str::from_utf8(&after[..2]).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
