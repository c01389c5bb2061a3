//! PromQL as it is written: names, texts, and the ranges of a query.

use std::fmt::Write;
use std::time::Duration;

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                // Writing into a text does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A regular expression of a text that means the text itself.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\.+*?()|[]{}^$".contains(character) {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

/// A label's name; one that Prometheus did not always take is in quotes.
pub(super) fn label_name(name: &str) -> String {
    if is_label_name(name) { name.to_owned() } else { quoted(name) }
}

/// Whether Prometheus has always taken this for a label's name.
pub(super) fn is_label_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(inner) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Whether Prometheus has always taken this for a series' name.
pub(super) fn is_series_name(name: &str) -> bool {
    is_label_name(&name.replace(':', "_"))
}

/// The longest range that a query looks at: what stands in brackets, outside of texts and comments. None is zero.
#[must_use]
pub fn window(query: &str) -> Duration {
    let (mut longest, mut characters) = (Duration::ZERO, query.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '#' => while characters.next().is_some_and(|(_, other)| other != '\n') {},
            '"' | '\'' | '`' => {
                while let Some((_, inside)) = characters.next() {
                    match inside {
                        '\\' if character != '`' => _ = characters.next(),
                        end if end == character => break,
                        _ => {}
                    }
                }
            }
            '[' => {
                let inside = query[at + 1..].split([']', ':']).next().unwrap_or_default();
                longest = longest.max(range(inside.trim()).unwrap_or_default());
            }
            _ => {}
        }
    }
    longest
}

fn range(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok().and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    seconds.or_else(|| duration(text))
}

/// A duration as Prometheus writes it: `90s`, `1h30m`, `1d`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    let (mut rest, mut total, mut largest) = (text, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, milliseconds) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        if *milliseconds >= largest {
            return None;
        }
        largest = *milliseconds;
        total = total.checked_add(number.checked_mul(*milliseconds)?)?;
        rest = &rest[unit.len()..];
    }
    (!text.is_empty()).then_some(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_longest_range() {
        let table = [
            ("sum(up)", 0),
            ("rate(a[5m])", 300),
            ("rate(a[30s]) / rate(b[1h30m])", 5400),
            ("max_over_time(rate(a[1m])[10m:30s])", 600),
            ("max_over_time(rate(a[1m])[10m:])", 600),
            ("rate(a[ 2m ] offset 1w)", 120),
            ("rate(a[90])", 90),
            ("rate(a{x=\"[5m]\", y='[\\'5m]', z=`[5m]\\`}[1m])", 60),
            ("rate(a[1m]) # [5m]\n + rate(b[2m])", 120),
            ("rate(a[1i])", 0),
            ("rate(a[", 0),
        ];
        for (query, seconds) in table {
            assert_eq!(window(query), Duration::from_secs(seconds), "{query}");
        }
    }

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, milliseconds) in [("1m", 60_000), ("1h30m", 5_400_000), ("1d", 86_400_000), ("1s500ms", 1_500)] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "1", "m", "1m1h", "1m1m", "-1m", "1.5m", "1 m", "99999999999999999999y", "9999999999999y"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_cannot_leave_its_quotes_and_a_name_cannot_be_a_pattern() {
        assert_eq!(quoted("a\"} or b{\"\\\n\u{1}"), "\"a\\\"} or b{\\\"\\\\\\n\\u0001\"");
        assert_eq!(literal("web-0.shop|(a)"), "web-0\\.shop\\|\\(a\\)");
        assert_eq!(label_name("pod"), "pod");
        assert_eq!(label_name("app.kubernetes.io/name"), "\"app.kubernetes.io/name\"");
        assert_eq!(label_name("1a"), "\"1a\"");
    }
}
