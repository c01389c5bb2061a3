use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::hint::hint;
use super::node::{Key, Node, Value};
use super::{Mark, Problem};

/// More parts than a file of any use has; aliases of aliases would make as many as one likes.
const MOST_PARTS: usize = 1_000_000;
/// Deeper than a file of any use goes.
const DEEPEST: usize = 64;

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
