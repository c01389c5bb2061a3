use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::kube::objects;
use crate::support::stage::{AS_HPA, Stage};
use crate::support::{Adapter, Counter, FAST, Target, eventually, quantity};

const NO_KUBELETS: &[&str] = &["--resource-metrics", "false"];
const EACH: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/http_requests_per_second";
const SERVICE: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/http_requests_per_second";

/// Two pods behind one service.
fn shop(target: &Target) -> Stage {
    let stage = Stage::new();
    for pod in ["web-1", "web-2"] {
        stage.scraped_pod(pod, &target.url);
    }
    stage.kube.put("services", objects::service("shop", "web", &json!({"app": "web"}), ("http", 80)));
    let endpoints = [("web-1", "127.0.0.1", true), ("web-2", "127.0.0.1", true)];
    stage.kube.put("endpointslices", objects::endpoint_slice("shop", "web", ("http", 8000), &endpoints));
    stage
}

/// Everything of an answer but the numbers and the times, and the numbers.
fn split(mut answer: Value) -> (Value, Vec<f64>) {
    let mut values = Vec::new();
    for item in answer["items"].as_array_mut().unwrap() {
        values.push(quantity(item["value"].as_str().unwrap()));
        for field in ["value", "timestamp", "windowSeconds"] {
            item[field] = Value::Null;
        }
    }
    (answer, values)
}

#[test]
fn each_of_two_replicas_is_complete_and_answers_as_the_other() {
    let target = Counter::target(50.0);
    let stage = shop(&target);
    let replicas = [stage.adapter(Some(FAST), NO_KUBELETS), stage.adapter(Some(FAST), NO_KUBELETS)];
    for adapter in &replicas {
        adapter.wait_ready();
    }
    for path in [EACH, SERVICE] {
        let answers = || replicas.each_ref().map(|adapter| stage.ask(adapter, path));
        eventually(path, || answers().iter().all(|reply| reply.status == 200));
        let [(one, values), (other, others)] = answers().map(|reply| split(reply.json()));
        assert_eq!(one, other);
        for (value, other) in values.iter().zip(&others) {
            assert!((value - other).abs() < value / 4.0, "{values:?} {others:?}");
        }
    }
    let discovery = |adapter: &Adapter| stage.ask(adapter, "/apis/custom.metrics.k8s.io/v1beta2").expect_json();
    assert_eq!(discovery(&replicas[0]), discovery(&replicas[1]));
    // Each watches for itself; one that goes takes nothing from the other.
    assert_eq!(stage.kube.watches("pods"), 2);
    let [one, other] = replicas;
    drop(one);
    stage.kube.remove("pods", "shop", "web-2");
    let pods = || stage.ask(&other, EACH).expect_json()["items"].as_array().unwrap().len();
    eventually("known", || pods() == 1);
}

trait Expect {
    fn expect_json(self) -> Value;
}

impl Expect for crate::support::kube::Reply {
    #[track_caller]
    fn expect_json(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

#[test]
fn who_is_told_to_stop_first_says_so_then_finishes_what_was_asked_and_ends_well() {
    let target = Counter::target(50.0);
    let stage = shop(&target);
    // A question that is being decided is a request in flight.
    stage.kube.allow(|_| true);
    let mut adapter = stage.adapter(Some(FAST), NO_KUBELETS);
    adapter.wait_ready();
    eventually("measured", || stage.ask(&adapter, EACH).status == 200);
    stage.kube.slow(Duration::from_secs(2));
    let mut wire = stage.front_proxy(&adapter).connect().unwrap();
    let mut other = stage.front_proxy(&adapter).connect().unwrap();
    for wire in [&mut wire, &mut other] {
        assert_eq!(wire.request("GET", EACH, AS_HPA, b"").unwrap().status, 200);
    }
    let api = adapter.api.trim_start_matches("https://").to_owned();
    // What was asked of the autoscaler's account a moment ago is not what is waited for.
    let reviews = || stage.kube.count("create", "subjectaccessreviews");
    let before = reviews();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| wire.request("GET", EACH, &[("X-Remote-User", "ann")], b""));
        eventually("asked", || reviews() > before);
        adapter.signal("TERM");
        eventually("said", || adapter.ops("/readyz").status == 503);
        let text = adapter.ops("/readyz").text();
        assert!(text.contains("[-]shutdown failed: the process was told to stop"), "{text}");
        assert_eq!(adapter.ops("/livez").status, 200);
        assert!(!asked.is_finished(), "it was not in flight");
        assert!(std::net::TcpStream::connect(&api).is_err(), "nobody is let in any more");
        let reply = asked.join().unwrap().unwrap();
        assert_eq!((reply.status, reply.json()["items"].as_array().unwrap().len()), (200, 2));
    });
    assert_eq!(adapter.wait_exit().code(), Some(0));
    assert_eq!(adapter.log_lines("stopped").len(), 1);
    assert!(adapter.log_lines("requests were cut off").is_empty());
}

#[test]
fn a_request_that_takes_for_ever_is_cut_off_after_the_time_that_is_given() {
    let target = Counter::target(50.0);
    let stage = shop(&target);
    let mut adapter = stage.adapter(Some(FAST), &[NO_KUBELETS, &["--drain-timeout", "1s"]].concat());
    adapter.wait_ready();
    eventually("measured", || stage.ask(&adapter, EACH).status == 200);
    stage.kube.hang();
    let mut wire = stage.front_proxy(&adapter).connect().unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| wire.request("GET", EACH, &[("X-Remote-User", "ann")], b""));
        // It has to be there before the process is told to stop; nothing else says that it is.
        sleep(Duration::from_millis(500));
        let began = Instant::now();
        adapter.signal("TERM");
        assert_eq!(adapter.wait_exit().code(), Some(0));
        assert!(began.elapsed() < Duration::from_millis(2400), "{:?}", began.elapsed());
        assert!(asked.join().unwrap().is_err());
    });
    assert_eq!(adapter.log_lines("requests were cut off").len(), 1);
    // A second signal does not wait.
    stage.kube.heal();
    let mut adapter = stage.adapter(Some(FAST), &[NO_KUBELETS, &["--drain-timeout", "1h"]].concat());
    adapter.wait_ready();
    let mut idle = stage.front_proxy(&adapter).connect().unwrap();
    assert_eq!(idle.request("GET", "/healthz", AS_HPA, b"").unwrap().status, 200);
    stage.kube.hang();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| idle.request("GET", EACH, &[("X-Remote-User", "bob")], b""));
        sleep(Duration::from_millis(500));
        adapter.signal("TERM");
        eventually("said", || adapter.ops("/readyz").status == 503);
        adapter.signal("TERM");
        assert_eq!(adapter.wait_exit().code(), Some(1));
        assert!(asked.join().unwrap().is_err());
    });
}

#[test]
fn a_new_one_is_not_ready_before_it_knows_values() {
    // Its first answer comes late: until then there is nothing to take a rate of.
    let held = std::sync::Arc::new(AtomicBool::new(true));
    let counter = Counter::growing(50.0);
    let target = {
        let held = std::sync::Arc::clone(&held);
        Target::raw(move |stream| {
            while held.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10));
            }
            let text = format!("http_requests_total {}\n", counter.value());
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", text.len());
            stream.write_all((head + &text).as_bytes()).is_ok()
        })
    };
    let stage = shop(&target);
    let config = FAST.replace("interval: 200ms, timeout: 150ms", "interval: 2s, timeout: 2s");
    let config = config.replace("window: 1s", "window: 8s");
    let adapter = stage.adapter(Some(&config), NO_KUBELETS);
    eventually("asked", || target.requests.load(Ordering::Relaxed) >= 2);
    let text = adapter.ops("/readyz").text();
    assert!(text.contains("[+]inventory ok") && text.contains("[+]authentication ok"), "{text}");
    assert!(text.contains("[-]collection failed: waiting for every target to have been scraped twice"), "{text}");
    held.store(false, Ordering::Relaxed);
    adapter.wait_ready();
    let list = stage.ask(&adapter, EACH).expect_json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "from the first moment");
}

#[test]
fn whoever_asks_all_the_time_is_answered_all_the_time_while_replicas_are_replaced() {
    let target = Counter::target(50.0);
    let stage = shop(&target);
    let start = || {
        let adapter = stage.adapter(Some(FAST), NO_KUBELETS);
        adapter.wait_ready();
        adapter
    };
    let serving = std::sync::RwLock::new(start());
    eventually("measured", || stage.ask(&serving.read().unwrap(), EACH).status == 200);
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut wrong = Vec::new();
            while !done.load(Ordering::Relaxed) {
                // Whom the Service's endpoints name.
                let adapter = serving.read().unwrap();
                for path in [EACH, SERVICE] {
                    let reply = stage.ask(&adapter, path);
                    let items = if reply.status == 200 { split(reply.json()).1 } else { Vec::new() };
                    let wanted = if path == EACH { vec![50.0; 2] } else { vec![100.0] };
                    let near = items.len() == wanted.len()
                        && items.iter().zip(&wanted).all(|(item, wanted)| (item - wanted).abs() < wanted / 3.0);
                    if !near {
                        wrong.push(format!("{} {}", reply.status, reply.text()));
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                drop(adapter);
                sleep(Duration::from_millis(50));
            }
            wrong
        });
        for _ in 0..3 {
            let new = start();
            let mut old = std::mem::replace(&mut *serving.write().unwrap(), new);
            old.signal("TERM");
            assert_eq!(old.wait_exit().code(), Some(0));
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(asker.join().unwrap(), Vec::<String>::new());
    });
    assert!(asked.load(Ordering::Relaxed) >= 20, "{asked:?}");
}
