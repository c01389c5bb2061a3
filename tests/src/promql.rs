//! PromQL, read for what it asks for.

use std::collections::BTreeSet;

use promql_parser::parser::{self, Expr, VectorSelector, token};

/// An expression, or what is wrong with it.
pub fn parse(query: &str) -> Result<Expr, String> {
    parser::parse(query).map_err(|problem| format!("{problem}: {query}"))
}

/// A query of Grafana's with what it would put in for its durations; other variables stand in strings, where all is allowed.
pub fn at_once(query: &str) -> String {
    let durations = [("$__rate_interval", "1m"), ("$__interval", "15s"), ("$__range", "15m")];
    durations.iter().fold(query.to_owned(), |query, (variable, duration)| query.replace(variable, duration))
}

/// The metrics that an expression selects by name.
pub fn metrics(expression: &Expr) -> BTreeSet<String> {
    selectors(expression).iter().filter_map(|selector| name(selector)).collect()
}

fn name(selector: &VectorSelector) -> Option<String> {
    let named = || selector.matchers.matchers.iter().find(|matcher| matcher.name == "__name__");
    selector.name.clone().or_else(|| named().map(|matcher| matcher.value.clone()))
}

/// Everything that an expression selects, in its order.
pub fn selectors(expression: &Expr) -> Vec<&VectorSelector> {
    match expression {
        Expr::VectorSelector(selector) => vec![selector],
        Expr::MatrixSelector(selector) => vec![&selector.vs],
        Expr::Aggregate(aggregate) => {
            let parameter = aggregate.param.iter().flat_map(|own| selectors(own));
            selectors(&aggregate.expr).into_iter().chain(parameter).collect()
        }
        Expr::Unary(unary) => selectors(&unary.expr),
        Expr::Binary(binary) => [selectors(&binary.lhs), selectors(&binary.rhs)].concat(),
        Expr::Paren(paren) => selectors(&paren.expr),
        Expr::Subquery(subquery) => selectors(&subquery.expr),
        Expr::Call(call) => call.args.args.iter().flat_map(|own| selectors(own)).collect(),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
    }
}

/// What an alert looks at, whether or not it is over its threshold: each side of its `and`, `or`, `unless` without the
/// comparison.
pub fn looked_at(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Paren(paren) => looked_at(&paren.expr),
        // What is looked for, as long as it is there.
        Expr::Call(call) if call.func.name == "absent" => {
            call.args.args.iter().flat_map(|own| looked_at(own)).collect()
        }
        Expr::Binary(binary) if binary.op.is_set_operator() => {
            [looked_at(&binary.lhs), looked_at(&binary.rhs)].concat()
        }
        Expr::Binary(binary) if binary.op.is_comparison_operator() => {
            let sides = [&binary.lhs, &binary.rhs].into_iter().filter(|side| !selectors(side).is_empty());
            sides.flat_map(|side| looked_at(side)).collect()
        }
        other => vec![other],
    }
}

/// The constants that an alert compares with, each as often as it does.
pub fn compared(expression: &Expr) -> Vec<f64> {
    match expression {
        Expr::Paren(paren) => compared(&paren.expr),
        Expr::Binary(binary) if binary.op.is_set_operator() => [compared(&binary.lhs), compared(&binary.rhs)].concat(),
        Expr::Binary(binary) if binary.op.is_comparison_operator() => constant(&binary.rhs).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What is known without asking: a number, or a product of numbers.
fn constant(expression: &Expr) -> Option<f64> {
    match expression {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(paren) => constant(&paren.expr),
        Expr::Binary(binary) if binary.op.id() == token::T_MUL => Some(constant(&binary.lhs)? * constant(&binary.rhs)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_wherever_they_stand() {
        let query = "sum by (a) (rate(x_total{b=~\"c\"}[5m])) / on (a) histogram_quantile(0.9, {__name__=\"y_bucket\"}) > scalar(-z)";
        let found: Vec<String> = metrics(&parse(query).unwrap()).into_iter().collect();
        assert_eq!(found, ["x_total", "y_bucket", "z"]);
    }

    #[test]
    fn an_alert_looks_at_each_side_without_its_comparison() {
        let expression = parse("(rate(a[5m]) > 0.1 and rate(b[1h]) > 2 * c) unless on (x) d == 1").unwrap();
        let found: Vec<String> = looked_at(&expression).into_iter().map(ToString::to_string).collect();
        assert_eq!(found, ["rate(a[5m])", "rate(b[1h])", "2 * c", "d"]);
    }

    #[test]
    fn an_alert_compares_with_constants_and_with_series() {
        let of = |query: &str| compared(&parse(query).unwrap());
        assert_eq!(of("(rate(a[5m]) > 0.5 and b < 2 * 0.25) unless c >= d"), [0.5, 0.5]);
        assert_eq!(of("a / 100 == 0"), [0.0]);
        assert_eq!(of("a > 1 + 1"), [0.0; 0], "what is not understood is not guessed");
    }
}
