//! Addresses: how a consumer names a product, in Flight paths and in SQL alike.

use std::fmt;

use thiserror::Error;

use super::name::{Name, NameError, version_suffix};
use super::version::{VersionError, VersionRequirement};

/// The name of a product across the mesh: `domain.product`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId {
    /// The domain that owns it.
    pub domain: Name,
    /// Its name within the domain.
    pub name: Name,
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.domain, self.name)
    }
}

/// What a consumer asks for, before the mesh has been asked whether it exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The domain.
    pub domain: Name,
    /// The product, or in SQL the dataset: names are unique in their domain, so either tells.
    pub name: Name,
    /// The version after `@` or in the suffix `_vN`; without one the owner's default answers.
    pub version: Option<VersionRequirement>,
    /// A dataset (or named query) of a product that has several.
    pub part: Option<Name>,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// A path of another length than two or three.
    #[error("a path has two or three parts: domain, product[@version] and, for a product of several, the dataset")]
    Path,
    /// A text without a domain.
    #[error("an address is written domain.product[@version][/dataset]")]
    Text,
    /// A part is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What follows `@` is no version.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl Address {
    /// The address of a `FlightDescriptor` path: `["sales", "orders@2", "lines"]`.
    ///
    /// # Errors
    /// [`AddressError`] when the path is of no such form.
    pub fn from_path<S: AsRef<str>>(path: &[S]) -> Result<Self, AddressError> {
        let (domain, product, part) = match path {
            [domain, product] => (domain, product, None),
            [domain, product, part] => (domain, product, Some(part)),
            _ => return Err(AddressError::Path),
        };
        let (name, version) = match product.as_ref().split_once('@') {
            Some((name, version)) => (name, Some(VersionRequirement::parse(version)?)),
            None => (product.as_ref(), None),
        };
        Ok(Self {
            domain: Name::parse(domain.as_ref())?,
            name: Name::parse(name)?,
            version,
            part: part.map(|part| Name::parse(part.as_ref())).transpose()?,
        })
    }

    /// The address of a SQL table: schema `sales`, table `orders`, `orders_v2` or, quoted, `orders@2.1`.
    ///
    /// # Errors
    /// [`AddressError`] when either is no name, or what follows `@` no version.
    pub fn from_table(schema: &str, table: &str) -> Result<Self, AddressError> {
        match version_suffix(table) {
            Some((stem, major)) => {
                let version = Some(VersionRequirement { major, minor: None, patch: None });
                Ok(Self { domain: Name::parse(schema)?, name: Name::parse(stem)?, version, part: None })
            }
            None => Self::from_path(&[schema, table]),
        }
    }

    /// The address as a descriptor's path.
    pub fn path(&self) -> Vec<String> {
        let Self { domain, name, version, part } = self;
        let product = match version {
            Some(version) => format!("{name}@{version}"),
            None => name.to_string(),
        };
        [domain.to_string(), product].into_iter().chain(part.iter().map(ToString::to_string)).collect()
    }

    /// Parses the form that an address is displayed in: `sales.orders@2.1/lines`.
    ///
    /// # Errors
    /// [`AddressError`] when the text is of no such form.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (domain, rest) = text.split_once('.').ok_or(AddressError::Text)?;
        match rest.split_once('/') {
            Some((product, part)) => Self::from_path(&[domain, product, part]),
            None => Self::from_path(&[domain, rest]),
        }
    }

    /// Parses an address with or without a column after it: `sales.orders.o_clerk`, `sales.orders@1.2/lines.note`.
    ///
    /// # Errors
    /// [`AddressError`] when neither reading is an address.
    pub fn parse_column(text: &str) -> Result<(Self, Option<String>), AddressError> {
        let error = match Self::parse(text) {
            Ok(address) => return Ok((address, None)),
            Err(error) => error,
        };
        // A version has dots as well, so each dot may be the one before the column.
        let dots = text.match_indices('.').map(|(at, _)| at).skip(1);
        let found = dots.filter_map(|at| Some((Self::parse(text.get(..at)?).ok()?, text.get(at + 1..)?.to_owned())));
        found.last().map(|(address, column)| (address, Some(column))).ok_or(error)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.domain, self.name)?;
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        if let Some(part) = &self.part {
            write!(f, "/{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_tables_name_the_same_things() {
        assert_eq!(Address::from_path(&["sales", "orders"]).unwrap(), Address::from_table("sales", "orders").unwrap());
        assert_eq!(
            Address::from_path(&["sales", "orders@2"]).unwrap(),
            Address::from_table("sales", "orders_v2").unwrap()
        );
        assert_eq!(
            Address::from_path(&["sales", "orders@2.1"]).unwrap(),
            Address::from_table("sales", "orders@2.1").unwrap()
        );
        let lines = Address::from_path(&["sales", "orders@2.1", "lines"]).unwrap();
        assert_eq!(lines.to_string(), "sales.orders@2.1/lines");
        assert_eq!(Address::parse("sales.orders@2.1/lines").unwrap(), lines);
    }

    #[test]
    fn a_column_follows_its_dataset() {
        let parts = |text: &str| {
            Address::parse_column(text).map(|(address, column)| (address.to_string(), column.unwrap_or_default()))
        };
        for (text, address, column) in [
            ("sales.orders", "sales.orders", ""),
            ("sales.orders.o_clerk", "sales.orders", "o_clerk"),
            ("sales.orders@1.2", "sales.orders@1.2", ""),
            ("sales.orders@1.2.o_clerk", "sales.orders@1.2", "o_clerk"),
            ("sales.shop/orders.x", "sales.shop/orders", "x"),
        ] {
            assert_eq!(parts(text).unwrap(), (address.to_owned(), column.to_owned()));
        }
        assert!(parts("orders").is_err());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for path in [
            &[][..],
            &["sales"],
            &["a", "b", "c", "d"],
            &["sales", "../x"],
            &["sales", "orders@"],
            &["Sales", "orders"],
        ] {
            assert!(Address::from_path(path).is_err(), "{path:?}");
        }
    }
}
