use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::on_both;
use crate::support::{PASSWORD, Server, eventually};

const BUCKETS: [&str; 15] = [
    "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf",
];

fn exposition(server: &Server) -> String {
    server.ops("/metrics").expect(200).text
}

/// The names and labels of all series, without their values.
fn series(server: &Server) -> BTreeSet<String> {
    let text = exposition(server);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

fn label<'a>(series: &'a str, name: &str) -> &'a str {
    series.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0
}

/// How many requests to the API have been counted.
fn counted(server: &Server) -> f64 {
    let text = exposition(server);
    let samples = text.lines().filter(|line| line.starts_with("http_requests_total{"));
    samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

fn of(method: &str, route: &str, status: u16) -> String {
    format!("http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

#[track_caller]
fn expect(server: &Server, series: &str, value: f64) {
    eventually(&format!("{series} {value}"), || {
        server.metric(series).is_some_and(|found| (found - value).abs() < 1e-9)
    });
}

/// Asks for a bit of everything.
fn traffic(server: &Server) {
    let (jake, joe) = (server.user("jake"), server.user("joe"));
    let slug = server.article(&jake, "A title", &["a"]);
    server.favorite(&joe, &slug);
    server.follow(&joe, "jake");
    server.comment(&joe, &slug, "First");
    for path in ["/api/articles", "/api/articles/feed", "/api/tags", "/api/user", "/nothing", "/api/articles?limit=x"] {
        server.get(path);
    }
}

on_both! {
    fn promtool_finds_nothing_wrong(server) {
        traffic(server);
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool is installed, with Debian's package `prometheus`");
        promtool.stdin.take().unwrap().write_all(exposition(server).as_bytes()).unwrap();
        let out = promtool.wait_with_output().unwrap();
        let said = [out.stdout, out.stderr].map(|said| String::from_utf8(said).unwrap());
        assert_eq!((said, out.status.code()), ([String::new(), String::new()], Some(0)));
    }

    fn the_exposition_says_what_it_is(server) {
        let reply = server.ops("/metrics").expect(200);
        assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        server.get("/metrics").expect(404);
        server.get("/api/metrics").expect(404);
    }

    fn what_alerts_look_at_is_there_from_the_start(server) {
        let zero = [
            of("GET", "/articles", 200), of("GET", "/articles", 500), of("GET", "/articles", 503), "http_requests_in_flight".to_owned(),
            "db_pool_acquire_timeouts_total".to_owned(), "conduit_users_registered_total".to_owned(), "conduit_articles_created_total".to_owned(),
            "conduit_comments_created_total".to_owned(), "conduit_logins_total{result=\"success\"}".to_owned(),
            "conduit_logins_total{result=\"failure\"}".to_owned(),
        ];
        for series in zero {
            assert_eq!(server.metric(&series), Some(0.0), "{series}");
        }
        for series in ["db_pool_connections{state=\"idle\"}", "db_pool_connections{state=\"used\"}", "process_cpu_seconds_total",
            "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds", "process_threads"] {
            assert!(server.metric(series).is_some(), "{series}");
        }
        let build = series(server).into_iter().find(|series| series.starts_with("conduit_build_info{")).unwrap();
        assert_eq!((label(&build, "version"), server.metric(&build)), (env!("CARGO_PKG_VERSION"), Some(1.0)));
    }

    fn every_family_is_of_the_type_that_its_name_promises(server) {
        traffic(server);
        let text = exposition(server);
        for (name, kind) in [
            ("http_requests_total", "counter"), ("http_request_duration_seconds", "histogram"), ("http_requests_in_flight", "gauge"),
            ("db_pool_connections", "gauge"), ("db_pool_acquire_duration_seconds", "histogram"), ("db_pool_acquire_timeouts_total", "counter"),
            ("conduit_build_info", "gauge"), ("conduit_users_registered_total", "counter"), ("conduit_logins_total", "counter"),
            ("conduit_articles_created_total", "counter"), ("process_cpu_seconds_total", "counter"), ("process_resident_memory_bytes", "gauge"),
        ] {
            assert_eq!(text.matches(&format!("# TYPE {name} {kind}\n")).count(), 1, "{name}");
            assert_eq!(text.matches(&format!("# HELP {name} ")).count(), 1, "{name}");
        }
        let of_counter = |line: &&str| line.starts_with("# TYPE ") && line.ends_with(" counter");
        for line in text.lines().filter(of_counter) {
            assert!(line.ends_with("_total counter"), "{line}");
        }
    }

    fn a_duration_falls_into_its_buckets(server) {
        for _ in 0..3 {
            server.get("/api/tags").expect(200);
        }
        let labels = "method=\"GET\",route=\"/tags\",status=\"200\"";
        expect(server, &format!("http_request_duration_seconds_count{{{labels}}}"), 3.0);
        let counts = BUCKETS.map(|le| server.metric(&format!("http_request_duration_seconds_bucket{{{labels},le=\"{le}\"}}")).unwrap());
        assert!(counts.is_sorted() && (counts[14] - 3.0).abs() < 1e-9, "{counts:?}");
        let sum = server.metric(&format!("http_request_duration_seconds_sum{{{labels}}}")).unwrap();
        assert!(0.0 < sum && sum < 30.0, "{sum}");
        let buckets = series(server).into_iter().filter(|series| series.starts_with("http_request_duration_seconds_bucket") && series.contains("\"/tags\""));
        assert_eq!(buckets.count(), BUCKETS.len());
        assert!(server.metric("db_pool_acquire_duration_seconds_count").unwrap() >= 3.0);
    }

    fn requests_are_counted_by_template_with_and_without_the_prefix(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let comment = server.comment(&jake, &slug, "First");
        for path in ["/articles/a-title", "/api/articles/a-title", "/api/articles/nothing", "/api/profiles/jake", "/profiles/jake", "/api/profiles/joe"] {
            server.get(path);
        }
        server.delete_as(&jake, &format!("/api/articles/{slug}/comments/{comment}")).expect(204);
        server.ask("HEAD", "/api/tags");
        server.ask("OPTIONS", "/api/tags");
        for (series, count) in [
            (of("GET", "/articles/{slug}", 200), 2.0), (of("GET", "/articles/{slug}", 404), 1.0), (of("GET", "/profiles/{username}", 200), 2.0),
            (of("GET", "/profiles/{username}", 404), 1.0), (of("DELETE", "/articles/{slug}/comments/{id}", 204), 1.0),
            (of("POST", "/articles", 201), 1.0), (of("POST", "/users", 201), 1.0), (of("HEAD", "/tags", 200), 1.0), (of("OPTIONS", "/tags", 200), 1.0),
        ] {
            expect(server, &series, count);
        }
        expect(server, "http_requests_in_flight", 0.0);
    }

    fn probes_and_scrapes_are_no_requests(server) {
        server.get("/api/tags").expect(200);
        for path in ["/livez", "/readyz", "/readyz?verbose", "/metrics", "/nothing"] {
            server.ops(path);
        }
        expect(server, &of("GET", "/tags", 200), 1.0);
        assert!((counted(server) - 1.0).abs() < 1e-9, "{}", exposition(server));
    }

    fn a_scan_mints_no_series(server) {
        traffic(server);
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X-1", "get", "M-SEARCH"];
        let scan = |round: u32| {
            for number in 0..200 {
                let random = format!("{:x}", (number + 200 * round).wrapping_mul(2_654_435_761));
                let path = match number % 4 {
                    0 => format!("/{random}/wp-login.php?x={random}"),
                    1 => format!("/api/{random}/%2e%2e/%00/\"}}"),
                    2 => format!("/api/articles/{random}"),
                    _ => format!("/profiles/{random}\\"),
                };
                server.ask(methods[number as usize % methods.len()], path);
            }
        };
        let before = series(server);
        scan(0);
        eventually("counted", || counted(server) >= 212.0);
        let after = series(server);
        scan(1);
        eventually("counted", || counted(server) >= 412.0);
        assert_eq!(series(server), after);
        for series in after.difference(&before) {
            assert!(series.starts_with("http_request"), "{series}");
            assert!(["unmatched", "/articles/{slug}", "/profiles/{username}"].contains(&label(series, "route")), "{series}");
            assert!(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"].contains(&label(series, "method")), "{series}");
            assert!(["200", "401", "404", "405"].contains(&label(series, "status")), "{series}");
        }
    }

    fn a_client_that_hangs_up_is_counted(server, [("HASH_CONCURRENCY", "1"), ("HASH_WAIT", "30s")]) {
        let jake = server.user("jake");
        let before = counted(server);
        let body = json!({"user": {"email": jake.email, "password": PASSWORD}}).to_string();
        let head = format!("POST /api/users/login HTTP/1.1\r\nhost: conduit\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
        // All of them are being answered, or have been, when their clients hang up.
        eventually("in flight", || server.metric("http_requests_in_flight").unwrap() + counted(server) - before >= 50.0);
        drop(clients);
        eventually("counted", || (counted(server) - before - 50.0).abs() < 1e-9);
        assert!(server.metric(&of("POST", "/users/login", 499)).unwrap() >= 1.0, "{}", exposition(server));
        expect(server, "http_requests_in_flight", 0.0);
    }

    fn all_tags_of_an_article_are_written_by_one_statement(server) {
        let jake = server.user("jake");
        let tagged = || server.metric("db_query_duration_seconds_count{statement=\"articles.tag\"}").unwrap_or_default();
        let before = tagged();
        let slug = server.article(&jake, "A title", &["a", "b \"c\"", "ü"]);
        assert!((tagged() - before - 1.0).abs() < 1e-9);
        server.article(&jake, "Without", &[]);
        assert!((tagged() - before - 1.0).abs() < 1e-9);
        for tag in ["a", "b%20%22c%22", "%C3%BC"] {
            assert_eq!(server.get(&format!("/api/articles?tag={tag}")).page(), (vec![slug.clone()], 1), "{tag}");
        }
    }

    fn what_happens_in_the_domain_is_counted(server) {
        let jake = server.user("jake");
        server.post("/api/users", &json!({"user": {"username": "jake", "email": jake.email, "password": PASSWORD}})).expect(409);
        let slug = server.article(&jake, "A title", &[]);
        server.article(&jake, "A title", &[]);
        server.post_as(&jake, "/api/articles", &json!({"article": {"title": ""}})).expect(422);
        server.comment(&jake, &slug, "First");
        for (password, status) in [(PASSWORD, 200), ("wrong", 401), ("wrong", 401)] {
            server.post("/api/users/login", &json!({"user": {"email": jake.email, "password": password}})).expect(status);
        }
        for (series, count) in [
            ("conduit_users_registered_total", 1.0), ("conduit_articles_created_total", 2.0), ("conduit_comments_created_total", 1.0),
            ("conduit_logins_total{result=\"success\"}", 1.0), ("conduit_logins_total{result=\"failure\"}", 2.0),
        ] {
            expect(server, series, count);
        }
    }

    fn the_time_of_the_processor_is_counted_in_fractions(server) {
        let cpu = || server.metric("process_cpu_seconds_total").unwrap();
        let before = cpu();
        eventually("a fraction of a second more", || {
            server.user(&format!("user{}", counted(server)));
            cpu() > before && cpu().fract() > 0.0
        });
    }
}
