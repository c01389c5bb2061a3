use std::fmt;

/// The longest title, in characters.
pub const MAX_TITLE: usize = 500;
/// The longest tag, in characters: it stands in an index, whose entries Postgres limits to 2.7 kB.
pub const MAX_TAG: usize = 100;

/// The longest passage that lists repeat with each entry, in characters: a description, a biography, the address of an
/// image. One page may hold a hundred of them, for anybody who asks.
pub const MAX_PASSAGE: usize = 10_000;
/// The longest comment, in characters: an article's are given out all at once.
pub const MAX_COMMENT: usize = 65_536;

/// What is wrong with a value, in the words that the API's errors use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// Empty after trimming, absent or null.
    Blank,
    /// Of the wrong type or form.
    Invalid,
    /// Shorter than this many characters.
    TooShort(usize),
    /// Longer than this many characters.
    TooLong(usize),
    /// A list of more than this many.
    TooMany(usize),
    /// Somebody else has it.
    Taken,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("can't be blank"),
            Self::Invalid => f.write_str("is invalid"),
            Self::TooShort(least) => write!(f, "is too short (minimum is {least} characters)"),
            Self::TooLong(most) => write!(f, "is too long (maximum is {most} characters)"),
            Self::TooMany(most) => write!(f, "has too many entries (maximum is {most})"),
            Self::Taken => f.write_str("has already been taken"),
        }
    }
}

/// Text of any length that says something.
///
/// A NUL is refused because Postgres cannot store one and `SQLite` would cut the text there.
pub fn prose(text: &str) -> Result<&str, Complaint> {
    if text.trim().is_empty() {
        Err(Complaint::Blank)
    } else if text.contains('\0') {
        Err(Complaint::Invalid)
    } else {
        Ok(text)
    }
}

/// [`prose`] of at most `most` characters.
pub fn line(text: &str, most: usize) -> Result<&str, Complaint> {
    short_enough(prose(text)?, most)
}

/// Text of at most `most` characters.
pub fn short_enough<T: AsRef<str>>(text: T, most: usize) -> Result<T, Complaint> {
    if text.as_ref().chars().nth(most).is_some() { Err(Complaint::TooLong(most)) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_of_any_kind_is_blank() {
        for blank in ["", " ", "\t\n", "\u{a0}\u{2003}"] {
            assert_eq!(prose(blank), Err(Complaint::Blank), "{blank:?}");
        }
        assert_eq!(prose(" a "), Ok(" a "));
        assert_eq!(prose("a\0b"), Err(Complaint::Invalid));
    }

    #[test]
    fn a_line_is_measured_in_characters() {
        assert_eq!(line("äöü", 3), Ok("äöü"));
        assert_eq!(line("äöüß", 3), Err(Complaint::TooLong(3)));
    }
}
