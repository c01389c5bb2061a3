//! Prometheus misbehaves: values are absent with the cause, nothing stale is served, and nobody waits for long.

use std::io::Write;
use std::time::{Duration, Instant};

use super::stub::{Request, Stub, answer, healthy};
use crate::support::prometheus::Prometheus;
use crate::support::{Adapter, Counter, eventually, pod};

const METRIC: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-1/m";

/// A metric of Prometheus's beside one that is scraped.
fn config(url: &str, more: &str) -> String {
    format!(
        "prometheus: {{url: '{url}', interval: 200ms, timeout: 2s, staleAfter: 1s, relistInterval: 1s{more}}}\n\
         scrape: {{interval: 200ms, timeout: 150ms}}\n\
         metrics:\n- {{name: m, query: 'sum by (namespace, pod) (m)'}}\n\
         - {{name: http_requests_per_second, series: http_requests_total, type: counter, window: 1s}}\n"
    )
}

/// An adapter, and the target of its one pod.
fn adapter(url: &str, more: &str) -> (Adapter, crate::support::Target) {
    let target = Counter::target(50.0);
    let adapter = Adapter::start(Some(&config(url, more)), &format!("pods:\n{}", pod("web-1", &target.url, "")));
    adapter.wait_ready();
    (adapter, target)
}

/// Absent, in time, and for this cause; what is scraped has no part in it.
#[track_caller]
fn absent(adapter: &Adapter, cause: &str) {
    eventually(&format!("absent for {cause}"), || {
        let began = Instant::now();
        let reply = adapter.get(METRIC);
        assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
        reply.status == 404 && reply.text().contains(cause)
    });
    let message = adapter.get(METRIC).failure(404);
    assert!(message.starts_with("the server could not find the metric m for pods web-1: "), "{message}");
    eventually("scraped all the same", || adapter.value("pods/web-1", "http_requests_per_second").is_some());
}

fn says(
    status: &'static str,
    content_type: &'static str,
    body: &'static str,
) -> impl Fn(&Request, &mut dyn Write) -> bool {
    move |_, out| answer(out, status, content_type, body)
}

#[test]
fn whatever_a_wrong_answer_is_it_is_no_value_and_its_cause_is_said() {
    let json = "application/json";
    let stub = Stub::new(healthy);
    let (adapter, _target) = adapter(&stub.url(), "");
    let recovers = || eventually("well again", || adapter.value("pods/web-1", "m") == Some(7.0));
    recovers();
    for (status, content_type, body, cause) in [
        ("200 OK", "text/html", "<html><body>Sign in</body></html>", "malformed: "),
        ("200 OK", json, r#"{"status":"success","data":{"resultType":"vec"#, "malformed: "),
        ("200 OK", json, r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#, "refused: "),
        (
            "400 Bad Request",
            json,
            r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#,
            "1:5: parse error",
        ),
        (
            "422 Unprocessable Entity",
            json,
            r#"{"status":"error","errorType":"execution","error":"many-to-many"}"#,
            "many-to-many",
        ),
        (
            "503 Service Unavailable",
            json,
            r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            "timeout: ",
        ),
        ("302 Found\r\nlocation: https://login.example.com/", "text/html", "", "https://login.example.com/"),
        ("401 Unauthorized", "text/plain", "no", "credentials: "),
        ("404 Not Found", "text/plain", "404 page not found", "status: "),
        ("502 Bad Gateway", "text/html", "<h1>Bad Gateway</h1>", "502"),
        ("200 OK", json, r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#, "refused: "),
        (
            "200 OK",
            json,
            r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#,
            "partial: ",
        ),
        (
            "200 OK",
            json,
            r#"{"status":"success","warnings":["store 10.0.0.1 is away"],"data":{"resultType":"vector","result":[]}}"#,
            "store 10.0.0.1 is away",
        ),
    ] {
        stub.becomes(says(status, content_type, body));
        absent(&adapter, cause);
        stub.becomes(healthy);
        recovers();
    }
}

#[test]
fn values_that_are_none_are_absent() {
    let stub = Stub::new(healthy);
    let (adapter, _target) = adapter(&stub.url(), "");
    for (value, cause) in [
        ("NaN", "no value is a finite number"),
        ("+Inf", "no value is a finite number"),
        ("-1", "all values are negative"),
        ("1e300", "no value is a finite number"),
    ] {
        stub.becomes(move |_, out| answer(out, "200 OK", "application/json", &super::stub::value(value)));
        absent(&adapter, cause);
    }
    stub.becomes(says(
        "200 OK",
        "application/json",
        r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
    ));
    absent(&adapter, "none is in Prometheus's answer");
}

#[test]
fn nobody_waits_for_a_slow_prometheus_for_longer_than_the_first_may() {
    let stub = Stub::new(|_, _| {
        std::thread::sleep(Duration::from_mins(1));
        false
    });
    let (adapter, _target) = adapter(&stub.url(), "");
    let began = Instant::now();
    let message = adapter.get(METRIC).failure(404);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(message.contains("Prometheus has not answered within 1.5s"), "{message}");
    absent(&adapter, "timeout: ");
    stub.becomes(healthy);
    eventually("well again", || adapter.value("pods/web-1", "m") == Some(7.0));
}

#[test]
fn a_prometheus_that_is_down_at_the_start_is_found_when_it_comes() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (adapter, _target) = adapter(&format!("http://{address}"), "");
    absent(&adapter, "connection: ");
    assert_eq!(adapter.metric("metrics_adapter_prometheus_up"), Some(0.0));
    for path in ["/apis/custom.metrics.k8s.io/v1beta2", "/apis/external.metrics.k8s.io/v1beta1", "/apis"] {
        let reply = adapter.get(path).expect(200);
        assert!(!reply.text().contains("\"resources\":[]"), "{path}: {}", reply.text());
    }
    let _stub = Stub::listening(address, None, healthy);
    eventually("found", || adapter.value("pods/web-1", "m") == Some(7.0));
}

#[test]
fn a_prometheus_that_goes_down_leaves_no_old_value_behind_and_is_found_again() {
    let mut prometheus = Prometheus::of("m{namespace=\"shop\",pod=\"web-1\"} 7\n");
    let (adapter, _target) = adapter(&prometheus.url(), "");
    eventually("a value", || adapter.value("pods/web-1", "m") == Some(7.0));
    prometheus.stop();
    absent(&adapter, "connection: ");
    // Whoever asks while it is known to be down is told at once.
    let began = Instant::now();
    for _ in 0..20 {
        adapter.get(METRIC).expect(404);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    prometheus.run();
    eventually("found again", || adapter.value("pods/web-1", "m") == Some(7.0));
}

#[test]
fn an_answer_of_a_million_series_is_refused_and_costs_no_memory_to_speak_of() {
    let stub = Stub::new(healthy);
    let (adapter, _target) = adapter(&stub.url(), ", bodyLimit: 4Mi");
    eventually("a value", || adapter.value("pods/web-1", "m") == Some(7.0));
    let before = adapter.resident_bytes();
    stub.becomes(|request, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
        let listing = request.path.ends_with("/series");
        let head = if listing {
            "{\"status\":\"success\",\"data\":["
        } else {
            "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
        };
        let _ = out.write_all(head.as_bytes());
        for at in 0..1_000_000 {
            let comma = if at > 0 { "," } else { "" };
            let series = format!("{{\"namespace\":\"shop\",\"pod\":\"web-{at}\"}}");
            let item = if listing {
                format!("{comma}{series}")
            } else {
                format!("{comma}{{\"metric\":{series},\"value\":[1,\"1\"]}}")
            };
            if out.write_all(item.as_bytes()).is_err() {
                return false;
            }
        }
        let _ = out.write_all(if listing { b"]}" } else { b"]}}" });
        false
    });
    absent(&adapter, "too_large: ");
    let held = adapter.resident_bytes().saturating_sub(before);
    assert!(held < 64 << 20, "it holds {} MiB more", held >> 20);
    stub.becomes(healthy);
    eventually("well again", || adapter.value("pods/web-1", "m") == Some(7.0));
}

#[test]
fn a_certificate_that_changes_is_believed_when_its_authority_is_in_the_file() {
    let made = || rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (first, second) = (made(), made());
    let authorities = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&authorities, first.cert.pem()).unwrap();
    let stub = Stub::over_tls(&first, healthy);
    let (adapter, _target) = adapter(&stub.url(), &format!(", tls: {{caFile: '{}'}}", authorities.path().display()));
    eventually("believed", || adapter.value("pods/web-1", "m") == Some(7.0));
    // Connections that stand are not looked at again.
    stub.shows(&second);
    stub.becomes(|_, _| false);
    absent(&adapter, "tls: ");
    stub.becomes(healthy);
    std::fs::write(&authorities, second.cert.pem()).unwrap();
    eventually("believed again", || adapter.value("pods/web-1", "m") == Some(7.0));
}

#[test]
fn prometheus_is_asked_as_the_configuration_says() {
    let (token, password) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(&token, "first\n").unwrap();
    std::fs::write(&password, "secret\n").unwrap();
    let stub = Stub::new(healthy);
    let url = format!("{}/prefix", stub.url());
    let (token_path, password_path) = (token.path().display(), password.path().display());
    let (adapter, _target) =
        adapter(&url, &format!(", headers: {{X-Scope-OrgID: team-a}}, bearerTokenFile: '{token_path}'"));
    eventually("a value", || adapter.value("pods/web-1", "m") == Some(7.0));
    let last_query = || stub.last.lock().unwrap().clone().filter(|last| last.path.ends_with("/query"));
    eventually("a query", || last_query().is_some());
    let asked = last_query().unwrap_or_else(|| panic!("a query"));
    assert_eq!((&*asked.method, &*asked.path), ("POST", "/prefix/api/v1/query"));
    assert_eq!(asked.form["query"], "sum by (namespace, pod) (m)");
    assert!(!asked.form.contains_key("time"), "Prometheus's own now");
    assert_eq!((&*asked.form["partial_response"], &*asked.form["deny_partial_response"]), ("false", "1"));
    assert_eq!(asked.headers["x-scope-orgid"], "team-a");
    assert_eq!(asked.headers["authorization"], "Bearer first");
    assert!(asked.headers["user-agent"].starts_with("metrics-adapter/"));
    std::fs::write(&token, "second\n").unwrap();
    eventually("the new token", || last_query().is_some_and(|asked| asked.headers["authorization"] == "Bearer second"));
    adapter.replace(
        "config.yaml",
        &config(&url, &format!(", method: GET, basicAuth: {{username: me, passwordFile: '{password_path}'}}")),
    );
    eventually("the new configuration", || {
        last_query()
            .is_some_and(|asked| asked.method == "GET" && asked.headers["authorization"] == "Basic bWU6c2VjcmV0")
    });
    std::fs::remove_file(password.path()).unwrap();
    absent(&adapter, "credentials: ");
}

#[test]
fn who_is_ready_knows_what_the_rules_offer() {
    let slow = |request: &Request, out: &mut dyn Write| {
        if !request.path.ends_with("/series") {
            return healthy(request, out);
        }
        std::thread::sleep(Duration::from_secs(2));
        let series = r#"{"status":"success","data":[{"__name__":"m","namespace":"shop","pod":"web-1"}]}"#;
        answer(out, "200 OK", "application/json", series)
    };
    let stub = Stub::new(slow);
    let config = format!(
        "prometheus: {{url: '{}'}}\nrules:\n- seriesQuery: m\n  resources: {{template: '<<.Resource>>'}}\n  \
         metricsQuery: sum(<<.Series>>{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)\n",
        stub.url()
    );
    let began = Instant::now();
    let adapter = Adapter::start(Some(&config), &format!("pods:\n{}", pod("web-1", "http://127.0.0.1:1/metrics", "")));
    adapter.wait_ready();
    assert_eq!(adapter.value("pods/web-1", "m"), Some(7.0));
    assert!(began.elapsed() > Duration::from_secs(2));
}
