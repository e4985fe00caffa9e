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
use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use self::fields::Fields;
use super::bundle::TextFile;
use super::domain::Domain;
use crate::authn::{Role, names_a_group, names_a_subject};
use crate::fault::Fault;
use crate::principal::Purpose;
use crate::product::odcs::{Faults, yaml};
use crate::product::{Address, Argument, Mask, NamedQuery};

/// What one principal should see of one product, or get of one named query.
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
    /// For what.
    pub subject: TestSubject,
    /// As of when; none for now, over the wire as well.
    pub at: Option<DateTime<Utc>>,
    /// What should come of it.
    pub expect: Expectation,
}

/// What a test asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestSubject {
    /// A dataset, by its product's address.
    Product(Address),
    /// A named query, with these arguments.
    Query(Address, Vec<(String, Argument)>),
}

impl TestSubject {
    /// The address of either.
    pub fn address(&self) -> &Address {
        match self {
            Self::Product(address) | Self::Query(address, _) => address,
        }
    }
}

/// `sales.orders`, or `marketing.get_cltv(customer_id)`: what the arguments are stands in the test.
impl fmt::Display for TestSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(address) => write!(f, "{address}"),
            Self::Query(address, arguments) => {
                let names: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();
                write!(f, "{address}({})", names.join(", "))
            }
        }
    }
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
    const KEYS: [&str; 8] = ["name", "principal", "purpose", "product", "query", "arguments", "at", "expect"];
    let fields = Fields::of(node, "a test", &KEYS, faults)?;
    let name = fields.required_text("name", faults);
    let principal = fields.required("principal", faults).and_then(|node| principal(node, faults));
    let purpose = fields.parsed("purpose", faults, |text| Purpose::parse(text).map_err(|error| error.to_string()));
    let subject = subject(&fields, faults);
    let at = fields.parsed("at", faults, |text| {
        let at = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
        at.map_err(|_| "a moment is written `2026-12-01T00:00:00Z`".to_owned())
    });
    let expect = fields.required("expect", faults).and_then(|node| expectation(node, faults));
    if let (Some(TestSubject::Query(..)), Some(Expectation::Granted { rows, masks, .. })) = (&subject, &expect)
        && (rows.is_some() || masks.is_some())
    {
        faults.add(fields.line("expect"), "`rows` and `masks` are of datasets: test those that the query reads");
        return None;
    }
    Some(PolicyTest {
        name: name?,
        file: file.file.clone(),
        line: node.line,
        principal: principal?,
        purpose: purpose?.unwrap_or_default(),
        subject: subject?,
        at: at?,
        expect: expect?,
    })
}

fn subject(fields: &Fields<'_>, faults: &mut Faults<'_>) -> Option<TestSubject> {
    let parse = |text: &str| Address::parse(text).map_err(|error| error.to_string());
    if fields.get("query").is_none() {
        if fields.get("arguments").is_some() {
            faults.add(fields.line("arguments"), "`arguments` go with a `query`");
            return None;
        }
        fields.required("product", faults)?;
        return fields.parsed("product", faults, parse)?.map(TestSubject::Product);
    }
    for other in ["product", "at"] {
        if fields.get(other).is_some() {
            faults.add(fields.line(other), format!("a `query` is asked by itself, as of now: leave out `{other}`"));
            return None;
        }
    }
    let address = fields.parsed("query", faults, parse)??;
    let arguments = match fields.get("arguments") {
        Some(node) => fields::arguments(node, faults)?,
        None => Vec::new(),
    };
    Some(TestSubject::Query(address, arguments))
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
        let address = test.subject.address();
        if address.domain != domain.name {
            let reason = format!("a test of `{}` may not speak of the domain `{}`", domain.name, address.domain);
            faults.push(fault(reason).hint("tests lie beside the policies that they test"));
            continue;
        }
        if let TestSubject::Query(_, arguments) = &test.subject {
            match domain.resolve_query(address) {
                Some((_, query)) => faults.extend(misfits(address, query, arguments).map(fault)),
                None => faults.push(fault(format!("the domain serves no query `{address}`"))),
            }
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

/// What keeps a query from being asked with these arguments.
fn misfits(address: &Address, query: &NamedQuery, arguments: &[(String, Argument)]) -> impl Iterator<Item = String> {
    let given = |name: &str| arguments.iter().find(|(given, _)| given == name).map(|(_, argument)| argument);
    let unknown = arguments.iter().filter(|(name, _)| query.parameters.iter().all(|known| known.name.as_str() != name));
    let unknown = unknown.map(|(name, _)| format!("`{address}` has no parameter `{name}`"));
    let unfit = query.parameters.iter().filter_map(|parameter| {
        let name = &parameter.name;
        match given(name.as_str()) {
            None if parameter.default.is_none() => Some(format!("`{address}` asks for `{name}`")),
            Some(argument) if parameter.data_type.fits(argument).is_err() => {
                Some(format!("`{name}` of `{address}` is a value of type {}", parameter.data_type))
            }
            _ => None,
        }
    });
    unknown.chain(unfit).collect::<Vec<_>>().into_iter()
}
