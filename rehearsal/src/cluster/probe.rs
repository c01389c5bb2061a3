use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no good answer.
pub(super) enum Unanswered {
    /// Nobody is there.
    Silent(String),
    /// Somebody is, and may be somebody else.
    Wrongly(String),
}

/// Asks once, by this name, for what the API has to answer well.
pub(super) async fn answers(address: SocketAddr, authority: &str, path: &str) -> Result<(), Unanswered> {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{address}{path}"))
        .header(hyper::header::HOST, authority)
        .body(Full::<bytes::Bytes>::default())
        .map_err(|error| Unanswered::Silent(error.to_string()))?;
    let asked = async {
        let response = client.request(request).await.map_err(|error| reason(&error))?;
        let status = response.status();
        // Read to its end: the connection is given back.
        response.into_body().collect().await.map_err(|error| reason(&error))?;
        Ok::<StatusCode, String>(status)
    };
    let status = tokio::time::timeout(PATIENCE, asked).await;
    let status = status.unwrap_or_else(|_| Err(format!("no answer within {}", humantime::format_duration(PATIENCE))));
    let status = status.map_err(Unanswered::Silent)?;
    if status.is_success() {
        return Ok(());
    }
    Err(Unanswered::Wrongly(format!("it answers {status}, and 200 is needed")))
}

/// With its cause, which is what tells something.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", reason(source)))
}
