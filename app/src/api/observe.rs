use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tracing::{error, info, warn};

use super::error::Cause;

/// The name under which an answer and its log line know each other.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer request id is not believed to be one.
const LONGEST_ID: usize = 128;

/// The route of what no route matches.
const UNMATCHED: &str = "unmatched";
/// The method of what no route could have.
const OTHER: &str = "other";
/// The status of a request whose client hung up before it was answered.
const HUNG_UP: u16 = 499;
/// The status of a request that the server itself gave up, at the end of its time to drain.
const CUT: u16 = 503;

/// Comes with each request of a connection, and says whether the server is about to drop it.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<AtomicBool>);

impl Cut {
    /// What is not answered by now will not be.
    pub fn announce(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_announced(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) fn describe() {
    describe_counter!(
        "http_requests_total",
        "Requests to the API, by method, route and status; 499 is a client that hung up, 503 may be one that was cut off when the server stopped."
    );
    describe_histogram!("http_request_duration_seconds", "Time from a request's headers to its answer's, in seconds.");
    describe_gauge!("http_requests_in_flight", "Requests to the API that are being answered.");
    gauge!("http_requests_in_flight").set(0.0);
    // The ones whose rates say whether the API works: at 0 from the start, a first failure is an increase.
    for status in ["200", "500", "503"] {
        counter!("http_requests_total", "method" => "GET", "route" => "/articles", "status" => status).absolute(0);
    }
}

/// Counts a request and times it, however it ends: also when its client hangs up and it is dropped.
struct Observation {
    method: &'static str,
    route: Route,
    started: Instant,
    in_flight: Gauge,
    /// None until it is answered.
    status: Option<u16>,
    cut: Option<Cut>,
}

/// The template that a path matched, which is one of a few.
#[derive(Clone)]
enum Route {
    Matched(MatchedPath),
    Unmatched,
}

impl Route {
    /// The template, without the prefix that the same routes are mounted under once more.
    fn label(&self) -> &str {
        match self {
            Self::Matched(path) => {
                let path = path.as_str();
                path.strip_prefix("/api").filter(|rest| rest.starts_with('/')).unwrap_or(path)
            }
            Self::Unmatched => UNMATCHED,
        }
    }
}

impl Observation {
    fn begin(request: &Request) -> Self {
        let in_flight = gauge!("http_requests_in_flight");
        in_flight.increment(1.0);
        let route = request.extensions().get::<MatchedPath>().cloned().map_or(Route::Unmatched, Route::Matched);
        let cut = request.extensions().get::<Cut>().cloned();
        Self { method: method_label(request.method()), route, started: Instant::now(), in_flight, status: None, cut }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.in_flight.decrement(1.0);
        let dropped = if self.cut.as_ref().is_some_and(Cut::is_announced) { CUT } else { HUNG_UP };
        let labels = [
            ("method", metrics::SharedString::const_str(self.method)),
            ("route", metrics::SharedString::from(self.route.label().to_owned())),
            ("status", status_label(self.status.unwrap_or(dropped))),
        ];
        histogram!("http_request_duration_seconds", &labels).record(self.started.elapsed().as_secs_f64());
        counter!("http_requests_total", &labels).increment(1);
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

fn status_label(status: u16) -> metrics::SharedString {
    match status {
        200 => metrics::SharedString::const_str("200"),
        other => metrics::SharedString::from(other.to_string()),
    }
}

/// Wraps every request: its id, its metrics, its line in the log.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut observation = Observation::begin(&request);
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    observation.status = Some(status);
    log(&observation, status, &id, response.extensions_mut().remove::<Cause>());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn log(observation: &Observation, status: u16, id: &HeaderValue, cause: Option<Cause>) {
    let (method, route) = (observation.method, observation.route.label());
    let duration_ms = (observation.started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let request_id = id.to_str().unwrap_or_default();
    match cause {
        None => info!(method, route, status, duration_ms, request_id, "request"),
        Some(Cause(cause)) if status == 500 => {
            error!(method, route, status, duration_ms, request_id, cause = &*cause, "request");
        }
        Some(Cause(cause)) => warn!(method, route, status, duration_ms, request_id, cause = &*cause, "request"),
    }
}

/// The id that came with the request, if it can be one, or a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .filter(|id| (1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic));
    given.cloned().unwrap_or_else(|| {
        let id = format!("{:032x}", rand::random::<u128>());
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt as _;

    use super::*;

    /// What is counted of a request that is dropped before it is answered.
    fn dropped(cut: bool) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let router = Router::new().route("/slow", get(std::future::pending::<()>)).layer(from_fn(observe));
            let given = Cut::default();
            let request = Request::builder().uri("/slow").extension(given.clone()).body(Body::empty()).unwrap();
            let mut answer = Box::pin(router.oneshot(request));
            let waker = std::task::Waker::noop();
            assert!(answer.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
            if cut {
                given.announce();
            }
            drop(answer);
        });
        recorder.handle().render()
    }

    #[test]
    fn who_hung_up_is_told_from_whom_the_server_cut_off() {
        for (cut, status) in [(false, 499), (true, 503)] {
            let text = dropped(cut);
            let series = format!("http_requests_total{{method=\"GET\",route=\"/slow\",status=\"{status}\"}} 1");
            assert!(text.contains(&series), "{text}");
        }
    }
}
