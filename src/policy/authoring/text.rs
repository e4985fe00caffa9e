//! The Cedar text of a grant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};

use super::super::schema::{DomainShape, RowShape};
use super::super::statement::near;
use super::super::vocabulary::{dataset_id, dataset_type};
use super::AuthoringError;
use super::block::sealed;
use super::condition::Condition;
use super::read::{Vocabulary, read};
use super::request::{GrantRequest, Target};
use crate::principal::AttributeType;
use crate::product::{Column, Mask, Name, Product};

/// A grant in Cedar.
#[derive(Debug, Clone)]
pub struct Written {
    /// What the ids of its policies begin with.
    pub key: String,
    /// The policies under their comment, ready to stand in a file.
    pub text: String,
    /// What it permits, in a few words.
    pub summary: String,
    /// The attributes of the principal that its row condition looks at, each with a value worth testing with.
    pub attributes: BTreeMap<String, Option<String>>,
    /// The masks it shows columns under.
    pub masks: Vec<(String, Mask)>,
}

/// Writes a grant. `products` are the domain's, every version; `attributes` those that principals may have; `now`
/// the day it is dated with.
///
/// # Errors
/// [`AuthoringError`] when the request names what does not exist or contradicts itself.
pub fn write(
    request: &GrantRequest,
    products: &[Arc<Product>],
    attributes: &BTreeMap<String, AttributeType>,
    now: DateTime<Utc>,
) -> Result<Written, AuthoringError> {
    let shape = DomainShape::of(products);
    let datasets = datasets(&request.target, products)?;
    check_purpose(request, products)?;
    if request.until.is_some_and(|until| until <= now) {
        return Err(AuthoringError::request(
            "`--until` lies in the past",
            "name a day from today on, such as 2027-12-31",
        ));
    }
    let rows = rows(request, &datasets, &shape, attributes)?;
    let columns = Columns::of(request, &datasets, products)?;

    let scope = match &request.target.dataset {
        None => format!("resource in Product::\"{}\"", request.target.product),
        Some(dataset) => {
            let domain = &request.target.product.domain;
            format!("resource in {}::\"{}\"", dataset_type(domain, dataset), dataset_id(domain, dataset))
        }
    };
    let key = request.key();
    let common = common_conditions(request);
    let mut policies = Policies { key: &key, to: request.to.scope(), common: &common, text: String::new() };

    let whole = rows.is_none() && columns.unread.is_empty();
    if whole {
        policies.add("read", "action in Action::\"read\"", &scope, &[], None);
    } else if columns.unread.is_empty() {
        let actions = "action in [Action::\"discover\", Action::\"readColumn\"]";
        policies.add("columns", actions, &scope, &[], None);
    } else {
        policies.add("discover", "action == Action::\"discover\"", &scope, &[], None);
        let others = format!("!{}", one_of(&columns.unread));
        policies.add("columns", "action == Action::\"readColumn\"", &scope, &[others], None);
    }
    if !whole {
        let query = "action == Action::\"query\"";
        match &rows {
            None => policies.add("rows", query, &scope, &[], None),
            Some((dataset, condition)) => {
                let scope = format!("resource is {}", dataset_type(&request.target.product.domain, dataset));
                policies.add("rows", query, &scope, &condition.cedar(), None);
            }
        }
    }
    if !request.raw.is_empty() {
        let named = one_of(&request.raw.iter().cloned().collect());
        policies.add("raw", "action == Action::\"readRaw\"", &scope, &[named], None);
    }
    for (mask, columns) in &columns.masked {
        let part = format!("mask_{mask}");
        policies.add(&part, "action == Action::\"readMasked\"", &scope, &[one_of(columns)], Some(*mask));
    }

    let summary = summary(request);
    let comment = format!(
        "{summary}.\nGranted on {} with `airside grant`; `airside revoke` takes it back.",
        now.format("%Y-%m-%d")
    );
    Ok(Written {
        text: sealed(&comment, &policies.text),
        key,
        summary,
        attributes: rows.map(|(_, condition)| condition.attributes()).unwrap_or_default(),
        masks: request.masks.clone(),
    })
}

/// The datasets of a target, over all versions of its product.
fn datasets(target: &Target, products: &[Arc<Product>]) -> Result<BTreeSet<Name>, AuthoringError> {
    let versions: Vec<_> = products.iter().filter(|product| product.id == target.product).collect();
    if versions.is_empty() {
        let names: BTreeSet<&str> = products.iter().map(|product| product.id.name.as_str()).collect();
        let domain = &target.product.domain;
        let hint = match near(target.product.name.as_str(), names.iter().copied()).as_slice() {
            [] => format!("its products are {}", quoted(names.iter().map(|name| format!("{domain}.{name}")))),
            near => format!("did you mean {}?", quoted(near.iter().map(|name| format!("{domain}.{name}")))),
        };
        return Err(AuthoringError::request(
            format!("the domain `{domain}` has no product `{}`", target.product),
            hint,
        ));
    }
    let all: BTreeSet<Name> =
        versions.iter().flat_map(|product| product.datasets.iter().map(|dataset| dataset.name.clone())).collect();
    match &target.dataset {
        None => Ok(all),
        Some(dataset) if all.contains(dataset) => Ok(BTreeSet::from([dataset.clone()])),
        Some(dataset) => Err(AuthoringError::request(
            format!("`{}` has no dataset `{dataset}`", target.product),
            format!("its datasets are {}", quoted(all.iter().map(|name| format!("{}/{name}", target.product)))),
        )),
    }
}

/// A product that asks for a purpose is not opened by a grant for another.
fn check_purpose(request: &GrantRequest, products: &[Arc<Product>]) -> Result<(), AuthoringError> {
    let Some(purpose) = &request.purpose else { return Ok(()) };
    if purpose.as_str().is_empty() {
        return Err(AuthoringError::request("the purpose is empty", "leave `--purpose` out to grant for any purpose"));
    }
    let versions = products.iter().filter(|product| product.id == request.target.product);
    let mut refusing = versions.filter(|product| product.is_served() && !product.accepts(purpose.as_str()));
    match refusing.next() {
        None => Ok(()),
        Some(product) => Err(AuthoringError::request(
            format!(
                "`{}` is not read for the purpose `{}`, so the grant would open nothing",
                product.id,
                purpose.as_str()
            ),
            format!("its contract accepts {}", quoted(&product.purposes)),
        )),
    }
}

/// The row condition, with the one dataset it is about.
fn rows(
    request: &GrantRequest,
    datasets: &BTreeSet<Name>,
    shape: &DomainShape,
    attributes: &BTreeMap<String, AttributeType>,
) -> Result<Option<(Name, Condition)>, AuthoringError> {
    let Some(text) = &request.rows else { return Ok(None) };
    let mut several = datasets.iter();
    let (Some(dataset), None) = (several.next(), several.next()) else {
        return Err(AuthoringError::request(
            format!("`{}` has several datasets, and a row condition is about one", request.target),
            format!("name one: {}", quoted(datasets.iter().map(|name| format!("{}/{name}", request.target.product)))),
        ));
    };
    let nothing = RowShape::default();
    let row = shape.datasets.get(dataset).unwrap_or(&nothing);
    let condition = read(text, &Vocabulary { row, attributes })?;
    Ok(Some((dataset.clone(), condition)))
}

/// The columns that a grant speaks of.
struct Columns {
    /// By the mask they are shown under.
    masked: BTreeMap<Mask, BTreeSet<String>>,
    /// Those whose default mask is stricter than the one granted: `readColumn` would bring it in again.
    unread: BTreeSet<String>,
}

impl Columns {
    fn of(
        request: &GrantRequest,
        datasets: &BTreeSet<Name>,
        products: &[Arc<Product>],
    ) -> Result<Self, AuthoringError> {
        let versions = products.iter().filter(|product| product.id == request.target.product);
        let all: Vec<&Column> = versions
            .flat_map(|product| &product.datasets)
            .filter(|dataset| datasets.contains(&dataset.name))
            .flat_map(|dataset| &dataset.columns)
            .collect();
        let find = |name: &str| -> Result<Vec<&Column>, AuthoringError> {
            let found: Vec<&Column> = all.iter().filter(|column| column.name == name).copied().collect();
            if !found.is_empty() {
                return Ok(found);
            }
            let names: BTreeSet<&str> = all.iter().map(|column| column.name.as_str()).collect();
            let hint = match near(name, names.iter().copied()).as_slice() {
                [] => format!("its columns are {}", quoted(&names)),
                near => format!("did you mean {}?", quoted(near)),
            };
            Err(AuthoringError::Column { reason: format!("`{}` has no column `{name}`", request.target), hint })
        };
        let mut columns = Self { masked: BTreeMap::new(), unread: BTreeSet::new() };
        for name in &request.raw {
            find(name)?;
        }
        for (name, mask) in &request.masks {
            for column in find(name)? {
                if !mask.accepts(&column.data_type) {
                    let fitting = Mask::ALL.iter().filter(|mask| mask.accepts(&column.data_type));
                    return Err(AuthoringError::Column {
                        reason: format!("the mask `{mask}` is not defined on `{name}` of type {}", column.data_type),
                        hint: format!("its masks are {}", quoted(fitting.map(ToString::to_string))),
                    });
                }
                if column.mask_default.is_some_and(|default| default < *mask) {
                    columns.unread.insert(name.clone());
                }
            }
            if request.raw.contains(name) {
                return Err(AuthoringError::Column {
                    reason: format!("`{name}` cannot be both raw and masked"),
                    hint: "keep one of `--raw` and `--mask`".into(),
                });
            }
            let taken = columns.masked.iter().find(|(other, names)| *other != mask && names.contains(name));
            if let Some((other, _)) = taken {
                return Err(AuthoringError::Column {
                    reason: format!("`{name}` cannot have the masks `{other}` and `{mask}`"),
                    hint: "keep one of them".into(),
                });
            }
            columns.masked.entry(*mask).or_default().insert(name.clone());
        }
        Ok(columns)
    }
}

/// What every policy of the grant asks for.
fn common_conditions(request: &GrantRequest) -> Vec<String> {
    let purpose = request.purpose.as_ref().map(|purpose| format!("context.purpose == \"{}\"", purpose.as_str()));
    let until = request.until.map(|until| format!("context.now < datetime(\"{}\")", cedar_moment(until)));
    purpose.into_iter().chain(until).collect()
}

fn cedar_moment(moment: DateTime<Utc>) -> String {
    if moment.time() == NaiveTime::MIN {
        return moment.format("%Y-%m-%d").to_string();
    }
    let precision = if moment.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    moment.to_rfc3339_opts(precision, true)
}

/// The last day, or the moment, as a person says it.
fn human_moment(moment: DateTime<Utc>) -> String {
    if moment.time() == NaiveTime::MIN {
        return format!("{} (that day included)", (moment - TimeDelta::days(1)).format("%Y-%m-%d"));
    }
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `["o_clerk", "o_comment"].contains(resource.name)`.
fn one_of(columns: &BTreeSet<String>) -> String {
    let listed: Vec<String> = columns.iter().map(|name| format!("\"{}\"", name.escape_default())).collect();
    format!("[{}].contains(resource.name)", listed.join(", "))
}

fn quoted<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

fn summary(request: &GrantRequest) -> String {
    let mut text = format!("{} may read {}", request.to, request.target);
    if let Some(rows) = &request.rows {
        let _ = write!(text, ": only rows where {}", rows.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if !request.raw.is_empty() {
        let _ = write!(text, ", raw: {}", request.raw.join(", "));
    }
    for (column, mask) in &request.masks {
        let _ = write!(text, ", {column} masked: {mask}");
    }
    if let Some(purpose) = &request.purpose {
        let _ = write!(text, ", for the purpose {} alone", purpose.as_str());
    }
    if let Some(until) = request.until {
        let _ = write!(text, ", until {}", human_moment(until));
    }
    text
}

/// Longest line of a policy.
const WIDTH: usize = 120;

struct Policies<'a> {
    key: &'a str,
    to: String,
    common: &'a [String],
    text: String,
}

impl Policies<'_> {
    fn add(&mut self, part: &str, action: &str, resource: &str, own: &[String], mask: Option<Mask>) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let _ = write!(self.text, "@id(\"{}:{part}\")", self.key);
        if let Some(mask) = mask {
            let _ = write!(self.text, " @mask(\"{mask}\")");
        }
        self.text.push('\n');
        // The policy's own come first: what they rule out is seen without knowing purpose or time.
        let conditions: Vec<&str> = own.iter().chain(self.common).map(String::as_str).collect();
        let end = if conditions.is_empty() { ";" } else { "" };
        let line = format!("permit ({}, {action}, {resource}){end}", self.to);
        if line.len() <= WIDTH {
            self.text.push_str(&line);
        } else {
            let _ = write!(self.text, "permit (\n  {},\n  {action},\n  {resource}\n){end}", self.to);
        }
        if !conditions.is_empty() {
            let line = format!("\nwhen {{ {} }};", conditions.join(" && "));
            if line.len() <= WIDTH {
                self.text.push_str(&line);
            } else {
                let _ = write!(self.text, "\nwhen {{\n  {}\n}};", conditions.join(" &&\n  "));
            }
        }
        self.text.push('\n');
    }
}
