//! The rules that each panel is held to.

use promql_parser::parser::Expr;
use serde_json::Value;
use stack::promql::{at_once, parse, selectors};

/// One that is no row.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a>(pub(crate) &'a Value);

impl<'a> Panel<'a> {
    pub(crate) fn all(board: &'a Value) -> impl Iterator<Item = Self> {
        board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").map(Panel)
    }

    pub(crate) fn title(self) -> &'a str {
        self.0["title"].as_str().unwrap_or_default()
    }

    pub(crate) fn type_name(self) -> &'a str {
        self.0["type"].as_str().unwrap_or_default()
    }

    pub(crate) fn targets(self) -> impl Iterator<Item = &'a Value> {
        self.0["targets"].as_array().into_iter().flatten()
    }

    fn queries(self) -> impl Iterator<Item = &'a str> {
        self.targets().filter_map(|target| target["expr"].as_str())
    }
}

/// What is wrong with a panel, if anything is.
type Check = fn(&Panel<'_>) -> Option<String>;

pub(crate) const RULES: &[(&str, Check)] = &[
    ("title", |panel| panel.title().is_empty().then(|| "it has none".to_owned())),
    ("description", |panel| {
        let words = panel.0["description"].as_str().unwrap_or_default().split(' ').count();
        (words < 5).then(|| format!("{words} words do not say how to read it"))
    }),
    ("unit", |panel| {
        let unit = panel.0["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
        unit.is_empty().then(|| "it has none".to_owned())
    }),
    ("targets", |panel| panel.targets().next().is_none().then(|| "it asks nothing".to_owned())),
    ("datasource", |panel| {
        let own = std::iter::once(panel.0).chain(panel.targets());
        own.map(|own| &own["datasource"]["uid"]).find(|uid| **uid != "${datasource}").map(|uid| format!("it is {uid}"))
    }),
    ("legend", |panel| {
        panel
            .targets()
            .any(|target| target["legendFormat"].as_str().is_none_or(str::is_empty))
            .then(|| "a query has none".to_owned())
    }),
    ("promql", |panel| panel.queries().find_map(|query| parse(&at_once(query)).err())),
    ("selectors", |panel| panel.queries().find_map(unscoped)),
    ("rate interval", |panel| {
        let other = |query: &&str| query.split('[').skip(1).any(|rest| !rest.starts_with("$__rate_interval]"));
        panel.queries().find(other).map(|query| format!("a range that is not $__rate_interval: {query}"))
    }),
    ("counters", |panel| panel.queries().find_map(bare_counter)),
];

/// Each selector must follow the choices of job and instance.
fn unscoped(query: &str) -> Option<String> {
    let expression = parse(&at_once(query)).ok()?;
    selectors(&expression).into_iter().find_map(|selector| {
        let has = |label: &str| {
            selector.matchers.matchers.iter().any(|own| own.name == label && own.value == format!("${label}"))
        };
        ["job", "instance"]
            .into_iter()
            .find(|label| !has(label))
            .map(|label| format!("{selector} has no {label}=~\"${label}\""))
    })
}

/// A counter alone only ever grows.
fn bare_counter(query: &str) -> Option<String> {
    bare(&parse(&at_once(query)).ok()?)
}

fn bare(expression: &Expr) -> Option<String> {
    match expression {
        Expr::VectorSelector(selector) => selector
            .name
            .clone()
            .filter(|name| name.ends_with("_total"))
            .map(|name| format!("{name} without rate or increase")),
        Expr::Call(call) if ["rate", "irate", "increase"].contains(&call.func.name) => None,
        Expr::Call(call) => call.args.args.iter().find_map(|own| bare(own)),
        Expr::Aggregate(own) => bare(&own.expr),
        Expr::Binary(own) => bare(&own.lhs).or_else(|| bare(&own.rhs)),
        Expr::Paren(own) => bare(&own.expr),
        Expr::Unary(own) => bare(&own.expr),
        Expr::Subquery(own) => bare(&own.expr),
        Expr::MatrixSelector(_) | Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => None,
    }
}
