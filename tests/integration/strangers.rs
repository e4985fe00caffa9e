//! What no client library would send: nothing of it may panic, hang or end the gateway.

use std::time::Duration;

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, Ticket};
use futures::{StreamExt, stream};
use proptest::prelude::*;
use prost::Message;
use tonic::{Code, Status};

use crate::gateway::{Caller, shared, sql};

const CASES: u32 = 96;
const PATIENCE: Duration = Duration::from_secs(20);

/// The commands of Flight SQL, and one that is none.
const COMMANDS: [&str; 18] = [
    "CommandGetCatalogs",
    "CommandGetDbSchemas",
    "CommandGetTables",
    "CommandGetTableTypes",
    "CommandGetSqlInfo",
    "CommandGetPrimaryKeys",
    "CommandGetExportedKeys",
    "CommandGetImportedKeys",
    "CommandGetCrossReference",
    "CommandGetXdbcTypeInfo",
    "CommandStatementQuery",
    "CommandStatementUpdate",
    "CommandStatementIngest",
    "CommandPreparedStatementQuery",
    "CommandPreparedStatementUpdate",
    "CommandStatementSubstraitPlan",
    "TicketStatementQuery",
    "CommandOfNobody",
];

const ACTIONS: [&str; 6] = [
    "CreatePreparedStatement",
    "ClosePreparedStatement",
    "CancelFlightInfo",
    "BeginTransaction",
    "SetSessionOptions",
    "",
];

/// A command whose wrapping is right and whose content is anything.
fn commands() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..120);
    let texts = ".{0,120}".prop_map(|text| {
        // Field 1 of most commands is a text or bytes.
        let mut message = vec![0x0a];
        prost::encode_length_delimiter(text.len(), &mut message).unwrap();
        message.extend(text.into_bytes());
        message
    });
    let wrapped = (prop::sample::select(&COMMANDS[..]), prop_oneof![bytes.clone(), texts]).prop_map(|(name, value)| {
        let type_url = format!("type.googleapis.com/arrow.flight.protocol.sql.{name}");
        arrow_flight::sql::Any { type_url, value: value.into() }.encode_to_vec()
    });
    prop_oneof![3 => wrapped, 1 => bytes]
}

/// A refusal must be one of the caller's own making; anything may also just succeed.
fn check(outcome: Result<(), Status>) {
    if let Err(refused) = outcome {
        let ours = [Code::Internal, Code::Unknown, Code::DataLoss, Code::Cancelled, Code::DeadlineExceeded];
        assert!(!ours.contains(&refused.code()), "{refused:?}");
        assert!(!refused.message().contains("panic"), "{refused:?}");
    }
}

async fn send(caller: &Caller, command: Vec<u8>) {
    let descriptor = FlightDescriptor::new_cmd(command.clone());
    check(caller.info(descriptor.clone()).await.map(drop));
    check(caller.schema(descriptor.clone()).await.map(drop));
    check(caller.ask(descriptor.clone()).await.map(drop));
    check(caller.read(Ticket { ticket: command.clone().into() }).await.map(drop));
    let put = FlightData {
        flight_descriptor: Some(descriptor),
        data_header: command.clone().into(),
        ..FlightData::default()
    };
    let outcome = caller.client.clone().do_put(caller.request(stream::iter([put]))).await;
    check(outcome.map(drop));
    for kind in ACTIONS {
        let action = Action { r#type: kind.to_owned(), body: command.clone().into() };
        check(match caller.client.clone().do_action(caller.request(action)).await {
            Ok(reply) => reply.into_inner().next().await.transpose().map(drop),
            Err(refused) => Err(refused),
        });
    }
    let criteria = Criteria { expression: command.into() };
    check(caller.client.clone().list_flights(caller.request(criteria)).await.map(drop));
}

#[test]
fn malformed_commands_are_refused_politely() {
    let gateway = shared();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let caller = runtime.block_on(gateway.caller("analyst"));
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(command in commands())| {
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, send(&caller, command)).await.expect("an answer in time");
        });
    });
    runtime.block_on(caller.ask(sql("SELECT 1"))).unwrap();
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[test]
fn any_path_is_an_address_or_refused() {
    let gateway = shared();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let caller = runtime.block_on(gateway.caller("steward"));
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let part = prop_oneof![Just("sales".to_owned()), Just("orders@1".to_owned()), "[a-z@./%_0-9]{0,12}", ".{0,8}"];
    proptest!(config, |(parts in prop::collection::vec(part, 0..4), kind in 0..4)| {
        let descriptor = FlightDescriptor { r#type: kind, path: parts, cmd: Vec::new().into() };
        runtime.block_on(async {
            check(caller.info(descriptor.clone()).await.map(drop));
            check(caller.schema(descriptor).await.map(drop));
        });
    });
}

#[tokio::test]
async fn an_empty_descriptor_is_refused() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    for kind in [DescriptorType::Unknown, DescriptorType::Cmd, DescriptorType::Path] {
        let descriptor = FlightDescriptor { r#type: kind as i32, ..FlightDescriptor::default() };
        assert_eq!(caller.info(descriptor).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_put_that_names_nothing_is_refused() {
    let gateway = shared();
    let caller = gateway.caller("steward").await;
    let outcome = caller.client.clone().do_put(caller.request(stream::iter([FlightData::default()]))).await;
    assert_eq!(outcome.map(drop).unwrap_err().code(), Code::InvalidArgument);
    let outcome = caller.client.clone().do_put(caller.request(stream::iter([]))).await;
    assert_eq!(outcome.map(drop).unwrap_err().code(), Code::InvalidArgument);
}
