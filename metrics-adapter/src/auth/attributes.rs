use std::fmt::Write as _;

use hyper::{Method, Uri};
use serde_json::{Value, json};

use super::Refusal;
use crate::model::GroupResource;

/// Longer than any path that means something, in bytes: each part of it has 253 at most.
const LONGEST_PATH: usize = 4096;

/// The group in which the objects of other groups are asked for.
const CUSTOM: &str = "custom.metrics.k8s.io";

/// What a request wants, as roles have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// `get` or `list`, or what else it is.
    pub verb: String,
    /// What of the API, or which path beside it.
    pub what: What,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A path that belongs to no resource.
    Path(String),
    /// A resource of an API group; what is not named is empty.
    Resource {
        /// The API group.
        group: String,
        /// Its version.
        version: String,
        /// The namespace.
        namespace: String,
        /// The resource.
        resource: String,
        /// The subresource: the metric, of custom metrics.
        subresource: String,
        /// The object's name.
        name: String,
    },
}

/// A path that can be read in more than one way, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Attributes {
    /// What a request wants. A path is refused if whoever routes it might read another one.
    pub fn of(method: &Method, uri: &Uri) -> Result<Self, Malformed> {
        let path = uri.path();
        if path.len() > LONGEST_PATH {
            return Err(Malformed(format!("the path is longer than {LONGEST_PATH} bytes")));
        }
        let trimmed = path.trim_matches('/');
        let segments: Vec<String> =
            if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').map(decode).collect::<Result<_, _>>()? };
        let is_api = segments.first().is_some_and(|first| first == "apis") && segments.len() > 3;
        if !is_api {
            let path = if segments.is_empty() { "/".to_owned() } else { format!("/{}", segments.join("/")) };
            return Ok(Self { verb: method.as_str().to_lowercase(), what: What::Path(path) });
        }
        let (group, version, mut rest) = (segments[1].clone(), segments[2].clone(), &segments[3..]);
        let mut namespace = String::new();
        if rest[0] == "namespaces" && rest.len() > 1 {
            namespace.clone_from(&rest[1]);
            // `namespaces/web` alone is the namespace itself.
            if rest.len() > 2 {
                rest = &rest[2..];
            }
        }
        let part = |place: usize| rest.get(place).cloned().unwrap_or_default();
        let (resource, mut name, subresource) = (part(0), part(1), part(2));
        let mut verb = match method.as_str() {
            "GET" | "HEAD" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "",
        };
        if name.is_empty() && verb == "get" {
            verb = "list";
            let mut seen = (false, false);
            for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
                match &*key {
                    // Of several the first counts, as for Go.
                    "watch" if !std::mem::replace(&mut seen.0, true) => {
                        let no = value == "0" || value.eq_ignore_ascii_case("false");
                        verb = if no { verb } else { "watch" };
                    }
                    // Who may see one object may list that one.
                    "fieldSelector" if !std::mem::replace(&mut seen.1, true) => {
                        let own = value.strip_prefix("metadata.name=").map(|name| name.trim_start_matches('='));
                        let own = own.filter(|name| !name.contains([',', '='])).unwrap_or_default();
                        own.clone_into(&mut name);
                    }
                    _ => {}
                }
            }
        } else if name.is_empty() && verb == "delete" {
            verb = "deletecollection";
        }
        let what = What::Resource { group, version, namespace, resource, subresource, name };
        Ok(Self { verb: verb.to_owned(), what })
    }

    /// The same at the scope that it is answered from: an object that is in no namespace is none's, whichever one the
    /// path names. Only a namespace may be asked for in itself.
    #[must_use]
    pub fn in_scope(mut self, named: impl Fn(&str) -> Option<GroupResource>) -> Self {
        if let What::Resource { group, namespace, resource, name, .. } = &mut self.what
            && group == CUSTOM
            && let Some(resource) = named(resource)
        {
            let is_itself = resource.is_namespaces() && name == namespace;
            if !resource.namespaced && !is_itself {
                namespace.clear();
            }
        }
        self
    }

    /// Whether this asks how the process is, which everybody may who is known or says nothing of themselves.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        matches!(&self.what, What::Path(path) if matches!(&**path, "/healthz" | "/livez" | "/readyz"))
    }

    /// As a `SubjectAccessReview` asks.
    #[must_use]
    pub fn review(&self) -> (&'static str, Value) {
        match &self.what {
            What::Path(path) => ("nonResourceAttributes", json!({"path": path, "verb": self.verb})),
            What::Resource { group, version, namespace, resource, subresource, name } => (
                "resourceAttributes",
                json!({
                    "verb": self.verb, "group": group, "version": version, "namespace": namespace,
                    "resource": resource, "subresource": subresource, "name": name,
                }),
            ),
        }
    }

    /// All of it, in one text that no other request has.
    pub(super) fn key(&self, key: &mut Vec<u8>) {
        let mut field = |text: &str| super::cache::field(key, text.as_bytes());
        field(&self.verb);
        match &self.what {
            What::Path(path) => field(path),
            What::Resource { group, version, namespace, resource, subresource, name } => {
                for text in [group, version, namespace, resource, subresource, name] {
                    field(text);
                }
            }
        }
    }

    /// As Kubernetes says it.
    pub(super) fn forbidden(&self, user: &str, reason: &str) -> Refusal {
        let verb = &self.verb;
        let (subject, mut message) = match &self.what {
            What::Path(path) => (String::new(), format!("User {user:?} cannot {verb} path {path:?}")),
            What::Resource { group, namespace, resource, subresource, name, .. } => {
                let full = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
                let place = if namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace {namespace:?}")
                };
                let message = format!("User {user:?} cannot {verb} resource {full:?} in API group {group:?} {place}");
                let name = if name.is_empty() { String::new() } else { format!(" {name:?}") };
                (format!("{resource}.{group}{name}"), message)
            }
        };
        if !reason.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(message, ": {reason}");
        }
        Refusal::Forbidden { subject, message }
    }
}

/// A segment of a path, decoded. What needs no encoding must have none, and nothing may decode to another segment or to
/// the way up: the decision would be about one path, and the answer about another.
fn decode(segment: &str) -> Result<String, Malformed> {
    if segment.is_empty() || segment == "." || segment == ".." {
        return Err(Malformed("the path has an empty segment, or one of dots".to_owned()));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let bytes = segment.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            decoded.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = segment.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = byte else {
            return Err(Malformed(format!("the path's segment {segment:?} is not percent-encoded correctly")));
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | 0) {
            return Err(Malformed(format!(
                "the path's segment {segment:?} encodes what needs no encoding, or what no name can hold"
            )));
        }
        decoded.push(byte);
        at += 3;
    }
    String::from_utf8(decoded).map_err(|_| Malformed(format!("the path's segment {segment:?} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Resource;

    fn read(method: &str, path: &str) -> String {
        let uri: Uri = path.parse().unwrap();
        match Attributes::of(&method.parse().unwrap(), &uri) {
            Err(Malformed(problem)) => problem,
            Ok(Attributes { verb, what: What::Path(path) }) => format!("{verb} {path}"),
            Ok(Attributes {
                verb,
                what: What::Resource { group, version, namespace, resource, subresource, name },
            }) => {
                format!("{verb} {group}/{version} [{namespace}] {resource}/{subresource} {name}")
            }
        }
    }

    #[test]
    fn requests_are_read_as_roles_have_them() {
        let table = [
            ("/", "get /"),
            ("/apis", "get /apis"),
            ("/apis/metrics.k8s.io/v1beta1", "get /apis/metrics.k8s.io/v1beta1"),
            ("/apis/metrics.k8s.io/v1beta1/", "get /apis/metrics.k8s.io/v1beta1"),
            ("/readyz", "get /readyz"),
            ("/apis/metrics.k8s.io/v1beta1/nodes", "list metrics.k8s.io/v1beta1 [] nodes/ "),
            ("/apis/metrics.k8s.io/v1beta1/nodes/a", "get metrics.k8s.io/v1beta1 [] nodes/ a"),
            ("/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods", "list metrics.k8s.io/v1beta1 [ns] pods/ "),
            ("/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods?watch=true", "watch metrics.k8s.io/v1beta1 [ns] pods/ "),
            ("/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods?watch=0", "list metrics.k8s.io/v1beta1 [ns] pods/ "),
            (
                "/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods?fieldSelector=metadata.name%3Dweb",
                "list metrics.k8s.io/v1beta1 [ns] pods/ web",
            ),
            (
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns/pods/%2A/m",
                "get custom.metrics.k8s.io/v1beta2 [ns] pods/m *",
            ),
            (
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns/deployments.apps/web/m",
                "get custom.metrics.k8s.io/v1beta2 [ns] deployments.apps/m web",
            ),
            (
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns/metrics/m",
                "get custom.metrics.k8s.io/v1beta2 [ns] metrics/ m",
            ),
            ("/apis/custom.metrics.k8s.io/v1beta2/nodes/*/m", "get custom.metrics.k8s.io/v1beta2 [] nodes/m *"),
            (
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/ns/queue",
                "list external.metrics.k8s.io/v1beta1 [ns] queue/ ",
            ),
        ];
        for (path, attributes) in table {
            assert_eq!(read("GET", path), attributes, "{path}");
        }
        assert_eq!(read("POST", "/apis/g/v/namespaces/ns/pods"), "create g/v [ns] pods/ ");
        assert_eq!(read("DELETE", "/apis/g/v/namespaces/ns/pods"), "deletecollection g/v [ns] pods/ ");
    }

    #[test]
    fn what_is_in_no_namespace_is_reviewed_in_none() {
        let table = [
            ("shop/nodes/node-a", ""),
            ("shop/nodes/*", ""),
            // Its name is not what makes it the namespace's own.
            ("shop/nodes/shop", ""),
            ("shop/namespaces/other", ""),
            ("shop/namespaces/*", ""),
            ("shop/namespaces/shop", "shop"),
            ("shop/pods/*", "shop"),
            ("shop/services/shop", "shop"),
        ];
        for (path, scope) in table {
            let uri = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{path}/m").parse().unwrap();
            let attributes = Attributes::of(&Method::GET, &uri).unwrap().in_scope(Resource::named);
            let What::Resource { namespace, .. } = attributes.what else { panic!("{path}") };
            assert_eq!(namespace, scope, "{path}");
        }
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
        for path in [
            "/apis/metrics.k8s.io/v1beta1/namespaces/ns%2Fpods/web",
            "/apis/metrics.k8s.io/v1beta1/%6eodes",
            "/apis/metrics.k8s.io/v1beta1/namespaces/%2e%2e/pods",
            "/apis/metrics.k8s.io/v1beta1/namespaces/../pods",
            "/apis//metrics.k8s.io/v1beta1/nodes",
            "/apis/metrics.k8s.io/v1beta1/no%00des",
            "/apis/metrics.k8s.io/v1beta1/nodes%ff",
            "/apis/metrics.k8s.io/v1beta1/nodes%zz",
        ] {
            let problem = read("GET", path);
            assert!(problem.starts_with("the path"), "{path}: {problem}");
        }
    }
}
