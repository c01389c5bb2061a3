//! A wall clock that is set while the adapter runs: Debian's libfaketime steps it, and leaves the monotonic one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{METRIC, PATIENT, RATE, is_right};
use crate::support::{Adapter, Counter, Target, eventually, pod};

fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map_while(Result::ok);
    let found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|library| library.exists());
    found.expect("libfaketime is missing; .ci/tools installs it")
}

/// How far the adapter's wall clock is from ours by what it says of a value, in seconds.
fn distance(adapter: &Adapter) -> f64 {
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/{METRIC}");
    let reply = adapter.get(&path).expect(200).json();
    let timestamp: jiff::Timestamp = reply["items"][0]["timestamp"].as_str().unwrap().parse().unwrap();
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
    timestamp.duration_since(now).as_secs_f64()
}

fn set(file: &Path, step: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{step}\n")).unwrap();
    std::fs::rename(&new, file).unwrap();
}

#[test]
fn a_wall_clock_that_is_set_changes_no_rate_and_every_timestamp() {
    let folder = tempfile::tempdir().unwrap();
    let (library, file) = (libfaketime(), folder.path().join("faketime"));
    set(&file, "+0");
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let good = Counter::target(RATE);
    // What a target says of its samples' times comes from the clock that is set, as all is on one machine.
    let (counter, faked) = (Counter::growing(RATE), file.clone());
    let stamped = Target::saying(move || {
        let step: f64 = std::fs::read_to_string(&faked).unwrap().trim().parse().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() + step;
        format!("http_requests_total {} {:.0}\n", counter.value(), now * 1000.0)
    });
    let pods = pod("good", &good.url, "") + &pod("stamped", &stamped.url, "");
    let adapter = Adapter::start_in(Some(PATIENT), &format!("pods:\n{pods}"), &[], &environment);
    let right = |pod: &str| is_right(&adapter, pod);
    eventually("right", || right("good") && right("stamped"));
    assert!(distance(&adapter).abs() < 5.0, "{}", distance(&adapter));
    for (step, seconds) in [("+3600", 3600.0), ("-3600", -3600.0), ("+0", 0.0)] {
        set(&file, step);
        let since = Instant::now();
        eventually("telling the new time", || {
            assert!(right("good") && right("stamped"), "{step}: {}", adapter.status_of("stamped"));
            (distance(&adapter) - seconds).abs() < 5.0
        });
        assert!(since.elapsed() < Duration::from_secs(10), "{step}: after {:?}", since.elapsed());
        // A window and more goes by, and nothing that was counted across the step shows.
        while since.elapsed() < Duration::from_millis(2500) {
            assert!(right("good") && right("stamped"), "{step}: {}", adapter.status_of("stamped"));
            assert!((distance(&adapter) - seconds).abs() < 5.0, "{step}: {}", distance(&adapter));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(adapter.log_lines("panicked").len(), 0);
}
