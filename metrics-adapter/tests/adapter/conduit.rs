//! Real conduits under load as the targets.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Adapter, eventually};

/// The server's binary, which a build of the workspace makes beside the adapter's.
fn binary() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_metrics-adapter")).with_file_name("conduit");
    assert!(binary.exists(), "there is no {}: `cargo build --package conduit` makes it", binary.display());
    binary
}

pub(crate) struct Conduit {
    child: Child,
    pub(crate) api: String,
    pub(crate) metrics: String,
    _folder: tempfile::TempDir,
}

impl Conduit {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (api, ops) = (free(), free());
        let child = Command::new(binary())
            .env_clear()
            .env("DATA_FILE", folder.path().join("conduit.sqlite3"))
            .envs([("BIND_ADDRESS", "127.0.0.1"), ("LOG_LEVEL", "error"), ("APP_ENV", "test")])
            .envs([("PORT", api.port().to_string()), ("OPS_PORT", ops.port().to_string())])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let conduit = Self {
            child,
            api: format!("http://{api}/api/tags"),
            metrics: format!("http://{ops}/metrics"),
            _folder: folder,
        };
        eventually("serving", || ureq::get(&conduit.api).call().is_ok());
        conduit
    }
}

impl Drop for Conduit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests at a rate until it is dropped, and counts those that were answered.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn at(rate: f64, url: &str) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count, url) = (Arc::clone(&stop), Arc::clone(&sent), url.to_owned());
        let thread = std::thread::spawn(move || {
            let (started, agent) = (Instant::now(), ureq::Agent::new_with_defaults());
            for number in 0.. {
                let due = started + Duration::from_secs_f64(f64::from(number) / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, sent, thread: Some(thread) }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn the_mean_of_twenty_answers_is_the_load_that_was_sent_for_each_pod_and_for_the_service() {
    let conduits = [Conduit::start(), Conduit::start()];
    let pods: String = conduits
        .iter()
        .enumerate()
        .map(|(at, conduit)| {
            let url = &conduit.metrics;
            format!("- {{name: web-{at}, namespace: shop, url: '{url}', services: [web], container: conduit}}\n")
        })
        .collect();
    let config = "scrape: {interval: 500ms}\nmetrics:\n\
        - {name: http_requests_per_second, series: http_requests_total, type: counter, window: 2s}\n";
    let adapter = Adapter::start(Some(config), &format!("pods:\n{pods}"));
    let objects = ["pods/web-0", "pods/web-1", "services/web"];
    for rates in [[30.0, 60.0], [120.0, 40.0]] {
        let loads: Vec<Load> = conduits.iter().zip(rates).map(|(own, rate)| Load::at(rate, &own.api)).collect();
        // The windows are to hold nothing but this load.
        std::thread::sleep(Duration::from_millis(3500));
        let (started, before) = (Instant::now(), loads.iter().map(Load::sent).collect::<Vec<_>>());
        let mut sums = [0.0; 3];
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(500));
            for (sum, object) in sums.iter_mut().zip(objects) {
                *sum += adapter.value(object, "http_requests_per_second").expect(object);
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
        let sent: Vec<f64> =
            loads.iter().zip(before).map(|(load, before)| (load.sent() - before) as f64 / seconds).collect();
        for ((sum, object), sent) in sums.iter().zip(objects).zip([sent[0], sent[1], sent[0] + sent[1]]) {
            let mean = sum / 20.0;
            assert!((mean / sent - 1.0).abs() < 0.02, "{object}: {mean} of {sent} a second");
        }
    }
    eventually("usage of both", || {
        let json = adapter.get("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods").json();
        json["items"].as_array().unwrap().len() == 2
    });
}
