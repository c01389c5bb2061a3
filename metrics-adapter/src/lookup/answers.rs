use crate::model::{Absence, Answer, QuerySample};

/// The samples of an answer, in the order of what they are of.
#[derive(Debug)]
pub(super) struct Index {
    /// Places in the answer, sorted by namespace and name, and of the same by their place.
    order: Box<[u32]>,
    name_label: std::sync::Arc<str>,
    namespace_label: Option<std::sync::Arc<str>>,
}

impl Index {
    pub(super) fn of(
        answer: &Answer,
        name_label: &std::sync::Arc<str>,
        namespace_label: Option<&std::sync::Arc<str>>,
    ) -> Self {
        let count = u32::try_from(answer.samples.len()).unwrap_or(u32::MAX);
        let mut index =
            Self { order: Box::default(), name_label: name_label.clone(), namespace_label: namespace_label.cloned() };
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by(|one, other| index.key(answer, *one).cmp(&index.key(answer, *other)));
        index.order = order.into();
        index
    }

    fn key<'a>(&self, answer: &'a Answer, place: u32) -> (&'a str, &'a str) {
        let sample = &answer.samples[place as usize];
        (self.namespace_of(sample), sample.labels.get(&self.name_label).unwrap_or_default())
    }

    fn namespace_of<'a>(&self, sample: &'a QuerySample) -> &'a str {
        self.namespace_label.as_deref().and_then(|label| sample.labels.get(label)).unwrap_or_default()
    }

    /// The samples of an object, in the answer's order. Without a label of namespaces all are of the one asked for.
    pub(super) fn of_object<'a>(
        &'a self,
        answer: &'a Answer,
        namespace: &str,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = &'a QuerySample> + ExactSizeIterator {
        let wanted = (if self.namespace_label.is_some() { namespace } else { "" }, name);
        let from = self.order.partition_point(|place| self.key(answer, *place) < wanted);
        let to = from + self.order[from..].partition_point(|place| self.key(answer, *place) == wanted);
        self.order[from..to].iter().map(|place| &answer.samples[*place as usize])
    }

    /// The names of the objects of a namespace that the answer has, sorted; of all, without a label of namespaces.
    pub(super) fn names<'a>(&'a self, answer: &'a Answer, namespace: Option<&str>) -> Vec<(&'a str, &'a str)> {
        let keys = self.order.iter().map(|place| self.key(answer, *place)).filter(|(_, name)| !name.is_empty());
        let here = keys
            .filter(|(own, _)| self.namespace_label.is_none() || namespace.is_none_or(|namespace| namespace == *own));
        let mut names: Vec<_> = here.collect();
        names.dedup();
        names
    }
}

/// Whether a sample's value is one.
pub(super) fn check(value: f64, allow_negative: bool) -> Result<f64, Absence> {
    match value {
        value if !value.is_finite() => Err(Absence::NotFinite),
        value if value < 0.0 && !allow_negative => Err(Absence::Negative),
        value => Ok(value),
    }
}
