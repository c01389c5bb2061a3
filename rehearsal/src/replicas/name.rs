use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// The letters and digits of Kubernetes' names: none that could make a word.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Names of pods as a Deployment's are: `real-world-7d4b9c8f6d-x2k8p`.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    random: RandomState,
    count: u64,
}

impl Names {
    pub(super) fn new(deployment: &str) -> Self {
        let random = RandomState::new();
        let template = letters(random.hash_one(deployment), 10);
        Self { prefix: format!("{deployment}-{template}"), random, count: 0 }
    }

    pub(super) fn next(&mut self) -> Arc<str> {
        self.count += 1;
        format!("{}-{}", self.prefix, letters(self.random.hash_one(self.count), 5)).into()
    }
}

fn letters(mut number: u64, count: usize) -> String {
    let base = LETTERS.len() as u64;
    (0..count)
        .map(|_| {
            let place = usize::try_from(number % base).unwrap_or_default();
            number /= base;
            char::from(LETTERS[place])
        })
        .collect()
}
