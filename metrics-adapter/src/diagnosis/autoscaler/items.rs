use std::time::Duration;

use serde_json::Value;

use super::question::{Of, Question};
use crate::model::Wall;
use crate::model::quantity::Quantity;

/// From this age on a value is what was once. The slowest sources are asked every few minutes.
const OLD: Duration = Duration::from_mins(5);

/// What a metrics API answered.
pub(super) struct Items(Vec<Item>);

/// A value.
struct Item {
    /// Of what it is.
    name: String,
    /// A quantity; none if the answer holds none.
    value: Option<String>,
    at: Option<Wall>,
}

impl Items {
    pub(super) fn read(answer: &Value, question: &Question) -> Self {
        let items = answer["items"].as_array().into_iter().flatten();
        Self(items.map(|item| Item::read(item, &question.of)).collect())
    }

    /// What is wrong with them, and what mends it if that is not what mends that there are none.
    pub(super) fn judge(&self, subject: &str, question: &Question, now: Wall) -> Result<(), (String, Option<String>)> {
        let what = &question.what;
        if self.0.is_empty() {
            return Err((format!("{what} is answered with no value at all"), None));
        }
        if matches!(question.of, Of::Object) && self.0.len() > 1 {
            let wrong = format!("{what} is answered with {} values, and must be one", self.0.len());
            return Err((wrong, Some("give it a selector that leaves one".to_owned())));
        }
        for Item { name, value, at } in &self.0 {
            let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
            // A pod whose containers lack it counts as one without a value.
            if let Some(value) = value
                && Quantity::parse(value).is_err()
            {
                let wrong = format!("the value{of} for {what} is no quantity: {value}");
                return Err((wrong, Some(format!("mend what serves it: {subject} can read none of such values"))));
            }
            let age = at.map_or(0, |at| now.seconds().saturating_sub(at.seconds()));
            if Duration::from_secs(u64::try_from(age).unwrap_or(0)) > OLD {
                let wrong = format!("the value{of} for {what} is {} minutes old", age / 60);
                return Err((wrong, Some("see that what serves it still reads its source".to_owned())));
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, pod: &str) -> bool {
        self.0.iter().any(|item| item.name == pod && item.value.is_some())
    }

    pub(super) fn summary(&self) -> String {
        match &self.0[..] {
            [Item { value: Some(value), .. }] => format!("1 value, {value}"),
            all => format!("{} values", all.len()),
        }
    }
}

impl Item {
    fn read(item: &Value, of: &Of) -> Self {
        let at = item["timestamp"].as_str().and_then(|text| Wall::parse(text).ok());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let Of::Pods { resource: Some(resource), container } = of else {
            let value = Some(text(&item["value"]));
            return Self { name: text(&item["describedObject"]["name"]), value, at };
        };
        let containers = item["containers"].as_array().into_iter().flatten();
        let wanted = containers.filter(|own| container.as_ref().is_none_or(|name| own["name"] == name.as_str()));
        let usages: Vec<Option<&str>> = wanted.map(|own| own["usage"][resource].as_str()).collect();
        // The controller leaves a pod out if one of the containers has no value; that one of them is bad is enough.
        let bad = usages.iter().flatten().find(|usage| Quantity::parse(usage).is_err());
        let first = usages.first().copied().flatten();
        let value = usages.iter().all(Option::is_some).then(|| bad.copied().or(first)).flatten();
        Self { name: text(&item["metadata"]["name"]), value: value.map(str::to_owned), at }
    }
}
