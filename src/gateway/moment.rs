//! The state of the data that a question asks for: as of an earlier snapshot, or only what was added since one.

use std::sync::Arc;

use super::Gateway;
use super::error::AnswerError;
use super::publish::{DatasetKey, Published};
use super::question::{ProductQuestion, Question};
use super::snapshots::Pinned;
use crate::source::DatasetSource;

/// What is read of the dataset that a question chooses a state of.
pub(super) struct Chosen {
    pub(super) dataset: DatasetKey,
    pub(super) source: Arc<DatasetSource>,
}

impl Gateway {
    /// The state that a question chooses, which its caller may ask; none for the state of now, or of the ticket. What a
    /// ticket pins is looked for on record where this replica has not seen it.
    ///
    /// # Errors
    /// [`AnswerError::NoSnapshot`], [`AnswerError::NotAppended`], and `Unavailable` where files cannot be read just now.
    pub(super) async fn chosen(
        &self,
        question: &Question,
        pinned: Option<&Pinned>,
    ) -> Result<Option<Chosen>, AnswerError> {
        let published = self.published.load_full();
        if let Some(pinned) = pinned {
            self.restore(&published, pinned).await?;
        }
        let (address, as_of, since) = match question {
            Question::Product(ProductQuestion { address, as_of, since, .. }) if as_of.is_some() || since.is_some() => {
                (address, as_of, since)
            }
            Question::Product(_) | Question::Sql(_) => return Ok(None),
        };
        let named = address.to_string();
        let found = published.mesh().resolve(address);
        let (product, dataset) = found.ok_or_else(|| AnswerError::NotFound(named.clone()))?;
        let dataset = DatasetKey::new(&product, &dataset);
        let current = published.source(&dataset);
        let current = current.ok_or_else(|| AnswerError::unavailable(&named, &"the dataset is not served"))?;
        let source = match (pinned, as_of) {
            (Some(pinned), _) => {
                let id = pinned.of(&dataset).ok_or(AnswerError::Outdated)?;
                self.snapshot(&named, &dataset, current, id).await?.ok_or(AnswerError::Outdated)?
            }
            (None, Some(id)) => {
                let found = self.snapshot(&named, &dataset, current, id).await?;
                found.ok_or_else(|| AnswerError::NoSnapshot(id.clone()))?
            }
            (None, None) => Arc::clone(current),
        };
        let source = match since {
            None => source,
            Some(id) => {
                let earlier = self.snapshot(&named, &dataset, current, id).await?;
                let added = earlier.and_then(|earlier| source.since(earlier.snapshot()));
                Arc::new(added.ok_or_else(|| AnswerError::NotAppended(id.clone()))?)
            }
        };
        Ok(Some(Chosen { dataset, source }))
    }

    /// Looks for what a ticket of another replica, or of an earlier life of this one, pins.
    async fn restore(&self, published: &Published, pinned: &Pinned) -> Result<(), AnswerError> {
        for wanted in &pinned.snapshots {
            let key = DatasetKey::parse(&wanted.dataset);
            if let Some((key, current)) = key.as_ref().and_then(|key| Some((key, published.source(key)?))) {
                self.snapshot(&wanted.dataset, key, current, &wanted.id).await?;
            }
        }
        Ok(())
    }

    async fn snapshot(
        &self,
        named: &str,
        key: &DatasetKey,
        current: &Arc<DatasetSource>,
        id: &str,
    ) -> Result<Option<Arc<DatasetSource>>, AnswerError> {
        self.kept.find(key, current, id).await.map_err(|error| AnswerError::unavailable(named, &error))
    }
}
