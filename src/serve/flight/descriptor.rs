//! What a `FlightDescriptor` asks: one parser for paths, SQL text, Flight SQL commands and `ProductRequest`s.

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{Any, Command};
use prost::Message;

use super::error::FlightError;
use super::ticket::TicketError;
use crate::gateway::{ProductQuestion, Question};
use crate::principal::Purpose;
use crate::product::{Address, Argument};
use crate::serve::proto::argument::Value;
use crate::serve::proto::{self, ProductRequest, query};

/// The type URL of a packed [`ProductRequest`].
pub const PRODUCT_REQUEST: &str = "type.googleapis.com/airside.v1.ProductRequest";

const FLIGHT_SQL: &str = "type.googleapis.com/arrow.flight.protocol.sql.";

/// What a descriptor asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// For rows.
    Rows(Question, Manner),
    /// For something Flight SQL defines.
    Command(Command),
}

/// How rows are asked for, beside what the call's headers say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manner {
    /// The purpose given within the request; it goes before the header's.
    pub purpose: Option<Purpose>,
    /// Whether several endpoints will be read.
    pub parallel: bool,
}

/// Parses a descriptor.
///
/// # Errors
/// [`FlightError::Malformed`] when it is none of the forms, and what parsing an address or a purpose says.
pub fn parse(descriptor: &FlightDescriptor) -> Result<Asked, FlightError> {
    match DescriptorType::try_from(descriptor.r#type) {
        Ok(DescriptorType::Path) => {
            let address = Address::from_path(&descriptor.path)?;
            Ok(Asked::Rows(Question::Product(ProductQuestion::all(address)), Manner::default()))
        }
        Ok(DescriptorType::Cmd) => parse_command(&descriptor.cmd),
        Ok(DescriptorType::Unknown) | Err(_) => {
            Err(FlightError::Malformed("a descriptor is a path or a command".to_owned()))
        }
    }
}

/// Parses the bytes of a command.
///
/// # Errors
/// As [`parse`].
pub fn parse_command(bytes: &[u8]) -> Result<Asked, FlightError> {
    if let Ok(any) = Any::decode(bytes) {
        if any.type_url == PRODUCT_REQUEST {
            let request = ProductRequest::decode(any.value)
                .map_err(|_| FlightError::Malformed("the command is no valid `ProductRequest`".to_owned()))?;
            return product(request);
        }
        if any.type_url.starts_with(FLIGHT_SQL) {
            return flight_sql(any).map(Asked::Command);
        }
    }
    if let Some(request) = bare_product_request(bytes) {
        return product(request);
    }
    match std::str::from_utf8(bytes) {
        Ok(sql) if !sql.trim().is_empty() => Ok(Asked::Rows(Question::Sql(sql.to_owned()), Manner::default())),
        _ => Err(FlightError::Malformed(
            "the command is neither SQL text, a Flight SQL command nor a `ProductRequest`".to_owned(),
        )),
    }
}

/// Unpacks a Flight SQL message.
///
/// # Errors
/// [`FlightError::Malformed`] when it cannot be decoded, [`FlightError::Unimplemented`] when it is of no known kind.
pub fn flight_sql(any: Any) -> Result<Command, FlightError> {
    match Command::try_from(any) {
        Ok(Command::Unknown(any)) => {
            let name = any.type_url.rsplit('.').next().unwrap_or_default().chars().take(64).collect();
            Err(FlightError::Unimplemented(name))
        }
        Ok(command) => Ok(command),
        Err(_) => Err(FlightError::Malformed("the command cannot be decoded".to_owned())),
    }
}

/// A `ProductRequest` that nobody packed. It cannot be mistaken for SQL: it starts with the tag of its address,
/// a line feed, then the address's length, and no statement has 2 to 200 letters, digits and dots in a row there.
fn bare_product_request(bytes: &[u8]) -> Option<ProductRequest> {
    const ADDRESS_TAG: u8 = 0x0a;
    if bytes.first() != Some(&ADDRESS_TAG) {
        return None;
    }
    let request = ProductRequest::decode(bytes).ok()?;
    Address::parse(&request.address).is_ok().then_some(request)
}

/// The question of a sealed query, as [`seal`] put it there.
///
/// # Errors
/// [`FlightError`] when it holds none.
pub fn unseal(asked: Option<query::Asked>) -> Result<Question, FlightError> {
    match asked {
        Some(query::Asked::Sql(sql)) => Ok(Question::Sql(sql)),
        Some(query::Asked::Product(request)) => Ok(Question::Product(product_question(request)?)),
        None => Err(TicketError::Invalid.into()),
    }
}

/// A question, as a sealed query carries it.
pub fn seal(question: &Question) -> query::Asked {
    match question {
        Question::Sql(sql) => query::Asked::Sql(sql.clone()),
        Question::Product(question) => query::Asked::Product(ProductRequest {
            address: question.address.to_string(),
            columns: question.columns.clone(),
            filter: question.filter.clone().unwrap_or_default(),
            limit: question.limit,
            arguments: question.arguments.iter().map(proto::Argument::from).collect(),
            // Which snapshot answers stands beside the question.
            since: question.since.clone().unwrap_or_default(),
            ..ProductRequest::default()
        }),
    }
}

fn product(request: ProductRequest) -> Result<Asked, FlightError> {
    let purpose = match request.purpose.as_str() {
        "" => None,
        purpose => Some(Purpose::parse(purpose)?),
    };
    let manner = Manner { purpose, parallel: request.parallel };
    Ok(Asked::Rows(Question::Product(product_question(request)?), manner))
}

fn product_question(request: ProductRequest) -> Result<ProductQuestion, FlightError> {
    Ok(ProductQuestion {
        address: Address::parse(&request.address)?,
        columns: request.columns,
        filter: Some(request.filter).filter(|filter| !filter.trim().is_empty()),
        limit: request.limit,
        arguments: request.arguments.into_iter().map(argument).collect(),
        as_of: Some(request.as_of).filter(|id| !id.is_empty()),
        since: Some(request.since).filter(|id| !id.is_empty()),
    })
}

fn argument(given: proto::Argument) -> (String, Argument) {
    let value = match given.value {
        None => Argument::Null,
        Some(Value::Text(text)) => Argument::Text(text),
        Some(Value::Integer(number)) => Argument::Number(number.to_string()),
        Some(Value::Number(number)) => Argument::Number(number.to_string()),
        Some(Value::Flag(flag)) => Argument::Flag(flag),
    };
    (given.name, value)
}

/// As [`argument`] reads it again: a number that only a `double` could carry must not lose digits on the way, so it
/// travels as a text, which means the same.
impl From<&(String, Argument)> for proto::Argument {
    fn from((name, argument): &(String, Argument)) -> Self {
        let value = match argument {
            Argument::Null => None,
            Argument::Flag(flag) => Some(Value::Flag(*flag)),
            Argument::Number(number) => Some(match number.parse() {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::Text(number.clone()),
            }),
            Argument::Text(text) => Some(Value::Text(text.clone())),
        };
        Self { name: name.clone(), value }
    }
}

#[cfg(test)]
mod tests {
    use arrow_flight::sql::{CommandGetCatalogs, ProstMessageExt};
    use proptest::prelude::*;

    use super::*;

    fn request() -> ProductRequest {
        ProductRequest {
            address: "sales.orders@2/lines".to_owned(),
            columns: vec!["a".to_owned()],
            filter: "a > 1".to_owned(),
            limit: Some(7),
            ..Default::default()
        }
    }

    #[test]
    fn every_form_of_command_is_told_apart() {
        let packed = Any { type_url: PRODUCT_REQUEST.to_owned(), value: request().encode_to_vec().into() };
        let bare = parse_command(&request().encode_to_vec()).unwrap();
        assert_eq!(parse_command(&packed.encode_to_vec()).unwrap(), bare);
        assert!(matches!(&bare, Asked::Rows(Question::Product(_), manner) if *manner == Manner::default()));
        let sql = parse_command(b"\nSELECT 1").unwrap();
        assert_eq!(sql, Asked::Rows(Question::Sql("\nSELECT 1".to_owned()), Manner::default()));
        let catalogs = CommandGetCatalogs {};
        assert_eq!(
            parse_command(&catalogs.as_any().encode_to_vec()).unwrap(),
            Asked::Command(Command::CommandGetCatalogs(catalogs))
        );
        for bad in [&b""[..], b"  ", b"\xff\xfe"] {
            assert!(matches!(parse_command(bad), Err(FlightError::Malformed(_))));
        }
    }

    proptest! {
        #[test]
        fn no_command_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_command(&bytes);
        }
    }
}
