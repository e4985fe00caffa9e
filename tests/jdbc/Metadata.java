import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** What a tool's tree is made of: catalogs, schemas, tables, columns, keys, and what the server says of itself. */
final class Metadata {
  @FunctionalInterface
  private interface Look {
    ResultSet at(DatabaseMetaData metadata) throws SQLException;
  }

  private static List<Object> listed(String user, String column, Look look) throws SQLException {
    try (Connection connection = Checks.connect(user)) {
      return Checks.column(look.at(connection.getMetaData()), column);
    }
  }

  private static List<Object> listed(String column, Look look) throws SQLException {
    return listed("steward", column, look);
  }

  // --- catalogs, schemas, tables -------------------------------------------------------------------

  void catalogs() throws Exception {
    Checks.same(List.of("mesh"), listed("TABLE_CAT", DatabaseMetaData::getCatalogs));
  }

  void schemas() throws Exception {
    List<String> all = List.of("customers", "geography", "marketing", "sales", "supply");
    Checks.same(all, listed("TABLE_SCHEM", DatabaseMetaData::getSchemas));
    Checks.same(all, listed("TABLE_SCHEM", metadata -> metadata.getSchemas("mesh", null)));
    Checks.same(List.of("sales", "supply"), listed("TABLE_SCHEM", metadata -> metadata.getSchemas(null, "s%")));
    Checks.same(List.of(), listed("TABLE_SCHEM", metadata -> metadata.getSchemas("elsewhere", null)));
  }

  void schemasOfAnother() throws Exception {
    Checks.same(List.of("geography", "sales"), listed("owner", "TABLE_SCHEM", DatabaseMetaData::getSchemas));
    Checks.same(List.of(), listed("nobody", "TABLE_SCHEM", DatabaseMetaData::getSchemas));
  }

  void tables() throws Exception {
    Look sales = metadata -> metadata.getTables("mesh", "sales", "%", new String[] {"TABLE"});
    List<Object> found = listed("TABLE_NAME", sales);
    Checks.holds(found.containsAll(List.of("orders", "lineitem")), "found " + found);
  }

  void tablesByPattern() throws Exception {
    Checks.same(List.of("orders"), listed("TABLE_NAME", metadata -> metadata.getTables(null, "s%", "order_", null)));
    Checks.same(List.of("part"), listed("TABLE_NAME", metadata -> metadata.getTables("mesh", "supply", "part", null)));
    Checks.same(List.of(), listed("TABLE_NAME", metadata -> metadata.getTables(null, "sales", "ORDERS", null)));
  }

  void tablesByType() throws Exception {
    Checks.same(List.of("TABLE"), listed("TABLE_TYPE", DatabaseMetaData::getTableTypes));
    Look views = metadata -> metadata.getTables(null, null, "%", new String[] {"VIEW"});
    Checks.same(List.of(), listed("TABLE_NAME", views));
    Checks.same(1, listed("TABLE_NAME",
        metadata -> metadata.getTables(null, "sales", "orders", new String[] {"VIEW", "TABLE"})).size());
  }

  void tablesOfAnother() throws Exception {
    Checks.same(List.of(), listed("nobody", "TABLE_NAME", metadata -> metadata.getTables(null, null, "%", null)));
    Checks.same(List.of(), listed("owner", "TABLE_NAME", metadata -> metadata.getTables(null, "marketing", "%", null)));
  }

  /** The tree as it is opened, level by level; each name in it can be selected from. */
  void everyTableOfTheTreeAnswers() throws Exception {
    try (Connection connection = Checks.steward()) {
      DatabaseMetaData metadata = connection.getMetaData();
      for (Object schema : Checks.column(metadata.getSchemas("mesh", "%"), "TABLE_SCHEM")) {
        for (Object table : Checks.column(metadata.getTables("mesh", (String) schema, "%", null), "TABLE_NAME")) {
          String sql = "SELECT * FROM \"mesh\".\"" + schema + "\".\"" + table + "\" LIMIT 1";
          Checks.same(1, Checks.ask(connection, sql).size());
        }
      }
    }
  }

  // --- columns -------------------------------------------------------------------------------------

  private static Look orders(String column) {
    return metadata -> metadata.getColumns("mesh", "sales", "orders", column);
  }

  void columns() throws Exception {
    List<Object> names = List.of("o_orderkey", "o_custkey", "o_orderstatus", "o_totalprice", "o_orderdate",
        "o_orderpriority", "o_clerk", "o_shippriority", "o_comment");
    Checks.same(names, listed("COLUMN_NAME", orders("%")));
    Checks.same(names, listed("COLUMN_NAME", orders(null)));
    Checks.same(List.of(1, 2, 3, 4, 5, 6, 7, 8, 9), listed("ORDINAL_POSITION", orders(null)));
    Checks.same(List.of("o_orderkey"), listed("COLUMN_NAME", orders("o_orderkey")));
    Checks.same(List.of("o_orderkey", "o_custkey"), listed("COLUMN_NAME", orders("%key")));
  }

  void columnsHaveTypes() throws Exception {
    List<Integer> types = List.of(Types.BIGINT, Types.BIGINT, Types.VARCHAR, Types.DECIMAL, Types.DATE, Types.VARCHAR,
        Types.VARCHAR, Types.INTEGER, Types.VARCHAR);
    Checks.same(types, listed("DATA_TYPE", orders(null)));
  }

  void decimalColumnsHaveTheirSize() throws Exception {
    Checks.same(List.of(15), listed("COLUMN_SIZE", orders("o_totalprice")));
    Checks.same(List.of(2), listed("DECIMAL_DIGITS", orders("o_totalprice")));
  }

  void columnsNameTheirTypes() throws Exception {
    for (Object name : listed("TYPE_NAME", orders(null))) {
      Checks.holds(name != null && !name.toString().isEmpty(), "a type without a name");
    }
  }

  void columnsSayWhetherNullIsPossible() throws Exception {
    Checks.same(List.of("NO"), listed("IS_NULLABLE", orders("o_orderkey")));
    Checks.same(List.of(DatabaseMetaData.columnNoNulls), listed("NULLABLE", orders("o_orderkey")));
  }

  void columnsHaveTheContractsWords() throws Exception {
    List<Object> remarks = listed("REMARKS", orders("o_custkey"));
    Checks.holds(String.valueOf(remarks.get(0)).contains("The customer who ordered"), "found " + remarks);
  }

  void aMaskedColumnSaysSo() throws Exception {
    Look phone = metadata -> metadata.getColumns("mesh", "customers", "customer", "c_phone");
    List<Object> remarks = listed("analyst", "REMARKS", phone);
    Checks.holds(String.valueOf(remarks.get(0)).contains("masked"), "found " + remarks);
    Checks.holds(!String.valueOf(listed("REMARKS", phone).get(0)).contains("masked"), "the steward's is raw");
  }

  void columnsOfAnother() throws Exception {
    Look costs = metadata -> metadata.getColumns("mesh", "supply", "partsupp", "ps_supplycost");
    Checks.same(1, listed("COLUMN_NAME", costs).size());
    Checks.same(0, listed("service", "COLUMN_NAME", costs).size());
    Checks.same(0, listed("nobody", "COLUMN_NAME", orders(null)).size());
  }

  void columnsOfManyTables() throws Exception {
    List<Object> found = listed("COLUMN_NAME", metadata -> metadata.getColumns(null, null, "%", "%_comment"));
    Checks.holds(found.size() >= 7, "found " + found);
  }

  // --- keys ----------------------------------------------------------------------------------------

  void primaryKeys() throws Exception {
    Look lineitem = metadata -> metadata.getPrimaryKeys("mesh", "sales", "lineitem");
    Checks.same(Set.of("l_orderkey", "l_linenumber"), Set.copyOf(listed("COLUMN_NAME", lineitem)));
    Checks.same(Set.of(1, 2), Set.copyOf(ints(listed("KEY_SEQ", lineitem))));
  }

  void importedKeys() throws Exception {
    Look keys = metadata -> metadata.getImportedKeys("mesh", "geography", "nation");
    Checks.same(List.of("region"), listed("PKTABLE_NAME", keys));
    Checks.same(List.of("r_regionkey"), listed("PKCOLUMN_NAME", keys));
    Checks.same(List.of("n_regionkey"), listed("FKCOLUMN_NAME", keys));
    Checks.same(List.of("geography"), listed("PKTABLE_SCHEM", keys));
  }

  void exportedKeys() throws Exception {
    Look keys = metadata -> metadata.getExportedKeys("mesh", "geography", "region");
    Checks.same(List.of("nation"), listed("FKTABLE_NAME", keys));
    Checks.same(List.of("n_regionkey"), listed("FKCOLUMN_NAME", keys));
  }

  void crossReference() throws Exception {
    Look keys = metadata ->
        metadata.getCrossReference("mesh", "geography", "region", "mesh", "geography", "nation");
    Checks.same(List.of("n_regionkey"), listed("FKCOLUMN_NAME", keys));
    Checks.same(List.of(), listed("FKCOLUMN_NAME", metadata ->
        metadata.getCrossReference("mesh", "geography", "region", "mesh", "sales", "orders")));
  }

  /** A key that leads to what one may not discover leads nowhere. */
  void keysOfAnother() throws Exception {
    Look orders = metadata -> metadata.getImportedKeys("mesh", "sales", "orders");
    Checks.same(List.of("customer"), listed("PKTABLE_NAME", orders));
    Checks.same(List.of(), listed("owner", "PKTABLE_NAME", orders));
    Look keys = metadata -> metadata.getPrimaryKeys("mesh", "sales", "orders");
    Checks.same(List.of(), listed("nobody", "COLUMN_NAME", keys));
  }

  void aTableWithoutKeys() throws Exception {
    Look keys = metadata -> metadata.getImportedKeys("mesh", "geography", "region");
    Checks.same(List.of(), listed("FKCOLUMN_NAME", keys));
  }

  private static List<Integer> ints(List<Object> values) {
    return values.stream().map(value -> ((Number) value).intValue()).toList();
  }

  // --- what the server says of itself --------------------------------------------------------------

  void whoAnswers() throws Exception {
    try (Connection connection = Checks.steward()) {
      DatabaseMetaData metadata = connection.getMetaData();
      Checks.same("Airside", metadata.getDatabaseProductName());
      Checks.holds(metadata.getDatabaseProductVersion().matches("\\d+\\.\\d+.*"), metadata.getDatabaseProductVersion());
      Checks.holds(metadata.isReadOnly(), "not read-only");
      Checks.same("\"", metadata.getIdentifierQuoteString());
    }
  }

  /** Every getter without parameters: the driver reads most of them from GetSqlInfo, and casts what it gets. */
  void everyGetter() throws Exception {
    Set<String> failed = new TreeSet<>();
    try (Connection connection = Checks.steward()) {
      DatabaseMetaData metadata = connection.getMetaData();
      for (Method getter : DatabaseMetaData.class.getMethods()) {
        if (getter.getParameterCount() == 0 && Modifier.isAbstract(getter.getModifiers())) {
          attempt(metadata, getter, failed);
        }
      }
    }
    Checks.same(Set.of(), failed);
  }

  private static void attempt(DatabaseMetaData metadata, Method getter, Set<String> failed) throws Exception {
    try {
      Object value = getter.invoke(metadata);
      if (value instanceof ResultSet rows) {
        rows.close();
      }
    } catch (InvocationTargetException failure) {
      failed.add(getter.getName() + ": " + failure.getCause());
    }
  }

  /** Getters with parameters, as tools call them to learn what they may write. */
  void whatIsSupported() throws Exception {
    try (Connection connection = Checks.steward()) {
      DatabaseMetaData metadata = connection.getMetaData();
      Checks.holds(metadata.supportsResultSetType(ResultSet.TYPE_FORWARD_ONLY), "no forward-only rows");
      Checks.holds(metadata.supportsGroupBy(), "no GROUP BY");
      Checks.holds(metadata.supportsUnion() && metadata.supportsUnionAll(), "no UNION");
      Checks.holds(metadata.supportsOuterJoins(), "no outer joins");
      Checks.holds(metadata.supportsSubqueriesInIns(), "no subqueries");
      Checks.holds(!metadata.getSQLKeywords().isEmpty(), "no keywords");
      Checks.holds(!metadata.getNumericFunctions().isEmpty(), "no functions");
      Checks.holds(!metadata.getStringFunctions().isEmpty(), "no text functions");
      metadata.supportsTransactionIsolationLevel(Connection.TRANSACTION_NONE);
    }
  }

  void typeInformation() throws Exception {
    List<Object> names = listed("TYPE_NAME", DatabaseMetaData::getTypeInfo);
    Checks.holds(names.size() == Set.copyOf(names).size(), "a type twice: " + names);
  }

  /** What the driver answers by itself, without rows: a tool's tree asks for these as well. */
  void theRestOfTheTreeIsEmpty() throws Exception {
    List<Look> looks = new ArrayList<>();
    looks.add(metadata -> metadata.getIndexInfo("mesh", "sales", "orders", false, true));
    looks.add(metadata -> metadata.getProcedures("mesh", "sales", "%"));
    looks.add(metadata -> metadata.getFunctions("mesh", "sales", "%"));
    looks.add(metadata -> metadata.getUDTs("mesh", "sales", "%", null));
    looks.add(metadata -> metadata.getBestRowIdentifier("mesh", "sales", "orders", 0, true));
    looks.add(metadata -> metadata.getVersionColumns("mesh", "sales", "orders"));
    looks.add(metadata -> metadata.getTablePrivileges("mesh", "sales", "orders"));
    looks.add(metadata -> metadata.getColumnPrivileges("mesh", "sales", "orders", "%"));
    try (Connection connection = Checks.steward()) {
      for (Look look : looks) {
        ResultSet rows = look.at(connection.getMetaData());
        Checks.same(0, rows == null ? 0 : Checks.count(rows));
      }
    }
  }
}
