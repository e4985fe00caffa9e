//! What Airside says of itself (`GetSqlInfo`): every id of the protocol, 0–11, 100–101 and 500–576,
//! since drivers cast what they find and fail on what they miss.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_flight::error::FlightError as ArrowFlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity, SqlSupportedGroupBy,
    SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions, SqlTransactionIsolationLevel,
    SupportedSqlGrammar,
};

use crate::product::MAX_NAME_LENGTH;

/// Bits of a bitmask of the protocol: bit `n` stands for the enumeration's value `n`.
fn bits(values: &[i32]) -> i32 {
    values.iter().fold(0, |mask, bit| mask | 1 << bit)
}

/// The limits that SQL names: a BIGINT each, 0 for "none or unknown".
const UNLIMITED: [SqlInfo; 18] = [
    SqlInfo::SqlMaxBinaryLiteralLength,
    SqlInfo::SqlMaxCharLiteralLength,
    SqlInfo::SqlMaxColumnNameLength,
    SqlInfo::SqlMaxColumnsInGroupBy,
    SqlInfo::SqlMaxColumnsInIndex,
    SqlInfo::SqlMaxColumnsInOrderBy,
    SqlInfo::SqlMaxColumnsInSelect,
    SqlInfo::SqlMaxColumnsInTable,
    SqlInfo::SqlMaxConnections,
    SqlInfo::SqlMaxCursorNameLength,
    SqlInfo::SqlMaxIndexLength,
    SqlInfo::SqlMaxProcedureNameLength,
    SqlInfo::SqlMaxRowSize,
    SqlInfo::SqlMaxStatementLength,
    SqlInfo::SqlMaxStatements,
    SqlInfo::SqlMaxTablesInSelect,
    SqlInfo::SqlMaxUsernameLength,
    SqlInfo::SqlMaxCatalogNameLength,
];

const NO: [SqlInfo; 16] = [
    SqlInfo::FlightSqlServerSubstrait,
    SqlInfo::FlightSqlServerBulkIngestion,
    SqlInfo::FlightSqlServerIngestTransactionsSupported,
    SqlInfo::SqlDdlCatalog,
    SqlInfo::SqlDdlSchema,
    SqlInfo::SqlDdlTable,
    SqlInfo::SqlSupportsIntegrityEnhancementFacility,
    SqlInfo::SqlSelectForUpdateSupported,
    SqlInfo::SqlStoredProceduresSupported,
    SqlInfo::SqlDataDefinitionCausesTransactionCommit,
    SqlInfo::SqlDataDefinitionsInTransactionsIgnored,
    SqlInfo::SqlBatchUpdatesSupported,
    SqlInfo::SqlSavepointsSupported,
    SqlInfo::SqlNamedParametersSupported,
    SqlInfo::SqlLocatorsUpdateCopy,
    SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported,
];

const YES: [SqlInfo; 14] = [
    SqlInfo::FlightSqlServerReadOnly,
    SqlInfo::FlightSqlServerCancel,
    SqlInfo::SqlTransactionsSupported,
    SqlInfo::FlightSqlServerSql,
    SqlInfo::SqlSupportsColumnAliasing,
    SqlInfo::SqlNullPlusNullIsNull,
    SqlInfo::SqlSupportsTableCorrelationNames,
    SqlInfo::SqlSupportsExpressionsInOrderBy,
    SqlInfo::SqlSupportsOrderByUnrelated,
    SqlInfo::SqlSupportsLikeEscapeClause,
    SqlInfo::SqlSupportsNonNullableColumns,
    SqlInfo::SqlCatalogAtStart,
    SqlInfo::SqlCorrelatedSubqueriesSupported,
    SqlInfo::SqlMaxRowSizeIncludesBlobs,
];

/// The ids and their values; `handles` is how long a prepared statement's handle is good for.
///
/// # Errors
/// When Arrow refuses to build the union, which would be a fault of this file.
pub(super) fn sql_info(handles: Duration) -> Result<SqlInfoData, ArrowFlightError> {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Airside");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    info.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    info.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::Transaction as i32);
    info.append(SqlInfo::FlightSqlServerStatementTimeout, i32::try_from(handles.as_millis()).unwrap_or(i32::MAX));
    info.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);

    info.append(SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i64);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.append(
        SqlInfo::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i64,
    );
    // The catalog lists products that may be discovered and yet not read.
    info.append(SqlInfo::SqlAllTablesAreSelectable, false);
    info.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i64);
    info.append(SqlInfo::SqlKeywords, KEYWORDS);
    info.append(SqlInfo::SqlNumericFunctions, &["abs", "ceil", "floor", "power", "round", "sign", "sqrt", "trunc"][..]);
    info.append(
        SqlInfo::SqlStringFunctions,
        &["concat", "left", "length", "lower", "replace", "right", "substr", "trim", "upper"][..],
    );
    info.append(SqlInfo::SqlSystemFunctions, &["coalesce", "nullif"][..]);
    info.append(SqlInfo::SqlDatetimeFunctions, &["date_part", "date_trunc", "extract", "now"][..]);
    info.append(SqlInfo::SqlSearchStringEscape, "\\");
    info.append(SqlInfo::SqlExtraNameCharacters, "");
    info.append(SqlInfo::SqlSupportsConvert, BTreeMap::<i32, Vec<i32>>::new());
    info.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    info.append(
        SqlInfo::SqlSupportedGroupBy,
        bits(&[SqlSupportedGroupBy::SqlGroupByUnrelated as i32, SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32]),
    );
    info.append(
        SqlInfo::SqlSupportedGrammar,
        bits(&[SupportedSqlGrammar::SqlMinimumGrammar as i32, SupportedSqlGrammar::SqlCoreGrammar as i32]),
    );
    // Entry level, bit 0: ANSI SQL-92 as DataFusion speaks it.
    info.append(SqlInfo::SqlAnsi92SupportedLevel, 1);
    info.append(
        SqlInfo::SqlOuterJoinsSupportLevel,
        bits(&[
            SqlOuterJoinsSupportLevel::SqlLimitedOuterJoins as i32,
            SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32,
        ]),
    );
    info.append(SqlInfo::SqlSchemaTerm, "domain");
    info.append(SqlInfo::SqlProcedureTerm, "");
    info.append(SqlInfo::SqlCatalogTerm, "mesh");
    info.append(SqlInfo::SqlSchemasSupportedActions, 0);
    info.append(SqlInfo::SqlCatalogsSupportedActions, 0);
    info.append(SqlInfo::SqlSupportedPositionedCommands, 0);
    info.append(
        SqlInfo::SqlSupportedSubqueries,
        bits(&[
            SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
            SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
            SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
        ]),
    );
    info.append(
        SqlInfo::SqlSupportedUnions,
        bits(&[SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32]),
    );
    for name in [SqlInfo::SqlDbSchemaNameLength, SqlInfo::SqlMaxTableNameLength] {
        info.append(name, MAX_NAME_LENGTH as i64);
    }
    // Each statement reads the snapshots of its moment, whole, whatever transaction it is in.
    info.append(
        SqlInfo::SqlDefaultTransactionIsolation,
        SqlTransactionIsolationLevel::SqlTransactionReadCommitted as i64,
    );
    info.append(
        SqlInfo::SqlSupportedTransactionsIsolationLevels,
        bits(&[SqlTransactionIsolationLevel::SqlTransactionReadCommitted as i32]),
    );
    // Forward only, bit 1.
    info.append(SqlInfo::SqlSupportedResultSetTypes, bits(&[1]));
    for name in [
        SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified,
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive,
        SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive,
    ] {
        info.append(name, 0);
    }
    // Read only, bit 1.
    info.append(SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly, bits(&[1]));
    UNLIMITED.into_iter().for_each(|name| info.append(name, 0_i64));
    NO.into_iter().for_each(|name| info.append(name, false));
    YES.into_iter().for_each(|name| info.append(name, true));
    info.build()
}

/// Words of Airside's SQL that SQL:2003 does not reserve.
const KEYWORDS: &[&str] = &["ilike", "limit", "offset", "qualify"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_of_the_protocol_is_answered() {
        let ids: Vec<u32> = (0..=11).chain(100..=101).chain(500..=576).collect();
        let batch = sql_info(Duration::from_secs(60)).unwrap().record_batch(ids.clone()).unwrap();
        assert_eq!(batch.num_rows(), ids.len());
    }
}
