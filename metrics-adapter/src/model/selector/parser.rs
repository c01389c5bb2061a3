use super::lexer::{self, Token};
use super::{Operator, Requirement};

/// Characters of a label's name and of its value.
const LONGEST: usize = 63;
/// Characters of the prefix of a label's name.
const LONGEST_PREFIX: usize = 253;

/// Whether `in` and `notin` are words or values at this place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Operators,
    Values,
}

struct Parser<'a> {
    rest: &'a str,
}

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { rest: text };
    let mut requirements = Vec::new();
    loop {
        match parser.look(Context::Values) {
            (Token::Identifier | Token::DoesNotExist, _) => {
                let requirement = parser.requirement();
                requirements.push(requirement.map_err(|error| format!("unable to parse requirement: {error}"))?);
            }
            (Token::End, _) => return Ok(requirements),
            (_, found) => return Err(format!("found '{found}', expected: !, identifier, or 'end of string'")),
        }
        match parser.take(Context::Values) {
            (Token::End, _) => return Ok(requirements),
            (Token::Comma, _) => match parser.look(Context::Values) {
                (Token::Identifier | Token::DoesNotExist, _) => {}
                (_, found) => return Err(format!("found '{found}', expected: identifier after ','")),
            },
            (_, found) => return Err(format!("found '{found}', expected: ',' or 'end of string'")),
        }
    }
}

impl<'a> Parser<'a> {
    fn take(&mut self, context: Context) -> (Token, &'a str) {
        let (token, text) = lexer::next(&mut self.rest);
        let word = matches!(token, Token::In | Token::NotIn) && context == Context::Values;
        (if word { Token::Identifier } else { token }, text)
    }

    fn look(&self, context: Context) -> (Token, &'a str) {
        Parser { rest: self.rest }.take(context)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut text) = self.take(Context::Values);
        let absent = token == Token::DoesNotExist;
        if absent {
            (token, text) = self.take(Context::Values);
        }
        if token != Token::Identifier {
            return Err(format!("found '{text}', expected: identifier"));
        }
        let key = text.to_owned();
        check_key(&key)?;
        if absent {
            return Ok(Requirement { key, operator: Operator::DoesNotExist, values: Vec::new() });
        }
        if matches!(self.look(Context::Values).0, Token::End | Token::Comma) {
            return Ok(Requirement { key, operator: Operator::Exists, values: Vec::new() });
        }
        let operator = self.operator()?;
        let mut values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact_value()?],
        };
        values.sort();
        values.dedup();
        check_values(&key, operator, &values)?;
        Ok(Requirement { key, operator, values })
    }

    fn operator(&mut self) -> Result<Operator, String> {
        Ok(match self.take(Context::Operators) {
            (Token::In, _) => Operator::In,
            (Token::NotIn, _) => Operator::NotIn,
            (Token::Equals | Token::DoubleEquals, _) => Operator::Equals,
            (Token::NotEquals, _) => Operator::NotEquals,
            (Token::GreaterThan, _) => Operator::GreaterThan,
            (Token::LessThan, _) => Operator::LessThan,
            (_, found) => return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt")),
        })
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.look(Context::Values).0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.take(Context::Values) {
            (Token::Identifier, value) => Ok(value.to_owned()),
            (_, found) => Err(format!("found '{found}', expected: identifier")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.take(Context::Values) {
            (Token::OpenPar, _) => {}
            (_, found) => return Err(format!("found '{found}' expected: '('")),
        }
        match self.look(Context::Values) {
            (Token::Identifier | Token::Comma, _) => {
                let values = self.identifiers()?;
                match self.take(Context::Values) {
                    (Token::ClosedPar, _) => Ok(values),
                    (_, found) => Err(format!("found '{found}', expected: ')'")),
                }
            }
            (Token::ClosedPar, _) => {
                self.take(Context::Values);
                Ok(Vec::new())
            }
            (_, found) => Err(format!("found '{found}', expected: ',', ')' or identifier")),
        }
    }

    /// Between commas may be nothing, which is the empty value.
    fn identifiers(&mut self) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        loop {
            match self.take(Context::Values) {
                (Token::Identifier, value) => {
                    values.push(value.to_owned());
                    match self.look(Context::Values) {
                        (Token::Comma, _) => {}
                        (Token::ClosedPar, _) => return Ok(values),
                        (_, found) => return Err(format!("found '{found}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    match self.look(Context::Values).0 {
                        Token::ClosedPar => {
                            values.push(String::new());
                            return Ok(values);
                        }
                        Token::Comma => {
                            self.take(Context::Values);
                            values.push(String::new());
                        }
                        _ => {}
                    }
                }
                (_, found) => return Err(format!("found '{found}', expected: ',', or identifier")),
            }
        }
    }
}

pub(super) fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let invalid = |problem: String| Err(format!("key: Invalid value: {key:?}: {problem}"));
    if let Some(prefix) = prefix {
        let parts_are_well_formed = prefix
            .split('.')
            .all(|part| is_framed(part, |byte| byte == b'-') && !part.bytes().any(|byte| byte.is_ascii_uppercase()));
        if prefix.is_empty() {
            return invalid("prefix part must be non-empty".to_owned());
        }
        if prefix.len() > LONGEST_PREFIX || !parts_are_well_formed {
            return invalid(format!(
                "prefix part must be a DNS subdomain of no more than {LONGEST_PREFIX} characters, as example.com"
            ));
        }
    }
    if name.len() > LONGEST {
        return invalid(format!("name part must be no more than {LONGEST} characters"));
    }
    if name.contains('/') {
        return invalid("a qualified name has at most one '/'".to_owned());
    }
    if !is_framed(name, is_inner) {
        return invalid(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
             alphanumeric character"
                .to_owned(),
        );
    }
    Ok(())
}

pub(super) fn check_values(key: &str, operator: Operator, values: &[String]) -> Result<(), String> {
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            return Err("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned());
        }
        Operator::GreaterThan | Operator::LessThan => {
            let value = values.first().map_or("", String::as_str);
            if value.parse::<i64>().is_err() {
                return Err(format!(
                    "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                ));
            }
        }
        _ => {}
    }
    for (at, value) in values.iter().enumerate() {
        let problem = if value.len() > LONGEST {
            format!("must be no more than {LONGEST} characters")
        } else if !value.is_empty() && !is_framed(value, is_inner) {
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character"
                .to_owned()
        } else {
            continue;
        };
        return Err(format!("values[{at}][{key}]: Invalid value: {value:?}: {problem}"));
    }
    Ok(())
}

fn is_inner(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

/// Letters and digits, and between them what `inner` allows besides.
fn is_framed(text: &str, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || inner(*byte))
}
