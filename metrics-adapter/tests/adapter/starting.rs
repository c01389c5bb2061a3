use crate::support::{Adapter, Counter, FAST, adapter, eventually, pod};

#[track_caller]
fn refused(arguments: &[&str], code: i32, message: &str) {
    let out = adapter(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(code), "{said}");
    assert!(said.contains(message), "{said}");
}

#[test]
fn what_is_missing_or_wrong_on_the_command_line_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "pods: []\n").unwrap();
    let targets = file.path().to_str().unwrap();
    refused(&[], 2, "--standalone --targets FILE does without one");
    refused(&["--standalone"], 2, "--targets");
    refused(&["--standalone", "--targets", "/nope"], 2, "/nope: No such file or directory");
    refused(&["--standalone", "--targets", "/"], 2, "is a folder, not a file");
    let standalone = ["--standalone", "--targets", targets];
    let with = |more: &[&'static str]| [&standalone[..], more].concat();
    refused(&with(&["--bind-address", "0.0.0.0"]), 2, "0.0.0.0 is not a loopback address");
    refused(&with(&["--bind-address", "192.168.0.1"]), 2, "only this machine may ask");
    refused(&with(&["--port", "8101"]), 2, "both are 8101");
    refused(&with(&["--config", "/nope.yaml"]), 2, "/nope.yaml: No such file or directory");
    refused(&with(&["--tls-cert-file", "/nope"]), 2, "--tls-private-key-file");
    refused(&with(&["--tls-cert-file", "/nope", "--tls-private-key-file", "/nope"]), 2, "--tls-cert-file: /nope");
    refused(&with(&["--drain-timeout", "soon"]), 2, "write it as 500ms, 10s or 2m");
    refused(&with(&["--log-level", "=,="]), 2, "LOG_LEVEL");
    std::fs::write(&file, "pods:\n- {nmae: a}\n").unwrap();
    refused(&standalone, 2, "line 2, column 4: pods[0].nmae: unknown key; did you mean `name`?");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_flag_that_chooses_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "pods: []\n").unwrap();
    let standalone = ["--standalone", "--targets", file.path().to_str().unwrap()];
    refused(&[&standalone[..], &["--port", &port, "--ops-port", "0"]].concat(), 1, "--port chooses another port");
    refused(&[&standalone[..], &["--port", "0", "--ops-port", &port]].concat(), 1, "--ops-port chooses another port");
}

#[test]
fn readiness_waits_for_two_collections_and_never_for_one_to_succeed() {
    let good = Counter::target(10.0);
    let pods = pod("web-1", &good.url, "") + &pod("web-2", "http://127.0.0.1:1/metrics", "");
    let adapter = Adapter::start(Some(FAST), &format!("pods:\n{pods}"));
    adapter.wait_ready();
    let attempts = adapter.ops("/status.json").json()["targets"][1]["attempts"].as_u64().unwrap();
    assert!(attempts >= 2, "{attempts}");
    let verbose = adapter.get("/readyz?verbose").expect(200).text();
    assert_eq!(verbose, "[+]ping ok\n[+]collection ok\n[+]shutdown ok\nreadyz check passed\n");
    assert_eq!(adapter.get("/livez").expect(200).text(), "ok");
    assert_eq!(adapter.get("/healthz?verbose").expect(200).text(), "[+]ping ok\nhealthz check passed\n");
    assert_eq!(adapter.ops("/readyz").expect(200).text(), "ok");
}

#[test]
fn before_two_collections_it_is_not_ready_and_says_why_while_discovery_answers() {
    let good = Counter::target(10.0);
    let adapter = Adapter::start(Some("scrape: {interval: 20s}\n"), &format!("pods:\n{}", pod("web-1", &good.url, "")));
    let text = adapter.get("/readyz").expect(503).text();
    assert!(text.contains("[-]collection failed: waiting for every target to have been scraped twice"), "{text}");
    adapter.get("/apis/custom.metrics.k8s.io/v1beta2").expect(200);
    adapter.get("/livez").expect(200);
}

#[test]
fn sigterm_lets_it_end_in_peace() {
    let mut adapter = Adapter::start(Some(FAST), "pods: []\n");
    adapter.wait_ready();
    adapter.signal("TERM");
    assert_eq!(adapter.wait_exit().code(), Some(0));
    assert_eq!(adapter.log_lines("stopped").len(), 1);
}

#[test]
fn without_any_target_it_is_ready_at_once() {
    let adapter = Adapter::start(None, "pods: []\n");
    eventually("ready", || adapter.get("/readyz").status == 200);
    let message =
        adapter.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second").failure(404);
    assert!(message.ends_with("no pods are in namespace shop"), "{message}");
}
