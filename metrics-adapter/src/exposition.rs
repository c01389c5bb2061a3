//! What a pod or a kubelet says at `/metrics`: the Prometheus text format 0.0.4 and `OpenMetrics` 1.0.
//!
//! Bytes come in, borrowed [`Sample`]s go out: nothing is copied, and only a label value with an escape
//! is ever allocated, by whoever asks for it. A line of a family that nobody wants costs the search for
//! its end and a comparison of its name with that of the line before. A wanted line is checked whole.
//!
//! It never panics, whatever the bytes, and knows no series: duplicates, rates and limits on the size of
//! a body are the caller's. After an error there is nothing more, as Prometheus fails a scrape whole.
//!
//! Sources: the `Exposition formats` page of Prometheus' documentation, the `OpenMetrics` 1.0
//! specification, and Prometheus' own lexers where these leave room.

mod labels;
mod number;
mod problem;
#[cfg(test)]
mod tests;
mod tokens;

pub use labels::{LabelText, Labels};
pub use problem::{ParseError, Problem};

use problem::excerpt;
use tokens::Cursor;

/// The longest line, in bytes, that is read. Label values have no bound of their own; real lines stay
/// under 2 KiB, and a body that is one endless line is no exposition.
pub const MAX_LINE: usize = 64 * 1024;

/// The end of a whole `OpenMetrics` body.
const EOF: &[u8] = b"# EOF";

/// The length of `""`.
const EMPTY_QUOTED: usize = 2;

/// Which of the two formats a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `text/plain`: timestamps in milliseconds, no mark at the end.
    Prometheus,
    /// `application/openmetrics-text`: timestamps in seconds, `# EOF` at the end.
    OpenMetrics,
}

impl Dialect {
    /// The format that a `Content-Type` header announces, whatever version it gives; `None` for what is
    /// neither, such as HTML or protobuf.
    #[must_use]
    pub fn from_content_type(header: &str) -> Option<Self> {
        let media_type = header.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("text/plain") {
            Some(Self::Prometheus)
        } else if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
            Some(Self::OpenMetrics)
        } else {
            None
        }
    }
}

/// What a family is, by its `# TYPE` line. The words of both formats are known in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only rises, or starts again from 0.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counters of observations by their size.
    Histogram,
    /// The same of things that come and go.
    GaugeHistogram,
    /// Quantiles that the process computed.
    Summary,
    /// Always 1; the labels speak.
    Info,
    /// One 0 or 1 a state.
    StateSet,
    /// `unknown` or `untyped`.
    Unknown,
}

impl Kind {
    fn from_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"counter" => Self::Counter,
            b"gauge" => Self::Gauge,
            b"histogram" => Self::Histogram,
            b"gaugehistogram" => Self::GaugeHistogram,
            b"summary" => Self::Summary,
            b"info" => Self::Info,
            b"stateset" => Self::StateSet,
            b"unknown" | b"untyped" => Self::Unknown,
            _ => return None,
        })
    }
}

/// A line with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Of the series, not of its family: `…_total`, `…_bucket`. If it was quoted, then what stood between
    /// the quotes, escapes and all.
    pub name: &'a str,
    /// Everything else that tells it from its family's other series.
    pub labels: LabelText<'a>,
    /// In the unit that the name gives; may be NaN or infinite.
    pub value: f64,
    /// Unix milliseconds. Most expositions give none: the time is that of the scrape.
    pub timestamp: Option<i64>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    /// What the samples of a family are. `OpenMetrics` leaves `_total` out of a counter's family.
    Type {
        /// As in [`Sample::name`].
        family: &'a str,
        /// What it is.
        kind: Kind,
    },
    /// A number.
    Sample(Sample<'a>),
}

/// The entries of a body in their order: every `# TYPE`, and the samples whose name is wanted.
#[derive(Debug)]
pub struct Parser<'a, W> {
    rest: &'a [u8],
    dialect: Dialect,
    wanted: W,
    /// Counts from 1; of the line that was read last.
    line: usize,
    state: State,
    previous: Verdict<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Within,
    /// `# EOF` was read.
    Complete,
    /// Everything was said, or it failed.
    Ended,
}

/// Whether a name is wanted. A family's lines stand together, so the next line has mostly the same name.
#[derive(Debug)]
struct Verdict<'a> {
    name: &'a [u8],
    wanted: bool,
}

/// A line without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    /// Whether it had an end.
    whole: bool,
}

impl<'a, W: FnMut(&str) -> bool> Parser<'a, W> {
    /// Reads `body`, as it came. `wanted` is asked for a sample's name, once for neighbours that share it.
    pub fn new(body: &'a [u8], dialect: Dialect, wanted: W) -> Self {
        let previous = Verdict { name: &[], wanted: false };
        Self { rest: body, dialect, wanted, line: 0, state: State::Within, previous }
    }

    fn next_line(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() || self.state == State::Ended {
            return None;
        }
        self.line += 1;
        let (text, rest, whole) = match memchr::memchr(b'\n', self.rest) {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..], true),
            None => (self.rest, &[][..], false),
        };
        self.rest = rest;
        Some(Line { text: text.strip_suffix(b"\r").unwrap_or(text), whole })
    }

    fn entry(&mut self, line: Line<'a>) -> Result<Option<Entry<'a>>, Problem> {
        if line.text.len() > MAX_LINE {
            return Err(Problem::TooLong(excerpt(line.text)));
        }
        let text = &line.text[tokens::blanks(line.text)..];
        match text.first() {
            None => Ok(None),
            Some(_) if self.state == State::Complete => Err(Problem::AfterEof(excerpt(text))),
            Some(b'#') => self.comment(text),
            Some(_) => self.series(Line { text, ..line }),
        }
    }

    /// `HELP`, `UNIT` and what people write are passed over.
    fn comment(&mut self, text: &'a [u8]) -> Result<Option<Entry<'a>>, Problem> {
        if self.dialect == Dialect::OpenMetrics && text == EOF {
            self.state = State::Complete;
        }
        let after_hash = text.get(1..).unwrap_or_default();
        let blanks = tokens::blanks(after_hash);
        match after_hash[blanks..].strip_prefix(b"TYPE") {
            Some(rest) if blanks > 0 && tokens::blanks(rest) > 0 => {
                type_of_family(rest).map(Some).ok_or_else(|| Problem::BadType(excerpt(text)))
            }
            _ => Ok(None),
        }
    }

    fn series(&mut self, line: Line<'a>) -> Result<Option<Entry<'a>>, Problem> {
        let Line { text, whole } = line;
        let known = self.previous.name;
        let same = !known.is_empty() && text.starts_with(known) && name_may_end(text, known.len());
        if !same {
            let name = &text[..name_length(text)?];
            let wanted = (self.wanted)(unquoted(tokens::utf8(name)?));
            self.previous = Verdict { name, wanted };
        }
        // A last line without its end may be half a line, and then half the body is missing: it is looked
        // at whole, whether it is wanted or not.
        if !self.previous.wanted && whole {
            return Ok(None);
        }
        let sample = sample(tokens::utf8(text)?, self.previous.name.len(), self.dialect)?;
        Ok(self.previous.wanted.then_some(Entry::Sample(sample)))
    }

    fn fail(&mut self, problem: Problem) -> ParseError {
        self.state = State::Ended;
        // Even the absence of everything is told of a line.
        ParseError { line: self.line.max(1), problem }
    }
}

impl<'a, W: FnMut(&str) -> bool> Iterator for Parser<'a, W> {
    type Item = Result<Entry<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(line) = self.next_line() {
            match self.entry(line) {
                Ok(None) => {}
                Ok(Some(entry)) => return Some(Ok(entry)),
                Err(problem) => return Some(Err(self.fail(problem))),
            }
        }
        if self.dialect == Dialect::OpenMetrics && self.state == State::Within {
            return Some(Err(self.fail(Problem::NoEof)));
        }
        None
    }
}

/// What follows the word `TYPE`.
fn type_of_family(text: &[u8]) -> Option<Entry<'_>> {
    let text = text.trim_ascii();
    let length = if text.first() == Some(&b'"') { tokens::quoted(text)? } else { tokens::metric_name(text) };
    let (name, word) = text.split_at(length);
    let family = Some(unquoted(tokens::utf8(name).ok()?)).filter(|family| !family.is_empty())?;
    let blanks = Some(tokens::blanks(word)).filter(|&blanks| blanks > 0)?;
    let kind = Kind::from_word(&word[blanks..])?;
    Some(Entry::Type { family, kind })
}

/// The length of what names the metric: `name`, or of the quoted form everything up to the name's end,
/// `{"name"`.
fn name_length(text: &[u8]) -> Result<usize, Problem> {
    let length = match text.strip_prefix(b"{") {
        Some(braced) => {
            let blanks = tokens::blanks(braced);
            let quoted = tokens::quoted(&braced[blanks..]).filter(|&length| length > EMPTY_QUOTED);
            quoted.map_or(0, |length| 1 + blanks + length)
        }
        None => tokens::metric_name(text),
    };
    if length > 0 && length == text.len() {
        return Err(Problem::NoValue(excerpt(text)));
    }
    if length == 0 || !name_may_end(text, length) { Err(Problem::NotAMetric(excerpt(text))) } else { Ok(length) }
}

/// Whether what stands after a name that is `length` long can be a sample's.
fn name_may_end(text: &[u8], length: usize) -> bool {
    let rest = &text[length..];
    if text.starts_with(b"{") {
        matches!(rest.get(tokens::blanks(rest)), Some(b',' | b'}'))
    } else {
        matches!(rest.first(), Some(b'{' | b' ' | b'\t'))
    }
}

/// The name within what [`name_length`] measured.
fn unquoted(name: &str) -> &str {
    let quoted = name.trim_start_matches(['{', ' ', '\t']);
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(name)
}

/// A line that is a sample from one end to the other; its name is `name_length` long.
fn sample(line: &str, name_length: usize, dialect: Dialect) -> Result<Sample<'_>, Problem> {
    let mut at = Cursor::new(line);
    let name = at.take(name_length);
    at.blanks();
    // Then the name was within the braces, and is followed as a label is.
    let quoted = name.starts_with('{');
    if quoted {
        at.eat(b',');
    }
    let labels = if quoted || at.eat(b'{') { labels::take(&mut at)? } else { LabelText::default() };
    at.blanks();
    if at.peek().is_none() {
        return Err(Problem::NoValue(excerpt(line.as_bytes())));
    }
    let value = number_at(&mut at)?;
    let timestamp = timestamp_at(&mut at, dialect)?;
    match at.peek() {
        None => {}
        Some(b'#') => {
            let exemplar = at.rest();
            check_exemplar(&mut at).ok_or_else(|| Problem::BadExemplar(excerpt(exemplar.as_bytes())))?;
        }
        Some(_) => return Err(Problem::Trailing(excerpt(at.rest().as_bytes()))),
    }
    Ok(Sample { name: unquoted(name), labels, value, timestamp })
}

fn number_at(at: &mut Cursor<'_>) -> Result<f64, Problem> {
    let word = at.word();
    number::value(word).ok_or_else(|| Problem::BadValue(excerpt(word.as_bytes())))
}

fn timestamp_at(at: &mut Cursor<'_>, dialect: Dialect) -> Result<Option<i64>, Problem> {
    at.blanks();
    if matches!(at.peek(), None | Some(b'#')) {
        return Ok(None);
    }
    let word = at.word();
    at.blanks();
    let timestamp = match dialect {
        Dialect::Prometheus => number::milliseconds(word),
        Dialect::OpenMetrics => number::seconds(word),
    };
    timestamp.map(Some).ok_or_else(|| Problem::BadTimestamp(excerpt(word.as_bytes())))
}

/// `# {…} value [seconds]` to the end of the line. Nothing of it is kept.
fn check_exemplar(at: &mut Cursor<'_>) -> Option<()> {
    at.eat(b'#');
    at.blanks();
    at.eat(b'{').then(|| labels::take(at).ok())??;
    at.blanks();
    number_at(at).ok()?;
    timestamp_at(at, Dialect::OpenMetrics).ok()?;
    at.peek().is_none().then_some(())
}
