//! Watches: what was, what comes, bookmarks, and how they end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::call::{Call, Form};
use super::lists;
use super::resources::Resource;
use super::selectors::Selector;
use super::server::{Connection, Shared};
use super::status::{Cause, Refusal};
use super::store::{Change, Item};

/// A watch that a request has opened.
struct Watch {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    resource: &'static Resource,
    namespace: String,
    selector: Selector,
    form: Form,
    bookmarks: bool,
    /// Where it is.
    version: u64,
    /// What had been ordered when it began.
    before: Ends,
    frames: mpsc::Sender<Bytes>,
}

/// Answers with the stream of a watch, or with why not.
pub fn open(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    resource: &'static Resource,
    call: &Call,
    form: Form,
) -> Result<mpsc::Receiver<Bytes>, Refusal> {
    let initial = validate(call, shared.options.watch_list)?;
    let selector = call.selector(resource)?;
    let asked = call.number("resourceVersion")?.filter(|version| *version > 0);
    let timeout = Duration::from_secs(call.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).unwrap_or(2400));
    let namespace = if resource.namespaced { call.asked.namespace.clone() } else { String::new() };
    let (frames, receiver) = mpsc::channel(16);
    let (shared, connection) = (Arc::clone(shared), Arc::clone(connection));
    let bookmarks = call.flag("allowWatchBookmarks") == Some(true);
    // Now, and not in the task: an order given from here on must reach this watch.
    let ends = shared.ends.subscribe();
    let before = *ends.borrow();
    // A watch that has begun hears of everything, whatever is forgotten: only its beginning may be too old.
    let (current, floor) = {
        let store = shared.store.lock().unwrap();
        (store.version, store.floor)
    };
    let version = asked.unwrap_or(current);
    let old = (asked.is_some() && initial != Some(true) && version < floor).then(|| Refusal::too_old(version, floor));
    let mut watch =
        Watch { shared, connection, resource, namespace, selector, form, bookmarks, version, before, frames };
    let open = watch.shared.open_watches(resource.name);
    open.fetch_add(1, Ordering::SeqCst);
    tokio::spawn(async move {
        match old {
            Some(refusal) => _ = watch.send_error(&refusal).await,
            None => _ = watch.run(asked, initial, ends, timeout).await,
        }
        open.fetch_sub(1, Ordering::SeqCst);
    });
    Ok(receiver)
}

/// How watches are told to end.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Ends {
    pub closed: u64,
    pub cut: u64,
    pub expired: u64,
}

impl Watch {
    async fn run(
        &mut self,
        asked: Option<u64>,
        initial: Option<bool>,
        mut ends: tokio::sync::watch::Receiver<Ends>,
        timeout: Duration,
    ) -> Option<()> {
        let deadline = Instant::now() + timeout;
        let mut news = self.shared.news.subscribe();
        let before = self.before;
        match initial {
            // The initial events of the streaming list, and of the oldest kind of watch, which starts with everything.
            Some(true) => {
                self.send_all(asked).await?;
                self.send_bookmark(true).await?;
            }
            Some(false) => {}
            _ if asked.is_none() => self.send_all(None).await?,
            _ => {}
        }
        let every = self.shared.options.bookmark_every;
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.send_changes().await?;
            tokio::select! {
                _ = news.changed() => {}
                _ = ticks.tick() => self.send_bookmark(false).await?,
                () = tokio::time::sleep_until(deadline) => return self.send_bookmark(false).await,
                () = self.frames.closed() => return None,
                _ = ends.changed() => {
                    let now = *ends.borrow_and_update();
                    if now.cut != before.cut {
                        self.cut().await;
                    } else if now.expired != before.expired {
                        self.send_error(&Refusal::too_old(self.version, self.version + 1)).await?;
                    }
                    return None;
                }
            }
        }
    }

    async fn send_all(&mut self, at_least: Option<u64>) -> Option<()> {
        let (version, items) = {
            let store = self.shared.store.lock().unwrap();
            (store.version, store.list(self.resource, &self.namespace))
        };
        if let Some(asked) = at_least.filter(|asked| *asked > version) {
            self.send_error(&Refusal::too_new(asked, version)).await?;
            return None;
        }
        for (_, item) in items.iter().filter(|(_, item)| self.selector.matches(&item.value)) {
            self.send_event("ADDED", item).await?;
        }
        self.version = version;
        Some(())
    }

    async fn send_changes(&mut self) -> Option<()> {
        let (current, changes) = {
            let store = self.shared.store.lock().unwrap();
            (store.version, store.since(self.resource, self.version))
        };
        for change in &changes {
            if let Some((event, item)) = self.seen(change) {
                self.send_event(event, &item).await?;
            }
        }
        self.version = self.version.max(current);
        Some(())
    }

    /// What a change is to who selects: objects come and go with their labels, too.
    fn seen(&self, change: &Change) -> Option<(&'static str, Arc<Item>)> {
        if !self.namespace.is_empty() && change.key.0 != self.namespace {
            return None;
        }
        let chosen = |item: &Option<Arc<Item>>| item.clone().filter(|item| self.selector.matches(&item.value));
        match (chosen(&change.old), chosen(&change.new)) {
            (None, None) => None,
            (None, Some(new)) => Some(("ADDED", new)),
            (Some(_), Some(new)) => Some(("MODIFIED", new)),
            (Some(old), None) => Some(("DELETED", old.at(change.version))),
        }
    }

    async fn send_event(&self, event: &str, item: &Item) -> Option<()> {
        self.send(&format!(r#"{{"type":"{event}","object":{}}}"#, lists::write(self.resource, item, self.form))).await
    }

    async fn send_error(&self, refusal: &Refusal) -> Option<()> {
        self.send(&format!(r#"{{"type":"ERROR","object":{}}}"#, refusal.json())).await
    }

    async fn send_bookmark(&self, initial_end: bool) -> Option<()> {
        if !self.bookmarks {
            return Some(());
        }
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, version, zero) = match self.form {
            Form::Whole => (self.resource.kind, self.resource.api_version(), self.resource.zero),
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned(), ""),
        };
        let comma = if zero.is_empty() { "" } else { "," };
        let object = format!(r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{metadata}{comma}{zero}}}"#);
        self.send(&format!(r#"{{"type":"BOOKMARK","object":{object}}}"#)).await
    }

    /// None when nobody reads any more.
    async fn send(&self, line: &str) -> Option<()> {
        self.shared.faults.pass().await;
        self.frames.send(Bytes::from(format!("{line}\n"))).await.ok()
    }

    /// Half an event, then the connection is gone.
    async fn cut(&self) {
        let half = format!(
            r#"{{"type":"MODIFIED","object":{{"kind":"{}","apiVersion":"v1","metadata":{{"na"#,
            self.resource.kind
        );
        _ = self.frames.send(Bytes::from(half)).await;
        // The half must be on the wire before the connection is taken away from under it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.connection.kill.notify_one();
        // The answer must not seem to be over before.
        self.frames.closed().await;
    }
}

/// Whether initial events are asked for, and may be.
fn validate(call: &Call, watch_list: bool) -> Result<Option<bool>, Refusal> {
    let field = "resourceVersionMatch";
    let (mut matching, mut initial) = (call.parameter(field), call.flag("sendInitialEvents"));
    if watch_list
        && matching.is_empty()
        && initial.is_none()
        && matches!(call.parameter("resourceVersion").as_str(), "" | "0")
    {
        // The server fills this in since it lists by watches; the end of the initial events is marked then, too.
        (matching, initial) = ("NotOlderThan".to_owned(), Some(true));
    }
    let mut causes = Vec::new();
    if initial.is_some() {
        if matching != "NotOlderThan" {
            causes.push(Cause::forbidden(
                field,
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if !watch_list {
            let message = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            causes.push(Cause::forbidden("sendInitialEvents", message));
        }
    }
    if !matching.is_empty() {
        if initial.is_none() {
            let message = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(field, message));
        }
        if matching != "NotOlderThan" {
            causes.push(Cause::unsupported(field, &matching, &["NotOlderThan"]));
        }
        if !call.parameter("continue").is_empty() {
            causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    if causes.is_empty() { Ok(initial) } else { Err(Refusal::invalid("ListOptions", "meta.k8s.io", "", &causes)) }
}
