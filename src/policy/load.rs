//! Loading policies: read, checked and sorted by what they can touch, or every fault at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use cedar_policy::pst::PrincipalConstraint;
use cedar_policy::{
    EntityTypeName, EntityUid, PartialEntities, PartialEntityUid, PartialRequest, Policy, PolicySet, Schema,
    ValidationMode, ValidationWarning, Validator,
};
use sha2::{Digest, Sha256};

use super::advice::Fact;
use super::dataset::{DatasetEntities, Slice};
use super::error::PolicyError;
use super::explain::PolicyPlace;
use super::foreign;
use super::mentions::Mentions;
use super::schema::{DomainShape, schema_text, shapes_of};
use super::scope::Scope;
use super::source_check::{self, Findings};
use super::statement::{self, Origin, PolicySource, Statement};
use super::vocabulary::{ACTION, Action, DOMAIN, USER, uid};
use crate::fault::Fault;
use crate::principal::AttributeType;
use crate::product::{Mask, Name, Product, Version};

/// Everything policies are made of.
#[derive(Debug, Clone, Copy)]
pub struct PolicyInput<'a> {
    /// The platform's policies: they hold in every domain.
    pub governance: &'a [PolicySource],
    /// The platform's bounds of what domains may permit. With one, whatever no ceiling permits, no domain can.
    pub ceilings: &'a [PolicySource],
    /// The domains.
    pub domains: &'a BTreeMap<Name, DomainPolicies>,
    /// The attributes of users, with their types.
    pub attributes: &'a BTreeMap<String, AttributeType>,
}

/// A domain's policies and what they speak of.
#[derive(Debug, Clone, Default)]
pub struct DomainPolicies {
    /// Its policy files.
    pub policies: Vec<PolicySource>,
    /// Its products, every version.
    pub products: Vec<Arc<Product>>,
}

/// What a decision needs to know of a policy besides Cedar's own form of it.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Whether a domain wrote it, so that ceilings bound it.
    pub(super) of_domain: bool,
    pub(super) mask: Option<Mask>,
    pub(super) principal: PrincipalConstraint,
    /// The moments its conditions compare the clock with.
    pub(super) moments: BTreeSet<i64>,
    /// Where it stands.
    pub(super) place: PolicyPlace,
    /// Whom and what it names.
    pub(super) mentions: Mentions,
}

/// One domain's policies, ready to decide.
#[derive(Debug)]
pub(super) struct DomainSet {
    pub(super) rules: HashMap<String, Rule>,
    pub(super) versions: HashMap<(Name, Version, Name), DatasetEntities>,
    pub(super) slices: HashMap<Name, DatasetSlices>,
    /// What advice needs to know of each policy, by its id.
    pub(super) facts: HashMap<String, Fact>,
}

/// The policies that can touch a dataset, by action.
#[derive(Debug)]
pub(super) struct DatasetSlices {
    /// What its policies and its entities are checked in.
    pub(super) schema: Schema,
    pub(super) of: HashMap<Action, Slice>,
    /// Whether a policy looks at columns by name.
    pub(super) by_name: bool,
    /// Ids of all of them.
    pub(super) ids: BTreeSet<String>,
}

/// All that loading makes.
pub(super) struct Loaded {
    pub(super) version: String,
    pub(super) domains: HashMap<Name, DomainSet>,
    /// Whether there are ceilings at all.
    pub(super) bounded: bool,
}

/// A statement that passed its source check.
struct Checked {
    statement: Statement,
    scope: Scope,
    findings: Findings,
}

/// Stack for loading: Cedar's parser takes tens of kilobytes for each bracket within a bracket.
const STACK: usize = 64 << 20;

/// Reads and checks everything, on a stack that holds the deepest policy accepted.
///
/// With `alone`, the mesh is a part of a larger one: what shared policies say of domains that are not there is
/// taken on trust.
pub(super) fn load(input: &PolicyInput<'_>, alone: bool) -> Result<Loaded, Vec<Fault>> {
    stacker::grow(STACK, || load_here(input, alone))
}

fn load_here(input: &PolicyInput<'_>, alone: bool) -> Result<Loaded, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut shapes: BTreeMap<Name, DomainShape> =
        input.domains.iter().map(|(name, domain)| (name.clone(), DomainShape::of(&domain.products))).collect();

    let mut read = |sources: &[PolicySource], origin: &Origin| -> Vec<Statement> {
        sources.iter().flat_map(|source| statement::read(source, origin, &mut faults)).collect()
    };
    let mut governance = read(input.governance, &Origin::Governance);
    let mut ceilings = read(input.ceilings, &Origin::Ceiling);
    let domains: BTreeMap<&Name, Vec<Statement>> = input
        .domains
        .iter()
        .map(|(name, domain)| (name, read(&domain.policies, &Origin::Domain(name.clone()))))
        .collect();

    if alone {
        for shared in [&mut governance, &mut ceilings] {
            shared.retain(|statement| !foreign::is_of_others(statement, input.domains));
            shared.iter().for_each(|statement| foreign::take_on_trust(statement, input.domains, &mut shapes));
        }
    }
    let shared = || governance.iter().chain(&ceilings);
    statement::check_ids(shared(), &mut faults);
    for statements in domains.values() {
        statement::check_ids(shared().chain(statements), &mut faults);
    }

    let shared: Vec<Checked> =
        governance.into_iter().chain(ceilings).filter_map(|s| check(s, &shapes, &mut faults)).collect();
    let domains: BTreeMap<&Name, Vec<Checked>> = domains
        .into_iter()
        .map(|(name, statements)| {
            (name, statements.into_iter().filter_map(|s| check(s, &shapes, &mut faults)).collect())
        })
        .collect();
    let bounded = !input.ceilings.is_empty();

    // A shared policy is validated in each domain's schema, and reported where it fails first.
    let mut failed = BTreeSet::new();
    let mut sets = HashMap::new();
    for (name, own) in &domains {
        let products = input.domains.get(*name).map(|domain| domain.products.as_slice()).unwrap_or_default();
        let Some(schema) = schema(Some(*name), &shapes, input.attributes, products, &mut faults) else { continue };
        validate(&schema, Some(*name), own.iter().chain(&shared), &mut failed, &mut faults);
        match domain_set(name, products, &shapes, input.attributes, own.iter().chain(&shared)) {
            Ok(set) => {
                for checked in own.iter().chain(&shared) {
                    faults.extend(check_mask(checked, name, &set, shapes.get(*name)));
                }
                sets.insert((*name).clone(), set);
            }
            Err(error) => faults.push(Fault::new(
                Path::new(name.as_str()),
                format!("the policies of the domain cannot be made ready: {error}"),
            )),
        }
    }
    if domains.is_empty()
        && let Some(schema) = schema(None, &shapes, input.attributes, &[], &mut faults)
    {
        validate(&schema, None, shared.iter(), &mut failed, &mut faults);
    }

    if faults.is_empty() {
        Ok(Loaded { version: version(input, &shapes), domains: sets, bounded })
    } else {
        faults.sort();
        faults.dedup();
        Err(faults)
    }
}

fn check(statement: Statement, shapes: &BTreeMap<Name, DomainShape>, faults: &mut Vec<Fault>) -> Option<Checked> {
    let checked = Scope::of(&statement, shapes)
        .and_then(|scope| source_check::check(&statement, &scope, shapes).map(|findings| (scope, findings)));
    match checked {
        Ok((scope, findings)) => Some(Checked { statement, scope, findings }),
        Err(found) => {
            faults.extend(found);
            None
        }
    }
}

fn schema(
    domain: Option<&Name>,
    shapes: &BTreeMap<Name, DomainShape>,
    attributes: &BTreeMap<String, AttributeType>,
    products: &[Arc<Product>],
    faults: &mut Vec<Fault>,
) -> Option<Schema> {
    match Schema::from_cedarschema_str(&schema_text(domain, shapes, attributes)) {
        Ok((schema, _)) => Some(schema),
        Err(error) => {
            let file = products.first().map_or_else(|| Path::new("principals.toml"), |product| product.file.as_path());
            faults.push(Fault::new(file, format!("no policy schema can be made of the contracts: {error}")));
            None
        }
    }
}

/// Cedar's own check of types and of optional attributes.
fn validate<'a>(
    schema: &Schema,
    domain: Option<&Name>,
    statements: impl Iterator<Item = &'a Checked>,
    failed: &mut BTreeSet<String>,
    faults: &mut Vec<Fault>,
) {
    let validator = Validator::new(schema.clone());
    for Checked { statement, .. } in statements {
        if failed.contains(&statement.id) {
            continue;
        }
        let Ok(set) = PolicySet::from_policies([statement.policy.clone()]) else { continue };
        let result = validator.validate(&set, ValidationMode::Strict);
        let before = faults.len();
        let shared = !matches!(statement.origin, Origin::Domain(_));
        for error in result.validation_errors() {
            let mut fault = statement.cedar_fault(error);
            if let (true, Some(domain)) = (shared, domain) {
                fault.reason = format!("in the domain `{domain}`: {}", fault.reason);
            }
            if matches!(error, cedar_policy::ValidationError::UnsafeOptionalAttributeAccess(_)) {
                fault =
                    fault.hint("a value may be missing: guard it, as in `resource.row has x && resource.row.x == …`");
            }
            faults.push(fault);
        }
        for warning in result.validation_warnings() {
            match warning {
                // A shared policy may have nothing to say in this domain.
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) if shared => {}
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                    faults.push(statement.fault("", "the policy can never apply").hint(
                        "look for a condition that is always false, or an action that is not asked of this resource",
                    ));
                }
                other => faults.push(
                    statement
                        .cedar_fault(other)
                        .hint("write names and texts in one script, without invisible characters"),
                ),
            }
        }
        if faults.len() > before {
            failed.insert(statement.id.clone());
        }
    }
}

fn domain_set<'a>(
    name: &Name,
    products: &[Arc<Product>],
    shapes: &BTreeMap<Name, DomainShape>,
    attributes: &BTreeMap<String, AttributeType>,
    statements: impl Iterator<Item = &'a Checked> + Clone,
) -> Result<DomainSet, PolicyError> {
    let mut slices: HashMap<Name, DatasetSlices> = HashMap::new();
    for (dataset, row) in shapes.get(name).into_iter().flat_map(|shape| &shape.datasets) {
        let mut named = BTreeSet::from([(name.clone(), dataset.clone())]);
        let (mut of, mut by_name, mut ids) = (HashMap::new(), false, BTreeSet::new());
        for action in Action::ALL.into_iter().filter(|action| *action != Action::Publish) {
            let mut slice = Slice::default();
            for checked in statements.clone().filter(|c| c.scope.touches(action, name, &row.products, dataset)) {
                named.extend(checked.findings.datasets.iter().cloned());
                by_name |= action.is_of_columns() && checked.findings.names_columns;
                // What is asked of a product or its domain decides nothing about a dataset.
                if action != Action::Administer {
                    ids.insert(checked.statement.id.clone());
                }
                let policy = &checked.statement.policy;
                if checked.statement.origin == Origin::Ceiling {
                    add(&mut slice.ceilings, policy)?;
                    continue;
                }
                add(&mut slice.policies, policy)?;
                if checked.statement.permits() {
                    add(&mut slice.permits, policy)?;
                }
            }
            of.insert(action, slice);
        }
        let text = schema_text(Some(name), &shapes_of(&named, shapes), attributes);
        let (schema, _) = Schema::from_cedarschema_str(&text)?;
        slices.insert(dataset.clone(), DatasetSlices { schema, of, by_name, ids });
    }
    let mut versions = HashMap::new();
    for (product, dataset) in products.iter().flat_map(|product| product.datasets.iter().map(move |d| (product, d))) {
        let slices = slices.get(&dataset.name).ok_or_else(|| PolicyError::Unknown(dataset.name.to_string()))?;
        let key = (product.id.name.clone(), product.version, dataset.name.clone());
        versions.insert(key, DatasetEntities::new(product, dataset, &slices.schema)?);
    }
    let facts = statements.clone().map(|c| (c.statement.id.clone(), Fact::of(&c.statement, &c.findings))).collect();
    let rules = statements
        .map(|checked| {
            let rule = Rule {
                of_domain: matches!(checked.statement.origin, Origin::Domain(_)),
                mask: checked.statement.mask,
                principal: checked.statement.body.principal.clone(),
                moments: checked.findings.moments.clone(),
                place: PolicyPlace::of(&checked.statement),
                mentions: Mentions::of(&checked.statement),
            };
            (checked.statement.id.clone(), rule)
        })
        .collect();
    Ok(DomainSet { rules, versions, slices, facts })
}

/// Adds a policy, unless its id is taken: that has been reported already.
fn add(policies: &mut PolicySet, policy: &Policy) -> Result<(), PolicyError> {
    if policies.policy(policy.id()).is_none() {
        policies.add(policy.clone())?;
    }
    Ok(())
}

/// A mask must be defined on every column its policy can reach, whoever asks.
fn check_mask(checked: &Checked, domain: &Name, set: &DomainSet, shape: Option<&DomainShape>) -> Vec<Fault> {
    let Some(mask) = checked.statement.mask else { return Vec::new() };
    let mut refused: BTreeMap<String, String> = BTreeMap::new();
    for entities in set.versions.values() {
        let dataset = &entities.dataset;
        let Some(row) = shape.and_then(|shape| shape.datasets.get(&dataset.name)) else { continue };
        let Some(slices) = set.slices.get(&dataset.name) else { continue };
        if !checked.scope.touches(Action::ReadMasked, domain, &row.products, &dataset.name) {
            continue;
        }
        for (column, resource) in dataset.columns.iter().zip(&entities.columns) {
            if mask.accepts(&column.data_type) {
                continue;
            }
            // What cannot be evaluated counts as reached.
            if reaches(&checked.statement, resource, entities, &slices.schema).unwrap_or(true) {
                refused.insert(format!("{}.{}", dataset.name, column.name), column.data_type.to_string());
            }
        }
    }
    refused
        .into_iter()
        .map(|(column, data_type)| {
            checked
                .statement
                .fault("@mask", format!("the mask `{mask}` is not defined on `{column}` of type {data_type}, which the policy reaches"))
                .hint("narrow the policy to columns the mask is made for (by tag, classification or name), or take `null`, which any type has")
        })
        .collect()
}

/// Whether a policy can be satisfied on a column by some principal, for some purpose, at some time.
fn reaches(
    statement: &Statement,
    column: &EntityUid,
    entities: &DatasetEntities,
    schema: &Schema,
) -> Result<bool, PolicyError> {
    let set = PolicySet::from_policies([statement.policy.clone()])?;
    let entities = PartialEntities::from_concrete(entities.concrete.clone(), schema)?;
    let action = uid(ACTION, Action::ReadMasked.as_str())?;
    for ty in [USER, DOMAIN] {
        let principal = PartialEntityUid::new(ty.parse::<EntityTypeName>()?, None);
        let resource = PartialEntityUid::from_concrete(column.clone());
        let request = PartialRequest::new(principal, action.clone(), resource, None, schema)?;
        if set.tpe(&request, &entities, schema)?.false_permits().next().is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A digest of everything a decision depends on, equal on every replica that loaded the same.
fn version(input: &PolicyInput<'_>, shapes: &BTreeMap<Name, DomainShape>) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        // Lengths keep parts apart.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    let mut sources = |folder: &str, sources: &[PolicySource]| {
        // The name alone, since folders differ from machine to machine; sorted, since listings do.
        let mut named: Vec<(String, &str)> = sources
            .iter()
            .map(|source| {
                let name = source.file.file_name().map(|name| name.to_string_lossy().into_owned());
                (name.unwrap_or_default(), source.text.as_str())
            })
            .collect();
        named.sort();
        add(folder);
        add(&named.len().to_string());
        for (name, text) in named {
            add(&name);
            add(text);
        }
    };
    sources("governance", input.governance);
    sources("ceilings", input.ceilings);
    for (name, domain) in input.domains {
        sources(name.as_str(), &domain.policies);
    }
    add(&schema_text(None, &BTreeMap::new(), input.attributes));
    for (name, domain) in input.domains {
        add(&schema_text(Some(name), shapes, input.attributes));
        let mut products: Vec<&Arc<Product>> = domain.products.iter().collect();
        products.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
        for product in products {
            add(&format!("{}@{}", product.id, product.version));
            add(&product.classification);
            add(&product.owner);
            add(&format!("{:?} {:?}", product.tags, product.purposes));
            for dataset in &product.datasets {
                add(dataset.name.as_str());
                for column in &dataset.columns {
                    add(&column.name);
                    add(&column.data_type.to_string());
                    add(&column.classification);
                    add(&format!("{:?} {} {:?}", column.tags, column.nullable, column.mask_default));
                }
            }
        }
    }
    hex::encode(digest.finalize())
}
