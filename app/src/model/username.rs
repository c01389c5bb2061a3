use super::text::{self, Complaint};

/// The longest username, in characters: it stands in an index and in URLs.
const MAX: usize = 100;

/// A name that is not blank, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Reads a name, without the white space around it.
    pub fn parse(given: &str) -> Result<Self, Complaint> {
        let name = text::line(given, MAX)?.trim();
        if name.chars().any(char::is_control) {
            return Err(Complaint::Invalid);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
