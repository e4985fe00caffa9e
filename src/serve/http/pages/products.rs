//! `/`: the products that somebody may know of.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::session::Session;
use super::{Pages, layout};
use crate::gateway::{Caller, Listing};
use crate::policy::RowFilter;
use crate::principal::{Purpose, PurposeError};
use crate::product::Status;

/// For which purpose somebody looks.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Looking {
    #[serde(default)]
    purpose: String,
}

impl Looking {
    /// The purpose, if it is one.
    pub(super) fn purpose(&self) -> Result<Purpose, PurposeError> {
        Purpose::parse(self.purpose.trim())
    }
}

/// Says that a purpose is none.
pub(super) fn no_purpose(error: PurposeError) -> Response {
    layout::failure(StatusCode::BAD_REQUEST, &error.to_string())
}

/// The listings of each product, by its address.
pub(super) async fn of(
    pages: &Arc<Pages>,
    session: &Session,
    purpose: &Purpose,
) -> Result<BTreeMap<String, Vec<Listing>>, Response> {
    let (pages, caller) =
        (Arc::clone(pages), Caller { principal: session.principal.clone(), purpose: purpose.clone() });
    // Many products are many decisions.
    let listings = tokio::task::spawn_blocking(move || pages.gateway.catalog(&caller)).await.map_err(|error| {
        tracing::error!(%error, "the catalog cannot be shown");
        layout::failure(StatusCode::INTERNAL_SERVER_ERROR, "The products cannot be shown at the moment.")
    })?;
    let mut products: BTreeMap<String, Vec<Listing>> = BTreeMap::new();
    for listing in listings {
        products.entry(listing.product.id.to_string()).or_default().push(listing);
    }
    Ok(products)
}

/// The list.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    session: Session,
    Query(looking): Query<Looking>,
) -> Result<Response, Response> {
    let purpose = looking.purpose().map_err(no_purpose)?;
    let products = of(&pages, &session, &purpose).await?;
    let body = html! {
        h1 { "Products" }
        (purpose_form("/", &purpose))
        @if products.is_empty() { p { "There are no products that you may know of." } }
        @for (address, listings) in &products {
            @if let Some(first) = listings.iter().find(|listing| listing.product.default_version).or(listings.first()) {
                article.card {
                    h2 { a href=(link(first, &purpose)) { (address) } }
                    @if let Some(title) = &first.product.title { p.title { (title) } }
                    @if let Some(description) = &first.product.description { p { (description) } }
                    p.facts {
                        "Owner " strong { (first.product.owner) }
                        @for listing in listings { " " (access(listing)) }
                    }
                }
            }
        }
    };
    Ok(layout::page(StatusCode::OK, "Products", Some(&session), &body))
}

/// A product's own page.
fn link(listing: &Listing, purpose: &Purpose) -> String {
    let id = &listing.product.id;
    let purpose = Some(purpose.as_str()).filter(|purpose| !purpose.is_empty());
    let query = purpose.map(|purpose| format!("?purpose={purpose}")).unwrap_or_default();
    format!("/products/{}/{}{query}", id.domain, id.name)
}

/// The form that asks for which purpose somebody looks.
pub(super) fn purpose_form(action: &str, purpose: &Purpose) -> Markup {
    html! {
        form.line method="get" action=(action) {
            label { "For the purpose" input name="purpose" value=(purpose.as_str()) maxlength="64" placeholder="none stated"; }
            button.quiet type="submit" { "Show" }
        }
    }
}

/// What somebody may see of a version's dataset, in a few words.
pub(super) fn access(listing: &Listing) -> Markup {
    let product = &listing.product;
    html! {
        span.badge { (listing.address.path().join(".")) " · " (product.version) @if product.status == Status::Deprecated { " · deprecated" } }
        " "
        @match &listing.grant {
            Some(grant) => {
                span.badge.yes { "readable" }
                @if *grant.rows() != RowFilter::All { " " span.badge.some { "rows restricted" } }
                @if grant.contract_columns().any(|(_, mask)| mask.is_some()) { " " span.badge.some { "masked" } }
            }
            None if !product.purposes.is_empty() => {
                span.badge.no { "not readable" }
                " asks for a purpose: " (product.purposes.iter().cloned().collect::<Vec<_>>().join(", "))
            }
            None => span.badge.no { "not readable" },
        }
    }
}
