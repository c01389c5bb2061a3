//! JSON written by hand: a list of a thousand pods is the adapter's daily work, and all but a few of its
//! bytes are the same each time.

use std::io::Write as _;
use std::time::Duration;

use crate::model::{Labels, ObjectReference, Operator, Requirement, Selector, Wall};

/// Text that is being written.
#[derive(Default)]
pub(super) struct Json(pub(super) Vec<u8>);

impl Json {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Just that.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Whatever displays itself without a character that JSON escapes.
    pub(super) fn plain(&mut self, value: impl std::fmt::Display) -> &mut Self {
        // Writing to memory cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// A string in quotes.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            // Writing a string to memory cannot fail.
            let _ = serde_json::to_writer(&mut self.0, text);
        }
        self
    }

    /// A mapping of strings.
    pub(super) fn labels(&mut self, labels: &Labels) -> &mut Self {
        self.list('{', '}', labels.iter(), |json, (name, value)| {
            json.string(name).raw(":").string(value);
        })
    }

    /// Items between brackets, with commas.
    pub(super) fn list<T>(
        &mut self,
        open: char,
        close: char,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.plain(open);
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.plain(close)
    }

    /// Kind, version and metadata of a list or an object, up to where its own fields begin.
    pub(super) fn type_meta(&mut self, kind: &str, api_version: &str) -> &mut Self {
        self.raw("{\"kind\":\"").raw(kind).raw("\",\"apiVersion\":\"").raw(api_version).raw("\",")
    }

    pub(super) fn reference(&mut self, object: &ObjectReference<'_>) -> &mut Self {
        self.raw("{\"kind\":\"").raw(object.resource.kind).raw("\",");
        if object.resource.namespaced {
            self.raw("\"namespace\":").string(object.namespace).raw(",");
        }
        self.raw("\"name\":").string(object.name);
        self.raw(",\"apiVersion\":\"").raw(object.resource.api_version).raw("\"}")
    }

    /// A `metav1.LabelSelector`; null when nothing was selected.
    pub(super) fn selector(&mut self, selector: &Selector) -> &mut Self {
        let (equal, others): (Vec<&Requirement>, Vec<_>) =
            selector.requirements().iter().partition(|own| is_equal(own));
        if selector.is_empty() {
            return self.raw("null");
        }
        self.raw("{");
        if !equal.is_empty() {
            self.raw("\"matchLabels\":").list('{', '}', equal.iter(), |json, own| {
                json.string(&own.key).raw(":").string(own.values.first().map_or("", String::as_str));
            });
        }
        if !others.is_empty() {
            self.raw(if equal.is_empty() { "" } else { "," });
            self.raw("\"matchExpressions\":").list('[', ']', others.iter(), |json, own| {
                json.raw("{\"key\":").string(&own.key).raw(",\"operator\":\"").raw(operator(own)).raw("\"");
                if !own.values.is_empty() {
                    json.raw(",\"values\":").list('[', ']', own.values.iter(), |json, value| {
                        json.string(value);
                    });
                }
                json.raw("}");
            });
        }
        self.raw("}")
    }
}

/// Whether a requirement is one of `matchLabels`.
pub(super) fn is_equal(requirement: &Requirement) -> bool {
    requirement.operator == Operator::Equals
}

/// A requirement's operator as `matchExpressions` has it.
pub(super) fn operator(requirement: &Requirement) -> &'static str {
    match requirement.operator {
        Operator::Equals | Operator::In => "In",
        Operator::NotEquals | Operator::NotIn => "NotIn",
        Operator::Exists => "Exists",
        Operator::DoesNotExist => "DoesNotExist",
        Operator::GreaterThan => "Gt",
        Operator::LessThan => "Lt",
    }
}

/// Times are mostly of the same second as the one before.
#[derive(Default)]
pub(super) struct Times(Option<(i64, String)>);

impl Times {
    pub(super) fn text(&mut self, wall: Wall) -> &str {
        if self.0.as_ref().is_none_or(|(second, _)| *second != wall.seconds()) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (wall.seconds(), wall.to_string())).1
    }
}

/// As Go writes durations, in whole milliseconds: `10.025s`, `1m30s`.
pub(super) fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let fraction = match rest % 1000 {
        0 => String::new(),
        fraction => format!(".{fraction:03}").trim_end_matches('0').to_owned(),
    };
    let seconds = rest / 1000;
    match (minutes / 60, minutes % 60) {
        (0, 0) if millis == 0 => "0s".to_owned(),
        (0, 0) if millis < 1000 => format!("{millis}ms"),
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// The same document for people: indented by two spaces. `json` is well formed.
pub(super) fn indented(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    for (at, &byte) in json.iter().enumerate() {
        if quoted {
            out.push(byte);
            quoted = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(json.get(at + 1), Some(b'}' | b']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(out.last(), Some(b'{' | b'[')) {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                quoted = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        let table = [
            (0, "0s"),
            (500, "500ms"),
            (1_000, "1s"),
            (10_025, "10.025s"),
            (15_000, "15s"),
            (15_100, "15.1s"),
            (60_000, "1m0s"),
            (90_500, "1m30.5s"),
            (3_600_000, "1h0m0s"),
        ];
        for (millis, text) in table {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn an_indented_document_is_the_same_document() {
        let json = br#"{"a":[1,{"b":"x:,{}[]\"\\"},[]],"c":{},"d":null}"#;
        let text = indented(json);
        let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&text), read(json));
        assert_eq!(text, serde_json::to_vec_pretty(&read(json)).unwrap());
    }

    #[test]
    fn strings_are_escaped() {
        let mut json = Json::default();
        json.string("plain é").string("a\"b\\c\n\u{1}");
        assert_eq!(String::from_utf8(json.0).unwrap(), r#""plain é""a\"b\\c\n\u0001""#);
    }
}
