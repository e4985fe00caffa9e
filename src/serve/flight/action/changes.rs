//! Following products: a stream that tells of each new snapshot. Requests and replies are JSON.

use std::sync::Arc;

use arrow_flight::Action;
use futures::{FutureExt, Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status};

use super::insight::{MAX_REQUEST, json, parse};
use crate::gateway::{Change, Feed};
use crate::product::Address;
use crate::serve::flight::deadline::deadline;
use crate::serve::flight::error::FlightError;
use crate::serve::flight::{Flight, Replies};

pub(super) const CHANGES: &str = "airside.changes";

pub(super) const TYPE: (&str, &str) = (
    CHANGES,
    "tells of the current snapshot of products, then of each new one, until called off; JSON {products}, all that one may read without it",
);

/// Products that one call may name.
const MAX_PRODUCTS: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Follow {
    products: Option<Vec<String>>,
}

impl Flight {
    pub(super) async fn answer_changes(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Replies<arrow_flight::Result>>, FlightError> {
        let end = deadline(&request);
        let (caller, verified) = self.verified_caller(&request).await?;
        let body = request.into_inner().body;
        if body.len() > MAX_REQUEST {
            return Err(FlightError::Malformed(format!("the action's body is longer than {MAX_REQUEST} bytes")));
        }
        let Follow { products } = parse(&body)?;
        if products.as_ref().is_some_and(|products| products.len() > MAX_PRODUCTS) {
            return Err(FlightError::Malformed(format!("one call follows {MAX_PRODUCTS} products at most")));
        }
        let addresses = |products: Vec<String>| products.iter().map(|product| Address::parse(product)).collect();
        let products: Option<Vec<Address>> = products.map(addresses).transpose()?;
        let authenticator = Arc::clone(&self.authenticator);
        let follower = Box::new(move || {
            let (authenticator, verified) = (Arc::clone(&authenticator), verified.clone());
            async move { authenticator.recall(&verified).await }.boxed()
        });
        let mut feed = self.gateway.feed(follower, caller.purpose, products)?;
        // What may not be followed is refused before the stream begins.
        let first = feed.now().await?;
        let later = stream::try_unfold((feed, end), |(mut feed, end)| async move {
            Ok(next(&mut feed, end).await?.map(|changes| (changes, (feed, end))))
        });
        let all = stream::once(async { Ok(first) }).chain(later);
        Ok(Response::new(Box::pin(told(all))))
    }
}

/// What has changed; an error once the caller no longer waits.
async fn next(feed: &mut Feed, end: Option<Instant>) -> Result<Option<Vec<Change>>, FlightError> {
    let Some(end) = end else { return Ok(feed.next().await?) };
    tokio::select! {
        changes = feed.next() => Ok(changes?),
        () = sleep_until(end) => Ok(None),
    }
}

fn told(
    changes: impl Stream<Item = Result<Vec<Change>, FlightError>>,
) -> impl Stream<Item = Result<arrow_flight::Result, Status>> {
    changes.flat_map(|changes| {
        let each = match changes {
            Ok(changes) => changes.iter().map(told_of).collect(),
            Err(error) => vec![Err(error.into())],
        };
        stream::iter(each)
    })
}

fn told_of(change: &Change) -> Result<arrow_flight::Result, Status> {
    Ok(arrow_flight::Result { body: json(change)?.into() })
}
