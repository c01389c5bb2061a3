//! The templates of prometheus-adapter's files: Go's text/template between `<<` and `>>`, as much of it as makes queries.
//! What is not known is refused when the file is read, with its place.

mod execute;
mod functions;
mod lexer;
mod parser;
mod types;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::QueryProblem;
use parser::Node;
pub use types::Schema;

/// A template that was read. Clones are the same.
#[derive(Clone)]
pub struct Template(Arc<Inner>);

struct Inner {
    text: String,
    nodes: Vec<Node>,
    label_values: LabelValues,
    decides: bool,
}

/// What a template looks up in `.LabelValuesByName`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LabelValues {
    /// These labels, by their names.
    Named(Vec<String>),
    /// Whatever there is.
    Any,
}

/// What a template is filled in with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values<'a> {
    /// For a query.
    Query(&'a QueryValues),
    /// For a label's name.
    Label {
        /// `.Group`
        group: &'a str,
        /// `.Resource`
        resource: &'a str,
    },
}

/// What a query's template is filled in with.
#[derive(Debug, Default)]
pub(super) struct QueryValues {
    /// `.Series`
    pub(super) series: String,
    /// `.LabelMatchers`
    pub(super) label_matchers: String,
    /// `.LabelValuesByName`
    pub(super) label_values: BTreeMap<String, String>,
    /// `.GroupBy`
    pub(super) group_by: String,
    /// `.GroupBySlice`
    pub(super) group_by_slice: Vec<String>,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The line of the template, from 1; none if it has only one.
    line: Option<usize>,
    /// The character of that line, from 1.
    character: usize,
    text: String,
}

impl Template {
    /// Reads a template; the error says where it is wrong and what to write.
    pub fn parse(text: &str, schema: Schema) -> Result<Self, TemplateProblem> {
        let problem = |(place, problem): Problem| TemplateProblem::at(text, place, problem);
        let items = lexer::split(text).map_err(problem)?;
        let parsed = parser::parse(items, schema, text.len()).map_err(problem)?;
        let parser::Parsed { nodes, label_values, decides } = parsed;
        Ok(Self(Arc::new(Inner { text: text.to_owned(), nodes, label_values, decides })))
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Fills it in.
    pub(super) fn fill(&self, values: Values<'_>) -> Result<String, QueryProblem> {
        execute::run(&self.0.nodes, values).map_err(|(place, problem)| {
            QueryProblem(format!(
                "the template `{}`: {}",
                self.text(),
                TemplateProblem::at(self.text(), place, problem)
            ))
        })
    }

    /// What it looks up in `.LabelValuesByName`.
    pub(super) fn label_values(&self) -> &LabelValues {
        &self.0.label_values
    }

    /// Whether what it makes depends on conditions, and not only on what is put in its places.
    pub(super) fn decides(&self) -> bool {
        self.0.decides
    }
}

/// A place in a template, in bytes, and what is wrong there.
type Problem = (usize, String);

impl TemplateProblem {
    fn at(template: &str, place: usize, text: String) -> Self {
        let before = template.get(..place).unwrap_or(template);
        let line = template.trim_end().contains('\n').then(|| before.matches('\n').count() + 1);
        let character = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, character, text }
    }
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "character {}: {}", self.character, self.text)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.text())
    }
}

#[cfg(test)]
mod tests;
