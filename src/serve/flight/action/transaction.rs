//! Transactions, as far as a gateway that only reads can have them.
//!
//! Clients that follow a standard (Python's DBAPI) begin one by default, commit and roll back. There is nothing to commit:
//! each statement reads the snapshots of its moment, whole, which is what SQL calls read committed. So a transaction
//! here is a sealed id that says whose it is; nothing is kept for it, and ending it ends nothing. Savepoints could not
//! be rolled back to, and are refused.

use arrow_flight::sql::{ActionBeginTransactionResult, ActionEndTransactionRequest, EndTransaction, ProstMessageExt};
use bytes::Bytes;
use prost::Message;

use crate::gateway::Caller;
use crate::serve::flight::Flight;
use crate::serve::flight::error::FlightError;

impl Flight {
    pub(super) fn begin_transaction(&self, caller: &Caller) -> arrow_flight::Result {
        let result = ActionBeginTransactionResult { transaction_id: self.tickets.seal_transaction(caller) };
        arrow_flight::Result { body: result.as_any().encode_to_vec().into() }
    }

    pub(super) fn end_transaction(
        &self,
        caller: &Caller,
        request: &ActionEndTransactionRequest,
    ) -> Result<(), FlightError> {
        self.tickets.check_transaction(&request.transaction_id, caller)?;
        match EndTransaction::try_from(request.action) {
            Ok(EndTransaction::Commit | EndTransaction::Rollback) => Ok(()),
            Ok(EndTransaction::Unspecified) | Err(_) => {
                Err(FlightError::Malformed("a transaction ends by commit or rollback".to_owned()))
            }
        }
    }

    /// Whether a statement may name this transaction: none, or one of the caller's.
    pub(in crate::serve::flight) fn check_transaction(
        &self,
        caller: &Caller,
        transaction: Option<&Bytes>,
    ) -> Result<(), FlightError> {
        match transaction {
            None => Ok(()),
            Some(id) if id.is_empty() => Ok(()),
            Some(id) => Ok(self.tickets.check_transaction(id, caller)?),
        }
    }
}
