use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::Values;
use super::types::Type;

/// What something is, while a template is filled in.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Root,
    Text(Cow<'a, str>),
    Texts(&'a [String]),
    Map(&'a BTreeMap<String, String>),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// What a map has not, asked for as a field.
    Missing,
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Root => Type::Root,
            Self::Text(_) => Type::Text,
            Self::Texts(_) => Type::Texts,
            Self::Map(_) => Type::Map,
            Self::Boolean(_) => Type::Boolean,
            Self::Integer(_) => Type::Integer,
            Self::Float(_) => Type::Float,
            Self::Missing => Type::Any,
        }
    }

    /// Whether `if` takes it for true: it is not empty, and not zero.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Root => true,
            Self::Text(text) => !text.is_empty(),
            Self::Texts(texts) => !texts.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Boolean(own) => *own,
            Self::Integer(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Missing => false,
        }
    }

    pub(super) fn field(&self, name: &str, values: Values<'a>) -> Result<Self, String> {
        match (self, values) {
            (Self::Root, Values::Query(query)) => match name {
                "Series" => Ok(Self::text(&query.series)),
                "LabelMatchers" => Ok(Self::text(&query.label_matchers)),
                "LabelValuesByName" => Ok(Self::Map(&query.label_values)),
                "GroupBy" => Ok(Self::text(&query.group_by)),
                "GroupBySlice" => Ok(Self::Texts(&query.group_by_slice)),
                _ => Err(format!("`.{name}` is not known")),
            },
            (Self::Root, Values::Label { group, resource }) => match name {
                "Group" => Ok(Self::text(group)),
                "Resource" => Ok(Self::text(resource)),
                _ => Err(format!("`.{name}` is not known")),
            },
            (Self::Map(map), _) => Ok(map.get(name).map_or(Self::Missing, |text| Self::text(text))),
            (other, _) => Err(format!("`.{name}` of {}, which has no fields", other.kind().name())),
        }
    }

    /// As Go prints it.
    pub(super) fn print(&self) -> String {
        match self {
            Self::Root | Self::Missing => "<no value>".to_owned(),
            Self::Text(text) => text.clone().into_owned(),
            Self::Texts(texts) => format!("[{}]", texts.join(" ")),
            Self::Map(map) => {
                let mut text = "map[".to_owned();
                for (at, (key, value)) in map.iter().enumerate() {
                    let space = if at > 0 { " " } else { "" };
                    // Writing into a text does not fail.
                    let _ = write!(text, "{space}{key}:{value}");
                }
                text + "]"
            }
            Self::Boolean(own) => own.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
        }
    }
}
