//! The metrics-adapter beside the replicas: told of them by its targets file, started again when it dies.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::{mpsc, watch};

use crate::process::{Guard, Process, ProcessError};
use crate::replicas::{Reader, Seen};

/// Its configuration and its targets, in the folder of a run.
const CONFIG: &str = "adapter.yaml";
const TARGETS: &str = "targets.yaml";
/// The files that are written for it there.
pub const FILES: [&str; 2] = [CONFIG, TARGETS];
/// The name of its log.
pub const LOG: &str = "metrics-adapter.log";

/// How long the adapter may take to listen.
const START: Duration = Duration::from_secs(15);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(5);
/// The kubelet's wait before it starts a container again, on the autoscaler's clock.
const BACK_OFF: Duration = Duration::from_secs(10);
/// The adapter's own scrape interval and window, on the autoscaler's clock.
const INTERVAL: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(10);

/// How the adapter is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its program.
    pub program: PathBuf,
    /// Where its files go.
    pub folder: PathBuf,
    /// Where logs go.
    pub logs: PathBuf,
    /// Of its APIs and of its status page; 0 takes a free one.
    pub ports: (u16, u16),
    /// The clock is so many times as fast.
    pub pace: f64,
    /// The namespace of the replicas.
    pub namespace: String,
    /// The Deployment they are of.
    pub deployment: String,
    /// Their labels.
    pub labels: Vec<(String, String)>,
    /// Their container.
    pub container: String,
}

/// What happens to the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It died, with its end; it is started again.
    Died(String),
    /// It serves again.
    Back,
    /// It could not be started; it is tried again.
    Failed(String),
    /// The targets file could not be written.
    Targets(String),
}

/// The adapter's addresses.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Its APIs.
    pub api: SocketAddr,
    /// Its status page and metrics.
    pub ops: SocketAddr,
}

/// A running adapter.
#[derive(Debug)]
pub struct Adapter {
    /// Where it is. It stays there over restarts.
    pub addresses: Addresses,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Adapter {
    /// Starts it and waits until it listens.
    pub async fn start(
        mut settings: Settings,
        guard: Arc<Guard>,
        replicas: Reader,
        mut changes: watch::Receiver<u64>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Event>), ProcessError> {
        let written = |source: io::Error, path: &Path| ProcessError::Start {
            name: "metrics-adapter".to_owned(),
            source: io::Error::new(source.kind(), format!("{}: {source}", path.display())),
        };
        let config = settings.folder.join(CONFIG);
        std::fs::write(&config, configuration(settings.pace)).map_err(|error| written(error, &config))?;
        let targets = settings.folder.join(TARGETS);
        changes.mark_unchanged();
        write_targets(&targets, &settings, &replicas.seen()).map_err(|error| written(error, &targets))?;
        let (process, addresses) = launch(&settings, &guard).await?;
        // A restart is on the same ports, for those who watch.
        settings.ports = (addresses.api.port(), addresses.ops.port());
        let (stop, stopped) = watch::channel(false);
        let (events, receiver) = mpsc::unbounded_channel();
        let keeper = Keeper { settings, guard, replicas, changes, stopped, events, targets };
        let task = tokio::spawn(keeper.run(process));
        Ok((Self { addresses, stop, task }, receiver))
    }

    /// Stops it.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        drop(self.task.await);
    }
}

/// Keeps the adapter running, and told of the replicas.
struct Keeper {
    settings: Settings,
    guard: Arc<Guard>,
    replicas: Reader,
    changes: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    events: mpsc::UnboundedSender<Event>,
    targets: PathBuf,
}

impl Keeper {
    async fn run(mut self, mut process: Process) {
        loop {
            let status = tokio::select! {
                biased;
                () = told(&mut self.stopped) => {
                    process.stop(STOP).await;
                    return;
                }
                Ok(()) = self.changes.changed() => {
                    self.tell_targets();
                    continue;
                }
                status = process.wait() => status,
            };
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            self.events.send(Event::Died(how)).ok();
            match self.again().await {
                Some(started) => process = started,
                None => return,
            }
            self.events.send(Event::Back).ok();
        }
    }

    /// Starts it again, after a wait, as often as it takes; none once all is to stop.
    async fn again(&mut self) -> Option<Process> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(BACK_OFF.div_f64(self.settings.pace)) => {}
                () = told(&mut self.stopped) => return None,
            }
            // What changed meanwhile is told before it starts.
            self.tell_targets();
            let launched = tokio::select! {
                biased;
                () = told(&mut self.stopped) => return None,
                launched = launch(&self.settings, &self.guard) => launched,
            };
            match launched {
                Ok((started, _)) => return Some(started),
                Err(error) => self.events.send(Event::Failed(error.to_string())).ok(),
            };
        }
    }

    fn tell_targets(&self) {
        if let Err(error) = write_targets(&self.targets, &self.settings, &self.replicas.seen()) {
            self.events.send(Event::Targets(format!("{}: {error}", self.targets.display()))).ok();
        }
    }
}

async fn told(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

async fn launch(settings: &Settings, guard: &Guard) -> Result<(Process, Addresses), ProcessError> {
    let mut command = Command::new(&settings.program);
    let (api, ops) = settings.ports;
    command
        .env_clear()
        .args(["--standalone", "--targets"])
        .arg(settings.folder.join(TARGETS))
        .arg("--config")
        .arg(settings.folder.join(CONFIG))
        .args(["--port", &api.to_string(), "--ops-port", &ops.to_string()])
        .args(["--log-format", "text", "--node-name", "rehearsal"]);
    let mut process = Process::start(guard, "metrics-adapter", command, &settings.logs.join(LOG))?;
    let api = process.address("api", START).await?;
    let ops = process.address("ops", START).await?;
    Ok((process, Addresses { api, ops }))
}

/// What the adapter does without a file, on a faster clock.
fn configuration(pace: f64) -> String {
    let millis = |span: Duration| format!("{}ms", span.div_f64(pace).as_millis().max(100));
    let interval = millis(INTERVAL);
    // Never less than two intervals.
    let window = millis(WINDOW.max(2 * INTERVAL));
    format!(
        "# Written by the rehearsal: the adapter's defaults on a clock that runs {pace} times as fast.\n\
         scrape:\n  interval: {interval}\n\
         metrics:\n- name: http_requests_per_second\n  series: http_requests_total\n  type: counter\n  \
         window: {window}\n  description: HTTP requests that were answered, a second\n"
    )
}

/// The replicas as a targets file, swapped in whole.
fn write_targets(path: &Path, settings: &Settings, seen: &[Seen]) -> io::Result<()> {
    let mut text = String::from("# Written by the rehearsal, anew with each change of its replicas.\npods:");
    let listed: Vec<&Seen> = seen.iter().filter(|own| !own.pod.deleted && own.ops.is_some()).collect();
    if listed.is_empty() {
        text.push_str(" []");
    }
    text.push('\n');
    let labels: Vec<String> = settings.labels.iter().map(|(name, value)| format!("'{name}': '{value}'")).collect();
    for own in listed {
        let Some(ops) = own.ops else { continue };
        // Writing to a string cannot fail.
        writeln!(
            text,
            "- name: {}\n  namespace: {}\n  url: http://{ops}/metrics\n  labels: {{{}}}\n  container: {}\n  \
             owner: Deployment/{}\n  services: [real-world-service]",
            own.pod.name,
            settings.namespace,
            labels.join(", "),
            settings.container,
            settings.deployment,
        )
        .ok();
        if let Some(started) = own.pod.started {
            writeln!(text, "  started: {started}").ok();
        }
    }
    let next = path.with_extension("next");
    std::fs::write(&next, text)?;
    std::fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapters_resolution_follows_the_clock() {
        let at = |pace: f64| {
            configuration(pace)
                .lines()
                .filter(|line| line.contains("ms"))
                .map(|line| line.trim().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(at(1.0), ["interval: 5000ms", "window: 10000ms"]);
        assert_eq!(at(5.0), ["interval: 1000ms", "window: 2000ms"]);
        assert_eq!(at(25.0), ["interval: 200ms", "window: 400ms"]);
    }
}
