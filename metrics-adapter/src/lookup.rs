//! A metric of something, looked up: which rule serves it, what was measured or answered, and why there is nothing.
//!
//! What exists is joined here with what is known of it. Everything is in memory; the one thing that is waited for is the
//! first answer to a question that Prometheus was never asked before, and not for long.

mod answers;
mod asked;
mod external;
mod scraped;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::cluster::{Inventory, Pod, View};
use crate::config::Config;
use crate::model::quantity::Milli;
use crate::model::{Absence, GroupResource, Kinds, Moment, Now, ObjectReference, Resource, Selector, Wall};
use crate::store::{Catalog, CatalogReader, Demand, Reader, ResourceUsage, Snapshot};

pub use asked::{AskedMetric, Reading};
pub use external::{External, ExternalValue, ServedExternal};
pub use scraped::Measure;
pub use tally::{Reason, pods_that_match};

/// How long the first who asks a question waits for its answer. The controller's workers are five for all HPAs: what
/// keeps one of them waiting keeps others waiting.
pub const PATIENCE: Duration = Duration::from_millis(1500);
/// So many names are listed when a metric is not known, and no more.
const NAMES: usize = 20;

/// All that metrics are looked up in.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What exists.
    pub inventory: Inventory,
    /// What was measured.
    pub store: Reader,
    /// What Prometheus has.
    pub catalog: CatalogReader,
    /// What Prometheus is asked.
    pub demand: Demand,
    /// What pods and nodes use, as Prometheus says.
    pub usage: watch::Receiver<Arc<ResourceUsage>>,
    /// What resources there are.
    pub kinds: watch::Receiver<Kinds>,
    /// The clocks.
    pub clock: Clock,
}

/// All of it as it was at one moment.
#[derive(Clone, Debug)]
pub struct Instant {
    /// What existed.
    pub view: Arc<View>,
    /// What was measured.
    pub snapshot: Arc<Snapshot>,
    /// What Prometheus had.
    pub catalog: Arc<Catalog>,
    /// What pods and nodes used, if Prometheus is the one who says so.
    pub usage: Option<Arc<ResourceUsage>>,
    /// When that was.
    pub now: Now,
}

impl Facts {
    /// All of it as it is now.
    #[must_use]
    pub fn now(&self) -> Instant {
        let (view, snapshot, catalog) = (self.inventory.current(), self.store.current(), self.catalog.current());
        let usage = snapshot.config.resource_rules.as_ref().map(|_| Arc::clone(&self.usage.borrow()));
        Instant { view, snapshot, catalog, usage, now: self.clock.now() }
    }

    /// The resource that a path of custom metrics names.
    #[must_use]
    pub fn named(&self, resource: &str) -> Option<GroupResource> {
        Resource::named(resource).or_else(|| self.kinds.borrow().named(resource))
    }
}

/// A metric of something, as it is asked for in custom.metrics.k8s.io.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The resource, as in paths: `pods`, `deployments.apps`.
    pub resource: String,
    /// None for what is in no namespace, and for all namespaces.
    pub namespace: Option<String>,
    /// `*` for all that the selector selects.
    pub name: String,
    /// The metric's name.
    pub metric: String,
    /// Which objects.
    pub labels: Selector,
    /// Which series.
    pub series: Selector,
}

/// Why there is no value, for a person, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nobody serves it, or what it is of does not exist.
    Unknown(String),
    /// It is known, and has no value now.
    Absent(String),
}

/// How a metric is served.
#[derive(Debug)]
pub enum Served {
    /// Pods are scraped for it: by the rule at that place.
    Scraped(usize),
    /// Prometheus is asked for it.
    Asked(Box<AskedMetric>),
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// What it is of.
    pub object: ObjectReference<'a>,
    /// The age of its oldest sample counts from here.
    pub at: Moment,
    /// When it was measured, or evaluated.
    pub time: Wall,
    /// What it was taken over, in whole seconds; 0 if it was read off at one moment.
    pub window_seconds: i64,
    /// The value.
    pub quantity: Milli,
}

/// Whole seconds is all there is on the wire; a rate was not taken over none.
fn whole_seconds(window: Duration) -> i64 {
    let millis = window.as_millis();
    let seconds = if millis == 0 { 0 } else { ((millis + 500) / 1000).max(1) };
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

impl Wanted {
    /// How it is served. A question that Prometheus was never asked before is asked, and its answer waited for.
    pub async fn served(&self, facts: &Facts, instant: &Instant) -> Result<Served, Missing> {
        if let Some((place, _)) = instant.snapshot.config.rule(&self.metric)
            && Resource::named(&self.resource).is_some()
        {
            return Ok(Served::Scraped(place));
        }
        let kinds = facts.kinds.borrow().clone();
        let Some(resource) = kinds.named(&self.resource) else {
            let offered = offered(&instant.snapshot.config, &instant.catalog);
            let mut known: Vec<String> = offered.into_iter().map(|(own, ..)| own.to_string()).collect();
            known.dedup();
            let cause = format!("metrics are served for {}", known.join(", "));
            return Err(Missing::Unknown(self.nothing(&self.resource, &cause)));
        };
        let metric = self.asked_metric(resource, facts, instant)?;
        Ok(Served::Asked(Box::new(metric.tried().await)))
    }

    /// The values: never none.
    pub fn values<'a>(&'a self, served: &'a Served, instant: &'a Instant) -> Result<Vec<Value<'a>>, Missing> {
        match served {
            Served::Scraped(place) => self.scraped(*place, instant),
            Served::Asked(metric) => self.answered(metric, instant),
        }
    }

    /// A pod's value, or why it has none. The selector is not looked at.
    pub fn value_of_pod<'a>(&self, pod: &'a Pod, served: &Served, instant: &Instant) -> Result<Value<'a>, Reason> {
        let resource = Resource::of_kind("Pod").ok_or(Reason::Asked(Absence::NoSeries))?;
        let object = ObjectReference { resource, namespace: &pod.namespace, name: &pod.name };
        match served {
            Served::Scraped(place) => {
                let measure = Measure::new(*place, &self.series, instant).ok_or(Reason::Scraped(Absence::NoSeries))?;
                measure.value_of(pod, object).map_err(Reason::Scraped)
            }
            Served::Asked(metric) => metric.value_of(object, instant).map_err(Reason::Asked),
        }
    }

    /// The words that every client of these APIs knows, and the cause.
    fn nothing(&self, of_what: &str, cause: &str) -> String {
        format!("the server could not find the metric {} for {of_what}: {cause}", self.metric)
    }
}

/// What is served under a name, of which resources; for messages and discovery.
#[must_use]
pub fn offered(config: &Config, catalog: &Catalog) -> Vec<(GroupResource, bool, String)> {
    let mut all = Vec::new();
    for rule in &config.rules {
        all.extend(crate::model::RESOURCES.iter().map(|own| (own, own.namespaced, rule.name.clone())));
    }
    for query in &catalog.config.queries {
        for (_, resource) in asked::resources_of(query) {
            all.push((*resource, query.namespace_label.is_some() && resource.namespaced, query.name.clone()));
        }
    }
    all.extend(catalog.offers.all_custom().map(|own| (own.resource, own.namespaced, own.metric.to_string())));
    all.sort_by(|one, other| (one.0.to_string(), &one.2, one.1).cmp(&(other.0.to_string(), &other.2, other.1)));
    all.dedup();
    all
}

/// The names of all external metrics, sorted.
#[must_use]
pub fn offered_external(catalog: &Catalog) -> Vec<String> {
    let mut all: Vec<String> = catalog.config.external_queries.iter().map(|own| own.name.clone()).collect();
    all.extend(catalog.offers.all_external().map(|own| own.metric.to_string()));
    all.sort_unstable();
    all.dedup();
    all
}

/// Why a metric of that name is not known: what there is instead, the nearest first.
fn no_such_metric(metric: &str, mut names: Vec<String>, trouble: Option<String>) -> String {
    names.sort_unstable();
    names.dedup();
    names.sort_by_key(|own| strsim::damerau_levenshtein(own, metric));
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    let mut text = if names.is_empty() {
        "none is configured".to_owned()
    } else {
        format!("no rule serves it; these are served: {}", names.join(", "))
    };
    if more > 0 {
        text = format!("{text}, and {more} more");
    }
    match trouble {
        Some(trouble) => format!("{text}; {trouble}"),
        None => text,
    }
}

/// What is wrong with the listing of series, if something is: a metric may be unknown for that alone.
fn listing_trouble(catalog: &Catalog) -> Option<String> {
    let rules = catalog.custom.iter().chain(&catalog.external);
    let mut failures = rules.clone().filter_map(|own| own.failure.as_ref());
    if let Some(failure) = failures.next() {
        return Some(format!("the series of {} rules could not be listed: {failure}", failures.count() + 1));
    }
    let waiting = rules.filter(|own| own.listed.is_none()).count();
    (waiting > 0).then(|| "the series of Prometheus were not listed yet".to_owned())
}
