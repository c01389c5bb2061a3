use super::parser::Step;

/// What a template may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// `metricsQuery`, `containerQuery`, `nodeQuery`.
    Query,
    /// `resources.template`.
    Label,
}

/// What something is, as far as it is known before the template is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Everything: what `.` is at first, and `$` always.
    Root,
    Text,
    Texts,
    Map,
    Boolean,
    Integer,
    Float,
    /// One or the other.
    Any,
}

impl Schema {
    fn fields(self) -> &'static [(&'static str, Type)] {
        match self {
            Self::Query => &[
                ("Series", Type::Text),
                ("LabelMatchers", Type::Text),
                ("LabelValuesByName", Type::Map),
                ("GroupBy", Type::Text),
                ("GroupBySlice", Type::Texts),
            ],
            Self::Label => &[("Group", Type::Text), ("Resource", Type::Text)],
        }
    }
}

impl Type {
    /// How it is called in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Root => "everything there is",
            Self::Text => "a text",
            Self::Texts => "a list",
            Self::Map => "a map",
            Self::Boolean => "true or false",
            Self::Integer | Self::Float => "a number",
            Self::Any => "a value",
        }
    }

    /// What a field of it is.
    pub(super) fn field(self, schema: Schema, step: &Step) -> Result<Self, String> {
        let name = &step.name;
        match self {
            Self::Root => {
                let fields = schema.fields();
                if let Some((_, found)) = fields.iter().find(|(own, _)| own == name) {
                    return Ok(*found);
                }
                let known = || fields.iter().map(|(own, _)| format!("`.{own}`")).collect::<Vec<_>>().join(", ");
                let nearest = nearest(name, fields.iter().map(|(own, _)| *own));
                let hint = nearest.map_or_else(
                    || format!("known here: {}", known()),
                    |nearest| format!("did you mean `.{nearest}`?"),
                );
                Err(format!("`.{name}` is not known; {hint}"))
            }
            Self::Map => Ok(Self::Text),
            Self::Any => Ok(Self::Any),
            other => Err(format!("`.{name}` of {}, which has no fields", other.name())),
        }
    }
}

/// The name that is most like another, if one is.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.map(|known| {
        let distance = strsim::damerau_levenshtein(&known.to_ascii_lowercase(), &name.to_ascii_lowercase());
        (distance, known)
    });
    distances.min().filter(|(distance, known)| *distance <= 1 + known.len() / 4).map(|(_, known)| known)
}
