use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::CONTENT_TYPE;
use metrics::{counter, histogram};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::attributes::Attributes;
use super::cache::{Answer, Cache, Key, Policy, Unanswered};
use super::identity::User;
use crate::clock::Clock;
use crate::kubernetes::{Connection, explain};
use crate::model::Wall;

/// An HPA asks every 15 s, so that this is asked for at most once in eight times.
const ACCESS: Policy = Policy {
    what: "subjectaccessreview",
    fresh: Duration::from_mins(2),
    good: Duration::from_mins(5),
    away: Duration::from_hours(1),
    refused: Duration::from_secs(10),
};
/// A token can be taken back; so this is for a shorter time.
const TOKEN: Policy = Policy {
    what: "tokenreview",
    fresh: Duration::from_mins(1),
    good: Duration::from_mins(2),
    away: Duration::from_mins(10),
    refused: Duration::from_secs(10),
};
/// The API server's own deadline for an availability check is 5 s.
const ANSWER: Duration = Duration::from_secs(3);
/// Questions at once.
const AT_ONCE: usize = 32;
/// The longest token that is asked about.
const LONGEST_TOKEN: usize = 32 << 10;

/// Asks the API server, and remembers what it said.
pub(super) struct Reviews {
    asks: Asks,
    access: Cache<()>,
    tokens: Cache<User>,
}

#[derive(Clone)]
struct Asks {
    client: kube::Client,
    /// For each kind its own, so that tokens nobody knows keep nobody from being answered who is known.
    places: [Arc<Semaphore>; 2],
    clock: Clock,
}

#[derive(Deserialize)]
struct AccessReview {
    #[serde(default)]
    status: AccessStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessStatus {
    allowed: bool,
    denied: bool,
    reason: String,
}

#[derive(Deserialize)]
struct TokenReview {
    #[serde(default)]
    status: TokenStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenStatus {
    authenticated: bool,
    user: TokenUser,
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenUser {
    username: String,
    uid: String,
    groups: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Vec<String>>>,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Reviews {
    pub(super) fn new(connection: &Connection, clock: Clock) -> Self {
        let asks =
            Asks { client: connection.client(), places: [(); 2].map(|()| Arc::new(Semaphore::new(AT_ONCE))), clock };
        Self { asks, access: Cache::new(ACCESS, clock), tokens: Cache::new(TOKEN, clock) }
    }

    /// Whether somebody may do what they want to.
    pub(super) async fn access(&self, user: &User, attributes: &Attributes) -> Result<Answer<()>, String> {
        let mut key = Vec::with_capacity(512);
        attributes.key(&mut key);
        user.key(&mut key);
        let key = digested(&key);
        let answer = self.access.ask(&key, || {
            let (kind, wanted) = attributes.review();
            let spec = json!({
                kind: wanted, "user": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra,
            });
            let asks = self.asks.clone();
            async move { asks.access(spec).await.map(|answer| (answer, None)) }
        });
        answer.await.map_err(|why| why.problem.to_string())
    }

    /// Whose a token is.
    pub(super) async fn token(&self, token: &str) -> Result<Answer<User>, String> {
        if token.len() > LONGEST_TOKEN {
            return Ok(Answer::Refused("the token is too long".into()));
        }
        if expiry(token).is_some_and(|end| self.asks.clock.now().wall >= end) {
            return Ok(Answer::Refused("the token has expired".into()));
        }
        let key = digested(token.as_bytes());
        let answer = self.tokens.ask(&key, || {
            let (asks, token) = (self.asks.clone(), token.to_owned());
            async move {
                let answer = asks.token(&token).await?;
                Ok((answer, expiry(&token)))
            }
        });
        answer.await.map_err(|why| why.problem.to_string())
    }
}

impl Asks {
    async fn access(&self, spec: Value) -> Result<Answer<()>, Unanswered> {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let AccessReview { status } = self.ask(ACCESS.what, path, &review).await?;
        let allowed = status.allowed && !status.denied;
        counted(ACCESS.what, if allowed { "allowed" } else { "denied" });
        Ok(if allowed { Answer::Granted(()) } else { Answer::Refused(status.reason.into()) })
    }

    async fn token(&self, token: &str) -> Result<Answer<User>, Unanswered> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let TokenReview { status } =
            self.ask(TOKEN.what, "/apis/authentication.k8s.io/v1/tokenreviews", &review).await?;
        if !status.authenticated || status.user.username.is_empty() {
            counted(TOKEN.what, "denied");
            let reason = if status.error.is_empty() { "the token is not valid" } else { &status.error };
            return Ok(Answer::Refused(reason.into()));
        }
        counted(TOKEN.what, "allowed");
        let TokenUser { username, uid, groups, extra } = status.user;
        let (groups, extra) = (groups.unwrap_or_default(), extra.unwrap_or_default());
        Ok(Answer::Granted(User { name: username, uid, groups, extra }))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        review: &Value,
    ) -> Result<T, Unanswered> {
        let place = timeout(ANSWER, self.places[usize::from(what == TOKEN.what)].acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(Unanswered::here(format!("too many {what}s wait for the API server")));
        };
        let began = self.clock.moment();
        let asked = timeout(ANSWER, async {
            let request = hyper::Request::post(path).header(CONTENT_TYPE, "application/json");
            let body = serde_json::to_vec(review).map_err(|error| Unanswered::here(error.to_string()))?;
            let request = request.body(body).map_err(|error| Unanswered::here(error.to_string()))?;
            let answer = self.client.request::<T>(request).await;
            answer.map_err(|error| Unanswered { problem: explain(&error).into(), away: is_away(&error) })
        });
        let late = |_| {
            Err(Unanswered { problem: format!("the API server did not answer within {ANSWER:?}").into(), away: true })
        };
        let answer = asked.await.unwrap_or_else(late);
        histogram!("metrics_adapter_review_duration_seconds", "kind" => what).record(self.clock.moment().since(began));
        answer.map_err(|Unanswered { problem, away }| {
            counted(what, "failed");
            Unanswered { problem: format!("a {what} could not be made: {problem}").into(), away }
        })
    }
}

/// Whether the API server did not answer, or only that it cannot.
fn is_away(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    }
}

fn digested(bytes: &[u8]) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(digest(&SHA256, bytes).as_ref());
    key
}

fn counted(what: &'static str, outcome: &'static str) {
    counter!("metrics_adapter_reviews_total", "kind" => what, "outcome" => outcome).increment(1);
}

/// When a token expires by what it says itself, if it is one that says so. It is believed only to end sooner.
fn expiry(token: &str) -> Option<Wall> {
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<f64>,
    }
    let payload = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let seconds = claims.exp.filter(|seconds| (0.0..1e12).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "it was just compared")]
    let millis = (seconds * 1000.0) as i64;
    Some(Wall::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_itself_when_it_expires() {
        let token = |payload: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(expiry(&token(r#"{"exp":1767225600}"#)), Some(Wall::from_millis(1_767_225_600_000)));
        for payload in ["{}", "[]", r#"{"exp":"soon"}"#, r#"{"exp":-1}"#] {
            assert_eq!(expiry(&token(payload)), None, "{payload}");
        }
        assert_eq!(expiry("opaque"), None);
    }
}
