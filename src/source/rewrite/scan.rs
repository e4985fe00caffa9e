//! Reading whole files, all columns of them, in order or sorted, with the memory and disk there are.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::SessionConfig;

use super::error::RewriteError;
use crate::source::DatasetSource;
use crate::source::adapter::ContractAdapters;

/// What reading and sorting may take.
#[derive(Debug, Clone)]
pub struct Means {
    /// Bytes of memory for sorting; beyond it spills.
    pub memory: usize,
    /// Bytes of disk for what spills.
    pub spill_limit: u64,
    /// Where; the system's temporary folder unless given.
    pub spill_dir: Option<PathBuf>,
    /// Threads that read and sort.
    pub threads: usize,
}

/// Rows of a batch.
const BATCH_ROWS: usize = 8 << 10;

/// Scans of one snapshot's files.
pub(super) struct Scans {
    source: DatasetSource,
    context: Arc<TaskContext>,
    threads: usize,
}

impl Scans {
    pub fn new(source: &DatasetSource, means: &Means) -> Result<Self, RewriteError> {
        let mode = match &means.spill_dir {
            Some(dir) => DiskManagerMode::Directories(vec![dir.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(means.spill_limit);
        let threads = means.threads.max(1);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(means.memory)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let (url, store) = source.store();
        runtime.register_object_store(url.as_ref(), store);
        let config = SessionConfig::new()
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(threads)
            // Kept aside for the merge; of a small memory, not all of it.
            .with_sort_spill_reservation_bytes((10 << 20).min(means.memory / 8 / threads));
        let context = Arc::new(TaskContext::default().with_session_config(config).with_runtime(runtime));
        Ok(Self { source: source.clone(), context, threads })
    }

    /// The first rows of one file.
    pub fn beginning(
        &self,
        schema: &SchemaRef,
        file: PartitionedFile,
        rows: usize,
    ) -> Result<SendableRecordBatchStream, RewriteError> {
        Ok(execute_stream(self.scan(schema, vec![file], 1, Some(rows)), Arc::clone(&self.context))?)
    }

    /// All rows of these files: by `sort_by` (positions in `schema`), or without it as they are, file by file.
    pub fn rows(
        &self,
        schema: &SchemaRef,
        files: Vec<PartitionedFile>,
        sort_by: &[usize],
    ) -> Result<SendableRecordBatchStream, RewriteError> {
        let key = sort_by.iter().filter_map(|at| {
            let column = ColumnExpr::new(schema.fields().get(*at)?.name(), *at);
            let options = SortOptions { descending: false, nulls_first: false };
            Some(PhysicalSortExpr::new(Arc::new(column), options))
        });
        let plan = match LexOrdering::new(key) {
            Some(order) => {
                let scan = self.scan(schema, files, self.threads, None);
                let sorted = SortExec::new(order.clone(), scan).with_preserve_partitioning(true);
                Arc::new(SortPreservingMergeExec::new(order, Arc::new(sorted))) as Arc<dyn ExecutionPlan>
            }
            None => self.scan(schema, files, 1, None),
        };
        Ok(execute_stream(plan, Arc::clone(&self.context))?)
    }

    /// All rows of these files in whatever order.
    pub fn any_order(
        &self,
        schema: &SchemaRef,
        files: Vec<PartitionedFile>,
    ) -> Result<SendableRecordBatchStream, RewriteError> {
        Ok(execute_stream(self.scan(schema, files, self.threads, None), Arc::clone(&self.context))?)
    }

    fn scan(
        &self,
        schema: &SchemaRef,
        files: Vec<PartitionedFile>,
        partitions: usize,
        limit: Option<usize>,
    ) -> Arc<dyn ExecutionPlan> {
        let files = files.into_iter().map(|mut file| {
            // Folders keep their names: no column is made of them. Nothing is planned by statistics.
            file.partition_values.clear();
            file.statistics = None;
            file
        });
        let table = TableSchema::from(Arc::clone(schema));
        let source = ParquetSource::new(table).with_parquet_file_reader_factory(self.source.readers());
        let scan = FileScanConfigBuilder::new(self.source.store().0, Arc::new(source))
            .with_file_groups(FileGroup::new(files.collect()).split_files(partitions))
            .with_preserve_order(partitions == 1)
            .with_limit(limit)
            // As a server reads: names that differ in case are one.
            .with_expr_adapter(Some(Arc::new(ContractAdapters)))
            .build();
        DataSourceExec::from_data_source(scan)
    }
}
