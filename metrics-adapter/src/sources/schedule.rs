use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout_at};
use tracing::{error, info, warn};

use super::buffers::Buffers;
use super::fetch::{self, Fetcher};
use super::read::Wanted;
use crate::clock::Clock;
use crate::cluster::{Inventory, Pod, View};
use crate::config::{Config, ScrapeSettings};
use crate::model::{Batch, FailureReason, Moment, PodKey, Scrape, ScrapeFailure};
use crate::reload;
use crate::store::Report;

/// An exposition of this size takes so long to read that other work should not wait for it.
pub(super) const LARGE: usize = 1 << 20;

/// Names the families of this room, and makes their series exist.
pub(super) fn describe_metrics() {
    describe_histogram!("metrics_adapter_collect_duration_seconds", "How long one collection of a source took.");
    describe_counter!("metrics_adapter_collect_failures_total", "Collections that gave nothing, by source and reason.");
    for reason in FailureReason::ALL {
        counter!("metrics_adapter_collect_failures_total", "source" => "scrape", "reason" => reason.label())
            .absolute(0);
    }
}

/// Scrapes what the inventory names.
#[derive(Debug)]
pub struct Scraper {
    /// What exists.
    pub inventory: Inventory,
    /// How it is scraped.
    pub config: watch::Receiver<reload::State<Config>>,
    /// Who is told.
    pub reports: mpsc::Sender<Report>,
    /// The clocks.
    pub clock: Clock,
}

/// What the scrapes of one configuration share.
#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    fetcher: Fetcher,
    buffers: Buffers,
    reports: mpsc::Sender<Report>,
    clock: Clock,
}

impl Scraper {
    /// Scrapes for ever.
    pub async fn run(mut self) {
        let mut tasks: HashMap<PodKey, JoinHandle<()>> = HashMap::new();
        let mut config = Arc::clone(&self.config.borrow_and_update().value);
        let mut shared = self.share(config.clone(), None);
        let mut view = self.inventory.current();
        loop {
            if let Some(shared) = &shared {
                follow(&view, &mut tasks, shared).await;
            }
            tokio::select! {
                Ok(()) = self.config.changed() => {
                    let next = Arc::clone(&self.config.borrow_and_update().value);
                    if next.generation != config.generation {
                        config = next;
                        for (_, task) in tasks.drain() {
                            task.abort();
                        }
                        shared = self.share(config.clone(), shared);
                    }
                }
                next = self.inventory.changed() => view = next,
            }
        }
    }

    /// Certificates that cannot be read leave the ones before in force.
    fn share(&self, config: Arc<Config>, before: Option<Arc<Shared>>) -> Option<Arc<Shared>> {
        let fetcher = match Fetcher::new(&config.scrape) {
            Ok(fetcher) => fetcher,
            Err(problem) => {
                error!("{problem}; targets of https:// are read as before, or not at all");
                before.map(|shared| shared.fetcher.clone()).or_else(|| Fetcher::new(&ScrapeSettings::default()).ok())?
            }
        };
        let (reports, clock) = (self.reports.clone(), self.clock);
        Some(Arc::new(Shared { config, fetcher, buffers: Buffers::default(), reports, clock }))
    }
}

/// Starts to scrape who is new and stops to scrape who is gone.
async fn follow(view: &View, tasks: &mut HashMap<PodKey, JoinHandle<()>>, shared: &Arc<Shared>) {
    let pods = view.pods(None).iter().filter(|pod| pod.target.is_some());
    let wanted: HashMap<PodKey, &Arc<Pod>> = pods.map(|pod| (pod.key, pod)).collect();
    let gone: Vec<PodKey> = tasks.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
    for key in gone {
        if let Some(task) = tasks.remove(&key) {
            // What it still has to say must not come after its pod was forgotten.
            task.abort();
            let _ = task.await;
        }
        let _ = shared.reports.send(Report::Forget(key)).await;
    }
    for (key, pod) in wanted {
        tasks.entry(key).or_insert_with(|| {
            let scrapes = scrape_for_ever(Arc::clone(shared), Arc::clone(pod));
            tokio::spawn(scrapes)
        });
    }
}

async fn scrape_for_ever(shared: Arc<Shared>, pod: Arc<Pod>) {
    let Some(uri) = &pod.target else { return };
    let interval = shared.config.scrape.interval;
    let mut next = first(pod.key, interval, shared.clock.moment());
    let mut failed = 0;
    loop {
        sleep_until(shared.clock.instant_of(next)).await;
        let started = shared.clock.moment();
        let mut buffer = shared.buffers.take();
        let (at, outcome) = shared.scrape(uri, &mut buffer, started).await;
        shared.buffers.give_back(buffer);
        let took = shared.clock.moment().since(started);
        tell(&pod, took, outcome.as_ref().err(), &mut failed);
        let batch = Batch { pod: pod.key, generation: shared.config.generation, at, took, outcome };
        if shared.reports.send(Report::Batch(batch)).await.is_err() {
            return;
        }
        // The pace is kept: what was late does not make the next one late as well.
        let now = shared.clock.moment();
        while next <= now {
            next = next.after(interval);
        }
    }
}

/// Targets are spread over the interval, each always at the same place in it.
pub(super) fn first(key: PodKey, interval: Duration, now: Moment) -> Moment {
    let place = Duration::from_nanos(key % u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1));
    let mut next = Moment::default().after(place);
    let behind = now.since(next).as_nanos().div_ceil(interval.as_nanos().max(1));
    next = next.after(interval * u32::try_from(behind).unwrap_or(u32::MAX));
    next
}

impl Shared {
    /// One scrape: when its answer began to arrive, or when it was given up, and what came of it.
    async fn scrape(
        &self,
        uri: &hyper::Uri,
        body: &mut Vec<u8>,
        started: Moment,
    ) -> (Moment, Result<Scrape, ScrapeFailure>) {
        let settings = &self.config.scrape;
        let deadline = self.clock.instant_of(started.after(settings.timeout));
        let mut at = None;
        let fetched = timeout_at(deadline, self.fetcher.fetch(uri, body, || at = Some(self.clock.moment()))).await;
        let outcome = match fetched {
            Ok(Ok(page)) => {
                let wanted = Wanted::of(&self.config);
                if body.len() > LARGE {
                    tokio::task::block_in_place(|| wanted.read(body, page.dialect))
                } else {
                    wanted.read(body, page.dialect)
                }
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(fetch::timed_out(settings.timeout)),
        };
        (at.unwrap_or_else(|| self.clock.moment()), outcome)
    }
}

/// From the second in a row: a pod that goes is often asked once more after it is gone.
const LASTING: u64 = 2;

/// Moves the metrics; a failure that lasts is logged when it begins and when it ends.
fn tell(pod: &Pod, took: Duration, failure: Option<&ScrapeFailure>, failed: &mut u64) {
    histogram!("metrics_adapter_collect_duration_seconds", "source" => "scrape").record(took);
    let (namespace, name) = (&*pod.namespace, &*pod.name);
    match failure {
        Some(ScrapeFailure { reason, problem }) => {
            counter!("metrics_adapter_collect_failures_total", "source" => "scrape", "reason" => reason.label())
                .increment(1);
            *failed += 1;
            if *failed == LASTING {
                warn!(namespace, pod = name, reason = reason.label(), "cannot be scraped: {problem}");
            }
        }
        None if std::mem::take(failed) >= LASTING => info!(namespace, pod = name, "can be scraped again"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_spread_over_the_interval_and_keep_their_place_in_it() {
        let interval = Duration::from_secs(5);
        let now = Moment::after_start(Duration::from_secs(17));
        for key in [0, 1, u64::MAX, 4_999_999_999, 1 << 40] {
            let next = first(key, interval, now);
            assert!(next >= now && next.since(now) < interval, "{key}: {next:?}");
            let place = Duration::from_nanos(key % 5_000_000_000);
            assert_eq!(next.since(Moment::default()).as_nanos() % 5_000_000_000, place.as_nanos());
        }
    }
}
