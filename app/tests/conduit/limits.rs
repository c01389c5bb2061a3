use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Backend, Server, eventually};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// How long it takes until the server closes the connection, and what it has said by then.
fn until_closed(stream: &mut TcpStream) -> (Duration, String) {
    let waiting = Instant::now();
    let mut said = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut said);
    (waiting.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn expect_about(took: Duration, expected: Duration) {
    assert!(took >= expected.mul_f64(0.8) && took < expected + Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_client_that_sends_nothing_or_headers_byte_by_byte_is_closed_after_the_header_time_out() {
    let server = Server::start_with(Backend::Sqlite, &[("HEADER_TIMEOUT", "600ms")]);
    let (took, _) = until_closed(&mut connect(&server));
    expect_about(took, Duration::from_millis(600));

    let mut slow = connect(&server);
    let mut dribble = slow.try_clone().unwrap();
    let dribbling = thread::spawn(move || {
        for byte in b"GET /api/articles HTTP/1.1\r\nhost: slow and slower and slower".iter().cycle() {
            if dribble.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (took, _) = until_closed(&mut slow);
    expect_about(took, Duration::from_millis(600));
    dribbling.join().unwrap();
    assert_eq!(server.metric("http_connections_closed_total{reason=\"header_timeout\"}"), Some(2.0));
}

#[test]
fn an_idle_connection_is_closed_after_the_idle_time_out_and_not_before() {
    let server = Server::start_with(Backend::Sqlite, &[("HEADER_TIMEOUT", "200ms"), ("IDLE_TIMEOUT", "900ms")]);
    let mut stream = connect(&server);
    for _ in 0..3 {
        stream.write_all(b"GET /api/tags HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = [0; 4096];
        assert!(stream.read(&mut answer).unwrap() > 0);
        // Longer than headers may take: between requests that clock does not run.
        thread::sleep(Duration::from_millis(500));
    }
    let (took, _) = until_closed(&mut stream);
    expect_about(took + Duration::from_millis(500), Duration::from_millis(900));
    assert_eq!(server.metric("http_connections_closed_total{reason=\"idle_timeout\"}"), Some(1.0));
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let server = Server::start_with(Backend::Sqlite, &[("BODY_TIMEOUT", "500ms")]);
    let mut stream = connect(&server);
    stream.write_all(b"POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let (took, said) = until_closed(&mut stream);
    expect_about(took, Duration::from_millis(500));
    assert!(
        said.starts_with("HTTP/1.1 408") && said.ends_with(r#"{"errors":{"body":["did not arrive in time"]}}"#),
        "{said}"
    );
}

#[test]
fn a_client_that_does_not_take_its_answer_is_closed() {
    let server = Server::start_with(Backend::Sqlite, &[("IDLE_TIMEOUT", "600ms")]);
    let user = server.user("author");
    let article = json!({"article": {"title": "Long", "description": "d", "body": "b".repeat(1_000_000)}});
    server.post_as(&user, "/api/articles", &article).expect(201);
    let mut stream = connect(&server);
    let requests = b"GET /api/articles/long HTTP/1.1\r\nhost: x\r\n\r\n".repeat(40);
    stream.write_all(&requests).unwrap();
    eventually("closed", || server.metric("http_connections_closed_total{reason=\"write_timeout\"}") == Some(1.0));
}

#[test]
fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let settings = [("IDLE_TIMEOUT", "600ms"), ("BODY_LIMIT", "40000000"), ("DB_TIMEOUT", "20s")];
    let server = Server::start_with(Backend::Sqlite, &settings);
    let user = server.user("author");
    // Far more than the kernel holds for a connection.
    let article = json!({"article": {"title": "Long", "description": "d", "body": "b".repeat(30_000_000)}});
    server.post_as(&user, "/api/articles", &article).expect(201);
    let mut stream = connect(&server);
    stream.write_all(b"GET /api/articles/long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let (asked, mut taken, mut part) = (Instant::now(), 0, vec![0; 1_000_000]);
    loop {
        match stream.read(&mut part).unwrap() {
            0 => break,
            read => taken += read,
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(taken > 30_000_000, "{taken} bytes after {:?}", asked.elapsed());
    assert!(asked.elapsed() > Duration::from_millis(1_200), "it was not slow: {:?}", asked.elapsed());
}

#[test]
fn bodies_that_hold_all_their_memory_let_no_further_one_in() {
    const SIZE: usize = 1 << 20;
    let server = Server::start_with(Backend::Sqlite, &[("BODY_TIMEOUT", "60s")]);
    let head = format!("POST /api/users/login HTTP/1.1\r\nhost: x\r\ncontent-length: {SIZE}\r\n\r\n");
    let holding: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(head.as_bytes()).unwrap();
            // All but the last byte, which never comes.
            stream.write_all(&vec![b' '; SIZE - 1]).unwrap();
            stream
        })
        .collect();
    let nobody = json!({"user": {"email": "nobody@example.com", "password": "p".repeat(100)}});
    let login = || server.post("/api/users/login", &nobody);
    eventually("full", || login().status == 503);
    let reply = login().expect_error(503, "server", "is busy, try again");
    assert_eq!((reply.header("retry-after"), reply.header("connection")), ("1", "close"));
    assert!(server.metric("http_bodies_refused_total").unwrap() >= 2.0);
    server.get("/api/tags").expect(200);
    drop(holding);
    eventually("room again", || login().status == 401);
}

#[test]
fn what_lists_repeat_is_limited_and_says_how_much_it_may_be() {
    let server = Server::start(Backend::Sqlite);
    let user = server.user("author");
    let slug = server.article(&user, "An article", &[]);
    let (article, comments) = (format!("/api/articles/{slug}"), format!("/api/articles/{slug}/comments"));
    let account = json!({"username": "other", "email": "other@example.com", "password": crate::support::PASSWORD});
    let draft = json!({"title": "Another", "description": "d", "body": "b"});
    let requests: [(&str, &str, &str, &str, usize, serde_json::Value); 8] = [
        ("PUT", "/api/user", "user", "bio", 10_000, json!({})),
        ("PATCH", "/api/user", "user", "image", 10_000, json!({})),
        ("POST", "/api/users", "user", "bio", 10_000, account.clone()),
        ("POST", "/api/users", "user", "image", 10_000, account),
        ("POST", "/api/articles", "article", "description", 10_000, draft),
        ("PUT", &article, "article", "description", 10_000, json!({})),
        ("PATCH", &article, "article", "description", 10_000, json!({})),
        ("POST", &comments, "comment", "body", 65_536, json!({})),
    ];
    for (method, path, root, field, most, mut given) in requests {
        let mut send = |length: usize| {
            // In characters, whatever they take in bytes.
            given[field] = json!("ä".repeat(length));
            server.send(method, path, Some(&user.token), Some(&json!({root: given})))
        };
        send(most + 1).expect_error(422, field, &format!("is too long (maximum is {most} characters)"));
        let status = send(most).status;
        // Only one of the two accounts can be had.
        assert!([200, 201, 409].contains(&status), "{method} {path} {field}: {status}");
    }
    let schemas = &server.get("/openapi.json").json["components"]["schemas"];
    for (schema, field, most) in [
        ("NewUser", "bio", 10_000),
        ("UpdateUser", "image", 10_000),
        ("NewArticle", "description", 10_000),
        ("UpdateArticle", "description", 10_000),
        ("NewComment", "body", 65_536),
    ] {
        assert_eq!(schemas[schema]["properties"][field]["maxLength"], most, "{schema} {field}");
    }
}

#[test]
fn more_connections_than_the_limit_wait_and_are_served_in_their_turn() {
    let server = Server::start_with(Backend::Sqlite, &[("MAX_CONNECTIONS", "2"), ("HEADER_TIMEOUT", "700ms")]);
    let holding = [connect(&server), connect(&server)];
    let mut third = connect(&server);
    third.write_all(b"GET /api/tags HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let (took, said) = until_closed(&mut third);
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    expect_about(took, Duration::from_millis(700));
    drop(holding);
}

#[test]
fn more_logins_than_cores_can_hash_are_refused_in_time() {
    let server = Server::start_with(Backend::Sqlite, &[("HASH_CONCURRENCY", "1"), ("HASH_WAIT", "20ms")]);
    server.user("somebody");
    let body = json!({"user": {"email": "somebody@example.com", "password": crate::support::PASSWORD}});
    let replies = thread::scope(|scope| {
        let logins: Vec<_> = (0..16).map(|_| scope.spawn(|| server.post("/api/users/login", &body))).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect::<Vec<_>>()
    });
    let busy = replies.iter().filter(|reply| reply.status == 503).count();
    assert!(replies.iter().any(|reply| reply.status == 200) && busy > 0, "{busy} of 16 were busy");
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.header("retry-after"), "1");
        reply.expect_error(503, "server", "is busy, try again");
    }
    // Whoever comes when there is room is let in.
    server.post("/api/users/login", &body).expect(200);
}

#[test]
fn the_largest_page_is_a_setting() {
    let server = Server::start_with(Backend::Sqlite, &[("MAX_PAGE_SIZE", "2")]);
    let user = server.user("author");
    for title in ["a", "b", "c"] {
        server.article(&user, title, &[]);
    }
    for query in ["", "?limit=3", "?limit=1000000"] {
        let page = server.get(&format!("/api/articles{query}")).json;
        assert_eq!((page["articles"].as_array().unwrap().len(), &page["articlesCount"]), (2, &json!(3)), "{query}");
    }
}

#[test]
fn login_works_as_long_for_an_unknown_e_mail_as_for_a_wrong_password() {
    let server = Server::start(Backend::Sqlite);
    server.user("somebody");
    let median = |email: &str| {
        let body = json!({"user": {"email": email, "password": "wrong password"}});
        let mut took: Vec<Duration> = (0..9)
            .map(|_| {
                let asked = Instant::now();
                server.post("/api/users/login", &body).expect_error(401, "credentials", "invalid");
                asked.elapsed()
            })
            .collect();
        took.sort();
        took[4]
    };
    let (known, unknown) = (median("somebody@example.com"), median("nobody@example.com"));
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    // Without the same work it is a hundredfold.
    assert!((0.3..3.0).contains(&ratio), "{known:?} and {unknown:?}");
}
