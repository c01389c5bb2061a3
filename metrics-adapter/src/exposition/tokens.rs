//! How far the smallest parts of a line reach.

use super::problem::{Problem, excerpt};

/// How many spaces and tabs `text` begins with.
pub(super) fn blanks(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The length of the metric's name that `text` begins with, 0 without one.
pub(super) fn metric_name(text: &[u8]) -> usize {
    name(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
}

/// The length of the label's name that `text` begins with, 0 without one.
pub(super) fn label_name(text: &[u8]) -> usize {
    name(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn name(text: &[u8], may_hold: impl Fn(u8) -> bool) -> usize {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    text.iter().position(|&byte| !may_hold(byte)).unwrap_or(text.len())
}

/// The length of the quoted string that `text` begins with, quotes and all. `None` if there is none, or no
/// end of it.
pub(super) fn quoted(text: &[u8]) -> Option<usize> {
    text.strip_prefix(b"\"")?;
    let mut at = 1;
    // Names and values are so short that a search with vector instructions would be slower.
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            // And what it escapes.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `bytes` as text.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    str::from_utf8(bytes).map_err(|_| Problem::NotUtf8(excerpt(bytes)))
}

/// A place in a line.
///
/// It moves by tokens, which begin and end with ASCII, so it never stands within a character.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    pub(super) fn line(&self) -> &'a str {
        self.line
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn bytes(&self) -> &'a [u8] {
        &self.line.as_bytes()[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    /// Moves over `byte` if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn blanks(&mut self) {
        self.at += blanks(self.bytes());
    }

    /// Moves by `length`, which must have been measured here.
    pub(super) fn take(&mut self, length: usize) -> &'a str {
        let start = self.at;
        self.at += length;
        &self.line[start..self.at]
    }

    /// Up to the next blank or the end.
    pub(super) fn word(&mut self) -> &'a str {
        let bytes = self.bytes();
        self.take(bytes.iter().position(|&byte| is_blank(byte)).unwrap_or(bytes.len()))
    }

    /// A label's name, which may be quoted; empty if there is none.
    pub(super) fn label_name(&mut self) -> &'a str {
        if self.peek() == Some(b'"') { self.quoted().unwrap_or_default() } else { self.take(label_name(self.bytes())) }
    }

    /// What stands between quotes, escaped as it is.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let text = self.take(quoted(self.bytes())?);
        Some(&text[1..text.len() - 1])
    }
}
