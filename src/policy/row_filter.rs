//! Which rows a grant shows: a small tree with its own meaning, free of Cedar and DataFusion.
//!
//! Meaning: three-valued logic, as in SQL. A row is shown only where the filter is TRUE; a comparison
//! with NULL is unknown and so hides the row. `query` lowers the tree to an expression over the raw
//! columns, without casts of columns, so that Parquet pruning works.

mod display;

/// A condition on one row. `Display` writes it as a policy would, without `resource.row.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RowFilter {
    /// Every row.
    All,
    /// No row.
    Nothing,
    /// All of them hold.
    And(Vec<RowFilter>),
    /// At least one holds.
    Or(Vec<RowFilter>),
    /// A column against a literal.
    Compare {
        /// The column's name for consumers.
        column: String,
        /// The operator, the column on its left.
        op: Comparison,
        /// The literal on its right.
        value: Literal,
    },
    /// One column against another of the same type.
    CompareColumns {
        /// The left column.
        left: String,
        /// The operator.
        op: Comparison,
        /// The right column.
        right: String,
    },
    /// The column's value is one of these; an empty list holds for no row.
    In {
        /// The column.
        column: String,
        /// The values.
        values: Vec<Literal>,
        /// `NOT IN`.
        negated: bool,
    },
    /// A string column against a pattern.
    Like {
        /// The column.
        column: String,
        /// The pattern's elements.
        pattern: Vec<PatternElement>,
        /// `NOT LIKE`.
        negated: bool,
    },
    /// A boolean column's value.
    Flag {
        /// The column.
        column: String,
        /// The value it must have.
        value: bool,
    },
    /// Whether the column has a value.
    Present {
        /// The column.
        column: String,
        /// True for `IS NOT NULL`, false for `IS NULL`.
        present: bool,
    },
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator that holds exactly where this one does not (and neither holds of NULL).
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The operator that says the same with its operands exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// A literal of a policy, or a principal's attribute that took its place. Lowering scales it exactly to the
/// column's type: floor or ceiling as the operator needs, never rounding into another answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Literal {
    /// Cedar `String`.
    Text(String),
    /// Cedar `Long`.
    Number(i64),
    /// Cedar `Bool`.
    Flag(bool),
    /// Cedar `decimal`: the value times 10 000.
    Decimal(i64),
    /// Cedar `datetime`: milliseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
}

/// An element of a LIKE pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternElement {
    /// Exactly this character.
    Char(char),
    /// Any run of characters, the empty one too.
    Any,
}

impl RowFilter {
    /// All of `parts` hold; flattened, with [`Self::All`] and [`Self::Nothing`] folded away.
    pub fn all_of(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::All => {}
                Self::Nothing => return Self::Nothing,
                Self::And(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Self::All,
            1 => kept.swap_remove(0),
            _ => Self::And(kept),
        }
    }

    /// At least one of `parts` holds; flattened, with [`Self::All`] and [`Self::Nothing`] folded away.
    pub fn any_of(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Nothing => {}
                Self::All => return Self::All,
                Self::Or(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Self::Nothing,
            1 => kept.swap_remove(0),
            _ => Self::Or(kept),
        }
    }

    /// Every column the filter looks at.
    pub fn columns(&self) -> std::collections::BTreeSet<&str> {
        let mut found = std::collections::BTreeSet::new();
        self.collect_columns(&mut found);
        found
    }

    fn collect_columns<'a>(&'a self, found: &mut std::collections::BTreeSet<&'a str>) {
        match self {
            Self::All | Self::Nothing => {}
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.collect_columns(found)),
            Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::Like { column, .. }
            | Self::Flag { column, .. }
            | Self::Present { column, .. } => {
                found.insert(column);
            }
            Self::CompareColumns { left, right, .. } => {
                found.insert(left);
                found.insert(right);
            }
        }
    }
}
