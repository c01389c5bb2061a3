use super::Problem;

const OPEN: &str = "<<";
const CLOSE: &str = ">>";

/// A part of a template: text, or what stands between `<<` and `>>`.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Text(String),
    Action { at: usize, tokens: Vec<Token> },
}

/// A word of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// Whether a space stands before it.
    pub(super) spaced: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `.`
    Dot,
    /// `.Series`
    Field(String),
    /// `$`, `$i`; without the sign.
    Variable(String),
    Word(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Pipe,
    Declare,
    Assign,
    Comma,
    Open,
    Close,
}

impl Kind {
    /// Whether a value begins with it.
    pub(super) fn is_value(&self) -> bool {
        !matches!(self, Self::Pipe | Self::Declare | Self::Assign | Self::Comma | Self::Close)
    }
}

/// Parts a template into text and actions; comments are gone, and so is the space that `-` takes away.
pub(super) fn split(template: &str) -> Result<Vec<Item>, Problem> {
    let (mut items, mut at, mut trims) = (Vec::new(), 0, false);
    loop {
        let rest = &template[at..];
        let open = rest.find(OPEN);
        let mut text = &rest[..open.unwrap_or(rest.len())];
        if trims {
            text = text.trim_start();
        }
        let Some(open) = open else {
            push_text(&mut items, text);
            return Ok(items);
        };
        let inside = at + open + OPEN.len();
        let trims_before = starts_with_marker(&template[inside..]);
        push_text(&mut items, if trims_before { text.trim_end() } else { text });
        let start = inside + usize::from(trims_before);
        let (tokens, end, trims_after) = match comment(template, start, at + open)? {
            Some((end, trims_after)) => (None, end, trims_after),
            None => {
                let mut lexer = Lexer { template, at: start, action: at + open };
                let (tokens, trims_after) = lexer.tokens()?;
                (Some(tokens), lexer.at, trims_after)
            }
        };
        items.extend(tokens.map(|tokens| Item::Action { at: at + open, tokens }));
        (at, trims) = (end, trims_after);
    }
}

fn push_text(items: &mut Vec<Item>, text: &str) {
    if !text.is_empty() {
        items.push(Item::Text(text.to_owned()));
    }
}

/// `- `, which takes away the space before.
fn starts_with_marker(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where a comment ends, if one begins here, and whether it takes away the space after it.
fn comment(template: &str, start: usize, action: usize) -> Result<Option<(usize, bool)>, Problem> {
    let body = template[start..].trim_start_matches(is_space);
    let Some(after) = body.strip_prefix("/*") else { return Ok(None) };
    let begins = template.len() - after.len();
    let Some(end) = after.find("*/") else { return Err((action, "a comment that does not end with `*/`".to_owned())) };
    let end = begins + end + "*/".len();
    let rest = &template[end..];
    if rest.starts_with(CLOSE) {
        return Ok(Some((end + CLOSE.len(), false)));
    }
    match rest.trim_start_matches(is_space).strip_prefix("->>") {
        Some(left) if rest.starts_with(is_space) => Ok(Some((template.len() - left.len(), true))),
        _ => Err((end, "after a comment only `>>` may follow".to_owned())),
    }
}

struct Lexer<'a> {
    template: &'a str,
    at: usize,
    /// Where the action begins.
    action: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.template[self.at..]
    }

    /// The action's words, and whether it takes away the space after it.
    fn tokens(&mut self) -> Result<(Vec<Token>, bool), Problem> {
        let mut tokens = Vec::new();
        loop {
            let before = self.at;
            self.at = self.template.len() - self.rest().trim_start_matches(is_space).len();
            let spaced = self.at > before;
            for (close, trims) in [(CLOSE, false), ("->>", true)] {
                if self.rest().starts_with(close) && (spaced || !trims) {
                    self.at += close.len();
                    return Ok((tokens, trims));
                }
            }
            if self.rest().is_empty() {
                return Err((self.action, "`<<` without `>>`".to_owned()));
            }
            let at = self.at;
            let kind = self.token()?;
            tokens.push(Token { at, spaced, kind });
        }
    }

    fn token(&mut self) -> Result<Kind, Problem> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Err((self.at, "nothing".to_owned())) };
        let second = rest[first.len_utf8()..].chars().next();
        let simple = match first {
            '|' => Some((1, Kind::Pipe)),
            ',' => Some((1, Kind::Comma)),
            '(' => Some((1, Kind::Open)),
            ')' => Some((1, Kind::Close)),
            '=' => Some((1, Kind::Assign)),
            ':' if second == Some('=') => Some((2, Kind::Declare)),
            _ => None,
        };
        if let Some((length, kind)) = simple {
            self.at += length;
            return Ok(kind);
        }
        match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '$' => {
                self.at += 1;
                Ok(Kind::Variable(self.word().to_owned()))
            }
            '.' if !second.is_some_and(|next| next.is_ascii_digit()) => {
                self.at += 1;
                let name = self.word();
                Ok(if name.is_empty() { Kind::Dot } else { Kind::Field(name.to_owned()) })
            }
            '0'..='9' | '.' | '+' | '-' => self.number(),
            '\'' => Err((self.at, "write text in double quotes".to_owned())),
            character if is_word(character) => Ok(Kind::Word(self.word().to_owned())),
            other => Err((self.at, format!("`{other}` means nothing here"))),
        }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn raw(&mut self) -> Result<Kind, Problem> {
        let inside = &self.rest()[1..];
        let Some(end) = inside.find('`') else { return Err((self.at, "a text that does not end".to_owned())) };
        self.at += end + 2;
        Ok(Kind::Text(inside[..end].to_owned()))
    }

    fn quoted(&mut self) -> Result<Kind, Problem> {
        let (start, mut text) = (self.at, String::new());
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(Kind::Text(text));
                }
                '\n' => break,
                '\\' => match characters.next() {
                    Some((_, escaped)) => {
                        let unknown = || (start + offset, format!("`\\{escaped}` is no escape that is known here"));
                        text.push(escape(escaped).ok_or_else(unknown)?);
                    }
                    None => break,
                },
                other => text.push(other),
            }
        }
        Err((start, "a text that does not end".to_owned()))
    }

    fn number(&mut self) -> Result<Kind, Problem> {
        let rest = self.rest();
        let inner = |(at, character): (usize, char)| {
            let sign = matches!(character, '+' | '-') && (at == 0 || rest[..at].ends_with(['e', 'E']));
            !(is_word(character) || character == '.' || sign)
        };
        let length = rest.char_indices().find(|found| inner(*found)).map_or(rest.len(), |(at, _)| at);
        let text = &rest[..length];
        let digits = text.strip_prefix('+').unwrap_or(text);
        let number = match digits.parse() {
            Ok(number) => Some(Kind::Integer(number)),
            Err(_) => digits.parse().ok().filter(|float: &f64| float.is_finite()).map(Kind::Float),
        };
        let number = number.filter(|_| text.ends_with(|last: char| last.is_ascii_digit() || last == '.'));
        let number = number.ok_or_else(|| (self.at, format!("`{text}` is no number")))?;
        self.at += length;
        Ok(number)
    }
}

fn escape(escaped: char) -> Option<char> {
    match escaped {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        '"' | '\\' => Some(escaped),
        _ => None,
    }
}
