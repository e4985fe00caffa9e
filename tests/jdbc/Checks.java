import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;

/**
 * Runs the checks of one theme and prints a line for each: {@code ok name} or {@code fail name: why}.
 *
 * <p>A theme is a class beside this one, a check a package-private method of it without parameters. There is no test
 * framework: the driver is the only thing that has to be fetched. Where the gateway is stands in system properties.
 */
final class Checks {
  private Checks() {}

  public static void main(String[] arguments) throws Exception {
    Class<?> theme = Class.forName(arguments[0]);
    for (Method check : theme.getDeclaredMethods()) {
      if (check.getParameterCount() == 0 && check.getModifiers() == 0 && !check.isSynthetic()) {
        run(theme, check);
      }
    }
    // The driver's threads are no daemons, and a check that failed may have left a connection open.
    System.out.flush();
    System.exit(0);
  }

  private static void run(Class<?> theme, Method check) throws Exception {
    try {
      check.invoke(theme.getDeclaredConstructor().newInstance());
      System.out.println("ok " + check.getName());
    } catch (InvocationTargetException failure) {
      Throwable cause = failure.getCause();
      System.out.println("fail " + check.getName() + ": " + cause.toString().replaceAll("\\s+", " "));
      System.err.println("--- " + check.getName());
      cause.printStackTrace();
    }
  }

  // --- where and who -------------------------------------------------------------------------------

  static String setting(String name) {
    return Objects.requireNonNull(System.getProperty(name), name);
  }

  /** A connection as a demo user, without encryption; {@code options} is what the URL says besides. */
  static Connection connect(String user, String... options) throws SQLException {
    return open(
        setting("plain"), "useEncryption=false", "user=" + user, "password=demo-" + user, String.join("&", options));
  }

  static Connection steward() throws SQLException {
    return connect("steward");
  }

  static Connection open(String address, String... options) throws SQLException {
    return DriverManager.getConnection(url(address, options), new Properties());
  }

  static String url(String address, String... options) {
    List<String> given = new ArrayList<>(List.of(options));
    given.removeIf(String::isEmpty);
    return "jdbc:arrow-flight-sql://" + address + "/?" + String.join("&", given);
  }

  // --- what a check says ---------------------------------------------------------------------------

  @FunctionalInterface
  interface Attempt {
    void make() throws Exception;
  }

  static void same(Object expected, Object found) {
    if (!Objects.equals(expected, found)) {
      throw new AssertionError("expected " + expected + ", found " + found);
    }
  }

  static void holds(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError(what);
    }
  }

  /** The error that an attempt ends with, which must be the driver's. */
  static SQLException refused(Attempt attempt) throws Exception {
    try {
      attempt.make();
    } catch (SQLException refusal) {
      return refusal;
    }
    throw new AssertionError("was not refused");
  }

  /** All messages of an error and its causes, as a tool shows them. */
  static String told(Throwable error) {
    StringBuilder text = new StringBuilder();
    for (Throwable each = error; each != null; each = each.getCause()) {
      text.append(each.getMessage()).append('\n');
    }
    return text.toString();
  }

  static void says(String part, SQLException refusal) {
    holds(told(refusal).contains(part), "the message does not say `" + part + "`: " + told(refusal));
  }

  // --- rows ----------------------------------------------------------------------------------------

  /** One column of all the rows. */
  static List<Object> column(ResultSet rows, String name) throws SQLException {
    List<Object> values = new ArrayList<>();
    try (rows) {
      while (rows.next()) {
        values.add(rows.getObject(name));
      }
    }
    return values;
  }

  /** The first column of the rows that a query answers. */
  static List<Object> ask(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
      List<Object> values = new ArrayList<>();
      while (rows.next()) {
        values.add(rows.getObject(1));
      }
      return values;
    }
  }

  static int count(ResultSet rows) throws SQLException {
    int number = 0;
    try (rows) {
      while (rows.next()) {
        number++;
      }
    }
    return number;
  }
}
