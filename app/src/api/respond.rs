use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A body of JSON. (axum's own leaves out the character set that the contract asks for.)
pub(super) struct Json<T>(pub(super) T);

/// A body of JSON that is written already.
#[derive(Clone)]
pub(super) struct RawJson(pub(super) Bytes);

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

impl RawJson {
    /// A page of twenty articles has about so many bytes.
    pub(super) const USUAL_SIZE: usize = 8 << 10;

    pub(super) fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        let mut body = Vec::with_capacity(Self::USUAL_SIZE);
        serde_json::to_writer(&mut body, value)?;
        Ok(Self(body.into()))
    }
}

impl IntoResponse for RawJson {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match RawJson::of(&self.0) {
            Ok(body) => body.into_response(),
            // Only maps with keys that are no strings do this, and there are none.
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}
