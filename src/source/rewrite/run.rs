//! Writing the new files, and making sure of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::parquet::arrow::AsyncArrowWriter;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use tokio::sync::watch;

use super::digest::Digest;
use super::error::RewriteError;
use super::layout::FILE_BYTES;
use super::plan::{Means, Rewrite, file_name, sets};
use super::scan::Scans;
use super::target::{Sink, Target};
use crate::product::{Dataset, Location, Origin, Product};
use crate::source::DatasetSource;
use crate::source::advice::{Bytes, Survey, survey};
use crate::source::location::Root;

/// Says when to stop.
pub type Interrupt = watch::Receiver<bool>;

/// New files, made sure of.
#[derive(Debug)]
pub struct Rewritten {
    target: Target,
    /// The new files, looked at as the old ones were.
    pub survey: Survey,
    /// Their size.
    pub bytes: Bytes,
}

impl Rewritten {
    /// Removes the new files, for whoever cannot use them after all.
    ///
    /// # Errors
    /// [`RewriteError::Write`] when something is left of them.
    pub async fn discard(self) -> Result<(), RewriteError> {
        self.target.remove().await
    }
}

impl Rewrite {
    /// Writes the new files and makes sure of them: they hold the old rows, and every one of `contracts` (versions of
    /// products that read the old files) opens them as a server would. `progress` hears of every row twice: when it is
    /// written and when it is read again.
    ///
    /// # Errors
    /// [`RewriteError`]; the new folder is gone then, unless removing it failed too.
    pub async fn run(
        &self,
        contracts: &[(Arc<Product>, Arc<Dataset>)],
        means: &Means,
        interrupt: &mut Interrupt,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Rewritten, RewriteError> {
        self.target.make()?;
        let outcome = self.write_and_check(contracts, means, interrupt, progress).await;
        if outcome.is_err() {
            // What went wrong first is what its owner must hear of.
            let _ = self.target.remove().await;
        }
        outcome
    }

    async fn write_and_check(
        &self,
        contracts: &[(Arc<Product>, Arc<Dataset>)],
        means: &Means,
        interrupt: &mut Interrupt,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Rewritten, RewriteError> {
        let mut written = BTreeMap::new();
        for (folder, files) in &self.sets {
            written.insert(folder.clone(), self.write_set(folder, files.clone(), interrupt, progress).await?);
        }
        self.target.settle()?;

        let own = self.open(self.source.dataset(), self.source.product()).await?;
        let root =
            Root::parse(self.source.data_root()).map_err(|_| RewriteError::NoPlace(self.location().to_owned()))?;
        let scans = Scans::new(&own, means)?;
        let read = sets(&own, &root);
        if let Some(folder) = read.keys().find(|folder| !written.contains_key(*folder)) {
            return Err(RewriteError::Differs(folder.clone()));
        }
        for (folder, before) in written {
            let files = read.get(&folder).cloned().unwrap_or_default();
            let mut after = Digest::default();
            if !files.is_empty() {
                let mut rows = scans.any_order(&self.schema, files)?;
                while let Some(batch) = next(&mut rows, interrupt).await? {
                    after.add(&batch)?;
                    progress(batch.num_rows() as u64);
                }
            }
            if after != before {
                return Err(RewriteError::Differs(if folder.is_empty() { self.location().to_owned() } else { folder }));
            }
        }
        for (product, dataset) in contracts {
            let contract = format!("{}@{}", product.id, product.version);
            let opened = self.open(dataset, &product.id).await;
            opened.map_err(|error| match error {
                RewriteError::Source(cause) => RewriteError::Disagrees { contract, cause },
                other => other,
            })?;
        }
        if !self.source.is_current().await? {
            return Err(RewriteError::Changed);
        }
        let survey = survey(&own).await?;
        Ok(Rewritten { target: self.target.clone(), bytes: survey.bytes, survey })
    }

    /// Opens the new files as a server does.
    async fn open(
        &self,
        dataset: &Dataset,
        product: &crate::product::ProductId,
    ) -> Result<DatasetSource, RewriteError> {
        let mut dataset = dataset.clone();
        let server = match &dataset.origin {
            Origin::Files(location) => location.server.clone(),
            Origin::Derived { .. } => String::new(),
        };
        dataset.origin = Origin::Files(Location { url: self.location().to_owned(), server });
        Ok(DatasetSource::open(self.source.stores(), self.source.data_root(), product, &Arc::new(dataset)).await?)
    }

    /// Writes the files of one partition.
    async fn write_set(
        &self,
        folder: &str,
        files: Vec<PartitionedFile>,
        interrupt: &mut Interrupt,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Digest, RewriteError> {
        let mut rows = self.scans.rows(&self.schema, files, &self.sort_by)?;
        let mut digest = Digest::default();
        let mut number = 0;
        let mut file: Option<OpenFile> = None;
        let outcome = async {
            while let Some(batch) = next(&mut rows, interrupt).await? {
                digest.add(&batch)?;
                progress(batch.num_rows() as u64);
                let mut at = 0;
                while at < batch.num_rows() {
                    let open = match &mut file {
                        Some(open) => open,
                        None => file.insert(self.create(folder, number).await?),
                    };
                    // To the end of the row group, where a file may end.
                    let room = self.layout.group_rows.saturating_sub(open.writer.in_progress_rows()).max(1);
                    let part = batch.slice(at, room.min(batch.num_rows() - at));
                    at += part.num_rows();
                    let write = open.writer.write(&part).await;
                    write.map_err(|error| RewriteError::encode(&open.shown, error))?;
                    if open.writer.bytes_written() > FILE_BYTES && open.writer.in_progress_rows() == 0 {
                        open.finish().await?;
                        file = None;
                        number += 1;
                    }
                }
            }
            match &mut file {
                Some(open) => open.finish().await,
                // A partition without rows keeps its folder, by a file without rows.
                None if number == 0 => self.create(folder, 0).await?.finish().await,
                None => Ok(()),
            }
        }
        .await;
        match (outcome, file) {
            (Ok(()), _) => Ok(digest),
            (Err(error), open) => {
                if let Some(open) = open {
                    open.writer.into_inner().abort().await;
                }
                Err(error)
            }
        }
    }

    async fn create(&self, folder: &str, number: usize) -> Result<OpenFile, RewriteError> {
        let (sink, shown) = self.target.create(folder, &file_name(number)).await?;
        let properties = self.layout.properties.clone();
        let writer = AsyncArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(properties));
        Ok(OpenFile { writer: writer.map_err(|error| RewriteError::encode(&shown, error))?, shown })
    }
}

struct OpenFile {
    writer: AsyncArrowWriter<Sink>,
    /// Its name, for messages.
    shown: String,
}

impl OpenFile {
    async fn finish(&mut self) -> Result<(), RewriteError> {
        self.writer.finish().await.map(drop).map_err(|error| RewriteError::encode(&self.shown, error))
    }
}

/// The next rows, unless somebody calls it off: a sort may take long before its first.
async fn next(
    rows: &mut SendableRecordBatchStream,
    interrupt: &mut Interrupt,
) -> Result<Option<datafusion::arrow::array::RecordBatch>, RewriteError> {
    tokio::select! {
        biased;
        // Whoever went away without a word did not call it off.
        Ok(_) = interrupt.wait_for(|called_off| *called_off) => Err(RewriteError::Interrupted),
        batch = rows.try_next() => Ok(batch?),
    }
}
