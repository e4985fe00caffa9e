//! The engine: threads, memory and time for queries, apart from everything that talks to clients.
//!
//! A query on the runtime that accepts connections starves it, so queries have a runtime of their own.
//! Planning is synchronous and cannot be interrupted (constants are folded in it), so it has a bounded set of
//! threads: a caller is released on time, while the thread keeps its slot until it is really done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use serde::Deserialize;
use thiserror::Error;
use tokio::runtime::{Builder, Handle, Runtime};

use super::admission::{Admission, Bounds, Busy, Gate};
use super::planning::Planner;
use super::plans::Plans;
use super::session::Sessions;
use super::{
    Description, GovernedPlan, GovernedTable, MaskKey, MaskKeys, Parameters, QueryError, RecordStream, Statement,
    TableShape,
};
use crate::principal::Identity;

/// What queries may use, all of them together where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Bytes of memory for what operators gather: sorts, joins, aggregates. Beyond it they spill or fail.
    pub memory_limit: usize,
    /// Bytes of disk for what they spill.
    pub spill_limit: u64,
    /// Where they spill; the system's temporary folder unless given.
    pub spill_dir: Option<PathBuf>,
    /// Threads that run queries, and partitions that one query is cut into.
    pub threads: usize,
    /// Statements planned at the same time.
    pub planning_threads: usize,
    /// How long one statement may be planned.
    pub planning_timeout_seconds: u64,
    /// How long one query may run, its readers' slowness included.
    pub query_timeout_seconds: u64,
    /// Queries that work at the same time; more take turns.
    pub max_concurrent_queries: usize,
    /// Queries that are open at the same time: at work, waiting for a turn, or for their readers. As many statements may
    /// be waiting to be planned. More are refused.
    pub max_open_queries: usize,
    /// The same of one principal; half of all unless given.
    pub max_open_queries_per_principal: Option<usize>,
    /// How long a query may wait for its first turn.
    pub max_wait_seconds: u64,
    /// Rows of one batch.
    pub batch_size: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            memory_limit: 2 << 30,
            spill_limit: 20 << 30,
            spill_dir: None,
            threads,
            planning_threads: threads.max(2),
            planning_timeout_seconds: 10,
            query_timeout_seconds: 600,
            max_concurrent_queries: 64,
            max_open_queries: 1000,
            max_open_queries_per_principal: None,
            max_wait_seconds: 60,
            batch_size: 8192,
        }
    }
}

impl EngineConfig {
    /// What lets `slots` of something work at the same time.
    fn gate(&self, of: &'static str, slots: usize) -> Gate {
        let open = self.max_open_queries.max(1);
        let open_of_one = self.max_open_queries_per_principal.unwrap_or(open.div_ceil(2));
        Gate::new(of, Bounds { slots, open, open_of_one })
    }
}

/// Why an engine cannot start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// No threads.
    #[error("cannot start the threads of queries")]
    Threads(#[source] std::io::Error),
    /// No memory or spill space.
    #[error("cannot set up the memory and spill space of queries")]
    Resources(#[source] Box<datafusion::error::DataFusionError>),
}

/// Plans and runs statements.
pub struct Engine {
    sessions: Arc<Sessions>,
    /// Taken when the engine goes, so that it never waits for its threads.
    runtime: Option<Runtime>,
    handle: Handle,
    /// Those that may be asked for again.
    pub(super) plans: Plans,
    planning: Gate,
    queries: Gate,
    max_wait: Duration,
    planning_timeout: Duration,
    query_timeout: Duration,
}

/// The stack of a thread that plans: DataFusion recurses over statements, which `Limits` bounds.
const STACK: usize = 8 << 20;

impl Engine {
    /// Starts an engine; `keys` are those of the `hmac` mask, or the one.
    ///
    /// # Errors
    /// When threads or spill space cannot be had.
    pub fn new(config: &EngineConfig, keys: impl Into<MaskKeys>) -> Result<Self, EngineError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("airside-query")
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(EngineError::Threads)?;
        let mode = match &config.spill_dir {
            Some(dir) => DiskManagerMode::Directories(vec![dir.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(config.spill_limit);
        let shared = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(config.memory_limit)))
            .with_disk_manager_builder(disk)
            .build()
            .map_err(|error| EngineError::Resources(Box::new(error)))?;
        Ok(Self {
            sessions: Arc::new(Sessions::new(config, keys.into(), &shared)),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            plans: Plans::new(),
            planning: config.gate("planning", config.planning_threads),
            queries: config.gate("queries", config.max_concurrent_queries),
            max_wait: Duration::from_secs(config.max_wait_seconds),
            planning_timeout: Duration::from_secs(config.planning_timeout_seconds),
            query_timeout: Duration::from_secs(config.query_timeout_seconds),
        })
    }

    /// What a statement answers and asks for: for prepared statements and schemas.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn describe(
        &self,
        who: &Identity,
        mesh: &str,
        statement: &Statement,
        tables: Vec<GovernedTable>,
    ) -> Result<Description, QueryError> {
        self.on_planning_thread(who, statement, self.governed(mesh, tables, self.mask_key()), |planner, handle| {
            handle.block_on(planner.describe())
        })
        .await
    }

    /// What a statement would answer over tables of these shapes, whoever asks.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn sketch(
        &self,
        who: &Identity,
        mesh: &str,
        statement: &Statement,
        tables: Vec<TableShape>,
    ) -> Result<Description, QueryError> {
        let (sessions, mesh) = (Arc::clone(&self.sessions), mesh.to_owned());
        let planner = move |statement, deadline| Planner::sketching(&sessions, &mesh, statement, &tables, deadline);
        self.on_planning_thread(who, statement, planner, |planner, handle| handle.block_on(planner.describe())).await
    }

    /// Plans a statement over `tables`, which must hold every table it names; `mesh` is the catalog's name. With several
    /// rows of parameters it is run for each, one after the other.
    ///
    /// # Errors
    /// `UnknownTable` and `UnknownColumn` for names that are not there, `Invalid` for types and arguments that
    /// do not fit, `Deadline` when planning takes too long, `ResourcesExhausted` when no planning thread gets
    /// free in that time.
    pub async fn plan(
        &self,
        who: &Identity,
        mesh: &str,
        statement: &Statement,
        tables: Vec<GovernedTable>,
        parameters: impl Into<Parameters>,
    ) -> Result<GovernedPlan, QueryError> {
        let Parameters(rows) = parameters.into();
        self.on_planning_thread(who, statement, self.governed(mesh, tables, self.mask_key()), |planner, handle| {
            let planned = Arc::new(planner.bind(&handle.block_on(planner.template())?, rows)?);
            let runnable = handle.block_on(planner.runnable(&planned))?;
            Ok(GovernedPlan { planned, runnable, place: None })
        })
        .await
    }

    /// The key that masks now.
    pub(super) fn mask_key(&self) -> MaskKey {
        self.sessions.mask_key()
    }

    /// How a statement over `tables`, masked under `key`, begins to be planned.
    pub(super) fn governed(
        &self,
        mesh: &str,
        tables: Vec<GovernedTable>,
        key: MaskKey,
    ) -> impl FnOnce(Statement, Instant) -> Result<Planner, QueryError> + Send + 'static {
        let (sessions, mesh) = (Arc::clone(&self.sessions), mesh.to_owned());
        move |statement, deadline| Planner::new(&sessions, &mesh, statement, &tables, &key, deadline)
    }

    /// Opens a query of whoever asks, for [`Engine::execute`].
    ///
    /// # Errors
    /// `ResourcesExhausted` when too much is open, all in all or of this principal.
    pub fn admit(&self, who: &Identity) -> Result<Admission, QueryError> {
        self.queries.open(who).map_err(|busy| {
            QueryError::busy(
                if busy.own {
                    "too many of your queries are open: read or end some, or try again later"
                } else {
                    "too many queries are open: try again later"
                },
                busy.retry_after,
            )
        })
    }

    /// Runs a plan, in turn with others, until `deadline`, if it is earlier than the engine's own. To be called within a
    /// tokio runtime; the query itself runs on the engine's, and whatever fails, fails in the stream.
    pub fn execute(
        &self,
        plan: GovernedPlan,
        admission: Admission,
        deadline: Option<tokio::time::Instant>,
    ) -> RecordStream {
        let now = tokio::time::Instant::now();
        let own = now + self.query_timeout;
        let deadline = deadline.map_or(own, |deadline| deadline.min(own));
        RecordStream::start(plan, (admission, now + self.max_wait), deadline, &self.handle)
    }

    pub(super) async fn on_planning_thread<T: Send + 'static>(
        &self,
        who: &Identity,
        statement: &Statement,
        begin: impl FnOnce(Statement, Instant) -> Result<Planner, QueryError> + Send + 'static,
        work: impl FnOnce(Planner, Handle) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let deadline = Instant::now() + self.planning_timeout;
        let busy = |busy: Busy| QueryError::busy("too many statements are being planned", busy.retry_after);
        let mut admission = self.planning.open(who).map_err(busy)?;
        if tokio::time::timeout_at(deadline.into(), admission.enter()).await.is_err() {
            return Err(busy(admission.waited_enough()));
        }
        let (statement, handle) = (statement.clone(), self.handle.clone());
        let thread = self.handle.spawn_blocking(move || {
            // INVARIANT: the slot is free when the thread is done, not when the caller leaves.
            let _admission = admission;
            work(begin(statement, deadline)?, handle)
        });
        match tokio::time::timeout_at(deadline.into(), thread).await {
            Ok(Ok(planned)) => planned,
            Ok(Err(failed)) if failed.is_panic() => Err(QueryError::internal(&"planning panicked")),
            Ok(Err(_)) => Err(QueryError::cancelled()),
            Err(_) => Err(QueryError::deadline()),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
