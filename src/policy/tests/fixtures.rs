//! A small mesh to decide about, and short ways to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Utc};

use crate::fault::Fault;
use crate::policy::{Decision, DomainPolicies, Grant, Policies, PolicyInput, PolicySource};
use crate::principal::{Attribute, AttributeType, Identity, Principal, Purpose};
use crate::product::{Column, Dataset, Location, Mask, Name, Origin, Product, ProductId, Status, Version};

pub(in crate::policy) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(in crate::policy) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(in crate::policy) fn column(name: &str, data_type: DataType, nullable: bool) -> Column {
    Column { nullable, ..Column::plain(name, data_type) }
}

pub(in crate::policy) fn tagged(mut column: Column, classification: &str, tags: &[&str], mask: Option<Mask>) -> Column {
    column.classification = classification.to_owned();
    column.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    column.mask_default = mask;
    column
}

pub(in crate::policy) fn product(domain: &str, product: &str, version: &str, columns: Vec<Column>) -> Arc<Product> {
    let dataset = Dataset {
        name: name(product),
        description: None,
        columns,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        quality: Vec::new(),
        origin: Origin::Files(Location { url: "x".to_owned(), server: "local".to_owned() }),
    };
    Arc::new(Product {
        id: ProductId { domain: name(domain), name: name(product) },
        version: Version::parse(version).unwrap(),
        status: Status::Active,
        default_version: true,
        title: None,
        description: None,
        classification: "internal".to_owned(),
        tags: BTreeSet::new(),
        owner: "someone".to_owned(),
        purposes: BTreeSet::new(),
        roles: Vec::new(),
        datasets: vec![Arc::new(dataset)],
        queries: Vec::new(),
        promises: Vec::new(),
        support: Vec::new(),
        lines: crate::product::Lines::default(),
        file: PathBuf::from(format!("{product}.odcs.yaml")),
    })
}

/// `sales.orders`, one column of every kind policies can filter by, and two they cannot.
pub(in crate::policy) fn orders() -> Arc<Product> {
    product(
        "sales",
        "orders",
        "1.0.0",
        vec![
            column("region", DataType::Utf8, false),
            column("amount", DataType::Int64, false),
            column("small", DataType::Int16, false),
            column("paid", DataType::Boolean, false),
            column("price", DataType::Decimal128(15, 2), false),
            column("placed", DataType::Date32, false),
            column("changed", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            column("note", DataType::Utf8, true),
            column("rank", DataType::Int64, true),
            column("open", DataType::Boolean, true),
            column("rebate", DataType::Decimal128(15, 2), true),
            column("ship date", DataType::Date32, true),
            column("score", DataType::Float64, false),
            tagged(column("email", DataType::Utf8, true), "restricted", &["pii"], Some(Mask::Hmac)),
            tagged(column("phone", DataType::Utf8, true), "confidential", &["pii"], None),
            tagged(column("born", DataType::Date32, true), "confidential", &["birth"], None),
        ],
    )
}

pub(in crate::policy) fn clv() -> Arc<Product> {
    product("marketing", "clv", "1.0.0", vec![column("customer", DataType::Utf8, false)])
}

#[derive(Default)]
pub(in crate::policy) struct Mesh {
    pub(in crate::policy) governance: Vec<PolicySource>,
    pub(in crate::policy) ceilings: Vec<PolicySource>,
    pub(in crate::policy) domains: BTreeMap<Name, DomainPolicies>,
    attributes: BTreeMap<String, AttributeType>,
}

impl Mesh {
    /// The domains `sales` (with these policies) and `marketing`.
    pub(in crate::policy) fn new(sales: &str) -> Self {
        let domain = |product, file: &str, text: &str| DomainPolicies {
            policies: vec![source(file, text)],
            products: vec![product],
        };
        let attributes = [
            ("region", AttributeType::Text),
            ("clearance", AttributeType::Number),
            ("suspended", AttributeType::Flag),
            ("regions", AttributeType::Texts),
            ("o'dd \"name\"", AttributeType::Text),
        ];
        Self {
            domains: BTreeMap::from([
                (name("sales"), domain(orders(), "sales.cedar", sales)),
                (name("marketing"), domain(clv(), "marketing.cedar", "")),
            ]),
            attributes: attributes.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect(),
            ..Self::default()
        }
    }

    pub(in crate::policy) fn governance(mut self, text: &str) -> Self {
        self.governance.push(source("global.cedar", text));
        self
    }

    pub(in crate::policy) fn ceilings(mut self, text: &str) -> Self {
        self.ceilings.push(source("bounds.cedar", text));
        self
    }

    pub(in crate::policy) fn attribute(mut self, name: &str, ty: AttributeType) -> Self {
        self.attributes.insert(name.to_owned(), ty);
        self
    }

    pub(in crate::policy) fn version(mut self, product: Arc<Product>) -> Self {
        self.domains.get_mut(product.id.domain.as_str()).unwrap().products.push(product);
        self
    }

    pub(in crate::policy) fn try_load(&self) -> Result<Policies, Vec<Fault>> {
        Policies::load(self.input())
    }

    pub(in crate::policy) fn load_alone(&self) -> Result<Policies, Vec<Fault>> {
        Policies::load_alone(self.input())
    }

    fn input(&self) -> PolicyInput<'_> {
        PolicyInput {
            governance: &self.governance,
            ceilings: &self.ceilings,
            domains: &self.domains,
            attributes: &self.attributes,
        }
    }

    pub(in crate::policy) fn load(&self) -> Loaded<'_> {
        match self.try_load() {
            Ok(policies) => Loaded { policies, mesh: self },
            Err(faults) => panic!("{}", listed(&faults)),
        }
    }

    /// The faults, one a line.
    pub(in crate::policy) fn faults(&self) -> String {
        match self.try_load() {
            Ok(_) => panic!("the policies were accepted"),
            Err(faults) => listed(&faults),
        }
    }
}

pub(in crate::policy) struct Loaded<'a> {
    pub(in crate::policy) policies: Policies,
    mesh: &'a Mesh,
}

pub(in crate::policy) const NOW: &str = "2026-11-22T12:00:00Z";

impl Loaded<'_> {
    pub(in crate::policy) fn ask(&self, principal: &Principal, purpose: &str, now: &str) -> Decision {
        let product = &self.mesh.domains["sales"].products[0];
        let purpose = Purpose::parse(purpose).unwrap();
        self.policies.decide(principal, &purpose, product, &product.datasets[0], at(now))
    }

    pub(in crate::policy) fn decide(&self, principal: &Principal) -> Decision {
        self.ask(principal, "", NOW)
    }

    pub(in crate::policy) fn grant(&self, principal: &Principal) -> Grant {
        match self.decide(principal) {
            Decision::Permit(grant) => grant,
            other => panic!("{other:?}"),
        }
    }

    /// `column` for raw, `column:mask` for masked.
    pub(in crate::policy) fn columns(&self, principal: &Principal) -> Vec<String> {
        match self.decide(principal) {
            Decision::Permit(grant) => shown(&grant),
            Decision::PurposeNeeded(_) | Decision::Discoverable | Decision::Hidden => Vec::new(),
        }
    }
}

pub(in crate::policy) fn shown(grant: &Grant) -> Vec<String> {
    let shown = |(column, mask): (&Column, Option<Mask>)| match mask {
        Some(mask) => format!("{}:{mask}", column.name),
        None => column.name.clone(),
    };
    grant.contract_columns().map(shown).collect()
}

pub(in crate::policy) fn source(file: &str, text: &str) -> PolicySource {
    PolicySource { file: PathBuf::from(file), text: text.to_owned() }
}

pub(in crate::policy) fn listed(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(in crate::policy) fn user(name: &str, groups: &[&str]) -> Principal {
    Principal {
        identity: Identity::User(name.into()),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        attributes: BTreeMap::new(),
    }
}

pub(in crate::policy) fn with(mut principal: Principal, name: &str, value: impl Into<Attribute>) -> Principal {
    principal.attributes.insert(name.to_owned(), value.into());
    principal
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Attribute {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&[&str]> for Attribute {
    fn from(texts: &[&str]) -> Self {
        Self::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
    }
}
