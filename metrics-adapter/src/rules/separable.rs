use std::collections::HashMap;

use super::query::ObjectLabels;
use super::template::Template;

/// Whether one question can be about all objects, as it was found out.
#[derive(Debug, Default)]
pub(super) struct Separable(HashMap<ObjectLabels, bool>);

impl Separable {
    pub(super) fn is(&mut self, _template: &Template, _series: &str, labels: &ObjectLabels) -> bool {
        *self.0.entry(labels.clone()).or_insert(false)
    }
}
