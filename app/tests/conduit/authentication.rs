use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{PASSWORD, Reply, Server, User};

const SECRET: (&str, &str) = ("JWT_SECRET", "one secret of many, which is long enough");

/// Every route that somebody must be logged in for; the articles and users of these paths do not exist.
const PROTECTED: [(&str, &str); 14] = [
    ("GET", "/api/user"),
    ("PUT", "/api/user"),
    ("PATCH", "/api/user"),
    ("POST", "/api/profiles/nobody/follow"),
    ("DELETE", "/api/profiles/nobody/follow"),
    ("GET", "/api/articles/feed"),
    ("POST", "/api/articles"),
    ("PUT", "/api/articles/nothing"),
    ("PATCH", "/api/articles/nothing"),
    ("DELETE", "/api/articles/nothing"),
    ("POST", "/api/articles/nothing/comments"),
    ("DELETE", "/api/articles/nothing/comments/x"),
    ("POST", "/api/articles/nothing/favorite"),
    ("DELETE", "/api/articles/nothing/favorite"),
];

/// Every route that may be asked by anybody and answers those who are logged in differently.
const OPTIONAL: [&str; 6] = [
    "/api/profiles/jake",
    "/api/profiles/nobody",
    "/api/articles",
    "/api/articles?limit=x",
    "/api/articles/nothing",
    "/api/articles/nothing/comments",
];

fn with(server: &Server, method: &str, path: &str, authorization: &str) -> Reply {
    server.raw(method, path, &[("authorization", authorization)], "")
}

fn refused_everywhere(server: &Server, authorization: &str, message: &str) {
    for (method, path) in PROTECTED {
        with(server, method, path, authorization).expect_error(401, "token", message);
    }
    for path in OPTIONAL {
        with(server, "GET", path, authorization).expect_error(401, "token", message);
    }
}

on_both! {
    fn whoever_says_nothing_of_themselves_is_told_that_a_token_is_missing(server) {
        for (method, path) in PROTECTED {
            for body in ["", "{", "{}", "{\"article\": {\"title\": \"\"}, \"user\": {\"email\": \"\"}, \"comment\": {}}"] {
                server.raw(method, path, &[], body).expect_error(401, "token", "is missing");
            }
        }
        server.get("/api/articles/feed?limit=x").expect_error(401, "token", "is missing");
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let comment = server.comment(&jake, &slug, "First");
        for path in [format!("/api/articles/{slug}"), format!("/api/articles/{slug}/comments/{comment}")] {
            server.send("DELETE", &path, None, None).expect_error(401, "token", "is missing");
        }
    }

    fn a_bad_token_is_refused_even_where_none_is_needed(server) {
        let jake = server.user("jake");
        let (header, rest) = jake.token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        // {"alg":"none"}, {"typ":"JWT","alg":"HS512"}, {"sub":"1","iat":0,"exp":9999999999}
        let (none, other) = ("eyJhbGciOiJub25lIn0", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9");
        let forged = "eyJzdWIiOiIxIiwiaWF0IjowLCJleHAiOjk5OTk5OTk5OTl9";
        let bad = [
            "Token".to_owned(), "Token x".to_owned(), "Token a.b.c".to_owned(), jake.token.clone(), format!("Basic {}", jake.token),
            format!("Token {none}.{claims}."), format!("Token {none}.{claims}.{signature}"), format!("Token {other}.{claims}.{signature}"),
            format!("Token {header}.{forged}.{signature}"), format!("Token {header}.{claims}."), format!("Token {header}.{claims}"),
            format!("Token {}x", jake.token), format!("Token {} x", jake.token), "x".repeat(5000),
        ];
        for authorization in &bad {
            refused_everywhere(server, authorization, "is invalid");
        }
        assert_eq!(server.get_as(&jake, "/api/user").expect(200).json["user"]["username"], "jake");
    }

    fn the_scheme_is_read_in_any_case(server) {
        let jake = server.user("jake");
        for scheme in ["Token", "token", "TOKEN", "tOkEn", "Bearer", "bearer", "BEARER"] {
            let authorization = format!("{scheme} {}", jake.token);
            let user = with(server, "GET", "/api/user", &authorization).expect(200).json["user"].clone();
            assert_eq!((&user["username"], &user["token"]), (&json!("jake"), &json!(jake.token)));
            with(server, "GET", "/api/articles", &authorization).expect(200);
        }
    }

    fn a_token_expires(server, [("JWT_TTL", "1s")]) {
        let login = json!({"user": {"email": "jake@example.com", "password": PASSWORD}});
        server.post("/api/users", &json!({"user": {"username": "jake", "email": "jake@example.com", "password": PASSWORD}})).expect(201);
        let token = server.post("/api/users/login", &login).expect(200).json["user"]["token"].as_str().unwrap().to_owned();
        let begun = Instant::now();
        while server.send("GET", "/api/user", Some(&token), None).status == 200 {
            assert!(begun.elapsed() < Duration::from_secs(5), "it never expires");
            std::thread::sleep(Duration::from_millis(50));
        }
        refused_everywhere(server, &format!("Token {token}"), "has expired");
    }

    fn a_token_of_somebody_who_is_not_here_is_invalid(server, [SECRET]) {
        let elsewhere = Server::start_with(crate::support::Backend::Sqlite, &[SECRET]);
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let strangers: Vec<User> = (0..9).map(|number| elsewhere.user(&format!("user{number}"))).collect();
        let article = json!({"article": {"title": "t", "description": "d", "body": "b"}});
        let requests = [
            ("GET", "/api/user".to_owned(), None),
            ("PUT", "/api/user".to_owned(), Some(json!({"user": {"bio": "B"}}))),
            ("PUT", "/api/user".to_owned(), Some(json!({"user": {}}))),
            ("POST", "/api/articles".to_owned(), Some(article)),
            ("POST", format!("/api/articles/{slug}/comments"), Some(json!({"comment": {"body": "B"}}))),
            ("POST", format!("/api/articles/{slug}/favorite"), None),
            ("POST", "/api/profiles/jake/follow".to_owned(), None),
        ];
        for (method, path, body) in &requests {
            server.send(method, path, Some(&strangers[8].token), body.as_ref()).expect_error(401, "token", "is invalid");
        }
        assert_eq!(server.get("/api/articles").page(), (vec![slug], 1));
    }

    fn a_token_signed_with_another_secret_is_invalid(server) {
        let elsewhere = Server::start_with(crate::support::Backend::Sqlite, &[SECRET]);
        server.user("jake");
        refused_everywhere(server, &format!("Token {}", elsewhere.user("jake").token), "is invalid");
    }

    fn what_needs_no_token_reads_none(server) {
        let User { email, .. } = server.user("jake");
        let bad = [("authorization", "Token x")];
        let new = json!({"user": {"username": "joe", "email": "joe@example.com", "password": PASSWORD}});
        server.raw("POST", "/api/users", &bad, new.to_string()).expect(201);
        let login = json!({"user": {"email": email, "password": PASSWORD}});
        server.raw("POST", "/api/users/login", &bad, login.to_string()).expect(200);
        server.raw("GET", "/api/tags", &bad, "").expect(200);
    }

    fn who_asks_comes_before_what_is_asked_and_that_before_where_and_whose_it_is(server) {
        let (jake, joe) = (server.user("jake"), server.user("joe"));
        let slug = server.article(&jake, "A title", &[]);
        let comment = server.comment(&jake, &slug, "First");
        let blank = json!({"article": {"title": ""}, "comment": {"body": ""}});
        let good = json!({"article": {"title": "Another"}, "comment": {"body": "B"}});
        let ask = |method: &str, path: &str, user: Option<&User>, body: Option<&Value>| {
            server.send(method, &format!("/api/articles/{path}"), user.map(|user| user.token.as_str()), body)
        };
        for (path, body) in [("nothing", &blank), (&slug, &blank), (&slug, &good)] {
            ask("PUT", path, None, Some(body)).expect_error(401, "token", "is missing");
            ask("POST", &format!("{path}/comments"), None, Some(body)).expect_error(401, "token", "is missing");
        }
        for path in ["nothing", &slug] {
            ask("PUT", path, Some(&joe), Some(&blank)).expect_error(422, "title", "can't be blank");
            ask("PATCH", path, Some(&joe), Some(&blank)).expect_error(422, "title", "can't be blank");
            ask("POST", &format!("{path}/comments"), Some(&joe), Some(&blank)).expect_error(422, "body", "can't be blank");
        }
        ask("PUT", "nothing", Some(&joe), Some(&good)).expect_error(404, "article", "not found");
        ask("PUT", &slug, Some(&joe), Some(&good)).expect_error(403, "article", "forbidden");
        ask("DELETE", &format!("nothing/comments/{comment}"), Some(&joe), None).expect_error(404, "article", "not found");
        ask("DELETE", &format!("{slug}/comments/{}", comment + 1), Some(&joe), None).expect_error(404, "comment", "not found");
        ask("DELETE", &format!("{slug}/comments/{comment}"), Some(&joe), None).expect_error(403, "comment", "forbidden");
    }
}
