use std::collections::BTreeSet;

use promql_parser::parser::token::T_LOR;
use promql_parser::parser::{AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality};

use super::functions::AGGREGATIONS_THAT_CHOOSE;

/// Which of objects' labels the samples of a query about some objects carry. Grouped by the object's name alone, as
/// prometheus-adapter groups them, they have lost their namespace; a query that compares it with another side's finds
/// nothing, and would find something if it were about all objects.
pub(super) struct Carried<'a> {
    /// The labels that tell objects apart.
    pub(super) keys: &'a [&'a str],
}

/// Those labels of samples; none of what is no sample, or a sample of no object.
type Labels<'a> = Option<BTreeSet<&'a str>>;

impl<'a> Carried<'a> {
    /// The labels that samples carry. None where sides are compared by one that only one of them has. The query is known
    /// to keep objects apart.
    pub(super) fn labels(&self, part: &Expr) -> Option<Labels<'a>> {
        match part {
            Expr::VectorSelector(_) | Expr::MatrixSelector(_) => Some(Some(self.keys.iter().copied().collect())),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Some(None),
            Expr::Paren(inner) => self.labels(&inner.expr),
            Expr::Unary(inner) => self.labels(&inner.expr),
            Expr::Subquery(inner) => self.labels(&inner.expr),
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregation) => self.aggregation(aggregation),
            Expr::Binary(operation) => self.operation(operation),
            Expr::Extension(_) => None,
        }
    }

    fn call(&self, call: &Call) -> Option<Labels<'a>> {
        let mut carried = None;
        for argument in &call.args.args {
            carried = carried.or(self.labels(argument)?);
        }
        // The labels that another is made of come after the first three arguments.
        if matches!(call.func.name, "label_replace" | "label_join") {
            let lost =
                |name: &str| self.keys.contains(&name) && !carried.as_ref().is_some_and(|own| own.contains(name));
            for source in call.args.args.iter().skip(3) {
                if matches!(&**source, Expr::StringLiteral(source) if lost(&source.val)) {
                    return None;
                }
            }
        }
        Some(carried)
    }

    fn aggregation(&self, aggregation: &AggregateExpr) -> Option<Labels<'a>> {
        let inside = self.labels(&aggregation.expr)?;
        let chooses = AGGREGATIONS_THAT_CHOOSE.contains(&aggregation.op.to_string().as_str());
        Some(if chooses { inside } else { inside.map(|own| left(own, aggregation.modifier.as_ref())) })
    }

    fn operation(&self, operation: &BinaryExpr) -> Option<Labels<'a>> {
        let (one, other) = (self.labels(&operation.lhs)?, self.labels(&operation.rhs)?);
        let (Some(one), Some(other)) = (one.clone(), other.clone()) else { return Some(one.or(other)) };
        let compared = operation.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
        let by_all =
            |own: &BTreeSet<&'a str>| if compared.is_some() { left(own.clone(), compared) } else { own.clone() };
        if by_all(&one) != by_all(&other) {
            return None;
        }
        let many = operation.modifier.as_ref().map(|modifier| &modifier.card);
        Some(Some(match many {
            _ if operation.op.id() == T_LOR => &one & &other,
            _ if operation.op.is_set_operator() => one,
            Some(VectorMatchCardinality::ManyToOne(_)) => one,
            Some(VectorMatchCardinality::OneToMany(_)) => other,
            _ => by_all(&one),
        }))
    }
}

/// What is left of labels where samples are grouped or compared by others; of none, where that is by nothing.
fn left<'a>(mut own: BTreeSet<&'a str>, labels: Option<&LabelModifier>) -> BTreeSet<&'a str> {
    let among = |all: &[String], key: &str| all.iter().any(|own| own == key);
    own.retain(|key| match labels {
        None => false,
        Some(LabelModifier::Include(labels)) => among(&labels.labels, key),
        Some(LabelModifier::Exclude(labels)) => !among(&labels.labels, key),
    });
    own
}
