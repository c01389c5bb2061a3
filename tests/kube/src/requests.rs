//! One request's way through the API server.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Request, Response};
use rustls::ServerConfig;

use super::body::Body;
use super::call::{Call, Form};
use super::listener::{Connection, Host};
use super::rbac::User;
use super::resources::{self, Resource};
use super::reviews::{self, AUDIENCE};
use super::server::Shared;
use super::status::Refusal;
use super::writes::Writing;
use super::{backends, discovery, lists, scales, tally, watches};

/// etcd takes no more.
const MOST: usize = 3 << 20;
const JSON: &str = "application/json";

type Answer = Result<Response<Body>, Refusal>;

impl Host for Shared {
    fn tls(&self, _local: IpAddr) -> Arc<ServerConfig> {
        Arc::clone(&self.tls.lock().unwrap())
    }

    async fn greet(&self, _local: IpAddr) -> bool {
        self.faults.pass().await;
        true
    }

    fn met(&self, _local: IpAddr) {
        self.handshakes.fetch_add(1, Ordering::SeqCst);
    }

    async fn answer(self: Arc<Self>, connection: Arc<Connection>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let call = Call::read(head.method.as_str(), head.uri.path(), head.uri.query().unwrap_or_default());
        let noted = tally::Request::of(&call, |name| header(&head.headers, name));
        self.tally.note(noted.clone());
        let answer = async {
            self.faults.befall(&noted).await?;
            let user = authenticate(&self, &noted.authorization)?;
            authorize(&self, &user, &call)?;
            if let Some(answer) = backends::answer(&self, &user, &call, &head.headers).await {
                return answer;
            }
            let body = Limited::new(body, MOST).collect().await;
            let body = body.map_err(|_| {
                Refusal::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
            })?;
            dispatch(&self, &connection, &call, &head.headers, &body.to_bytes())
        };
        match answer.await {
            Ok(answer) => answer,
            Err(refusal) => {
                let mut answer = respond(refusal.code, JSON, Body::whole(refusal.json().to_string()));
                if let Some(seconds) = refusal.retry_after {
                    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
                }
                answer
            }
        }
    }
}

fn dispatch(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    call: &Call,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answer {
    let asked = &call.asked;
    if asked.resource.is_empty() {
        let accept = header(headers, "accept");
        let aggregated = discovery::aggregated(shared, &call.path, &accept);
        let Some((media, text)) = aggregated.or_else(|| discovery::document(&call.path)) else {
            return Ok(no_such_page());
        };
        return if call.method == "GET" {
            Ok(respond(200, media, Body::whole(text)))
        } else {
            Err(Refusal::method_not_allowed())
        };
    }
    let (content_type, user_agent) = (header(headers, "content-type"), header(headers, "user-agent"));
    if let Some(answer) = reviews::review(shared, call, body, &content_type, &user_agent) {
        return answer.map(json);
    }
    let Some(resource) = resources::served(&asked.group, &call.version, &asked.resource) else {
        return Ok(no_such_page());
    };
    if !fits(resource, call) {
        return Ok(no_such_page());
    }
    let form = Form::accepted(&header(headers, "accept"), &asked.verb)?;
    let writing = Writing { shared, resource, call, form, content_type: &content_type, user_agent: &user_agent, body };
    match asked.verb.as_str() {
        "get" if asked.subresource == "scale" => scales::get(shared, resource, call).map(|text| json((200, text))),
        "get" => lists::get(shared, resource, call, form).map(|text| json((200, text))),
        "list" => lists::list(shared, resource, call, form).map(|text| json((200, text))),
        "watch" => {
            let frames = watches::open(shared, connection, resource, call, form)?;
            Ok(respond(200, JSON, Body::Stream(frames)))
        }
        "create" if call.name.is_empty() => writing.create().map(json),
        "update" if !call.name.is_empty() => writing.update().map(json),
        "patch" if asked.subresource == "scale" => {
            scales::patch(shared, resource, call, body).map(|text| json((200, text)))
        }
        "patch" if !call.name.is_empty() => writing.patch().map(json),
        "delete" => writing.delete().map(json),
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// Whether the server has such a path for the resource.
fn fits(resource: &Resource, call: &Call) -> bool {
    let asked = &call.asked;
    let scope = resource.namespaced || asked.namespace.is_empty() || resource.name == "namespaces";
    let single = !resource.namespaced || call.name.is_empty() || !asked.namespace.is_empty();
    let subresource = match asked.subresource.as_str() {
        "" => true,
        "status" => resource.status,
        "scale" => scales::has(resource) && ["GET", "PATCH"].contains(&call.method.as_str()),
        _ => false,
    };
    scope && single && subresource
}

/// Who has no token is anonymous; who has a wrong one is nobody.
fn authenticate(shared: &Shared, authorization: &str) -> Result<User, Refusal> {
    let Some(token) = authorization.strip_prefix("Bearer ").map(str::trim) else {
        let groups = vec!["system:unauthenticated".to_owned()];
        return Ok(User { name: "system:anonymous".to_owned(), uid: String::new(), groups });
    };
    let tokens = shared.tokens.lock().unwrap();
    let known = tokens.get(token).filter(|token| token.audiences.iter().any(|audience| audience == AUDIENCE));
    known.map(|known| known.user.clone()).ok_or_else(Refusal::unauthorized)
}

fn authorize(shared: &Shared, user: &User, call: &Call) -> Result<(), Refusal> {
    let free = !shared.enforced.load(Ordering::SeqCst) && user.name != "system:anonymous";
    if free || shared.rbac.lock().unwrap().allows(user, &call.asked).is_some() {
        return Ok(());
    }
    let (asked, who) = (&call.asked, &user.name);
    if asked.resource.is_empty() {
        let message = format!("User {who:?} cannot {} path {:?}", asked.verb, asked.path);
        return Err(Refusal::forbidden("", "", "", &message));
    }
    let what = match asked.subresource.as_str() {
        "" => asked.resource.clone(),
        subresource => format!("{}/{subresource}", asked.resource),
    };
    let place = match asked.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let message =
        format!("User {who:?} cannot {} resource {what:?} in API group {:?} {place}", asked.verb, asked.group);
    Err(Refusal::forbidden(&asked.group, &asked.resource, &asked.name, &message))
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

fn json((status, text): (u16, String)) -> Response<Body> {
    respond(status, JSON, Body::whole(text))
}

/// Where no handler is, the real server has no Status either.
fn no_such_page() -> Response<Body> {
    respond(404, "text/plain; charset=utf-8", Body::whole("404 page not found\n"))
}

fn respond(status: u16, media: &'static str, body: Body) -> Response<Body> {
    let builder = Response::builder().status(status).header(CACHE_CONTROL, "no-cache, private");
    builder.header(CONTENT_TYPE, media).body(body).unwrap()
}
