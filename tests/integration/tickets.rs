//! Tickets are sealed, bound to their principal, and questions rather than capabilities.

use arrow_flight::Ticket;
use proptest::prelude::*;
use tonic::Code;

use crate::gateway::{Caller, rows, shared, sql};

const QUESTION: &str = "SELECT o_orderkey FROM sales.orders";

async fn ticket(caller: &Caller) -> Ticket {
    caller.info(sql(QUESTION)).await.unwrap().endpoint.remove(0).ticket.unwrap()
}

#[tokio::test]
async fn a_ticket_may_be_read_again_but_by_nobody_else() {
    let gateway = shared();
    let owner = gateway.caller("owner").await;
    let ticket = ticket(&owner).await;
    let (_, first) = owner.read(ticket.clone()).await.unwrap();
    let (_, second) = owner.read(ticket.clone()).await.unwrap();
    assert_eq!(rows(&first), rows(&second));
    // The steward may read all of it, and yet not with another's ticket.
    for user in ["steward", "nobody"] {
        let refused = gateway.caller(user).await.read(ticket.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        assert!(!refused.message().contains("owner"));
    }
    assert_eq!(gateway.stranger().await.read(ticket).await.unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn an_altered_ticket_is_refused() {
    let gateway = shared();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (caller, ticket) = runtime.block_on(async {
        let caller = gateway.caller("owner").await;
        let ticket = ticket(&caller).await;
        (caller, ticket.ticket)
    });
    let read = |bytes: Vec<u8>| runtime.block_on(caller.read(Ticket { ticket: bytes.into() }));
    proptest!(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() }, |(
        position in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        length in any::<prop::sample::Index>(),
    )| {
        let mut flipped = ticket.to_vec();
        let position = position.index(flipped.len());
        flipped[position] ^= 1 << bit;
        prop_assert_eq!(read(flipped).unwrap_err().code(), Code::InvalidArgument);
        let cut = ticket[..length.index(ticket.len())].to_vec();
        prop_assert_eq!(read(cut).unwrap_err().code(), Code::InvalidArgument);
    });
}
