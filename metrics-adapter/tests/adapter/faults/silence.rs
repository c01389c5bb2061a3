//! Targets that fall silent, one or many, and pods that go.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Beside, METRIC, PATIENT, RATE, hang, is_right};
use crate::support::{Adapter, Counter, Target, eventually, pod};

#[test]
fn the_last_value_of_a_target_that_falls_silent_is_served_until_it_is_stale() {
    let (silent, counter) = (Arc::new(AtomicBool::new(false)), Counter::growing(RATE));
    let quiet = Arc::clone(&silent);
    let target = Target::raw(move |stream| {
        if quiet.load(Ordering::Relaxed) {
            return hang(stream);
        }
        let text = format!("http_requests_total {}\n", counter.value());
        let response = super::response("200 OK\r\ncontent-type: text/plain", &text);
        std::io::Write::write_all(stream, response.as_bytes()).is_ok()
    });
    let beside = Beside::healthy(&PATIENT.replace("10s", "4s"), &target.url);
    let value = |adapter: &Adapter| adapter.value("pods/bad", METRIC);
    beside.until("right", |adapter| is_right(adapter, "bad"));
    let since = Instant::now();
    silent.store(true, Ordering::Relaxed);
    beside.until("silent", |_| beside.failures("timeout") >= 2.0);
    let last = value(&beside.adapter);
    assert!(last.is_some(), "a value goes with the first failure");
    beside.until("absent", |adapter| {
        let now = value(adapter);
        assert!(now == last || now.is_none(), "{last:?} became {now:?} with nothing to read");
        now.is_none()
    });
    // The last success lies before the silence, but not long.
    assert!(since.elapsed() > Duration::from_secs(2), "absent after {:?} already", since.elapsed());
    beside.bad_has_failed("timeout", super::TOO_LATE);
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/bad/{METRIC}");
    let message = beside.adapter.get(&path).failure(404);
    assert!(message.contains("1 pod, all samples are too old; the last scrape of bad failed: timeout: "), "{message}");
}

#[test]
fn an_object_has_no_value_while_a_pod_is_missed_that_was_counted_in_it() {
    let (silent, counter) = (Arc::new(AtomicBool::new(false)), Counter::growing(RATE));
    let quiet = Arc::clone(&silent);
    let target = Target::raw(move |stream| {
        if quiet.load(Ordering::Relaxed) {
            return hang(stream);
        }
        let text = format!("http_requests_total {}\n", counter.value());
        let response = super::response("200 OK\r\ncontent-type: text/plain", &text);
        std::io::Write::write_all(stream, response.as_bytes()).is_ok()
    });
    let good = Counter::target(RATE);
    let group = "services: [web]";
    // The last was never measured, and keeps nobody from anything.
    let pods = pod("good", &good.url, group)
        + &pod("bad", &target.url, group)
        + &pod("never", "http://127.0.0.1:1/metrics", group);
    let adapter = Adapter::start(Some(&PATIENT.replace("10s", "3s")), &format!("pods:\n{pods}"));
    let sum = || adapter.value("services/web", METRIC);
    eventually("the sum of both", || sum().is_some_and(|sum| super::near(sum, 2.0 * RATE)));
    silent.store(true, Ordering::Relaxed);
    eventually("absent", || {
        let now = sum();
        assert!(now.is_none_or(|now| now > 1.4 * RATE), "half would pass for the whole: {now:?}");
        now.is_none()
    });
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/{METRIC}");
    let message = adapter.get(&path).failure(404);
    let cause =
        "it has 3 pods: 1 never scraped successfully, 1 with samples that are too old; the other 1 would pass for all";
    assert!(message.contains(cause), "{message}");
    eventually("right by itself", || is_right(&adapter, "good"));
    silent.store(false, Ordering::Relaxed);
    eventually("the sum of both again", || sum().is_some_and(|sum| super::near(sum, 2.0 * RATE)));
}

#[test]
fn a_failure_is_logged_when_it_lasts_and_when_it_ends_and_one_alone_is_counted_only() {
    // Of each turn of four, how many are failed.
    let (failing, asked) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let fails = Arc::clone(&failing);
    let target = Target::raw(move |stream| {
        let wrong = asked.fetch_add(1, Ordering::Relaxed) % 4 < fails.load(Ordering::Relaxed);
        let status = if wrong { "500 Internal Server Error" } else { "200 OK" };
        let response = super::response(&format!("{status}\r\ncontent-type: text/plain"), "jobs 1\n");
        std::io::Write::write_all(stream, response.as_bytes()).is_ok()
    });
    let beside = Beside::healthy(PATIENT, &target.url);
    let said = |text: &str| beside.adapter.log_lines(text).len();
    failing.store(1, Ordering::Relaxed);
    beside.until("failed now and then", |_| beside.failures("status") >= 3.0);
    assert_eq!((said("cannot be scraped"), said("can be scraped again")), (0, 0));
    failing.store(4, Ordering::Relaxed);
    beside.until("logged", |_| said("cannot be scraped: answered 500") == 1);
    let before = beside.failures("status");
    beside.until("failed on", |_| beside.failures("status") >= before + 3.0);
    assert_eq!((said("cannot be scraped"), said("can be scraped again")), (1, 0), "once, however long it lasts");
    failing.store(0, Ordering::Relaxed);
    beside.until("well again", |_| said("can be scraped again") == 1);
}

#[test]
fn a_pod_that_is_taken_out_is_gone_long_before_the_next_scrape() {
    let one = Target::saying(|| "jobs 1\n".to_owned());
    let other = Target::saying(|| "jobs 2\n".to_owned());
    let config = "scrape: {interval: 3s}\nmetrics:\n- {name: jobs, series: jobs, type: gauge}\n";
    let stays = pod("stays", &one.url, "services: [all]");
    let adapter =
        Adapter::start(Some(config), &format!("pods:\n{stays}{}", pod("goes", &other.url, "services: [all]")));
    eventually("summed", || adapter.value("services/all", "jobs") == Some(3.0));
    let asked = other.requests.load(Ordering::Relaxed);
    let since = Instant::now();
    adapter.replace("targets.yaml", &format!("pods:\n{stays}"));
    eventually("gone from the sum", || adapter.value("services/all", "jobs") == Some(1.0));
    assert!(since.elapsed() < Duration::from_secs(2), "it took {:?}", since.elapsed());
    let list = adapter.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/jobs").expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    let message = adapter.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/goes/jobs").failure(404);
    assert!(message.ends_with("there is no such pod in namespace shop"), "{message}");
    std::thread::sleep(Duration::from_millis(3500));
    assert!(other.requests.load(Ordering::Relaxed) <= asked + 1, "a pod that is gone is scraped");
}

/// A target that accepts any number of connections and answers none.
fn black_hole() -> Target {
    let held = Mutex::new(VecDeque::new());
    Target::accepting(move |stream, _| {
        let mut held = held.lock().unwrap();
        held.push_back(stream);
        // The adapter has given up the older ones long since.
        if held.len() > 400 {
            held.pop_front();
        }
    })
}

#[test]
fn three_hundred_targets_that_hang_do_not_keep_healthy_ones_waiting() {
    // As by default, the time-out is three fifths of the interval, and there are 64 places.
    let config = "scrape: {interval: 1s, timeout: 600ms}\n\
        metrics:\n- {name: http_requests_per_second, series: http_requests_total, type: counter, window: 2s}\n";
    let (hole, good) = (black_hole(), Counter::target(RATE));
    let hanging: String =
        (0..300).map(|place| pod(&format!("bad-{place}"), &format!("{}/{place}", hole.url), "")).collect();
    let adapter = Adapter::start(Some(config), &format!("pods:\n{}{hanging}", pod("good", &good.url, "")));
    let failures = || adapter.metric("metrics_adapter_collect_failures_total{source=\"scrape\",reason=\"timeout\"}");
    eventually("failing, all of them", || failures().is_some_and(|failures| failures >= 600.0));
    let (before, since) = (good.requests.load(Ordering::Relaxed), Instant::now());
    while since.elapsed() < Duration::from_secs(4) {
        assert!(is_right(&adapter, "good"), "{:?}", adapter.value("pods/good", METRIC));
        std::thread::sleep(Duration::from_millis(50));
    }
    let scrapes = good.requests.load(Ordering::Relaxed) - before;
    assert!((3..=5).contains(&scrapes), "{scrapes} scrapes in {:?}", since.elapsed());
    assert!(adapter.resident_bytes() < super::MOST_MEMORY, "{}", adapter.resident_bytes());
}

#[test]
fn targets_that_drip_large_bodies_do_not_keep_small_ones_waiting() {
    let config = PATIENT.replace("timeout: 200ms", "timeout: 200ms, concurrency: 1");
    let drip = Target::raw(|stream| {
        let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n");
        super::pour(stream, &[b'#'; 1 << 14], 20);
        hang(stream)
    });
    let beside = Beside::healthy(&config, &drip.url);
    beside.bad_has_failed("timeout", "not answered, or not to the end");
}
