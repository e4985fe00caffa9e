//! The TPC-H tables, and which product each becomes.

use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RecordBatchIterator, RegionArrow,
    SupplierArrow,
};

/// The smallest scale that has suppliers enough for TPC-H's keys to be keys.
pub(super) const MIN_SCALE: f64 = 0.001;
/// The largest scale a demo is for.
pub(super) const MAX_SCALE: f64 = 100.0;

/// Rows a file holds at most, about; its row groups are smaller.
const ROWS_PER_FILE: i64 = 500_000;

/// Lines an order has on average.
const LINES_PER_ORDER: i64 = 4;

/// Suppliers that offer a part.
const SUPPLIERS_PER_PART: i64 = 4;

/// A table of TPC-H.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    LineItem,
    Orders,
    PartSupp,
    Customer,
    Part,
    Supplier,
    Nation,
    Region,
}

impl Table {
    /// Every table, the biggest first: so nobody waits for the last one alone.
    pub(super) const ALL: [Self; 8] = [
        Self::LineItem,
        Self::Orders,
        Self::PartSupp,
        Self::Customer,
        Self::Part,
        Self::Supplier,
        Self::Nation,
        Self::Region,
    ];

    /// The product's name, which is also TPC-H's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LineItem => "lineitem",
            Self::Orders => "orders",
            Self::PartSupp => "partsupp",
            Self::Customer => "customer",
            Self::Part => "part",
            Self::Supplier => "supplier",
            Self::Nation => "nation",
            Self::Region => "region",
        }
    }

    /// The domain that owns it.
    pub(super) fn domain(self) -> &'static str {
        match self {
            Self::LineItem | Self::Orders => "sales",
            Self::Customer => "customers",
            Self::PartSupp | Self::Part | Self::Supplier => "supply",
            Self::Nation | Self::Region => "geography",
        }
    }

    /// How many rows it has: exactly, but for line items, whose number the generator draws.
    pub(super) fn rows(self, scale: f64) -> i64 {
        match self {
            Self::LineItem => OrderGenerator::calculate_row_count(scale, 1, 1) * LINES_PER_ORDER,
            Self::Orders => OrderGenerator::calculate_row_count(scale, 1, 1),
            Self::PartSupp => PartGenerator::calculate_row_count(scale, 1, 1) * SUPPLIERS_PER_PART,
            Self::Customer => CustomerGenerator::calculate_row_count(scale, 1, 1),
            Self::Part => PartGenerator::calculate_row_count(scale, 1, 1),
            Self::Supplier => SupplierGenerator::calculate_row_count(scale, 1, 1),
            Self::Nation => 25,
            Self::Region => 5,
        }
    }

    /// How many files it is written as. The facts come in several at every scale, as they would in life.
    pub(super) fn parts(self, scale: f64) -> i32 {
        let least = if matches!(self, Self::LineItem | Self::Orders) { 2 } else { 1 };
        let parts = (self.rows(scale) + ROWS_PER_FILE - 1) / ROWS_PER_FILE;
        i32::try_from(parts).unwrap_or(i32::MAX).max(least)
    }

    /// The rows of one part, counted from 1, in the order of the table's key.
    pub(super) fn batches(self, scale: f64, part: i32, parts: i32) -> Box<dyn RecordBatchIterator> {
        match self {
            Self::LineItem => Box::new(LineItemArrow::new(LineItemGenerator::new(scale, part, parts))),
            Self::Orders => Box::new(OrderArrow::new(OrderGenerator::new(scale, part, parts))),
            Self::PartSupp => Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, part, parts))),
            Self::Customer => Box::new(CustomerArrow::new(CustomerGenerator::new(scale, part, parts))),
            Self::Part => Box::new(PartArrow::new(PartGenerator::new(scale, part, parts))),
            Self::Supplier => Box::new(SupplierArrow::new(SupplierGenerator::new(scale, part, parts))),
            Self::Nation => Box::new(NationArrow::new(NationGenerator::new(scale, part, parts))),
            Self::Region => Box::new(RegionArrow::new(RegionGenerator::new(scale, part, parts))),
        }
    }
}
