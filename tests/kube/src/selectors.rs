//! Label and field selectors.

use serde_json::Value;

use super::resources::Resource;

/// A path, whether it must be equal, and to what.
type FieldTerm = (String, bool, String);

/// Everything an object must meet.
#[derive(Clone, Default)]
pub struct Selector {
    labels: Vec<(String, Condition)>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone)]
enum Condition {
    Present,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Than(std::cmp::Ordering, i64),
}

impl Selector {
    pub fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(resource, fields)? })
    }

    /// What can be understood of fields whose resource is not known; nothing, if it is no selector.
    pub fn parse_fields_only(fields: &str) -> Self {
        Self { labels: Vec::new(), fields: split_fields(fields).unwrap_or_default() }
    }

    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|(key, condition)| condition.holds(labels[key].as_str()))
            && self.fields.iter().all(|(path, equal, value)| (field(object, path) == *value) == *equal)
    }

    /// The name that all objects must have: this is what a list or watch is authorized for.
    pub fn name(&self) -> Option<&str> {
        let name = |(path, equal, value): &&FieldTerm| path == "metadata.name" && *equal && !value.is_empty();
        self.fields.iter().find(name).map(|(_, _, value)| value.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

impl Condition {
    fn holds(&self, value: Option<&str>) -> bool {
        let among = |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
        match self {
            Self::Present => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(values) => among(values),
            Self::NotIn(values) => !among(values),
            Self::Than(order, bound) => {
                value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value.cmp(bound) == *order)
            }
        }
    }
}

/// What is absent is empty, as in Go.
fn field(object: &Value, path: &str) -> String {
    let value = path.split('.').fold(object, |value, name| &value[name]);
    match value {
        Value::Null if path == "spec.unschedulable" || path == "spec.hostNetwork" => "false".to_owned(),
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldTerm>, String> {
    let terms = split_fields(text)?;
    for (path, _, _) in &terms {
        let known = path == "metadata.name" || (path == "metadata.namespace" && resource.namespaced);
        if !known && !resource.fields.contains(&path.as_str()) {
            return Err(if resource.group.is_empty() && resource.name != "configmaps" {
                format!("field label not supported: {path}")
            } else {
                format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
            });
        }
    }
    Ok(terms)
}

fn split_fields(text: &str) -> Result<Vec<FieldTerm>, String> {
    let mut terms = Vec::new();
    for term in text.split(',').filter(|term| !term.is_empty()) {
        let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
            (path, false, value)
        } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (path, true, value)
        } else {
            return Err(format!("invalid selector: '{text}'; can't understand '{term}'"));
        };
        terms.push((path.to_owned(), equal, value.to_owned()));
    }
    Ok(terms)
}

fn parse_labels(text: &str) -> Result<Vec<(String, Condition)>, String> {
    let mut terms = Vec::new();
    for term in split_outside_parentheses(text) {
        let term = term.trim();
        if !term.is_empty() {
            terms.push(parse_label(term).ok_or_else(|| format!("unable to parse requirement: {term:?}"))?);
        }
    }
    Ok(terms)
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_label(term: &str) -> Option<(String, Condition)> {
    let (key, condition) = if let Some(list) = term.strip_suffix(')') {
        let (head, list) = list.split_once('(')?;
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        let (key, operator) = (words.next()?, words.next()?);
        let condition = match operator {
            "in" => Condition::In(values),
            "notin" => Condition::NotIn(values),
            _ => return None,
        };
        (key, condition)
    } else if let Some(key) = term.strip_prefix('!') {
        (key.trim(), Condition::Absent)
    } else if let Some((key, value)) = term.split_once("!=") {
        (key.trim(), Condition::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key.trim(), Condition::In(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = term.split_once('>') {
        (key.trim(), Condition::Than(std::cmp::Ordering::Greater, value.trim().parse().ok()?))
    } else if let Some((key, value)) = term.split_once('<') {
        (key.trim(), Condition::Than(std::cmp::Ordering::Less, value.trim().parse().ok()?))
    } else {
        (term, Condition::Present)
    };
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let valid = |text: &str| text.chars().all(letter);
    let values_valid = match &condition {
        Condition::In(values) | Condition::NotIn(values) => values.iter().all(|value| valid(value) && value.len() < 64),
        _ => true,
    };
    (!key.is_empty() && valid(key) && values_valid).then(|| (key.to_owned(), condition))
}
