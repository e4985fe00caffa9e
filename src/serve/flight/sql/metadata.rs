//! Catalogs, schemas, tables, table types, keys, types and server information, for one caller: whoever may not know
//! of a product does not find it here.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::sql::metadata::{GetCatalogsBuilder, SqlInfoDataBuilder};
use arrow_flight::sql::{Command, CommandGetSqlInfo};

use super::column::{listed, remarked};
use super::info::sql_info;
use super::keys;
use super::types::xdbc_info;
use crate::gateway::{Caller, Listing};
use crate::serve::flight::Flight;
use crate::serve::flight::error::FlightError;

/// The only type of table there is.
const TABLE: &str = "TABLE";
/// Its name in the information schema of SQL.
const BASE_TABLE: &str = "BASE TABLE";

/// The schema of what a metadata command gives; it depends on the command alone.
///
/// # Errors
/// [`FlightError::Unimplemented`] or [`FlightError::ReadOnly`], by name, for commands that are not answered.
pub fn metadata_schema(command: &Command) -> Result<SchemaRef, FlightError> {
    match command {
        Command::CommandGetCatalogs(_) => Ok(GetCatalogsBuilder::new().schema()),
        Command::CommandGetDbSchemas(command) => Ok(command.clone().into_builder().schema()),
        Command::CommandGetTables(command) => Ok(command.clone().into_builder().schema()),
        Command::CommandGetTableTypes(command) => Ok(command.into_builder().schema()),
        Command::CommandGetSqlInfo(_) => Ok(SqlInfoDataBuilder::schema().clone().into()),
        Command::CommandGetPrimaryKeys(_) => Ok(Arc::clone(&keys::PRIMARY)),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(Arc::clone(&keys::REFERENCES)),
        Command::CommandGetXdbcTypeInfo(_) => Ok(xdbc_info().map_err(FlightError::internal)?.schema()),
        other => Err(unanswered(other)),
    }
}

impl Flight {
    /// The batch that answers a metadata command.
    ///
    /// # Errors
    /// As [`metadata_schema`].
    pub(in crate::serve::flight) fn metadata(
        &self,
        caller: &Caller,
        command: Command,
    ) -> Result<RecordBatch, FlightError> {
        let catalog = self.gateway.mesh_name();
        let batch = match command {
            Command::CommandGetCatalogs(command) => {
                let mut catalogs = command.into_builder();
                catalogs.append(&catalog);
                catalogs.build()
            }
            Command::CommandGetDbSchemas(command) => {
                let mut schemas = command.into_builder();
                let listings = self.gateway.catalog(caller);
                let domains: BTreeSet<_> = listings.iter().map(Listing::domain).collect();
                domains.iter().for_each(|domain| schemas.append(&catalog, domain));
                schemas.build()
            }
            Command::CommandGetTables(mut command) => {
                let with_schema = command.include_schema;
                // What others call a table; some clients ask for nothing else.
                command
                    .table_types
                    .iter_mut()
                    .filter(|kind| *kind == BASE_TABLE)
                    .for_each(|kind| *kind = TABLE.to_owned());
                let mut tables = command.into_builder();
                for listing in self.gateway.catalog(caller) {
                    for table in &listing.tables {
                        let schema = if with_schema {
                            let own = listed(&catalog, &listing.schema(), &listing.columns(table));
                            remarked(&own, listing.dataset.description.as_deref())
                        } else {
                            Schema::empty()
                        };
                        tables
                            .append(&catalog, listing.domain(), table, TABLE, &schema)
                            .map_err(FlightError::internal)?;
                    }
                }
                tables.build()
            }
            Command::CommandGetTableTypes(command) => {
                let mut types = command.into_builder();
                types.append(TABLE);
                types.build()
            }
            Command::CommandGetSqlInfo(CommandGetSqlInfo { mut info }) => {
                info.sort_unstable();
                info.dedup();
                info.truncate(1_000);
                let all = sql_info(self.tickets.ttl()).map_err(FlightError::internal)?;
                return all.record_batch(info).map_err(FlightError::internal);
            }
            Command::CommandGetXdbcTypeInfo(command) => {
                let info = xdbc_info().map_err(FlightError::internal)?;
                return info.record_batch(command.data_type).map_err(FlightError::internal);
            }
            Command::CommandGetPrimaryKeys(command) => {
                return keys::primary_keys(&catalog, &self.gateway.catalog(caller), command)
                    .map_err(FlightError::internal);
            }
            Command::CommandGetExportedKeys(command) => {
                return keys::exported_keys(&catalog, &self.gateway.catalog(caller), command)
                    .map_err(FlightError::internal);
            }
            Command::CommandGetImportedKeys(command) => {
                return keys::imported_keys(&catalog, &self.gateway.catalog(caller), command)
                    .map_err(FlightError::internal);
            }
            Command::CommandGetCrossReference(command) => {
                return keys::cross_reference(&catalog, &self.gateway.catalog(caller), command)
                    .map_err(FlightError::internal);
            }
            other => return Err(unanswered(&other)),
        };
        batch.map_err(FlightError::internal)
    }
}

/// Why a command is not answered, by its name.
fn unanswered(command: &Command) -> FlightError {
    let name = command.type_url().rsplit('.').next().unwrap_or_default().to_owned();
    match command {
        Command::CommandStatementUpdate(_)
        | Command::CommandPreparedStatementUpdate(_)
        | Command::CommandStatementIngest(_) => FlightError::ReadOnly(name),
        _ => FlightError::Unimplemented(name),
    }
}
