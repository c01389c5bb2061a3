use super::functions::{Function, verbs};
use super::lexer::{Item, Kind, Token};
use super::types::{Schema, Type};
use super::{LabelValues, Problem};
use tokens::Tokens;

mod pipeline;
mod tokens;

/// Deeper than a query of any use goes; what reads and fills in templates calls itself for each level.
const DEEPEST: usize = 32;
/// What text/template has besides, which has no use in a query.
const REFUSED: [&str; 3] = ["define", "template", "block"];

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If { test: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipeline, key: Option<String>, value: Option<String>, body: Vec<Node>, otherwise: Vec<Node> },
    Break,
    Continue,
}

/// `command | command`, the first of which may be kept as a variable.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) keeps: Option<Keeps>,
    pub(super) commands: Vec<Command>,
}

/// `$name :=` or `$name =`
#[derive(Debug)]
pub(super) struct Keeps {
    pub(super) name: String,
    pub(super) is_new: bool,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) function: Option<Function>,
    /// Without a function, one.
    pub(super) arguments: Vec<Operand>,
}

/// A value, and the fields of fields of it.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) base: Base,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Base {
    Dot,
    /// By its name; that of everything is empty.
    Variable(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Pipeline(Box<Pipeline>),
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: usize,
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) nodes: Vec<Node>,
    pub(super) label_values: LabelValues,
    pub(super) decides: bool,
}

pub(super) fn parse(items: Vec<Item>, schema: Schema, length: usize) -> Result<Parsed, Problem> {
    let mut parser = Parser {
        items: items.into_iter(),
        schema,
        dot: Type::Root,
        variables: vec![(String::new(), Type::Root)],
        depth: 0,
        ranges: 0,
        length,
        label_values: LabelValues::Named(Vec::new()),
        decides: false,
    };
    let (nodes, ending) = parser.nodes()?;
    match ending {
        None => Ok(Parsed { nodes, label_values: parser.label_values, decides: parser.decides }),
        Some(Ending::End(at)) => Err((at, "`end` without `if`, `with` or `range`".to_owned())),
        Some(Ending::Else(at, _)) => Err((at, "`else` without `if`, `with` or `range`".to_owned())),
    }
}

struct Parser {
    items: std::vec::IntoIter<Item>,
    schema: Schema,
    /// What `.` is here.
    dot: Type,
    /// The variables that there are here, by name; later ones hide earlier ones.
    variables: Vec<(String, Type)>,
    depth: usize,
    /// How many `range` this is within.
    ranges: usize,
    /// Of the template, in bytes.
    length: usize,
    label_values: LabelValues,
    decides: bool,
}

/// What ends a list of parts; the words after `else`.
enum Ending {
    End(usize),
    Else(usize, Tokens),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, Option<Ending>), Problem> {
        let mut nodes = Vec::new();
        while let Some(item) = self.items.next() {
            let (at, tokens) = match item {
                Item::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Item::Action { at, tokens } => (at, tokens),
            };
            let mut tokens = Tokens::of(tokens, at);
            let word = match tokens.first() {
                None => return Err((at, "nothing between `<<` and `>>`".to_owned())),
                Some(Token { kind: Kind::Word(word), .. }) => word.clone(),
                Some(_) => String::new(),
            };
            match word.as_str() {
                "end" => {
                    tokens.take();
                    tokens.end()?;
                    return Ok((nodes, Some(Ending::End(at))));
                }
                "else" => {
                    tokens.take();
                    return Ok((nodes, Some(Ending::Else(at, tokens))));
                }
                "if" | "with" | "range" => {
                    tokens.take();
                    let node = self.deeper(at, |parser| match word.as_str() {
                        "range" => parser.range(at, tokens),
                        word => parser.branch(at, tokens, word == "with"),
                    })?;
                    nodes.push(node);
                }
                "break" | "continue" => nodes.push(self.jump(&mut tokens, word == "break")?),
                refused if REFUSED.contains(&refused) => {
                    return Err((
                        tokens.place(),
                        format!("`{refused}` is not known here; write out what it would put here"),
                    ));
                }
                _ => nodes.push(Node::Action(self.action(&mut tokens)?)),
            }
        }
        Ok((nodes, None))
    }

    fn deeper<T>(&mut self, at: usize, read: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err((at, format!("nested more than {DEEPEST} deep")));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// What is printed, or kept.
    fn action(&mut self, tokens: &mut Tokens) -> Result<Pipeline, Problem> {
        let at = tokens.place();
        let (pipeline, kind) = self.pipeline(tokens)?;
        tokens.end()?;
        if kind == Type::Root && pipeline.keeps.is_none() {
            return Err((at, "this is everything there is; name a field of it, as `.Series`".to_owned()));
        }
        Ok(pipeline)
    }

    fn jump(&mut self, tokens: &mut Tokens, breaks: bool) -> Result<Node, Problem> {
        let at = tokens.place();
        tokens.take();
        tokens.end()?;
        self.decides = true;
        if self.ranges == 0 {
            return Err((at, format!("`{}` outside `range`", if breaks { "break" } else { "continue" })));
        }
        Ok(if breaks { Node::Break } else { Node::Continue })
    }

    /// `if` or `with`, to its `end`.
    fn branch(&mut self, at: usize, mut tokens: Tokens, is_with: bool) -> Result<Node, Problem> {
        self.decides = true;
        let (variables, dot) = (self.variables.len(), self.dot);
        let (test, kind) = self.pipeline(&mut tokens)?;
        tokens.end()?;
        if is_with {
            self.dot = kind;
        }
        let (then, ending) = self.nodes()?;
        self.dot = dot;
        let otherwise = match ending {
            Some(Ending::Else(else_at, mut words)) if !is_with && words.next_word("if") => {
                words.take();
                vec![self.deeper(else_at, |parser| parser.branch(else_at, words, false))?]
            }
            ending => self.otherwise(at, ending)?,
        };
        self.variables.truncate(variables);
        Ok(if is_with { Node::With { value: test, then, otherwise } } else { Node::If { test, then, otherwise } })
    }

    /// `range`, to its `end`.
    fn range(&mut self, at: usize, mut tokens: Tokens) -> Result<Node, Problem> {
        let (variables, dot) = (self.variables.len(), self.dot);
        let (key, value) = tokens.range_variables()?;
        let over_at = tokens.place();
        let (over, kind) = self.pipeline(&mut tokens)?;
        tokens.end()?;
        let key_kind = match kind {
            Type::Texts => Type::Integer,
            Type::Map => Type::Text,
            Type::Any => Type::Any,
            other => return Err((over_at, format!("`range` over {}, which is no list", other.name()))),
        };
        self.dot = if kind == Type::Any { Type::Any } else { Type::Text };
        self.variables.extend(key.clone().map(|name| (name, key_kind)));
        self.variables.extend(value.clone().map(|name| (name, self.dot)));
        self.ranges += 1;
        let (body, ending) = self.nodes()?;
        self.ranges -= 1;
        self.dot = dot;
        // What it repeats, it repeats once more where there is one label more to group by.
        self.decides = true;
        let otherwise = self.otherwise(at, ending)?;
        self.variables.truncate(variables);
        Ok(Node::Range { over, key, value, body, otherwise })
    }

    /// The parts after `else`, if that is what comes, to the `end`.
    fn otherwise(&mut self, at: usize, ending: Option<Ending>) -> Result<Vec<Node>, Problem> {
        match ending {
            Some(Ending::End(_)) => Ok(Vec::new()),
            Some(Ending::Else(_, tokens)) => {
                tokens.end()?;
                match self.nodes()? {
                    (nodes, Some(Ending::End(_))) => Ok(nodes),
                    (_, Some(Ending::Else(else_at, _))) => Err((else_at, "a second `else`".to_owned())),
                    (_, None) => Err((at, "this has no `<<end>>`".to_owned())),
                }
            }
            None => Err((at.min(self.length), "this has no `<<end>>`".to_owned())),
        }
    }
}
