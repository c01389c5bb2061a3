use serde_json::{Value, json};

use crate::support::{Backend, PASSWORD, Server};

/// The numbers of comments begin anywhere: they are told from the first one's.
fn relative(value: Value, first: i64) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| relative(item, first)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| match value.as_i64().filter(|_| key == "id") {
                Some(id) => (key, json!(id - first)),
                None => (key, relative(value, first)),
            })
            .collect(),
        other => other,
    }
}

/// A fixed script of requests, and what was answered to each.
fn play(backend: Backend) -> Vec<(String, u16, Value)> {
    let server = Server::start(backend);
    let (jake, joe) = (server.user("jake"), server.user("Joe"));
    let first = server.comment(&jake, &server.article(&jake, "Zero", &["zero"]), "First");
    let (by_jake, by_joe) =
        (format!("/articles/privet/comments/{}", first + 1), format!("/articles/privet/comments/{}", first + 2));
    let article = |title: &str, tags: Value| json!({"article": {"title": title, "description": "d", "body": "b", "tagList": tags}});
    let user = |user: Value| json!({"user": user});
    let comment = |body: &str| json!({"comment": {"body": body}});
    let odd = "é \u{1f409} 'quoted' \"text\" \\ % _";
    let script = [
        (
            "POST",
            "/users",
            None,
            Some(user(json!({"username": "jim", "email": "Jim@Example.com", "password": "p", "bio": odd}))),
        ),
        ("POST", "/users", None, Some(user(json!({"username": "JIM", "email": "jim@example.com", "password": "p"})))),
        ("POST", "/users", None, Some(user(json!({"username": "jim", "email": "İ@example.com", "password": "p"})))),
        ("POST", "/users/login", None, Some(user(json!({"email": "JIM@EXAMPLE.COM", "password": "p"})))),
        ("POST", "/users/login", None, Some(user(json!({"email": "jake@example.com", "password": PASSWORD})))),
        ("POST", "/users/login", None, Some(user(json!({"email": "jake@example.com", "password": ""})))),
        ("PUT", "/user", Some(&jake), Some(user(json!({"bio": odd, "image": ""})))),
        ("PUT", "/user", Some(&jake), Some(user(json!({"email": "joe@EXAMPLE.com", "username": "joe"})))),
        ("GET", "/user", Some(&jake), None),
        ("GET", "/profiles/joe", Some(&jake), None),
        ("GET", "/profiles/Joe", Some(&jake), None),
        ("POST", "/profiles/Joe/follow", Some(&jake), None),
        ("POST", "/profiles/Joe/follow", Some(&jake), None),
        ("POST", "/profiles/jake/follow", Some(&jake), None),
        ("DELETE", "/profiles/jake/follow", Some(&jake), None),
        ("POST", "/articles", Some(&jake), Some(article("One", json!(["b", "a", "B", "ä", "Ä", "z", "_"])))),
        ("POST", "/articles", Some(&joe), Some(article(odd, json!([odd])))),
        ("POST", "/articles", Some(&joe), Some(article("Привет", json!([])))),
        ("POST", "/articles", Some(&joe), Some(article("", json!("x")))),
        ("POST", "/articles", Some(&joe), Some(article("Three", json!(null)))),
        ("PUT", "/articles/one", Some(&jake), Some(json!({"article": {"title": "Öne", "tagList": ["a", "c"]}}))),
        ("PUT", "/articles/one", Some(&joe), Some(json!({"article": {"body": "B"}}))),
        ("POST", "/articles/privet/favorite", Some(&jake), None),
        ("POST", "/articles/privet/favorite", Some(&joe), None),
        ("POST", "/articles/privet/comments", Some(&jake), Some(comment(odd))),
        ("POST", "/articles/privet/comments", Some(&joe), Some(comment("Second"))),
        ("POST", "/articles/privet/comments", Some(&joe), Some(comment(" "))),
        ("GET", "/articles/privet/comments", Some(&jake), None),
        ("DELETE", &by_jake, Some(&joe), None),
        ("DELETE", &by_joe, Some(&joe), None),
        ("DELETE", &by_jake, Some(&jake), None),
        ("DELETE", "/articles/privet/comments/9223372036854775807", Some(&jake), None),
        ("GET", "/articles/privet/comments", None, None),
        ("GET", "/articles", None, None),
        ("GET", "/articles", Some(&jake), None),
        ("GET", "/articles?limit=1&offset=1", Some(&jake), None),
        ("GET", "/articles?offset=4611686018427387903&limit=100", None, None),
        ("GET", "/articles?offset=9223372036854775807", None, None),
        ("GET", "/articles?tag=A", None, None),
        ("GET", "/articles?tag=a&author=jake", None, None),
        ("GET", "/articles?author=joe", None, None),
        ("GET", "/articles?author=Joe&favorited=jake", Some(&joe), None),
        ("GET", "/articles?favorited=jake&tag=a&author=Joe", Some(&joe), None),
        ("GET", "/articles?tag=", None, None),
        ("GET", "/articles?tag=%00&limit=0", None, None),
        ("GET", "/articles/feed", Some(&jake), None),
        ("GET", "/articles/feed?limit=1&offset=1", Some(&jake), None),
        ("GET", "/articles/PRIVET", None, None),
        ("GET", "/articles/privet", Some(&jake), None),
        ("GET", "/tags", None, None),
        ("DELETE", "/articles/privet", Some(&jake), None),
        ("DELETE", "/articles/privet", Some(&joe), None),
        ("DELETE", "/articles/privet", Some(&joe), None),
        ("GET", "/articles", Some(&joe), None),
        ("GET", "/tags", None, None),
    ];
    script
        .into_iter()
        .map(|(method, path, user, body)| {
            let token = user.map(|user| user.token.as_str());
            let reply = server.send(method, &format!("/api{path}"), token, body.as_ref());
            (format!("{method} {}", path.replace(char::is_numeric, "0")), reply.status, relative(reply.masked(), first))
        })
        .collect()
}

#[test]
fn both_backends_give_the_same_answers() {
    let (sqlite, postgres) = (play(Backend::Sqlite), play(Backend::Postgres));
    for (on_sqlite, on_postgres) in sqlite.iter().zip(&postgres) {
        assert_eq!(on_sqlite, on_postgres);
    }
    assert_eq!(sqlite.len(), postgres.len());
    let served = sqlite.iter().filter(|(_, status, _)| *status < 300).count();
    assert!(served > 30 && sqlite.iter().all(|(_, status, _)| *status < 500), "{sqlite:#?}");
}
