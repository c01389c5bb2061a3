use std::path::PathBuf;

use serde_json::{Value, json};

/// An answer that was recorded from a real cluster.
pub(crate) struct Recording {
    /// As it was asked for.
    pub(crate) path: String,
    pub(crate) accept: String,
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(name)
}

impl Recording {
    /// Reads `custom/v1beta2-pod-json` for one.
    pub(crate) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(file(&format!("{name}.http"))).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let (status, body) = body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let path = lines.next().unwrap().strip_prefix("GET ").unwrap().to_owned();
        let accept = lines.next().unwrap().strip_prefix("Accept: ").unwrap().to_owned();
        let content_type = status.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        let protobuf = file(&format!("{name}.pb"));
        Self {
            path,
            accept,
            status: status.split_whitespace().nth(1).unwrap().parse().unwrap(),
            content_type: content_type.trim().to_owned(),
            body: if protobuf.exists() { std::fs::read(protobuf).unwrap() } else { body.as_bytes().to_vec() },
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Replaces what is different at each asking, times and values, by what it is. Fails where it is not that.
pub(crate) fn without_values(mut json: Value) -> Value {
    normalize(&mut json);
    json
}

fn normalize(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "timestamp" | "creationTimestamp" if value.is_string() => {
                        let text = value.as_str().unwrap();
                        assert!(text.len() == 20 && text.starts_with("2026-") && text.ends_with('Z'), "{text}");
                        *value = json!("TIME");
                    }
                    "value" | "cpu" | "memory" => {
                        let text = value.as_str().unwrap();
                        assert!(text.starts_with(|c: char| c.is_ascii_digit()), "{text}");
                        *value = json!("QUANTITY");
                    }
                    "window" if value.is_string() => *value = json!("DURATION"),
                    _ => normalize(value),
                }
            }
        }
        _ => {}
    }
}

/// A protobuf message as JSON: an array of `[field, value]`, a value a number, a text, or another message where
/// `nested` says so of its path (`2.1.8` is field 8 of field 1 of field 2).
pub(crate) fn decode(bytes: &[u8], path: &str, nested: &dyn Fn(&str) -> bool) -> Value {
    let mut rest = bytes;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest);
        let own = if path.is_empty() { (tag >> 3).to_string() } else { format!("{path}.{}", tag >> 3) };
        let value = match tag & 7 {
            0 => json!(varint(&mut rest)),
            2 => {
                let length = usize::try_from(varint(&mut rest)).unwrap();
                let (value, after) = rest.split_at(length);
                rest = after;
                if nested(&own) { decode(value, &own, nested) } else { json!(std::str::from_utf8(value).unwrap()) }
            }
            kind => panic!("field {own} is of wire type {kind}"),
        };
        fields.push(json!([own, value]));
    }
    Value::Array(fields)
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, after) = rest.split_first().unwrap();
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    unreachable!()
}
