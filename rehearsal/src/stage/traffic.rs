use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::StageError;
use crate::load::{Outgoing, Traffic};

/// What people do with the API, of a hundred: reads mostly.
const MIX: [(u64, Kind); 8] = [
    (40, Kind::Articles),
    (25, Kind::Article),
    (10, Kind::Tagged),
    (10, Kind::Tags),
    (5, Kind::Comments),
    (5, Kind::WriteComment),
    (3, Kind::WriteFavorite),
    (2, Kind::WriteArticle),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Articles,
    Article,
    Tagged,
    Tags,
    Comments,
    WriteComment,
    WriteFavorite,
    WriteArticle,
}

/// Writes that were acknowledged, for those who look whether they are there: articles by a hash of their slug, comments
/// by their number.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) articles: Mutex<HashSet<u64>>,
    pub(super) comments: Mutex<HashSet<u64>>,
    /// Writes that failed, or have no answer: they may be there, or not.
    pub(super) unknown: AtomicU64,
}

/// What stands for a slug: a word of memory each, however long the run.
fn hashed(slug: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    slug.hash(&mut hasher);
    hasher.finish()
}

/// The notes that answers come back with.
const READ: u64 = 0;
const COMMENT: u64 = 1;
const ARTICLE: u64 = 2;
const FAVORITE: u64 = 3;

/// Readers and writers of the API.
pub(super) struct Mixed {
    host: HeaderValue,
    token: HeaderValue,
    slugs: Vec<String>,
    tags: Vec<String>,
    own: String,
    written: Arc<Written>,
    /// Of a generator of pseudo-random numbers: the same requests in each rehearsal.
    state: u64,
    count: u64,
}

/// A user of the API, through the front door.
pub(super) struct Person {
    base: String,
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    token: HeaderValue,
    name: String,
    /// The article that is commented on.
    own: String,
}

impl Person {
    /// Registers somebody and writes an article.
    pub(super) async fn register(base: &str) -> Result<Self, StageError> {
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        let name = "rehearsal".to_owned();
        let mut person =
            Self { base: base.to_owned(), client, token: HeaderValue::from_static("-"), name, own: String::new() };
        let user = json!({"user": {
            "username": person.name, "email": "rehearsal@example.com", "password": "only for this rehearsal",
        }});
        let registered = person.call(Method::POST, "/api/users", Some(&user)).await?;
        let token = registered["user"]["token"].as_str().and_then(|token| format!("Token {token}").parse().ok());
        person.token = token.ok_or_else(|| person.failed("no token for who registered"))?;
        let article = json!({"article": {
            "title": "A rehearsal", "description": "Commented on while the load runs", "body": "See below.", "tagList": ["rehearsal"],
        }});
        let article = person.call(Method::POST, "/api/articles", Some(&article)).await?;
        article["article"]["slug"].as_str().unwrap_or_default().clone_into(&mut person.own);
        Ok(person)
    }

    /// What the load is made of.
    pub(super) async fn traffic(&self, authority: &str) -> Result<(Mixed, Arc<Written>), StageError> {
        let page = self.call(Method::GET, "/api/articles?limit=100", None).await?;
        let slugs: Vec<String> = page["articles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|article| article["slug"].as_str().map(str::to_owned))
            .collect();
        if slugs.is_empty() {
            return Err(self.failed("there are no articles"));
        }
        let tags = self.call(Method::GET, "/api/tags", None).await?;
        let tags = tags["tags"].as_array().into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_owned));
        let written = Arc::new(Written::default());
        let host = authority.parse().map_err(|_| self.failed("its address is no header"))?;
        let mixed = Mixed {
            host,
            token: self.token.clone(),
            slugs,
            tags: tags.take(20).collect(),
            own: self.own.clone(),
            written: Arc::clone(&written),
            state: 1,
            count: 0,
        };
        Ok((mixed, written))
    }

    /// This person's articles and comments that are there, as [`Written`] has them.
    pub(super) async fn found(&self) -> Result<(HashSet<u64>, HashSet<u64>), StageError> {
        let mut articles = HashSet::new();
        loop {
            let offset = articles.len();
            let path = format!("/api/articles?author={}&limit=100&offset={offset}", self.name);
            let page = self.call(Method::GET, &path, None).await?;
            let slugs =
                page["articles"].as_array().into_iter().flatten().filter_map(|article| article["slug"].as_str());
            articles.extend(slugs.map(hashed));
            if articles.len() == offset {
                break;
            }
        }
        let comments = self.call(Method::GET, &format!("/api/articles/{}/comments", self.own), None).await?;
        let comments = comments["comments"].as_array().into_iter().flatten();
        Ok((articles, comments.filter_map(|comment| comment["id"].as_u64()).collect()))
    }

    fn failed(&self, problem: &str) -> StageError {
        StageError::Api { door: self.base.clone(), problem: problem.to_owned() }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, StageError> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, if path == "/api/users" { HeaderValue::from_static("") } else { self.token.clone() })
            .body(Full::from(body))
            .map_err(|error| self.failed(&format!("{path}: {error}")))?;
        let asked = async {
            let response = self.client.request(request).await.map_err(|error| format!("{path}: {error}"))?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(|error| format!("{path}: {error}"))?.to_bytes();
            if !status.is_success() {
                return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)));
            }
            serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
        };
        let answer = tokio::time::timeout(Duration::from_secs(15), asked).await;
        answer.unwrap_or_else(|_| Err(format!("{path}: no answer within 15s"))).map_err(|problem| self.failed(&problem))
    }
}

impl Mixed {
    /// Knuth's linear congruential generator: which request comes next need not be a secret.
    fn random(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap_or_default() % below.max(1)
    }

    fn pick(&mut self) -> Kind {
        let mut at = u64::try_from(self.random(100)).unwrap_or_default();
        for (share, kind) in MIX {
            match at.checked_sub(share) {
                Some(left) => at = left,
                None => return kind,
            }
        }
        Kind::Articles
    }

    fn slug(&mut self) -> String {
        let place = self.random(self.slugs.len());
        self.slugs.get(place).cloned().unwrap_or_default()
    }

    fn request(&self, method: Method, path: &str, body: Option<Value>) -> Outgoing {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        // Slugs and tags are made of what a path can hold.
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert(HOST, self.host.clone());
        request.headers_mut().insert(AUTHORIZATION, self.token.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request
    }
}

impl Traffic for Mixed {
    fn next(&mut self) -> (Outgoing, u64) {
        self.count += 1;
        let count = self.count;
        match self.pick() {
            Kind::Articles => {
                let offset = self.random(10) * 20;
                (self.request(Method::GET, &format!("/api/articles?limit=20&offset={offset}"), None), READ)
            }
            Kind::Article => {
                let path = format!("/api/articles/{}", self.slug());
                (self.request(Method::GET, &path, None), READ)
            }
            Kind::Tagged => {
                let place = self.random(self.tags.len());
                let tag = self.tags.get(place).cloned().unwrap_or_default();
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("tag", &tag).append_pair("limit", "20");
                (self.request(Method::GET, &format!("/api/articles?{}", query.finish()), None), READ)
            }
            Kind::Tags => (self.request(Method::GET, "/api/tags", None), READ),
            Kind::Comments => {
                let path = format!("/api/articles/{}/comments", self.slug());
                (self.request(Method::GET, &path, None), READ)
            }
            Kind::WriteComment => {
                let body = json!({"comment": {"body": format!("comment {count} of a rehearsal")}});
                (self.request(Method::POST, &format!("/api/articles/{}/comments", self.own), Some(body)), COMMENT)
            }
            Kind::WriteFavorite => {
                let method = if count.is_multiple_of(2) { Method::POST } else { Method::DELETE };
                let path = format!("/api/articles/{}/favorite", self.slug());
                (self.request(method, &path, None), FAVORITE)
            }
            Kind::WriteArticle => {
                let body = json!({"article": {
                    "title": format!("Article {count} of a rehearsal"), "description": "Written under load",
                    "body": "One of many.", "tagList": ["rehearsal"],
                }});
                (self.request(Method::POST, "/api/articles", Some(body)), ARTICLE)
            }
        }
    }

    /// All requests are valid: whatever is not done has failed.
    fn fails(&self, status: u16) -> bool {
        !(200..300).contains(&status)
    }

    fn reads(&self, note: u64) -> bool {
        matches!(note, ARTICLE | COMMENT)
    }

    fn answered(&mut self, note: u64, answer: Option<(u16, &[u8])>) {
        let body = match (note, answer) {
            (ARTICLE | COMMENT, Some((200..300, body))) => serde_json::from_slice::<Value>(body).unwrap_or_default(),
            // A gateway's error says nothing about what became of the request.
            (ARTICLE | COMMENT, None | Some((500.., _))) => {
                self.written.unknown.fetch_add(1, Ordering::Relaxed);
                return;
            }
            _ => return,
        };
        let (set, written) = match note {
            ARTICLE => (&self.written.articles, body["article"]["slug"].as_str().map(hashed)),
            _ => (&self.written.comments, body["comment"]["id"].as_u64()),
        };
        // An acknowledgement that names nothing is one of what cannot be found.
        set.lock().unwrap_or_else(PoisonError::into_inner).insert(written.unwrap_or_default());
    }
}
