use std::fmt;

use super::KubectlError;

/// What could not be done, in the words of those who could not, and what helps.
#[derive(Debug)]
pub struct Failure {
    what: String,
    words: Vec<String>,
    cure: Option<String>,
    passes: bool,
    forbidden: bool,
}

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), words: Vec::new(), cure: None, passes: false, forbidden: false }
    }

    /// What somebody else said of it.
    pub(super) fn words(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.words.extend(words);
        self
    }

    /// What it is, if it may pass by itself.
    pub(super) fn passing(&self) -> Option<&str> {
        self.passes.then_some(&*self.what)
    }

    /// Whether the cluster does not let this person do it.
    pub(super) fn is_forbidden(&self) -> bool {
        self.forbidden
    }

    pub(super) fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        for line in &self.words {
            write!(formatter, "\n    {line}")?;
        }
        self.cure.as_ref().map_or(Ok(()), |cure| write!(formatter, "\nWhat to do: {cure}."))
    }
}

impl std::error::Error for Failure {}

impl From<KubectlError> for Failure {
    fn from(error: KubectlError) -> Self {
        Self { passes: error.passes(), forbidden: error.is_forbidden(), ..Self::new(error.to_string()) }
    }
}
