use super::{Mark, Problem};

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub(super) at: Mark,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// As it was written; whether it had quotes.
    Scalar(String, bool),
    List(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) at: Mark,
    pub(super) name: String,
}

impl Node {
    /// Where it begins.
    #[must_use]
    pub fn at(&self) -> Mark {
        self.at
    }

    /// Whether it is there in form only: `key:` or `key: null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(text, false) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// It must be a text, a number or a word.
    pub fn text(&self, path: &str) -> Result<String, Problem> {
        match &self.value {
            Value::Scalar(text, _) if !self.is_null() => Ok(text.clone()),
            _ => Err(self.unexpected("text", path)),
        }
    }

    /// It must be a whole number, without quotes.
    pub fn integer(&self, path: &str) -> Result<i64, Problem> {
        match &self.value {
            Value::Scalar(text, false) if !self.is_null() => {
                text.parse().map_err(|_| self.unexpected("a whole number", path))
            }
            _ => Err(self.unexpected("a whole number without quotes", path)),
        }
    }

    /// The part under that key, if it is a mapping that has it: for who reads a few things out of a document of
    /// somebody else's.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Value::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// The parts of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// It must be `true` or `false`.
    pub fn boolean(&self, path: &str) -> Result<bool, Problem> {
        match &self.value {
            Value::Scalar(text, false) if text == "true" => Ok(true),
            Value::Scalar(text, false) if text == "false" => Ok(false),
            _ => Err(self.unexpected("true or false", path)),
        }
    }

    /// It must be `true` or `false`, or another word that YAML 1.1 has for them, as files of other programs do.
    pub fn boolean_of_yaml_1_1(&self, path: &str) -> Result<bool, Problem> {
        match &self.value {
            Value::Scalar(text, false) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => Ok(true),
                "false" | "no" | "off" | "n" => Ok(false),
                _ => Err(self.unexpected("true or false", path)),
            },
            _ => Err(self.unexpected("true or false", path)),
        }
    }

    /// It must be a mapping of any names; each is read with its path, and none may come twice.
    pub fn entries<T>(
        &self,
        path: &str,
        mut entry: impl FnMut(&str, Mark, &Self, &str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let Value::Mapping(entries) = &self.value else { return Err(self.unexpected("a mapping", path)) };
        let mut read = Vec::with_capacity(entries.len());
        for (place, (key, node)) in entries.iter().enumerate() {
            let path = format!("{path}.{}", key.name);
            if let Some((first, _)) = entries[..place].iter().find(|(other, _)| other.name == key.name) {
                return Err(Problem::new(key.at, path, format!("given twice, first in line {}", first.at.line)));
            }
            read.push(entry(&key.name, key.at, node, &path)?);
        }
        Ok(read)
    }

    /// It must be a text that `parse` takes.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Problem> {
        parse(&self.text(path)?).map_err(|error| Problem::new(self.at, path, error.to_string()))
    }

    /// It must be a list; each item is read with its path.
    pub fn list<T>(
        &self,
        path: &str,
        mut item: impl FnMut(&Self, &str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        match &self.value {
            Value::List(items) => {
                items.iter().enumerate().map(|(at, node)| item(node, &format!("{path}[{at}]"))).collect()
            }
            _ => Err(self.unexpected("a list", path)),
        }
    }

    /// It must be a mapping of names to texts.
    pub fn pairs(&self, path: &str) -> Result<Vec<(String, String)>, Problem> {
        let Value::Mapping(entries) = &self.value else { return Err(self.unexpected("a mapping", path)) };
        entries.iter().map(|(key, node)| Ok((key.name.clone(), node.text(&format!("{path}.{}", key.name))?))).collect()
    }

    pub(super) fn unexpected(&self, expected: &str, path: &str) -> Problem {
        let found = match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar(text, _) => format!("`{}`", text.chars().take(60).collect::<String>()),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        };
        Problem::new(self.at, path, format!("expected {expected}, found {found}"))
    }
}
