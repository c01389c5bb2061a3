use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming};

pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// A body up to this size is kept until the answer is there, so that the request can be sent again: what the API takes.
const KEPT: usize = 1 << 20;

/// A request's body: one that can be sent again, or one that goes by.
pub(super) enum Payload {
    Kept(Bytes),
    Passing(Option<Rest>),
}

impl Payload {
    /// Reads a body as far as it is kept.
    pub(super) async fn read(mut body: Incoming) -> Result<Self, hyper::Error> {
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
            if read.len() > KEPT {
                return Ok(Self::Passing(Some(Rest { begin: Some(read.freeze()), body })));
            }
        }
        Ok(Self::Kept(read.freeze()))
    }

    /// None once a passing body went by.
    pub(super) fn body(&mut self) -> Option<Body> {
        match self {
            Self::Kept(bytes) => Some(Full::new(bytes.clone()).map_err(|never| match never {}).boxed()),
            Self::Passing(rest) => rest.take().map(BodyExt::boxed),
        }
    }
}

/// What was read of a body, then what comes.
pub(super) struct Rest {
    begin: Option<Bytes>,
    body: Incoming,
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.begin.take() {
            Some(begin) => Poll::Ready(Some(Ok(Frame::data(begin)))),
            None => Pin::new(&mut self.body).poll_frame(context),
        }
    }
}
