use std::borrow::Cow;
use std::cmp::Ordering;

use super::types::{Type, nearest};
use super::value::Value;

/// A function of text/template: its name, the fewest and the most arguments that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) fewest: usize,
    pub(super) most: usize,
}

const FUNCTIONS: [Function; 15] = [
    function("and", 1, usize::MAX),
    function("eq", 2, usize::MAX),
    function("ge", 2, 2),
    function("gt", 2, 2),
    function("index", 1, usize::MAX),
    function("le", 2, 2),
    function("len", 1, 1),
    function("lt", 2, 2),
    function("ne", 2, 2),
    function("not", 1, 1),
    function("or", 1, usize::MAX),
    function("print", 0, usize::MAX),
    function("printf", 1, usize::MAX),
    function("println", 0, usize::MAX),
    function("slice", 1, 3),
];

const fn function(name: &'static str, fewest: usize, most: usize) -> Function {
    Function { name, fewest, most }
}

impl Function {
    pub(super) fn named(name: &str) -> Result<Self, String> {
        if let Some(found) = FUNCTIONS.iter().find(|own| own.name == name) {
            return Ok(*found);
        }
        Err(match nearest(name, FUNCTIONS.iter().map(|own| own.name)) {
            Some(nearest) => format!("`{name}` is no function; did you mean `{nearest}`?"),
            None => {
                let known: Vec<&str> = FUNCTIONS.iter().map(|own| own.name).collect();
                format!("`{name}` is no function that is known here: {}", known.join(", "))
            }
        })
    }

    /// What it gives, of arguments of these types.
    pub(super) fn gives(self, arguments: &[Type]) -> Result<Type, String> {
        if arguments.len() < self.fewest || arguments.len() > self.most {
            let wants = match (self.fewest, self.most) {
                (fewest, usize::MAX) => format!("{fewest} or more"),
                (fewest, most) if fewest == most => fewest.to_string(),
                (fewest, most) => format!("{fewest} to {most}"),
            };
            return Err(format!("`{}` takes {wants} arguments, not {}", self.name, arguments.len()));
        }
        let first = arguments.first().copied().unwrap_or(Type::Text);
        let refuse = || Err(format!("`{}` of {}", self.name, first.name()));
        match self.name {
            "index" => arguments[1..].iter().try_fold(first, |of, key| match (of, key) {
                (Type::Any, _) => Ok(Type::Any),
                (Type::Map, Type::Text | Type::Any) | (Type::Texts, Type::Integer | Type::Any) => Ok(Type::Text),
                (Type::Text, Type::Integer | Type::Any) => Ok(Type::Integer),
                (of, key) => Err(format!("`index` of {} by {}", of.name(), key.name())),
            }),
            "len" if matches!(first, Type::Text | Type::Texts | Type::Map | Type::Any) => Ok(Type::Integer),
            "slice" if matches!(first, Type::Text | Type::Texts | Type::Any) => Ok(first),
            "len" | "slice" => refuse(),
            "and" | "or" => Ok(if arguments.iter().all(|own| *own == first) { first } else { Type::Any }),
            "print" | "printf" | "println" => Ok(Type::Text),
            _ => Ok(Type::Boolean),
        }
    }

    /// Its result. `and` and `or` are not called here: they do not look at all their arguments.
    pub(super) fn call(self, arguments: Vec<Value<'_>>) -> Result<Value<'_>, String> {
        let mut arguments = arguments.into_iter();
        let first = arguments.next();
        match (self.name, first) {
            ("print", first) => Ok(Value::Text(print(first.into_iter().chain(arguments)).into())),
            ("println", first) => {
                let all: Vec<String> = first.iter().chain(arguments.as_slice()).map(Value::print).collect();
                Ok(Value::Text((all.join(" ") + "\n").into()))
            }
            ("printf", Some(Value::Text(format))) => {
                printf(&format, &arguments.collect::<Vec<_>>()).map(|text| Value::Text(text.into()))
            }
            ("printf", _) => Err("`printf` takes a text first".to_owned()),
            ("index", Some(first)) => arguments.try_fold(first, |of, key| index(&of, &key)),
            ("slice", Some(first)) => slice(first, arguments.as_slice()),
            ("len", Some(first)) => length(&first).map(Value::Integer),
            ("not", Some(first)) => Ok(Value::Boolean(!first.is_true())),
            ("eq", Some(first)) => {
                let equal = arguments.try_fold(false, |found, other| Ok::<_, String>(found | equal(&first, &other)?));
                equal.map(Value::Boolean)
            }
            (name, Some(first)) => match arguments.next() {
                Some(second) if name == "ne" => Ok(Value::Boolean(!equal(&first, &second)?)),
                Some(second) => compare(name, &first, &second).map(Value::Boolean),
                None => Err(format!("`{name}` takes 2 arguments")),
            },
            (name, None) => Err(format!("`{name}` without arguments")),
        }
    }
}

/// With a space between two of which neither is a text, as Go does it.
fn print<'a>(arguments: impl Iterator<Item = Value<'a>>) -> String {
    let (mut printed, mut text_before) = (String::new(), true);
    for argument in arguments {
        let is_text = matches!(argument, Value::Text(_));
        if !text_before && !is_text {
            printed.push(' ');
        }
        printed.push_str(&argument.print());
        text_before = is_text;
    }
    printed
}

fn index<'a>(of: &Value<'a>, key: &Value<'a>) -> Result<Value<'a>, String> {
    let place = |length: usize, at: i64| {
        let found = usize::try_from(at).ok().filter(|at| *at < length);
        found.ok_or_else(|| format!("`index`: {at} is out of range: there are {length}"))
    };
    match (of, key) {
        (Value::Map(map), Value::Text(key)) => Ok(Value::text(map.get(&**key).map_or("", String::as_str))),
        (Value::Texts(texts), Value::Integer(at)) => Ok(Value::text(&texts[place(texts.len(), *at)?])),
        (Value::Text(text), Value::Integer(at)) => {
            Ok(Value::Integer(i64::from(text.as_bytes()[place(text.len(), *at)?])))
        }
        (of, key) => Err(format!("`index` of {} by {}", of.kind().name(), key.kind().name())),
    }
}

fn slice<'a>(of: Value<'a>, bounds: &[Value<'a>]) -> Result<Value<'a>, String> {
    let length = match &of {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.len(),
        other => return Err(format!("`slice` of {}", other.kind().name())),
    };
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(Value::Integer(given)) => {
            let found = usize::try_from(*given).ok().filter(|given| *given <= length);
            found.ok_or_else(|| format!("`slice`: {given} is out of range: there are {length}"))
        }
        Some(other) => Err(format!("`slice` by {}", other.kind().name())),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(format!("`slice`: from {from} to {to}"));
    }
    let part = match of {
        Value::Texts(texts) => Some(Value::Texts(&texts[from..to])),
        Value::Text(Cow::Borrowed(text)) => text.get(from..to).map(Value::text),
        Value::Text(Cow::Owned(text)) => text.get(from..to).map(|part| Value::Text(part.to_owned().into())),
        _ => None,
    };
    part.ok_or_else(|| "`slice`: cuts a character".to_owned())
}

fn length(of: &Value<'_>) -> Result<i64, String> {
    let length = match of {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("`len` of {}", other.kind().name())),
    };
    i64::try_from(length).map_err(|error| error.to_string())
}

fn equal(one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    match (one, other) {
        (Value::Boolean(one), Value::Boolean(other)) => Ok(one == other),
        (Value::Missing, Value::Missing) => Ok(true),
        (Value::Missing, _) | (_, Value::Missing) => Ok(false),
        _ => order(one, other).map(|order| order == Some(Ordering::Equal)),
    }
}

fn compare(name: &str, one: &Value<'_>, other: &Value<'_>) -> Result<bool, String> {
    let order = order(one, other)?;
    Ok(match name {
        "lt" => order.is_some_and(Ordering::is_lt),
        "le" => order.is_some_and(Ordering::is_le),
        "gt" => order.is_some_and(Ordering::is_gt),
        _ => order.is_some_and(Ordering::is_ge),
    })
}

fn order(one: &Value<'_>, other: &Value<'_>) -> Result<Option<Ordering>, String> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => Ok(Some(one.cmp(other))),
        (Value::Integer(one), Value::Integer(other)) => Ok(Some(one.cmp(other))),
        (Value::Float(one), Value::Float(other)) => Ok(one.partial_cmp(other)),
        _ => Err(format!("{} cannot be compared with {}", one.kind().name(), other.kind().name())),
    }
}

/// The verbs of a format, and the text before each; the last has no verb.
pub(super) fn verbs(format: &str) -> Result<Vec<(&str, Option<char>)>, String> {
    let (mut found, mut rest) = (Vec::new(), format);
    while let Some(at) = rest.find('%') {
        let after = &rest[at + 1..];
        match after.chars().next() {
            Some(verb @ ('s' | 'q' | 'v' | 'd' | '%')) => {
                found.push((&rest[..at], Some(verb)));
                rest = &after[1..];
            }
            Some(other) => return Err(format!("`printf`: `%{other}` is not known here; %s, %q, %v, %d and %% are")),
            None => return Err("`printf`: a `%` at the end; write `%%`".to_owned()),
        }
    }
    found.push((rest, None));
    Ok(found)
}

fn printf(format: &str, arguments: &[Value<'_>]) -> Result<String, String> {
    let mut arguments = arguments.iter();
    let mut printed = String::new();
    for (before, verb) in verbs(format)? {
        printed.push_str(before);
        let Some(verb) = verb else { continue };
        if verb == '%' {
            printed.push('%');
            continue;
        }
        let Some(argument) = arguments.next() else { return Err(format!("`printf`: nothing for `%{verb}`")) };
        match (verb, argument) {
            ('q', Value::Text(text)) => printed.push_str(&crate::rules::promql::quoted(text)),
            ('d', Value::Integer(number)) => printed.push_str(&number.to_string()),
            ('s', Value::Text(_) | Value::Texts(_) | Value::Map(_)) | ('v', _) => printed.push_str(&argument.print()),
            (verb, other) => return Err(format!("`printf`: `%{verb}` of {}", other.kind().name())),
        }
    }
    match arguments.next() {
        Some(_) => Err("`printf`: more arguments than verbs".to_owned()),
        None => Ok(printed),
    }
}
