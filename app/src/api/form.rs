use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error::Problems;
use crate::model::{Complaint, short_enough};

/// What stands in a field of a request: reading one never fails, so that every failing field can be
/// reported at once, and absence is told from null.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// There is no such field.
    #[default]
    Absent,
    /// The field is null.
    Null,
    /// The field is of another type.
    Wrong,
    /// The field.
    Value(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Self::Null,
            value => serde_json::from_value(value).map_or(Self::Wrong, Self::Value),
        })
    }
}

/// A JSON object's fields. (Left to itself, serde would read a struct from a list, too, field by field.)
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(deserializer)?;
        serde_json::from_value(Value::Object(fields)).map(Self).map_err(D::Error::custom)
    }
}

impl<T> Given<Fields<T>> {
    /// The object must be there; an error names it.
    pub(super) fn fields(self, name: &'static str) -> Result<T, Problems> {
        self.required().map(|Fields(fields)| fields).map_err(|complaint| Problems::one(name, complaint))
    }
}

impl<T> Given<T> {
    /// It must be there.
    pub(super) fn required(self) -> Result<T, Complaint> {
        match self {
            Self::Absent | Self::Null => Err(Complaint::Blank),
            Self::Wrong => Err(Complaint::Invalid),
            Self::Value(value) => Ok(value),
        }
    }

    /// It may be absent.
    pub(super) fn optional(self) -> Result<Option<T>, Complaint> {
        match self {
            Self::Absent => Ok(None),
            given => given.required().map(Some),
        }
    }
}

impl Given<String> {
    /// It may be absent, and null and nothing mean the same. It has at most `most` characters; text with a NUL cannot
    /// be stored.
    #[expect(clippy::option_option, reason = "absent, emptied and changed are three things")]
    pub(super) fn clearable(self, most: usize) -> Result<Option<Option<String>>, Complaint> {
        match self {
            Self::Absent => Ok(None),
            Self::Null => Ok(Some(None)),
            Self::Value(text) if text.is_empty() => Ok(Some(None)),
            Self::Value(text) if !text.contains('\0') => short_enough(text, most).map(|text| Some(Some(text))),
            Self::Value(_) | Self::Wrong => Err(Complaint::Invalid),
        }
    }
}
