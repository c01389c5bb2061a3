//! Requests that ask the same at the same time get one answer.
//!
//! When many ask for the front page at once, all replicas would ask the one database that they share
//! the same question as often. Here each of them asks it once for everybody who waits: whoever comes
//! while it is being asked waits for the next time, so that nobody gets an answer that was read before
//! they asked.
//!
//! A question is asked [twice at once](AT_ONCE), so that two clients alone do not wait for each other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

/// A question that takes longer is asked again beside the first time: to wait for others must not add
/// up.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often the same question is asked at the same time.
const AT_ONCE: usize = 2;

/// Those who wait for an answer, by question.
pub(super) struct Together<Q, A> {
    rounds: Mutex<HashMap<Q, Rounds<A>>>,
}

struct Rounds<A> {
    /// A permit is held while the question is being asked.
    turns: Arc<Semaphore>,
    /// The round that has not begun; whoever comes now belongs to it.
    next: Arc<OnceCell<A>>,
    /// Requests that are here; with the last one the question is forgotten.
    present: usize,
}

impl<A> Default for Rounds<A> {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), next: Arc::new(OnceCell::new()), present: 0 }
    }
}

impl<Q: Hash + Eq + Clone, A: Clone> Together<Q, A> {
    pub(super) fn new() -> Self {
        Self { rounds: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Q, Rounds<A>>> {
        // Nothing panics while it holds this lock.
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, read by `ask` now or by somebody else's since this was called; and
    /// whether it was somebody else's.
    ///
    /// If whoever asks for all of them hangs up, the next of them asks.
    pub(super) async fn answer(&self, question: Q, ask: impl AsyncFnOnce() -> A) -> (A, bool) {
        let (present, turns, round) = self.enter(question);
        let mut shared = true;
        let answer = round
            .get_or_init(async || {
                let _turn = timeout(PATIENCE, turns.acquire()).await;
                present.begin(&round);
                shared = false;
                ask().await
            })
            .await
            .clone();
        (answer, shared)
    }

    fn enter(&self, question: Q) -> (Present<'_, Q, A>, Arc<Semaphore>, Arc<OnceCell<A>>) {
        let mut all = self.lock();
        let rounds = all.entry(question.clone()).or_default();
        rounds.present += 1;
        (Present { together: self, question }, Arc::clone(&rounds.turns), Arc::clone(&rounds.next))
    }
}

/// A request that waits for an answer or reads it.
struct Present<'a, Q: Hash + Eq + Clone, A: Clone> {
    together: &'a Together<Q, A>,
    question: Q,
}

impl<Q: Hash + Eq + Clone, A: Clone> Present<'_, Q, A> {
    /// The round begins: whoever comes from now on belongs to another.
    fn begin(&self, round: &Arc<OnceCell<A>>) {
        if let Some(rounds) = self.together.lock().get_mut(&self.question)
            && Arc::ptr_eq(&rounds.next, round)
        {
            rounds.next = Arc::new(OnceCell::new());
        }
    }
}

impl<Q: Hash + Eq + Clone, A: Clone> Drop for Present<'_, Q, A> {
    fn drop(&mut self) {
        let mut all = self.together.lock();
        if let Some(rounds) = all.get_mut(&self.question) {
            rounds.present -= 1;
            if rounds.present == 0 {
                all.remove(&self.question);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Asks a question that takes a while; the answer is how often it has been asked.
    async fn ask(
        together: &Together<&'static str, usize>,
        asked: &AtomicUsize,
        question: &'static str,
    ) -> (usize, bool) {
        together
            .answer(question, async || {
                let answer = asked.fetch_add(1, Ordering::Relaxed) + 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
                answer
            })
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_while_a_question_is_asked_waits_for_the_next_time() {
        let (together, asked) = (Together::new(), AtomicUsize::new(0));
        let ask = |after| {
            let (together, asked) = (&together, &asked);
            async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                ask(together, asked, "q").await
            }
        };
        let (first, second, third, fourth, fifth) = tokio::join!(ask(0), ask(1), ask(2), ask(3), ask(11));
        // Two are asked at once; the two who come then share the next time, and the last, who comes when
        // that has begun, does not.
        assert_eq!((first, second), ((1, false), (2, false)));
        assert_eq!((third.0, fourth.0, fifth.0), (3, 3, 4));
        assert_eq!((third.1, fourth.1), (false, true));
        assert!(together.lock().is_empty(), "nothing is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn if_whoever_asks_hangs_up_the_next_one_asks() {
        let (together, asked) = (Together::new(), AtomicUsize::new(0));
        let hasty = timeout(Duration::from_millis(5), ask(&together, &asked, "q"));
        let (hasty, patient) = tokio::join!(hasty, ask(&together, &asked, "q"));
        assert!(hasty.is_err());
        assert_eq!(patient, (2, false));
        assert!(together.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_takes_long_holds_nobody_up() {
        let together = Together::new();
        let started = tokio::time::Instant::now();
        let slow = |after| {
            let together = &together;
            async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                together.answer("q", async || tokio::time::sleep(Duration::from_secs(1)).await).await
            }
        };
        tokio::join!(slow(0), slow(1), slow(2), slow(3));
        assert!(started.elapsed() < Duration::from_millis(1_100), "{:?}", started.elapsed());
    }
}
