use std::path::Path;

use super::*;
use crate::config::Config;

fn read(text: &str) -> Result<PrometheusSettings, String> {
    Ok(Config::parse(&format!("prometheus: {text}"))?.prometheus.unwrap())
}

#[test]
fn what_is_left_out_has_its_default() {
    let settings = read("{url: 'http://prometheus:9090'}").unwrap();
    assert_eq!(settings, PrometheusSettings::at("http://prometheus:9090".parse().unwrap()));
    assert_eq!((settings.interval, settings.stale_after), (Duration::from_secs(5), Duration::from_secs(15)));
    let settings = read("{url: 'http://p', interval: 30s, relistInterval: 1h}").unwrap();
    assert_eq!(settings.stale_after, Duration::from_secs(90), "three intervals");
    assert_eq!(settings.max_age, Duration::from_hours(1), "what comes and goes between two listings is seen");
}

#[test]
fn every_field_is_read() {
    let settings = read(
        "{url: 'https://prometheus.example.com/prefix/', method: GET, interval: 1s, timeout: 3s, staleAfter: 5s, \
         relistInterval: 2m, maxAge: 5m, bodyLimit: 1Mi, basicAuth: {username: me, passwordFile: /password}, \
         tls: {caFile: /ca, certFile: /cert, keyFile: /key, insecureSkipVerify: false}, \
         headers: {X-Scope-OrgID: team-a, X-Key: '1'}, partialResponses: accept}",
    )
    .unwrap();
    assert_eq!(settings.url, "https://prometheus.example.com/prefix");
    assert_eq!(settings.method, Method::GET);
    assert_eq!((settings.interval, settings.timeout), (Duration::from_secs(1), Duration::from_secs(3)));
    assert_eq!((settings.stale_after, settings.max_age), (Duration::from_secs(5), Duration::from_mins(5)));
    assert_eq!((settings.relist_interval, settings.body_limit), (Duration::from_mins(2), 1 << 20));
    assert_eq!(settings.basic_auth, Some(("me".to_owned(), "/password".into())));
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/ca")));
    assert_eq!(settings.client_certificate, Some(("/cert".into(), "/key".into())));
    assert!(settings.accept_partial && !settings.insecure_skip_verify);
    let headers: Vec<_> =
        settings.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("x-scope-orgid", "team-a"), ("x-key", "1")]);
    assert!(!format!("{settings:?}").contains("team-a"), "a header may be a key");
    let settings = read("{url: 'http://p', bearerTokenFile: /token, tls: {insecureSkipVerify: true}}").unwrap();
    assert_eq!(settings.bearer_token_file.as_deref(), Some(Path::new("/token")));
    assert!(settings.insecure_skip_verify);
}

#[test]
fn every_mistake_is_named_with_its_line_and_what_to_write_instead() {
    let example = "write it as http://prometheus.monitoring:9090";
    let table = [
        ("url: 'prometheus:9090'", format!("line 1, column 19: prometheus.url: `prometheus:9090` begins with neither http:// nor https://; {example}")),
        ("url: 'ftp://p'", format!("line 1, column 19: prometheus.url: `ftp://p` begins with neither http:// nor https://; {example}")),
        ("url: 'http://p/?a=b'", format!("line 1, column 19: prometheus.url: `http://p/?a=b`: only a path can follow the host; {example}")),
        ("url: 'http://p/#a'", format!("line 1, column 19: prometheus.url: `http://p/#a`: only a path can follow the host; {example}")),
        (
            "url: 'http://me:secret@p'",
            "line 1, column 19: prometheus.url: a name and a password in the URL end up in logs; write them as `basicAuth: {username, passwordFile}`".to_owned(),
        ),
        ("method: PUT", "line 1, column 22: prometheus.method: `PUT` is neither POST nor GET".to_owned()),
        (
            "interval: 5",
            "line 1, column 24: prometheus.interval: `5` is not a duration: time unit needed, for example 5sec or 5ms; write it as 500ms, 10s or 2m".to_owned(),
        ),
        (
            "staleAfter: 5s",
            "line 1, column 13: prometheus.staleAfter: 5s is no longer than the interval of 5s: every value would be stale before the next".to_owned(),
        ),
        (
            "maxAge: 30s",
            "line 1, column 13: prometheus.maxAge: 30s is shorter than relistInterval, 60s: series that came and went between two listings would never be seen".to_owned(),
        ),
        ("bodyLimit: 2Gi", "line 1, column 25: prometheus.bodyLimit: `2Gi` is not between 1 and 1Gi".to_owned()),
        ("bearerTokenFile: ''", "line 1, column 31: prometheus.bearerTokenFile: is empty".to_owned()),
        (
            "bearerTokenFile: a, basicAuth: {username: b, passwordFile: c}",
            "line 1, column 13: prometheus.basicAuth: basicAuth and bearerTokenFile contradict each other".to_owned(),
        ),
        ("basicAuth: {username: a}", "line 1, column 25: prometheus.basicAuth: `passwordFile` is missing".to_owned()),
        ("tls: {certFile: a}", "line 1, column 19: prometheus.tls: certFile without keyFile".to_owned()),
        ("tls: {keyFile: a}", "line 1, column 19: prometheus.tls: keyFile without certFile".to_owned()),
        (
            "tls: {caFile: a, insecureSkipVerify: true}",
            "line 1, column 13: prometheus.tls: caFile and insecureSkipVerify contradict each other".to_owned(),
        ),
        (
            "headers: {Authorization: Bearer x}",
            "line 1, column 24: prometheus.headers.Authorization: credentials are read from files, `bearerTokenFile` or `basicAuth`, and stay out of this one".to_owned(),
        ),
        (
            "headers: {Host: x}",
            "line 1, column 24: prometheus.headers.Host: `Host` is set by the adapter itself, or by the connection".to_owned(),
        ),
        (
            "headers: {Content-Type: x}",
            "line 1, column 24: prometheus.headers.Content-Type: `Content-Type` is set by the adapter itself, or by the connection".to_owned(),
        ),
        ("headers: {a b: x}", "line 1, column 24: prometheus.headers.a b: `a b` is no header's name".to_owned()),
        (
            "headers: {a: \"x\\ny\"}",
            "line 1, column 24: prometheus.headers.a: the value of `a` has characters that no header has".to_owned(),
        ),
        ("headers: {a: x, a: y}", "line 1, column 30: prometheus.headers.a: given twice, first in line 1".to_owned()),
        (
            "partialResponses: maybe",
            "line 1, column 32: prometheus.partialResponses: `maybe` is neither refuse nor accept".to_owned(),
        ),
        ("uri: a", "line 1, column 14: prometheus.uri: unknown key; did you mean `url`?".to_owned()),
    ];
    let said = table.map(|(text, message)| (read(&format!("{{{text}}}")).unwrap_err(), message));
    let wrong: Vec<_> = said.iter().filter(|(said, message)| said != message).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn credentials_that_anybody_can_read_on_the_way_are_warned_of() {
    let warnings =
        |url: &str, rest: &str| Config::parse(&format!("prometheus: {{url: '{url}'{rest}}}")).unwrap().warnings();
    let token = ", bearerTokenFile: /token";
    assert_eq!(
        warnings("http://prometheus:9090", token),
        ["prometheus.url: the credentials are sent over http, where everybody on the way to prometheus can read them"]
    );
    for (url, rest) in
        [("https://prometheus", token), ("http://127.0.0.1", token), ("http://[::1]:90", token), ("http://p", "")]
    {
        assert_eq!(warnings(url, rest), [""; 0], "{url}");
    }
}
