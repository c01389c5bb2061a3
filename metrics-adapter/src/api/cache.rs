use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Instant;
use super::answer::Body;
use super::negotiate::Format;
use crate::model::Moment;

/// More than this is not kept, in bytes: the answers to fifty selectors of a thousand pods fit. What is kept stays until
/// somebody asks of a later snapshot, and the allocator keeps as much again.
const LARGEST: usize = 16 << 20;
/// Longer questions are none that anybody asks twice, in bytes.
const LONGEST_QUESTION: usize = 4096;

/// Answers that were given already, for as long as the snapshot lives that they were made from.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    of: (u64, u64),
    answers: HashMap<(String, Format), Arc<Body>>,
    bytes: usize,
}

fn origin(instant: &Instant) -> (u64, u64) {
    (instant.view.generation(), instant.snapshot.generation)
}

impl Cache {
    /// The answer to that question, made from just this view and snapshot, if it is still good.
    pub(super) fn get(&self, question: &str, format: Format, instant: &Instant) -> Option<Arc<Body>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = (kept.of == origin(instant)).then(|| kept.answers.get(&(question.to_owned(), format))).flatten();
        let good = |until: Option<Moment>| until.is_none_or(|until| instant.now.moment <= until);
        found.filter(|body| good(body.good_until)).cloned()
    }

    /// Keeps an answer.
    pub(super) fn put(&self, question: &str, format: Format, instant: &Instant, body: &Arc<Body>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.of != origin(instant) {
            // Whoever asked a moment ago may be slower than the one who asks now.
            if kept.of > origin(instant) {
                return;
            }
            *kept = Kept { of: origin(instant), ..Kept::default() };
        }
        // Compressed it may be kept as well.
        let bytes = body.len() + body.len() / 4 + question.len();
        if question.len() <= LONGEST_QUESTION && kept.bytes + bytes <= LARGEST {
            kept.bytes += bytes;
            kept.answers.insert((question.to_owned(), format), Arc::clone(body));
        }
    }
}
