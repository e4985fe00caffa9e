//! Receipts as clients get them: `airside.v1.Receipt` in the app_metadata of a FlightInfo.

use bytes::Bytes;
use prost::Message;

use crate::gateway::{DatasetReceipt, Receipt};
use crate::serve::proto;

/// The receipt's bytes.
pub fn encode(receipt: &Receipt) -> Bytes {
    let receipt = proto::Receipt {
        decision: receipt.decision.to_string(),
        policy_version: receipt.policy_version.clone(),
        purpose: receipt.purpose.as_str().to_owned(),
        datasets: receipt.datasets.iter().map(dataset).collect(),
    };
    receipt.encode_to_vec().into()
}

fn dataset(receipt: &DatasetReceipt) -> proto::DatasetReceipt {
    let masked = receipt.masked.iter();
    proto::DatasetReceipt {
        address: receipt.address.clone(),
        version: receipt.version.to_string(),
        snapshot: receipt.snapshot.clone(),
        fresh_as_of: receipt.fresh_as_of.map(|time| std::time::SystemTime::from(time).into()),
        columns: receipt.columns.clone(),
        masked: masked
            .map(|(column, mask)| proto::MaskedColumn { column: column.clone(), mask: mask.to_string() })
            .collect(),
        rows_restricted: receipt.rows_restricted,
    }
}
