import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;

/** Statements without parameters: rows, their types, limits on them. */
final class Statements {
  private static final String ORDERS = "SELECT o_orderkey, o_totalprice, o_orderdate, o_comment FROM sales.orders";

  @FunctionalInterface
  private interface Work {
    void on(Statement statement) throws Exception;
  }

  private static void with(Work work) throws Exception {
    try (Connection connection = Checks.steward(); Statement statement = connection.createStatement()) {
      work.on(statement);
    }
  }

  /** The one value of a query without a table. */
  private static void value(String expression, int type, Object expected) throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery("SELECT " + expression + " AS v")) {
        Checks.same(type, rows.getMetaData().getColumnType(1));
        Checks.holds(rows.next(), "no row");
        Checks.same(expected, rows.getObject(1));
        Checks.same(expected == null, rows.wasNull());
        Checks.holds(!rows.next(), "more than a row");
      }
    });
  }

  void aWholeProduct() throws Exception {
    with(statement -> {
      long rows = (Long) Checks.ask(statement.getConnection(), "SELECT count(*) FROM sales.lineitem").get(0);
      Checks.same(rows, (long) Checks.count(statement.executeQuery("SELECT * FROM sales.lineitem")));
    });
  }

  void theCatalogMayBeNamed() throws Exception {
    with(statement -> Checks.same(5, Checks.count(statement.executeQuery("SELECT * FROM mesh.geography.region"))));
  }

  void quotedAsToolsQuote() throws Exception {
    with(statement -> {
      String quote = statement.getConnection().getMetaData().getIdentifierQuoteString();
      String table = quote + String.join(quote + "." + quote, "mesh", "geography", "region") + quote;
      Checks.same(5, Checks.count(statement.executeQuery("SELECT r.* FROM " + table + " r")));
    });
  }

  void executeThenTheRows() throws Exception {
    with(statement -> {
      Checks.holds(statement.execute("SELECT r_name FROM geography.region"), "no result set");
      Checks.same(5, Checks.count(statement.getResultSet()));
      Checks.holds(!statement.getMoreResults(), "more results");
      Checks.same(-1, statement.getUpdateCount());
    });
  }

  void aStatementIsUsedAgain() throws Exception {
    with(statement -> {
      for (int limit = 1; limit < 5; limit++) {
        Checks.same(limit, Checks.count(statement.executeQuery("SELECT * FROM geography.region LIMIT " + limit)));
      }
    });
  }

  void twoResultsOfAConnectionAreReadInTurns() throws Exception {
    try (Connection connection = Checks.steward();
        Statement one = connection.createStatement();
        Statement other = connection.createStatement();
        ResultSet left = one.executeQuery("SELECT n_name FROM geography.nation ORDER BY 1");
        ResultSet right = other.executeQuery("SELECT n_name FROM geography.nation ORDER BY 1")) {
      while (left.next() && right.next()) {
        Checks.same(left.getString(1), right.getString("n_name"));
      }
      Checks.holds(!left.next() && !right.next(), "of unlike length");
    }
  }

  void anEmptyResultKeepsItsColumns() throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery(ORDERS + " WHERE o_orderkey < 0")) {
        Checks.same("o_orderdate", rows.getMetaData().getColumnLabel(3));
        Checks.holds(!rows.next(), "a row");
      }
    });
  }

  void columnsMayShareAName() throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery("SELECT r_name, r_name FROM geography.region ORDER BY 1")) {
        Checks.holds(rows.next(), "no row");
        Checks.same("AFRICA", rows.getString(1));
        Checks.same("AFRICA", rows.getString(2));
      }
    });
  }

  void unicodeNamesAndValues() throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery("SELECT 'größer 中文 🛫' AS \"Überschrift 名\"")) {
        Checks.same("Überschrift 名", rows.getMetaData().getColumnLabel(1));
        Checks.holds(rows.next(), "no row");
        Checks.same("größer 中文 🛫", rows.getString("Überschrift 名"));
      }
    });
  }

  void resultSetMetaData() throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery(ORDERS + " LIMIT 1")) {
        ResultSetMetaData columns = rows.getMetaData();
        List<String> labels = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        for (int each = 1; each <= columns.getColumnCount(); each++) {
          labels.add(columns.getColumnLabel(each));
          types.add(columns.getColumnType(each));
        }
        Checks.same(List.of("o_orderkey", "o_totalprice", "o_orderdate", "o_comment"), labels);
        Checks.same(List.of(Types.BIGINT, Types.DECIMAL, Types.DATE, Types.VARCHAR), types);
        Checks.same(15, columns.getPrecision(2));
        Checks.same(2, columns.getScale(2));
      }
    });
  }

  void fetchSizeIsTaken() throws Exception {
    with(statement -> {
      statement.setFetchSize(7);
      Checks.same(25, Checks.count(statement.executeQuery("SELECT * FROM geography.nation")));
    });
  }

  void maxRowsCutsTheRows() throws Exception {
    with(statement -> {
      statement.setMaxRows(7);
      Checks.same(7, statement.getMaxRows());
      Checks.same(7, Checks.count(statement.executeQuery("SELECT * FROM geography.nation")));
      statement.setLargeMaxRows(9);
      Checks.same(9, Checks.count(statement.executeQuery("SELECT * FROM geography.nation")));
    });
  }

  void aPageOfRows() throws Exception {
    with(statement -> Checks.same(3, Checks.count(
        statement.executeQuery("SELECT * FROM geography.nation ORDER BY n_nationkey LIMIT 3 OFFSET 20"))));
  }

  void aResultIsLeftHalfRead() throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery("SELECT * FROM sales.lineitem")) {
        Checks.holds(rows.next(), "no row");
      }
      Checks.same(5, Checks.count(statement.executeQuery("SELECT * FROM geography.region")));
    });
  }

  void aThousandColumns() throws Exception {
    StringBuilder sql = new StringBuilder("SELECT 0 AS c0");
    for (int each = 1; each < 1000; each++) {
      sql.append(", ").append(each).append(" AS c").append(each);
    }
    with(statement -> {
      try (ResultSet rows = statement.executeQuery(sql.toString())) {
        Checks.holds(rows.next(), "no row");
        Checks.same(999L, rows.getLong("c999"));
      }
    });
  }

  void aHugeCell() throws Exception {
    with(statement -> {
      String sql = "SELECT string_agg(l_comment, ' ') AS v FROM sales.lineitem, geography.region";
      try (ResultSet rows = statement.executeQuery(sql)) {
        Checks.holds(rows.next(), "no row");
        Checks.holds(rows.getString(1).length() > 4 << 20, "a small one");
      }
    });
  }

  void writingIsRefused() throws Exception {
    with(statement -> {
      Checks.says("DELETE", Checks.refused(() -> statement.executeUpdate("DELETE FROM sales.orders")));
      Checks.says("CREATE", Checks.refused(() -> statement.execute("CREATE TABLE t (a INT)")));
    });
  }

  // --- values of every type ------------------------------------------------------------------------

  void booleans() throws Exception {
    value("true", Types.BOOLEAN, true);
  }

  void tinyIntegers() throws Exception {
    value("CAST(-7 AS TINYINT)", Types.TINYINT, (byte) -7);
  }

  void smallIntegers() throws Exception {
    value("CAST(-700 AS SMALLINT)", Types.SMALLINT, (short) -700);
  }

  void integers() throws Exception {
    value("CAST(-70000 AS INTEGER)", Types.INTEGER, -70_000);
  }

  void bigIntegers() throws Exception {
    value("CAST(-7000000000 AS BIGINT)", Types.BIGINT, -7_000_000_000L);
  }

  void singleFloats() throws Exception {
    value("CAST(2.5 AS REAL)", Types.FLOAT, 2.5d);
  }

  void doubleFloats() throws Exception {
    value("CAST(2.5 AS DOUBLE)", Types.DOUBLE, 2.5d);
  }

  void decimals() throws Exception {
    value("CAST(12345.67 AS DECIMAL(12, 2))", Types.DECIMAL, new BigDecimal("12345.67"));
  }

  void wideDecimals() throws Exception {
    String digits = "12345678901234567890123456789012345678901.25";
    value("CAST('" + digits + "' AS DECIMAL(50, 2))", Types.DECIMAL, new BigDecimal(digits));
  }

  void texts() throws Exception {
    value("'O''Hare'", Types.VARCHAR, "O'Hare");
  }

  void bytes() throws Exception {
    with(statement -> {
      try (ResultSet rows = statement.executeQuery("SELECT X'00FF10' AS v")) {
        Checks.holds(rows.next(), "no row");
        Checks.same(List.of((byte) 0, (byte) 255, (byte) 16), boxed(rows.getBytes(1)));
      }
    });
  }

  void dates() throws Exception {
    value("DATE '1995-03-15'", Types.DATE, Date.valueOf("1995-03-15"));
  }

  void times() throws Exception {
    value("CAST('12:30:01' AS TIME)", Types.TIME, Time.valueOf("12:30:01"));
  }

  void timestamps() throws Exception {
    value("TIMESTAMP '1995-03-15 12:30:01'", Types.TIMESTAMP, Timestamp.valueOf("1995-03-15 12:30:01"));
  }

  void nulls() throws Exception {
    value("CAST(NULL AS BIGINT)", Types.BIGINT, null);
    value("CAST(NULL AS VARCHAR)", Types.VARCHAR, null);
    value("CAST(NULL AS DATE)", Types.DATE, null);
  }

  private static List<Byte> boxed(byte[] values) {
    List<Byte> boxed = new ArrayList<>();
    for (byte each : values) {
      boxed.add(each);
    }
    return boxed;
  }
}
