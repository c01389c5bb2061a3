use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::model::{Moment, Wall};

/// More answers than this many are not remembered: who asks for ever other things must not fill the memory.
const MOST: usize = 10_000;
/// Refusals are kept apart, so that who is refused for ever other things takes nobody's place.
const MOST_REFUSALS: usize = 2_000;
/// More questions than this many are not asked at once; further ones are turned away.
const MOST_ASKED: usize = 500;
/// While the API server is away, it is asked again behind no more often than this.
const RETRY: Duration = Duration::from_secs(10);

/// What the API server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<V> {
    /// Yes, and what goes with it.
    Granted(V),
    /// No, and why.
    Refused(Arc<str>),
}

/// How long answers are good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// What it is, as a label.
    pub(super) what: &'static str,
    /// A yes that is older is asked for again behind the answer.
    pub(super) fresh: Duration,
    /// A yes that is older is asked for again before the answer.
    pub(super) good: Duration,
    /// A yes that is no older stands while the API server is away.
    pub(super) away: Duration,
    /// A no that is older is asked for again.
    pub(super) refused: Duration,
}

/// Answers that are remembered, and questions that are being asked.
#[derive(Debug)]
pub(super) struct Cache<V> {
    policy: Policy,
    clock: Clock,
    inner: Arc<Mutex<Inner<V>>>,
}

#[derive(Debug)]
struct Inner<V> {
    granted: HashMap<Key, Known<V>>,
    refused: HashMap<Key, Known<V>>,
    asked: HashMap<Key, watch::Receiver<Option<Said<V>>>>,
    /// When the API server last failed to answer, if it has not answered since.
    failed: Option<Moment>,
}

/// A digest of what is asked: of a fixed size, however much that is, and of tokens nothing else is kept.
pub(super) type Key = [u8; 32];

type Said<V> = Result<Answer<V>, Unanswered>;

/// Why a question has no answer.
#[derive(Clone, Debug)]
pub(super) struct Unanswered {
    /// For a person.
    pub(super) problem: Arc<str>,
    /// Whether the API server is away. That there are too many questions here does not say so: whoever asks them must
    /// not have others keep what they lost.
    pub(super) away: bool,
}

impl Unanswered {
    pub(super) fn here(problem: impl Into<Arc<str>>) -> Self {
        Self { problem: problem.into(), away: false }
    }
}

#[derive(Debug)]
struct Known<V> {
    answer: Answer<V>,
    at: Moment,
    expires: Option<Wall>,
}

/// What is to be done.
enum Step<V> {
    Answer(Answer<V>),
    Wait(watch::Receiver<Option<Said<V>>>, Option<Answer<V>>),
    TooMany,
}

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    pub(super) fn new(policy: Policy, clock: Clock) -> Self {
        let inner = Inner { granted: HashMap::new(), refused: HashMap::new(), asked: HashMap::new(), failed: None };
        Self { policy, clock, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The answer to a question, remembered or asked for. Those who ask the same at once wait for one question. The
    /// error says why there is none. An answer may say when it expires.
    pub(super) async fn ask<F>(&self, key: &Key, question: impl FnOnce() -> F) -> Said<V>
    where
        F: Future<Output = Result<(Answer<V>, Option<Wall>), Unanswered>> + Send + 'static,
    {
        match self.step(key, question) {
            Step::Answer(answer) => Ok(answer),
            Step::TooMany => {
                Err(Unanswered::here(format!("more than {MOST_ASKED} {}s are being asked for", self.policy.what)))
            }
            Step::Wait(mut said, fallback) => {
                let said = match said.wait_for(Option::is_some).await {
                    Ok(said) => (*said).clone(),
                    Err(_) => None,
                };
                let said = said.unwrap_or_else(|| Err(Unanswered::here("the question was given up")));
                match (said, fallback) {
                    (Err(why), Some(answer)) if why.away || lock(&self.inner).failed.is_some() => {
                        self.count("stale");
                        Ok(answer)
                    }
                    (said, _) => said,
                }
            }
        }
    }

    fn step<F>(&self, key: &Key, question: impl FnOnce() -> F) -> Step<V>
    where
        F: Future<Output = Result<(Answer<V>, Option<Wall>), Unanswered>> + Send + 'static,
    {
        let now = self.clock.now();
        let mut inner = lock(&self.inner);
        let resting = inner.failed.is_some_and(|failed| now.moment.since(failed) < RETRY);
        let Policy { fresh, good, away, refused, .. } = self.policy;
        let mut fallback = None;
        if let Some(known) = inner
            .granted
            .get(key)
            .or_else(|| inner.refused.get(key))
            .filter(|known| known.expires.is_none_or(|end| now.wall < end))
        {
            let age = now.moment.since(known.at);
            match &known.answer {
                Answer::Refused(_) if age < refused => {
                    self.count("hit");
                    return Step::Answer(known.answer.clone());
                }
                Answer::Granted(_) if age < fresh => {
                    self.count("hit");
                    return Step::Answer(known.answer.clone());
                }
                Answer::Granted(_) if age < good => {
                    let answer = known.answer.clone();
                    if !resting && !inner.asked.contains_key(key) {
                        self.count("refreshed");
                        self.begin(&mut inner, key, question());
                    } else {
                        self.count("hit");
                    }
                    return Step::Answer(answer);
                }
                Answer::Granted(_) if age < away => {
                    let answer = known.answer.clone();
                    // Nobody waits for an API server that did not answer when it was last asked.
                    if inner.failed.is_some() {
                        self.count("stale");
                        if !resting && !inner.asked.contains_key(key) {
                            self.begin(&mut inner, key, question());
                        }
                        return Step::Answer(answer);
                    }
                    fallback = Some(answer);
                }
                Answer::Granted(_) | Answer::Refused(_) => {}
            }
        }
        let waits = inner.asked.get(key).cloned();
        if waits.is_none() && inner.asked.len() >= MOST_ASKED {
            self.count("turned_away");
            return Step::TooMany;
        }
        Step::Wait(
            waits.unwrap_or_else(|| {
                self.count("miss");
                self.begin(&mut inner, key, question())
            }),
            fallback,
        )
    }

    /// Asks, and goes on to ask when whoever wanted to know no longer does: the next will.
    fn begin<F>(&self, inner: &mut Inner<V>, key: &Key, question: F) -> watch::Receiver<Option<Said<V>>>
    where
        F: Future<Output = Result<(Answer<V>, Option<Wall>), Unanswered>> + Send + 'static,
    {
        let (says, said) = watch::channel(None);
        let key = *key;
        inner.asked.insert(key, said.clone());
        let (own, clock, what) = (Arc::clone(&self.inner), self.clock, self.policy.what);
        tokio::spawn(async move {
            let outcome = question.await;
            let mut inner = lock(&own);
            inner.asked.remove(&key);
            let outcome = match outcome {
                Ok((answer, expires)) => {
                    if inner.failed.take().is_some() {
                        info!(review = what, "the API server answers again");
                    }
                    inner.remember(key, Known { answer: answer.clone(), at: clock.moment(), expires });
                    Ok(answer)
                }
                Err(why) => {
                    // Once for as long as it lasts.
                    if why.away && inner.failed.replace(clock.moment()).is_none() {
                        warn!(review = what, "{}; what was allowed within the last hour still is", why.problem);
                    }
                    Err(why)
                }
            };
            drop(inner);
            says.send_replace(Some(outcome));
        });
        said
    }

    fn count(&self, result: &'static str) {
        counter!("metrics_adapter_review_cache_total", "kind" => self.policy.what, "result" => result).increment(1);
    }
}

impl<V> Inner<V> {
    fn remember(&mut self, key: Key, known: Known<V>) {
        let (kept, other, most) = match known.answer {
            Answer::Granted(_) => (&mut self.granted, &mut self.refused, MOST),
            Answer::Refused(_) => (&mut self.refused, &mut self.granted, MOST_REFUSALS),
        };
        other.remove(&key);
        if kept.len() >= most && !kept.contains_key(&key) {
            // The older half goes: rare, and cheap for each that came.
            let mut moments: Vec<Moment> = kept.values().map(|known| known.at).collect();
            moments.sort_unstable();
            let middle = moments[moments.len() / 2];
            kept.retain(|_, known| known.at > middle);
        }
        kept.insert(key, known);
    }
}

fn lock<V>(inner: &Mutex<Inner<V>>) -> MutexGuard<'_, Inner<V>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends a part of a key, so that no two lists of parts make the same key.
pub(super) fn field(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A yes is asked for again each time, and stands for an hour while the API server is away.
    const POLICY: Policy = Policy {
        what: "review",
        fresh: Duration::ZERO,
        good: Duration::ZERO,
        away: Duration::from_hours(1),
        refused: Duration::ZERO,
    };
    const KEY: Key = [7; 32];
    const GRANTED: Result<Answer<()>, String> = Ok(Answer::Granted(()));

    async fn ask(cache: &Cache<()>, said: Result<Answer<()>, Unanswered>) -> Result<Answer<()>, String> {
        let asked = cache.ask(&KEY, || async move { said.map(|answer| (answer, None)) });
        asked.await.map_err(|why| why.problem.to_string())
    }

    #[tokio::test]
    async fn a_yes_outlives_its_time_only_while_the_api_server_is_away() {
        let cache = Cache::new(POLICY, Clock::start());
        assert_eq!(ask(&cache, Ok(Answer::Granted(()))).await, GRANTED);
        let busy = || Err(Unanswered::here("too many wait"));
        assert_eq!(ask(&cache, busy()).await, Err("too many wait".to_owned()));
        assert_eq!(ask(&cache, Ok(Answer::Granted(()))).await, GRANTED, "and the API server was not taken to be away");
        let away = || Err(Unanswered { problem: "no route".into(), away: true });
        assert_eq!(ask(&cache, away()).await, GRANTED);
        assert_eq!(ask(&cache, busy()).await, GRANTED, "it was when it was last asked");
    }

    #[tokio::test]
    async fn too_many_questions_give_nobody_back_what_they_had() {
        let cache = Cache::new(POLICY, Clock::start());
        assert_eq!(ask(&cache, Ok(Answer::Granted(()))).await, GRANTED);
        for number in 0..MOST_ASKED {
            let mut key = Key::default();
            key[..8].copy_from_slice(&number.to_le_bytes());
            let Step::Wait(..) = cache.step(&key, std::future::pending) else { panic!("{number}") };
        }
        let problem = ask(&cache, Ok(Answer::Granted(()))).await.unwrap_err();
        assert!(problem.contains("are being asked for"), "{problem}");
    }
}
