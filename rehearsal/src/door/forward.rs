use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Door;
use super::body::{Body, Payload};

pub(super) type Client = legacy::Client<HttpConnector, Body>;

/// A replica is on this machine.
const CONNECT: Duration = Duration::from_secs(2);
/// How many replicas a request is offered.
const ATTEMPTS: usize = 3;

/// Headers that are between two neighbours.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(super) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .build(connector)
}

impl Door {
    pub(super) async fn forward(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let mut payload = match Payload::read(body).await {
            Ok(payload) => payload,
            Err(error) => return answer(StatusCode::BAD_REQUEST, &format!("the request's body: {error}")),
        };
        prepare(&mut parts, peer);
        let mut problem = String::new();
        let mut tried = Vec::new();
        while tried.len() < ATTEMPTS {
            let Some(replica) = self.turn(&tried) else {
                self.counts.turned_away.fetch_add(1, Ordering::Relaxed);
                return answer(StatusCode::SERVICE_UNAVAILABLE, "no replica is ready");
            };
            let Some(body) = payload.body() else { break };
            if !tried.is_empty() {
                self.counts.retried.fetch_add(1, Ordering::Relaxed);
            }
            tried.push(replica);
            match self.client.request(addressed(&parts, replica, body)).await {
                Ok(response) => {
                    self.counts.answered.fetch_add(1, Ordering::Relaxed);
                    let mut response = response.map(BodyExt::boxed);
                    without_hops(response.headers_mut());
                    return response;
                }
                Err(error) => {
                    let unseen = error.is_connect();
                    problem = format!("{replica}: {}", causes(&error));
                    if !unseen && !matches!(parts.method, Method::GET | Method::HEAD) {
                        break;
                    }
                }
            }
        }
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        answer(StatusCode::BAD_GATEWAY, &problem)
    }
}

fn prepare(parts: &mut Parts, peer: SocketAddr) {
    without_hops(&mut parts.headers);
    let host = parts.headers.get(header::HOST).cloned();
    let forwarded = HeaderValue::from_str(&peer.ip().to_string());
    // Nobody stands before this door whose word would count.
    if let Ok(forwarded) = forwarded {
        parts.headers.insert("x-forwarded-for", forwarded);
    }
    parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(host) = host {
        parts.headers.insert("x-forwarded-host", host);
    }
}

fn without_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn addressed(parts: &Parts, replica: SocketAddr, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    let path = parts.uri.path_and_query().cloned();
    let mut uri = Uri::builder().scheme("http").authority(replica.to_string());
    uri = uri.path_and_query(path.unwrap_or_else(|| hyper::http::uri::PathAndQuery::from_static("/")));
    // An address and a path that was one are a URI.
    *request.uri_mut() = uri.build().unwrap_or_default();
    *request.method_mut() = parts.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = parts.headers.clone();
    request
}

fn answer(status: StatusCode, problem: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("front door: {problem}\n")));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
