use regex::Regex;

/// A regular expression, in the syntax of Go. It need not match the whole.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// Larger ones are no names of series; each is compiled once, when the file is read.
const MOST_COMPILED: usize = 1 << 20;

impl Pattern {
    /// Reads a regular expression; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let built = regex::RegexBuilder::new(&as_rust_writes_it(text)).size_limit(MOST_COMPILED).build();
        match built {
            Ok(regex) => Ok(Self { written: text.to_owned(), regex }),
            Err(error) => {
                let lines = error.to_string();
                let last = lines.lines().last().unwrap_or_default().trim();
                let problem = last.strip_prefix("error: ").unwrap_or(last);
                Err(format!("`{text}` is no regular expression: {problem}"))
            }
        }
    }

    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Whether it matches somewhere.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// Where Go takes for itself what means something else in Rust, or nothing.
fn as_rust_writes_it(text: &str) -> String {
    let (mut written, mut rest, mut in_class) = (String::with_capacity(text.len()), text, false);
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let mut taken = first.len_utf8();
        match first {
            '\\' if after.starts_with('Q') => {
                let literal = &after[1..];
                let end = literal.find("\\E");
                written.push_str(&regex::escape(&literal[..end.unwrap_or(literal.len())]));
                taken = end.map_or(rest.len(), |end| "\\Q".len() + end + "\\E".len());
            }
            '\\' => {
                taken += after.chars().next().map_or(0, char::len_utf8);
                written.push_str(&rest[..taken]);
            }
            '[' if in_class && after.starts_with(':') => {
                let end = after.find(":]").map_or(taken, |end| taken + end + ":]".len());
                written.push_str(&rest[..end]);
                taken = end;
            }
            '[' if in_class => written.push_str("\\["),
            '[' => {
                in_class = true;
                // A bracket that closes at once is a member.
                let negated = after.strip_prefix('^');
                let closes = negated.unwrap_or(after).starts_with(']');
                taken += usize::from(negated.is_some()) + usize::from(closes);
                written.push_str(if negated.is_some() { "[^" } else { "[" });
                written.push_str(if closes { "\\]" } else { "" });
            }
            ']' if in_class => {
                in_class = false;
                written.push(']');
            }
            '&' | '~' if in_class && after.starts_with(first) => written.extend(['\\', first]),
            '{' if !in_class && !is_repetition(after) => written.push_str("\\{"),
            other => written.push(other),
        }
        rest = &rest[taken..];
    }
    written
}

/// `3}`, `3,}`, `3,5}`
fn is_repetition(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// One of `seriesFilters`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesFilter {
    /// What the series' name must match, or must not.
    pub pattern: Pattern,
    /// Whether it must.
    pub is: bool,
}

impl SeriesFilter {
    /// Whether series of that name are let through.
    #[must_use]
    pub fn passes(&self, series: &str) -> bool {
        self.pattern.matches(series) == self.is
    }
}

/// How a series' name becomes a metric's.
#[derive(Clone, Debug, PartialEq)]
pub struct Naming {
    matches: Pattern,
    expands: String,
}

impl Naming {
    /// `name.matches` and `name.as`; none of them is the series' own name. Without `as` the one group that `matches` has
    /// is the name, or all that it matches; of several groups nobody knows which.
    pub fn new(matches: Option<Pattern>, expands: Option<String>) -> Result<Self, String> {
        let matches = matches.map_or_else(|| Pattern::parse(".*"), Ok)?;
        let groups = matches.regex.captures_len() - 1;
        let expands = match (expands, groups) {
            (Some(expands), _) => expands,
            (None, 0) => "$0".to_owned(),
            (None, 1) => "$1".to_owned(),
            (None, groups) => {
                return Err(format!(
                    "`as` is missing: `matches` has {groups} groups; write which are the name, as \"${{1}}\""
                ));
            }
        };
        Ok(Self { matches, expands })
    }

    /// The metric's name; none if this is no name that is taken. It is made of what `matches` matches, and of nothing
    /// else of the series' name.
    #[must_use]
    pub fn name(&self, series: &str) -> Option<String> {
        let captures = self.matches.regex.captures(series)?;
        let mut name = String::new();
        captures.expand(&self.expands, &mut name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(matches: &str, expands: Option<&str>, series: &str) -> Option<String> {
        let matches = (!matches.is_empty()).then(|| Pattern::parse(matches).unwrap());
        Naming::new(matches, expands.map(str::to_owned)).unwrap().name(series)
    }

    #[test]
    fn a_name_is_made_of_what_matches_as_prometheus_adapter_makes_it() {
        let table = [
            ("", None, "a_total", Some("a_total")),
            ("", Some("queue"), "a_total", Some("queue")),
            ("", Some("${0}_x"), "a_total", Some("a_total_x")),
            ("^(.*)_total$", None, "a_total", Some("a")),
            ("^(.*)_total", Some("${1}_per_second"), "a_total", Some("a_per_second")),
            ("_total$", Some("_rate"), "a_total", Some("_rate")),
            ("_total$", None, "a_total", Some("_total")),
            ("^(?P<what>.*)_total$", Some("$what"), "a_total", Some("a")),
            ("^(.*)_total$", Some("$1_rate"), "a_total", Some("")),
            ("^(.*)_total$", Some("$$${1}"), "a_total", Some("$a")),
            ("^(.*)_total$", Some("${2}b"), "a_total", Some("b")),
            ("^(a)_(.*)$", Some("${2}_${1}"), "a_total", Some("total_a")),
            ("^b_", None, "a_total", None),
        ];
        for (matches, expands, series, name) in table {
            assert_eq!(named(matches, expands, series).as_deref(), name, "{matches} {expands:?}");
        }
        let two = Naming::new(Some(Pattern::parse("(a)(b)").unwrap()), None);
        assert_eq!(two.unwrap_err(), "`as` is missing: `matches` has 2 groups; write which are the name, as \"${1}\"");
    }

    #[test]
    fn expressions_are_those_of_go() {
        let table = [
            ("a{b", "a{b", true),
            ("^a{2}$", "aa", true),
            ("^a{2,}$", "aaa", true),
            ("[[:digit:]]_", "1_", true),
            ("[[a]", "[", true),
            ("^[a&&b]+$", "a&b", true),
            ("^[^]a]$", "b", true),
            ("^[]a]$", "]", true),
            ("^\\Qa.b\\E$", "a.b", true),
            ("^\\Qa.b\\E$", "axb", false),
            ("(?i)TOTAL", "a_total", true),
            ("\\d", "a1", true),
        ];
        for (pattern, text, matches) in table {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(text), matches, "{pattern}");
        }
        let table = [
            ("(abc", "`(abc` is no regular expression: unclosed group"),
            ("*a", "`*a` is no regular expression: repetition operator missing expression"),
            (
                "(?=a)",
                "`(?=a)` is no regular expression: look-around, including look-ahead and look-behind, is not supported",
            ),
        ];
        for (pattern, problem) in table {
            assert_eq!(Pattern::parse(pattern).unwrap_err(), problem);
        }
        assert!(Pattern::parse("(a{1000}){1000}").unwrap_err().contains("size limit"));
    }

    #[test]
    fn a_filter_looks_for_its_pattern_anywhere_in_the_name() {
        let filter = |pattern: &str, is| SeriesFilter { pattern: Pattern::parse(pattern).unwrap(), is };
        assert!(filter("total", true).passes("a_total_b") && !filter("total", false).passes("a_total_b"));
        assert!(!filter("^total", true).passes("a_total_b") && filter("^total", false).passes("a_total_b"));
    }
}
