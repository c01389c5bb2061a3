//! Bodies that nobody would think of, the same in every run.

use std::fmt::Write;

use super::fixtures;
use super::*;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self, alphabet: &[&str], longest: usize) -> String {
        (0..self.below(longest + 1)).map(|_| self.of(alphabet)).collect()
    }

    fn blanks(&mut self) -> &'static str {
        self.of(&["", "", "", " ", "\t", "  "])
    }
}

/// What a line was made of.
#[derive(Debug, PartialEq)]
struct Made {
    name: String,
    labels: Vec<(String, String)>,
    /// NaN is equal to itself here.
    value: u64,
    timestamp: Option<i64>,
}

impl Made {
    fn random(random: &mut Random) -> Self {
        let name =
            random.of(&["a", "_", ":", "Z", "http_requests"]).to_owned() + &random.text(&["a", "_", ":", "0", "Z"], 8);
        let label = |random: &mut Random| {
            let name = random.of(&["a", "_", "Z"]).to_owned() + &random.text(&["a", "_", "0", "Z"], 5);
            let value =
                random.text(&["a", "\\", "\"", "\n", "}", "{", ",", "=", "#", " ", "ü", "🦀", "\r", "n", "\u{0}"], 12);
            (name, value)
        };
        let labels = (0..random.below(5)).map(|_| label(random)).collect();
        let value = match random.below(5) {
            0 => f64::from_bits(random.next()),
            1 => f64::from(u32::try_from(random.below(1000)).unwrap()) / 8.0,
            2 => -f64::from(u32::try_from(random.below(100_000_000)).unwrap()) / 1e5,
            3 => *random.of(&[&f64::NAN, &f64::INFINITY, &f64::NEG_INFINITY, &0.0, &-0.0]),
            _ => f64::from(u32::try_from(random.below(100_000)).unwrap()),
        };
        let value = if value.is_nan() { f64::NAN } else { value };
        let timestamp = random.one_in(3).then(|| i64::try_from(random.next() >> 22).unwrap() - (1 << 41));
        Self { name, labels, value: value.to_bits(), timestamp }
    }

    fn from_sample(sample: &Sample<'_>) -> Self {
        let labels = labels(sample).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let value = if sample.value.is_nan() { f64::NAN } else { sample.value };
        Self { name: sample.name.to_owned(), labels, value: value.to_bits(), timestamp: sample.timestamp }
    }

    fn render(&self, random: &mut Random, dialect: Dialect) -> String {
        let quoted = random.one_in(4);
        let mut parts: Vec<String> = self.labels.iter().map(|label| rendered_label(label, random)).collect();
        let mut line = random.blanks().to_owned();
        if quoted {
            parts.insert(0, format!("\"{}\"", self.name));
        } else {
            line += &self.name;
            line += random.blanks();
        }
        if !parts.is_empty() || random.one_in(4) {
            let separator = format!("{},{}", random.blanks(), random.blanks());
            let trailing = if !parts.is_empty() && random.one_in(4) { "," } else { "" };
            let (before, after) = (random.blanks(), random.blanks());
            write!(line, "{{{before}{}{after}{trailing}}}", parts.join(&separator)).unwrap();
        }
        line += " ";
        line += &rendered_value(f64::from_bits(self.value), random);
        match (self.timestamp, dialect) {
            (None, _) => {}
            (Some(timestamp), Dialect::Prometheus) => write!(line, " {timestamp}").unwrap(),
            (Some(timestamp), Dialect::OpenMetrics) => {
                let sign = if timestamp < 0 { "-" } else { "" };
                let timestamp = timestamp.abs();
                write!(line, " {sign}{}.{:03}", timestamp / 1000, timestamp % 1000).unwrap();
            }
        }
        if random.one_in(6) {
            line += random.of(&[" # {} 1", " # {trace_id=\"a # }\"} 0.5 1520879607.789"]);
        }
        line + random.blanks() + random.of(&["\n", "\n", "\r\n"])
    }
}

fn rendered_label((name, value): &(String, String), random: &mut Random) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let name = if random.one_in(5) { format!("\"{name}\"") } else { name.clone() };
    format!("{name}{}={}\"{escaped}\"", random.blanks(), random.blanks())
}

fn rendered_value(value: f64, random: &mut Random) -> String {
    if value.is_infinite() {
        return if value > 0.0 { random.of(&["+Inf", "Inf"]).to_owned() } else { "-Inf".to_owned() };
    }
    match random.below(3) {
        0 => format!("{value:e}"),
        1 => format!("{value:?}"),
        _ => format!("{value}"),
    }
}

fn shown(entry: &Entry<'_>) -> String {
    match entry {
        Entry::Sample(sample) => format!("{:?}", Made::from_sample(sample)),
        Entry::Type { .. } => format!("{entry:?}"),
    }
}

/// Everything that is read of `body`, whose reading must end, and end with its first error.
fn read(body: &[u8], dialect: Dialect, mut wanted: impl FnMut(&str) -> bool) -> (Vec<String>, Option<ParseError>) {
    let (mut entries, mut error) = (Vec::new(), None);
    for entry in Parser::new(body, dialect, &mut wanted) {
        assert_eq!(error, None, "something follows an error");
        match entry {
            Ok(entry) => entries.push(shown(&entry)),
            Err(failed) => error = Some(failed),
        }
    }
    if let Some(error) = &error {
        let text = error.to_string();
        assert!(text.chars().count() < 8 * 60 + 100 && !text.contains(char::is_control), "{text}");
    }
    (entries, error)
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random(1);
    for round in 0..3000 {
        let dialect = *random.of(&[&Dialect::Prometheus, &Dialect::OpenMetrics]);
        let made: Vec<Made> = (0..random.below(6)).map(|_| Made::random(&mut random)).collect();
        let mut body = Vec::new();
        for sample in &made {
            body.extend_from_slice(
                random.of(&["", "", "# HELP a \"\n", "unwanted{\n", "\n", "# TYPE a counter\n"]).as_bytes(),
            );
            body.extend_from_slice(random.of(&[&b""[..], b"", b"unwanted \xff\xfe\n"]));
            body.extend_from_slice(sample.render(&mut random, dialect).as_bytes());
        }
        body.extend_from_slice(b"# EOF\n");
        let entries: Result<Vec<_>, _> = Parser::new(&body, dialect, |name| name != "unwanted").collect();
        let entries = entries.unwrap_or_else(|error| panic!("{round}: {error}\n{}", body.escape_ascii()));
        let read =
            entries.iter().filter_map(|entry| if let Entry::Sample(sample) = entry { Some(sample) } else { None });
        assert_eq!(read.map(Made::from_sample).collect::<Vec<_>>(), made, "{round}\n{}", body.escape_ascii());
    }
}

#[test]
fn whatever_is_read_nothing_panics() {
    let mut random = Random(2);
    let pieces = [
        "a",
        "{",
        "}",
        "\"",
        "\\",
        ",",
        "=",
        " ",
        "\t",
        "\n",
        "\r",
        "#",
        "# TYPE ",
        "# EOF\n",
        "counter",
        "1",
        ".",
        "-",
        "e",
        "NaN",
        "ü",
        "\u{0}",
        "a{b=\"c\"} 1\n",
        "{\"a.b\",",
        "# {",
    ];
    for _ in 0..20_000 {
        let mut body = random.text(&pieces, 40).into_bytes();
        if random.one_in(4) {
            body = (0..random.below(80)).map(|_| random.next().to_le_bytes()[0]).collect();
        }
        for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
            read(&body, dialect, |_| true);
            read(&body, dialect, |name| name.len() % 2 == 0);
            read(&body, dialect, |_| false);
        }
    }
}

#[test]
fn a_damaged_exposition_does_not_panic_and_wanting_less_reads_just_that_of_it() {
    let mut random = Random(3);
    let mut whole = 0;
    for round in 0..600 {
        let original = fixtures::ALL[random.below(3)].as_bytes();
        let start = random.below(original.len() - 1000);
        // Half a line at either end would leave few bodies that can be read.
        let lines = original[start..original.len().min(start + 4000)].split_inclusive(|&byte| byte == b'\n').skip(1);
        let mut body: Vec<u8> = lines.filter(|line| line.ends_with(b"\n")).flatten().copied().collect();
        for _ in 0..random.below(4) {
            let at = random.below(body.len());
            match random.below(4) {
                0 => body[at] = random.next().to_le_bytes()[0],
                1 => drop(body.remove(at)),
                2 => body.insert(at, *random.of(&[&b'"', &b'\\', &b'}', &b'\n', &b'#', &0xff])),
                _ => body.truncate(at.max(8)),
            }
        }
        read(&body, Dialect::Prometheus, |_| true);
        let (part, failed) = read(&body, Dialect::Prometheus, |name| name.len() % 2 == 0);
        if let Ok(everything) = entries(&body, Dialect::Prometheus) {
            let wanted = |entry: &&Entry<'_>| !matches!(entry, Entry::Sample(sample) if sample.name.len() % 2 == 1);
            let expected: Vec<_> = everything.iter().filter(wanted).map(shown).collect();
            assert_eq!((part, failed), (expected, None), "{round}\n{}", body.escape_ascii());
            whole += 1;
        }
        read(&body, Dialect::OpenMetrics, |_| true);
    }
    assert!((100..500).contains(&whole), "{whole} of them can be read, which tests only one side");
}

#[test]
fn decimals_are_rounded_as_the_standard_library_rounds_them() {
    let mut random = Random(4);
    for _ in 0..200_000 {
        let digits = random.next() >> random.below(64);
        let mut text = digits.to_string();
        if random.one_in(2) {
            text.insert(random.below(text.len() + 1), '.');
        }
        if random.one_in(3) {
            text.insert(0, '-');
        }
        let expected: f64 = text.parse().unwrap();
        assert_eq!(number::value(&text).map(f64::to_bits), Some(expected.to_bits()), "{text}");
    }
}

#[test]
fn labels_of_any_text_come_to_an_end() {
    let mut random = Random(5);
    for _ in 0..20_000 {
        let text = random.text(&["a", "=", "\"", "\\", ",", " ", "ü", "a=\"b\"", "{", "}"], 20);
        assert!(LabelText::checked(&text).iter().count() <= text.len());
    }
}
