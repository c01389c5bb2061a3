use std::fmt;
use std::fmt::Debug;
use std::time::Duration;

use hyper::Request;
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An aggregated server that is away lets the API server wait longer than its own checks do, which is 5 s.
const ANSWER: Duration = Duration::from_secs(20);

/// Asks the API server as the person who runs this, with a deadline.
pub(super) struct Asker {
    pub(super) client: Client,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// There is no such thing: 404, and what was said.
    Missing(String),
    /// Who asks may not: 403, and what was said.
    Refused(String),
    /// Anything else: the status, if there was one, and what was said.
    Failed { code: Option<u16>, text: String },
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::Refused(text) | Self::Failed { code: None, text } => f.write_str(text),
            Self::Failed { code: Some(code), text } => write!(f, "{code} {text}"),
        }
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn answered<T>(asked: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Unanswered> {
    match tokio::time::timeout(ANSWER, asked).await {
        Err(_) => Err(Unanswered::Failed { code: None, text: format!("no answer within {ANSWER:?}") }),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            404 => Unanswered::Missing(status.message.clone()),
            403 => Unanswered::Refused(status.message.clone()),
            code => Unanswered::Failed { code: Some(code), text: status.message.clone() },
        }),
        // It is an answer all the same: of somebody who speaks otherwise.
        Ok(Err(kube::Error::SerdeError(error))) => {
            Err(Unanswered::Failed { code: Some(200), text: format!("what is not understood: {error}") })
        }
        Ok(Err(kube::Error::Service(error))) => Err(Unanswered::Failed { code: None, text: causes(&*error) }),
        Ok(Err(other)) => Err(Unanswered::Failed { code: None, text: causes(&other) }),
    }
}

/// An error and what caused it, each once.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

impl Asker {
    pub(super) async fn get<K>(&self, api: &Api<K>, name: &str) -> Result<K, Unanswered>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        answered(api.get(name)).await
    }

    /// Those with these labels; all, if none are said.
    pub(super) async fn list<K>(&self, api: &Api<K>, labels: &str) -> Result<Vec<K>, Unanswered>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        Ok(answered(api.list(&ListParams::default().labels(labels))).await?.items)
    }

    /// A path with its query, as JSON.
    pub(super) async fn json(&self, path: &str) -> Result<Value, Unanswered> {
        let text = self.text(path).await?;
        let other = |error| Unanswered::Failed { code: Some(200), text: format!("what is not understood: {error}") };
        serde_json::from_str(&text).map_err(other)
    }

    /// A path with its query, as it is.
    pub(super) async fn text(&self, path: &str) -> Result<String, Unanswered> {
        let request = Request::get(path).header(hyper::header::ACCEPT, "application/json, */*").body(Vec::new());
        let request = request.map_err(|error| Unanswered::Failed { code: None, text: format!("{path}: {error}") })?;
        answered(self.client.request_text(request)).await
    }

    /// Whether somebody may do something.
    pub(super) async fn may(&self, spec: SubjectAccessReviewSpec) -> Result<bool, Unanswered> {
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = answered(api.create(&PostParams::default(), &review)).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
