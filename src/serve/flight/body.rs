//! The body of a DoGet's response: frames as they come, then how it ended.
//!
//! tonic's own bodies are made of messages, which it copies into frames. A call hands this one on beside an empty answer of
//! tonic's, and it is put in that one's place on the way out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::vec::IntoIter;

use arrow_flight::FlightData;
use axum::response::Response as HttpResponse;
use bytes::Bytes;
use futures::{Stream, stream};
use http::HeaderMap;
use hyper::body::{Body, Frame};
use tonic::{Response, Status};

use super::Replies;
use super::frames::Framed;

/// Messages in their frames, as they come.
pub type FramedStream = Pin<Box<dyn Stream<Item = Result<Framed, Status>> + Send>>;

/// A response with the messages as its body.
pub fn response(messages: FramedStream) -> Response<Replies<FlightData>> {
    let mut response: Response<Replies<FlightData>> = Response::new(Box::pin(stream::empty()));
    let body = FramedBody { messages, chunks: Vec::new().into_iter(), ended: false };
    response.extensions_mut().insert(Beside(Arc::new(Mutex::new(Some(body)))));
    response
}

/// Puts the body that is beside a response in its place, if there is one.
pub async fn in_place(mut response: HttpResponse) -> HttpResponse {
    let beside = response.extensions_mut().remove::<Beside>();
    let body = beside.and_then(|Beside(body)| body.lock().unwrap_or_else(PoisonError::into_inner).take());
    match body {
        Some(body) => response.map(|_| axum::body::Body::new(body)),
        None => response,
    }
}

#[derive(Clone)]
struct Beside(Arc<Mutex<Option<FramedBody>>>);

struct FramedBody {
    messages: FramedStream,
    /// What is left of the last message.
    chunks: IntoIter<Bytes>,
    ended: bool,
}

impl Body for FramedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(chunk) = self.chunks.next() {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let status = match ready!(self.messages.as_mut().poll_next(context)) {
                Some(Ok(message)) => {
                    self.chunks = message.chunks.into_iter();
                    continue;
                }
                Some(Err(status)) => status,
                None => Status::ok(""),
            };
            self.ended = true;
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
