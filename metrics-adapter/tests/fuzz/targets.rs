//! What must hold of any bytes.

use metrics_adapter::cluster::Targets;
use metrics_adapter::config::Config;
use metrics_adapter::exposition::{Dialect, Entry, LabelText, Parser};
use metrics_adapter::model::quantity::{Bytes, Milli, Nano, Quantity};
use metrics_adapter::model::{FieldSelector, Labels, Selector};

pub(crate) fn exposition(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n').count();
    for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
        let (mut entries, mut failed) = (0, false);
        for entry in Parser::new(input, dialect, |_| true) {
            assert!(!failed, "there is nothing after an error");
            entries += 1;
            match entry {
                Ok(Entry::Sample(sample)) => {
                    let read: Vec<_> = sample.labels.iter().collect();
                    let again: Vec<_> = LabelText::checked(sample.labels.text()).iter().collect();
                    assert_eq!(read, again);
                }
                Ok(Entry::Type { family, .. }) => assert!(!family.is_empty()),
                Err(error) => {
                    failed = true;
                    assert!(error.to_string().starts_with("line "), "{error}");
                    assert!(error.line <= lines, "{error}");
                }
            }
        }
        assert!(entries <= lines + 1);
        let unwanted = Parser::new(input, dialect, |_| false).filter_map(Result::ok);
        assert!(unwanted.into_iter().all(|entry| !matches!(entry, Entry::Sample(_))));
    }
}

pub(crate) fn selector(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(fields) = FieldSelector::parse(&text) {
        let _ = fields.matches("namespace", "name");
    }
    let Ok(selector) = Selector::parse(&text) else { return };
    let shown = selector.to_string();
    let again = Selector::parse(&shown).unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
    assert_eq!(again, selector, "{text:?} is shown as {shown:?}");
    let keys =
        selector.requirements().iter().map(|own| (own.key.clone(), own.values.first().cloned().unwrap_or_default()));
    let all: Labels = keys.collect();
    for labels in [Labels::default(), all] {
        let each = selector.requirements().iter().all(|own| {
            let alone = Selector::parse(&own.to_string()).unwrap_or_else(|error| panic!("{own}: {error}"));
            alone.matches(&labels)
        });
        assert_eq!(selector.matches(&labels), each, "{selector} of {labels}");
    }
}

pub(crate) fn quantity(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(quantity) = Quantity::parse(&text) {
        let shown = quantity.to_string();
        assert_eq!(Quantity::parse(&shown), Ok(quantity), "{text:?} is shown as {shown:?}");
        assert!(
            i128::from(quantity.milli()) * 1_000_000
                >= quantity.nanos().clamp(i128::from(i64::MIN) * 1_000_000, i128::from(i64::MAX) * 1_000_000)
        );
    }
    let mut eight = [0; 8];
    let length = input.len().min(8);
    eight[..length].copy_from_slice(&input[..length]);
    let bits = u64::from_le_bytes(eight);
    let small = bits >> 8;
    for (shown, nanos) in [
        (Nano(small).to_string(), i128::from(small)),
        (Bytes(small).to_string(), i128::from(small) * 1_000_000_000),
        (Milli(small.cast_signed()).to_string(), i128::from(small) * 1_000_000),
    ] {
        assert_eq!(Quantity::parse(&shown).map(Quantity::nanos), Ok(nanos), "{shown}");
    }
    if let Some(Milli(milli)) = Milli::nearest(f64::from_bits(bits)) {
        Milli(milli).to_string();
    }
}

pub(crate) fn configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Err(problem) = Config::parse(&text) {
        assert!(problem.starts_with("line "), "{problem}");
    }
}

pub(crate) fn targets_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let targets = Targets { machine: "machine".into() };
    match targets.parse(&text) {
        Err(problem) => assert!(problem.starts_with("line ") || problem.starts_with("does not end"), "{problem}"),
        Ok(view) => {
            for pod in view.pods(None) {
                assert!(view.pod(&pod.namespace, &pod.name).is_some_and(|found| found.key == pod.key));
            }
        }
    }
}
