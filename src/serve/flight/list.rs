//! ListFlights and ListActions.

use arrow::datatypes::Schema;
use arrow_flight::{ActionType, Criteria, Empty, FlightDescriptor, FlightInfo};
use futures::stream;
use tonic::{Request, Response};

use super::describe::{Described, schema_bytes};
use super::error::FlightError;
use super::{Flight, Replies, action, receipt};
use crate::gateway::{Caller, Listing, Parts, ProductQuestion, QueryListing, Question};

impl Flight {
    /// Every product the caller may discover, by its path; `Criteria.expression` narrows by a prefix of
    /// `domain.product`. One that may be discovered but not read comes without an endpoint.
    pub(super) async fn answer_list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Replies<FlightInfo>>, FlightError> {
        let caller = self.caller(&request).await?;
        let criteria = request.into_inner().expression;
        let prefix = std::str::from_utf8(&criteria)
            .map_err(|_| FlightError::Malformed("a criteria expression is the prefix of an address".to_owned()))?;
        let mut infos = Vec::new();
        for listing in self.gateway.catalog(&caller) {
            if !listing.address.to_string().starts_with(prefix) {
                continue;
            }
            // One product out of order must not hide the others.
            let info = match self.describe_listing(&caller, &listing).await {
                Some(described) => self.described_info(&caller, described),
                None => self.flight_info(&caller, schema_bytes(&listing.schema())?, None),
            };
            infos.push(Ok(info.with_descriptor(FlightDescriptor::new_path(listing.address.path()))));
        }
        for listing in self.gateway.queries(&caller) {
            if listing.address.to_string().starts_with(prefix) {
                let info = self.query_info(&caller, &listing).await?;
                infos.push(Ok(info.with_descriptor(FlightDescriptor::new_path(listing.address.path()))));
            }
        }
        Ok(Response::new(Box::pin(stream::iter(infos))))
    }

    /// A dataset that the caller may read, if it can be had.
    async fn describe_listing(&self, caller: &Caller, listing: &Listing) -> Option<Described> {
        let question = Question::Product(ProductQuestion::all(listing.address.clone()));
        match self.gateway.listed_outline(caller, listing) {
            Some(outline) => self.outlined(&question, Vec::new(), Parts::One, outline).ok(),
            None if listing.grant.is_some() => self.describe_rows(caller, &question, Vec::new(), Parts::One).await.ok(),
            None => None,
        }
    }

    /// A named query: with an endpoint where it needs no argument, else with what it asks for.
    async fn query_info(&self, caller: &Caller, listing: &QueryListing) -> Result<FlightInfo, FlightError> {
        let template = &listing.template;
        if listing.granted && template.declared().needs_nothing() {
            let question = Question::Product(ProductQuestion::all(listing.address.clone()));
            if let Ok(described) = self.describe_rows(caller, &question, Vec::new(), Parts::One).await {
                return Ok(self.described_info(caller, described));
            }
        }
        let schema = match listing.granted {
            true => self.gateway.query_schema(caller, listing).await.ok(),
            false => None,
        };
        let schema = match schema {
            Some(known) => self.told(known.schema, known.columns)?.bytes,
            None => schema_bytes(&Schema::empty())?,
        };
        Ok(self.flight_info(caller, schema, None).with_app_metadata(receipt::encode_query(template)))
    }

    pub(super) async fn answer_list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Replies<ActionType>>, FlightError> {
        self.caller(&request).await?;
        Ok(Response::new(Box::pin(stream::iter(action::types().into_iter().map(Ok)))))
    }
}
