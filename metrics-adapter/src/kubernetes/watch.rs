use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::backoff::Backoff;
use super::explain;
use super::objects::Object;

/// The API server ends a watch after this long; the exact time differs, so that not all watches begin anew at once.
const WATCH_SECONDS: std::ops::Range<u32> = 240..290;
/// A watch that the API server does not end is ended this long after it should have.
const GRACE: Duration = Duration::from_secs(10);
/// Bookmarks come every minute. A connection on which nothing comes for this long has died without a word.
const QUIET: Duration = Duration::from_secs(150);
/// An answer that does not begin by then never will.
const ANSWER: Duration = Duration::from_secs(30);
/// A server that knows nothing of streaming lists never says that the list is complete. One that says nothing at all
/// for this long is taken for such a one.
const SILENCE: Duration = Duration::from_secs(15);
/// A watch that ends sooner without an event was no watch.
const SHORT: Duration = Duration::from_secs(1);
/// A watch that lasts longer is one that works: the next pause is short again.
const LASTING: Duration = Duration::from_mins(1);
const PAGE: u32 = 500;

/// What a watch says.
#[derive(Clone, Debug)]
pub enum Event<K> {
    /// Everything that exists follows, from the start; what was known stays known until it is complete.
    Begin,
    /// An object exists, or is another than before.
    Exists(K),
    /// An object is gone.
    Gone(K),
    /// Everything that exists was said: what was not said since the beginning is gone.
    Complete,
}

/// Nobody wants to know any more.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// Names the families of this room.
pub fn describe_metrics() {
    describe_counter!("metrics_adapter_watch_events_total", "Events of watches of the Kubernetes API, by resource.");
    describe_counter!("metrics_adapter_watch_restarts_total", "Watches that broke and were begun again, by resource.");
    describe_counter!(
        "metrics_adapter_lists_total",
        "Times that everything of a resource was read from the Kubernetes API, by how: a streaming list or a LIST."
    );
    describe_gauge!(
        "metrics_adapter_watch_up",
        "Whether a watch of the Kubernetes API is connected (1) or tries to (0), by resource."
    );
}

/// How a watch does.
#[derive(Clone, Debug, Default)]
pub struct WatchState {
    /// Whether everything that exists was said once.
    pub complete: bool,
    /// Why it is not connected, if it is not.
    pub problem: Option<String>,
    /// How often it broke.
    pub restarts: u64,
}

/// How all watches of this process do.
#[derive(Clone, Debug, Default)]
pub struct Watches(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    states: Mutex<BTreeMap<String, WatchState>>,
    /// The API server refused a streaming list; it is not asked for another.
    lists_only: AtomicBool,
}

impl Watches {
    /// By what they watch.
    #[must_use]
    pub fn states(&self) -> Vec<(String, WatchState)> {
        let states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut WatchState)) {
        let mut states = self.0.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.entry(name.to_owned()).or_default());
    }
}

/// Watches what is selected of a resource.
#[derive(Clone, Debug)]
pub struct Watch<K> {
    /// Where.
    pub api: Api<K>,
    /// By labels.
    pub labels: Option<&'static str>,
    /// By fields.
    pub fields: Option<String>,
    /// What it is called in messages.
    pub name: String,
    /// Where it says how it does.
    pub watches: Watches,
}

/// Why a watch is begun anew.
enum Broken {
    /// From where it was.
    Resume(Option<String>),
    /// From the start: the API server no longer knows where it was.
    Restart(Option<String>),
    /// From the start by a LIST: the API server has no streaming lists, or for this once.
    List(String, bool),
    Unwanted,
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self::Unwanted
    }
}

/// What is known of one object that is watched by its name: nothing yet, that there is none, or what it is.
pub type Seen<K> = Option<Option<K>>;

impl<K: Object + DeserializeOwned> Watch<K> {
    /// Watches one object, which the fields select, for as long as somebody wants to know.
    #[must_use]
    pub fn one(self) -> watch::Receiver<Seen<K>> {
        let (sees, seen) = watch::channel(None);
        let mut exists = false;
        tokio::spawn(self.run(async move |event| {
            match event {
                Event::Begin => exists = false,
                Event::Exists(object) => {
                    exists = true;
                    sees.send_replace(Some(Some(object)));
                }
                Event::Complete if exists => {}
                Event::Complete | Event::Gone(_) => {
                    sees.send_replace(Some(None));
                }
            }
            if sees.is_closed() { Err(Gone) } else { Ok(()) }
        }));
        seen
    }

    /// Watches for ever, or until nobody wants to know.
    pub async fn run(self, mut tell: impl AsyncFnMut(Event<K>) -> Result<(), Gone>) {
        self.watches.change(&self.name, |_| {});
        self.up(false);
        let mut backoff = Backoff::default();
        let mut version: Option<String> = None;
        let mut by_list = false;
        loop {
            let began = Instant::now();
            let broken = self.follow(&mut version, by_list, &mut tell).await;
            by_list = false;
            if began.elapsed() > LASTING {
                backoff.succeeded();
            }
            let problem = match broken {
                Broken::Unwanted => return,
                Broken::Resume(problem) => problem,
                Broken::Restart(problem) => {
                    version = None;
                    problem
                }
                Broken::List(problem, for_ever) => {
                    if for_ever {
                        self.watches.0.lists_only.store(true, Ordering::Relaxed);
                    }
                    info!(resource = &*self.name, "no streaming list, so a LIST is asked for: {problem}");
                    (version, by_list) = (None, true);
                    continue;
                }
            };
            // The end that every watch has.
            if problem.is_none() && began.elapsed() > SHORT {
                continue;
            }
            let problem = problem.unwrap_or_else(|| "it ends at once".to_owned());
            self.broke(&problem);
            sleep(backoff.failed()).await;
        }
    }

    async fn follow(
        &self,
        version: &mut Option<String>,
        by_list: bool,
        tell: &mut impl AsyncFnMut(Event<K>) -> Result<(), Gone>,
    ) -> Broken {
        let lists = by_list || self.watches.0.lists_only.load(Ordering::Relaxed);
        if version.is_none() && lists {
            match self.list(tell).await {
                Ok(listed) => *version = Some(listed),
                Err(broken) => return broken,
            }
            self.completed();
        }
        let seconds = fastrand::u32(WATCH_SECONDS);
        let mut initial = version.is_none();
        let params = WatchParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields.clone(),
            timeout: Some(seconds),
            bookmarks: true,
            send_initial_events: initial,
        };
        let began = Instant::now();
        // What is read from the start is not older than what the API server has: no cache that lags behind.
        let from = version.clone().unwrap_or_default();
        let stream = match timeout(ANSWER, self.api.watch(&params, &from)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return refused(&error, initial),
            Err(_) => return Broken::Resume(Some(format!("no answer within {ANSWER:?}"))),
        };
        let mut stream = pin!(stream);
        if initial {
            if let Err(gone) = tell(Event::Begin).await {
                return gone.into();
            }
        } else {
            self.connected();
        }
        let end = began + Duration::from_secs(seconds.into()) + GRACE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let patience = if initial { SILENCE } else { left.min(QUIET) };
            let event = match timeout(patience, stream.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return broke(&error, initial),
                Ok(None) if initial => return Broken::Restart(Some("it ended before it was complete".to_owned())),
                Ok(None) => return Broken::Resume(None),
                Err(_) if initial => return Broken::List(format!("nothing within {SILENCE:?}"), false),
                Err(_) => return Broken::Resume(Some(format!("nothing came within {patience:?}"))),
            };
            counter!("metrics_adapter_watch_events_total", "resource" => Self::resource()).increment(1);
            let told = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    if !initial {
                        version.clone_from(&object.meta().resource_version);
                    }
                    tell(Event::Exists(object)).await
                }
                WatchEvent::Deleted(object) => {
                    if !initial {
                        version.clone_from(&object.meta().resource_version);
                    }
                    tell(Event::Gone(object)).await
                }
                WatchEvent::Bookmark(bookmark) => {
                    let complete = bookmark.metadata.annotations.contains_key("k8s.io/initial-events-end");
                    if !initial || complete {
                        *version = Some(bookmark.metadata.resource_version);
                    }
                    if initial && complete {
                        initial = false;
                        counter!("metrics_adapter_lists_total", "resource" => Self::resource(), "how" => "stream")
                            .increment(1);
                        self.completed();
                        tell(Event::Complete).await
                    } else {
                        Ok(())
                    }
                }
                WatchEvent::Error(status) => {
                    let problem = format!("the API server ended it with {}: {}", status.code, status.message);
                    return match status.code {
                        // Expected whenever the API server was away for long.
                        410 => Broken::Restart(Some(problem)),
                        _ if initial => Broken::Restart(Some(problem)),
                        _ => Broken::Resume(Some(problem)),
                    };
                }
            };
            if told.is_err() {
                return Broken::Unwanted;
            }
        }
    }

    /// Reads all, page by page, and returns the version that it is of.
    async fn list(&self, tell: &mut impl AsyncFnMut(Event<K>) -> Result<(), Gone>) -> Result<String, Broken> {
        let mut params = ListParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields.clone(),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        tell(Event::Begin).await?;
        counter!("metrics_adapter_lists_total", "resource" => Self::resource(), "how" => "list").increment(1);
        loop {
            let page = match timeout(ANSWER, self.api.list(&params)).await {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => return Err(Broken::Restart(Some(explain(&error)))),
                Err(_) => return Err(Broken::Restart(Some(format!("no answer within {ANSWER:?}")))),
            };
            for object in page.items {
                tell(Event::Exists(object)).await?;
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                let version = page.metadata.resource_version.filter(|version| !version.is_empty());
                let version = version
                    .ok_or_else(|| Broken::Restart(Some("the list is of no version; can it be watched?".to_owned())))?;
                tell(Event::Complete).await?;
                return Ok(version);
            }
        }
    }

    fn completed(&self) {
        self.watches.change(&self.name, |state| state.complete = true);
        self.connected();
    }

    fn connected(&self) {
        self.up(true);
        self.watches.change(&self.name, |state| {
            if state.problem.take().is_some() {
                info!(resource = &*self.name, "can be watched again");
            }
        });
    }

    fn broke(&self, problem: &str) {
        self.up(false);
        counter!("metrics_adapter_watch_restarts_total", "resource" => Self::resource()).increment(1);
        self.watches.change(&self.name, |state| {
            state.restarts += 1;
            if state.problem.replace(problem.to_owned()).is_none() {
                warn!(resource = &*self.name, "the watch broke and is tried again: {problem}");
            }
        });
    }

    fn up(&self, up: bool) {
        gauge!("metrics_adapter_watch_up", "resource" => self.name.clone()).set(f64::from(u8::from(up)));
    }

    fn resource() -> String {
        K::plural(&()).into_owned()
    }
}

/// The watch was refused.
fn refused(error: &kube::Error, initial: bool) -> Broken {
    let problem = explain(error);
    match error {
        // 422: it does not have streaming lists switched on; 400: it does not know what is asked for.
        kube::Error::Api(status) if initial && matches!(status.code, 400 | 422) => Broken::List(problem, true),
        kube::Error::Api(status) if status.code == 410 => Broken::Restart(Some(problem)),
        _ => Broken::Resume(Some(problem)),
    }
}

/// The stream broke.
fn broke(error: &kube::Error, initial: bool) -> Broken {
    let problem = Some(explain(error));
    // What cannot be read now could not be read when it came again; what is cut off can.
    let unreadable = matches!(error, kube::Error::SerdeError(error) if !error.is_eof());
    if initial || unreadable { Broken::Restart(problem) } else { Broken::Resume(problem) }
}
