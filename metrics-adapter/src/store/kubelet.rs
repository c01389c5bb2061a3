//! What kubelets say has been used, to what is being used.
//!
//! A kubelet measures each container at a time of its own and says when; CPU is taken between two of these
//! times, both by the kubelet's clock, so that neither the way here nor a clock that is wrong changes it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::node::{ContainerUsage, NodeRecord, PodUsage};
use super::record::TargetState;
use super::usage::whole;
use crate::model::{Absence, ContainerName, KubeletBatch, KubeletScrape, Moment, Now, RawUsage, Usage, Wall};

/// A container that says it started this much later than it said before, in seconds, was started again.
const LATER: f64 = 1.0;
/// Its start is as good a first point as any, once it is this old.
const OLD_ENOUGH: Duration = Duration::from_secs(10);
/// CPU time between two points closer together than this is mostly how often the kernel counts.
const SHORTEST: Duration = Duration::from_secs(1);
/// A stamp this much older or newer than its answer is of a clock that is wrong: then the answer's time is taken.
const PAST: Duration = Duration::from_mins(1);
const FUTURE: Duration = Duration::from_secs(10);
/// If a kubelet's clock went on by so much more or less than ours, it was set. Kubelets measure every 10 to 15
/// seconds, so that what is new in an answer may be this old.
const SET: Duration = Duration::from_secs(30);
/// Below so many names it is not worth looking for those that nobody has.
const WORTH_A_LOOK: usize = 4096;

/// What is remembered of a node.
#[derive(Debug, Default)]
pub(super) struct NodeHistory {
    record: Option<Arc<NodeRecord>>,
    node: Option<Point>,
    /// Of all containers of the record, in its order.
    containers: Vec<Option<Point>>,
}

/// What a container had used at one time.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// By the kubelet's clock.
    stamp: Wall,
    /// When it was first seen here.
    seen: Moment,
    cpu_seconds: f64,
    started: Option<f64>,
}

/// The names of namespaces and containers, each kept once: most containers share both with others.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: HashSet<Arc<str>>,
    /// How many there were after the last cleaning.
    kept: usize,
}

impl NodeHistory {
    /// Takes in one attempt to read the kubelet.
    pub(super) fn absorb(&mut self, batch: KubeletBatch, names: &mut Names, now: &Now) -> Arc<NodeRecord> {
        let KubeletBatch { at, took, resolution, outcome, .. } = batch;
        let before = self.record.take();
        let last = before.as_ref().map(|record| &record.target);
        // Three rounds without an answer, after what was already a round old when it came.
        let stale_after = resolution * 3 + Duration::from_secs(15);
        let record = match outcome {
            Err(failure) => {
                let target = TargetState::after(last, at, took, Err(failure));
                let usage = before.as_ref().map_or(Err(Absence::NeverScraped), |record| record.usage);
                let pods = before.as_ref().map(|record| Arc::clone(&record.pods)).unwrap_or_default();
                NodeRecord { usage, pods, target, stale_after }
            }
            Ok(scrape) => {
                let round = Round { at, resolution, now };
                let size = (scrape.bytes, scrape.series, scrape.warning.clone());
                let target = TargetState::after(last, at, took, Ok(size));
                let known = before.as_ref().map_or(Err(Absence::NeverScraped), |record| record.usage);
                let usage = round.go_on(&mut self.node, known, &scrape.node);
                let pods = self.pods(before.as_deref(), &scrape, &round, names);
                NodeRecord { usage, pods, target, stale_after }
            }
        };
        let record = Arc::new(record);
        self.record = Some(Arc::clone(&record));
        record
    }

    /// Joins what is said with what was known; both are sorted in the same way.
    fn pods(
        &mut self,
        before: Option<&NodeRecord>,
        scrape: &KubeletScrape,
        round: &Round<'_>,
        names: &mut Names,
    ) -> Arc<[PodUsage]> {
        let points = std::mem::take(&mut self.containers);
        let known = before.into_iter().flat_map(|record| record.pods.iter()).flat_map(Known::of_pod);
        let mut known = known.zip(points).peekable();
        let mut pods: Vec<PodUsage> = Vec::with_capacity(before.map_or(0, |record| record.pods.len()));
        let mut containers: Vec<ContainerUsage> = Vec::new();
        let mut open: Option<(Arc<str>, Arc<str>)> = None;
        self.containers.reserve(scrape.containers().len());
        for ((namespace, pod, container), raw) in scrape.containers() {
            while known.next_if(|(own, _)| own.compare((namespace, pod, container)) == Ordering::Less).is_some() {}
            let own = known.next_if(|(own, _)| own.compare((namespace, pod, container)) == Ordering::Equal);
            let (own, mut point) = own.unzip();
            let same =
                |(own_namespace, own_pod): &(Arc<str>, Arc<str>)| **own_namespace == *namespace && **own_pod == *pod;
            if !open.as_ref().is_some_and(same) {
                pods.extend(open.take().map(|names| close(names, &mut containers)));
                let kept = own.as_ref().map(|own: &Known<'_>| (&own.pod.namespace, &own.pod.name));
                let kept = kept.map(|(namespace, name)| (Arc::clone(namespace), Arc::clone(name)));
                open = Some(kept.unwrap_or_else(|| (names.intern(namespace), pod.into())));
            }
            let point = point.get_or_insert(None);
            let usage = own.as_ref().map_or(Err(Absence::NeverScraped), |own| own.container.usage);
            let usage = round.go_on(point, usage, raw);
            let name = own.map_or_else(|| names.intern(container), |own| Arc::clone(&own.container.name));
            containers.push(ContainerUsage { name, usage });
            self.containers.push(*point);
        }
        pods.extend(open.take().map(|names| close(names, &mut containers)));
        pods.into()
    }

    pub(super) fn points(&self) -> usize {
        self.containers.len() + usize::from(self.node.is_some())
    }
}

fn close((namespace, name): (Arc<str>, Arc<str>), containers: &mut Vec<ContainerUsage>) -> PodUsage {
    PodUsage { namespace, name, containers: std::mem::take(containers).into() }
}

/// A container of the record before.
struct Known<'a> {
    pod: &'a PodUsage,
    container: &'a ContainerUsage,
}

impl<'a> Known<'a> {
    fn of_pod(pod: &'a PodUsage) -> impl Iterator<Item = Self> {
        pod.containers.iter().map(move |container| Self { pod, container })
    }

    fn compare(&self, other: ContainerName<'_>) -> Ordering {
        (&*self.pod.namespace, &*self.pod.name, &*self.container.name).cmp(&other)
    }
}

/// One answer of a kubelet.
struct Round<'a> {
    at: Moment,
    resolution: Duration,
    now: &'a Now,
}

impl Round<'_> {
    /// What is used, by what was used until now, what was known before, and the point that this goes on from.
    fn go_on(
        &self,
        point: &mut Option<Point>,
        known: Result<Usage, Absence>,
        raw: &RawUsage,
    ) -> Result<Usage, Absence> {
        let memory = raw.memory_bytes.and_then(whole).filter(|bytes| *bytes > 0);
        let cpu_seconds = raw.cpu_seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        let (Some(memory_bytes), Some(cpu_seconds)) = (memory, cpu_seconds) else {
            // What ended has no memory any more, and what has not begun none yet.
            *point = None;
            return Err(Absence::NoSeries);
        };
        let started = raw.started.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
        let stamp = raw.stamp.unwrap_or_else(|| self.now.wall_of(self.at));
        let next = Point { stamp, seen: self.at, cpu_seconds, started };
        let before = point.filter(|before| !before.is_of_another(&next));
        let (base, since) = match before {
            Some(before) => match next.since(&before) {
                Since::Measured(window) => (before.cpu_seconds, window),
                Since::Same => return known,
                Since::ClockSet => {
                    *point = Some(next);
                    return known;
                }
            },
            None => match next.age().filter(|age| *age >= OLD_ENOUGH && *age < self.resolution) {
                Some(age) => (0.0, age),
                None => {
                    *point = Some(next);
                    return Err(Absence::ScrapedOnce);
                }
            },
        };
        *point = Some(next);
        let cpu_nanocores = whole((cpu_seconds - base) / since.as_secs_f64() * 1e9).ok_or(Absence::NotFinite)?;
        let swap_bytes = raw.swap_bytes.and_then(whole);
        Ok(Usage { cpu_nanocores, memory_bytes, swap_bytes, at: self.moment_of(stamp), window: since })
    }

    /// When that was, by our own clock.
    fn moment_of(&self, stamp: Wall) -> Moment {
        let moment = self.now.moment_of(stamp);
        let plausible = self.at.since(moment) <= PAST && moment.since(self.at) <= FUTURE;
        if plausible { moment } else { self.at }
    }
}

/// How a point follows another.
enum Since {
    /// This long after it.
    Measured(Duration),
    /// It is the same: nothing was measured in between.
    Same,
    /// Nobody knows: the kubelet's clock was set.
    ClockSet,
}

impl Point {
    /// Whether the container was started again in between.
    fn is_of_another(&self, next: &Self) -> bool {
        let later = next.started.zip(self.started).is_some_and(|(next, own)| next > own + LATER);
        later || next.cpu_seconds < self.cpu_seconds
    }

    fn since(&self, before: &Self) -> Since {
        let millis = self.stamp.millis().saturating_sub(before.stamp.millis());
        let Ok(elapsed) = u64::try_from(millis).map(Duration::from_millis) else { return Since::ClockSet };
        if elapsed < SHORTEST {
            return Since::Same;
        }
        let here = self.seen.since(before.seen);
        if elapsed.abs_diff(here) > SET { Since::ClockSet } else { Since::Measured(elapsed) }
    }

    /// How old the container was.
    fn age(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "a float holds the milliseconds of millennia")]
        let age = self.stamp.millis() as f64 / 1e3 - self.started?;
        Duration::try_from_secs_f64(age).ok()
    }
}

impl Names {
    fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(name) = self.names.get(name) {
            return Arc::clone(name);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// Drops names that nobody has, now and then.
    pub(super) fn forget_unused(&mut self) {
        if self.names.len() > WORTH_A_LOOK.max(2 * self.kept) {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            self.names.shrink_to_fit();
            self.kept = self.names.len();
        }
    }
}

#[cfg(test)]
mod tests;
