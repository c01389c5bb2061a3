//! Whether the adapter can be asked: for Kubernetes' probes, and for people.
//!
//! Invariant: readiness waits for collections to have been tried, never for one to succeed. A source that is
//! down must not take the adapter's discovery with it: while an aggregated API is not available, every
//! namespace deletion in a cluster hangs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::cluster::{Inventory, View};
use crate::model::Now;
use crate::store::{Reader, Snapshot};

/// Whoever has not been collected from by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at whether everybody has been collected from.
const LOOK: Duration = Duration::from_millis(100);

/// How the process is.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

struct Inner {
    started: Now,
    needs: Vec<Need>,
    collected: AtomicBool,
    draining: AtomicBool,
}

/// Whether sources collected what they have to at first, or tried to.
pub type Collected = Box<dyn Fn() -> bool + Send>;

/// What the adapter cannot answer without. Once it was there it is not looked at again: what is lost later must not
/// take the adapter out of service, which goes on with what it has.
pub struct Need {
    name: &'static str,
    waits_for: Box<dyn Fn() -> Option<String> + Send + Sync>,
    met: AtomicBool,
}

impl Need {
    /// A need, and what it still waits for.
    #[must_use]
    pub fn new(name: &'static str, waits_for: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self { name, waits_for: Box::new(waits_for), met: AtomicBool::new(false) }
    }

    fn problem(&self) -> Option<String> {
        if self.met.load(Ordering::Relaxed) {
            return None;
        }
        let problem = (self.waits_for)();
        self.met.store(problem.is_none(), Ordering::Relaxed);
        problem
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("collected", &self.collected).finish_non_exhaustive()
    }
}

/// Which probe is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `/healthz` and `/livez`: whether the process is alive.
    Live(&'static str),
    /// `/readyz`: whether it should be asked.
    Ready,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether all is well.
    pub ok: bool,
    /// A line a check, as Kubernetes writes them.
    pub lines: Vec<String>,
}

impl Health {
    /// A process that was started just now, and what it needs before it can be asked.
    #[must_use]
    pub fn new(started: Now, needs: Vec<Need>) -> Self {
        let (collected, draining) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Inner { started, needs, collected, draining }))
    }

    /// When the process was started.
    #[must_use]
    pub fn started(&self) -> Now {
        self.0.started
    }

    /// The process was told to stop.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Waits until every target was collected from twice, or was given time enough.
    pub async fn wait_for_collections(self, inventory: Inventory, store: Reader, others: Collected, clock: Clock) {
        while self.0.needs.iter().filter(|need| need.problem().is_some()).count() > 0 {
            tokio::time::sleep(LOOK).await;
        }
        // From here on it is known what is to be collected from.
        let began = clock.moment();
        while clock.moment().since(began) < PATIENCE
            && !(collected_twice(&inventory.current(), &store.current()) && others())
        {
            tokio::time::sleep(LOOK).await;
        }
        self.0.collected.store(true, Ordering::Relaxed);
        tracing::info!("ready");
    }

    /// What a probe finds.
    #[must_use]
    pub fn probe(&self, probe: Probe) -> Finding {
        let mut finding = Finding { ok: true, lines: vec!["[+]ping ok".to_owned()] };
        if probe == Probe::Ready {
            for need in &self.0.needs {
                let problem = need.problem();
                finding.check(need.name, problem.is_none(), &format!("waiting for {}", problem.unwrap_or_default()));
            }
            let collected = self.0.collected.load(Ordering::Relaxed);
            finding.check(
                "collection",
                collected,
                "waiting for every target to have been scraped twice, every kubelet read twice, and Prometheus asked once \
                 for each rule, or 30 s",
            );
            let draining = self.0.draining.load(Ordering::Relaxed);
            finding.check("shutdown", !draining, "the process was told to stop");
        }
        finding
    }
}

impl Finding {
    fn check(&mut self, name: &str, ok: bool, problem: &str) {
        self.ok &= ok;
        self.lines.push(if ok { format!("[+]{name} ok") } else { format!("[-]{name} failed: {problem}") });
    }

    /// The answer's text, as Kubernetes' own servers write it.
    #[must_use]
    pub fn text(&self, probe: Probe, verbose: bool) -> String {
        if self.ok && !verbose {
            return "ok".to_owned();
        }
        let mut text = self.lines.iter().fold(String::new(), |text, line| text + line + "\n");
        let name = match probe {
            Probe::Live(name) => name,
            Probe::Ready => "readyz",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} check {}", if self.ok { "passed" } else { "failed" });
        text
    }
}

fn collected_twice(view: &View, snapshot: &Snapshot) -> bool {
    let targets = view.pods(None).iter().filter(|pod| pod.target.is_some());
    let mut attempts = targets.map(|pod| snapshot.record(pod.key).map_or(0, |record| record.target.attempts));
    attempts.all(|attempts| attempts >= 2)
}
