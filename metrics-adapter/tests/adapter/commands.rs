use crate::support::{Counter, Target, adapter};

/// What a command says, on either output, and its exit code.
fn says(arguments: &[&str]) -> (String, Option<i32>) {
    let out = adapter(arguments).output().unwrap();
    (String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr), out.status.code())
}

#[test]
fn check_config_says_in_words_what_a_file_does_or_where_it_is_wrong() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let check = |text: &str| {
        std::fs::write(path, text).unwrap();
        says(&["check-config", path])
    };
    let (said, code) =
        check("metrics:\n- {name: rps, series: http_requests_total, type: counter, select: 'status!=404'}\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("rps: growth of http_requests_total with status!=404 a second, over 10s; summed"), "{said}");
    let (said, code) = check("metrics:\n- {name: rps, serie: http_requests_total, type: counter}\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("{path}: line 2, column 15: metrics[0].serie: unknown key; did you mean `series`?")),
        "{said}"
    );
    let (said, code) = check("metricz: []\n");
    assert!(code == Some(1) && said.contains("metricz: unknown key; did you mean `metrics`?"), "{said}");
    let (said, code) = says(&["check-config", "/nope"]);
    assert!(code == Some(1) && said.contains("/nope: No such file"), "{said}");
}

#[test]
fn scrape_says_what_a_target_would_give() {
    let target = Counter::target(50.0);
    let (said, code) = says(&["scrape", &target.url, "--wait", "500ms"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("http_requests_per_second: growth of http_requests_total a second"), "{said}");
    assert!(said.contains("{method=GET}") && said.contains("kubectl top will not show this pod"), "{said}");
    let other = Target::saying(|| "something_else 1\n".to_owned());
    let (said, code) = says(&["scrape", &other.url, "--wait", "100ms"]);
    assert!(code == Some(0) && said.contains("no such series; there are something_else"), "{said}");
    let html = Target::answering("text/html", || "<html>".to_owned());
    let (said, code) = says(&["scrape", &html.url]);
    assert!(code == Some(1) && said.contains("content_type"), "{said}");
    let (said, code) = says(&["scrape", "http://127.0.0.1:1/metrics"]);
    assert!(code == Some(1) && said.contains("Connection refused"), "{said}");
}
