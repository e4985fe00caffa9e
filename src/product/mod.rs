//! Data products: their names, their contracts, and the model the rest of Airside works with.

mod address;
mod compatibility;
mod lines;
mod mask;
mod model;
mod name;
pub mod odcs;
mod purpose;
mod query;
mod version;

pub use address::{Address, AddressError, ProductId};
pub use compatibility::{Compatibility, compare};
pub use lines::Lines;
pub use mask::{Mask, UnknownMask};
pub use model::{Column, Dataset, ForeignKey, Location, Origin, Product, Promise, QualityRule, Role, Status};
pub use name::{MAX_NAME_LENGTH, Name, NameError, version_suffix};
pub use purpose::{MAX_PURPOSE, is_purpose};
pub use query::{Argument, Misfit, NamedQuery, Parameter, ParameterType};
pub use version::{Version, VersionError, VersionRequirement};
