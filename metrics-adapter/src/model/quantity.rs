//! Kubernetes' quantities: exact decimal numbers with a suffix, `1500m`, `2k`, `50Mi`.
//!
//! The canonical form is that of `k8s.io/apimachinery/pkg/api/resource`: no fraction, the largest suffix
//! that loses nothing, binary suffixes only for what was measured in bytes and divides exactly.

use std::fmt;

const NANOS: i128 = 1_000_000_000;
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Kubernetes caps quantities at what 63 bits hold.
const MOST: i128 = i64::MAX as i128 * NANOS;

/// Thousandths, in the canonical form: 1500 is `1500m`, 2000000 is `2k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milli(pub i64);

impl Milli {
    /// The nearest thousandth. None for what is no finite number, or larger than a quantity can be.
    #[must_use]
    pub fn nearest(value: f64) -> Option<Self> {
        let milli = (value * 1000.0).round();
        // Past 2^53 thousandths a float has no thousandths any more; up to 2^63 they are whole.
        #[expect(clippy::cast_possible_truncation, reason = "it was just compared")]
        let whole = (milli.abs() < 9_223_372_036_854_774_784.0).then_some(milli as i64);
        whole.map(Self)
    }

    /// The next thousandth toward zero, as prometheus-adapter has it: 0.6666 is `666m`. None as for the nearest.
    #[must_use]
    pub fn truncated(value: f64) -> Option<Self> {
        let milli = (value * 1000.0).trunc();
        #[expect(clippy::cast_possible_truncation, reason = "it was just compared")]
        let whole = (milli.abs() < 9_223_372_036_854_774_784.0).then_some(milli as i64);
        whole.map(Self)
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, i128::from(self.0), 2)
    }
}

/// Billionths, in the canonical form: 147109488 is `147109488n`, 1000 is `1u`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nano(pub u64);

impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, i128::from(self.0), 0)
    }
}

/// Bytes, in the canonical form: 1982464 is `1936Ki`, 1000 is `1k`, 1025 is `1025`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return decimal(f, i128::from(self.0), 3);
        }
        let (mut whole, mut suffix) = (self.0, 0);
        while whole.is_multiple_of(1024) {
            (whole, suffix) = (whole / 1024, suffix + 1);
        }
        write!(f, "{whole}{}", BINARY[suffix])
    }
}

/// Writes `whole` units of the suffix at that place of [`DECIMAL`].
fn decimal(f: &mut fmt::Formatter<'_>, mut whole: i128, mut suffix: usize) -> fmt::Result {
    if whole == 0 {
        return f.write_str("0");
    }
    while whole % 1000 == 0 && suffix + 1 < DECIMAL.len() {
        (whole, suffix) = (whole / 1000, suffix + 1);
    }
    match i64::try_from(whole) {
        Ok(whole) => write!(f, "{whole}{}", DECIMAL[suffix]),
        Err(_) => write!(f, "{whole}{}", DECIMAL[suffix]),
    }
}

/// A quantity of any suffix, in billionths. What is finer is rounded up, as Kubernetes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// The value in thousandths, rounded up.
    #[must_use]
    pub fn milli(self) -> i64 {
        let milli = self.0.div_euclid(1_000_000) + i128::from(self.0.rem_euclid(1_000_000) != 0);
        i64::try_from(milli).unwrap_or(if milli < 0 { i64::MIN } else { i64::MAX })
    }

    /// The value in billionths.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.0
    }

    /// Reads `[+-]digits[.digits][suffix]`, the suffix one of `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, or
    /// an exponent as in `1e3`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let error = |problem| Err(QuantityError { text: text.chars().take(60).collect(), problem });
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return error("it has no number");
        }
        let Some(scale) = Scale::of(suffix) else { return error("its suffix is unknown") };
        match scale.nanos(whole, fraction) {
            Some(nanos) => Ok(Self(if negative { -nanos } else { nanos })),
            None => error("it is too large"),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, self.0, 0)
    }
}

/// What a number is multiplied with: a power of ten, times a power of 1024.
struct Scale {
    ten: i32,
    kibi: u32,
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        if let Some(kibi) = BINARY.iter().position(|own| *own == suffix) {
            return Some(Self { ten: 0, kibi: u32::try_from(kibi).ok()? });
        }
        if let Some(at) = DECIMAL.iter().position(|own| *own == suffix) {
            return Some(Self { ten: (i32::try_from(at).ok()? - 3) * 3, kibi: 0 });
        }
        let exponent = suffix.strip_prefix(['e', 'E'])?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // An exponent that no number could survive is as good as one that barely fails.
        let ten = if digits.len() > 4 { 9999 } else { digits.parse().ok()? };
        plain.then_some(Self { ten: if exponent.starts_with('-') { -ten } else { ten }, kibi: 0 })
    }

    /// The number in billionths, rounded up.
    fn nanos(&self, whole: &str, fraction: &str) -> Option<i128> {
        let digits = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0');
        let power = self.ten + 9 - i32::try_from(fraction.len()).ok()?;
        let (mut mantissa, mut dropped, mut inexact) = (0_i128, 0, false);
        for digit in digits {
            // Digits past the 30th are below a billionth of anything that a quantity can be.
            if mantissa < 10_i128.pow(29) {
                mantissa = mantissa * 10 + i128::from(digit - b'0');
            } else {
                (dropped, inexact) = (dropped + 1, inexact || digit != b'0');
            }
        }
        let mut value = mantissa;
        for _ in 0..self.kibi {
            value = value.checked_mul(1024)?;
        }
        for _ in 0..(power + dropped).max(0) {
            if value == 0 {
                break;
            }
            value = value.checked_mul(10).filter(|value| *value <= MOST * 10)?;
        }
        for _ in 0..(-(power + dropped)).max(0) {
            if value == 0 {
                break;
            }
            inexact |= value % 10 != 0;
            value /= 10;
        }
        Some(value + i128::from(inexact)).filter(|value| *value <= MOST)
    }
}

/// What was given is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a quantity: {problem}; write it as 1500m, 2k or 50Mi")]
pub struct QuantityError {
    text: String,
    problem: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_written_canonically() {
        let table = [
            (0.0, "0"),
            (1.5, "1500m"),
            (1500.0, "1500"),
            (2000.0, "2k"),
            (29.999, "29999m"),
            (0.0004, "0"),
            (1e6, "1M"),
            (1.0, "1"),
            (-1.5, "-1500m"),
            (1e15, "1P"),
            (1_234_567.0, "1234567"),
        ];
        for (value, text) in table {
            assert_eq!(Milli::nearest(value).unwrap().to_string(), text, "{value}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e16, -1e16] {
            assert_eq!(Milli::nearest(value), None, "{value}");
        }
    }

    #[test]
    fn cores_and_bytes_are_written_as_metrics_server_does() {
        assert_eq!(Nano(147_109_488).to_string(), "147109488n");
        assert_eq!(Nano(1_000).to_string(), "1u");
        assert_eq!(Nano(0).to_string(), "0");
        for (bytes, text) in [(1_982_464, "1936Ki"), (0, "0"), (1_000, "1k"), (1_025, "1025"), (52_428_800, "50Mi")] {
            assert_eq!(Bytes(bytes).to_string(), text, "{bytes}");
        }
        assert_eq!(Bytes(u64::MAX).to_string(), "18446744073709551615");
    }

    #[test]
    fn every_form_of_a_quantity_is_read() {
        let table = [
            ("1500m", 1_500),
            ("2k", 2_000_000),
            ("1Ki", 1_024_000),
            ("0.5", 500),
            (".5", 500),
            ("5.", 5_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("1E", i64::MAX),
            ("-1.5", -1_500),
            ("+1", 1_000),
            ("1n", 1),
            ("0", 0),
            ("1e-3", 1),
            ("1.5Gi", 1_610_612_736_000),
            ("100u", 1),
            ("0e9999", 0),
        ];
        for (text, milli) in table {
            assert_eq!(Quantity::parse(text).unwrap().milli(), milli, "{text}");
        }
        for text in ["", "m", "1.2.3", "1x", "--1", "1e", "1e+", "1 k", "1KI", "Mi", ".", "9Ei9", "1e9999", "99E"] {
            let error = Quantity::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not a quantity"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for nanos in [0_u64, 1, 999, 1_000, 123_456_789, 1_000_000_000, 7_000_000_000_000, u64::MAX / 4] {
            assert_eq!(Quantity::parse(&Nano(nanos).to_string()).unwrap().nanos(), i128::from(nanos));
            let bytes = nanos >> 10;
            let read = Quantity::parse(&Bytes(bytes).to_string()).unwrap();
            assert_eq!(read.nanos(), i128::from(bytes) * NANOS);
        }
    }
}
