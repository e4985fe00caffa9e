//! `airside grant`: an owner permits a group or a user to read a product, in the policies' own language.

use std::error::Error;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;

use super::change::{self, MeshPlace};
use crate::mesh::Change;
use crate::policy::{GrantRequest, Grantee, Target};
use crate::principal::Purpose;
use crate::product::{Address, Mask, ProductId};

#[derive(Debug, Args)]
pub struct Grant {
    /// What is granted: `domain.product`, or `domain.product/dataset` for one dataset of several.
    product: String,
    /// Who gets it: a group, or one user as `user:NAME`.
    #[arg(long)]
    to: String,
    /// Which rows, over the product's columns: 'region == principal.region && amount < 1000'.
    #[arg(long)]
    rows: Option<String>,
    /// Only for this purpose.
    #[arg(long)]
    purpose: Option<String>,
    /// Only until the end of this day (UTC), or until this moment: 2027-12-31, 2027-12-31T18:00:00Z.
    #[arg(long)]
    until: Option<String>,
    /// Show this column as it is, though the contract masks it. May be given several times.
    #[arg(long, value_name = "COLUMN")]
    raw: Vec<String>,
    /// Show this column under this mask: null, redact, hmac, partial or year. May be given several times.
    #[arg(long, value_name = "COLUMN=MASK")]
    mask: Vec<String>,
    #[command(flatten)]
    place: MeshPlace,
    /// Say what would be written and decided, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Grant {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let request = GrantRequest {
            target: target(&self.product)?,
            to: grantee(&self.to)?,
            rows: self.rows,
            purpose: self.purpose.as_deref().map(Purpose::parse).transpose()?,
            until: self.until.as_deref().map(until).transpose()?,
            raw: self.raw,
            masks: self.mask.iter().map(|text| mask(text)).collect::<Result<_, _>>()?,
        };
        let now = Utc::now();
        change::make(&self.place, &request.target, self.dry_run, now, |mesh| Change::grant(mesh, &request, now))
    }
}

/// `sales.orders`, `sales.orders/lines`; policies speak of all versions at once.
pub fn target(text: &str) -> Result<Target, Box<dyn Error>> {
    let address = Address::parse(text).map_err(|error| format!("`{text}` is no product: {error}"))?;
    if address.version.is_some() {
        return Err(
            format!("`{text}` names a version, and policies hold for all of them: leave out what follows `@`").into()
        );
    }
    Ok(Target { product: ProductId { domain: address.domain, name: address.name }, dataset: address.part })
}

/// `analysts`, `user:ada`.
pub fn grantee(text: &str) -> Result<Grantee, String> {
    Grantee::parse(text).ok_or_else(|| {
        format!("`{text}` is neither a group (letters, digits, `_`, `-` and `.`) nor a user, `user:NAME`")
    })
}

/// The moment a grant ends: that of the text, or the end of the day it names.
fn until(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let end = day
        .and_then(|day| day.checked_add_signed(TimeDelta::days(1)))
        .map(|day| day.and_time(NaiveTime::MIN).and_utc());
    end.ok_or_else(|| format!("`{text}` is no date: write 2027-12-31, or 2027-12-31T18:00:00Z"))
}

fn mask(text: &str) -> Result<(String, Mask), String> {
    let (column, mask) = text.split_once('=').ok_or_else(|| format!("`{text}` names no mask: write COLUMN=MASK"))?;
    Ok((column.to_owned(), mask.parse::<Mask>().map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_its_end() {
        let at = |text: &str| until(text).map(|moment| moment.to_rfc3339());
        assert_eq!(at("2026-12-31").unwrap(), "2027-01-01T00:00:00+00:00");
        assert_eq!(at("2026-12-31T18:00:00+02:00").unwrap(), "2026-12-31T16:00:00+00:00");
        for bad in ["", "tomorrow", "31.12.2026", "2026-02-30", "2026-12-31T18:00:00"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn targets_have_no_version() {
        assert_eq!(target("sales.orders/lines").unwrap().to_string(), "sales.orders/lines");
        for bad in ["orders", "sales.orders@2", "sales", "Sales.orders", "sales.orders/"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
