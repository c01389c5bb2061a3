use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::hint::hint;
use super::{Mark, Problem};

/// More parts than a file of any use has; aliases of aliases would make as many as one likes.
const MOST_PARTS: usize = 1_000_000;
/// Deeper than a file of any use goes.
const DEEPEST: usize = 64;

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

/// Reads the one document of a text.
pub fn load(text: &str) -> Result<Node, Problem> {
    let mut root: Option<Node> = None;
    read(text, |at, node| match root {
        Some(_) => Err(Problem::new(at, "", "a second document begins here; only one is read")),
        None => {
            root = Some(node()?);
            Ok(())
        }
    })?;
    root.filter(|root| !root.is_null()).ok_or_else(empty)
}

/// Reads all documents of a text, but for those that are empty; there must be one.
pub fn load_all(text: &str) -> Result<Vec<Node>, Problem> {
    let mut roots = Vec::new();
    read(text, |_, node| {
        roots.push(node()?);
        Ok(())
    })?;
    roots.retain(|root| !root.is_null());
    if roots.is_empty() { Err(empty()) } else { Ok(roots) }
}

fn empty() -> Problem {
    Problem::new(Mark { line: 1, column: 1 }, "", "the document is empty")
}

/// Hands each document to `each`, which reads it or refuses it.
fn read(
    text: &str,
    mut each: impl FnMut(Mark, &mut dyn FnMut() -> Result<Node, Problem>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    // The scanner calls itself for each level; what is nested past all use must not reach it.
    if let Some(at) = too_deep(text) {
        return Err(Problem::new(at, "", "nested too deeply"));
    }
    let mut tree = Tree { text, parser: Parser::new_from_str(text), anchors: HashMap::new(), parts: 0 };
    loop {
        let (event, at) = tree.next()?;
        match event {
            Event::StreamEnd => return Ok(()),
            Event::DocumentStart(_) => each(at, &mut || {
                let (event, at) = tree.next()?;
                tree.node(event, at, 0)
            })?,
            _ => {}
        }
    }
}

/// Where brackets alone nest deeper than anything that is read.
fn too_deep(text: &str) -> Option<Mark> {
    let mut depth = 0_usize;
    for (line, content) in text.lines().enumerate() {
        for (column, character) in content.chars().enumerate() {
            match character {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > 4 * DEEPEST {
                return Some(Mark { line: line + 1, column: column + 1 });
            }
        }
    }
    None
}

struct Tree<'a> {
    text: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, (Node, usize)>,
    parts: usize,
}

impl<'a> Tree<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Mark), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, mark(span))),
            Some(Err(error)) => {
                let at = Mark { line: error.marker().line(), column: error.marker().col() + 1 };
                let hint = hint(self.text, at, error.info()).map_or_else(String::new, |hint| format!("; {hint}"));
                Err(Problem::new(at, "", format!("{}{hint}", error.info())))
            }
            None => Ok((Event::StreamEnd, Mark { line: 1, column: 1 })),
        }
    }

    fn node(&mut self, event: Event<'a>, at: Mark, depth: usize) -> Result<Node, Problem> {
        self.count(1, at)?;
        if depth > DEEPEST {
            return Err(Problem::new(at, "", "nested too deeply"));
        }
        let before = self.parts;
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let Some((node, parts)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::new(at, "", "an alias of what it is part of"));
                };
                self.count(parts, at)?;
                return Ok(Node { at, value: node.value });
            }
            Event::Scalar(text, style, anchor, _) => {
                (Value::Scalar(text.into_owned(), style != ScalarStyle::Plain), anchor)
            }
            Event::SequenceStart(anchor, _) => (Value::List(self.list(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Value::Mapping(self.mapping(depth)?), anchor),
            _ => return Err(Problem::new(at, "", "expected a value")),
        };
        let node = Node { at, value };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.parts - before));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(name, ..), at) => Key { at, name: name.into_owned() },
                (_, at) => return Err(Problem::new(at, "", "a key must be text")),
            };
            let (event, at) = self.next()?;
            entries.push((key, self.node(event, at, depth + 1)?));
        }
    }

    fn count(&mut self, parts: usize, at: Mark) -> Result<(), Problem> {
        self.parts = self.parts.saturating_add(parts);
        if self.parts > MOST_PARTS {
            return Err(Problem::new(at, "", format!("the document is too large: more than {MOST_PARTS} parts")));
        }
        Ok(())
    }
}

fn mark(span: Span) -> Mark {
    Mark { line: span.start.line(), column: span.start.col() + 1 }
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
