//! Hostile targets, each beside a healthy one: it spoils nothing but itself, and everybody is told why.

mod clocks;
mod samples;
mod silence;
mod tls;

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Adapter, Counter, Target, eventually, pod};

/// Scrapes so often that tests need not wait, and keeps values so long that a busy machine makes none stale.
pub(crate) const PATIENT: &str = "scrape: {interval: 200ms, timeout: 200ms, staleAfter: 10s}\n\
    metrics:\n- {name: http_requests_per_second, series: http_requests_total, type: counter, window: 2s}\n";
const METRIC: &str = "http_requests_per_second";
/// What the healthy target counts a second.
const RATE: f64 = 40.0;
/// No hostile target makes the adapter hold more than this, in bytes. Two bodies of the default limit, as a buffer
/// that doubles holds them, and the process itself.
const MOST_MEMORY: u64 = 100 << 20;

/// Whether a rate is that, but for the noise of a busy machine.
pub(crate) fn near(value: f64, wanted: f64) -> bool {
    (value - wanted).abs() < wanted * 0.3 + 1.0
}

/// Closes the connection after these bytes.
fn says(bytes: impl Into<Vec<u8>>) -> impl Fn(&mut TcpStream) -> bool + Send + Sync {
    let bytes = bytes.into();
    move |stream: &mut TcpStream| {
        let _ = stream.write_all(&bytes);
        false
    }
}

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Waits until the other end has had enough.
fn hang(stream: &TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let _ = std::io::Read::read(&mut &*stream, &mut [0]);
    false
}

/// Writes for ever, or until the other end has had enough.
fn pour(stream: &mut TcpStream, piece: &[u8], times: usize) -> bool {
    for _ in 0..times {
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    false
}

/// A hostile target, which is ill until it is healed.
struct Patient {
    name: &'static str,
    reason: &'static str,
    cause: String,
    target: Target,
    healed: Arc<AtomicBool>,
}

/// Hostile targets beside a healthy one.
#[derive(Default)]
struct Ward(Vec<Patient>);

impl Ward {
    /// A target that does this with each request, for which the adapter should have this reason and name this cause.
    fn admit(
        &mut self,
        name: &'static str,
        (reason, cause): (&'static str, &str),
        symptom: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static,
    ) {
        let healed = Arc::new(AtomicBool::new(false));
        let (well, counter) = (Arc::clone(&healed), Counter::growing(RATE));
        let target = Target::raw(move |stream| {
            if !well.load(Ordering::Relaxed) {
                return symptom(stream);
            }
            let text = format!("http_requests_total {}\n", counter.value());
            stream.write_all(response("200 OK\r\ncontent-type: text/plain", &text).as_bytes()).is_ok()
        });
        self.0.push(Patient { name, reason, cause: cause.to_owned(), target, healed });
    }

    /// They spoil nothing but themselves, and recover when they are healed.
    #[track_caller]
    fn examine(&self, config: &str) {
        let pods: String = self.0.iter().map(|patient| pod(patient.name, &patient.target.url, "")).collect();
        let beside = Beside::healthy_and(config, &pods);
        for Patient { name, reason, cause, .. } in &self.0 {
            beside.has_failed(name, reason, cause);
        }
        self.0.iter().for_each(|patient| patient.healed.store(true, Ordering::Relaxed));
        self.0.iter().for_each(|patient| beside.has_recovered(patient.name));
    }
}

/// A healthy pod `good` and hostile ones in one adapter.
struct Beside {
    adapter: Adapter,
    _good: Target,
}

impl Beside {
    /// With one hostile pod, `bad`.
    #[track_caller]
    fn healthy(config: &str, bad_url: &str) -> Self {
        Self::healthy_and(config, &pod("bad", bad_url, ""))
    }

    #[track_caller]
    fn healthy_and(config: &str, hostile: &str) -> Self {
        let good = Counter::target(RATE);
        let adapter = Adapter::start(Some(config), &format!("pods:\n{}{hostile}", pod("good", &good.url, "")));
        eventually("right for the healthy pod", || is_right(&adapter, "good"));
        Self { adapter, _good: good }
    }

    /// Waits until something holds; meanwhile the healthy pod must have the right value, and a new one, the adapter
    /// must answer soon and hold little.
    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Adapter) -> bool) {
        let adapter = &self.adapter;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let asked = Instant::now();
            let value = adapter.value("pods/good", METRIC);
            assert!(value.is_some_and(|value| near(value, RATE)), "the healthy pod has {value:?}");
            assert!(asked.elapsed() < Duration::from_secs(3), "the adapter took {:?}", asked.elapsed());
            let age = adapter.status_of("good")["values"][0]["ageSeconds"].as_f64().unwrap();
            assert!(age < 3.0, "the healthy pod's value is {age} s old");
            let resident = adapter.resident_bytes();
            assert!(resident < MOST_MEMORY, "the adapter holds {resident} bytes");
            if holds(adapter) {
                return;
            }
            assert!(Instant::now() < deadline, "not {what} in time: {:#}", adapter.ops("/status.json").json());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn failures(&self, reason: &str) -> f64 {
        let series = format!("metrics_adapter_collect_failures_total{{source=\"scrape\",reason=\"{reason}\"}}");
        self.adapter.metric(&series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// The lines of the log about a pod.
    fn lines(&self, pod: &str, level: &str) -> Vec<serde_json::Value> {
        let wanted = |line: &serde_json::Value| line["pod"] == pod && line["level"] == level;
        self.adapter.log_lines("").into_iter().filter(wanted).collect()
    }

    /// As [`has_failed`](Self::has_failed), of pod `bad`.
    #[track_caller]
    fn bad_has_failed(&self, reason: &str, cause: &str) {
        self.has_failed("bad", reason, cause);
    }

    /// A hostile pod has no value, and the reason and the cause stand wherever somebody may look.
    #[track_caller]
    fn has_failed(&self, pod: &str, reason: &str, cause: &str) {
        let failed = |adapter: &Adapter| adapter.status_of(pod)["failures"].as_u64() >= Some(3);
        self.until("failed three times", |adapter| failed(adapter) && self.failures(reason) >= 3.0);
        let message = self.adapter.get(&path(pod)).failure(404);
        assert!(
            message.contains(&format!("the last scrape of {pod} failed: {reason}: ")) && message.contains(cause),
            "{pod}: {message}"
        );
        let status = self.adapter.status_of(pod);
        assert_eq!((&status["state"], &status["error"]["reason"]), (&"down".into(), &reason.into()), "{pod}");
        assert!(status["error"]["problem"].as_str().unwrap().contains(cause), "{status}");
        assert_eq!(status["values"][0]["value"], serde_json::Value::Null, "{status}");
        let warnings = self.lines(pod, "WARN");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0]["reason"], reason);
        assert!(warnings[0]["message"].as_str().unwrap().contains(cause), "{warnings:?}");
        assert_eq!(self.lines(pod, "INFO").len(), 0, "{pod}");
    }

    /// A hostile pod has recovered, and the log says so once.
    #[track_caller]
    fn has_recovered(&self, pod: &str) {
        self.until("right for the pod that recovered", |adapter| is_right(adapter, pod));
        let status = self.adapter.status_of(pod);
        assert_eq!((&status["state"], &status["error"]), (&"up".into(), &serde_json::Value::Null), "{pod}");
        assert_eq!((self.lines(pod, "WARN").len(), self.lines(pod, "INFO").len()), (1, 1), "{pod}");
    }
}

fn path(pod: &str) -> String {
    format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/{pod}/{METRIC}")
}

fn is_right(adapter: &Adapter, pod: &str) -> bool {
    adapter.value(&format!("pods/{pod}"), METRIC).is_some_and(|value| near(value, RATE))
}

const TOO_LATE: &str = "not answered, or not to the end, within 200ms";

#[test]
fn targets_that_take_too_long() {
    let mut ward = Ward::default();
    ward.admit("accepts-and-hangs", ("timeout", TOO_LATE), |stream| hang(stream));
    ward.admit("sends-headers-and-hangs", ("timeout", TOO_LATE), |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhttp_");
        hang(stream)
    });
    ward.admit("sends-a-byte-now-and-then", ("timeout", TOO_LATE), |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n");
        while stream.write_all(b"#").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    });
    ward.examine(PATIENT);
}

#[test]
fn targets_that_send_too_much() {
    let mut ward = Ward::default();
    let too_large = ("too_large", "more than 1048576 bytes; scrape.bodyLimit allows no more");
    ward.admit("streams-for-ever", too_large, |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut chunk = b"4000\r\n".to_vec();
        chunk.extend([b'#'; 0x4000]);
        chunk.extend(b"\r\n");
        pour(stream, &chunk, usize::MAX)
    });
    let body = "# much ado about nothing\n".repeat(50_000);
    let unannounced = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n{body}");
    ward.admit("does-not-announce-it", too_large, says(unannounced));
    ward.admit("sends-headers-without-end", ("connection", "message head is too large"), |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        pour(stream, b"x-header: value\r\n", 1 << 20)
    });
    let series: Vec<String> = (0..101).map(|path| format!("http_requests_total{{path=\"/{path}\"}} 1\n")).collect();
    let too_many = ("too_many_series", "more than 100 series that rules select; scrape.seriesLimit allows no more");
    ward.admit("has-too-many-series", too_many, says(response("200 OK\r\ncontent-type: text/plain", &series.concat())));
    let long = "a".repeat(2_000);
    let series: Vec<String> = (0..50).map(|own| format!("http_requests_total{{path=\"/{own}/{long}\"}} 1\n")).collect();
    let too_long = ("too_many_series", "the labels of the series that rules select have more than 51200 bytes");
    ward.admit("has-long-labels", too_long, says(response("200 OK\r\ncontent-type: text/plain", &series.concat())));
    ward.examine(&PATIENT.replace("timeout: 200ms", "timeout: 200ms, bodyLimit: 1Mi, seriesLimit: 100"));
}

#[test]
fn a_target_that_announces_and_sends_a_gigabyte() {
    let mut ward = Ward::default();
    ward.admit("gigabyte", ("too_large", "more than 16777216 bytes; scrape.bodyLimit allows no more"), |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1073741824\r\n\r\n");
        pour(stream, &[b'#'; 1 << 14], 1 << 16)
    });
    ward.examine(PATIENT);
}

#[test]
fn many_targets_that_hang_in_the_middle_of_large_bodies_are_held_in_little_memory_together() {
    const MANY: usize = 40;
    let target = Target::raw(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 16000000\r\n\r\n");
        pour(stream, &[b'#'; 1 << 14], 12 << 6);
        hang(stream)
    });
    let good = Counter::target(RATE);
    let pods: String = (0..MANY).map(|own| pod(&format!("large-{own}"), &target.url, "")).collect();
    let config = PATIENT.replace("interval: 200ms, timeout: 200ms", "interval: 2s, timeout: 2s").replace("2s}", "4s}");
    let adapter = Adapter::start(Some(&config), &format!("pods:\n{}{pods}", pod("good", &good.url, "")));
    let (until, mut most) = (Instant::now() + Duration::from_secs(8), 0);
    while Instant::now() < until {
        most = most.max(adapter.resident_bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
    // 40 bodies of 12 MiB would be 480; what they share and one more are 64.
    assert!(most < 180 << 20, "the adapter held {} MiB", most >> 20);
    eventually("right for the healthy pod", || is_right(&adapter, "good"));
}

#[test]
fn targets_that_send_nonsense() {
    let mut ward = Ward::default();
    let plain = "200 OK\r\ncontent-type: text/plain";
    let garbage: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    ward.admit("garbage", ("connection", "invalid HTTP version parsed"), says(garbage));
    let mut bytes = response(plain, "").replace("length: 0", "length: 8").into_bytes();
    bytes.extend([0xff, 0xfe, 0, 1, 2, 0x1b, b'[', b'\n']);
    let cause = "line 1: `\\xff\\xfe\\u{0}\\u{1}\\u{2}\\u{1b}[` does not begin a metric";
    ward.admit("garbage-as-metrics", ("malformed", cause), says(bytes));
    let html = "<!DOCTYPE html>\n<html><body>It works!</body></html>\n";
    let cause = "the content type \"text/html; charset=utf-8\" is no exposition of metrics";
    let page = response("200 OK\r\ncontent-type: text/html; charset=utf-8", html);
    ward.admit("web-page", ("content_type", cause), says(page));
    let cause = "line 1: `<!DOCTYPE html>` does not begin a metric";
    ward.admit("web-page-as-metrics", ("malformed", cause), says(response(plain, html)));
    let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let page = response(&format!("200 OK\r\ncontent-type: {kind}"), "\u{8}\u{1}");
    ward.admit("protobuf", ("content_type", kind), says(page));
    let page = response("200 OK\r\ncontent-type: application/json", "{\"http_requests_total\": 1}");
    ward.admit("json", ("content_type", "\"application/json\" is no exposition"), says(page));
    ward.examine(PATIENT);
}

#[test]
fn targets_that_answer_with_another_status_and_no_redirect_is_followed() {
    let mut ward = Ward::default();
    ward.admit("not-found", ("status", "answered 404 Not Found"), says(response("404 Not Found", "nope")));
    let page = response("500 Internal Server Error\r\ncontent-type: text/plain", "http_requests_total 1\n");
    ward.admit("broken", ("status", "answered 500 Internal Server Error"), says(page));
    let elsewhere = Counter::target(RATE);
    let page = response(&format!("301 Moved Permanently\r\nlocation: {}", elsewhere.url), "");
    let cause = format!("answered 301 Moved Permanently to \"{}\"; redirects are not followed", elsewhere.url);
    ward.admit("moved", ("status", &cause), says(page));
    ward.examine(PATIENT);
    assert_eq!(elsewhere.requests.load(Ordering::Relaxed), 0, "the other place was asked");
}

#[test]
fn targets_whose_connections_break() {
    let mut ward = Ward::default();
    let text = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 900\r\n\r\nhttp_requests_total 1\n";
    ward.admit("ends-too-soon", ("connection", "end of file before message length reached"), says(text));
    ward.admit("says-nothing", ("connection", "connection closed before message completed"), |_| false);
    ward.examine(PATIENT);
}

#[test]
fn a_target_that_nobody_listens_at() {
    Beside::healthy(PATIENT, "http://127.0.0.1:1/metrics").bad_has_failed("connection", "Connection refused");
}

#[test]
fn a_target_that_resets_the_connection_in_the_middle() {
    // Linux resets a connection that is closed while something is unread in it: here, the request.
    let target = Target::accepting(|mut stream, _| {
        std::thread::spawn(move || {
            let _ = stream.peek(&mut [0]);
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 900\r\n\r\nhttp_";
            let _ = stream.write_all(head);
            std::thread::sleep(Duration::from_millis(20));
        });
    });
    Beside::healthy(PATIENT, &target.url).bad_has_failed("connection", "Connection reset by peer");
}
