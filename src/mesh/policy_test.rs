//! Policy tests: what a domain says of who sees what, beside the policies that make it so.
//!
//! ```yaml
//! tests:
//!   - name: analysts of EMEA see their region, clerk masked
//!     principal: {user: ada, groups: [analysts], claims: {region: EMEA}}
//!     product: sales.orders
//!     expect:
//!       rows: region == "EMEA"
//!       masks: {o_clerk: hmac}
//! ```
//!
//! Read as strictly as contracts: a misspelt key would leave something untested, and nobody would notice. Whether
//! a test passes is another matter, and keeps no mesh from being served.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use self::fields::Fields;
use super::bundle::TextFile;
use super::domain::Domain;
use crate::authn::{Role, names_a_group, names_a_subject};
use crate::fault::Fault;
use crate::principal::Purpose;
use crate::product::odcs::{Faults, yaml};
use crate::product::{Address, Mask};

/// What one principal should see of one product.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyTest {
    /// Its name, unique in its file.
    pub name: String,
    /// The file it stands in, as the mesh was read.
    pub file: PathBuf,
    /// The line it begins on.
    pub line: u32,
    /// Who asks.
    pub principal: TestPrincipal,
    /// For which purpose.
    pub purpose: Purpose,
    /// For which product.
    pub product: Address,
    /// As of when; none for now, over the wire as well.
    pub at: Option<DateTime<Utc>>,
    /// What should come of it.
    pub expect: Expectation,
}

/// Who asks in a test: made a principal as sign-in would, without the users file.
#[derive(Debug, Clone, PartialEq)]
pub struct TestPrincipal {
    /// The user's name.
    pub user: String,
    /// Direct groups and claims.
    pub role: Role,
}

/// What should come of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing may be read.
    Denied(Denial),
    /// Something may be read; what is not said is not tested.
    Granted {
        /// The row filter, as `airside explain` prints it.
        rows: Option<String>,
        /// How many rows there are.
        count: Option<u64>,
        /// Exactly these columns, in this order.
        columns: Option<Vec<String>>,
        /// Exactly these are masked.
        masks: Option<BTreeMap<String, Mask>>,
    },
}

/// How something is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It does not exist for the principal.
    Hidden,
    /// It may be known of, not read.
    Unreadable,
    /// It asks for another purpose.
    Purpose,
}

impl Denial {
    /// The word of test files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Unreadable => "unreadable",
            Self::Purpose => "purpose",
        }
    }
}

/// Reads a domain's test files. What cannot be read becomes faults.
pub(super) fn read(files: &[TextFile], faults: &mut Vec<Fault>) -> Vec<PolicyTest> {
    let mut tests = Vec::new();
    for file in files {
        let mut found = Faults::of(&file.file);
        if let Some(node) = yaml::read(&file.text, &mut found) {
            read_file(file, &node, &mut found, &mut tests);
        }
        faults.extend(found.into_sorted());
    }
    tests
}

fn read_file(file: &TextFile, node: &yaml::Node, faults: &mut Faults<'_>, tests: &mut Vec<PolicyTest>) {
    let Some(top) = Fields::of(node, "the file", &["tests"], faults) else { return };
    let Some(listed) = top.list("tests", faults) else {
        if top.get("tests").is_none() {
            faults.advise(node.line, "the file has no `tests`", "write `tests:` and below it a list");
        }
        return;
    };
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for item in listed {
        let Some(test) = test(file, item, faults) else { continue };
        if let Some(first) = names.insert(test.name.clone(), test.line) {
            let reason = format!("the name `{}` is taken by the test at line {first}", test.name);
            faults.advise(test.line, reason, "say what tells the two apart");
        }
        tests.push(test);
    }
}

fn test(file: &TextFile, node: &yaml::Node, faults: &mut Faults<'_>) -> Option<PolicyTest> {
    const KEYS: [&str; 6] = ["name", "principal", "purpose", "product", "at", "expect"];
    let fields = Fields::of(node, "a test", &KEYS, faults)?;
    let name = fields.required_text("name", faults);
    let principal = fields.required("principal", faults).and_then(|node| principal(node, faults));
    let purpose = fields.parsed("purpose", faults, |text| Purpose::parse(text).map_err(|error| error.to_string()));
    let product = fields.required("product", faults);
    let product = product.and_then(|_| {
        fields.parsed("product", faults, |text| Address::parse(text).map_err(|error| error.to_string()))?
    });
    let at = fields.parsed("at", faults, |text| {
        let at = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
        at.map_err(|_| "a moment is written `2026-12-01T00:00:00Z`".to_owned())
    });
    let expect = fields.required("expect", faults).and_then(|node| expectation(node, faults));
    Some(PolicyTest {
        name: name?,
        file: file.file.clone(),
        line: node.line,
        principal: principal?,
        purpose: purpose?.unwrap_or_default(),
        product: product?,
        at: at?,
        expect: expect?,
    })
}

fn principal(node: &yaml::Node, faults: &mut Faults<'_>) -> Option<TestPrincipal> {
    let fields = Fields::of(node, "`principal`", &["user", "groups", "claims"], faults)?;
    let user = fields.required_text("user", faults)?;
    if !names_a_subject(&user) {
        faults.add(fields.line("user"), format!("`{}` is no name of a user", user.escape_debug()));
        return None;
    }
    let mut groups = BTreeSet::new();
    for (group, line) in fields.texts("groups", faults)?.unwrap_or_default() {
        if !names_a_group(&group) {
            faults.add(line, format!("`{}` is no name of a group", group.escape_debug()));
            return None;
        }
        groups.insert(group);
    }
    let claims = match fields.get("claims") {
        Some(node) => fields::claims(node, faults)?,
        None => serde_json::Map::new(),
    };
    Some(TestPrincipal { user, role: Role { groups, claims } })
}

fn expectation(node: &yaml::Node, faults: &mut Faults<'_>) -> Option<Expectation> {
    const KEYS: [&str; 5] = ["rows", "count", "columns", "masks", "denied"];
    let fields = Fields::of(node, "`expect`", &KEYS, faults)?;
    if fields.is_empty() {
        let hint = "write `denied`, or some of `rows`, `count`, `columns` and `masks`";
        faults.advise(node.line, "the test expects nothing", hint);
        return None;
    }
    if fields.get("denied").is_some() {
        if fields.len() > 1 {
            faults.add(fields.line("denied"), "what is denied has neither rows nor columns: `denied` stands alone");
            return None;
        }
        let denial = fields.parsed("denied", faults, |text| match text {
            "hidden" => Ok(Denial::Hidden),
            "unreadable" => Ok(Denial::Unreadable),
            "purpose" => Ok(Denial::Purpose),
            other => Err(format!("`{other}` is no way to deny: the ways are `hidden`, `unreadable` and `purpose`")),
        });
        return denial?.map(Expectation::Denied);
    }
    let rows = fields.text("rows", faults)?;
    let count = fields
        .parsed("count", faults, |text| text.parse::<u64>().map_err(|_| format!("`{text}` is no number of rows")))?;
    let columns = fields.texts("columns", faults)?;
    let masks = match fields.get("masks") {
        Some(node) => Some(fields::masks(node, faults)?),
        None => None,
    };
    let columns = columns.map(|columns| columns.into_iter().map(|(column, _)| column).collect());
    Some(Expectation::Granted { rows: rows.map(|rows| rows.trim().to_owned()), count, columns, masks })
}

/// Holds a domain's tests against its contracts: a test of nothing would pass for ever.
pub(super) fn check(domain: &Domain, faults: &mut Vec<Fault>) {
    for test in &domain.tests {
        let fault = |reason: String| Fault::new(&test.file, reason).at(test.line);
        let address = &test.product;
        if address.domain != domain.name {
            let reason = format!("a test of `{}` may not speak of the domain `{}`", domain.name, address.domain);
            faults.push(fault(reason).hint("tests lie beside the policies that they test"));
            continue;
        }
        let Some((_, dataset)) = domain.resolve(address) else {
            faults.push(fault(format!("the domain serves no product `{address}`")));
            continue;
        };
        let Expectation::Granted { columns, masks, .. } = &test.expect else { continue };
        let named = columns.iter().flatten().chain(masks.iter().flat_map(BTreeMap::keys));
        let unknown: BTreeSet<&String> = named.filter(|name| dataset.column(name).is_none()).collect();
        faults.extend(unknown.into_iter().map(|name| fault(format!("`{address}` has no column `{name}`"))));
    }
}
