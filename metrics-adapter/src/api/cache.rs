use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::Body;
use super::negotiate::Format;
use crate::lookup::{AskedMetric, Instant};
use crate::model::Moment;
use crate::store::Asked;

/// More than this is not kept, in bytes: the answers to fifty selectors of a thousand pods fit. What is kept stays until
/// somebody asks of a later snapshot, and the allocator keeps as much again.
const LARGEST: usize = 16 << 20;
/// Longer questions are none that anybody asks twice, in bytes.
const LONGEST_QUESTION: usize = 4096;

/// Answers that were given already, for as long as what they were made from is the newest.
#[derive(Debug, Default)]
pub(super) struct Cache {
    scraped: Mutex<Kept>,
    asked: Mutex<KeptAsked>,
}

#[derive(Debug, Default)]
struct Kept {
    of: (u64, u64),
    answers: HashMap<(String, Format), Arc<Body>>,
    bytes: usize,
}

/// Made from Prometheus's answers, each of which has a pace of its own.
#[derive(Debug, Default)]
struct KeptAsked {
    of: (u64, u64),
    answers: HashMap<(String, Format), Made>,
    bytes: usize,
}

/// A body, and the answer that it was made from.
#[derive(Debug)]
struct Made {
    asked: Arc<Asked>,
    answer: u64,
    body: Arc<Body>,
}

fn origin(instant: &Instant) -> (u64, u64) {
    (instant.view.generation(), instant.snapshot.generation)
}

fn origin_of_asked(instant: &Instant) -> (u64, u64) {
    (instant.view.generation(), instant.catalog.generation)
}

/// Compressed it may be kept as well.
fn size(question: &str, body: &Body) -> Option<usize> {
    (question.len() <= LONGEST_QUESTION).then(|| body.len() + body.len() / 4 + question.len())
}

impl Cache {
    /// The answer to that question, made from just this, if it is still good.
    pub(super) fn get(&self, question: &str, format: Format, instant: &Instant) -> Option<Arc<Body>> {
        let key = (question.to_owned(), format);
        let found = self.scraped(&key, instant).or_else(|| self.asked(&key, instant));
        let good = |until: Option<Moment>| until.is_none_or(|until| instant.now.moment <= until);
        found.filter(|body| good(body.good_until))
    }

    fn scraped(&self, key: &(String, Format), instant: &Instant) -> Option<Arc<Body>> {
        let kept = self.scraped.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.of == origin(instant)).then(|| kept.answers.get(key)).flatten().cloned()
    }

    fn asked(&self, key: &(String, Format), instant: &Instant) -> Option<Arc<Body>> {
        let kept = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let made = (kept.of == origin_of_asked(instant)).then(|| kept.answers.get(key)).flatten()?;
        // Whoever is answered from here asks as well.
        made.asked.ask_again(instant.now.moment);
        (made.asked.generation() == Some(made.answer)).then(|| Arc::clone(&made.body))
    }

    /// Keeps an answer that was made from what was scraped.
    pub(super) fn put(&self, question: &str, format: Format, instant: &Instant, body: &Arc<Body>) {
        let mut kept = self.scraped.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.of != origin(instant) {
            // Whoever asked a moment ago may be slower than the one who asks now.
            if kept.of > origin(instant) {
                return;
            }
            *kept = Kept { of: origin(instant), ..Kept::default() };
        }
        let Some(bytes) = size(question, body).filter(|bytes| kept.bytes + bytes <= LARGEST) else { return };
        kept.bytes += bytes;
        kept.answers.insert((question.to_owned(), format), Arc::clone(body));
    }

    /// Keeps an answer that was made from one of Prometheus's.
    pub(super) fn put_asked(
        &self,
        question: &str,
        format: Format,
        instant: &Instant,
        metric: &AskedMetric,
        body: &Arc<Body>,
    ) {
        let Some(answer) = metric.state.answer.as_ref().map(|answer| answer.generation) else { return };
        let mut kept = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.of != origin_of_asked(instant) {
            if kept.of > origin_of_asked(instant) {
                return;
            }
            *kept = KeptAsked { of: origin_of_asked(instant), ..KeptAsked::default() };
        }
        let Some(bytes) = size(question, body) else { return };
        if kept.bytes + bytes > LARGEST {
            kept.forget_old();
        }
        if kept.bytes + bytes > LARGEST {
            return;
        }
        let made = Made { asked: Arc::clone(&metric.asked), answer, body: Arc::clone(body) };
        kept.bytes += bytes;
        if let Some(before) = kept.answers.insert((question.to_owned(), format), made) {
            kept.bytes = kept.bytes.saturating_sub(size(question, &before.body).unwrap_or_default());
        }
    }
}

impl KeptAsked {
    /// What was made from older answers serves nobody any more.
    fn forget_old(&mut self) {
        self.answers.retain(|_, made| made.asked.generation() == Some(made.answer));
        self.bytes = self.answers.iter().filter_map(|((question, _), made)| size(question, &made.body)).sum();
    }
}
