import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.List;

/** What Tableau is known to send through a generic JDBC connection. Tableau itself was never run. */
final class Tableau {
  private static final String ORDERS = "\"mesh\".\"sales\".\"orders\"";

  private static int rows(String sql) throws Exception {
    try (Connection connection = Checks.steward(); Statement statement = connection.createStatement()) {
      return Checks.count(statement.executeQuery(sql));
    }
  }

  void looksAroundFirst() throws Exception {
    try (Connection connection = Checks.steward()) {
      DatabaseMetaData metadata = connection.getMetaData();
      Checks.holds(!metadata.getIdentifierQuoteString().isBlank(), "no quote");
      Checks.same(List.of("mesh"), Checks.column(metadata.getCatalogs(), "TABLE_CAT"));
      Checks.holds(Checks.count(metadata.getSchemas()) == 5, "no schemas");
      Checks.holds(Checks.count(metadata.getTables("mesh", "sales", "%", new String[] {"TABLE", "VIEW", "SYSTEM TABLE",
          "ALIAS", "SYNONYM"})) >= 2, "no tables");
      Checks.holds(Checks.count(metadata.getColumns("mesh", "sales", "orders", "%")) == 9, "no columns");
      Checks.count(metadata.getTypeInfo());
      Checks.count(metadata.getIndexInfo("mesh", "sales", "orders", true, true));
    }
  }

  void triesAConnection() throws Exception {
    Checks.same(1, rows("SELECT 1"));
  }

  /** A temporary table would be nice to have; a refusal is an answer, and the connection goes on. */
  void triesTemporaryTables() throws Exception {
    try (Connection connection = Checks.steward(); Statement statement = connection.createStatement()) {
      Checks.refused(() -> statement.execute("CREATE LOCAL TEMPORARY TABLE \"#Tableau_1_Connect\" (\"COL\" INTEGER)"));
      Checks.same(1, Checks.count(statement.executeQuery("SELECT 1")));
    }
  }

  void readsColumnsOfACustomQuery() throws Exception {
    try (Connection connection = Checks.steward(); PreparedStatement statement = connection.prepareStatement(
        "SELECT * FROM (SELECT * FROM sales.orders) \"Custom SQL Query\" WHERE 1=0")) {
      Checks.same(9, statement.getMetaData().getColumnCount());
      try (ResultSet none = statement.executeQuery()) {
        Checks.holds(!none.next(), "a row");
      }
    }
  }

  void countsRows() throws Exception {
    Checks.same(1, rows("SELECT SUM(1) AS \"cnt:orders:ok\" FROM " + ORDERS + " \"orders\" HAVING (COUNT(1) > 0)"));
  }

  void sumsByMonth() throws Exception {
    Checks.holds(rows("SELECT \"orders\".\"o_orderstatus\" AS \"o_orderstatus\", SUM(\"orders\".\"o_totalprice\") AS"
        + " \"sum:o_totalprice:ok\", DATE_TRUNC('MONTH', CAST(\"orders\".\"o_orderdate\" AS TIMESTAMP))"
        + " AS \"tmn:o_orderdate:ok\""
        + " FROM " + ORDERS + " \"orders\" GROUP BY 1, 3") > 12, "few rows");
  }

  void fillsAFilter() throws Exception {
    Checks.same(3, rows("SELECT \"orders\".\"o_orderstatus\" AS \"o_orderstatus\" FROM " + ORDERS
        + " \"orders\" GROUP BY 1 ORDER BY 1 ASC"));
  }

  void takesAnExtract() throws Exception {
    Checks.same(100, rows("SELECT \"orders\".\"o_clerk\" AS \"o_clerk\" FROM " + ORDERS + " \"orders\" LIMIT 100"));
  }
}
