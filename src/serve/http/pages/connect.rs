//! How to connect to a product: settings to copy. They name an environment variable where the token goes.

use maud::{Markup, html};

use super::Pages;
use crate::gateway::Listing;
use crate::principal::Purpose;

/// The section of a product's page.
pub(super) fn section(pages: &Pages, listing: &Listing, purpose: &Purpose) -> Markup {
    let table = listing.tables.first().map(|table| format!("{}.{table}", listing.domain())).unwrap_or_default();
    let flight = &pages.flight;
    let path = listing.address.path().iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(", ");
    let purpose = Some(purpose.as_str()).filter(|purpose| !purpose.is_empty());
    let (url, authority) = (flight.url(), &flight.authority);
    let encryption = if flight.encrypted { "true" } else { "false" };

    let pyarrow = format!(
        r#"import os
import pyarrow as pa
import pyarrow.flight as flight

client = flight.connect("{url}")
options = flight.FlightCallOptions(headers=[
    (b"authorization", b"Bearer " + os.environb[b"AIRSIDE_TOKEN"]),{header}
])
descriptor = flight.FlightDescriptor.for_path({path})
endpoints = client.get_flight_info(descriptor, options).endpoints
table = pa.concat_tables(client.do_get(each.ticket, options).read_all() for each in endpoints)"#,
        header = purpose.map(|p| format!("\n    (b\"airside-purpose\", b\"{p}\"),")).unwrap_or_default(),
    );
    let adbc = format!(
        r#"import os
import adbc_driver_flightsql.dbapi as adbc  # pip install adbc-driver-flightsql pyarrow

options = {{
    "username": "token",
    "password": os.environ["AIRSIDE_TOKEN"],{header}
}}
connection = adbc.connect("{url}", db_kwargs=options, autocommit=True)
with connection.cursor() as cursor:
    cursor.execute("SELECT * FROM {table} LIMIT 10")
    print(cursor.fetch_arrow_table())"#,
        header = purpose
            .map(|p| format!("\n    \"adbc.flight.sql.rpc.call_header.airside-purpose\": \"{p}\","))
            .unwrap_or_default(),
    );
    let frames = format!(
        r#"import polars as pl
pl.read_database("SELECT * FROM {table} LIMIT 10", connection)

import duckdb
with connection.cursor() as cursor:
    cursor.execute("SELECT * FROM {table}")
    rows = cursor.fetch_record_batch()
    print(duckdb.sql("SELECT count(*) FROM rows"))"#
    );
    let jdbc = format!(
        "jdbc:arrow-flight-sql://{authority}/?useEncryption={encryption}&user=token{parameter}",
        parameter = purpose.map(|p| format!("&airside-purpose={p}")).unwrap_or_default(),
    );
    html! {
        section.card id="connect" {
            h2 { "Connect" }
            p {
                "Make a " a href="/token" { "token" } ", and put it where these say " code { "AIRSIDE_TOKEN" } "; "
                "it is a bearer token, or the password of the user " code { "token" } "."
            }
            h3 { "pyarrow" } pre id="pyarrow" { (pyarrow) }
            h3 { "ADBC: pandas and others" } pre id="adbc" { (adbc) }
            h3 { "polars, DuckDB, over the same connection" } pre id="frames" { (frames) }
            h3 { "JDBC, DBeaver" } pre id="jdbc" { (jdbc) }
            p.facts { "The password is the token. Driver " code { "org.apache.arrow:flight-sql-jdbc-driver" } "." }
        }
    }
}
