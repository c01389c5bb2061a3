//! Bodies of requests, received whole before anything else is done.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use metrics::{counter, describe_counter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::App;
use super::error::Error;

/// How many bytes the bodies of all requests may hold at once. A few clients more than the process has memory for could
/// end it otherwise, and need not even say who they are.
const BUDGET: usize = 64 << 20;
/// How long a body waits for others to be done with.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn describe() {
    describe_counter!(
        "http_bodies_refused_total",
        "Requests that were refused because the bodies of others held all the memory that bodies may."
    );
    counter!("http_bodies_refused_total").absolute(0);
}

/// The memory that bodies share: a permit a byte.
pub(super) struct Memory {
    bytes: Arc<Semaphore>,
}

impl Memory {
    /// Room for one body at least, however large that may be.
    pub(super) fn new(largest: usize) -> Self {
        Self { bytes: Arc::new(Semaphore::new(BUDGET.max(largest).min(Semaphore::MAX_PERMITS))) }
    }

    /// What has arrived is what is paid for: to announce much and send nothing takes nothing from others.
    async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = timeout(PATIENCE, Arc::clone(&self.bytes).acquire_many_owned(bytes)).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| {
            counter!("http_bodies_refused_total").increment(1);
            Error::Crowded
        })
    }
}

/// Receives a request's body before anything else is done for it, whatever the answer will be: an answer to a request
/// that is still being sent would cost the client its connection.
pub(super) async fn receive(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let limits = &app.parts.limits;
    let received = timeout(limits.body_timeout, whole(body, limits.body, &app.parts.bodies)).await;
    match received.unwrap_or(Err(Error::TooSlow)) {
        // The memory is free when the answer is there: until then the handler holds what it has read from it.
        Ok((bytes, _memory)) => next.run(Request::from_parts(parts, bytes.into())).await,
        Err(error) => error.into_response(),
    }
}

/// The body, of at most so many bytes, and the right to keep it.
async fn whole(mut body: Body, most: usize, memory: &Memory) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Error> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most {
        return Err(Error::TooLarge(most));
    }
    let (mut whole, mut held): (Vec<u8>, Option<OwnedSemaphorePermit>) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Malformed(format!("it ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > most - whole.len() {
            return Err(Error::TooLarge(most));
        }
        let permit = memory.take(data.len()).await?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.into(), held))
}
