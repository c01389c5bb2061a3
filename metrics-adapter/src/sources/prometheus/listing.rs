use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tracing::{info, warn};

use super::client::{Client, failure};
use super::poll::is_another;
use super::series;
use super::server::{Server, rest};
use crate::clock::Clock;
use crate::config::{Config, PrometheusSettings};
use crate::kubernetes::Backoff;
use crate::model::{Kinds, QueryFailure, QueryFailureReason};
use crate::reload;
use crate::rules::{ListedSeries, Offers, SeriesRule};
use crate::store::{Catalog, RuleListing};

/// For all series of a rule, from first to last.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Listing takes at most this part of the time.
const SHARE: u32 = 10;
/// What a rule found nothing of may be there soon: Prometheus was started just now, or a pod was. To look for what is not
/// there costs little.
const SOON: Duration = Duration::from_secs(10);
/// While a listing goes on, what was found so far is published so often.
const MEANWHILE: Duration = Duration::from_secs(1);

/// Lists the series of all rules, again and again, and publishes what they make of them.
pub(super) struct Lister {
    pub(super) server: Arc<Server>,
    pub(super) config: watch::Receiver<reload::State<Config>>,
    pub(super) kinds: watch::Receiver<Kinds>,
    pub(super) catalog: watch::Sender<Arc<Catalog>>,
    pub(super) clock: Clock,
}

/// What is known of one configuration's series.
struct Listings<'l> {
    lister: &'l Lister,
    config: Arc<Config>,
    /// By series query.
    known: HashMap<String, Known>,
}

#[derive(Default)]
struct Known {
    listing: RuleListing,
    /// Whether it was logged that it fails.
    logged: bool,
}

impl Lister {
    pub(super) async fn run(self) {
        let (mut configs, mut kinds, mut clients) = (self.config.clone(), self.kinds.clone(), self.server.clients());
        let mut changes = self.server.changes();
        let mut listings = Listings { lister: &self, config: Arc::default(), known: HashMap::new() };
        let mut asked: Option<Arc<Client>> = None;
        let mut backoff = Backoff::default();
        loop {
            let config = Arc::clone(&configs.borrow_and_update().value);
            let client = clients.borrow_and_update().clone();
            if client.as_ref().map(|own| own.settings()) != config.prometheus.as_ref() {
                // One of the two is still that of before.
                tokio::select! {
                    Ok(()) = clients.changed() => {}
                    Ok(()) = configs.changed() => {}
                    else => return,
                }
                continue;
            }
            // What another Prometheus had says nothing of this one.
            if is_another(asked.as_deref(), client.as_deref()) {
                listings.known.clear();
            }
            asked.clone_from(&client);
            listings.config = config;
            changes.mark_unchanged();
            let began = self.clock.moment();
            let reached = tokio::select! {
                reached = listings.renew(client.as_deref()) => reached,
                Ok(()) = clients.changed() => continue,
                Ok(()) = configs.changed() => continue,
            };
            let now = self.clock.moment();
            let pause = match (&client, reached) {
                (Some(client), true) => {
                    backoff.succeeded();
                    let interval = client.settings().relist_interval;
                    let interval = if listings.lacks_something() { interval.min(SOON) } else { interval };
                    interval.max(now.since(began) * SHARE)
                }
                (Some(_), false) => backoff.failed().max(self.server.pause().unwrap_or_default()),
                (None, _) => TIMEOUT,
            };
            let next = self.clock.instant_of(now.after(pause));
            loop {
                tokio::select! {
                    () = sleep_until(next) => break,
                    () = rest(&mut changes, pause), if !reached => break,
                    Ok(()) = configs.changed() => break,
                    Ok(()) = clients.changed() => break,
                    Ok(()) = kinds.changed() => listings.publish(),
                }
            }
        }
    }
}

impl Listings<'_> {
    /// Whether a rule found nothing.
    fn lacks_something(&self) -> bool {
        self.known.values().any(|own| own.listing.series.is_empty())
    }

    /// Whether a query's series were found so lately that they are not listed again yet.
    fn is_recent(&self, query: &str, interval: Duration) -> bool {
        let listing = self.known.get(query).map(|own| &own.listing);
        let found = listing.filter(|own| own.failure.is_none() && !own.series.is_empty());
        let at = found.and_then(|own| own.listed).map(|(at, _)| at);
        // A listing that is due with the next look is due now.
        at.is_some_and(|at| self.lister.clock.moment().since(at) + SOON.min(interval) / 2 < interval)
    }

    /// Lists the series of each rule that are due, each query once, and publishes what there is. False, if every attempt
    /// failed.
    async fn renew(&mut self, client: Option<&Client>) -> bool {
        let rules = self.config.series_rules.iter().chain(&self.config.external_rules);
        let mut queries: Vec<String> = rules.map(|rule| rule.series_query.clone()).collect();
        queries.sort_unstable();
        queries.dedup();
        self.known.retain(|query, _| queries.contains(query));
        self.publish();
        let Some(client) = client else { return true };
        let interval = client.settings().relist_interval;
        queries.retain(|query| !self.is_recent(query, interval));
        let mut reached = queries.is_empty();
        let mut published = self.lister.clock.moment();
        for query in queries {
            reached |= self.list(query).await;
            let now = self.lister.clock.moment();
            if now.since(published) >= MEANWHILE {
                published = now;
                self.publish();
            }
        }
        self.publish();
        reached
    }

    async fn list(&mut self, query: String) -> bool {
        let clock = self.lister.clock;
        let ask = async |client: Arc<Client>| list(&client, &query, clock).await;
        let listed = self.lister.server.request("series", ask).await;
        let reached = listed.is_ok();
        let Known { listing, logged } = self.known.entry(query.clone()).or_default();
        match listed {
            Ok(series) => {
                if std::mem::take(logged) {
                    info!("the series of {query} are listed again");
                }
                let now = clock.now();
                let listed = Some((now.moment, now.wall));
                *listing = RuleListing { series: series.into(), listed, failure: None };
            }
            Err(failure) => {
                // That nothing can be asked is said once, and not of each.
                if !*logged && self.lister.server.pause().is_none() {
                    warn!("the series of {query} cannot be listed: {failure}");
                    *logged = true;
                }
                listing.failure = Some(failure);
            }
        }
        reached
    }

    fn publish(&self) {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let of = |rules: &[SeriesRule]| -> Vec<RuleListing> {
            let listing = |rule: &SeriesRule| self.known.get(&rule.series_query).map(|own| own.listing.clone());
            rules.iter().map(|rule| listing(rule).unwrap_or_default()).collect()
        };
        let config = Arc::clone(&self.config);
        let (custom, external) = (of(&config.series_rules), of(&config.external_rules));
        let offers = Offers::of(
            &config.series_rules,
            &series(&custom),
            &config.external_rules,
            &series(&external),
            &self.lister.kinds.borrow(),
        );
        self.measure();
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let catalog = Catalog { generation, config, custom, external, offers: Arc::new(offers) };
        self.lister.catalog.send_replace(Arc::new(catalog));
    }

    fn measure(&self) {
        let found: usize = self.known.values().flat_map(|own| own.listing.series.iter()).map(|own| own.count).sum();
        gauge!("metrics_adapter_series_listed").set(f64::from(u32::try_from(found).unwrap_or(u32::MAX)));
        let oldest = self.known.values().map(|own| own.listing.listed.map(|(_, wall)| wall)).min().flatten();
        if let Some(oldest) = oldest {
            #[expect(clippy::cast_precision_loss, reason = "a float holds the seconds of millions of years")]
            gauge!("metrics_adapter_series_last_listing_timestamp_seconds").set(oldest.seconds() as f64);
        }
    }
}

fn series(listings: &[RuleListing]) -> Vec<&[ListedSeries]> {
    listings.iter().map(|own| &*own.series).collect()
}

/// Lists the series of a query once, as `check-config` does.
pub async fn list_once(
    settings: &PrometheusSettings,
    query: &str,
    clock: Clock,
) -> Result<Vec<ListedSeries>, QueryFailure> {
    list(&Client::new(settings.clone(), clock), query, clock).await
}

async fn list(client: &Client, query: &str, clock: Clock) -> Result<Vec<ListedSeries>, QueryFailure> {
    let settings = client.settings();
    let end = clock.now().wall.seconds();
    let age = i64::try_from(settings.max_age.as_secs()).unwrap_or(i64::MAX);
    let (start, end) = (end.saturating_sub(age).to_string(), end.to_string());
    let mut form = vec![("match[]", query), ("start", &start), ("end", &end)];
    form.extend(client.all_or_nothing());
    let read = async {
        let incoming = client.open("/api/v1/series", &form).await?;
        series::read(incoming, settings.accept_partial).await
    };
    let timed_out = |_| {
        let problem = format!("not listed to the end within {TIMEOUT:?}; a narrower seriesQuery finds fewer series");
        failure(QueryFailureReason::Timeout, problem)
    };
    timeout(TIMEOUT, read).await.map_err(timed_out)?
}
