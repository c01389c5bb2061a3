use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Cluster, PASSWORD, Reply, Server, eventually, read_one};

const JSON: &str = "application/json; charset=utf-8";

/// Every path of the contract, with its methods.
const ROUTES: [(&str, &str); 12] = [
    ("/users", "POST"),
    ("/users/login", "POST"),
    ("/user", "GET HEAD PUT PATCH"),
    ("/profiles/jake", "GET HEAD"),
    ("/profiles/jake/follow", "POST DELETE"),
    ("/articles", "GET HEAD POST"),
    ("/articles/feed", "GET HEAD PUT PATCH DELETE"),
    ("/articles/nothing", "GET HEAD PUT PATCH DELETE"),
    ("/articles/nothing/comments", "GET HEAD POST"),
    ("/articles/nothing/comments/1", "DELETE"),
    ("/articles/nothing/favorite", "POST DELETE"),
    ("/tags", "GET HEAD"),
];

fn chunked(path: &str, body: &str) -> String {
    let head = "transfer-encoding: chunked\r\nconnection: close\r\nhost: conduit";
    format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn registration_of_size(name: &str, size: usize) -> String {
    let of = |bio: &str| {
        json!({"user": {"username": name, "email": format!("{name}@example.com"), "password": PASSWORD, "bio": bio}})
            .to_string()
    };
    of(&"x".repeat(size - of("").len()))
}

fn from_elsewhere(server: &Server, method: &str, path: &str, more: &[(&str, &str)]) -> Reply {
    server.raw(method, path, &[&[("origin", "https://example.com")], more].concat(), "")
}

on_both! {
    fn a_path_that_no_route_has_is_not_found(server) {
        let paths = [
            "/api", "/api/", "/api/nothing", "/nothing", "/api/articles/", "/api/users/", "/api/user/x", "/api/articles/a/b", "/api//articles",
            "/api/articles/a/comments/1/x", "/api/api/articles", "/metrics", "/readyz", "/api/profiles", "/API/articles", "/index.php?x=%00",
        ];
        for path in paths {
            for method in ["GET", "POST", "DELETE", "OPTION", "TRACE"] {
                server.ask(method, path).expect_error_shape(404);
            }
        }
        server.ask("GET", "/api/nothing").expect_error(404, "route", "not found");
    }

    fn a_method_that_a_route_has_not_is_not_allowed_and_the_others_are_named(server) {
        for (path, methods) in ROUTES.iter().filter(|(path, _)| *path != "/articles/feed") {
            let allowed: BTreeSet<&str> = methods.split(' ').collect();
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"] {
                if allowed.contains(method) {
                    continue;
                }
                for prefix in ["", "/api"] {
                    let reply = server.ask(method, format!("{prefix}{path}")).expect_error_shape(405);
                    let named: BTreeSet<&str> = reply.header("allow").split(',').map(str::trim).collect();
                    assert_eq!(named, allowed, "{method} {path}");
                }
            }
        }
    }

    fn what_is_beside_the_contract_answers_in_its_shape_too(server) {
        for path in ["/", "/openapi.json", "/docs", "/docs/", "/docs/swagger-ui.css"] {
            for method in ["POST", "DELETE", "TRACE"] {
                let reply = server.ask(method, path).expect_error_shape(405);
                assert_eq!(reply.header("allow"), "GET,HEAD", "{method} {path}");
            }
        }
        for path in ["/docs/nothing", "/docs/a/b.js"] {
            server.get(path).expect_error_shape(404);
        }
    }

    fn what_is_not_json_is_refused_in_the_contracts_shape(server) {
        let jake = server.user("jake");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let bodies: [&[u8]; 16] = [
            b"", b" ", b"{", b"}", b"{\"user\":}", b"{\"user\": {\"email\": \"x\"", b"{} {}", b"user[email]=x", b"{'user': {}}", b"\xff\xfe",
            b"{\"user\": {\"email\": \"\xff\"}}", b"{\"user\": {\"email\": \"\\ud800\"}}", b"{\"user\": NaN}", b"\0", b"<user/>", deep.as_bytes(),
        ];
        let routes = [
            ("POST", "/api/users"), ("POST", "/api/users/login"), ("PUT", "/api/user"), ("PATCH", "/api/user"), ("POST", "/api/articles"),
            ("PUT", "/api/articles/nothing"), ("PATCH", "/api/articles/nothing"), ("POST", "/api/articles/nothing/comments"),
        ];
        let authorization = format!("Token {}", jake.token);
        for (method, path) in routes {
            for body in bodies {
                for content_type in ["application/json", "text/plain"] {
                    let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
                    let reply = server.raw(method, path, &headers, body);
                    let status = reply.status;
                    assert!(status == 400 || status == 422, "{method} {path} {:?}: {status}", String::from_utf8_lossy(body));
                    reply.expect_error_shape(status);
                }
            }
        }
    }

    fn what_is_of_another_type_is_refused_field_by_field(server) {
        let jake = server.user("jake");
        let wrong = |fields: &[&str]| Value::Object(fields.iter().map(|field| ((*field).to_owned(), json!(["is invalid"]))).collect());
        let profile = ["username", "email", "password", "bio", "image"];
        let article = ["title", "description", "body", "tagList"];
        let requests: [(&str, &str, &str, &[&str]); 6] = [
            ("POST", "/api/users", "user", &profile),
            ("POST", "/api/users/login", "user", &["email", "password"]),
            ("PUT", "/api/user", "user", &profile),
            ("POST", "/api/articles", "article", &article),
            ("PUT", "/api/articles/nothing", "article", &article),
            ("POST", "/api/articles/nothing/comments", "comment", &["body"]),
        ];
        for (method, path, root, fields) in requests {
            let send = |body: &Value| server.send(method, path, Some(&jake.token), Some(body));
            for value in [json!(1), json!(true), json!({"a": 1}), json!(1e300)] {
                let given: Value = fields.iter().map(|field| ((*field).to_owned(), value.clone())).collect::<serde_json::Map<_, _>>().into();
                send(&json!({root: given})).expect_errors(422, &wrong(fields));
            }
            for value in [json!("text"), json!(1), json!([]), json!([1, 2]), Value::Null] {
                send(&json!({root: value})).expect_error_shape(422);
            }
            for whole in [json!({}), json!([]), json!("text"), json!(1), Value::Null] {
                let reply = send(&whole);
                assert!([400, 422].contains(&reply.status), "{method} {path} {whole}: {}", reply.status);
                let status = reply.status;
                reply.expect_error_shape(status);
            }
        }
    }

    fn a_list_of_values_is_no_object(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let (article, comments) = (format!("/api/articles/{slug}"), format!("/api/articles/{slug}/comments"));
        let requests = [
            ("POST", "/api/users", "user", json!(["joe", "joe@example.com", PASSWORD])),
            ("POST", "/api/users/login", "user", json!([jake.email, PASSWORD])),
            ("PUT", "/api/user", "user", json!(["jacob@example.com", "jacob"])),
            ("POST", "/api/articles", "article", json!(["t", "d", "b"])),
            ("PUT", &article, "article", json!(["Another"])),
            ("POST", &comments, "comment", json!(["B"])),
        ];
        for (method, path, root, list) in requests {
            for body in [json!({root: list}), json!([list])] {
                let reply = server.send(method, path, Some(&jake.token), Some(&body));
                assert!([400, 422].contains(&reply.status), "{method} {path} {body}: {} {}", reply.status, reply.text);
                let status = reply.status;
                reply.expect_error_shape(status);
            }
        }
        assert_eq!(server.get_as(&jake, "/api/user").json["user"]["username"], "jake");
        assert_eq!(server.get("/api/articles").page(), (vec![slug], 1));
    }

    fn what_is_not_asked_for_is_passed_over(server) {
        let body = json!({"user": {"username": "jake", "email": "jake@example.com", "password": PASSWORD, "id": 7, "admin": true}, "more": [1]});
        server.post("/api/users", &body).expect(201);
        assert_eq!(server.get("/api/articles?more=1&&=&x").expect(200).page(), (vec![], 0));
    }

    fn a_body_that_is_too_large_is_refused(server, [("BODY_LIMIT", "1000")]) {
        server.raw("POST", "/api/users", &[], registration_of_size("just", 1000)).expect(201);
        for size in [1001, 5000, 200_000] {
            let body = registration_of_size("large", size);
            let declared = format!("POST /api/users HTTP/1.1\r\nhost: conduit\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n{body}");
            server.speak(declared).expect_error_shape(413);
            server.speak(chunked("/api/users", &body)).expect_error_shape(413);
        }
        server.raw("POST", "/api/users", &[], registration_of_size("large", 1001)).expect_error_shape(413);
        // It is not waited for.
        server.speak("POST /api/users HTTP/1.1\r\nhost: conduit\r\ncontent-length: 1001\r\n\r\n").expect_error_shape(413);
        server.speak(chunked("/api/users", &registration_of_size("large", 1000))).expect(201);
    }

    fn an_answer_that_did_not_wait_for_the_body_keeps_the_connection_or_says_that_it_ends(server) {
        for (method, path, status) in [("POST", "/api/articles", 401), ("POST", "/api/nothing", 404), ("PUT", "/api/tags", 405), ("GET", "/api/tags", 200)] {
            let mut stream = server.connect();
            let head = format!("{method} {path} HTTP/1.1\r\nhost: conduit\r\ncontent-length: 2\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            let rest = stream.write_all(b"{}");
            let reply = read_one(&mut stream).expect(status);
            if reply.header("connection") != "close" {
                let next = b"GET /api/user HTTP/1.1\r\nhost: conduit\r\n\r\n";
                let sent = rest.and_then(|()| stream.write_all(next));
                sent.unwrap_or_else(|error| panic!("after {method} {path}, {status}: {error}"));
                read_one(&mut stream).expect_error(401, "token", "is missing");
            }
        }
    }

    fn text_with_a_nul_is_never_stored(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let nul = "a\u{0}b";
        let invalid = "is invalid";
        let user = json!({"user": {"username": nul, "email": "a\u{0}b@example.com", "bio": nul, "image": nul}});
        let errors = json!({"username": [invalid], "email": [invalid], "bio": [invalid], "image": [invalid]});
        server.put_as(&jake, "/api/user", &user).expect_errors(422, &errors);
        let mut new = user;
        new["user"]["password"] = json!(PASSWORD);
        server.post("/api/users", &new).expect_errors(422, &errors);
        server.post("/api/users/login", &json!({"user": {"email": nul, "password": nul}})).expect_error_shape(422);
        let article = json!({"article": {"title": nul, "description": nul, "body": nul, "tagList": ["a", nul]}});
        let errors = json!({"title": [invalid], "description": [invalid], "body": [invalid], "tagList": [invalid]});
        server.post_as(&jake, "/api/articles", &article).expect_errors(422, &errors);
        server.put_as(&jake, &format!("/api/articles/{slug}"), &article).expect_errors(422, &errors);
        let comment = json!({"comment": {"body": nul}});
        server.post_as(&jake, &format!("/api/articles/{slug}/comments"), &comment).expect_error(422, "body", invalid);
        for filter in ["tag", "author", "favorited"] {
            server.get(&format!("/api/articles?{filter}=a%00b")).expect_error(422, filter, invalid);
        }
        server.get("/api/articles?limit=1%00&offset=%00").expect_errors(422, &json!({"limit": [invalid], "offset": [invalid]}));
    }

    fn a_path_that_cannot_be_a_name_names_nothing(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        for part in ["%00", "a%00b", "%ff", "%c3%28", "%", "%2", "%zz", "%2f", "%20", "'", "\"", "\\"] {
            for (method, path, resource) in [
                ("GET", format!("/api/profiles/{part}"), "profile"),
                ("POST", format!("/api/profiles/{part}/follow"), "profile"),
                ("GET", format!("/api/articles/{part}"), "article"),
                ("DELETE", format!("/api/articles/{part}"), "article"),
                ("GET", format!("/api/articles/{part}/comments"), "article"),
                ("DELETE", format!("/api/articles/{part}/comments/1"), "article"),
                ("DELETE", format!("/api/articles/{slug}/comments/{part}"), "comment"),
                ("POST", format!("/api/articles/{part}/favorite"), "article"),
            ] {
                let token = format!("authorization: Token {}", jake.token);
                let end = "host: conduit\r\nconnection: close\r\n\r\n";
                server.speak(format!("{method} {path} HTTP/1.1\r\n{token}\r\n{end}")).expect_error(404, resource, "not found");
            }
        }
        let put = json!({"article": {"title": ""}});
        server.put_as(&jake, "/api/articles/%ff", &put).expect_error(422, "title", "can't be blank");
        for query in ["tag=%ff", "author=%", "favorited=%zz", "tag='&author=%22", "tag=%25"] {
            assert_eq!(server.ask("GET", format!("/api/articles?{query}")).expect(200).page(), (vec![], 0));
        }
    }

    fn a_browser_may_ask_from_anywhere(server) {
        let has = |reply: &Reply, name: &str, wanted: &[&str]| {
            let given = reply.header(name).to_ascii_lowercase();
            let given: HashSet<&str> = given.split(',').map(str::trim).collect();
            assert!(wanted.iter().all(|wanted| given.contains(wanted)), "{name}: {given:?}");
        };
        for (path, methods) in ROUTES {
            for method in methods.split(' ').filter(|method| *method != "HEAD") {
                let more = [("access-control-request-method", method), ("access-control-request-headers", "authorization,content-type")];
                let reply = from_elsewhere(server, "OPTIONS", &format!("/api{path}"), &more);
                assert!([200, 204].contains(&reply.status), "{}", reply.status);
                has(&reply, "access-control-allow-origin", &["*"]);
                has(&reply, "access-control-allow-headers", &["content-type", "authorization"]);
                has(&reply, "access-control-allow-methods", &[&method.to_ascii_lowercase()]);
            }
        }
        let jake = server.user("jake");
        let authorization = format!("Token {}", jake.token);
        for (method, path, status) in [("GET", "/api/articles", 200), ("GET", "/api/nothing", 404), ("PUT", "/api/tags", 405), ("GET", "/api/user", 401), ("POST", "/api/users", 400)] {
            has(&from_elsewhere(server, method, path, &[]).expect(status), "access-control-allow-origin", &["*"]);
        }
        let reply = from_elsewhere(server, "GET", "/api/user", &[("authorization", &authorization)]).expect(200);
        has(&reply, "access-control-allow-origin", &["*"]);
    }

    fn the_same_is_served_with_and_without_the_prefix(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &["a"]);
        server.comment(&jake, &slug, "First");
        let paths = [
            "/user", "/profiles/jake", "/profiles/nobody", "/articles", "/articles?tag=a", "/articles?limit=x", "/articles/feed", "/articles/a-title",
            "/articles/nothing", "/articles/a-title/comments", "/tags", "/nothing", "/users",
        ];
        for path in paths {
            let (with, without) = (server.get_as(&jake, &format!("/api{path}")), server.get_as(&jake, path));
            assert_eq!((with.status, &with.json), (without.status, &without.json), "{path}");
            assert!(with.json.is_object(), "{path}");
        }
        let new = json!({"user": {"username": "joe", "email": "joe@example.com", "password": PASSWORD}});
        server.post("/users", &new).expect(201);
        server.post("/api/users", &new).expect(409);
        server.put_as(&jake, "/articles/a-title", &json!({"article": {"title": "Another"}})).expect(200);
        server.delete_as(&jake, "/api/articles/another").expect(204);
    }

    fn everything_with_a_body_is_json_in_utf_8(server) {
        let jake = server.user("jake");
        let slug = server.article(&jake, "A title", &[]);
        let path = format!("/api/articles/{slug}");
        for (reply, status) in [
            (server.get("/api/articles"), 200),
            (server.post_as(&jake, &format!("{path}/comments"), &json!({"comment": {"body": "ä"}})), 201),
            (server.post("/api/users", &json!(1)), 400),
            (server.get("/api/user"), 401),
            (server.delete_as(&server.user("joe"), &path), 403),
            (server.get("/api/nothing"), 404),
            (server.get("/api/users"), 405),
            (server.post("/api/users", &json!({"user": {"username": "jake", "email": "x@y", "password": "p"}})), 409),
            (server.get("/api/articles?limit=x"), 422),
        ] {
            let reply = if status == 400 && reply.status == 422 { reply } else { reply.expect(status) };
            assert_eq!(reply.header("content-type"), JSON);
        }
        let head = server.ask("HEAD", &path).expect(200);
        assert_eq!((head.text.as_str(), head.header("content-type")), ("", JSON));
        assert_eq!(head.header("content-length"), server.get(&path).text.len().to_string());
        assert_eq!(server.delete_as(&jake, &path).expect(204).header("content-type"), "");
    }

    fn every_answer_has_an_id_that_its_log_line_has_too(server) {
        let ask = |method: &str, path: &str, id: &str| server.raw(method, path, &[("x-request-id", id)], "").header("x-request-id").to_owned();
        for (number, (method, path)) in [("GET", "/api/tags"), ("GET", "/nothing"), ("PUT", "/api/tags"), ("GET", "/api/user"), ("OPTIONS", "/api/user"), ("POST", "/api/users")].into_iter().enumerate() {
            let id = format!("trace-{number}/\"=+.");
            assert_eq!(ask(method, path, &id), id);
            server.log.wait_for("the request", |line| (line["request_id"] == id.as_str()).then_some(()));
        }
        let longest = "x".repeat(128);
        assert_eq!(ask("GET", "/api/tags", &longest), longest);
        let mut made = HashSet::new();
        for unfit in ["", "two words", "tab\there", &"x".repeat(129)] {
            made.insert(ask("GET", "/api/tags", unfit));
        }
        made.extend((0..20).map(|_| server.get("/api/tags").header("x-request-id").to_owned()));
        assert_eq!(made.len(), 24);
        for id in &made {
            assert!((16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{id}");
            server.log.wait_for("the request", |line| (line["request_id"] == id.as_str()).then_some(()));
        }
    }
}

#[test]
fn a_database_that_is_away_is_an_error_like_any_other() {
    let cluster = Cluster::start("-c fsync=off");
    let server = Server::on_postgres(&cluster, "conduit", &[]);
    let jake = server.user("jake");
    cluster.down();
    let draft = json!({"article": {"title": "t", "description": "d", "body": "b"}});
    server.get("/api/articles").expect_error_shape(503);
    server.get_as(&jake, "/api/user").expect_error_shape(503);
    server.post_as(&jake, "/api/articles", &draft).expect_error_shape(503);
    server.get("/api/user").expect_error(401, "token", "is missing");
    server.post_as(&jake, "/api/articles", &json!({"article": {}})).expect_error_shape(422);
    cluster.up("-c fsync=off");
    eventually("served again", || server.get("/api/articles").status == 200);
    server.post_as(&jake, "/api/articles", &draft).expect(201);
}
