//! Files that change while the adapter runs.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::faults::{PATIENT, near};
use crate::support::{Adapter, Counter, Target, eventually, pod};

const METRIC: &str = "http_requests_per_second";

fn gauge() -> Target {
    Target::saying(|| "jobs 1\nrooms 2\n".to_owned())
}

/// A configuration that serves these metrics, each the gauge that is named after the equals sign.
fn serving(metrics: &[&str]) -> String {
    let rule = |metric: &&str| {
        let (name, series) = metric.split_once('=').unwrap();
        format!("- {{name: {name}, series: {series}, type: gauge}}\n")
    };
    let rules: String = metrics.iter().map(rule).collect();
    format!("scrape: {{interval: 200ms}}\nmetrics:\n{rules}")
}

fn pods(adapter: &Adapter) -> Vec<String> {
    let status = adapter.ops("/status.json").json();
    status["targets"].as_array().unwrap().iter().map(|target| target["pod"].as_str().unwrap().to_owned()).collect()
}

/// The metrics of pods that discovery names.
fn discovered(adapter: &Adapter) -> Vec<String> {
    let list = adapter.get("/apis/custom.metrics.k8s.io/v1beta2").expect(200).json();
    let names =
        list["resources"].as_array().unwrap().iter().filter_map(|own| own["name"].as_str()?.strip_prefix("pods/"));
    names.map(str::to_owned).collect()
}

fn problem(adapter: &Adapter, file: &str) -> Option<String> {
    let status = adapter.ops("/status.json").json();
    let own = status["files"].as_array().unwrap().iter().find(|own| own["what"] == file).unwrap();
    own["problem"].as_str().map(str::to_owned)
}

fn is_right(adapter: &Adapter, file: &str) -> Option<f64> {
    adapter.metric(&format!("metrics_adapter_config_last_reload_successful{{file=\"{file}\"}}"))
}

/// Lets a directory of a name have these files, as the kubelet writes a mounted `ConfigMap`: the files are links
/// into `..data`, which is a link to a directory that is replaced as a whole.
fn mount(folder: &Path, version: &str, files: &[(&str, &str)]) {
    let own = folder.join(version);
    std::fs::create_dir(&own).unwrap();
    for (name, text) in files {
        std::fs::write(own.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(version, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[test]
fn a_change_is_seen_however_the_files_are_written() {
    let target = gauge();
    let targets = |names: &[&str]| {
        let pods: String = names.iter().map(|name| pod(name, &target.url, "")).collect();
        format!("pods:\n{pods}")
    };
    let adapter = Adapter::start(Some(&serving(&["one=jobs"])), &targets(&["a", "b"]));
    let now = |names: &[&str], metrics: &[&str]| {
        eventually("the new pods", || pods(&adapter) == names);
        eventually("the new metrics", || discovered(&adapter) == metrics);
        eventually("new values", || metrics.iter().all(|metric| adapter.value("pods/b", metric).is_some()));
    };
    now(&["a", "b"], &["one"]);
    // In place.
    std::fs::write(adapter.file("targets.yaml"), targets(&["b"])).unwrap();
    std::fs::write(adapter.file("config.yaml"), serving(&["one=jobs", "two=rooms"])).unwrap();
    now(&["b"], &["one", "two"]);
    // By another file that is put in its place.
    adapter.replace("targets.yaml", &targets(&["b", "c"]));
    adapter.replace("config.yaml", &serving(&["two=rooms"]));
    now(&["b", "c"], &["two"]);
    // As a mounted ConfigMap.
    let folder = adapter.file("");
    mount(&folder, "..1", &[("targets.yaml", &targets(&["a", "b"])), ("config.yaml", &serving(&["one=jobs"]))]);
    for name in ["targets.yaml", "config.yaml"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), folder.join("new")).unwrap();
        std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }
    now(&["a", "b"], &["one"]);
    mount(&folder, "..2", &[("targets.yaml", &targets(&["b"])), ("config.yaml", &serving(&["three=jobs"]))]);
    std::fs::remove_dir_all(folder.join("..1")).unwrap();
    now(&["b"], &["three"]);
    assert_eq!(adapter.log_lines("stays in force").len(), 0, "a file was wrong for a moment");
    assert_eq!((is_right(&adapter, "targets"), is_right(&adapter, "config")), (Some(1.0), Some(1.0)));
}

#[test]
fn a_targets_file_that_is_half_written_drops_no_pod() {
    let target = gauge();
    let before: String = ["a", "b", "c"].iter().map(|name| pod(name, &target.url, "")).collect();
    let after = format!(
        "# prüfen\npods:\n{before}{}objects:\n- {{resource: services, namespace: shop, name: web}}\n",
        pod("d", &target.url, "")
    );
    let adapter = Adapter::start(Some(&serving(&["one=jobs"])), &format!("pods:\n{before}"));
    let place = |text: &str| after.find(text).unwrap();
    let cuts = [
        ("nothing yet", 0),
        ("within a character", place("ü") + 1),
        ("before the first pod", place("- {name: a")),
        ("within a pod", place("- {name: b") + 20),
        ("within a pod's name", place("name: b") + 6),
        ("between two pods", place("- {name: c")),
        ("before a line's end", place("- {name: c") - 1),
        ("before the objects", place("objects:")),
        ("within the objects", place("namespace: shop, name: web")),
    ];
    let file = adapter.file("targets.yaml");
    let mut slow = false;
    for (what, cut) in cuts {
        std::fs::write(&file, &after.as_bytes()[..cut]).unwrap();
        let since = Instant::now();
        // Longer than two looks, and shorter than what a file must rest.
        while since.elapsed() < Duration::from_millis(550) {
            let now = pods(&adapter);
            // Who is kept from writing for a second cannot be told from who has written all.
            slow |= since.elapsed() > Duration::from_millis(900);
            assert!(
                slow || ["a", "b", "c"].iter().all(|name| now.iter().any(|own| own == name)),
                "cut {what}: {now:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        std::fs::write(&file, &after).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    eventually("the new pod", || pods(&adapter) == ["a", "b", "c", "d"]);
    assert!(slow || adapter.log_lines("stays in force").is_empty(), "half a file was read");
}

#[test]
fn a_file_that_is_wrong_is_named_once_and_the_one_before_stays_in_force() {
    let target = Counter::target(40.0);
    let good = format!("pods:\n{}", pod("web-1", &target.url, "owner: Deployment/web"));
    let adapter = Adapter::start(Some(PATIENT), &good);
    let value = || adapter.value("deployments/web", METRIC);
    eventually("a value", || value().is_some());
    let table = [
        (
            "targets",
            "targets.yaml",
            good.replace("owner: D", "onwer: D"),
            "line 2, column ",
            "pods[0].onwer: unknown key; did you mean `owner`?",
        ),
        ("targets", "targets.yaml", good.clone() + "- {name: web-1\n", "line ", ""),
        (
            "config",
            "config.yaml",
            PATIENT.replace("interval", "intervall"),
            "line 1, column 10: ",
            "scrape.intervall: unknown key; did you mean `interval`?",
        ),
        (
            "config",
            "config.yaml",
            PATIENT.replace("type: counter", "type: conter"),
            "line 3, column ",
            "metrics[0].type: `conter` is neither counter nor gauge",
        ),
        (
            "config",
            "config.yaml",
            PATIENT.replace("timeout", "tls: {caFile: /nope.pem}, timeout"),
            "scrape.tls.caFile: /nope.pem: ",
            "",
        ),
    ];
    for (file, name, text, place, cause) in table {
        adapter.replace(name, &text);
        eventually("the problem", || problem(&adapter, file).is_some());
        let said = problem(&adapter, file).unwrap();
        assert!(
            said.starts_with(&format!("{}: {place}", adapter.file(name).display())) && said.ends_with(cause),
            "{said}"
        );
        assert_eq!(is_right(&adapter, file), Some(0.0), "{said}");
        // Some more looks go by.
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(700) {
            assert!(value().is_some(), "the file before is not in force: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let lines = adapter.log_lines(&said);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!((&lines[0]["level"], &lines[0]["file"]), (&"ERROR".into(), &file.into()));
        assert!(lines[0]["message"].as_str().unwrap().ends_with("; what it said before stays in force"), "{lines:?}");
        adapter.replace(name, if file == "config" { PATIENT } else { &good });
        eventually("right again", || problem(&adapter, file).is_none() && is_right(&adapter, file) == Some(1.0));
        eventually("a value", || value().is_some_and(|value| near(value, 40.0)));
    }
}

#[test]
fn a_file_that_is_deleted_stays_in_force_and_is_missed() {
    let target = Counter::target(40.0);
    let good = format!("pods:\n{}", pod("web-1", &target.url, ""));
    let adapter = Adapter::start(Some(PATIENT), &good);
    let value = || adapter.value("pods/web-1", METRIC);
    eventually("a value", || value().is_some());
    for (file, name, text) in [("targets", "targets.yaml", good.as_str()), ("config", "config.yaml", PATIENT)] {
        std::fs::remove_file(adapter.file(name)).unwrap();
        eventually("missed", || problem(&adapter, file).is_some());
        let said = problem(&adapter, file).unwrap();
        assert!(said.ends_with(&format!("{name}: No such file or directory (os error 2)")), "{said}");
        assert_eq!(is_right(&adapter, file), Some(0.0));
        assert!(value().is_some(), "{file}");
        assert_eq!(adapter.log_lines(&said).len(), 1);
        adapter.replace(name, text);
        eventually("there again", || problem(&adapter, file).is_none() && is_right(&adapter, file) == Some(1.0));
        assert!(value().is_some(), "what says the same as before takes nothing away: {file}");
    }
}

#[test]
fn metrics_come_and_go_and_change_with_the_configuration() {
    let target = gauge();
    let adapter = Adapter::start(Some(&serving(&["one=jobs"])), &format!("pods:\n{}", pod("web-1", &target.url, "")));
    let value = |metric: &str| adapter.value("pods/web-1", metric);
    eventually("a value", || value("one") == Some(1.0));
    adapter.replace("config.yaml", &serving(&["one=jobs", "two=rooms"]));
    eventually("one more", || discovered(&adapter) == ["one", "two"] && value("two") == Some(2.0));
    adapter.replace("config.yaml", &serving(&["two=jobs"]));
    eventually("one that is made of something else", || value("two") == Some(1.0));
    assert_eq!(discovered(&adapter), ["two"]);
    let gone = adapter.get("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/web-1/one").failure(404);
    assert!(gone.ends_with("no rule serves it; these are served: two"), "{gone}");
}

#[test]
fn another_interval_is_kept_from_then_on() {
    let target = Counter::target(40.0);
    let adapter = Adapter::start(Some(PATIENT), &format!("pods:\n{}", pod("web-1", &target.url, "")));
    eventually("a value", || adapter.value("pods/web-1", METRIC).is_some());
    adapter.replace(
        "config.yaml",
        &PATIENT.replace("interval: 200ms", "interval: 2s").replace("window: 2s", "window: 4s"),
    );
    eventually("the new interval", || adapter.ops("/status.json").json()["scrape"]["interval"] == "2s");
    eventually("a value", || adapter.value("pods/web-1", METRIC).is_some_and(|value| near(value, 40.0)));
    let (before, since) = (target.requests.load(Ordering::Relaxed), Instant::now());
    eventually("some time later", || since.elapsed() > Duration::from_secs(3));
    let scrapes = target.requests.load(Ordering::Relaxed) - before;
    assert!((1..=3).contains(&scrapes), "{scrapes} scrapes in 3 s");
}

#[test]
fn a_pod_that_comes_disturbs_no_other() {
    let (one, two) = (Counter::target(40.0), Counter::target(40.0));
    let first = pod("web-1", &one.url, "");
    let adapter = Adapter::start(Some(PATIENT), &format!("pods:\n{first}"));
    let right = |name: &str| adapter.value(name, METRIC).is_some_and(|value| near(value, 40.0));
    eventually("right", || right("pods/web-1"));
    adapter.replace("targets.yaml", &format!("pods:\n{first}{}", pod("web-2", &two.url, "")));
    eventually("right for the new one", || {
        assert!(right("pods/web-1"), "{:?}", adapter.value("pods/web-1", METRIC));
        right("pods/web-2")
    });
}
