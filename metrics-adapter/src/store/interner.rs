use std::collections::HashMap;
use std::sync::Arc;

use crate::exposition::LabelText;
use crate::model::Labels;

/// Below so many texts it is not worth looking for those that nobody uses.
const WORTH_A_LOOK: usize = 4096;

/// The label texts of all pods, each kept once: replicas of one program write the same ones.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashMap<Arc<str>, Arc<Labels>>,
    /// How many there were after the last cleaning.
    kept: usize,
}

/// A label text and what it says.
#[derive(Clone, Debug)]
pub(super) struct Interned {
    pub(super) text: Arc<str>,
    pub(super) labels: Arc<Labels>,
}

impl Interner {
    pub(super) fn intern(&mut self, text: &str) -> Interned {
        if let Some((text, labels)) = self.texts.get_key_value(text) {
            return Interned { text: Arc::clone(text), labels: Arc::clone(labels) };
        }
        let pairs = LabelText::checked(text).iter().map(|(name, value)| (name, value.into_owned()));
        let interned = Interned { text: text.into(), labels: Arc::new(pairs.collect()) };
        self.texts.insert(Arc::clone(&interned.text), Arc::clone(&interned.labels));
        interned
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Drops texts that no series has, now and then.
    pub(super) fn forget_unused(&mut self) {
        if self.texts.len() > WORTH_A_LOOK.max(2 * self.kept) {
            self.texts.retain(|text, _| Arc::strong_count(text) > 1);
            self.texts.shrink_to_fit();
            self.kept = self.texts.len();
        }
    }
}
