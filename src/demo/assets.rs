//! The files of the example configuration that the demo mesh consists of, embedded.

use sha2::{Digest, Sha256};

/// A file of the mesh: where it goes, below the demo's folder, and what it says.
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

macro_rules! assets {
    ($($path:literal),* $(,)?) => {
        &[$(Asset { path: $path, text: include_str!(concat!("../../config/", $path)) }),*]
    };
}

/// Every file that is written word for word.
pub(super) const ASSETS: &[Asset] = assets![
    "airside.toml",
    "mesh/governance/principals.toml",
    "mesh/governance/restricted.cedar",
    "mesh/governance/stewards.cedar",
    "mesh/domains/customers/domain.toml",
    "mesh/domains/customers/policies/access.cedar",
    "mesh/domains/customers/products/customer.odcs.yaml",
    "mesh/domains/customers/tests/access.yaml",
    "mesh/domains/geography/domain.toml",
    "mesh/domains/geography/policies/access.cedar",
    "mesh/domains/geography/products/nation.odcs.yaml",
    "mesh/domains/geography/products/region.odcs.yaml",
    "mesh/domains/geography/tests/access.yaml",
    "mesh/domains/marketing/domain.toml",
    "mesh/domains/marketing/policies/access.cedar",
    "mesh/domains/marketing/products/customer_lifetime_value.odcs.yaml",
    "mesh/domains/marketing/tests/access.yaml",
    "mesh/domains/sales/domain.toml",
    "mesh/domains/sales/policies/access.cedar",
    "mesh/domains/sales/products/lineitem.odcs.yaml",
    "mesh/domains/sales/products/orders.odcs.yaml",
    "mesh/domains/sales/tests/access.yaml",
    "mesh/domains/supply/domain.toml",
    "mesh/domains/supply/policies/access.cedar",
    "mesh/domains/supply/products/part.odcs.yaml",
    "mesh/domains/supply/products/partsupp.odcs.yaml",
    "mesh/domains/supply/products/supplier.odcs.yaml",
    "mesh/domains/supply/tests/access.yaml",
];

/// What stands above the demo's users: how such a file is written.
pub(super) const USERS: &str = include_str!("../../config/users.toml");

/// What stands above the demo's token.
pub(super) const TOKENS: &str = include_str!("../../config/tokens.toml");

/// A digest of everything embedded: a newer program with other files makes the mesh anew.
pub(super) fn digest() -> String {
    let mut hasher = Sha256::new();
    let parts = ASSETS.iter().flat_map(|asset| [asset.path, asset.text]).chain([USERS, TOKENS]);
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..8])
}
