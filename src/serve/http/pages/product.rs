//! `/products/{domain}/{product}`: one product, its columns, and how to connect to it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::products::{self, Looking};
use super::session::Session;
use super::{Pages, connect, layout};
use crate::gateway::Listing;
use crate::product::Status;

/// The page. What is hidden is answered as what does not exist.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    session: Session,
    Path((domain, name)): Path<(String, String)>,
    Query(looking): Query<Looking>,
) -> Result<Response, Response> {
    let purpose = looking.purpose().map_err(products::no_purpose)?;
    let mut products = products::of(&pages, &session, &purpose).await?;
    let address = format!("{domain}.{name}");
    let listings = products.remove(&address).unwrap_or_default();
    let Some(first) = listings.iter().find(|listing| listing.product.default_version).or(listings.first()) else {
        return Err(layout::failure(StatusCode::NOT_FOUND, "There is no such product."));
    };
    let product = &first.product;
    let readable = listings.iter().find(|listing| listing.grant.is_some() && listing.product.default_version);
    let readable = readable.or_else(|| listings.iter().find(|listing| listing.grant.is_some()));
    let body = html! {
        h1 { (address) }
        @if let Some(title) = &product.title { p.title { (title) } }
        @if let Some(description) = &product.description { p { (description) } }
        (products::purpose_form(&format!("/products/{domain}/{name}"), &purpose))
        dl {
            dt { "Owner" } dd { (product.owner) }
            dt { "Classification" } dd { (product.classification) }
            @if !product.tags.is_empty() { dt { "Tags" } dd { (product.tags.iter().cloned().collect::<Vec<_>>().join(", ")) } }
            @if !product.purposes.is_empty() {
                dt { "Purposes" } dd { (product.purposes.iter().cloned().collect::<Vec<_>>().join(", ")) }
            }
            @for promise in &product.promises {
                dt { (promise.property) @if let Some(element) = &promise.element { " of " (element) } }
                dd { (promise.value) @if let Some(unit) = &promise.unit { " " (unit) } }
            }
            @for (channel, address) in &product.support {
                dt { "Support" } dd { (channel) @if let Some(address) = address { ": " (address) } }
            }
        }
        @for listing in &listings { (dataset(listing)) }
        @if let Some(readable) = readable { (connect::section(&pages, readable, &purpose)) }
    };
    Ok(layout::page(StatusCode::OK, &address, Some(&session), &body))
}

fn dataset(listing: &Listing) -> Markup {
    let product = &listing.product;
    let tables: Vec<_> = listing.tables.iter().map(|table| format!("{}.{table}", listing.domain())).collect();
    html! {
        section.card {
            h2 {
                (listing.dataset.name) " " (product.version)
                @if product.default_version { " (default)" }
                @if product.status == Status::Deprecated { " (deprecated)" }
            }
            p.facts { (products::access(listing)) }
            @if let Some(description) = &listing.dataset.description { p { (description) } }
            p.facts { "In SQL " @for table in &tables { code { (table) } " " } }
            @if let Some(grant) = &listing.grant {
                table {
                    thead { tr { th { "Column" } th { "Type" } th { "Description" } th { "Shown" } } }
                    tbody {
                        @for (column, mask) in grant.contract_columns() {
                            tr {
                                td { code { (column.name) } }
                                td { (column.data_type) @if !column.nullable { ", not null" } }
                                td { (column.description.as_deref().unwrap_or_default()) }
                                td {
                                    @match mask {
                                        Some(mask) => span.badge.some { "masked: " (mask) },
                                        None => "as it is",
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
