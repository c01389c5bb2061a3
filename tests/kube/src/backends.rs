//! What the API server hands on to others: the APIs of aggregated servers, and what pods answer and say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::base64;
use super::body::Body;
use super::call::Call;
use super::client::{Client, Reply};
use super::pki::Pair;
use super::rbac::User;
use super::resources::named;
use super::server::{FakeKube, Shared};
use super::status::Refusal;

/// Namespace and name.
type Place = (String, String);
type Canned = Arc<dyn Fn(&str) -> (u16, Value) + Send + Sync>;

/// Who answers for a Service or a pod.
#[derive(Clone)]
enum Backend {
    /// A real server: `https://127.0.0.1:port`, known by the caBundle, or `http://127.0.0.1:port`.
    At(String),
    /// A status and a body for a path with its query; a body that is a string is no JSON.
    Canned(Canned),
}

#[derive(Default)]
pub struct Backends {
    services: Mutex<HashMap<Place, Backend>>,
    pods: Mutex<HashMap<Place, Backend>>,
    logs: Mutex<HashMap<Place, String>>,
    /// What the aggregator shows to servers.
    pub identity: Mutex<Option<Arc<Pair>>>,
}

fn place(namespace: &str, name: &str) -> Place {
    (namespace.to_owned(), name.to_owned())
}

impl FakeKube {
    /// Behind this Service is a real server. It still needs its `APIService`, and that to be available.
    pub fn service_at(&self, namespace: &str, name: &str, url: &str) {
        let backend = Backend::At(url.to_owned());
        self.shared.backends.services.lock().unwrap().insert(place(namespace, name), backend);
    }

    pub fn service_answers(
        &self,
        namespace: &str,
        name: &str,
        answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static,
    ) {
        let backend = Backend::Canned(Arc::new(answer));
        self.shared.backends.services.lock().unwrap().insert(place(namespace, name), backend);
    }

    /// Behind the proxy of this pod is a real server, at every port.
    pub fn pod_at(&self, namespace: &str, name: &str, url: &str) {
        let backend = Backend::At(url.to_owned());
        self.shared.backends.pods.lock().unwrap().insert(place(namespace, name), backend);
    }

    pub fn pod_answers(
        &self,
        namespace: &str,
        name: &str,
        answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static,
    ) {
        let backend = Backend::Canned(Arc::new(answer));
        self.shared.backends.pods.lock().unwrap().insert(place(namespace, name), backend);
    }

    /// What a pod's container said before it ended last.
    pub fn pod_said(&self, namespace: &str, name: &str, text: &str) {
        self.shared.backends.logs.lock().unwrap().insert(place(namespace, name), text.to_owned());
    }

    /// What the aggregator finds of an `APIService`.
    pub fn available(&self, name: &str, status: &str, reason: &str, message: &str) {
        self.change("apiservices", "", name, |object| {
            object["status"]["conditions"] = json!([{
                "type": "Available", "status": status, "reason": reason, "message": message,
                "lastTransitionTime": super::clock::now(),
            }]);
        });
    }
}

/// What somebody else than the API server answers, if the request is for one.
pub async fn answer(
    shared: &Arc<Shared>,
    user: &User,
    call: &Call,
    headers: &HeaderMap,
) -> Option<Result<Response<Body>, Refusal>> {
    if let Some(service) = registered(shared, call) {
        let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or("*/*").to_owned();
        return Some(Ok(aggregated(shared, user, call, accept, &service).await));
    }
    let pod = (call.asked.group.is_empty() && call.asked.resource == "pods" && call.method == "GET").then_some(());
    pod?;
    match call.asked.subresource.as_str() {
        "proxy" => Some(proxied(shared, call).await),
        "log" => Some(log(shared, call)),
        _ => None,
    }
}

/// The `APIService` that a path is handed on by.
fn registered(shared: &Shared, call: &Call) -> Option<Value> {
    let name = format!("{}.{}", call.version, call.asked.group);
    let item = shared.store.lock().unwrap().get(named("apiservices"), "", &name)?;
    (!item.value["spec"]["service"].is_null()).then(|| item.value.clone())
}

async fn aggregated(shared: &Shared, user: &User, call: &Call, accept: String, object: &Value) -> Response<Body> {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let available = conditions.iter().any(|own| own["type"] == "Available" && own["status"] == "True");
    let service = &object["spec"]["service"];
    let (namespace, name) = (service["namespace"].as_str().unwrap(), service["name"].as_str().unwrap());
    let backend = shared.backends.services.lock().unwrap().get(&place(namespace, name)).cloned();
    let Some(backend) = backend.filter(|_| available) else { return plain(503, "service unavailable\n") };
    let path = with_query(&call.path, &call.query);
    let url = match backend {
        Backend::Canned(answer) => return written(answer(&path)),
        Backend::At(url) => url,
    };
    let bundle = base64::decode(object["spec"]["caBundle"].as_str().unwrap_or_default()).unwrap_or_default();
    let authorities: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bundle).flatten().collect();
    let identity = shared.backends.identity.lock().unwrap().clone();
    let (host, user) = (format!("{name}.{namespace}.svc"), user.clone());
    let asked = move || {
        let mut headers = vec![("Accept", accept.as_str()), ("X-Remote-User", user.name.as_str())];
        headers.extend(user.groups.iter().map(|group| ("X-Remote-Group", group.as_str())));
        let mut said = "x509: certificate signed by unknown authority".to_owned();
        for authority in &authorities {
            let client = Client::with_identity(&url, authority, None, identity.as_deref()).named(&host);
            match client.connect().and_then(|mut wire| wire.request("GET", &path, &headers, b"")) {
                Ok(reply) => return Ok(reply),
                Err(error) => said = error.to_string(),
            }
        }
        Err(said)
    };
    match tokio::task::spawn_blocking(asked).await.unwrap() {
        Ok(reply) => handed_on(reply),
        Err(text) => plain(503, &format!("error trying to reach service: {text}\n")),
    }
}

async fn proxied(shared: &Shared, call: &Call) -> Result<Response<Body>, Refusal> {
    let (name, _) = call.name.split_once(':').unwrap_or((&call.name, ""));
    let pods = named("pods");
    if shared.store.lock().unwrap().get(pods, &call.asked.namespace, name).is_none() {
        return Err(Refusal::not_found(pods, name));
    }
    let refused =
        |text: &str| Refusal::new(503, "ServiceUnavailable", format!("error trying to reach service: {text}"));
    let backend = shared.backends.pods.lock().unwrap().get(&place(&call.asked.namespace, name)).cloned();
    let rest = call.path.split_once("/proxy").map_or("", |(_, rest)| rest);
    let path = with_query(rest, &call.query);
    match backend {
        None => Err(refused("dial tcp 10.244.0.9:9000: connect: connection refused")),
        Some(Backend::Canned(answer)) => Ok(written(answer(&path))),
        Some(Backend::At(url)) => {
            let asked = move || {
                let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
                let mut reply = agent.get(format!("{url}{path}")).call().map_err(|error| error.to_string())?;
                let media = reply.headers().get("content-type").and_then(|value| value.to_str().ok());
                let media = media.unwrap_or("text/plain").to_owned();
                let body = reply.body_mut().read_to_string().map_err(|error| error.to_string())?;
                Ok::<_, String>((reply.status().as_u16(), media, body))
            };
            let (status, media, body) =
                tokio::task::spawn_blocking(asked).await.unwrap().map_err(|text| refused(&text))?;
            Ok(Response::builder().status(status).header(CONTENT_TYPE, media).body(Body::whole(body)).unwrap())
        }
    }
}

fn log(shared: &Shared, call: &Call) -> Result<Response<Body>, Refusal> {
    let (namespace, name) = (&call.asked.namespace, &call.name);
    if shared.store.lock().unwrap().get(named("pods"), namespace, name).is_none() {
        return Err(Refusal::not_found(named("pods"), name));
    }
    let said = shared.backends.logs.lock().unwrap().get(&place(namespace, name)).cloned();
    let container = call.parameter("container");
    let gone =
        || Refusal::bad_request(format!("previous terminated container {container:?} in pod {name:?} not found"));
    said.map(|text| plain(200, &text)).ok_or_else(gone)
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn written((status, body): (u16, Value)) -> Response<Body> {
    match body {
        Value::String(text) => plain(status, &text),
        other => {
            let answer = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
            answer.body(Body::whole(other.to_string())).unwrap()
        }
    }
}

fn plain(status: u16, text: &str) -> Response<Body> {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, "text/plain; charset=utf-8");
    answer.body(Body::whole(text.to_owned())).unwrap()
}

fn handed_on(reply: Reply) -> Response<Body> {
    let media = reply.header("content-type").unwrap_or("application/octet-stream").to_owned();
    Response::builder().status(reply.status).header(CONTENT_TYPE, media).body(Body::whole(reply.body)).unwrap()
}
