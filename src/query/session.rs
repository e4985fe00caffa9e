//! Sessions: a fresh one for each request, holding this principal's tables and nothing else.
//!
//! What is not registered does not exist: no default catalog or schema, no `information_schema`, no URL
//! tables, no file formats, no table functions, no object store but those of the tables at hand. Memory,
//! spill space and caches are the engine's and shared.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Utc;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::cache::cache_manager::CacheManager;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use url::Url;

use super::functions::{BoundConcatenation, Functions};
use super::governed_scan::{GovernedProvider, Origin};
use super::interrupt::Interrupt;
use super::planning::DerivedPlanner;
use super::{EngineConfig, GovernedTable, MaskKey, MaskKeys, QueryError, Rows, Statement, TableShape};

/// What the sessions of an engine have in common.
pub(super) struct Sessions {
    config: SessionConfig,
    memory_pool: Arc<dyn MemoryPool>,
    disk_manager: Arc<DiskManager>,
    cache_manager: Arc<CacheManager>,
    keys: MaskKeys,
}

impl Sessions {
    pub(super) fn new(config: &EngineConfig, keys: MaskKeys, shared: &RuntimeEnv) -> Self {
        Self {
            config: session_config(config),
            memory_pool: Arc::clone(&shared.memory_pool),
            disk_manager: Arc::clone(&shared.disk_manager),
            cache_manager: Arc::clone(&shared.cache_manager),
            keys,
        }
    }

    /// The key that masks now. A statement takes it once, for all it reads.
    pub(super) fn mask_key(&self) -> MaskKey {
        self.keys.at(Utc::now())
    }

    /// A session of the mesh of this name that knows `tables`, masked under `key`; `statement` may name no other.
    pub(super) fn open(
        self: &Arc<Self>,
        mesh: &str,
        statement: &Statement,
        tables: &[GovernedTable],
        key: &MaskKey,
        interrupt: &Arc<Interrupt>,
    ) -> Result<SessionState, QueryError> {
        let known = |schema: &str, name: &str| tables.iter().any(|table| schema == table.schema && name == table.table);
        check_names(mesh, statement, &known)?;
        let catalogs = self.catalogs(mesh, tables, key).map_err(|error| QueryError::internal(&error))?;
        Ok(self.state(mesh, catalogs, Stores::of(tables), interrupt))
    }

    /// A session that knows of `tables` no more than their columns.
    pub(super) fn open_shapes(
        &self,
        mesh: &str,
        statement: &Statement,
        tables: &[TableShape],
        interrupt: &Arc<Interrupt>,
    ) -> Result<SessionState, QueryError> {
        let known = |schema: &str, name: &str| {
            tables.iter().any(|table| table.name.schema.as_deref() == Some(schema) && name == table.name.table)
        };
        check_names(mesh, statement, &known)?;
        let tables = tables.iter().map(|table| {
            let provider: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(Arc::clone(&table.columns)));
            (table.name.schema.as_deref().unwrap_or_default(), table.name.table.as_str(), provider)
        });
        let catalogs = catalogs_of(mesh, tables).map_err(|error| QueryError::internal(&error))?;
        Ok(self.state(mesh, catalogs, Stores::of(&[]), interrupt))
    }

    fn state(
        &self,
        mesh: &str,
        catalogs: Arc<dyn CatalogProviderList>,
        stores: Stores,
        interrupt: &Arc<Interrupt>,
    ) -> SessionState {
        let functions = Functions::permitted();
        let runtime = RuntimeEnv {
            memory_pool: Arc::clone(&self.memory_pool),
            disk_manager: Arc::clone(&self.disk_manager),
            cache_manager: Arc::clone(&self.cache_manager),
            object_store_registry: Arc::new(stores),
        };
        let mut state = SessionStateBuilder::new()
            // No schema has an empty name, so a table must be named with its domain.
            .with_config(
                self.config.clone().with_default_catalog_and_schema(mesh, "").with_extension(Arc::clone(interrupt)),
            )
            .with_runtime_env(Arc::new(runtime))
            .with_catalog_list(catalogs)
            .with_scalar_functions(functions.scalar.clone())
            .with_aggregate_functions(functions.aggregate.clone())
            .with_window_functions(functions.window.clone())
            .with_expr_planners(functions.planners.clone())
            .with_analyzer_rule(Arc::new(BoundConcatenation))
            .build();
        // What `now()` and its kin say: without it they fail.
        state.mark_start_execution();
        state
    }

    fn catalogs(
        self: &Arc<Self>,
        mesh: &str,
        tables: &[GovernedTable],
        key: &MaskKey,
    ) -> DataFusionResult<Arc<dyn CatalogProviderList>> {
        let tables =
            tables.iter().map(|table| (table.schema.as_str(), table.table.as_str(), self.provider(mesh, table, key)));
        catalogs_of(mesh, tables)
    }

    fn provider(self: &Arc<Self>, mesh: &str, table: &GovernedTable, key: &MaskKey) -> Arc<dyn TableProvider> {
        if let Some(plain) = table.plain() {
            return Arc::clone(plain);
        }
        let name = format!("{}.{}", table.schema, table.table).into();
        let origin = match &table.rows {
            Rows::Files(rows) => Origin::Files(Arc::clone(rows)),
            Rows::Derived { statement, tables } => Origin::Derived(DerivedPlanner::new(
                Arc::clone(self),
                mesh.into(),
                Arc::clone(statement),
                tables.clone(),
                key.clone(),
            )),
        };
        Arc::new(GovernedProvider::new(name, table.grant.clone(), origin, key.clone()))
    }
}

/// The one catalog of a session: schema, table and provider of each table.
fn catalogs_of<'a>(
    mesh: &str,
    tables: impl Iterator<Item = (&'a str, &'a str, Arc<dyn TableProvider>)>,
) -> DataFusionResult<Arc<dyn CatalogProviderList>> {
    let catalog = MemoryCatalogProvider::new();
    for (in_schema, table, provider) in tables {
        let schema = match catalog.schema(in_schema) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(in_schema, Arc::clone(&schema))?;
                schema
            }
        };
        if !schema.table_exist(table) {
            schema.register_table(table.to_owned(), provider)?;
        }
    }
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(mesh.to_owned(), Arc::new(catalog));
    Ok(Arc::new(list))
}

/// Every table must be among those known, by schema and name, under the mesh's name if it has a catalog: what is
/// hidden and what is misspelt get the same answer.
fn check_names(mesh: &str, statement: &Statement, known: &dyn Fn(&str, &str) -> bool) -> Result<(), QueryError> {
    for name in statement.tables() {
        let in_mesh = name.catalog.as_deref().is_none_or(|catalog| catalog == mesh);
        if !in_mesh || !name.schema.as_deref().is_some_and(|schema| known(schema, &name.table)) {
            return Err(QueryError::unknown_table(name));
        }
    }
    Ok(())
}

fn session_config(config: &EngineConfig) -> SessionConfig {
    let mut session = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_target_partitions(config.threads.max(1))
        .with_batch_size(config.batch_size.max(1));
    let options = session.options_mut();
    // Texts are plain from file to client: views would have to be rebuilt before they are sent.
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // Wrong in DataFusion 55.2: a partition of NULLs takes one side from the filter of `min(x), max(x)`, and rows that
    // another aggregate of the statement needs are left out.
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    session
}

/// The object stores of one request's tables, and no way to find another.
#[derive(Debug)]
struct Stores(HashMap<Url, Arc<dyn ObjectStore>>);

impl Stores {
    fn of(tables: &[GovernedTable]) -> Self {
        let mut stores = Self(HashMap::new());
        stores.gather(tables);
        stores
    }

    fn gather(&mut self, tables: &[GovernedTable]) {
        for table in tables {
            match &table.rows {
                Rows::Files(rows) => {
                    let (url, store) = &rows.store;
                    // A URL names one snapshot, so a second store under it reads the same files in the same state.
                    let url: &Url = url.as_ref();
                    self.0.entry(url.clone()).or_insert_with(|| Arc::clone(store));
                }
                Rows::Derived { tables, .. } => self.gather(tables),
            }
        }
    }
}

impl ObjectStoreRegistry for Stores {
    /// Nothing is ever added: the store given is handed back, unused.
    fn register_store(&self, _: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        Some(store)
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        self.0.get(url).cloned().ok_or_else(|| DataFusionError::Internal("no such object store in this session".into()))
    }
}
