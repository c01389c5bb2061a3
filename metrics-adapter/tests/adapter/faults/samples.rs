//! Targets that answer well and say strange things.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::{Beside, METRIC, PATIENT, RATE, is_right, near};
use crate::support::{Adapter, Counter, Target, eventually, pod};

/// A target whose text can be changed.
fn changing(text: &str) -> (Target, Arc<Mutex<String>>) {
    let text = Arc::new(Mutex::new(text.to_owned()));
    let said = Arc::clone(&text);
    (Target::saying(move || said.lock().unwrap().clone()), text)
}

/// Waits until a target that was just changed has been read again.
fn read_again(adapter: &Adapter, pod: &str) {
    let before = adapter.status_of(pod)["attempts"].as_u64().unwrap();
    eventually("read again", || adapter.status_of(pod)["attempts"].as_u64().unwrap() >= before + 2);
}

/// How much a pod's counter has grown, by its rate and what that was taken over.
fn growth(adapter: &Adapter, pod: &str) -> Option<f64> {
    let value = adapter.status_of(pod)["values"][0].take();
    let rate = crate::support::quantity(value["value"].as_str()?);
    Some(rate * value["windowSeconds"].as_f64()?)
}

#[test]
fn a_series_that_stands_twice_counts_once_and_the_status_page_warns() {
    let counter = Counter::growing(RATE);
    let target = Target::saying(move || {
        let series = format!("http_requests_total{{method=\"GET\"}} {}\n", counter.value());
        format!("{series}{series}http_requests_total{{method=\"PUT\"}} 1\n")
    });
    let beside = Beside::healthy(PATIENT, &target.url);
    beside.until("right", |adapter| is_right(adapter, "bad"));
    let warning = beside.adapter.status_of("bad")["warning"].take();
    assert_eq!(warning, "1 series stands twice in it; the first counts");
    assert_eq!(beside.adapter.status_of("bad")["state"], "up");
}

#[test]
fn a_counter_that_starts_again_from_zero_loses_nothing_and_gains_nothing() {
    let counters = Arc::new(Mutex::new(Counter::growing(RATE)));
    let current = Arc::clone(&counters);
    let target = Target::saying(move || {
        let grown = current.lock().unwrap().value();
        format!("http_requests_total {grown}\n")
    });
    let beside = Beside::healthy(PATIENT, &target.url);
    let value = |adapter: &Adapter| adapter.value("pods/bad", METRIC);
    let right = |adapter: &Adapter| is_right(adapter, "bad");
    beside.until("right", right);
    for _ in 0..2 {
        *counters.lock().unwrap() = Counter::growing(RATE);
        let since = Instant::now();
        beside.until("over it", |adapter| {
            let value = value(adapter);
            assert!(value.is_some_and(|value| (0.0..RATE * 1.3 + 1.0).contains(&value)), "{value:?}");
            since.elapsed() > Duration::from_secs(2)
        });
        beside.until("right again", right);
    }
}

fn process(start: u32, cpu: u32, requests: u32) -> String {
    format!(
        "process_start_time_seconds {start}\nprocess_cpu_seconds_total {cpu}\n\
             process_resident_memory_bytes 1e6\nhttp_requests_total {requests}\n"
    )
}

#[test]
fn a_process_that_was_started_again_has_counted_from_zero() {
    // The window is so long that all of the test is in it.
    let config = PATIENT.replace("window: 2s", "window: 1m");
    let (target, text) = changing(&process(1000, 50, 500));
    let beside = Beside::healthy(&config, &target.url);
    beside.until("read twice", |adapter| growth(adapter, "bad") == Some(0.0));
    // More than the one before: only the start, and the CPU time that began anew, tell that it is another.
    *text.lock().unwrap() = process(2000, 1, 800);
    beside
        .until("grown by all of it", |adapter| growth(adapter, "bad").is_some_and(|grown| (grown - 800.0).abs() < 2.0));
    // A start that is later because the machine's clock was set, in a process that goes on.
    *text.lock().unwrap() = process(9000, 2, 900);
    beside.until("grown by the difference", |adapter| {
        let grown = growth(adapter, "bad").unwrap();
        assert!(grown < 902.0, "{grown}");
        (grown - 900.0).abs() < 2.0
    });
    // No CPU use is made of the other process's time.
    let cpu = beside.adapter.status_of("bad")["cpu"].take();
    assert!(cpu.as_str().is_some_and(|cpu| !cpu.starts_with('-')), "{cpu}");
}

const ODD: &str = "scrape: {interval: 200ms, timeout: 200ms, staleAfter: 10s}\nmetrics:\n\
    - {name: http_requests_per_second, series: http_requests_total, type: counter, window: 2s}\n\
    - {name: queue, series: queue, type: gauge}\n\
    - {name: balance, series: queue, type: gauge, allowNegative: true}\n";

#[test]
fn samples_that_are_no_value_are_named_and_never_served() {
    let table = [("NaN", "finite number"), ("+Inf", "finite number"), ("-Inf", "finite number"), ("-5", "negative")];
    let targets: Vec<Target> = table
        .into_iter()
        .map(|(value, _)| Target::saying(move || format!("http_requests_total {value}\nqueue {value}\n")))
        .collect();
    let good = Counter::target(RATE);
    let pods: String = targets
        .iter()
        .enumerate()
        .map(|(place, target)| pod(&format!("odd-{place}"), &target.url, "services: [all]"))
        .collect();
    let pods = pod("good", &good.url, "services: [all]") + &pods;
    let adapter = Adapter::start(Some(ODD), &format!("pods:\n{pods}"));
    adapter.wait_ready();
    eventually("right for all that have a value", || {
        adapter.value("services/all", METRIC).is_some_and(|value| near(value, RATE))
    });
    for (place, (value, reason)) in table.iter().enumerate() {
        for metric in [METRIC, "queue"] {
            let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/odd-{place}/{metric}");
            let message = adapter.get(&path).failure(404);
            assert!(message.contains(reason), "{metric} {value}: {message}");
        }
        let status = adapter.status_of(&format!("odd-{place}"));
        assert!(status["values"][0]["absent"].as_str().unwrap().contains(reason), "{status}");
        assert_eq!(status["state"], "up");
    }
    assert_eq!(adapter.value("pods/odd-3", "balance"), Some(-5.0), "where negative values are wanted");
    assert_eq!(adapter.value("pods/odd-0", "balance"), None);
}

#[test]
fn one_series_that_is_no_value_spoils_its_pod_and_only_while_it_lasts() {
    let odd = Arc::new(AtomicBool::new(false));
    let (is_odd, counter) = (Arc::clone(&odd), Counter::growing(RATE));
    let target = Target::saying(move || {
        let other = if is_odd.load(Ordering::Relaxed) { "NaN" } else { "7" };
        let value = counter.value();
        format!("http_requests_total{{a=\"1\"}} {value}\nhttp_requests_total{{a=\"2\"}} {other}\n")
    });
    let beside = Beside::healthy(PATIENT, &target.url);
    let right = |adapter: &Adapter| is_right(adapter, "bad");
    beside.until("right", right);
    odd.store(true, Ordering::Relaxed);
    beside.until("absent", |adapter| adapter.value("pods/bad", METRIC).is_none());
    odd.store(false, Ordering::Relaxed);
    beside.until("right again", right);
}

fn millis() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn samples_with_times_of_their_own_are_as_old_as_they_say() {
    let counter = Counter::growing(RATE);
    let now = Target::saying(move || format!("http_requests_total {} {}\n", counter.value(), millis()));
    let counter = Counter::growing(RATE);
    let future = Target::saying(move || format!("http_requests_total {} {}\n", counter.value(), millis() + 3_600_000));
    // The adapter is younger than these samples.
    let old = Target::saying(|| format!("queue 5 {}\n", millis() - 3_600_000));
    let fresh = Target::saying(|| format!("queue 5 {}\n", millis() - 60_000));
    let pods = pod("now", &now.url, "")
        + &pod("future", &future.url, "")
        + &pod("old", &old.url, "")
        + &pod("fresh", &fresh.url, "");
    let adapter = Adapter::start(Some(&ODD.replace("10s", "30m")), &format!("pods:\n{pods}"));
    let path =
        |name: &str, metric: &str| format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/{name}/{metric}");
    eventually("read", || {
        let waiting = adapter.get(&path("old", "queue")).failure(404);
        waiting.ends_with("all samples are too old")
    });
    eventually("a value that is a minute old", || adapter.value("pods/fresh", "queue") == Some(5.0));
    let age = adapter.status_of("fresh")["values"][1]["ageSeconds"].as_f64().unwrap();
    assert!((59.0..75.0).contains(&age), "{age}");
    for name in ["now", "future"] {
        eventually("right", || is_right(&adapter, name));
        let reply = adapter.get(&path(name, METRIC)).expect(200).json();
        let timestamp: jiff::Timestamp = reply["items"][0]["timestamp"].as_str().unwrap().parse().unwrap();
        let latest = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
        assert!(timestamp <= latest, "{name}: {timestamp} is later than {latest}");
    }
}

#[test]
fn a_sample_that_stands_still_in_the_future_grows_old_too() {
    let ahead = millis() + 3_600_000;
    let frozen = Target::saying(move || format!("queue 5 {ahead}\n"));
    let adapter =
        Adapter::start(Some(&ODD.replace("10s", "2s")), &format!("pods:\n{}", pod("frozen", &frozen.url, "")));
    eventually("a value", || adapter.value("pods/frozen", "queue") == Some(5.0));
    eventually("absent", || adapter.value("pods/frozen", "queue").is_none());
    assert_eq!(adapter.status_of("frozen")["state"], "up");
}

#[test]
fn samples_whose_times_stand_still_or_go_back_grow_old() {
    let start = millis();
    let (target, text) = changing(&format!("http_requests_total 100 {start}\n"));
    let beside = Beside::healthy(&PATIENT.replace("10s", "4s"), &target.url);
    let value = |adapter: &Adapter| adapter.value("pods/bad", METRIC);
    beside.until("read", |adapter| adapter.status_of("bad")["attempts"].as_u64() >= Some(2));
    assert_eq!(value(&beside.adapter), None, "the same sample twice is one sample");
    // Ten a second, by its own clock.
    let later = start + 1000;
    while millis() < later {
        std::thread::sleep(Duration::from_millis(10));
    }
    *text.lock().unwrap() = format!("http_requests_total 110 {later}\n");
    beside.until("right", |adapter| value(adapter).is_some_and(|value| (value - 10.0).abs() < 0.1));
    *text.lock().unwrap() = format!("http_requests_total 500 {}\n", later - 500);
    read_again(&beside.adapter, "bad");
    beside.until("absent", |adapter| {
        let now = value(adapter);
        assert!(now.is_none_or(|now| (now - 10.0).abs() < 0.1), "{now:?} from a sample that is older than the last");
        now.is_none()
    });
    assert!(millis() >= later + 4000, "absent before it was stale");
    let message = beside
        .adapter
        .get(&format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/bad/{METRIC}"))
        .failure(404);
    assert!(message.ends_with("1 pod, all samples are too old"), "{message}");
}
