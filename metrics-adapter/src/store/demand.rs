use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::model::{Answer, Moment, QueryFailure, QueryFailureReason, Question};

/// More different questions than this are not asked at once: each costs Prometheus a query in every interval.
const MOST: usize = 1_000;
/// Autoscalers ask every 15 s. Where there are too many questions, one that nobody has asked for this long makes room
/// for another.
const NEGLECTED: Duration = Duration::from_secs(30);

/// The questions that somebody has Prometheus asked. Whoever wants an answer asks here; who asks Prometheus takes the
/// questions from here and puts the answers back. Clones are the same.
#[derive(Clone, Debug)]
pub struct Demand(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    asked: RwLock<HashMap<Question, Arc<Asked>>>,
    new: mpsc::UnboundedSender<Arc<Asked>>,
}

/// A question that somebody has asked.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// The namespace that it was asked for first; empty, if for none or for all.
    by: Box<str>,
    /// The metric that it was asked for first, as `pods/http_requests_per_second`.
    pub what: Box<str>,
    /// When it was asked for the first time.
    pub since: Moment,
    last: AtomicU64,
    times: AtomicU64,
    state: watch::Sender<AskedState>,
}

/// What became of a question so far.
#[derive(Clone, Debug, Default)]
pub struct AskedState {
    /// How often Prometheus was asked.
    pub attempts: u64,
    /// How many of these failed.
    pub failures: u64,
    /// When the last was sent.
    pub last_attempt: Option<Moment>,
    /// The last answer, however old.
    pub answer: Option<Arc<Answer>>,
    /// Why the last attempt gave none, if it gave none.
    pub failure: Option<QueryFailure>,
    /// From this age on the answer is none any more.
    pub stale_after: Duration,
}

impl Demand {
    /// No question yet; and where whoever asks Prometheus learns of new ones.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Arc<Asked>>) {
        let (new, news) = mpsc::unbounded_channel();
        (Self(Arc::new(Inner { asked: RwLock::default(), new })), news)
    }

    /// Asks a question for a metric, in a namespace: from now on, for as long as somebody asks it, its answer is kept up
    /// to date.
    pub fn ask(
        &self,
        question: &Question,
        by: &str,
        what: impl FnOnce() -> String,
        now: Moment,
    ) -> Result<Arc<Asked>, QueryFailure> {
        // While this is read, nobody can drop it.
        if let Some(asked) = self.0.asked.read().unwrap_or_else(PoisonError::into_inner).get(question) {
            asked.touch(now);
            return Ok(Arc::clone(asked));
        }
        let mut all = self.0.asked.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = all.get(question) {
            asked.touch(now);
            return Ok(Arc::clone(asked));
        }
        if all.len() >= MOST && !make_room(&mut all, by, now) {
            let problem = format!(
                "{MOST} different queries were asked for within the last {NEGLECTED:?} already, and of no other namespace \
                 more"
            );
            return Err(QueryFailure { reason: QueryFailureReason::TooMany, problem });
        }
        let asked = Arc::new(Asked {
            question: question.clone(),
            by: by.into(),
            what: what().into(),
            since: now,
            last: AtomicU64::new(now.nanos()),
            times: AtomicU64::new(1),
            state: watch::Sender::new(AskedState::default()),
        });
        all.insert(question.clone(), Arc::clone(&asked));
        // Nobody asks Prometheus any more: the process is ending.
        let _ = self.0.new.send(Arc::clone(&asked));
        Ok(asked)
    }

    /// The question, if somebody asks it; this does not count as asking.
    #[must_use]
    pub fn known(&self, question: &Question) -> Option<Arc<Asked>> {
        self.0.asked.read().unwrap_or_else(PoisonError::into_inner).get(question).cloned()
    }

    /// All questions, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Asked>> {
        self.0.asked.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Drops a question, if nobody has asked it since then. Only who asks Prometheus does this.
    #[must_use]
    pub fn forget(&self, asked: &Asked, since: Moment) -> bool {
        let mut all = self.0.asked.write().unwrap_or_else(PoisonError::into_inner);
        // It may have made room for another already, and have been asked anew since.
        let gone = !all.get(&asked.question).is_some_and(|own| std::ptr::eq(&raw const **own, asked));
        if !gone && asked.last_asked() < since {
            all.remove(&asked.question);
            return true;
        }
        gone
    }

    /// How many questions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.asked.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Drops the question that nobody has asked for the longest time, if that is long; otherwise the newest of the namespace
/// that has most, if that is more than this one would have. So nobody's many questions keep others from their few.
fn make_room(all: &mut HashMap<Question, Arc<Asked>>, by: &str, now: Moment) -> bool {
    let neglected = all.values().min_by_key(|asked| asked.last_asked());
    let neglected = neglected.filter(|asked| now.since(asked.last_asked()) > NEGLECTED);
    let dropped = neglected.or_else(|| {
        let mut shares: HashMap<&str, usize> = HashMap::new();
        for asked in all.values() {
            *shares.entry(&asked.by).or_default() += 1;
        }
        let own = shares.get(by).copied().unwrap_or_default();
        let (most, share) = shares.into_iter().max_by_key(|(_, share)| *share)?;
        let newest = all.values().filter(|asked| *asked.by == *most).max_by_key(|asked| asked.since);
        newest.filter(|_| share > own + 1)
    });
    let question = dropped.map(|asked| asked.question.clone());
    question.is_some_and(|question| all.remove(&question).is_some())
}

impl Asked {
    fn touch(&self, now: Moment) {
        self.last.fetch_max(now.nanos(), Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody asks it again, who had its answer before.
    pub fn ask_again(&self, now: Moment) {
        self.touch(now);
    }

    /// The number of its last answer.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.state.borrow().answer.as_ref().map(|answer| answer.generation)
    }

    /// When somebody asked it last.
    #[must_use]
    pub fn last_asked(&self) -> Moment {
        Moment::from_nanos(self.last.load(Ordering::Relaxed))
    }

    /// How often somebody asked it.
    #[must_use]
    pub fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    /// What became of it so far.
    #[must_use]
    pub fn state(&self) -> AskedState {
        self.state.borrow().clone()
    }

    /// What became of it, after the first attempt at least; or after `patience`, whatever there is.
    pub async fn tried(&self, patience: Duration) -> AskedState {
        let mut state = self.state.subscribe();
        let tried = state.wait_for(|state| state.attempts > 0);
        match tokio::time::timeout(patience, tried).await {
            Ok(Ok(state)) => state.clone(),
            _ => self.state(),
        }
    }

    /// From now on it is as if it had never been asked: another Prometheus was. Only who asks Prometheus does this.
    pub fn forget_answer(&self) {
        self.state.send_replace(AskedState::default());
    }

    /// Puts in what came of an attempt. Only who asks Prometheus does this.
    pub fn answered(&self, at: Moment, outcome: Result<Arc<Answer>, QueryFailure>, stale_after: Duration) {
        self.state.send_modify(|state| {
            state.attempts += 1;
            state.last_attempt = Some(at);
            state.stale_after = stale_after;
            match outcome {
                Ok(answer) => (state.answer, state.failure) = (Some(answer), None),
                Err(failure) => {
                    state.failures += 1;
                    state.failure = Some(failure);
                }
            }
        });
    }
}

impl AskedState {
    /// The answer, if it is not too old.
    #[must_use]
    pub fn fresh(&self, now: Moment) -> Option<&Arc<Answer>> {
        self.answer.as_ref().filter(|answer| now.since(answer.at) <= self.stale_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: usize) -> Question {
        Question { query: format!("q{number}").into(), window: Duration::ZERO }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn what_nobody_asks_makes_room_and_what_somebody_asks_does_not() {
        let (demand, _news) = Demand::new();
        let ask = |number: usize, now: u64| demand.ask(&question(number), "", String::new, at(now));
        for number in 0..MOST {
            ask(number, 100).unwrap();
        }
        assert_eq!(ask(MOST, 110).unwrap_err().reason, QueryFailureReason::TooMany);
        let old = ask(7, 120).unwrap();
        ask(8, 130).unwrap();
        for number in MOST..2 * MOST - 2 {
            ask(number, 131).unwrap();
        }
        assert!(demand.known(&question(7)).is_some() && demand.known(&question(8)).is_some(), "asked lately");
        assert_eq!(ask(2 * MOST, 131).unwrap_err().reason, QueryFailureReason::TooMany);
        // Whoever polls one that has made room finds out, and does not drop what was asked anew.
        ask(2 * MOST, 151).unwrap();
        assert!(demand.known(&question(7)).is_none());
        ask(7, 170).unwrap();
        assert!(demand.forget(&old, at(0)), "another one's now");
        assert!(demand.known(&question(7)).is_some());
        assert_eq!(demand.len(), MOST);
    }

    #[test]
    fn the_many_questions_of_one_namespace_make_room_for_the_few_of_another() {
        let (demand, _news) = Demand::new();
        let ask = |number: usize, by: &str, now: u64| demand.ask(&question(number), by, String::new, at(now));
        for number in 0..MOST - 1 {
            ask(number, "greedy", 100).unwrap();
        }
        ask(MOST - 1, "greedy", 101).unwrap();
        ask(MOST, "shop", 102).unwrap();
        assert!(demand.known(&question(MOST - 1)).is_none() && demand.known(&question(0)).is_some(), "the newest goes");
        assert_eq!(ask(MOST - 1, "greedy", 103).unwrap_err().reason, QueryFailureReason::TooMany, "and stays away");
        for number in MOST + 1..2 * MOST {
            ask(number, if number % 2 == 0 { "shop" } else { "other" }, 104).ok();
        }
        let shares = ["greedy", "shop", "other"].map(|by| demand.all().iter().filter(|own| *own.by == *by).count());
        assert!(shares.iter().all(|share| (332..=335).contains(share)), "{shares:?}");
        assert_eq!(demand.len(), MOST);
    }
}
