//! Rehearsals with real processes, on a fast clock.

use std::fs;
use std::time::Duration;

use crate::support::*;

const MINUTE: Duration = Duration::from_mins(1);

/// The number behind a name in the summary.
#[track_caller]
fn fact(running: &Running, name: &str) -> String {
    let line = running.wait_for(name, MINUTE);
    line[name.len()..].trim().to_owned()
}

#[track_caller]
fn get(url: &str) -> String {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
    agent.get(url).call().unwrap_or_else(|error| panic!("{url}: {error}")).body_mut().read_to_string().unwrap()
}

fn gone(folder: &str) {
    for _ in 0..100 {
        if processes_of(folder).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("still there: {:?}", processes_of(folder));
}

/// The replicas that a sync asked for, by the lines of the syncs.
fn sizes(running: &Running) -> Vec<u32> {
    let lines = running.lines();
    let changes = lines.iter().filter(|line| line.contains("New size: ") && line.contains("x  "));
    changes.map(|line| line.split("New size: ").nth(1).unwrap().split(';').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn requests_become_replicas_and_back_and_none_is_lost() {
    // Fifteen times as fast: a sync each second, five minutes are twenty seconds.
    let profile = "steps:20@60s,140@120s,240@120s,20@480s";
    let running = Running::start(&["--pace", "15", "--profile", profile, "--articles", "100"]);
    let (door, adapter) = (running.door(), running.adapter());

    // What is printed is true while it runs.
    assert!(get(&format!("{door}/api/articles?limit=1")).contains("articlesCount"));
    running.wait_for("New size: ", MINUTE);
    let kubectl = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/venv/bin/kubectl");
    let top =
        std::process::Command::new(kubectl).args(["-s", &adapter, "top", "pods", "-n", "real-world"]).output().unwrap();
    let top = text(&top.stdout) + &text(&top.stderr);
    assert!(top.contains("real-world-") && top.contains("Mi"), "{top}");
    let values = get(&format!(
        "{adapter}/apis/custom.metrics.k8s.io/v1beta2/namespaces/real-world/pods/*/http_requests_per_second"
    ));
    assert!(values.contains("\"value\":\""), "{values}");
    let status = running.wait_for("status page", MINUTE);
    assert!(get(status.split_whitespace().last().unwrap()).contains("http_requests_per_second"));
    let metrics = running.wait_for("a replica's metrics", MINUTE);
    assert!(get(metrics.split_whitespace().last().unwrap()).contains("http_requests_total"));

    assert_eq!(running.ends(2 * MINUTE), 0, "{}", running.lines().join("\n"));
    let sizes = sizes(&running);
    // 140 requests a second need three, 240 need five. A sync within a step sees a part of it, and a window of 0.7 s is
    // sometimes a few requests richer than the next: one replica more is right, too.
    let most = sizes.iter().copied().max().unwrap();
    assert!((3..=4).contains(&sizes[0]) && (5..=7).contains(&most), "{sizes:?}\n{}", running.lines().join("\n"));
    assert_eq!(sizes.last(), Some(&2), "{sizes:?}");
    assert_eq!(fact(&running, "failed  "), "0", "{}", running.lines().join("\n"));
    assert!(fact(&running, "front door  ").ends_with("0 failed, 0 without a ready replica"));
    let writes = fact(&running, "writes  ");
    assert!(writes.ends_with(" 0 lost") && !writes.starts_with("0 "), "{writes}");
    let sync = running.lines().into_iter().find(|line| line.contains(&format!("2->{}", sizes[0]))).unwrap();
    assert!(sync.starts_with("15x "), "every line says how fast the clock is: {sync}");
    assert!(sync.contains("/50, cpu: ") && sync.contains("%/1000%, memory: ") && sync.contains("/100Mi"), "{sync}");

    let folder = running.folder.path().to_string_lossy().into_owned();
    gone(&folder);
    report_opens(&format!("{folder}/data/rehearsal/report.html"));
}

/// The report is drawn by a browser that has nothing to complain about.
fn report_opens(path: &str) {
    let html = fs::read_to_string(path).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "it needs nothing else");
    let folder = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", folder.path().display());
    let output = std::process::Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            &profile,
        ])
        .args(["--virtual-time-budget=2000", "--dump-dom", &format!("file://{path}")])
        .output()
        .expect("Chromium, which `make test` installs");
    let (page, said) = (text(&output.stdout), text(&output.stderr));
    assert!(!said.contains("CONSOLE"), "{said}");
    assert_eq!(page.matches("<svg").count(), 5, "{page}");
    assert!(page.matches("class=\"line").count() >= 8, "lines are drawn");
    for expected in
        ["Requests per second per pod", "threshold 50", "2 → ", "pods metric http_requests_per_second above target"]
    {
        assert!(page.contains(expected), "no `{expected}` in\n{page}");
    }
}

#[test]
fn a_replica_that_is_killed_is_replaced_and_counted() {
    let running = Running::start(&["--pace", "15", "--profile", "steps:60@450s", "--articles", "50"]);
    running.door();
    std::thread::sleep(Duration::from_secs(2));
    let replicas: Vec<u32> = running
        .children()
        .into_iter()
        .filter(|(_, command)| command.contains("conduit serve"))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(replicas.len(), 2);
    kill("-KILL", replicas[0]);
    let died = running.wait_for("died (signal: 9 (SIGKILL)) and is started again", MINUTE);
    let name = died.split_whitespace().nth(1).unwrap().to_owned();
    let place = running.lines().iter().position(|line| *line == died).unwrap();
    running.wait_for_after(place, &format!("replica {name} serves on"), MINUTE);
    let code = running.ends(2 * MINUTE);
    assert_eq!(fact(&running, "processes that died  "), "1");
    // What the replica had taken and not answered may have failed, and is counted as that; nothing else is.
    let failed: u32 = fact(&running, "failed  ").split(' ').next().unwrap().parse().unwrap();
    assert!(failed <= 3, "{failed} failed\n{}", running.lines().join("\n"));
    assert_eq!(code, if failed == 0 { 0 } else { 2 });
    assert!(fact(&running, "writes  ").contains(" 0 lost"), "{}", fact(&running, "writes  "));
}

#[test]
fn without_the_adapter_nothing_is_scaled_and_it_recovers() {
    let running = Running::start(&["--pace", "10", "--profile", "steps:20@60s,140@300s", "--articles", "50"]);
    running.door();
    std::thread::sleep(Duration::from_secs(2));
    let adapter = running.children().into_iter().find(|(_, command)| command.contains("--standalone")).unwrap().0;
    kill("-KILL", adapter);
    running.wait_for(
        "the metrics-adapter died (signal: 9 (SIGKILL)) and will be started again; until then nothing is scaled",
        MINUTE,
    );
    let frozen = running.wait_for("FailedGetPodsMetric", MINUTE);
    assert!(frozen.contains("<unknown>/50, cpu: <unknown>/1000%, memory: <unknown>/100Mi"), "{frozen}");
    // While it is away, or before it has scraped twice.
    let away = "the server is currently unable to handle the request (127.0.0.1:";
    let fresh = "the server could not find the metric http_requests_per_second for pods";
    let reason = frozen
        .split("unable to get metric http_requests_per_second: unable to fetch metrics from custom metrics API: ")
        .nth(1);
    assert!(reason.is_some_and(|reason| reason.starts_with(away) || reason.starts_with(fresh)), "{frozen}");
    running.wait_for("the metrics-adapter serves again", MINUTE);
    running.wait_for("; reason: pods metric http_requests_per_second above target", MINUTE);
    assert_eq!(running.ends(2 * MINUTE), 0, "{}", running.lines().join("\n"));
    assert_eq!(fact(&running, "failed  "), "0");
}

#[test]
fn whoever_ends_it_ends_all_of_its_processes() {
    for signal in ["-KILL", "-INT", "-TERM", "-HUP"] {
        let running = Running::start(&["--no-load", "--articles", "10"]);
        running.door();
        let folder = running.folder.path().to_string_lossy().into_owned();
        assert!(processes_of(&folder).len() >= 3, "two replicas and the adapter");
        running.signal(signal);
        let code = running.ends(MINUTE);
        gone(&folder);
        if signal != "-KILL" {
            assert_eq!(code, 0, "{signal}: {}", running.lines().join("\n"));
            running.wait_for("Report: ", MINUTE);
        }
    }
}

#[test]
fn what_others_keep_in_the_folder_is_left_alone() {
    let folder = folder(&[]);
    let (data, logs) = (folder.path().join("data"), folder.path().join("data/logs"));
    fs::create_dir_all(&logs).unwrap();
    // The API's own database, which is there by default, and somebody's log.
    let others =
        ["conduit.sqlite3", "conduit.sqlite3-wal", "conduit.sqlite3-shm", "logs/api.log"].map(|name| data.join(name));
    for path in &others {
        fs::write(path, "dear").unwrap();
    }
    let old = [logs.join("seed.log"), logs.join("real-world-7d4b9c8f6d-x2k8p.log")];
    for path in &old {
        fs::write(path, "of an earlier run").unwrap();
    }
    let running = Running::start_in(folder, &["--no-load", "--articles", "10", "--data", "data"]);
    running.door();
    assert!(data.join("rehearsal.sqlite3").is_file());
    for path in &others {
        assert_eq!(fs::read_to_string(path).unwrap(), "dear", "{}", path.display());
    }
    for path in &old {
        assert_ne!(fs::read_to_string(path).unwrap_or_default(), "of an earlier run", "{}", path.display());
    }
    running.signal("-INT");
    assert_eq!(running.ends(MINUTE), 0, "{}", running.lines().join("\n"));
}

#[test]
fn two_hpas_are_rehearsed_one_after_the_other_into_one_report() {
    let profile = "steps:20@45s,140@90s";
    let running = Running::start(&["--pace", "15", "--profile", profile, "--articles", "50", "--compare", "cpu"]);
    assert_eq!(running.ends(2 * MINUTE), 0, "{}", running.lines().join("\n"));
    running.wait_for("== requests per second ==", MINUTE);
    running.wait_for("== CPU alone ==", MINUTE);
    let report = fs::read_to_string(running.folder.path().join("data/rehearsal/report.html")).unwrap();
    for expected in ["per pod, requests per second", "per pod, CPU alone", "Decisions: CPU alone"] {
        assert!(report.contains(expected), "no `{expected}`");
    }
}

#[test]
fn it_goes_on_after_its_load_if_it_is_told_to() {
    let running = Running::start(&["--pace", "15", "--profile", "steps:20@45s", "--articles", "50", "--keep"]);
    let door = running.door();
    running.wait_for("The load is over and its report is written; all goes on until Ctrl-C.", MINUTE);
    assert!(running.folder.path().join("data/rehearsal/report.html").is_file());
    assert!(get(&format!("{door}/api/tags")).contains("tags"));
    running.signal("-INT");
    assert_eq!(running.ends(MINUTE), 0, "{}", running.lines().join("\n"));
}
