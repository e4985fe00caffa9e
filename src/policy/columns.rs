//! How the answers about one column combine.
//!
//! ```text
//! shown        if readRaw, or readColumn, or readMasked is permitted
//! raw          if readRaw is permitted
//! else masked  by the strictest of the default mask and of every permit of readMasked
//! else as is
//! ```
//!
//! INVARIANT: a forbid or a ceiling never shows more. So a permit of `readMasked` is two things: it shows
//! the column, and it bounds how; taking it away takes the showing and leaves the bound. Likewise the
//! default mask bounds a column whose `readColumn` was permitted and taken away.

use std::collections::BTreeSet;

use crate::product::{Column, Mask};

/// What the policies say of a column. The default shows nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnAccess {
    /// `readColumn` is permitted.
    pub(super) read: bool,
    /// `readMasked` is permitted.
    pub(super) masked: bool,
    /// `readRaw` is permitted.
    pub(super) raw: bool,
    /// `readColumn` is forbidden, or a ceiling took it away.
    pub(super) withheld: bool,
    /// The masks of all permits of `readMasked`.
    pub(super) masks: Vec<Mask>,
    /// Ids of the policies that said so.
    pub(super) policies: BTreeSet<String>,
}

impl ColumnAccess {
    /// None: the column is absent. Else the mask it is shown under, none for raw.
    pub(super) fn mask_of(&self, column: &Column) -> Option<Option<Mask>> {
        if self.raw {
            return Some(None);
        }
        if !self.read && !self.masked {
            return None;
        }
        let default = if self.read || self.withheld { column.mask_default } else { None };
        // Masks are in order of strength, the strictest first.
        let mask = self.masks.iter().copied().chain(default).min();
        // Masks are checked at load; had one slipped through, nothing is shown rather than something odd.
        match mask {
            Some(mask) => Some(Some(if mask.accepts(&column.data_type) { mask } else { Mask::Null })),
            None => self.read.then_some(None),
        }
    }
}
