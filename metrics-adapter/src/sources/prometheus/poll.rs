use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::client::Client;
use super::pace::{Pace, longest};
use super::server::{Server, rest};
use crate::clock::Clock;
use crate::kubernetes::Backoff;
use crate::model::{Moment, QueryFailure};
use crate::sources::schedule::first;
use crate::store::{Asked, Demand};

/// A question is asked for so long after somebody asked it last: HPAs ask every 15 s, and one that fails more seldom.
const KEEP: Duration = Duration::from_mins(5);
/// What fails is asked again after so long, at the latest.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks each question again and again, for as long as somebody wants to know.
pub(super) struct Poller {
    pub(super) server: Arc<Server>,
    pub(super) demand: Demand,
    pub(super) clock: Clock,
}

/// How a question does.
struct Course {
    /// Each has its place in the interval, so that they do not all come at once.
    place: u64,
    pace: Pace,
    backoff: Backoff,
    /// Whether it was logged that it fails.
    logged: bool,
}

impl Poller {
    pub(super) async fn run(self, mut news: mpsc::UnboundedReceiver<Arc<Asked>>) {
        let shared = Arc::new(self);
        while let Some(asked) = news.recv().await {
            shared.count();
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.poll(&asked).await });
        }
    }

    async fn poll(&self, asked: &Asked) {
        let (mut clients, mut changes) = (self.server.clients(), self.server.changes());
        let mut course = Course::of(asked);
        let mut is_new = true;
        while !self.demand.forget(asked, self.clock.moment().before(KEEP)) {
            let client = clients.borrow_and_update().clone();
            changes.mark_unchanged();
            let began = self.clock.moment();
            let outcome = if std::mem::take(&mut is_new) {
                self.server.query(&asked.question).await
            } else {
                self.server.query_again(&asked.question).await
            };
            if is_another(client.as_deref(), clients.borrow().as_deref()) {
                // What the one before said is not what this one says.
                asked.forget_answer();
                (course, is_new) = (Course::of(asked), true);
                continue;
            }
            let pause = course.pause(client.as_deref(), &outcome, self.clock.moment(), self.server.pause());
            let stale_after = client.as_deref().map_or(Duration::ZERO, |client| client.settings().stale_after);
            self.say(asked, &mut course.logged, outcome.as_ref().err());
            let failing = outcome.is_err();
            let at = outcome.as_ref().map_or(began, |answer| answer.at);
            asked.answered(at, outcome.map(Arc::new), stale_after);
            tokio::select! {
                () = tokio::time::sleep(pause), if !failing => {}
                () = rest(&mut changes, pause), if failing => {}
                Ok(()) = clients.changed() => {
                    if is_another(client.as_deref(), clients.borrow().as_deref()) {
                        asked.forget_answer();
                        (course, is_new) = (Course::of(asked), true);
                    }
                }
            }
        }
        self.count();
    }

    fn count(&self) {
        let queries = u32::try_from(self.demand.len()).unwrap_or(u32::MAX);
        gauge!("metrics_adapter_queries").set(f64::from(queries));
    }

    /// A failure that lasts is said when it begins and when it ends; one of all questions is not said of each.
    fn say(&self, asked: &Asked, logged: &mut bool, failure: Option<&QueryFailure>) {
        let (metric, query) = (&*asked.what, &asked.question.query);
        match failure {
            Some(failure) if !*logged && self.server.pause().is_none() => {
                warn!(metric, "a query failed: {failure}: {query}");
                *logged = true;
            }
            None if std::mem::take(logged) => info!(metric, "a query is answered again: {query}"),
            _ => {}
        }
    }
}

impl Course {
    fn of(asked: &Asked) -> Self {
        let mut hasher = DefaultHasher::new();
        asked.question.hash(&mut hasher);
        Self { place: hasher.finish(), pace: Pace::default(), backoff: Backoff::default(), logged: false }
    }

    /// How long until the question is asked again; `down` is how long Prometheus is left alone.
    fn pause(
        &mut self,
        client: Option<&Client>,
        outcome: &Result<crate::model::Answer, QueryFailure>,
        now: Moment,
        down: Option<Duration>,
    ) -> Duration {
        let settings = client.map(Client::settings);
        let interval = settings.map_or(LONGEST_PAUSE, |settings| settings.interval);
        let stale_after = settings.map_or(LONGEST_PAUSE, |settings| settings.stale_after);
        match (outcome, down) {
            (Ok(answer), _) => {
                self.backoff.succeeded();
                let pace = self.pace.after(answer.took, interval, stale_after);
                // The first time that is somewhere in the next interval, from then on an interval later.
                first(self.place, pace, now.after(pace / 2)).since(now).min(longest(interval, stale_after))
            }
            // Whoever is the first tries for all, the others are woken when it succeeds.
            (Err(_), Some(down)) => down,
            (Err(_), None) => self.backoff.failed().max(interval.min(LONGEST_PAUSE)),
        }
    }
}

/// Whether the answers of one say nothing of those of the other.
pub(super) fn is_another(before: Option<&Client>, now: Option<&Client>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => !before.asks_the_same(now),
        (None, None) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::SHARE;
    use super::*;
    use crate::config::PrometheusSettings;
    use crate::model::{Answer, QueryFailureReason};

    const INTERVAL: Duration = Duration::from_secs(5);

    fn answer(took: Duration) -> Answer {
        Answer { generation: 1, samples: Vec::new(), at: Moment::default(), took, warnings: Vec::new() }
    }

    fn course() -> (Course, Client, Moment) {
        let clock = Clock::start();
        let client = Client::new(PrometheusSettings::at("http://127.0.0.1:9090".parse().unwrap()), clock);
        let course = Course { place: 1_234_567_890, pace: Pace::default(), backoff: Backoff::default(), logged: false };
        (course, client, clock.moment())
    }

    #[tokio::test]
    async fn a_question_keeps_its_place_in_the_interval() {
        let (mut course, client, mut now) = course();
        let first = course.pause(Some(&client), &Ok(answer(Duration::ZERO)), now, None);
        assert!(first >= INTERVAL / 2 && first <= INTERVAL * 3 / 2, "{first:?}");
        now = now.after(first);
        for late in [Duration::ZERO, Duration::from_millis(100), Duration::ZERO] {
            let pause = course.pause(Some(&client), &Ok(answer(Duration::ZERO)), now.after(late), None);
            assert_eq!(pause + late, INTERVAL);
            now = now.after(INTERVAL);
        }
    }

    #[tokio::test]
    async fn what_is_expensive_is_asked_more_seldom_and_never_so_seldom_that_its_answer_is_stale() {
        let (mut course, client, now) = course();
        let mut settings = PrometheusSettings::at("http://127.0.0.1:9090".parse().unwrap());
        settings.stale_after = Duration::from_mins(10);
        let patient = Client::new(settings, Clock::start());
        let took = Duration::from_secs(2);
        let pause = course.pause(Some(&patient), &Ok(answer(took)), now, None);
        assert!(pause >= took * SHARE / 2 && pause <= took * SHARE * 3 / 2, "{pause:?}");
        for _ in 0..5 {
            let pause = course.pause(Some(&client), &Ok(answer(took)), now, None);
            assert!(pause <= INTERVAL * 3 / 2, "{pause:?} of {:?}", client.settings().stale_after);
        }
        let failure = QueryFailure { reason: QueryFailureReason::Timeout, problem: String::new() };
        for _ in 0..20 {
            let pause = course.pause(Some(&client), &Err(failure.clone()), now, None);
            assert!(pause >= INTERVAL && pause <= LONGEST_PAUSE, "{pause:?}");
        }
        let last = course.pause(Some(&client), &Err(failure.clone()), now, None);
        assert!(last >= LONGEST_PAUSE / 2, "{last:?}");
        let down = Some(Duration::from_millis(300));
        assert_eq!(course.pause(Some(&client), &Err(failure), now, down), Duration::from_millis(300));
    }
}
