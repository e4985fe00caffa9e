import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Every type of contracts, from a gateway that serves a product of them all. Its second row is NULL throughout. */
final class Everything {
  private static Connection connect() throws SQLException {
    return Checks.open(Checks.setting("everything"), "useEncryption=false", "token=" + Checks.setting("reader"));
  }

  void everyColumnIsRead() throws Exception {
    Set<String> failed = new TreeSet<>();
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT * FROM types.everything")) {
      ResultSetMetaData columns = rows.getMetaData();
      for (int row = 0; rows.next(); row++) {
        for (int column = 1; column <= columns.getColumnCount(); column++) {
          // The driver's framework has no objects for moments with a zone.
          boolean zoned = columns.getColumnType(column) == Types.TIMESTAMP_WITH_TIMEZONE;
          Object value = zoned ? rows.getTimestamp(column) : rows.getObject(column);
          String text = rows.getString(column);
          if ((row == 1) != (value == null) || (row == 1) != (text == null)) {
            failed.add(columns.getColumnLabel(column) + " of row " + row + ": " + text);
          }
        }
      }
    }
    Checks.same(Set.of(), failed);
  }

  void someValues() throws Exception {
    try (Connection connection = connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT * FROM types.everything LIMIT 1")) {
      Checks.holds(rows.next(), "no row");
      for (String integer : List.of("an_i8", "an_i16", "an_i32", "an_i64", "an_u8", "an_u16", "an_u32", "an_u64")) {
        Checks.same(7L, rows.getLong(integer));
      }
      Checks.same("1234.50", rows.getBigDecimal("a_decimal").toPlainString());
      Checks.same("größer 名前 🛫", rows.getString("a_text"));
      Checks.same("a", rows.getString("a_text_as_dictionary"));
      Checks.same("1995-03-15", rows.getDate("a_date").toString());
      Checks.same("[\"a\"]", rows.getString("a_list"));
      Checks.same("{\"street\":\"a\"}", rows.getString("a_struct"));
    }
  }

  void everyColumnIsListed() throws Exception {
    try (Connection connection = connect()) {
      ResultSet columns = connection.getMetaData().getColumns("mesh", "types", "everything", null);
      int listed = Checks.column(columns, "DATA_TYPE").size();
      try (Statement statement = connection.createStatement();
          ResultSet rows = statement.executeQuery("SELECT * FROM types.everything LIMIT 0")) {
        Checks.holds(!rows.next(), "a row");
      }
      Checks.holds(listed > 30, "only " + listed);
    }
  }
}
