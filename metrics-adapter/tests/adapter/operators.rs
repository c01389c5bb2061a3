use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Adapter, Counter, FAST, eventually, pod};

/// One healthy target and one that nobody listens at.
fn shop() -> (Adapter, crate::support::Target) {
    let good = Counter::target(10.0);
    let pods = pod("web-1", &good.url, "") + &pod("web-2", "http://127.0.0.1:1/metrics", "");
    let adapter = Adapter::start(Some(FAST), &format!("pods:\n{pods}"));
    adapter.wait_ready();
    (adapter, good)
}

#[test]
fn the_status_page_shows_each_metric_and_each_target_and_loads_nothing_else() {
    let (adapter, _target) = shop();
    eventually("a value on the page", || adapter.ops("/").text().contains("1 of 2 have a value"));
    let page = adapter.ops("/").expect(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page.text();
    for shown in [
        "<strong>web-1</strong>",
        "<strong>web-2</strong>",
        "Connection refused",
        "growth of http_requests_total",
        "✗ down",
    ] {
        assert!(text.contains(shown), "no {shown} in {text}");
    }
    assert!(!text.contains("src=\"http") && !text.contains("href=\"http"), "{text}");
    let down = adapter.ops("/?state=down&filter=web").expect(200).text();
    assert!(down.contains("<strong>web-2</strong>") && !down.contains("<strong>web-1</strong>"));
    let message = adapter.ops("/nope").expect(404).text();
    assert_eq!(message, "not found; / shows what there is\n");
}

#[test]
fn the_status_is_there_as_json() {
    let (adapter, _target) = shop();
    eventually("a value", || adapter.ops("/status.json").json()["metrics"][0]["podsWithValue"] == 1);
    let json = adapter.ops("/status.json").json();
    assert_eq!((&json["ready"], &json["metrics"][0]["name"]), (&true.into(), &"http_requests_per_second".into()));
    let (good, bad) = (&json["targets"][0], &json["targets"][1]);
    assert_eq!(
        (&good["state"], &bad["state"], &bad["error"]["reason"]),
        (&"up".into(), &"down".into(), &"connection".into())
    );
    assert!(good["values"][0]["value"].is_string() && bad["values"][0]["absent"].is_string());
    assert_eq!(json["metrics"][0]["absent"][0]["reason"], "never scraped successfully");
}

#[test]
fn its_metrics_are_an_exposition_that_promtool_accepts_and_tell_what_happened() {
    let (adapter, _target) = shop();
    let star = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second";
    eventually("a value", || adapter.get(star).status == 200);
    adapter.get(&star.replace("shop", "empty")).expect(404);
    adapter.get(&star.replace("http_", "nope_")).expect(404);
    adapter.get(&format!("{star}?labelSelector=a===b")).expect(400);
    let reply = adapter.ops("/metrics").expect(200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(&reply.body).unwrap();
    let out = promtool.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let count = |outcome: &str| {
        let series = format!("metrics_adapter_requests_total{{api=\"custom.metrics.k8s.io\",outcome=\"{outcome}\"}}");
        adapter.metric(&series).unwrap_or_default()
    };
    assert!(count("ok") >= 1.0 && count("absent") >= 1.0, "{}", reply.text());
    assert_eq!((count("not_found"), count("refused")), (1.0, 1.0));
    let targets =
        |state: &str| adapter.metric(&format!("metrics_adapter_targets{{source=\"scrape\",state=\"{state}\"}}"));
    assert_eq!((targets("up"), targets("down")), (Some(1.0), Some(1.0)));
    let freshness = adapter.metric("metrics_adapter_served_freshness_seconds_count{api=\"custom.metrics.k8s.io\"}");
    assert!(freshness.is_some_and(|count| count >= 1.0));
    assert!(adapter.metric("metrics_adapter_points").is_some_and(|points| points > 0.0));
}
