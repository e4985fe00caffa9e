//! What the demo says once it serves: addresses, users, and snippets to paste.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::people::people;

/// The text for standard output. Its first lines are for scripts and keep their form:
///
/// ```text
/// ready flight=grpc://HOST:PORT http=http://HOST:PORT
/// user NAME password PASSWORD groups A,B
/// token NAME TOKEN groups A,B
/// ```
pub fn announcement(flight: SocketAddr, http: SocketAddr) -> String {
    let mut text = format!("ready flight=grpc://{flight} http=http://{http}\n");
    // Writing into a String cannot fail.
    let _ = write_people(&mut text);
    let _ = write!(
        text,
        "\nIn a browser, with one of the names above: http://{http}/ shows what there is and makes tokens for tools.\n"
    );
    text.push_str(&snippets(flight));
    text
}

fn write_people(text: &mut String) -> std::fmt::Result {
    for person in people() {
        writeln!(text, "user {} password {} groups {}", person.name, person.password, person.groups.join(","))?;
    }
    for person in people() {
        if let Some(token) = person.token {
            writeln!(text, "token {} {token} groups {}", person.name, person.groups.join(","))?;
        }
    }
    writeln!(text, "\nWho sees what:")?;
    for person in people() {
        writeln!(text, "  {:<10} {}", person.name, person.sees)?;
    }
    Ok(())
}

fn snippets(flight: SocketAddr) -> String {
    format!(
        r#"
Python, pyarrow (pip install pyarrow):

  import pyarrow.flight as flight
  client = flight.connect("grpc://{flight}")
  options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("analyst", "demo-analyst")])
  info = client.get_flight_info(flight.FlightDescriptor.for_path("customers", "customer"), options)
  for endpoint in info.endpoints:
      print(client.do_get(endpoint.ticket, options).read_all().to_pandas())

Python, ADBC (pip install adbc-driver-flightsql adbc-driver-manager pyarrow):

  import adbc_driver_flightsql.dbapi as dbapi
  with dbapi.connect("grpc://{flight}", db_kwargs={{"username": "scientist", "password": "demo-scientist"}}) as connection:
      cursor = connection.cursor()
      cursor.execute("SELECT market_segment, SUM(lifetime_value) FROM marketing.customer_lifetime_value GROUP BY 1")
      print(cursor.fetch_arrow_table())

JDBC, as in DBeaver (driver org.apache.arrow:flight-sql-jdbc-driver):

  jdbc:arrow-flight-sql://{flight}/?useEncryption=false&user=steward&password=demo-steward

"#
    )
}
