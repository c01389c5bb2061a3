use std::io::Write as _;
use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::negotiate::{self, Format};
use super::{discovery, json};
use crate::model::{Moment, Now};

/// Below this size compression costs more than it saves.
const WORTH_COMPRESSING: usize = 1024;
/// Kubernetes compresses its answers at the fastest level as well.
const LEVEL: Compression = Compression::fast();

/// An answer's body, kept encoded for whoever asks the same of the same snapshot.
#[derive(Debug)]
pub(super) struct Body {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    content_type: &'static str,
    /// The oldest sample that is in it.
    pub(super) oldest: Option<Moment>,
    /// When a sample in it becomes too old.
    pub(super) good_until: Option<Moment>,
}

/// How old the oldest sample of an answer is; for the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness(pub(super) std::time::Duration);

impl Body {
    pub(super) fn new(plain: Vec<u8>, format: Format) -> Self {
        Self {
            plain: plain.into(),
            gzip: OnceLock::new(),
            content_type: format.content_type(),
            oldest: None,
            good_until: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.gzip.get().map_or(0, Bytes::len)
    }

    /// The answer as this client takes it.
    pub(super) fn respond(&self, headers: &HeaderMap, uri: &Uri, now: &Now) -> Response {
        let mut response = if self.content_type == "application/json" && wants_indented(headers, uri) {
            plain(Bytes::from(json::indented(&self.plain)), self.content_type)
        } else {
            encoded(headers, &self.plain, &self.gzip, self.content_type)
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(oldest) = self.oldest {
            response.extensions_mut().insert(Freshness(now.moment.since(oldest)));
        }
        response
    }
}

/// Compressed, if the client takes that and there is enough of it.
pub(super) fn encoded(
    headers: &HeaderMap,
    body: &Bytes,
    gzip: &OnceLock<Bytes>,
    content_type: &'static str,
) -> Response {
    if body.len() < WORTH_COMPRESSING || !negotiate::takes_gzip(headers) {
        return plain(body.clone(), content_type);
    }
    let compressed = gzip.get_or_init(|| {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), LEVEL);
        // Writing to memory cannot fail.
        let _ = encoder.write_all(body);
        encoder.finish().unwrap_or_default().into()
    });
    let mut response = plain(compressed.clone(), content_type);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

fn plain(body: Bytes, content_type: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
}

/// People read what curl, wget and browsers print; Kubernetes' API server indents for them too.
fn wants_indented(headers: &HeaderMap, uri: &Uri) -> bool {
    let asked = uri.query().and_then(|query| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "pretty").map(|(_, value)| value.into_owned())
    });
    match asked.as_deref() {
        Some(value) => matches!(value, "" | "1" | "true"),
        None => {
            let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|own| agent.starts_with(own))
        }
    }
}

/// A document that seldom changes: with an `ETag`, and not sent again to whoever has it.
pub(super) fn document(headers: &HeaderMap, body: Vec<u8>, content_type: &'static str) -> Response {
    let tag = discovery::entity_tag(&body);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|own| own.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        encoded(headers, &body.into(), &OnceLock::new(), content_type)
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}
