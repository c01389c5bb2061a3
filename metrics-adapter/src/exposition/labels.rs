//! What stands between the braces.

use std::borrow::Cow;

use super::problem::{Problem, excerpt};
use super::tokens::Cursor;

/// A sample's labels as they were written, known to be well formed.
///
/// Two texts that differ may mean the same labels; one process writes a series the same way every time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelText<'a>(&'a str);

impl<'a> LabelText<'a> {
    /// The [`text`](Self::text) of labels that were read before. Of any other text nothing is promised but
    /// that some labels come of it, or none.
    #[must_use]
    pub fn checked(text: &'a str) -> Self {
        Self(text)
    }

    /// Between the braces, without them; without the metric's name, where that is quoted and stands there
    /// too. Empty if there were no braces.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The labels in their order.
    #[must_use]
    pub fn iter(self) -> Labels<'a> {
        Labels(Cursor::new(self.0))
    }
}

impl<'a> IntoIterator for LabelText<'a> {
    type Item = (&'a str, Cow<'a, str>);
    type IntoIter = Labels<'a>;

    fn into_iter(self) -> Labels<'a> {
        self.iter()
    }
}

/// Names and values of labels. A value is unescaped, and borrowed unless that changed it. A quoted name
/// is what stood between the quotes, escapes and all.
#[derive(Clone, Debug)]
pub struct Labels<'a>(Cursor<'a>);

impl<'a> Iterator for Labels<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.blanks();
        let (name, value) = pair(&mut self.0)?;
        self.0.blanks();
        self.0.eat(b',');
        Some((name, unescape(value)))
    }
}

/// Moves past the closing brace; the opening one was taken.
pub(super) fn take<'a>(at: &mut Cursor<'a>) -> Result<LabelText<'a>, Problem> {
    let start = at.position();
    loop {
        at.blanks();
        if at.peek() == Some(b'}') {
            break;
        }
        let label = at.rest();
        pair(at).ok_or_else(|| no_label(at, label))?;
        at.blanks();
        match at.peek() {
            Some(b',') => at.eat(b','),
            Some(b'}') => break,
            None => return Err(Problem::NoClosingBrace(excerpt(at.line().as_bytes()))),
            Some(_) => return Err(Problem::NoComma(excerpt(at.rest().as_bytes()))),
        };
    }
    let text = &at.line()[start..at.position()];
    at.eat(b'}');
    Ok(LabelText(text))
}

/// `name="value"`, the value still escaped. `None` leaves the cursor where it is something else.
fn pair<'a>(at: &mut Cursor<'a>) -> Option<(&'a str, &'a str)> {
    let name = at.label_name();
    at.blanks();
    if name.is_empty() || !at.eat(b'=') {
        return None;
    }
    at.blanks();
    Some((name, at.quoted()?))
}

/// Why there is no [`pair`] in `label`; `at` is where it stopped being one.
#[cold]
fn no_label(at: &Cursor<'_>, label: &str) -> Problem {
    match at.peek() {
        None => Problem::NoClosingBrace(excerpt(at.line().as_bytes())),
        Some(b'"') if at.clone().quoted().is_none() => Problem::NoClosingQuote(excerpt(at.line().as_bytes())),
        Some(_) => Problem::NotALabel(excerpt(label.as_bytes())),
    }
}

/// `\\`, `\"` and `\n`. Any other escape stays as it is, as Prometheus has it.
fn unescape(value: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, escaped)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut after = escaped.chars();
        match after.next() {
            Some('n') => plain.push('\n'),
            Some(literal @ ('\\' | '"')) => plain.push(literal),
            other => {
                plain.push('\\');
                plain.extend(other);
            }
        }
        rest = after.as_str();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
