use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use metrics::gauge;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::sync::{mpsc, watch};

use super::answer;
use super::client::{Client, failure};
use super::server::Server;
use crate::clock::Clock;
use crate::config::{Config, PrometheusSettings};
use crate::kubernetes::Backoff;
use crate::model::{Kinds, QueryFailure, QueryFailureReason};
use crate::reload;
use crate::rules::{ListedSeries, Offers, SeriesRule};
use crate::sources::fetch;
use crate::store::{Catalog, RuleListing};

/// For all series of a rule, from first to last.
const TIMEOUT: Duration = Duration::from_mins(1);
/// More than a million series need less, in bytes.
const LARGEST: usize = 1 << 30;
/// Names, each with a set of labels. A rule of more of them offers more metrics than anybody asks for.
const MOST: usize = 20_000;
/// Listing takes at most this part of the time.
const SHARE: u32 = 10;
/// Chunks of an answer that wait to be read.
const QUEUE: usize = 8;

/// Lists the series of all rules, again and again, and publishes what they make of them.
pub(super) struct Lister {
    server: Arc<Server>,
    config: watch::Receiver<reload::State<Config>>,
    kinds: watch::Receiver<Kinds>,
    catalog: watch::Sender<Arc<Catalog>>,
    clock: Clock,
    /// By series query.
    known: HashMap<String, RuleListing>,
}

impl Lister {
    pub(super) fn new(
        server: Arc<Server>,
        config: watch::Receiver<reload::State<Config>>,
        kinds: watch::Receiver<Kinds>,
        catalog: watch::Sender<Arc<Catalog>>,
        clock: Clock,
    ) -> Self {
        Self { server, config, kinds, catalog, clock, known: HashMap::new() }
    }

    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut clients = self.server.clients();
        loop {
            let config = Arc::clone(&self.config.borrow_and_update().value);
            // What another Prometheus had says nothing of this one.
            if clients.has_changed().unwrap_or(false) {
                clients.mark_unchanged();
                self.known.clear();
            }
            self.publish(&config);
            let began = self.clock.moment();
            let reached = self.list(&config).await;
            self.publish(&config);
            let took = self.clock.moment().since(began);
            let interval = config.prometheus.as_ref().map_or(TIMEOUT, |settings| settings.relist_interval);
            let pause = if reached {
                backoff.succeeded();
                interval.max(took * SHARE)
            } else {
                backoff.failed().max(self.server.pause())
            };
            tokio::select! {
                () = self.server.rest(pause), if !reached => {}
                () = tokio::time::sleep(pause), if reached => {}
                Ok(()) = self.config.changed() => {}
                Ok(()) = self.kinds.changed() => {}
                Ok(()) = clients.changed() => self.known.clear(),
            }
        }
    }

    /// Lists the series of each rule. False, if every attempt failed.
    async fn list(&mut self, config: &Config) -> bool {
        let mut queries: Vec<String> = rules(config).map(|rule| rule.series_query.clone()).collect();
        queries.sort_unstable();
        queries.dedup();
        self.known.retain(|query, _| queries.contains(query));
        let mut reached = queries.is_empty();
        for query in queries {
            let clock = self.clock;
            let listed =
                self.server.request("series", async |client: Arc<Client>| list(&client, &query, clock).await).await;
            reached |= listed.is_ok();
            let known = self.known.entry(query).or_default();
            match listed {
                Ok(series) => {
                    let now = self.clock.now();
                    *known = RuleListing { series: series.into(), listed: Some((now.moment, now.wall)), failure: None };
                }
                Err(failure) => known.failure = Some(failure),
            }
        }
        reached
    }

    fn publish(&self, config: &Arc<Config>) {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let of = |rules: &[SeriesRule]| -> Vec<RuleListing> {
            rules.iter().map(|rule| self.known.get(&rule.series_query).cloned().unwrap_or_default()).collect()
        };
        let (custom, external) = (of(&config.series_rules), of(&config.external_rules));
        let offers = Offers::of(
            &config.series_rules,
            &series(&custom),
            &config.external_rules,
            &series(&external),
            &self.kinds.borrow(),
        );
        let found: usize = self.known.values().flat_map(|own| own.series.iter()).map(|own| own.count).sum();
        gauge!("metrics_adapter_series_listed").set(f64::from(u32::try_from(found).unwrap_or(u32::MAX)));
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let catalog = Catalog { generation, config: Arc::clone(config), custom, external, offers: Arc::new(offers) };
        self.catalog.send_replace(Arc::new(catalog));
    }
}

fn series(listings: &[RuleListing]) -> Vec<&[ListedSeries]> {
    listings.iter().map(|own| &*own.series).collect()
}

fn rules(config: &Config) -> impl Iterator<Item = &SeriesRule> {
    config.series_rules.iter().chain(&config.external_rules)
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
    let end = clock.now().wall.seconds();
    let age = i64::try_from(client.settings().max_age.as_secs()).unwrap_or(i64::MAX);
    let (start, end) = (end.saturating_sub(age).to_string(), end.to_string());
    let form = [("match[]", query), ("start", &start), ("end", &end)];
    let read = async {
        let incoming = client.open("/api/v1/series", &form).await?;
        collect(incoming).await
    };
    let timed_out = |_| failure(QueryFailureReason::Timeout, format!("not listed to the end within {TIMEOUT:?}"));
    tokio::time::timeout(TIMEOUT, read).await.map_err(timed_out)?
}

/// Reads while it arrives: a million series are never held.
async fn collect(mut incoming: Incoming) -> Result<Vec<ListedSeries>, QueryFailure> {
    let (chunks, received) = mpsc::channel::<Result<Bytes, String>>(QUEUE);
    let parsed = tokio::task::spawn_blocking(move || parse(received));
    let mut bytes = 0;
    while let Some(frame) = incoming.frame().await {
        let chunk = match frame {
            Ok(frame) => frame.into_data().map(Ok),
            Err(error) => Ok(Err(format!("the answer broke off: {}", fetch::causes(&error)))),
        };
        let Ok(chunk) = chunk else { continue };
        bytes += chunk.as_ref().map_or(0, Bytes::len);
        if bytes > LARGEST {
            return Err(too_large(&format!("more than {LARGEST} bytes")));
        }
        let broken = chunk.is_err();
        if chunks.send(chunk).await.is_err() || broken {
            break;
        }
    }
    drop(chunks);
    parsed.await.map_err(|error| failure(QueryFailureReason::Malformed, error.to_string()))?
}

fn too_large(what: &str) -> QueryFailure {
    failure(QueryFailureReason::TooLarge, format!("{what}; a narrower seriesQuery finds fewer series"))
}

fn parse(received: mpsc::Receiver<Result<Bytes, String>>) -> Result<Vec<ListedSeries>, QueryFailure> {
    let mut arriving = Arriving { received, chunk: Bytes::new(), beginning: Vec::new(), broken: None };
    let mut found = Found::default();
    let mut deserializer = serde_json::Deserializer::from_reader(io::BufReader::with_capacity(64 << 10, &mut arriving));
    let read = deserializer.deserialize_map(Envelope(&mut found));
    drop(deserializer);
    if let Some(broken) = arriving.broken {
        return Err(failure(QueryFailureReason::Connection, broken));
    }
    if found.too_many {
        return Err(too_large(&format!("more than {MOST} names with different labels")));
    }
    if let Err(error) = read {
        return Err(answer::malformed(&arriving.beginning, &error));
    }
    if found.status != "success" {
        let refused = format!("{}: {}", found.error_type, found.error);
        return Err(failure(QueryFailureReason::Refused, refused));
    }
    Ok(found.sorted())
}

/// What arrives, for whoever reads.
struct Arriving {
    received: mpsc::Receiver<Result<Bytes, String>>,
    chunk: Bytes,
    /// To say what it is, if it is no answer.
    beginning: Vec<u8>,
    broken: Option<String>,
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.received.blocking_recv() {
                None => return Ok(0),
                Some(Err(broken)) => {
                    self.broken = Some(broken.clone());
                    return Err(io::Error::other(broken));
                }
                Some(Ok(chunk)) => {
                    if self.beginning.len() < 512 {
                        self.beginning.extend_from_slice(&chunk[..chunk.len().min(512)]);
                    }
                    self.chunk = chunk;
                }
            }
        }
        let read = self.chunk.len().min(into.len());
        into[..read].copy_from_slice(&self.chunk.split_to(read));
        Ok(read)
    }
}

/// What a listing says so far.
#[derive(Default)]
struct Found {
    status: String,
    error_type: String,
    error: String,
    series: HashMap<String, HashMap<Vec<String>, usize>>,
    sets: usize,
    too_many: bool,
}

impl Found {
    fn add(&mut self, name: String, mut labels: Vec<String>) {
        labels.sort_unstable();
        let of_name = self.series.entry(name).or_default();
        if let Some(count) = of_name.get_mut(&labels) {
            *count += 1;
            return;
        }
        of_name.insert(labels, 1);
        self.sets += 1;
        self.too_many |= self.sets > MOST;
    }

    fn sorted(self) -> Vec<ListedSeries> {
        let mut names: HashMap<String, Arc<str>> = HashMap::new();
        let mut label = |name: String| {
            let shared = names.entry(name).or_insert_with_key(|name| name.as_str().into());
            Arc::clone(shared)
        };
        let mut all = Vec::with_capacity(self.sets);
        for (name, sets) in self.series {
            let name: Arc<str> = name.into();
            for (labels, count) in sets {
                let labels = labels.into_iter().map(&mut label).collect();
                all.push(ListedSeries { name: Arc::clone(&name), labels, count });
            }
        }
        all.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
        all
    }
}

/// The answer, whole.
struct Envelope<'f>(&'f mut Found);

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of Prometheus's API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => self.0.status = map.next_value()?,
                "errorType" => self.0.error_type = map.next_value()?,
                "error" => self.0.error = map.next_value()?,
                "data" => map.next_value_seed(AllSeries(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct AllSeries<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for AllSeries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AllSeries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        while all.next_element_seed(OneSeries(self.0))?.is_some() {
            if self.0.too_many {
                return Err(A::Error::custom("too many"));
            }
        }
        Ok(())
    }
}

struct OneSeries<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for OneSeries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneSeries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the labels of a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut name, mut labels) = (String::new(), Vec::new());
        while let Some(label) = map.next_key::<String>()? {
            if label == "__name__" {
                name = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
                labels.push(label);
            }
        }
        self.0.add(name, labels);
        Ok(())
    }
}
