//! What a change does: decisions before and after, and the policy tests that hold them.

use std::fmt;
use std::fs;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::case::{self, Case};
use super::probe::Probe;
use super::{Change, FileEdit};
use crate::mesh::Mesh;
use crate::policy::{Decision, Grant, Grantee, RowFilter};
use crate::principal::Purpose;
use crate::product::{Address, Name};

/// One question put to the mesh before and after.
#[derive(Debug)]
pub struct Asked {
    /// The dataset's address.
    pub address: String,
    /// What was decided, and what will be.
    pub before: Decision,
    /// What will be decided.
    pub after: Decision,
}

/// What a change does.
#[derive(Debug)]
pub struct Outcome {
    /// Who was asked for, in words.
    pub somebody: String,
    /// Each dataset of the target.
    pub asked: Vec<Asked>,
    /// The policy tests, if they change.
    pub tests: Option<FileEdit>,
    /// What its owner should know.
    pub notes: Vec<String>,
}

impl Change {
    /// What the change does, given the mesh as it would be.
    pub fn outcome(&self, before: &Mesh, after: &Mesh, now: DateTime<Utc>) -> Outcome {
        let directory = after.directory();
        let attributes = match &self.written {
            Some(written) => written.attributes.clone(),
            // What is taken back may have looked at any of them.
            None => directory.attribute_types().into_keys().map(|name| (name, None)).collect(),
        };
        let probe = Probe::of(&self.to, &attributes, directory);
        let mut notes = Vec::new();
        if self.written.is_some() && !probe.lacking.is_empty() {
            notes.push(format!(
                "nobody has the attribute `{}` yet: it has no claim, and governance/principals.toml entitles nobody to it",
                probe.lacking.join("`, `")
            ));
        }
        if matches!(self.to, Grantee::User(_)) {
            notes.push(format!("{} is asked for without any groups: what these may read comes on top", self.to));
        }
        let purpose = self.purpose_to_ask(after, &mut notes);
        let mut asked = Vec::new();
        let mut cases = Vec::new();
        let addresses = self.addresses(after);
        let several = addresses.len() > 1;
        for address in &addresses {
            let ask = |mesh: &Mesh, probe: &Probe, purpose: &Purpose, at| decide(mesh, probe, purpose, address, at);
            let shown = shown_address(address, several || address_has_siblings(after, address));
            let decision = ask(after, &probe, &purpose, now);
            if self.written.is_some() {
                if !matches!(decision, Decision::Permit(_)) && probe.lacking.is_empty() {
                    notes.push(format!(
                        "{} still cannot read `{shown}`: a forbid or a ceiling of the platform goes before the grant",
                        self.to
                    ));
                }
                if let Decision::Permit(grant) = &decision {
                    notes.extend(self.ineffective_masks(grant));
                }
                let name = self.case_name(&shown);
                let case = |name: String, probe: &Probe, purpose: &Purpose, at, decision| Case {
                    name,
                    probe: probe.clone(),
                    purpose: Some(purpose.as_str().to_owned()).filter(|purpose| !purpose.is_empty()),
                    product: shown.clone(),
                    at,
                    decision,
                };
                let at = self.until.map(|end| end - TimeDelta::seconds(1));
                cases.push(case(name.clone(), &probe, &purpose, at, decision.clone()));
                if self.purpose.is_some() {
                    let without = ask(after, &probe, &Purpose::default(), at.unwrap_or(now));
                    if !matches!(without, Decision::Permit(_)) {
                        let name = format!("{name}, no purpose stated");
                        cases.push(case(name, &probe, &Purpose::default(), at, without));
                    }
                }
                if let Some(end) = self.until {
                    let ended = ask(after, &probe, &purpose, end);
                    cases.push(case(format!("{name}, ended"), &probe, &purpose, Some(end), ended));
                }
                let stranger = Probe::stranger();
                let hidden = ask(after, &stranger, &purpose, now);
                if matches!(hidden, Decision::Hidden) && stranger.principal(directory).is_some() {
                    cases.push(case(format!("{name}, a stranger"), &stranger, &purpose, at, hidden));
                }
            }
            asked.push(Asked { address: shown, before: ask(before, &probe, &purpose, now), after: decision });
        }
        let tests = self.tests(&cases, &mut notes);
        Outcome { somebody: somebody(&self.to, &probe, &purpose), asked, tests, notes }
    }

    /// Columns that other policies show otherwise than under the mask asked for.
    fn ineffective_masks(&self, grant: &Grant) -> Vec<String> {
        let masks = self.written.iter().flat_map(|written| &written.masks);
        let differing = masks.filter_map(|(name, wanted)| {
            let (_, shown) = grant.contract_columns().find(|(column, _)| column.name == *name)?;
            let shown = match shown {
                Some(shown) if shown == *wanted => return None,
                Some(shown) => format!("under the mask `{shown}`"),
                None => "as it is".to_owned(),
            };
            Some(format!("`{name}` is shown {shown}, not under `{wanted}`: other policies of the group go before"))
        });
        differing.collect()
    }

    /// The purpose that was granted for, else that of a grant taken back, else one that the product asks for.
    fn purpose_to_ask(&self, mesh: &Mesh, notes: &mut Vec<String>) -> Purpose {
        if let Some(purpose) = &self.purpose {
            return purpose.clone();
        }
        let of_key = |key: &String| Purpose::parse(key.rsplit_once('@')?.1).ok();
        if let (None, Some(purpose)) = (&self.written, self.removed.iter().find_map(of_key)) {
            return purpose;
        }
        let domain = mesh.domains().get(&self.domain);
        let products = domain.into_iter().flat_map(|domain| &domain.products);
        let asked = products.filter(|product| product.id == self.target.product && product.is_served());
        let Some(purposes) = asked.map(|product| &product.purposes).find(|purposes| !purposes.is_empty()) else {
            return Purpose::default();
        };
        let listed: Vec<&str> = purposes.iter().map(String::as_str).collect();
        notes.push(format!("`{}` asks its readers for a purpose: {}", self.target.product, listed.join(" or ")));
        purposes.iter().find_map(|purpose| Purpose::parse(purpose).ok()).unwrap_or_default()
    }

    /// The datasets of the target in the version that answers.
    fn addresses(&self, mesh: &Mesh) -> Vec<Address> {
        let address = |part: Option<&Name>| Address {
            domain: self.target.product.domain.clone(),
            name: self.target.product.name.clone(),
            version: None,
            part: part.cloned(),
        };
        if let Some(dataset) = &self.target.dataset {
            return vec![address(Some(dataset))];
        }
        let domain = mesh.domains().get(&self.domain);
        let products = domain.into_iter().flat_map(|domain| &domain.products);
        let versions = products.filter(|product| product.id == self.target.product && product.is_served());
        let names = versions.flat_map(|product| product.datasets.iter().map(|dataset| &dataset.name));
        let mut addresses: Vec<Address> = Vec::new();
        for name in names {
            let found = address(Some(name));
            if mesh.resolve(&found).is_some() && !addresses.contains(&found) {
                addresses.push(found);
            }
        }
        addresses
    }

    fn case_name(&self, address: &str) -> String {
        match &self.purpose {
            Some(purpose) => format!("{} read {address} for {}", self.to, purpose.as_str()),
            None => format!("{} read {address}", self.to),
        }
    }

    /// The tests file with the cases of this change in it, and those of the grants it takes out no more.
    fn tests(&self, cases: &[Case], notes: &mut Vec<String>) -> Option<FileEdit> {
        let file = self.folder.join("tests").join(format!("grants_{}.yaml", self.target.product.name));
        let before = fs::read_to_string(&file).ok();
        let is_removed = |key: &str| self.removed.iter().any(|removed| removed == key);
        let kept = before.as_deref().and_then(|text| case::without(text, is_removed));
        let after = match &self.written {
            None => kept,
            Some(written) => {
                let added = case::added(kept.as_deref(), cases, &written.key);
                if added.is_none() {
                    let listed: String = cases.iter().map(|case| case.yaml(&written.key, 2)).collect();
                    notes.push(format!(
                        "`{}` is not written as a plain list: add these tests yourself\n{listed}",
                        file.display()
                    ));
                }
                added.or(kept)
            }
        };
        (before != after).then_some(FileEdit { file, before, after })
    }
}

fn decide(mesh: &Mesh, probe: &Probe, purpose: &Purpose, address: &Address, at: DateTime<Utc>) -> Decision {
    let (Some(principal), Some((product, dataset))) = (probe.principal(mesh.directory()), mesh.resolve(address)) else {
        return Decision::Hidden;
    };
    mesh.policies().decide(&principal, purpose, &product, &dataset, at)
}

fn address_has_siblings(mesh: &Mesh, address: &Address) -> bool {
    mesh.resolve(address).is_some_and(|(product, _)| product.datasets.len() > 1)
}

fn shown_address(address: &Address, with_part: bool) -> String {
    if with_part { address.to_string() } else { Address { part: None, ..address.clone() }.to_string() }
}

fn somebody(to: &Grantee, probe: &Probe, purpose: &Purpose) -> String {
    let mut text = match to {
        Grantee::Group(group) => format!("somebody in {group}"),
        Grantee::User(user) => user.clone(),
    };
    if !probe.claims.is_empty() {
        let claims: Vec<String> = probe.claims.iter().map(|(claim, value)| format!("{claim} = {value}")).collect();
        text.push_str(&format!(" with {}", claims.join(", ")));
    }
    if !purpose.as_str().is_empty() {
        text.push_str(&format!(", for the purpose {}", purpose.as_str()));
    }
    text
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for asked in &self.asked {
            writeln!(f, "{} · {}", asked.address, self.somebody)?;
            write_decision(f, "before", &asked.before)?;
            write_decision(f, "after", &asked.after)?;
        }
        Ok(())
    }
}

fn write_decision(f: &mut fmt::Formatter<'_>, when: &str, decision: &Decision) -> fmt::Result {
    match decision {
        Decision::Hidden => writeln!(f, "  {when:<8}hidden: it does not exist for them"),
        Decision::Discoverable => writeln!(f, "  {when:<8}listed, not readable"),
        Decision::PurposeNeeded(purposes) => {
            let purposes: Vec<&str> = purposes.iter().map(Purpose::as_str).collect();
            writeln!(f, "  {when:<8}readable for the purpose {}", purposes.join(" or "))
        }
        Decision::Permit(grant) => write_grant(f, when, grant),
    }
}

fn write_grant(f: &mut fmt::Formatter<'_>, when: &str, grant: &Grant) -> fmt::Result {
    let rows = match grant.rows() {
        RowFilter::All => "all rows".to_owned(),
        rows => format!("rows where {rows}"),
    };
    writeln!(f, "  {when:<8}{rows}")?;
    let mut line = |what: &str, listed: Vec<String>| match listed[..] {
        [] => Ok(()),
        _ => writeln!(f, "          {what:<8}{}", listed.join(", ")),
    };
    let shown = |mask: bool| grant.contract_columns().filter(move |(_, found)| found.is_some() == mask);
    line("raw", shown(false).map(|(column, _)| column.name.clone()).collect())?;
    let masked = shown(true).filter_map(|(column, mask)| Some(format!("{} ({})", column.name, mask?)));
    line("masked", masked.collect())?;
    let absent = grant
        .dataset()
        .columns
        .iter()
        .filter(|column| !grant.contract_columns().any(|(shown, _)| shown.name == column.name));
    line("absent", absent.map(|column| column.name.clone()).collect())?;
    let until = grant.valid_until().map(|end| end.to_rfc3339_opts(SecondsFormat::Secs, true));
    line("until", until.into_iter().collect())
}
