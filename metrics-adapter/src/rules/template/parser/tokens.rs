use super::super::Problem;
use super::super::lexer::{Kind, Token};

/// The words of an action that are left.
pub(super) struct Tokens {
    pub(super) left: std::vec::IntoIter<Token>,
    /// Where the last was.
    at: usize,
}

impl Tokens {
    pub(super) fn of(tokens: Vec<Token>, at: usize) -> Self {
        Self { left: tokens.into_iter(), at }
    }

    pub(super) fn take(&mut self) -> Option<Token> {
        let token = self.left.next();
        self.at = token.as_ref().map_or(self.at, |token| token.at);
        token
    }

    pub(super) fn first(&self) -> Option<&Token> {
        self.left.as_slice().first()
    }

    pub(super) fn peek(&self) -> Option<&Kind> {
        self.first().map(|token| &token.kind)
    }

    /// Where the next is, or else the last was.
    pub(super) fn place(&self) -> usize {
        self.first().map_or(self.at, |token| token.at)
    }

    pub(super) fn next_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Kind::Word(word)) if word == wanted)
    }

    pub(super) fn end(&self) -> Result<(), Problem> {
        match self.first() {
            None => Ok(()),
            Some(token) => Err((token.at, "`>>` must come here".to_owned())),
        }
    }

    /// `$key, $value :=` or `$value :=`, if one of them is there.
    pub(super) fn range_variables(&mut self) -> Result<(Option<String>, Option<String>), Problem> {
        let ahead: Vec<Kind> = self.left.clone().take(4).map(|token| token.kind).collect();
        let taken = match ahead.as_slice() {
            [Kind::Variable(key), Kind::Comma, Kind::Variable(value), Kind::Declare] => {
                ((Some(key.clone()), Some(value.clone())), 4)
            }
            [Kind::Variable(value), Kind::Declare, ..] => ((None, Some(value.clone())), 2),
            [Kind::Variable(_), Kind::Assign | Kind::Comma, ..] => {
                return Err((self.place(), "write `range $i, $value := …`".to_owned()));
            }
            _ => ((None, None), 0),
        };
        for _ in 0..taken.1 {
            self.take();
        }
        Ok(taken.0)
    }
}
