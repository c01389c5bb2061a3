//! What was wrong with a line, for the person who has to find it.

/// How many characters of a line an error repeats: enough to find it, and a line in a log stays a line.
const EXCERPT: usize = 60;

/// Why a body was not read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Counts from 1.
    pub line: usize,
    /// What was found there.
    pub problem: Problem,
}

/// What is wrong with a line. The text is what is to blame in it: its first 60 characters, escaped where
/// they are not safe to print.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something else than an exposition, most likely.
    #[error("`{0}` does not begin a metric")]
    NotAMetric(String),
    /// A name and perhaps labels, and then nothing.
    #[error("`{0}` has no value")]
    NoValue(String),
    /// The line ended within the labels.
    #[error("`{0}` has no closing brace")]
    NoClosingBrace(String),
    /// The line ended within a label's value or quoted name.
    #[error("`{0}` has no closing quote")]
    NoClosingQuote(String),
    /// Something else where a label should be.
    #[error("`{0}` does not begin with a label, name=\"value\"")]
    NotALabel(String),
    /// Something else after a label.
    #[error("`{0}` stands where a comma or a closing brace should")]
    NoComma(String),
    /// Something else where the value should be, or a number too large for it.
    #[error("`{0}` is not a value")]
    BadValue(String),
    /// Something else after the value.
    #[error("`{0}` is not a timestamp")]
    BadTimestamp(String),
    /// Something after the timestamp.
    #[error("`{0}` stands after the timestamp")]
    Trailing(String),
    /// A `#` after the sample that no exemplar follows.
    #[error("`{0}` is not an exemplar")]
    BadExemplar(String),
    /// A `# TYPE` line without a family or with an unknown word.
    #[error("`{0}` does not give a family and its type")]
    BadType(String),
    /// A wanted line is not text.
    #[error("`{0}` is not UTF-8")]
    NotUtf8(String),
    /// See [`MAX_LINE`](super::MAX_LINE).
    #[error("`{0}` is longer than {limit} bytes", limit = super::MAX_LINE)]
    TooLong(String),
    /// An `OpenMetrics` body was cut off.
    #[error("the body ends here without `# EOF`")]
    NoEof,
    /// An `OpenMetrics` body went on.
    #[error("`{0}` stands after `# EOF`")]
    AfterEof(String),
}

/// The beginning of `text`, fit to be printed: nothing in it moves a terminal's cursor.
#[cold]
pub(super) fn excerpt(text: &[u8]) -> String {
    let mut pieces = text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(printable);
        valid.chain(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")))
    });
    let mut printed: String = pieces.by_ref().take(EXCERPT).collect();
    if pieces.next().is_some() {
        printed.push('…');
    }
    printed
}

fn printable(character: char) -> String {
    if character.is_control() { character.escape_default().collect() } else { character.to_string() }
}
