import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Arrays;
import java.util.List;

/** Prepared statements: parameters of every type and NULL, use again, what is told before a run. */
final class Prepared {
  private static final String NATION = "SELECT n_name FROM geography.nation WHERE n_nationkey = ?";

  @FunctionalInterface
  private interface Setting {
    void on(PreparedStatement statement) throws SQLException;
  }

  /** What comes back of a parameter, from {@code CAST(? AS type)}. */
  private static Object echo(String type, Setting setting) throws SQLException {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement("SELECT CAST(? AS " + type + ") AS v")) {
      setting.on(statement);
      try (ResultSet rows = statement.executeQuery()) {
        Checks.holds(rows.next(), "no row");
        Object value = type.equals("BYTEA") ? rows.getBytes(1) : rows.getObject(1);
        Checks.same(value == null, rows.wasNull());
        return value;
      }
    }
  }

  private static void returns(String type, Object value, Setting setting) throws SQLException {
    Checks.same(value, echo(type, setting));
  }

  void booleanParameter() throws Exception {
    returns("BOOLEAN", true, statement -> statement.setBoolean(1, true));
  }

  void byteParameter() throws Exception {
    returns("TINYINT", (byte) -7, statement -> statement.setByte(1, (byte) -7));
  }

  void shortParameter() throws Exception {
    returns("SMALLINT", (short) 700, statement -> statement.setShort(1, (short) 700));
  }

  void intParameter() throws Exception {
    returns("INTEGER", -70_000, statement -> statement.setInt(1, -70_000));
  }

  void longParameter() throws Exception {
    returns("BIGINT", 1L << 40, statement -> statement.setLong(1, 1L << 40));
  }

  void floatParameter() throws Exception {
    returns("REAL", 2.5d, statement -> statement.setFloat(1, 2.5f));
  }

  void doubleParameter() throws Exception {
    returns("DOUBLE", 2.5d, statement -> statement.setDouble(1, 2.5d));
  }

  void decimalParameter() throws Exception {
    BigDecimal value = new BigDecimal("12345.67");
    returns("DECIMAL(12, 2)", value, statement -> statement.setBigDecimal(1, value));
  }

  void stringParameter() throws Exception {
    String value = "O'Hare\" OR 1=1 -- ? $1 größer 中文";
    returns("VARCHAR", value, statement -> statement.setString(1, value));
  }

  void emptyStringParameter() throws Exception {
    returns("VARCHAR", "", statement -> statement.setString(1, ""));
  }

  void bytesParameter() throws Exception {
    byte[] value = {0, -1, 16};
    Object found = echo("BYTEA", statement -> statement.setBytes(1, value));
    Checks.holds(found instanceof byte[] bytes && Arrays.equals(value, bytes), "another value");
  }

  void dateParameter() throws Exception {
    returns("DATE", Date.valueOf("1995-03-15"), statement -> statement.setDate(1, Date.valueOf("1995-03-15")));
  }

  void timeParameter() throws Exception {
    returns("TIME", Time.valueOf("12:30:01"), statement -> statement.setTime(1, Time.valueOf("12:30:01")));
  }

  void timestampParameter() throws Exception {
    Timestamp value = Timestamp.valueOf("1995-03-15 12:30:01");
    returns("TIMESTAMP", value, statement -> statement.setTimestamp(1, value));
  }

  void objectParameters() throws Exception {
    returns("BIGINT", 7L, statement -> statement.setObject(1, 7L));
    returns("VARCHAR", "seven", statement -> statement.setObject(1, "seven"));
    returns("DOUBLE", 7.5d, statement -> statement.setObject(1, 7.5d));
    returns("DATE", Date.valueOf("1995-03-15"), statement -> statement.setObject(1, Date.valueOf("1995-03-15")));
  }

  void nullOfEveryType() throws Exception {
    List<String> types = List.of("BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE", "DECIMAL(12, 2)",
        "VARCHAR", "DATE", "TIME", "TIMESTAMP", "BYTEA");
    for (String type : types) {
      try {
        returns(type, null, statement -> statement.setNull(1, Types.NULL));
      } catch (SQLException | AssertionError | RuntimeException failure) {
        throw new AssertionError("NULL as " + type, failure);
      }
    }
  }

  void severalParametersInOrder() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(
            "SELECT count(*) FROM sales.orders WHERE o_orderkey > ? AND o_orderdate < ? AND o_orderstatus = ?")) {
      statement.setLong(1, 100);
      statement.setDate(2, Date.valueOf("1996-01-01"));
      statement.setString(3, "F");
      try (ResultSet rows = statement.executeQuery()) {
        Checks.holds(rows.next(), "no row");
        Object expected = Checks.ask(connection, "SELECT count(*) FROM sales.orders WHERE o_orderkey > 100"
            + " AND o_orderdate < DATE '1996-01-01' AND o_orderstatus = 'F'").get(0);
        Checks.same(expected, rows.getLong(1));
      }
    }
  }

  void numberedPlaceholders() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(
            "SELECT n_name FROM geography.nation WHERE n_nationkey = $2 OR n_nationkey IN ($1, $2) ORDER BY 1")) {
      statement.setLong(1, 6);
      statement.setLong(2, 7);
      Checks.same(List.of("FRANCE", "GERMANY"), Checks.column(statement.executeQuery(), "n_name"));
    }
  }

  void aStatementIsUsedAgain() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(NATION)) {
      for (String expected : List.of("ALGERIA", "ARGENTINA", "BRAZIL", "CANADA")) {
        statement.setLong(1, List.of("ALGERIA", "ARGENTINA", "BRAZIL", "CANADA").indexOf(expected));
        Checks.same(List.of(expected), Checks.column(statement.executeQuery(), "n_name"));
      }
    }
  }

  void severalStatementsAreOpen() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement one = connection.prepareStatement(NATION);
        PreparedStatement other = connection.prepareStatement(NATION)) {
      one.setLong(1, 6);
      other.setLong(1, 7);
      Checks.same(List.of("FRANCE"), Checks.column(one.executeQuery(), "n_name"));
      Checks.same(List.of("GERMANY"), Checks.column(other.executeQuery(), "n_name"));
    }
  }

  void theParametersAreTold() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(
            "SELECT * FROM sales.orders WHERE o_orderkey = ? AND o_orderdate < ? AND o_comment LIKE ?")) {
      ParameterMetaData parameters = statement.getParameterMetaData();
      Checks.same(3, parameters.getParameterCount());
      Checks.same(Types.BIGINT, parameters.getParameterType(1));
      Checks.same(Types.DATE, parameters.getParameterType(2));
      Checks.same(Types.VARCHAR, parameters.getParameterType(3));
    }
  }

  void theColumnsAreToldBeforeARun() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(NATION)) {
      Checks.same(1, statement.getMetaData().getColumnCount());
      Checks.same("n_name", statement.getMetaData().getColumnLabel(1));
      Checks.same(Types.VARCHAR, statement.getMetaData().getColumnType(1));
    }
  }

  void maxRowsCutsTheRows() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement =
            connection.prepareStatement("SELECT * FROM geography.nation WHERE n_nationkey > ?")) {
      statement.setLong(1, 3);
      statement.setMaxRows(4);
      Checks.same(4, Checks.count(statement.executeQuery()));
    }
  }

  void executeThenTheRows() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(NATION)) {
      statement.setLong(1, 7);
      Checks.holds(statement.execute(), "no result set");
      Checks.same(List.of("GERMANY"), Checks.column(statement.getResultSet(), "n_name"));
    }
  }

  void aQuestionMarkInATextIsNone() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement("SELECT '?' AS v, ? + 1 AS w")) {
      statement.setLong(1, 7);
      Checks.same(List.of("?"), Checks.column(statement.executeQuery(), "v"));
    }
  }

  void anEmptyResultKeepsItsColumns() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(NATION)) {
      statement.setLong(1, -1);
      try (ResultSet rows = statement.executeQuery()) {
        Checks.same(1, rows.getMetaData().getColumnCount());
        Checks.holds(!rows.next(), "a row");
      }
    }
  }

  void parametersTakeTheTypesOfWhatTheyMeet() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(
            "SELECT 1 FROM sales.orders WHERE o_totalprice BETWEEN ? AND ? AND o_shippriority + ? = 0 LIMIT ?")) {
      statement.setBigDecimal(1, new BigDecimal("1000.00"));
      statement.setBigDecimal(2, new BigDecimal("900000.00"));
      statement.setInt(3, 0);
      statement.setLong(4, 3);
      Checks.same(3, Checks.count(statement.executeQuery()));
    }
  }

  /** A placeholder that nothing gives a type is a text, as it is for other databases. */
  void aParameterWithoutContextIsText() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement("SELECT ? AS v")) {
      statement.setString(1, "seven");
      Checks.same(List.of("seven"), Checks.column(statement.executeQuery(), "v"));
    }
  }

  void aMissingParameterIsRefused() throws Exception {
    try (Connection connection = Checks.steward();
        PreparedStatement statement = connection.prepareStatement(NATION)) {
      Checks.refused(() -> Checks.count(statement.executeQuery()));
    }
  }

  void writingIsRefused() throws Exception {
    try (Connection connection = Checks.steward()) {
      Checks.says("INSERT", Checks.refused(
          () -> connection.prepareStatement("INSERT INTO geography.region VALUES (?, ?, ?)").close()));
    }
  }
}
