mod fixtures;
mod random;

use super::*;

fn entries(body: &[u8], dialect: Dialect) -> Result<Vec<Entry<'_>>, ParseError> {
    Parser::new(body, dialect, |_| true).collect()
}

/// The only sample of a body of one line.
#[track_caller]
fn only(line: &str) -> Sample<'_> {
    match entries(line.as_bytes(), Dialect::Prometheus).as_deref() {
        Ok([Entry::Sample(sample)]) => *sample,
        other => panic!("`{line}` is {other:?}"),
    }
}

fn labels<'a>(sample: &Sample<'a>) -> Vec<(&'a str, String)> {
    sample.labels.iter().map(|(name, value)| (name, value.into_owned())).collect()
}

/// What went wrong, as a person reads it.
#[track_caller]
fn failure(body: &[u8], dialect: Dialect, wanted: bool) -> String {
    let mut parser = Parser::new(body, dialect, |_| wanted);
    let found = parser.find_map(Result::err).expect("nothing wrong was found").to_string();
    assert!(parser.next().is_none(), "it goes on after `{found}`");
    found
}

#[test]
fn the_content_type_names_the_dialect() {
    for (header, dialect) in [
        ("text/plain; version=0.0.4; charset=utf-8", Some(Dialect::Prometheus)),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", Some(Dialect::Prometheus)),
        ("text/plain", Some(Dialect::Prometheus)),
        (" Text/Plain ; charset=utf-8", Some(Dialect::Prometheus)),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Dialect::OpenMetrics)),
        ("application/openmetrics-text", Some(Dialect::OpenMetrics)),
        ("text/html; charset=utf-8", None),
        ("application/json", None),
        ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", None),
        ("text/plainer", None),
        ("; text/plain", None),
        ("", None),
    ] {
        assert_eq!(Dialect::from_content_type(header), dialect, "{header}");
    }
}

#[test]
fn a_sample_is_read_however_it_is_spaced() {
    for (line, name, text, value, timestamp) in [
        ("up 1", "up", "", 1.0, None),
        ("up 1\n", "up", "", 1.0, None),
        ("up 1\r\n", "up", "", 1.0, None),
        ("up\t1 \t\n", "up", "", 1.0, None),
        (" \tup 1", "up", "", 1.0, None),
        ("up{} 1", "up", "", 1.0, None),
        ("up {} 1", "up", "", 1.0, None),
        ("up{a=\"b\"}1", "up", "a=\"b\"", 1.0, None),
        ("up{a=\"b\",} 1", "up", "a=\"b\",", 1.0, None),
        ("up{ a = \"b\" ,\tc=\"d\" } 1", "up", " a = \"b\" ,\tc=\"d\" ", 1.0, None),
        ("up 1 1795348114284", "up", "", 1.0, Some(1_795_348_114_284)),
        ("up 1 -62135596800000", "up", "", 1.0, Some(-62_135_596_800_000)),
        ("up{}\t1\t 0 \r\n", "up", "", 1.0, Some(0)),
        ("job:http_requests:rate5m 0.25", "job:http_requests:rate5m", "", 0.25, None),
        (":_9 1", ":_9", "", 1.0, None),
        ("up_created 1.5e9", "up_created", "", 1.5e9, None),
        ("up 1 # {trace_id=\"a}b\"} 0.67 1520879607.789", "up", "", 1.0, None),
        ("up{a=\"b\"} 1 5 # {} 0.67", "up", "a=\"b\"", 1.0, Some(5)),
    ] {
        let sample = only(line);
        let found = (sample.name, sample.labels.text(), sample.value.to_bits(), sample.timestamp);
        assert_eq!(found, (name, text, f64::to_bits(value), timestamp), "{line}");
    }
}

#[test]
fn a_label_may_hold_anything() {
    for (line, expected) in [
        (r#"x{route="/articles/{slug}",b="c"} 1"#, &[("route", "/articles/{slug}"), ("b", "c")][..]),
        (r##"x{a="},{",b="# HELP"} 1"##, &[("a", "},{"), ("b", "# HELP")]),
        (r#"x{a="b\"} 2 \\",c=""} 1"#, &[("a", "b\"} 2 \\"), ("c", "")]),
        (r#"x{a="1\n2\\n\d\"",} 1"#, &[("a", "1\n2\\n\\d\"")]),
        (r#"x{a="b=\"c\"",_9Z="ü€🦀"} 1"#, &[("a", "b=\"c\""), ("_9Z", "ü€🦀")]),
        (r#"x{"http.method"="GET","a b"="\u"} 1"#, &[("http.method", "GET"), ("a b", "\\u")]),
        ("x{} 1", &[]),
        ("x 1", &[]),
    ] {
        let found = labels(&only(line));
        let found: Vec<_> = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(found, expected, "{line}");
    }
    let sample = only(r#"x{plain="a",escaped="\n"} 1"#);
    let borrowed: Vec<_> =
        sample.labels.into_iter().map(|(_, value)| matches!(value, std::borrow::Cow::Borrowed(_))).collect();
    assert_eq!(borrowed, [true, false]);
}

#[test]
fn a_quoted_name_may_hold_anything() {
    for (line, name, text) in [
        (r#"{"http.requests",method="GET"} 1"#, "http.requests", "method=\"GET\""),
        (r#"{"http.requests"} 1"#, "http.requests", ""),
        (r#"{ "http.requests" , } 1"#, "http.requests", " "),
        (r#"{"a \" } b","c.d"="e"} 1"#, r#"a \" } b"#, "\"c.d\"=\"e\""),
        (r#"{"größe"}1"#, "größe", ""),
        (r#"{"{"} 1"#, "{", ""),
    ] {
        let sample = only(line);
        assert_eq!((sample.name, sample.labels.text()), (name, text), "{line}");
    }
    let body = "# TYPE \"http.requests\" counter\n{\"http.requests\",a=\"1\"} 1\n{\"http.requests\",a=\"2\"} 2\n{\"other\"} 3\n";
    let mut asked = Vec::new();
    let found = Parser::new(body.as_bytes(), Dialect::Prometheus, |name| {
        asked.push(name.to_owned());
        name == "http.requests"
    });
    assert_eq!(found.map(Result::unwrap).count(), 3);
    assert_eq!(asked, ["http.requests", "other"]);
}

#[test]
fn a_value_is_what_the_standard_library_makes_of_it() {
    for (text, value) in [
        ("0", 0.0),
        ("-0", -0.0),
        ("+1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("0.1", 0.1),
        ("22.680385942", 22.680_385_942),
        ("2.297856e+06", 2_297_856.0),
        ("1.7953480993357368e+09", 1_795_348_099.335_736_8),
        ("9007199254740992", 9_007_199_254_740_992.0),
        ("0.015230713000000002", 0.015_230_713_000_000_002),
        ("1E-400", 0.0),
        ("+Inf", f64::INFINITY),
        ("-Inf", f64::NEG_INFINITY),
        ("Inf", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("5e-324", 5e-324),
    ] {
        assert_eq!(number::value(text).map(f64::to_bits), Some(f64::to_bits(value)), "{text}");
    }
    assert!(["NaN", "nan"].iter().all(|text| number::value(text).is_some_and(f64::is_nan)));
    for text in [
        "", "-", ".", "-.", "1.2.3", "1,5", "0x1p3", "1_000", "1e", "e1", "--1", "1e999", "-1e999", "١", "1\u{a0}",
        "value",
    ] {
        assert_eq!(number::value(text), None, "{text}");
    }
}

#[test]
fn a_timestamp_is_in_the_unit_of_its_dialect() {
    for (text, milliseconds, seconds) in [
        ("1795348114284", Some(1_795_348_114_284), Some(1_795_348_114_284_000)),
        ("1520879607.789", None, Some(1_520_879_607_789)),
        ("-1.5", None, Some(-1500)),
        ("0.0004", None, Some(0)),
        ("1.5e9", None, Some(1_500_000_000_000)),
        ("9223372036854775807", Some(i64::MAX), None),
        ("9223372036854775808", None, None),
        ("NaN", None, None),
        ("+Inf", None, None),
        ("later", None, None),
    ] {
        assert_eq!((number::milliseconds(text), number::seconds(text)), (milliseconds, seconds), "{text}");
    }
}

#[test]
fn every_kind_has_its_words() {
    use Kind::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary, Unknown};
    for (line, family, kind) in [
        ("# TYPE a counter", "a", Counter),
        ("# TYPE a:b gauge\r", "a:b", Gauge),
        ("# \tTYPE\ta \t histogram ", "a", Histogram),
        ("#  TYPE a gaugehistogram", "a", GaugeHistogram),
        (" # TYPE a summary", "a", Summary),
        ("# TYPE a info", "a", Info),
        ("# TYPE a stateset", "a", StateSet),
        ("# TYPE a unknown", "a", Unknown),
        ("# TYPE a untyped", "a", Unknown),
        ("# TYPE \"a.b\" counter", "a.b", Counter),
    ] {
        assert_eq!(entries(line.as_bytes(), Dialect::Prometheus), Ok(vec![Entry::Type { family, kind }]), "{line}");
    }
}

#[test]
fn comments_and_blank_lines_say_nothing() {
    let body = b"\n\r\n \t\n#\n# HELP up Is it \"up\"?\n# HELP\n#TYPE up counter\n# TYPE\n# TYPES up counter\n# UNIT up s\n# \xff\n# EOF\n";
    assert_eq!(entries(body, Dialect::Prometheus), Ok(vec![]));
    assert_eq!(entries(body, Dialect::OpenMetrics), Ok(vec![]));
    assert_eq!(
        entries(b"# EOF\nup 1", Dialect::Prometheus).map(|found| found.len()),
        Ok(1),
        "an ordinary comment there"
    );
}

#[test]
fn open_metrics_is_read_to_its_end() {
    let body = "# TYPE acme_http_router_request_seconds summary\n# UNIT acme_http_router_request_seconds seconds\n\
        # HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.\n\
        acme_http_router_request_seconds_sum{path=\"/api/v1\",method=\"GET\"} 9036.32\n\
        acme_http_router_request_seconds_created{path=\"/api/v1\",method=\"GET\"} 1605281325.0\n\
        # TYPE foo histogram\n\
        foo_bucket{le=\"0.01\"} 0\n\
        foo_bucket{le=\"0.1\"} 8 # {} 0.054\n\
        foo_bucket{le=\"1\"} 11 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
        foo_bucket{le=\"+Inf\"} 17 # {trace_id=\"oHg5SJYRHA0\"} 9.8 1520879607.789\n\
        # TYPE foos counter\nfoos_total{a=\"#\"} 17.0 1520879607.789 # {a=\"b # c\"} 1\n";
    let whole = format!("{body}# EOF\n");
    let found = entries(whole.as_bytes(), Dialect::OpenMetrics).unwrap();
    let of = |entry: &Entry<'_>| match entry {
        Entry::Type { family, kind } => format!("{family}: {kind:?}"),
        Entry::Sample(sample) => {
            format!("{}{{{}}} {} {:?}", sample.name, sample.labels.text(), sample.value, sample.timestamp)
        }
    };
    assert_eq!(
        found.iter().map(of).collect::<Vec<_>>(),
        [
            "acme_http_router_request_seconds: Summary",
            "acme_http_router_request_seconds_sum{path=\"/api/v1\",method=\"GET\"} 9036.32 None",
            "acme_http_router_request_seconds_created{path=\"/api/v1\",method=\"GET\"} 1605281325 None",
            "foo: Histogram",
            "foo_bucket{le=\"0.01\"} 0 None",
            "foo_bucket{le=\"0.1\"} 8 None",
            "foo_bucket{le=\"1\"} 11 Some(1520879607789)",
            "foo_bucket{le=\"+Inf\"} 17 None",
            "foos: Counter",
            "foos_total{a=\"#\"} 17 Some(1520879607789)",
        ]
    );
    for end in ["# EOF", "# EOF\r\n", "# EOF\n\n \n"] {
        assert_eq!(entries(format!("{body}{end}").as_bytes(), Dialect::OpenMetrics).as_ref(), Ok(&found));
    }
    for (end, problem) in [
        ("", "line 12: the body ends here without `# EOF`"),
        ("# EO", "line 13: the body ends here without `# EOF`"),
        ("#EOF\n", "line 13: the body ends here without `# EOF`"),
        ("# EOF\nup 1\n", "line 14: `up 1` stands after `# EOF`"),
        ("# EOF\n\n# EOF\n", "line 15: `# EOF` stands after `# EOF`"),
    ] {
        assert_eq!(failure(format!("{body}{end}").as_bytes(), Dialect::OpenMetrics, false), problem);
    }
    assert_eq!(failure(b"", Dialect::OpenMetrics, true), "line 1: the body ends here without `# EOF`");
}

#[test]
fn an_open_metrics_body_that_was_cut_is_never_taken_for_whole() {
    let body = "# TYPE a counter\na_total{b=\"# EOF\"} 1 2.5 # {c=\"d\"} 1\r\n# HELP a # EOF\n{\"e\"} NaN\n# EOF\n";
    let whole = body.len() - 1;
    for end in 0..=body.len() {
        let complete = entries(&body.as_bytes()[..end], Dialect::OpenMetrics).is_ok();
        assert_eq!(complete, end >= whole, "{:?}", &body[..end]);
    }
}

#[test]
fn a_malformed_line_is_refused_with_its_reason() {
    for (line, problem) in [
        ("http_requests_total{code=\"200\"", "`http_requests_total{code=\"200\"` has no closing brace"),
        ("x{", "`x{` has no closing brace"),
        ("x{a=\"b\", ", "`x{a=\"b\", ` has no closing brace"),
        ("x{a", "`x{a` has no closing brace"),
        ("x{a=", "`x{a=` has no closing brace"),
        ("x{a=\"b} 1", "`x{a=\"b} 1` has no closing quote"),
        ("x{a=\"b\\\"} 1", "`x{a=\"b\\\"} 1` has no closing quote"),
        ("x{a=\"b\\", "`x{a=\"b\\` has no closing quote"),
        ("x{\"a} 1", "`x{\"a} 1` has no closing quote"),
        ("x{9=\"b\"} 1", "`9=\"b\"} 1` does not begin with a label, name=\"value\""),
        ("x{a:b=\"c\"} 1", "`a:b=\"c\"} 1` does not begin with a label, name=\"value\""),
        ("x{a=\"b\",,} 1", "`,} 1` does not begin with a label, name=\"value\""),
        ("x{,} 1", "`,} 1` does not begin with a label, name=\"value\""),
        ("x{a=b} 1", "`a=b} 1` does not begin with a label, name=\"value\""),
        ("x{a=\"b\",c} 1", "`c} 1` does not begin with a label, name=\"value\""),
        ("x{\"a\"} 1", "`\"a\"} 1` does not begin with a label, name=\"value\""),
        ("x{\"\"=\"b\"} 1", "`\"\"=\"b\"} 1` does not begin with a label, name=\"value\""),
        ("x{a=\"b\" c=\"d\"} 1", "`c=\"d\"} 1` stands where a comma or a closing brace should"),
        ("x{a=\"b\";c=\"d\"} 1", "`;c=\"d\"} 1` stands where a comma or a closing brace should"),
        ("x", "`x` has no value"),
        ("x ", "`x ` has no value"),
        ("x{a=\"b\"}", "`x{a=\"b\"}` has no value"),
        ("{\"x\"} ", "`{\"x\"} ` has no value"),
        ("x one", "`one` is not a value"),
        ("x 1e999", "`1e999` is not a value"),
        ("x{}{} 1", "`{}` is not a value"),
        ("x # {} 1", "`#` is not a value"),
        ("x 1 12.5", "`12.5` is not a timestamp"),
        ("x 1 99999999999999999999", "`99999999999999999999` is not a timestamp"),
        ("x 1 now", "`now` is not a timestamp"),
        ("x 1 2 3", "`3` stands after the timestamp"),
        ("x 1 # a comment", "`# a comment` is not an exemplar"),
        ("x 1 # {a=\"b\" 1", "`# {a=\"b\" 1` is not an exemplar"),
        ("x 1 # {a=\"b\"}", "`# {a=\"b\"}` is not an exemplar"),
        ("x 1 # {a=\"b\"} 1 2 3", "`# {a=\"b\"} 1 2 3` is not an exemplar"),
        ("# TYPE x", "`# TYPE x` does not give a family and its type"),
        ("# TYPE x native", "`# TYPE x native` does not give a family and its type"),
        ("# TYPE 9 counter", "`# TYPE 9 counter` does not give a family and its type"),
        ("# TYPE x counter counter", "`# TYPE x counter counter` does not give a family and its type"),
        ("# TYPE \"\" counter", "`# TYPE \"\" counter` does not give a family and its type"),
        ("# TYPE \"x\"counter", "`# TYPE \"x\"counter` does not give a family and its type"),
        ("# TYPE \"x counter", "`# TYPE \"x counter` does not give a family and its type"),
    ] {
        let body = format!("# HELP x\nup 1\n{line}\nup 1\n# EOF\n");
        assert_eq!(failure(body.as_bytes(), Dialect::Prometheus, true), format!("line 3: {problem}"), "{line}");
    }
    assert_eq!(failure(b"x{a=\"\xff\"} 1\n", Dialect::Prometheus, true), "line 1: `x{a=\"\\xff\"} 1` is not UTF-8");
    assert_eq!(failure(b"{\"\xff\"} 1\n", Dialect::Prometheus, false), "line 1: `{\"\\xff\"` is not UTF-8");
    assert_eq!(failure(b"x 1 now\n", Dialect::OpenMetrics, true), "line 1: `now` is not a timestamp");
}

#[test]
fn what_is_no_exposition_is_refused_even_when_nothing_is_wanted() {
    for (body, problem) in [
        (&b"<!DOCTYPE html>\n<html>\n"[..], "line 1: `<!DOCTYPE html>` does not begin a metric"),
        (b"\n\n  <html>", "line 3: `<html>` does not begin a metric"),
        (b"{\"kind\":\"Status\",\"code\":403}", "line 1: `{\"kind\":\"Status\",\"code\":403}` does not begin a metric"),
        (b"{\n  \"kind\": \"Status\"\n}", "line 1: `{` does not begin a metric"),
        (b"{\"\"} 1\n", "line 1: `{\"\"} 1` does not begin a metric"),
        (b"{a=\"b\"} 1\n", "line 1: `{a=\"b\"} 1` does not begin a metric"),
        (b"[1]", "line 1: `[1]` does not begin a metric"),
        (b"404 page not found\n", "line 1: `404 page not found` does not begin a metric"),
        (b"up 1\nhttp.requests 1\n", "line 2: `http.requests 1` does not begin a metric"),
        (b"up 1\nup= 1\n", "line 2: `up= 1` does not begin a metric"),
        (b"{\"up\"} 1\n{\"up\":1}\n", "line 2: `{\"up\":1}` does not begin a metric"),
        (b"\x1f\x8b\x08\x00\xff\x1b[2J\n", "line 1: `\\u{1f}\\x8b\\u{8}\\u{0}\\xff\\u{1b}[2J` does not begin a metric"),
        (b"\xef\xbb\xbfup 1\n", "line 1: `\u{feff}up 1` does not begin a metric"),
        (b"ok\n", "line 1: `ok` has no value"),
        (b"ok", "line 1: `ok` has no value"),
    ] {
        assert_eq!(failure(body, Dialect::Prometheus, false), problem);
    }
}

#[test]
fn an_unwanted_line_is_not_looked_at_beyond_its_name() {
    let body = b"a{b=\"\xff\nup 1\na \xfe\xff\na\tx\nab{\na{} 3 4 5 6\n";
    let found: Result<Vec<_>, _> = Parser::new(body, Dialect::Prometheus, |name| name == "up").collect();
    assert_eq!(found.map(|found| found.len()), Ok(1));
}

#[test]
fn neighbours_are_asked_for_once_and_never_taken_for_each_other() {
    let body = b"a 1\na{b=\"c\"} 1\na\t2\nab 1\na_total 1\na_total 2\na 1\n{\"a\"} 1\n{\"a\",b=\"c\"} 1\n{\"ab\"} 1\n";
    let mut asked = Vec::new();
    let parser = Parser::new(body, Dialect::Prometheus, |name| {
        asked.push(name.to_owned());
        name == "a"
    });
    let found: Result<Vec<_>, _> = parser.collect();
    assert_eq!(asked, ["a", "ab", "a_total", "a", "a", "ab"]);
    let found = found.unwrap();
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|entry| matches!(entry, Entry::Sample(Sample { name: "a", .. }))), "{found:?}");
}

#[test]
fn a_last_line_without_its_end_is_looked_at_whole() {
    assert_eq!(entries(b"a 1\nb{c=\"d\"} 2", Dialect::Prometheus).map(|found| found.len()), Ok(2));
    for wanted in [true, false] {
        assert_eq!(failure(b"a 1\nb{c=\"d", Dialect::Prometheus, wanted), "line 2: `b{c=\"d` has no closing quote");
        assert_eq!(failure(b"a 1\nb ", Dialect::Prometheus, wanted), "line 2: `b ` has no value");
    }
    assert_eq!(Parser::new(b"a 1\nb 2", Dialect::Prometheus, |_| false).count(), 0);
}

#[test]
fn a_line_has_a_longest_length() {
    let line = |length: usize| format!("up{{a=\"{}\"}} 1", "b".repeat(length - 10));
    assert_eq!(only(&line(MAX_LINE)).labels.text().len(), MAX_LINE - 6);
    for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
        let problem = format!("line 2: `up{{a=\"{}…` is longer than 65536 bytes", "b".repeat(54));
        assert_eq!(failure(format!("up 1\n{}\n", line(MAX_LINE + 1)).as_bytes(), dialect, false), problem);
    }
}

#[test]
fn an_error_repeats_little_of_the_line_and_nothing_that_moves_a_cursor() {
    let line = format!("x{{a=\"{}\u{1b}[2J\u{7}\u{85}", "ü".repeat(50));
    let problem = format!("line 1: `x{{a=\"{}\\u{{1b}}[2J… has no closing quote", "ü".repeat(50)).replace("… ", "…` ");
    assert_eq!(failure(line.as_bytes(), Dialect::Prometheus, true), problem.replace("[2J", "[2J\\u{7}"));
}
