use super::functions::Function;
use super::parser::{Base, Command, Node, Operand, Pipeline};
use super::value::Value;
use super::{Problem, Values};

/// A query that names some thousand pods has some ten thousand characters; no Prometheus takes a longer one.
const MOST_TEXT: usize = 1 << 20;
/// Lists within lists could be gone through for ever.
const MOST_STEPS: usize = 100_000;

pub(super) fn run(nodes: &[Node], values: Values<'_>) -> Result<String, Problem> {
    let mut run = Run { values, text: String::new(), steps: 0, variables: vec![("", Value::Root)] };
    run.nodes(nodes, &Value::Root)?;
    Ok(run.text)
}

struct Run<'a> {
    values: Values<'a>,
    text: String,
    steps: usize,
    variables: Vec<(&'a str, Value<'a>)>,
}

/// Whether the next part comes next.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Value<'a>) -> Result<Flow, Problem> {
        for node in nodes {
            match self.node(node, dot)? {
                Flow::On => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &'a Node, dot: &Value<'a>) -> Result<Flow, Problem> {
        self.steps += 1;
        if self.text.len() > MOST_TEXT || self.steps > MOST_STEPS {
            return Err((0, format!("makes more than {MOST_TEXT} characters, or takes more than {MOST_STEPS} steps")));
        }
        match node {
            Node::Text(text) => self.text.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.keeps.is_none() {
                    self.text.push_str(&value.print());
                }
            }
            Node::If { test, then, otherwise } => {
                return self.scope(|run| {
                    let is_true = run.pipeline(test, dot)?.is_true();
                    run.nodes(if is_true { then } else { otherwise }, dot)
                });
            }
            Node::With { value, then, otherwise } => {
                return self.scope(|run| {
                    let value = run.pipeline(value, dot)?;
                    if value.is_true() { run.nodes(then, &value) } else { run.nodes(otherwise, dot) }
                });
            }
            Node::Range { .. } => return self.scope(|run| run.range(node, dot)),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// Variables that are made within are gone after it.
    fn scope(&mut self, run: impl FnOnce(&mut Self) -> Result<Flow, Problem>) -> Result<Flow, Problem> {
        let variables = self.variables.len();
        let flow = run(self);
        self.variables.truncate(variables);
        flow
    }

    fn range(&mut self, node: &'a Node, dot: &Value<'a>) -> Result<Flow, Problem> {
        let Node::Range { over, key, value, body, otherwise } = node else { return Ok(Flow::On) };
        let items: Vec<(Value<'a>, Value<'a>)> = match self.pipeline(over, dot)? {
            Value::Texts(texts) => (0..).map(Value::Integer).zip(texts.iter().map(|text| Value::text(text))).collect(),
            Value::Map(map) => map.iter().map(|(key, value)| (Value::text(key), Value::text(value))).collect(),
            other => {
                let at = over.commands.first().map_or(0, |command| command.at);
                return Err((at, format!("`range` over {}, which is no list", other.kind().name())));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let variables = self.variables.len();
        for (at, item) in items {
            self.variables.truncate(variables);
            self.variables.extend(key.as_deref().map(|name| (name, at)));
            self.variables.extend(value.as_deref().map(|name| (name, item.clone())));
            if self.nodes(body, &item)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Value<'a>) -> Result<Value<'a>, Problem> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, value, dot)?);
        }
        let value = value.unwrap_or(Value::Missing);
        if let Some(keeps) = &pipeline.keeps {
            let known = self.variables.iter_mut().rev().find(|(own, _)| *own == keeps.name);
            match known {
                Some((_, known)) if !keeps.is_new => *known = value.clone(),
                _ => self.variables.push((&keeps.name, value.clone())),
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'a Command,
        piped: Option<Value<'a>>,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, Problem> {
        let Some(function) = command.function else {
            let Some(operand) = command.arguments.first() else { return Ok(Value::Missing) };
            return self.operand(operand, dot);
        };
        if matches!(function.name, "and" | "or") {
            return self.first_of(function, command, piped, dot);
        }
        let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
        for operand in &command.arguments {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        let texts = arguments.iter().map(|own| if let Value::Text(text) = own { text.len() } else { 0 });
        if texts.sum::<usize>() > MOST_TEXT {
            return Err((command.at, format!("more than {MOST_TEXT} characters")));
        }
        function.call(arguments).map_err(|problem| (command.at, problem))
    }

    /// `and` is the first that is false, `or` the first that is true; else it is the last.
    fn first_of(
        &mut self,
        function: Function,
        command: &'a Command,
        piped: Option<Value<'a>>,
        dot: &Value<'a>,
    ) -> Result<Value<'a>, Problem> {
        let mut last = Value::Missing;
        for operand in &command.arguments {
            last = self.operand(operand, dot)?;
            if last.is_true() == (function.name == "or") {
                return Ok(last);
            }
        }
        Ok(piped.unwrap_or(last))
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value<'a>) -> Result<Value<'a>, Problem> {
        let mut value = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Variable(name) => {
                let found = self.variables.iter().rev().find(|(own, _)| own == name);
                found.map_or(Value::Missing, |(_, value)| value.clone())
            }
            Base::Text(text) => Value::text(text),
            Base::Integer(number) => Value::Integer(*number),
            Base::Float(number) => Value::Float(*number),
            Base::Boolean(own) => Value::Boolean(*own),
            Base::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
        };
        for step in &operand.steps {
            value = value.field(&step.name, self.values).map_err(|problem| (step.at, problem))?;
        }
        Ok(value)
    }
}
