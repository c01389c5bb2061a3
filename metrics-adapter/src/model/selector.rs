use std::fmt;

use super::Labels;

mod lexer;
mod parser;

/// Which labels are wanted: every requirement must hold. The grammar, its errors' wording, and the meaning
/// are those of `k8s.io/apimachinery/pkg/labels`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's name.
    pub key: String,
    /// What must be the case.
    pub operator: Operator,
    /// Sorted, each once; none for the operators that take none.
    pub values: Vec<String>,
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=` or `==`
    Equals,
    /// `!=`, which also holds where the key is missing.
    NotEquals,
    /// `in (…)`
    In,
    /// `notin (…)`, which also holds where the key is missing.
    NotIn,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `>`, of whole numbers.
    GreaterThan,
    /// `<`, of whole numbers.
    LessThan,
}

/// What was given is no selector, in the words of Kubernetes' own parser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl Selector {
    /// Reads a selector; an empty one selects everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = parser::parse(text).map_err(SelectorError)?;
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Self { requirements })
    }

    /// Whether a label of that name and value can be, and so be selected.
    pub fn check_label(name: &str, value: &str) -> Result<(), SelectorError> {
        parser::check_key(name)
            .and_then(|()| parser::check_values(name, Operator::Equals, &[value.to_owned()]))
            .map_err(SelectorError)
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// What must hold, sorted by key.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether all requirements hold.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.holds(|key| labels.get(key))
    }

    /// Whether all requirements hold of what `value` gives for a key.
    pub fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(value(&requirement.key)))
    }
}

impl Requirement {
    fn is_of_set(&self) -> bool {
        matches!(self.operator, Operator::In | Operator::NotIn)
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.iter().any(|own| own == value);
        let number = |compare: fn(&i64, &i64) -> bool| {
            let (own, other) = (self.values.first().and_then(|own| own.parse().ok()), value?.parse().ok());
            Some(compare(&other?, &own?))
        };
        match self.operator {
            Operator::Equals | Operator::In => value.is_some_and(among),
            Operator::NotEquals | Operator::NotIn => !value.is_some_and(among),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => number(i64::gt).unwrap_or(false),
            Operator::LessThan => number(i64::lt).unwrap_or(false),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        // Nothing between the parentheses would be no value, not the empty one.
        let values = if values.is_empty() && self.is_of_set() { ",".to_owned() } else { values };
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// A selector on the fields that Kubernetes' metrics have: `metadata.name=web-1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(Field, bool, String)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
}

impl FieldSelector {
    /// Reads `field=value`, `field==value` and `field!=value`, joined by commas.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let terms = text.split(',').filter(|term| !term.is_empty());
        terms.map(Self::term).collect::<Result<_, _>>().map(Self)
    }

    fn term(term: &str) -> Result<(Field, bool, String), SelectorError> {
        let (field, equal, value) = if let Some((field, value)) = term.split_once("!=") {
            (field, false, value)
        } else if let Some((field, value)) = term.split_once('=') {
            (field, true, value.strip_prefix('=').unwrap_or(value))
        } else {
            return Err(SelectorError(format!(
                "invalid field selector: `{term}` is neither field=value nor field!=value"
            )));
        };
        let field = match field.trim() {
            "metadata.name" => Field::Name,
            "metadata.namespace" => Field::Namespace,
            other => {
                return Err(SelectorError(format!(
                    "field label not supported: {other}; metadata.name and metadata.namespace are"
                )));
            }
        };
        Ok((field, equal, value.to_owned()))
    }

    /// Whether an object of that name in that namespace is selected.
    #[must_use]
    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        self.0.iter().all(|(field, equal, value)| {
            let own = match field {
                Field::Name => name,
                Field::Namespace => namespace,
            };
            (own == value) == *equal
        })
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels::from_iter([("app", "web"), ("tier", "canary"), ("size", "5"), ("empty", "")])
    }

    #[test]
    fn every_operator_of_the_grammar_selects_as_kubernetes_does() {
        let table = [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web", true),
            ("app=other", false),
            ("app!=web", false),
            ("app!=other", true),
            ("missing!=web", true),
            ("app in (web,api)", true),
            ("app in (api)", false),
            ("app notin (api, db)", true),
            ("app notin (web)", false),
            ("missing notin (web)", true),
            ("missing in (web)", false),
            ("app", true),
            ("missing", false),
            ("!app", false),
            ("!missing", true),
            ("size>4", true),
            ("size > 5", false),
            ("size<6", true),
            ("app>1", false),
            ("missing<1", false),
            ("app=web,tier in (canary),!missing", true),
            ("app=web,tier=stable", false),
            ("empty=", true),
            ("empty in (,)", true),
            ("missing=", false),
            ("app=web,app=other", false),
            ("app notin ()", true),
            ("in in (in)", false),
        ];
        for (text, selected) in table {
            // Kubernetes refuses empty sets.
            if text.ends_with("()") {
                assert!(Selector::parse(text).is_err());
                continue;
            }
            assert_eq!(Selector::parse(text).unwrap().matches(&labels()), selected, "{text}");
        }
    }

    #[test]
    fn a_selector_that_is_written_wrong_is_refused_in_kubernetes_own_words() {
        let table = [
            ("a===b", "unable to parse requirement: found '=', expected: identifier"),
            ("=b", "found '=', expected: !, identifier, or 'end of string'"),
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a=b,", "found '', expected: identifier after ','"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
            ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("!!a", "unable to parse requirement: found '!', expected: identifier"),
            (
                "a in ()",
                "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
            ),
        ];
        for (text, message) in table {
            assert_eq!(Selector::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        for text in ["a=b/c", "-a=b", "a/b/c=d", "/a=b", "a=-b", "a>x", "A_B.example.com/=x", "a\0b=c", "é=1"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
        let long = "x".repeat(64);
        assert!(Selector::parse(&long).unwrap_err().to_string().contains("63"), "names are 63 characters at most");
        assert!(Selector::parse(&format!("a={long}")).unwrap_err().to_string().contains("63"));
    }

    #[test]
    fn what_is_displayed_means_the_same() {
        for text in ["app=web", "a!=b", "a in (b,c)", "x notin (y)", "!z", "q", "n>5", "n<5", "a=,b in (,c)"] {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(Selector::parse(&selector.to_string()).unwrap(), selector, "{text} is shown as {selector}");
        }
    }

    #[test]
    fn fields_select_by_name_and_namespace_and_no_others() {
        let selects = |text: &str| FieldSelector::parse(text).unwrap().matches("shop", "web-1");
        assert!(selects("") && selects("metadata.name=web-1") && selects("metadata.name==web-1"));
        assert!(selects("metadata.name!=web-2,metadata.namespace=shop") && !selects("metadata.name=web-2"));
        let error = |text: &str| FieldSelector::parse(text).unwrap_err().to_string();
        assert!(error("spec.nodeName=x").starts_with("field label not supported: spec.nodeName"));
        assert!(error("web-1").starts_with("invalid field selector"));
    }
}
