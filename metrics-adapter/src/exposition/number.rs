//! Values and timestamps.

/// Powers of ten up to the longest fraction that [`short_decimal`] takes. An f64 holds them exactly.
const POWERS: [f64; 20] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19];

/// So many digits always fit into 64 bits.
const MOST_DIGITS: usize = 19;

/// Up to here an f64 holds every whole number.
const MOST_EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// A sample's value: what Go's `ParseFloat` takes of decimals, `NaN` and `Inf`. Too large for an f64 is
/// `None`, as there, and not infinite.
pub(super) fn value(text: &str) -> Option<f64> {
    short_decimal(text.as_bytes()).or_else(|| any(text))
}

/// A timestamp of the Prometheus format, in Unix milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A timestamp of `OpenMetrics`, which is in Unix seconds, in Unix milliseconds.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let milliseconds = (value(text)? * 1000.0).round();
    // Well within 64 bits, and 290 million years from now.
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within range")]
    (milliseconds.abs() < 9e18).then_some(milliseconds as i64)
}

/// Nearly every value is one: a count, or seconds with a few places. Both the digits and the power of ten are
/// exact in an f64, so that their quotient is rounded once, as it should be.
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    if text.len() > MOST_DIGITS {
        return None;
    }
    let mut digits = 0_u64;
    let mut point = None;
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(index),
            _ => return None,
        }
    }
    let places = point.map_or(0, |point| text.len() - point - 1);
    let empty = text.len() == usize::from(point.is_some());
    if empty || digits > MOST_EXACT {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "MOST_EXACT was just looked at")]
    let magnitude = digits as f64 / POWERS[places];
    Some(if negative { -magnitude } else { magnitude })
}

fn any(text: &str) -> Option<f64> {
    let value = text.parse::<f64>().ok()?;
    let named = || text.contains(['i', 'I']);
    (!value.is_infinite() || named()).then_some(value)
}
