//! Receipts as clients get them: `airside.v1.Receipt` in the app_metadata of a FlightInfo.

use bytes::Bytes;
use prost::Message;

use crate::gateway::{DatasetReceipt, Receipt};
use crate::query::QueryTemplate;
use crate::serve::proto;

/// The receipt's bytes.
pub fn encode(receipt: &Receipt) -> Bytes {
    let receipt = proto::Receipt {
        decision: receipt.decision.to_string(),
        policy_version: receipt.policy_version.clone(),
        purpose: receipt.purpose.as_str().to_owned(),
        datasets: receipt.datasets.iter().map(dataset).collect(),
        queries: receipt.queries.iter().map(|template| query(template)).collect(),
    };
    receipt.encode_to_vec().into()
}

/// What there is to say of a query that nobody has asked yet.
pub fn encode_query(template: &QueryTemplate) -> Bytes {
    proto::Receipt { queries: vec![query(template)], ..proto::Receipt::default() }.encode_to_vec().into()
}

fn query(template: &QueryTemplate) -> proto::NamedQuery {
    let declared = template.declared();
    let parameters = declared.parameters.iter().map(|parameter| proto::QueryParameter {
        name: parameter.name.to_string(),
        r#type: parameter.data_type.to_string(),
        description: parameter.description.clone().unwrap_or_default(),
        required: parameter.default.is_none(),
    });
    proto::NamedQuery {
        address: format!("{}/{}", template.product(), declared.name),
        version: template.version().to_string(),
        description: declared.description.clone().unwrap_or_default(),
        parameters: parameters.collect(),
    }
}

fn dataset(receipt: &DatasetReceipt) -> proto::DatasetReceipt {
    let masked = receipt.masked.iter();
    proto::DatasetReceipt {
        since: receipt.since.clone().unwrap_or_default(),
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
