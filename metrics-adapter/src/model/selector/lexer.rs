/// What a selector is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Identifier,
    ClosedPar,
    Comma,
    DoesNotExist,
    DoubleEquals,
    Equals,
    GreaterThan,
    In,
    LessThan,
    NotEquals,
    NotIn,
    OpenPar,
}

impl Token {
    fn of_symbol(text: &str) -> Option<Self> {
        Some(match text {
            ")" => Self::ClosedPar,
            "," => Self::Comma,
            "!" => Self::DoesNotExist,
            "==" => Self::DoubleEquals,
            "=" => Self::Equals,
            ">" => Self::GreaterThan,
            "<" => Self::LessThan,
            "!=" => Self::NotEquals,
            "(" => Self::OpenPar,
            _ => return None,
        })
    }

    fn of_word(text: &str) -> Self {
        match text {
            "in" => Self::In,
            "notin" => Self::NotIn,
            _ => Self::Identifier,
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

/// Takes the first token off `rest`, with its text.
pub(super) fn next<'a>(rest: &mut &'a str) -> (Token, &'a str) {
    let text = rest.trim_start_matches(is_space);
    let Some(first) = text.chars().next() else {
        *rest = "";
        return (Token::End, "");
    };
    if !is_symbol(first) {
        let end = text.find(|c| is_space(c) || is_symbol(c)).unwrap_or(text.len());
        let (word, left) = text.split_at(end);
        *rest = left;
        return (Token::of_word(word), word);
    }
    // The longest symbol that there is: of two characters, all of them ASCII, or of one.
    let two = text.get(..2).and_then(|two| Some((2, Token::of_symbol(two)?)));
    let one = || Some((1, Token::of_symbol(text.get(..1)?)?));
    let (length, token) = two.or_else(one).unwrap_or((0, Token::End));
    let (symbol, left) = text.split_at(length);
    *rest = left;
    (token, symbol)
}
