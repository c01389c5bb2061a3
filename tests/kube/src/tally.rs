//! What was asked of the fake.

use std::sync::Mutex;
use std::time::Instant;

use super::call::Call;

/// One request, noted when it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Instant,
    /// get, list, watch, create, update, patch, delete.
    pub verb: String,
    pub group: String,
    /// Empty if the path names none.
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    /// A list's or watch's is what its field selector pins.
    pub name: String,
    pub path: String,
    /// As it came, encoded.
    pub query: String,
    pub accept: String,
    pub user_agent: String,
    pub authorization: String,
}

impl Request {
    pub fn of(call: &Call, header: impl Fn(&str) -> String) -> Self {
        let asked = call.asked.clone();
        Self {
            at: Instant::now(),
            verb: asked.verb,
            group: asked.group,
            resource: asked.resource,
            subresource: asked.subresource,
            namespace: asked.namespace,
            name: asked.name,
            path: call.path.clone(),
            query: call.query.clone(),
            accept: header("accept"),
            user_agent: header("user-agent"),
            authorization: header("authorization"),
        }
    }

    /// A parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

#[derive(Default)]
pub struct Tally(Mutex<Vec<Request>>);

impl Tally {
    pub fn note(&self, request: Request) {
        self.0.lock().unwrap().push(request);
    }

    pub fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, verb: &str, resource: &str) -> usize {
        let requests = self.0.lock().unwrap();
        requests.iter().filter(|request| request.verb == verb && request.resource == resource).count()
    }

    pub fn reset(&self) {
        self.0.lock().unwrap().clear();
    }
}
