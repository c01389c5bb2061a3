use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// The letters and digits of Kubernetes' names: none that could make a word.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How many of them tell a Deployment's template, and a pod of it.
const OF_TEMPLATE: usize = 10;
const OF_POD: usize = 5;

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
        let template = letters(random.hash_one(deployment), OF_TEMPLATE);
        Self { prefix: format!("{deployment}-{template}"), random, count: 0 }
    }

    pub(super) fn next(&mut self) -> Arc<str> {
        self.count += 1;
        format!("{}-{}", self.prefix, letters(self.random.hash_one(self.count), OF_POD)).into()
    }
}

/// Whether this is the name of some Deployment's replica.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let made = |part: &str, count: usize| part.len() == count && part.bytes().all(|byte| LETTERS.contains(&byte));
    let mut parts = text.rsplitn(3, '-');
    let (pod, template, deployment) = (parts.next(), parts.next(), parts.next());
    pod.is_some_and(|pod| made(pod, OF_POD))
        && template.is_some_and(|template| made(template, OF_TEMPLATE))
        && deployment.is_some_and(|deployment| !deployment.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replicas_name_is_known_from_others() {
        assert!(is_name(&Names::new("real-world").next()));
        for other in
            ["api", "real-world", "-7d4b9c8f6d-x2k8p", "real-world-7d4b9c8f6d-x2k8", "real-world-backup2026-first"]
        {
            assert!(!is_name(other), "{other}");
        }
    }
}
