use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::{HeaderMap, Request};
use ureq::{Agent, Body};

use super::Server;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null if the body is not JSON.
    pub(crate) json: Value,
}

impl Reply {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// An error, whole.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, field: &str, message: &str) -> Self {
        self.expect_errors(status, &json!({field: [message]}))
    }

    #[track_caller]
    pub(crate) fn expect_errors(self, status: u16, errors: &Value) -> Self {
        assert_eq!((self.status, &self.json), (status, &json!({"errors": errors})), "{}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Somebody who has registered.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) token: String,
}

pub(crate) const PASSWORD: &str = "a long password";

pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

impl Server {
    /// Sends a request whose path begins at the API's root.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Reply {
        let authorization = token.map(|token| format!("Token {token}"));
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        self.raw(method, path, &headers, body.map_or(String::new(), Value::to_string))
    }

    /// Sends a request with these headers and this body.
    #[track_caller]
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        let body: Vec<u8> = body.into();
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.api));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        let sent = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        read(sent.unwrap_or_else(|error| panic!("{method} {path}: {error}")))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None, None)
    }

    #[track_caller]
    pub(crate) fn get_as(&self, user: &User, path: &str) -> Reply {
        self.send("GET", path, Some(&user.token), None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, None, Some(body))
    }

    #[track_caller]
    pub(crate) fn post_as(&self, user: &User, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Some(&user.token), Some(body))
    }

    #[track_caller]
    pub(crate) fn put_as(&self, user: &User, path: &str, body: &Value) -> Reply {
        self.send("PUT", path, Some(&user.token), Some(body))
    }

    #[track_caller]
    pub(crate) fn patch_as(&self, user: &User, path: &str, body: &Value) -> Reply {
        self.send("PATCH", path, Some(&user.token), Some(body))
    }

    #[track_caller]
    pub(crate) fn delete_as(&self, user: &User, path: &str) -> Reply {
        self.send("DELETE", path, Some(&user.token), None)
    }

    /// What the operators' listener says.
    #[track_caller]
    pub(crate) fn ops(&self, path: &str) -> Reply {
        let sent = self.agent.get(format!("{}{path}", self.ops)).call();
        read(sent.unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// The value of a series, written as in the exposition: `name` or `name{label="value"}` with all its
    /// labels in alphabetical order. Absent is `None`.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.ops("/metrics").expect(200).text;
        let wanted = canonical(series);
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .find(|(found, _)| canonical(found) == wanted)
            .map(|(_, value)| value.parse().unwrap())
    }

    /// Registers somebody.
    #[track_caller]
    pub(crate) fn user(&self, name: &str) -> User {
        let email = format!("{name}@example.com");
        let body = json!({"user": {"username": name, "email": email, "password": PASSWORD}});
        let reply = self.post("/api/users", &body).expect(201);
        User { name: name.to_owned(), email, token: reply.json["user"]["token"].as_str().unwrap().to_owned() }
    }

    /// Lets somebody favourite an article.
    #[track_caller]
    pub(crate) fn favorite(&self, user: &User, slug: &str) {
        self.send("POST", &format!("/api/articles/{slug}/favorite"), Some(&user.token), None).expect(200);
    }

    /// Lets somebody follow another.
    #[track_caller]
    pub(crate) fn follow(&self, user: &User, name: &str) {
        self.send("POST", &format!("/api/profiles/{name}/follow"), Some(&user.token), None).expect(200);
    }

    /// Lets somebody comment on an article and gives back the comment's number.
    #[track_caller]
    pub(crate) fn comment(&self, user: &User, slug: &str, body: &str) -> i64 {
        let reply = self.post_as(user, &format!("/api/articles/{slug}/comments"), &json!({"comment": {"body": body}}));
        reply.expect(201).json["comment"]["id"].as_i64().unwrap()
    }

    /// Writes an article and gives back its slug.
    #[track_caller]
    pub(crate) fn article(&self, author: &User, title: &str, tags: &[&str]) -> String {
        let body =
            json!({"article": {"title": title, "description": "About it", "body": "It is so.", "tagList": tags}});
        let reply = self.post_as(author, "/api/articles", &body).expect(201);
        reply.json["article"]["slug"].as_str().unwrap().to_owned()
    }
}

fn canonical(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    let mut labels: Vec<&str> =
        labels.trim_end_matches('}').split("\",").map(|label| label.trim_end_matches('"')).collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

fn read(mut response: ureq::http::Response<Body>) -> Reply {
    let bytes = response.body_mut().with_config().limit(100 << 20).read_to_vec().unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status: response.status().as_u16(), headers: response.headers().clone(), text, json }
}
