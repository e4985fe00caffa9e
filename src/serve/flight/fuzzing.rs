//! The decoders of what clients send, as functions of bytes, for `crate::fuzzing`.

#![expect(clippy::expect_used, reason = "a broken promise ends the run, which is what the fuzzer looks for")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::{FlightData, FlightDescriptor};
use futures::stream;
use prost::Message;

use super::ticket::Tickets;
use super::{descriptor as descriptors, parameters as bound};
use crate::gateway::Caller;
use crate::principal::{Identity, Principal, Purpose};
use crate::seal::SealKeys;

/// Any bytes as a `FlightDescriptor`.
pub fn descriptor(bytes: &[u8]) {
    if let Ok(descriptor) = FlightDescriptor::decode(bytes) {
        let _ = descriptors::parse(&descriptor);
    }
}

/// Any bytes as a descriptor's command.
pub fn command(bytes: &[u8]) {
    let _ = descriptors::parse_command(bytes);
}

/// Any bytes as a ticket and as a handle. Whoever made them, it was not this gateway, so none opens.
pub fn ticket(bytes: &[u8]) {
    static TICKETS: LazyLock<Tickets> = LazyLock::new(|| Tickets::new(SealKeys::ephemeral(), Duration::from_secs(60)));
    let identity = Identity::User("ada".into());
    let principal = Principal { identity, groups: Default::default(), attributes: Default::default() };
    let mut caller = Caller { principal, purpose: Purpose::default() };
    assert!(TICKETS.open(bytes, &mut caller).is_err(), "a made-up ticket opens");
    assert!(TICKETS.open_handle(bytes, &mut caller).is_err(), "a made-up handle opens");
    assert!(TICKETS.open_poll(bytes, &mut caller).is_err(), "a made-up poll opens");
    assert!(TICKETS.own(bytes, &caller).is_err(), "a made-up ticket is called off");
    assert!(TICKETS.own_poll(bytes, &caller).is_err(), "a made-up poll is called off");
    assert!(TICKETS.renew(bytes, &mut caller).is_err(), "a made-up ticket is renewed");
    assert!(TICKETS.check_transaction(bytes, &caller).is_err(), "a made-up transaction opens");
}

/// Any bytes as an encoded row of parameters, and as the messages that bind one.
pub fn parameters(bytes: &[u8]) {
    let _ = bound::values(bytes);
    let (header, body) = bytes.split_at(bytes.len() / 2);
    let data = |header: &[u8], body: &[u8]| {
        Ok::<_, arrow_flight::error::FlightError>(FlightData {
            data_header: header.to_vec().into(),
            data_body: body.to_vec().into(),
            ..FlightData::default()
        })
    };
    let messages = stream::iter(vec![data(header, &[]), data(bytes, body), data(header, body)]);
    let _ = futures::executor::block_on(bound::receive(messages));
}

/// Whether bytes are an encoded row.
#[cfg(test)]
pub fn is_row(bytes: &[u8]) -> bool {
    bound::values(bytes).is_ok_and(|values| !values.first().is_empty())
}

/// A row of parameters, encoded as in a handle.
pub fn sample_parameters() -> Vec<u8> {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None])]);
    let columns: [(&str, ArrayRef); 4] = [
        ("$1", Arc::new(Int64Array::from(vec![Some(7)]))),
        ("$2", Arc::new(StringArray::from(vec!["a text"]))),
        ("$3", Arc::new(Decimal128Array::from(vec![7]))),
        ("$4", Arc::new(list)),
    ];
    let row = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema()).expect("a writer to memory");
    writer.write(&row).expect("a written row");
    writer.into_inner().expect("a finished stream")
}
