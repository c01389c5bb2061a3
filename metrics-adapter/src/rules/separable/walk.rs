use std::collections::BTreeSet;

use promql_parser::label::{METRIC_NAME, MatchOp, Matchers};
use promql_parser::parser::token::{T_LOR, TokenType};
use promql_parser::parser::{
    AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorMatchFillValues,
};

use super::functions::{AGGREGATIONS, AGGREGATIONS_THAT_CHOOSE, CONSTANTS, KEEP_LABELS};

/// Goes through a query, looking for what would mix objects.
pub(super) struct Walk<'a> {
    /// The labels that tell objects apart.
    pub(super) keys: &'a [&'a str],
    /// The label by which a selector is known that `.LabelMatchers` was put into.
    pub(super) place: &'a str,
}

/// What comes of a part of a query.
enum Shape {
    /// The same for all objects: a number, a text, the time.
    Constant,
    /// Samples, each of one object, made of that object's samples alone. It may have one without an object besides.
    ///
    /// No two have the same labels, apart from their names: one that is found twice fails the whole query, for everybody.
    Apart(Grain),
}

/// The labels that samples have at most, where that is known.
type Grain = Option<BTreeSet<String>>;

fn all_of(labels: &[String]) -> BTreeSet<String> {
    labels.iter().cloned().collect()
}

impl Walk<'_> {
    /// Whether what comes of it are samples that each are of one object, and what they would be if there were no other.
    pub(super) fn keeps_apart(&self, query: &Expr) -> bool {
        matches!(self.shape(query), Some(Shape::Apart(_)))
    }

    /// None where objects may be mixed.
    fn shape(&self, part: &Expr) -> Option<Shape> {
        match part {
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Some(Shape::Constant),
            Expr::Paren(inner) => self.shape(&inner.expr),
            Expr::Unary(inner) => self.shape(&inner.expr),
            Expr::VectorSelector(selector) => self.selector(selector.name.as_deref(), &selector.matchers),
            Expr::MatrixSelector(selector) => self.selector(selector.vs.name.as_deref(), &selector.vs.matchers),
            Expr::Subquery(inner) => self.apart(&inner.expr).map(Shape::Apart),
            Expr::Call(call) => self.call(call),
            Expr::Aggregate(aggregation) => self.aggregation(aggregation),
            Expr::Binary(operation) => self.operation(operation),
            Expr::Extension(_) => None,
        }
    }

    fn apart(&self, part: &Expr) -> Option<Grain> {
        match self.shape(part)? {
            Shape::Apart(grain) => Some(grain),
            Shape::Constant => None,
        }
    }

    fn is_constant(&self, part: &Expr) -> bool {
        matches!(self.shape(part), Some(Shape::Constant))
    }

    /// It must be about one object where the query is, and of one name.
    fn selector(&self, name: Option<&str>, matchers: &Matchers) -> Option<Shape> {
        let own = &matchers.matchers;
        let must_have = |label: &str| {
            own.iter().any(|own| own.name == label && own.value.is_empty() && matches!(own.op, MatchOp::NotEqual))
        };
        let named = name.is_some() || own.iter().any(|own| own.name == METRIC_NAME && matches!(own.op, MatchOp::Equal));
        let ours = must_have(self.place) && self.keys.iter().all(|key| must_have(key));
        (named && ours && matchers.or_matchers.is_empty()).then_some(Shape::Apart(None))
    }

    fn call(&self, call: &Call) -> Option<Shape> {
        let (name, arguments) = (call.func.name, &call.args.args);
        if CONSTANTS.contains(&name) {
            return arguments.is_empty().then_some(Shape::Constant);
        }
        if matches!(name, "label_replace" | "label_join") {
            return self.relabelling(arguments.first()?, arguments.get(1)?);
        }
        if !KEEP_LABELS.contains(&name) {
            return None;
        }
        let mut samples = None;
        for argument in arguments {
            match self.shape(argument)? {
                Shape::Constant => {}
                Shape::Apart(grain) if samples.is_none() => samples = Some(grain),
                Shape::Apart(_) => return None,
            }
        }
        let drops_buckets = matches!(name, "histogram_quantile" | "histogram_fraction");
        if drops_buckets && self.keys.contains(&"le") {
            return None;
        }
        samples.map(Shape::Apart)
    }

    /// A label that is new where it is put makes no two samples the same.
    fn relabelling(&self, samples: &Expr, label: &Expr) -> Option<Shape> {
        let Expr::StringLiteral(label) = label else { return None };
        let mut grain = self.apart(samples)??;
        let new = !self.keys.contains(&label.val.as_str()) && grain.insert(label.val.clone());
        new.then_some(Shape::Apart(Some(grain)))
    }

    fn aggregation(&self, aggregation: &AggregateExpr) -> Option<Shape> {
        let AggregateExpr { op, expr, param, modifier } = aggregation;
        let name = op.to_string();
        let inside = self.apart(expr)?;
        let groups = modifier.as_ref().filter(|groups| self.tells_apart(Some(groups)))?;
        let mut grain = match groups {
            LabelModifier::Include(labels) => Some(all_of(&labels.labels)),
            LabelModifier::Exclude(_) => None,
        };
        match param {
            None => AGGREGATIONS.contains(&name.as_str()).then_some(Shape::Apart(grain)),
            Some(label) if name == "count_values" => {
                let Expr::StringLiteral(label) = &**label else { return None };
                let new = !self.keys.contains(&label.val.as_str()) && grain.as_mut()?.insert(label.val.clone());
                new.then_some(Shape::Apart(grain))
            }
            Some(number) if !self.is_constant(number) => None,
            Some(_) if name == "quantile" => Some(Shape::Apart(grain)),
            Some(_) => AGGREGATIONS_THAT_CHOOSE.contains(&name.as_str()).then_some(Shape::Apart(inside)),
        }
    }

    /// Whether grouping or matching by these labels tells objects apart; none is by all labels.
    fn tells_apart(&self, labels: Option<&LabelModifier>) -> bool {
        let among = |all: &[String], key: &str| all.iter().any(|own| own == key);
        match labels {
            None => true,
            Some(LabelModifier::Include(labels)) => self.keys.iter().all(|key| among(&labels.labels, key)),
            Some(LabelModifier::Exclude(labels)) => !self.keys.iter().any(|key| among(&labels.labels, key)),
        }
    }

    fn operation(&self, operation: &BinaryExpr) -> Option<Shape> {
        let BinaryExpr { op, lhs, rhs, modifier } = operation;
        let left = self.shape(lhs)?;
        // The one sample of this is of no object, and is told from theirs by that.
        if op.id() == T_LOR && self.is_vector_of_constant(rhs) {
            return matches!(left, Shape::Apart(_)).then_some(left);
        }
        match (left, self.shape(rhs)?) {
            (Shape::Constant, Shape::Constant) => Some(Shape::Constant),
            (Shape::Apart(grain), Shape::Constant) | (Shape::Constant, Shape::Apart(grain)) => {
                (!op.is_set_operator()).then_some(Shape::Apart(grain))
            }
            (Shape::Apart(left), Shape::Apart(right)) => {
                self.matching(*op, modifier.as_ref(), left, right).map(Shape::Apart)
            }
        }
    }

    fn is_vector_of_constant(&self, part: &Expr) -> bool {
        match part {
            Expr::Paren(inner) => self.is_vector_of_constant(&inner.expr),
            Expr::Call(call) if call.func.name == "vector" => call.args.args.iter().all(|own| self.is_constant(own)),
            _ => false,
        }
    }

    /// Two sides that each keep objects apart.
    fn matching(&self, op: TokenType, modifier: Option<&BinModifier>, left: Grain, right: Grain) -> Option<Grain> {
        let labels = modifier.and_then(|own| own.matching.as_ref());
        let fills = modifier.is_some_and(|own| own.fill_values != VectorMatchFillValues::default());
        if fills || !self.tells_apart(labels) {
            return None;
        }
        if op.is_set_operator() {
            return Some(if op.id() == T_LOR { left.zip(right).map(|(left, right)| &left | &right) } else { left });
        }
        match modifier.map(|own| &own.card) {
            None | Some(VectorMatchCardinality::OneToOne) => {
                let unique = matches_one(labels, &left) && matches_one(labels, &right);
                unique.then(|| match labels {
                    None => left.or(right),
                    Some(LabelModifier::Include(labels)) => Some(all_of(&labels.labels)),
                    Some(LabelModifier::Exclude(_)) => left,
                })
            }
            Some(VectorMatchCardinality::ManyToOne(brought)) => {
                matches_one(labels, &right).then(|| self.with_labels(left, &brought.labels))?
            }
            Some(VectorMatchCardinality::OneToMany(brought)) => {
                matches_one(labels, &left).then(|| self.with_labels(right, &brought.labels))?
            }
            Some(VectorMatchCardinality::ManyToMany) => None,
        }
    }

    /// Labels that are brought over from the other side; if they take the place of others, two samples may become one.
    fn with_labels(&self, grain: Grain, brought: &[String]) -> Option<Grain> {
        if brought.is_empty() {
            return Some(grain);
        }
        let grain = grain?;
        let new = brought.iter().all(|label| !grain.contains(label) && !self.keys.contains(&label.as_str()));
        new.then(|| Some(&grain | &all_of(brought)))
    }
}

/// Whether no two samples of a side have the same of the labels that are compared.
fn matches_one(compared: Option<&LabelModifier>, grain: &Grain) -> bool {
    match (compared, grain) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(LabelModifier::Include(labels)), Some(grain)) => grain.is_subset(&all_of(&labels.labels)),
        (Some(LabelModifier::Exclude(labels)), Some(grain)) => grain.is_disjoint(&all_of(&labels.labels)),
    }
}
