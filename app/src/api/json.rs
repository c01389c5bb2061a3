//! JSON written by hand, for what is written most: articles.
//!
//! Twenty articles have four hundred values; the general way (a struct, its serializer, each key and
//! each text looked at byte by byte) costs twice as much. That this writes what the documented
//! structs say is what the tests hold against it.

use super::respond::RawJson;
use crate::model::Timestamp;

/// A JSON text in the making.
pub(super) struct JsonWriter(Vec<u8>);

impl JsonWriter {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(RawJson::USUAL_SIZE))
    }

    /// Punctuation and keys, or a value that is JSON already.
    pub(super) fn raw(&mut self, json: &str) -> &mut Self {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        if needs_escapes(text.as_bytes()) {
            // Writing a string into a vector cannot fail.
            let _ = serde_json::to_writer(&mut self.0, text);
        } else {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        }
        self
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.raw(if flag { "true" } else { "false" })
    }

    pub(super) fn int(&mut self, number: i64) -> &mut Self {
        let _ = serde_json::to_writer(&mut self.0, &number);
        self
    }

    pub(super) fn time(&mut self, time: Timestamp) -> &mut Self {
        self.0.push(b'"');
        self.0.extend_from_slice(&time.digits());
        self.0.push(b'"');
        self
    }

    pub(super) fn finish(self) -> RawJson {
        RawJson(self.0.into())
    }
}

/// Looked at without a branch for each byte, so that the compiler looks at many at once.
#[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
fn needs_escapes(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_where_json_asks_for_it() {
        for text in ["", "plain", "a \"quote\"", "back\\slash", "line\nbreak", "\u{1}", "\u{7f}", "ünï 你好 🎉"] {
            let mut writer = JsonWriter::new();
            writer.text(text);
            assert_eq!(serde_json::from_slice::<String>(&writer.finish().0).unwrap(), text);
        }
    }
}
