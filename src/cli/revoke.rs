//! `airside revoke`: an owner takes back what `airside grant` gave.

use std::error::Error;

use chrono::Utc;
use clap::Args;

use super::change::{self, MeshPlace};
use super::grant::{grantee, target};
use crate::mesh::Change;
use crate::principal::Purpose;

#[derive(Debug, Args)]
pub struct Revoke {
    /// What was granted: `domain.product`, all its datasets included, or `domain.product/dataset`.
    product: String,
    /// Who loses it: a group, or one user as `user:NAME`.
    #[arg(long)]
    from: String,
    /// Only the grant for this purpose; all of them otherwise.
    #[arg(long)]
    purpose: Option<String>,
    /// Take the grant back even though other policies still permit the same.
    #[arg(long)]
    anyway: bool,
    #[command(flatten)]
    place: MeshPlace,
    /// Say what would be written and decided, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Revoke {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (target, from) = (target(&self.product)?, grantee(&self.from)?);
        let purpose = self.purpose.as_deref().map(Purpose::parse).transpose()?;
        change::make(&self.place, &target, self.dry_run, Utc::now(), |mesh| {
            Change::revoke(mesh, &target, &from, purpose.as_ref(), self.anyway)
        })
    }
}
