//! One version of a dataset, made ready for deciding: its entities and the policies that can touch it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, EntityUid, PartialEntity, PolicySet, RestrictedExpression, Schema, pst::SmolStr};

use super::error::PolicyError;
use super::schema::row_entity;
use super::vocabulary::{COLUMN, DOMAIN, PRODUCT, ROW, column_id, dataset_id, dataset_type, uid};
use crate::product::{Dataset, Product};

/// The entities of one version of a dataset.
#[derive(Debug)]
pub(super) struct DatasetEntities {
    pub(super) product: Arc<Product>,
    pub(super) dataset: Arc<Dataset>,
    /// The dataset itself.
    pub(super) resource: EntityUid,
    /// Its columns, in the contract's order.
    pub(super) columns: Vec<EntityUid>,
    /// Dataset, product, domain and columns, for decisions in which no row occurs.
    pub(super) concrete: Entities,
    /// The dataset and its row, whose values are unknown, for the rows.
    pub(super) partial: Vec<PartialEntity>,
}

impl DatasetEntities {
    pub(super) fn new(product: &Arc<Product>, dataset: &Arc<Dataset>, schema: &Schema) -> Result<Self, PolicyError> {
        let domain = &product.id.domain;
        let domain_uid = uid(DOMAIN, domain.as_str())?;
        let product_uid = uid(PRODUCT, &product.id.to_string())?;
        let resource = uid(&dataset_type(domain, &dataset.name), &dataset_id(domain, &dataset.name))?;
        let (row_type, row_id) = row_entity(domain, &dataset.name);
        let row = uid(&row_type, row_id)?;

        let above = HashSet::from([product_uid.clone(), domain_uid.clone()]);
        let attributes = HashMap::from([
            ("classification".to_owned(), text(&product.classification)),
            ("tags".to_owned(), texts(&product.tags)),
            ("owner".to_owned(), text(&product.owner)),
            (ROW.to_owned(), RestrictedExpression::new_entity_uid(row.clone())),
        ]);
        let mut entities = vec![
            Entity::with_uid(domain_uid.clone()),
            Entity::new_no_attrs(product_uid, HashSet::from([domain_uid])),
            Entity::new(resource.clone(), attributes.clone(), above.clone())?,
        ];
        let mut columns = Vec::new();
        let around: HashSet<EntityUid> = above.iter().cloned().chain([resource.clone()]).collect();
        for column in &dataset.columns {
            let column_uid = uid(COLUMN, &column_id(domain, &dataset.name, &column.name))?;
            let attributes = HashMap::from([
                ("name".to_owned(), text(&column.name)),
                ("classification".to_owned(), text(&column.classification)),
                ("tags".to_owned(), texts(&column.tags)),
            ]);
            entities.push(Entity::new(column_uid.clone(), attributes, around.clone())?);
            columns.push(column_uid);
        }
        let concrete = Entities::from_entities(entities, Some(schema))?;
        let attributes: BTreeMap<SmolStr, RestrictedExpression> =
            attributes.into_iter().map(|(name, value)| (SmolStr::from(name), value)).collect();
        let partial = vec![
            PartialEntity::new(resource.clone(), Some(attributes), Some(above), None, schema)?,
            PartialEntity::new(row, None, Some(HashSet::new()), None, schema)?,
        ];
        Ok(Self { product: Arc::clone(product), dataset: Arc::clone(dataset), resource, columns, concrete, partial })
    }

    /// Columns that no policy can tell apart, as lists of their positions: by classification and tags or, if
    /// a policy looks at names, each for itself.
    pub(super) fn classes(&self, by_name: bool) -> Vec<Vec<usize>> {
        if by_name {
            return (0..self.columns.len()).map(|index| vec![index]).collect();
        }
        let mut classes: BTreeMap<(&str, &BTreeSet<String>), Vec<usize>> = BTreeMap::new();
        for (index, column) in self.dataset.columns.iter().enumerate() {
            classes.entry((&column.classification, &column.tags)).or_default().push(index);
        }
        classes.into_values().collect()
    }
}

/// The policies that decide one action on one dataset.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Of governance and of the domain.
    pub(super) policies: PolicySet,
    /// The permits among them.
    pub(super) permits: PolicySet,
    /// The ceilings.
    pub(super) ceilings: PolicySet,
}

pub(super) fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

pub(super) fn texts(values: &BTreeSet<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().map(|value| text(value)))
}
